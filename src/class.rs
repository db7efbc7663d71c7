//! Classes of clients: what their messages have in common, so that pools, options and profiles may depend on it.
//!
//! Owns the tests a class may make; what follows from belonging to one is said where it follows.

use crate::machine::firmware::{self, Firmware};
use crate::site::{DhcpOption, Reservation};
use crate::wire::dhcp::{Request, code};

/// The class of every client that has a reservation.
pub const KNOWN: &str = "KNOWN";

/// The class of every client that speaks BOOTP.
pub const BOOTP: &str = "BOOTP";

/// A class as the operator defined it. Its members pass every test that is there; without any, only reservations make
/// members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Any of these kinds of client.
    pub firmware: Vec<Firmware>,
    /// Any of these architectures in option 93.
    pub arch: Vec<u16>,
    /// Option 60 begins so.
    pub vendor_class: Vec<u8>,
    /// Option 77, or one of the classes in it (RFC 3004 §4), begins so.
    pub user_class: Vec<u8>,
    /// The 16 bytes of option 97 begin so.
    pub uuid: Vec<u8>,
    /// The hardware address begins so.
    pub mac: Vec<u8>,
    /// This option has exactly this value.
    pub option: Option<(u8, Vec<u8>)>,
    /// DHCP options of its members.
    pub options: Vec<DhcpOption>,
}

impl Class {
    /// Whether the sender of `request` passes the tests.
    fn takes(&self, request: &Request, firmware: Firmware) -> bool {
        let begins = |code, prefix: &[u8]| request.option(code).is_some_and(|value| value.starts_with(prefix));
        // Each test, where the class makes it.
        let tests = [
            (!self.firmware.is_empty()).then(|| self.firmware.contains(&firmware)),
            (!self.arch.is_empty()).then(|| firmware::architectures(request).any(|arch| self.arch.contains(&arch))),
            (!self.vendor_class.is_empty()).then(|| begins(code::VENDOR_CLASS, &self.vendor_class)),
            (!self.user_class.is_empty()).then(|| user_classes(request).any(|one| one.starts_with(&self.user_class))),
            (!self.uuid.is_empty()).then(|| {
                let uuid = request.option(code::CLIENT_UUID).and_then(|value| value.strip_prefix(&[0]));
                uuid.is_some_and(|uuid| uuid.starts_with(&self.uuid))
            }),
            (!self.mac.is_empty()).then(|| request.mac().is_some_and(|mac| mac.0.starts_with(&self.mac))),
            self.option.as_ref().map(|(number, value)| request.option(*number) == Some(&value[..])),
        ];
        let mut made = tests.into_iter().flatten().peekable();
        made.peek().is_some() && made.all(|passed| passed)
    }
}

/// Option 77 as a whole, because iPXE writes it without lengths, and each class in it.
fn user_classes(request: &Request) -> impl Iterator<Item = &[u8]> {
    let whole = request.option(code::USER_CLASS).unwrap_or_default();
    let mut rest = whole;
    let listed = std::iter::from_fn(move || {
        let (len, after) = rest.split_first()?;
        let (one, after) = after.split_at_checked(usize::from(*len))?;
        rest = after;
        Some(one)
    });
    std::iter::once(whole).chain(listed)
}

/// The names of all classes the sender of `request` belongs to.
pub fn of(classes: &[Class], request: &Request, firmware: Firmware, reservation: Option<&Reservation>) -> Vec<String> {
    let known = reservation.map(|_| KNOWN.to_owned());
    let bootp = request.kind.is_none().then(|| BOOTP.to_owned());
    let reserved = reservation.map(|each| each.classes.as_slice()).unwrap_or_default();
    let passed = classes.iter().filter(|class| class.takes(request, firmware)).map(|class| &class.name);
    let mut names: Vec<String> = known.into_iter().chain(bootp).chain(reserved.iter().chain(passed).cloned()).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests;
