//! What is asking: the firmware or program behind a DHCP message, told from its options.
//!
//! Option 93 alone does not tell: every Raspberry Pi announces architecture 0, the same as an x86 BIOS.

use std::fmt;

use crate::wire::dhcp::{MessageType, Request, code};

/// A kind of client, as far as it changes what we answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Firmware {
    RaspberryPi3,
    RaspberryPi4,
    RaspberryPi5,
    BiosPxe,
    UefiX64,
    UefiArm64,
    UefiHttpX64,
    UefiHttpArm64,
    Ipxe,
    UBoot,
    /// An operating system or installer that only wants an address.
    Plain,
    /// Something that netboots and that we know no boot file for; it still gets an address.
    Unknown,
}

impl Firmware {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Firmware; 12] = [
        Firmware::RaspberryPi3,
        Firmware::RaspberryPi4,
        Firmware::RaspberryPi5,
        Firmware::BiosPxe,
        Firmware::UefiX64,
        Firmware::UefiArm64,
        Firmware::UefiHttpX64,
        Firmware::UefiHttpArm64,
        Firmware::Ipxe,
        Firmware::UBoot,
        Firmware::Plain,
        Firmware::Unknown,
    ];

    /// The name in configuration files, reports and the journal.
    pub fn name(self) -> &'static str {
        match self {
            Firmware::RaspberryPi3 => "raspberry-pi-3",
            Firmware::RaspberryPi4 => "raspberry-pi-4",
            Firmware::RaspberryPi5 => "raspberry-pi-5",
            Firmware::BiosPxe => "bios",
            Firmware::UefiX64 => "uefi-x64",
            Firmware::UefiArm64 => "uefi-arm64",
            Firmware::UefiHttpX64 => "uefi-http-x64",
            Firmware::UefiHttpArm64 => "uefi-http-arm64",
            Firmware::Ipxe => "ipxe",
            Firmware::UBoot => "u-boot",
            Firmware::Plain => "plain",
            Firmware::Unknown => "unknown",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Firmware::ALL.into_iter().find(|each| each.name() == name)
    }

    /// Whether it is a Raspberry Pi's own boot ROM or EEPROM.
    pub fn is_raspberry_pi(self) -> bool {
        matches!(self, Firmware::RaspberryPi3 | Firmware::RaspberryPi4 | Firmware::RaspberryPi5)
    }

    /// Whether it takes a boot file as an `http://` URL.
    pub fn boots_by_http(self) -> bool {
        matches!(self, Firmware::UefiHttpX64 | Firmware::UefiHttpArm64 | Firmware::Ipxe)
    }

    /// Whether it asks the network for something to boot.
    pub fn netboots(self) -> bool {
        self != Firmware::Plain
    }

    /// Recognises the sender of a DHCP message. A REQUEST may carry less than the DISCOVER before it: a Pi's has no
    /// option 93, and a Pi 4 EEPROM of January 2020 sent no option 60 in it either (rpi-eeprom#82), so option 97 alone
    /// must do.
    pub fn recognise(request: &Request) -> Firmware {
        // iPXE before the architectures: it repeats those of the firmware it was loaded by. FlexBoot sends no user
        // class (warewulf3#104), so the encapsulated option space 175 counts too.
        let user_class = request.option(code::USER_CLASS).unwrap_or_default();
        if user_class.windows(4).any(|window| window == b"iPXE") || request.option(code::IPXE).is_some() {
            return Firmware::Ipxe;
        }
        let class = request.option(code::VENDOR_CLASS).unwrap_or_default();
        if class.starts_with(b"U-Boot") {
            return Firmware::UBoot;
        }
        if let Some(pi) = raspberry_pi(request) {
            return pi;
        }
        let netboots = class.starts_with(b"PXEClient") || class.starts_with(b"HTTPClient");
        let mut known = architectures(request).filter_map(by_architecture);
        match known.next() {
            Some(firmware) => firmware,
            None if netboots || request.option(code::CLIENT_ARCH).is_some() => by_class(class),
            None => Firmware::Plain,
        }
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Option 93 is a list of big-endian 16-bit types (RFC 4578 §2.1): the first that we know counts.
pub fn architectures(request: &Request) -> impl Iterator<Item = u16> {
    let list = request.option(code::CLIENT_ARCH).unwrap_or_default();
    list.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

fn by_architecture(arch: u16) -> Option<Firmware> {
    Some(match arch {
        0 => Firmware::BiosPxe,
        // RFC 4578 as printed swaps 7 and 9; the field sends either for x64.
        7 | 9 => Firmware::UefiX64,
        11 => Firmware::UefiArm64,
        16 => Firmware::UefiHttpX64,
        19 => Firmware::UefiHttpArm64,
        21 | 22 => Firmware::UBoot,
        _ => return None,
    })
}

/// A REQUEST without option 93 still says its architecture in the class, `PXEClient:Arch:00007:UNDI:003000`.
fn by_class(class: &[u8]) -> Firmware {
    let digits = class.splitn(4, |b| *b == b':').nth(2).unwrap_or_default();
    let arch = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    arch.and_then(by_architecture).unwrap_or(Firmware::Unknown)
}

/// Option 97 of a Pi: type 0, four characters, board revision, MAC tail, serial (rpi-eeprom documentation,
/// `DHCP_OPTION97`). Both byte orders of the four characters exist in the field. The Pi 3 ROM has no such mark: it
/// repeats 0x44, or (3B+) the serial four times. So does a Pi 4 or 5 with `DHCP_OPTION97=0`, which tells the two apart
/// no more: both are taken for a Pi 4, whose answers fit the Pi 5, too.
fn raspberry_pi(request: &Request) -> Option<Firmware> {
    let uuid = request.option(code::CLIENT_UUID)?;
    // Its own loader says x86 BIOS, nothing, or one day 41 (rpiboot; firmware#1928). Another architecture is a UEFI that
    // this loader started, and wants a UEFI's boot file.
    if uuid.len() != 17 || uuid[0] != 0 || architectures(request).any(|arch| !matches!(arch, 0 | 41)) {
        return None;
    }
    let guid = &uuid[1..];
    match &guid[..4] {
        // Pi 5 EEPROMs before 2023-10-30 still said RPi4; the board revision tells the truth.
        b"RPi4" if matches!(board_type(guid), 0x17..=0x1a) => return Some(Firmware::RaspberryPi5),
        b"RPi4" | b"4iPR" => return Some(Firmware::RaspberryPi4),
        b"RPi5" | b"5iPR" => return Some(Firmware::RaspberryPi5),
        _ => {}
    }
    // Only the Pi's own loaders announce x86 BIOS with a GUID of this make, whatever its first word was set to
    // (`DHCP_OPTION97` takes any), or with one repeated word.
    let loader = request.option(code::VENDOR_CLASS).is_some_and(|class| class.starts_with(b"PXEClient:Arch:00000"));
    if loader && guid[8..12] == request.chaddr[2..6] && guid[8..12] != [0; 4] {
        let five = matches!(board_type(guid), 0x17..=0x1a);
        return Some(if five { Firmware::RaspberryPi5 } else { Firmware::RaspberryPi4 });
    }
    let repeated = guid.chunks_exact(4).all(|word| word == &guid[..4]) && guid.iter().any(|b| *b != 0);
    // Every Pi 3 ROM sends one and the same xid, and never a REQUEST (firmware#1265, #1699); an EEPROM's xid is random.
    let rom = request.kind == Some(MessageType::Discover) && request.xid == ROM_XID || guid == [0x44; 16];
    (repeated && loader).then_some(if rom { Firmware::RaspberryPi3 } else { Firmware::RaspberryPi4 })
}

/// The transaction id of every Pi 3 ROM.
const ROM_XID: u32 = 0x26f3_0339;

/// Bits 4–11 of the board revision code: 0x11 Pi 4B, 0x13 Pi 400, 0x14 CM4, 0x17 Pi 5, 0x18 CM5, 0x19 Pi 500.
fn board_type(guid: &[u8]) -> u32 {
    (u32::from_le_bytes([guid[4], guid[5], guid[6], guid[7]]) >> 4) & 0xff
}

#[cfg(test)]
mod tests;
