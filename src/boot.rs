//! What a machine should get now, and why: the one question that DHCP, TFTP and HTTP all ask.
//!
//! [`plan`] decides and leaves nothing to decide later; its reasons go with it, so that they can be shown. Owns no
//! state, and never looks at anything but its arguments.

pub mod file;
pub mod leave;
pub mod pipeline;

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::catalog::{Catalog, Image, ImageState, PiMenu, Profile, Vars};
use crate::ids::ProductName;
use crate::machine::firmware::Firmware;
use crate::machine::stage::Stage;
use crate::machine::{Machine, Order};
use crate::naming::Name;
use crate::net::LinkId;
use crate::site::{Link, Reservation, Site};

/// The decision for one machine, with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootPlan {
    /// What it gets.
    pub boot: Boot,
    /// The profile that decided, and whose answers it may have; `None` while it is held, or if no profile fits.
    pub profile: Option<Arc<Profile>>,
    /// The order in force: the machine's own, or what its profile says of such machines.
    pub order: Order,
    /// Why, in the order in which it was decided.
    pub reasons: Vec<Reason>,
}

/// What a machine gets when it asks the network for something to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Boot {
    /// Files from us.
    Net(NetBoot),
    /// An address and no boot file, so that the firmware goes on to its own disk; a UEFI gets a program that makes it do so
    /// at once (see [`leave`]).
    Disk(Option<NetBoot>),
    /// An address and nothing else.
    AddressOnly,
}

/// Where a network boot starts, and which files belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetBoot {
    /// Our address on its link: TFTP server and host of the URLs.
    pub next_server: Ipv4Addr,
    /// The first file: a TFTP name or a URL; empty for a Raspberry Pi, which asks for its files by fixed names.
    pub boot_file: String,
    /// What a Raspberry Pi is told in option 43.
    pub pi_menu: PiMenu,
}

impl BootPlan {
    /// The profile of a machine that is to be installed, however it came to us.
    pub fn installs(&self) -> Option<&Arc<Profile>> {
        self.profile.as_ref().filter(|_| self.order.installs())
    }
}

/// One step of a decision, as a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(pub Cow<'static, str>);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a template may name, and what a report shows: every fact about one machine's boot.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Facts {
    /// The hardware address with colons; empty if unknown.
    pub mac: String,
    /// The serial in its longest known form; empty if unknown.
    pub serial: String,
    /// The host name; empty before one is given.
    pub hostname: String,
    /// The machine's address; empty before it has one.
    pub address: String,
    /// The firmware's name, such as `raspberry-pi-5`.
    pub firmware: String,
    /// The profile's name.
    pub profile: String,
    /// What it becomes; empty if that is not fixed yet.
    pub product: String,
    /// Where it goes; empty if that is not fixed yet.
    pub venue: String,
    /// Our address on its link.
    pub server: String,
    /// `http://SERVER[:PORT]`.
    pub base_url: String,
    /// The profile's kernel arguments.
    pub kernel_args: String,
    /// Absolute URL of the image; empty while there is none.
    pub image_url: String,
    /// Size of the image in bytes; 0 while there is none.
    pub image_size: u64,
    /// SHA-256 of the image in hex; empty while there is none.
    pub image_sha256: String,
    /// The operator's own texts, of the profile.
    pub vars: Vars,
}

/// Everything a decision is made from.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who asks.
    pub machine: &'a Machine,
    /// Whether it has a name, or is certain to be given one.
    pub named: bool,
    /// What kind of client is asking right now.
    pub firmware: Firmware,
    /// By which link.
    pub link: &'a Link,
    /// What the operator fixed for it.
    pub reservation: Option<&'a Reservation>,
    /// The classes it belongs to.
    pub classes: &'a [String],
    /// This place.
    pub site: &'a Site,
    /// What there is to boot.
    pub catalog: &'a Catalog,
}

/// How many reasons most decisions have, at most.
const REASONS: usize = 4;

/// Decides what the machine gets now.
pub fn plan(question: &Question<'_>) -> BootPlan {
    let Question { machine, firmware, link, site, reservation, classes, catalog, .. } = *question;
    let mut reasons = Vec::with_capacity(REASONS);
    let mut because = |sentence: Cow<'static, str>| reasons.push(Reason(sentence));
    because(format!("it asks as {firmware}").into());
    let found = profile(catalog, firmware, reservation, classes);
    let order = order(question, found);
    let boot = 'decided: {
        if !firmware.netboots() {
            if let Some(profile) = found {
                because(format!("the answers of the profile {} are there for it", profile.name).into());
            }
            because("it wants an address, not a boot file".into());
            break 'decided Boot::AddressOnly;
        }
        because(reason_of_order(machine, order));
        match order {
            Order::Install | Order::Reinstall => {}
            Order::Disk => {
                let leave = leave::name(firmware).map(|name| NetBoot {
                    next_server: link.address,
                    boot_file: file_for(firmware, name, site, link),
                    pi_menu: PiMenu::default(),
                });
                if leave.is_some() {
                    because("a UEFI gets a program that makes it do so at once".into());
                }
                break 'decided Boot::Disk(leave);
            }
            Order::Hold => break 'decided Boot::AddressOnly,
        }
        let which = match (reservation.and_then(|each| each.profile.as_deref()), found) {
            (Some(name), _) => format!("its reservation names the profile {name}"),
            (None, Some(profile)) => format!("the first profile for {firmware} is {}", profile.name),
            (None, None) => format!("no profile is for {firmware}"),
        };
        because(which.into());
        let Some(profile) = found else { break 'decided Boot::AddressOnly };
        let boot_file = if firmware.is_raspberry_pi() {
            because("a Raspberry Pi asks for its files by name, below its serial number".into());
            String::new()
        } else if let Some(file) = profile.boot_file_for(firmware) {
            because(format!("the boot file of that profile for {firmware} is {file}").into());
            file_for(firmware, file, site, link)
        } else {
            because(format!("that profile names no boot file for {firmware}").into());
            break 'decided Boot::AddressOnly;
        };
        Boot::Net(NetBoot { next_server: link.address, boot_file, pi_menu: profile.pi_menu.clone() })
    };
    let profile = found.filter(|_| order != Order::Hold).cloned();
    BootPlan { boot, profile, order, reasons }
}

/// A file below the boot directory as this kind of client wants it named.
fn file_for(firmware: Firmware, file: &str, site: &Site, link: &Link) -> String {
    if firmware.boots_by_http() { format!("{}/boot/{file}", site.base_url(link)) } else { file.to_owned() }
}

/// The profile of a client: the one that its reservation names, else the first for its firmware and classes.
pub fn profile<'a>(
    catalog: &'a Catalog,
    firmware: Firmware,
    reservation: Option<&Reservation>,
    classes: &[String],
) -> Option<&'a Arc<Profile>> {
    match reservation.and_then(|each| each.profile.as_deref()) {
        Some(name) => catalog.profile(name),
        None => catalog.profile_for(firmware, classes),
    }
}

/// The order in force. What an operator asked for goes before what the profile says of machines whose last run failed,
/// and of those that have no name.
fn order(question: &Question<'_>, profile: Option<&Arc<Profile>>) -> Order {
    let machine = question.machine;
    match (machine.order, profile) {
        (Order::Install, Some(profile)) if matches!(machine.stage, Stage::Failed(_)) => profile.failed,
        (Order::Install, Some(profile)) if !question.named => profile.unassigned,
        (order, _) => order,
    }
}

fn reason_of_order(machine: &Machine, order: Order) -> Cow<'static, str> {
    let by_profile = || match &machine.stage {
        Stage::Failed(cause) => format!("its last run failed ({cause})"),
        _ => "it has no name yet".to_owned(),
    };
    match (machine.order, order) {
        (_, Order::Install) => format!("its order is to install (stage: {})", machine.stage).into(),
        (_, Order::Reinstall) => format!("an operator wants it installed (stage: {})", machine.stage).into(),
        (Order::Disk, _) => "its deployment succeeded, so it boots its own disk until a reinstall is asked for".into(),
        (Order::Hold, _) => "an operator holds it".into(),
        (_, Order::Disk) => format!("{}, and its profile has such machines boot their own disk", by_profile()).into(),
        (_, Order::Hold) => format!("{}, and its profile holds such machines", by_profile()).into(),
    }
}

/// The product a machine becomes: that of its name, else that of its profile.
pub fn product<'a>(name: Option<&'a Name>, plan: &'a BootPlan) -> Option<&'a ProductName> {
    let of_profile = plan.installs().and_then(|profile| profile.product.as_ref());
    name.and_then(|name| name.product.as_ref()).or(of_profile)
}

/// The absolute URL of an image for machines on `link`.
pub fn image_url(site: &Site, link: &Link, image: &Image) -> String {
    format!("{}/images/{}", site.base_url(link), image.file)
}

/// One machine as everything outside the fleet sees it: what it is, holds, and gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The machine.
    pub machine: Machine,
    /// The name it holds.
    pub name: Option<Name>,
    /// The address it holds.
    pub address: Option<Ipv4Addr>,
    /// The link it was last heard on.
    pub link: LinkId,
    /// What it gets.
    pub plan: BootPlan,
}

impl View {
    /// What people call the machine: its name, else its serial, else its MAC.
    pub fn label(&self) -> String {
        let name = self.name.as_ref().map(|name| name.hostname.to_string());
        name.unwrap_or_else(|| self.machine.label())
    }

    /// Gathers what templates may name.
    pub fn facts(&self, site: &Site, catalog: &Catalog) -> Option<Facts> {
        let link = site.link(self.link)?;
        let profile = self.plan.profile.as_ref();
        let product = product(self.name.as_ref(), &self.plan);
        let image = product.and_then(|product| match catalog.image(product) {
            ImageState::Ready(image) => Some(image),
            ImageState::Missing | ImageState::Measuring => None,
        });
        let venue_of_name = self.name.as_ref().and_then(|name| name.venue.as_ref());
        let venue = venue_of_name.or(profile.and_then(|profile| profile.venue.as_ref()));
        let text = |value: Option<String>| value.unwrap_or_default();
        Some(Facts {
            mac: text(self.machine.mac.map(|mac| mac.to_string())),
            serial: text(self.machine.serial.as_ref().map(ToString::to_string)),
            hostname: text(self.name.as_ref().map(|name| name.hostname.to_string())),
            address: text(self.address.map(|address| address.to_string())),
            firmware: self.machine.firmware.name().to_owned(),
            profile: text(profile.map(|profile| profile.name.clone())),
            product: text(product.map(ToString::to_string)),
            venue: text(venue.map(ToString::to_string)),
            server: link.address.to_string(),
            base_url: site.base_url(link),
            kernel_args: text(profile.map(|profile| profile.kernel_args.clone())),
            image_url: text(image.map(|image| image_url(site, link, image))),
            image_size: image.map_or(0, |image| image.size),
            image_sha256: text(image.map(|image| image.digest.to_string())),
            vars: profile.map(|profile| profile.vars.clone()).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests;
