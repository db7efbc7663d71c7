//! Which machines are simulated: their kinds, and what tells one board from another.

use fastrand::Rng;

use super::{Client, Options};
use crate::net::Mac;

/// A kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A Raspberry Pi 3B: its ROM gives up after five DISCOVERs and never sends a REQUEST (firmware#1265, #1699).
    Pi3,
    /// A Raspberry Pi 4 with an EEPROM of January 2020: option 60 comes last in its DISCOVER (rpi-eeprom#58) and is
    /// missing from its REQUEST (rpi-eeprom#82), it stumbles over PAD options (#84) and looks only at the first entry
    /// of a menu (#60). Relay agents are too much for it until June 2020 (#58).
    Pi4Early,
    /// A Raspberry Pi 4 with an EEPROM of 2021.
    Pi4,
    /// A Raspberry Pi 5 with an EEPROM of 2025.
    Pi5,
    /// A PC with UEFI firmware (OVMF) whose boot file is iPXE.
    UefiX64,
    /// A PC whose UEFI firmware lists two architectures in option 93, x64 among them as 9: RFC 4578 as printed has 7
    /// and 9 the other way round.
    UefiX64As9,
    /// The firmware of `UefiX64`, booting by HTTP.
    UefiHttpX64,
    /// A PC whose BIOS has iPXE as its network ROM, and no UUID.
    BiosIpxe,
    /// A PC whose network card carries FlexBoot, an iPXE that does not say so in option 77 (warewulf3#104).
    FlexBoot,
    /// A PC whose BIOS has a PXE ROM, and boots pxelinux.
    BiosPxe,
    /// An arm64 machine with UEFI firmware (AAVMF) whose boot file is GRUB.
    UefiArm64,
    /// The same firmware, booting a GRUB with HTTP by HTTP.
    UefiHttpArm64,
    /// An arm64 board with U-Boot that looks for a pxelinux menu.
    UBoot,
    /// An arm64 board with U-Boot as it is shipped: a script, else a UEFI boot file, which is GRUB.
    UBootEfi,
    /// A Linux system that wants an address, and nothing to boot (udhcpc).
    PlainLinux,
    /// The same with a DHCP client that remembers its address over a restart and asks for it (INIT-REBOOT; dhclient).
    RememberingLinux,
    /// A Linux system, booted from a stick, on which the installer runs.
    LinuxInstaller,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 17] = [
        Kind::Pi3,
        Kind::Pi4Early,
        Kind::Pi4,
        Kind::Pi5,
        Kind::UefiX64,
        Kind::UefiX64As9,
        Kind::UefiHttpX64,
        Kind::BiosIpxe,
        Kind::FlexBoot,
        Kind::BiosPxe,
        Kind::UefiArm64,
        Kind::UefiHttpArm64,
        Kind::UBoot,
        Kind::UBootEfi,
        Kind::PlainLinux,
        Kind::RememberingLinux,
        Kind::LinuxInstaller,
    ];

    /// A short word for labels and stories.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Pi3 => "pi3",
            Kind::Pi4Early => "pi4-2020",
            Kind::Pi4 => "pi4",
            Kind::Pi5 => "pi5",
            Kind::UefiX64 => "uefi",
            Kind::UefiX64As9 => "uefi-as-9",
            Kind::UefiHttpX64 => "uefi-http",
            Kind::BiosIpxe => "bios-ipxe",
            Kind::FlexBoot => "flexboot",
            Kind::BiosPxe => "bios",
            Kind::UefiArm64 => "arm64",
            Kind::UefiHttpArm64 => "arm64-http",
            Kind::UBoot => "uboot",
            Kind::UBootEfi => "uboot-efi",
            Kind::PlainLinux => "linux",
            Kind::RememberingLinux => "dhclient",
            Kind::LinuxInstaller => "stick",
        }
    }

    /// Whether its firmware asks the network for something to boot.
    pub fn netboots(self) -> bool {
        self.installs() && self != Kind::LinuxInstaller
    }

    /// Whether it installs an image.
    pub fn installs(self) -> bool {
        !matches!(self, Kind::PlainLinux | Kind::RememberingLinux)
    }

    /// Whether its firmware tells the UUID that the maker of its board wrote (option 97).
    pub fn tells_uuid(self) -> bool {
        match self {
            Kind::UefiX64 | Kind::UefiX64As9 | Kind::UefiHttpX64 | Kind::UefiArm64 | Kind::UefiHttpArm64 => true,
            Kind::FlexBoot | Kind::BiosPxe => true,
            Kind::Pi3 | Kind::Pi4Early | Kind::Pi4 | Kind::Pi5 | Kind::BiosIpxe | Kind::UBoot | Kind::UBootEfi => false,
            Kind::PlainLinux | Kind::RememberingLinux | Kind::LinuxInstaller => false,
        }
    }

    /// Whether its firmware copes with a relay agent: the ROM of a Pi 3 and the first EEPROMs of a Pi 4 do not
    /// (Raspberry Pi documentation "Known problems"; rpi-eeprom#58).
    pub fn boots_behind_relay(self) -> bool {
        !matches!(self, Kind::Pi3 | Kind::Pi4Early)
    }

    fn is_pi(self) -> bool {
        matches!(self, Kind::Pi3 | Kind::Pi4Early | Kind::Pi4 | Kind::Pi5)
    }

    /// OUIs as boards of that kind carry them.
    fn oui(self, rng: &mut Rng) -> [u8; 3] {
        match self {
            Kind::Pi3 => [0xb8, 0x27, 0xeb],
            Kind::Pi4Early => [0xdc, 0xa6, 0x32],
            Kind::Pi4 if rng.bool() => [0xdc, 0xa6, 0x32],
            Kind::Pi4 => [0xd8, 0x3a, 0xdd],
            Kind::Pi5 => [0x2c, 0xcf, 0x67],
            // Everything else was seen in QEMU.
            _ => [0x52, 0x54, 0x00],
        }
    }
}

/// What tells a board from every other one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The hardware address of its network port.
    pub mac: Mac,
    /// The serial as its operating system prints it: 16 hex digits for a Pi, free text from DMI for a PC.
    pub serial: String,
    /// What the maker of a PC wrote as its UUID, if anything: some write the same into every board.
    pub uuid: Option<[u8; 16]>,
}

impl Identity {
    /// The board number `index` of its kind; boards of different index differ in MAC and serial.
    pub fn numbered(kind: Kind, index: u32, rng: &mut Rng) -> Identity {
        let [a, b, c] = kind.oui(rng);
        let [_, x, y, z] = index.to_be_bytes();
        let mac = Mac([a, b, c, x, y, z]);
        // The low 32 bits alone tell two Pis apart in option 97 and in the TFTP prefix. An odd factor keeps them distinct.
        let low = index.wrapping_mul(0x9e37_79b1) ^ 0x5eed_0000;
        let serial = if kind.is_pi() { format!("{:08x}{low:08x}", rng.u32(1..)) } else { format!("PC-{low:08X}") };
        Identity { mac, serial, uuid: None }
    }

    /// The low 32 bits of a Pi's serial.
    pub(super) fn serial_low32(&self) -> u32 {
        let tail = self.serial.len().saturating_sub(8);
        u32::from_str_radix(&self.serial[tail..], 16).unwrap_or(0)
    }
}

/// `count` clients of all kinds, the same ones for the same seed: a third of them Pi 5, as on a bench that makes them.
pub fn mixed(count: usize, seed: u64, options: &Options) -> Vec<Client> {
    let mut rng = Rng::with_seed(seed);
    (1..=u32::try_from(count).unwrap_or(u32::MAX))
        .map(|index| {
            let kind = Kind::ALL.get(rng.usize(..Kind::ALL.len() + 6)).copied().unwrap_or(Kind::Pi5);
            let identity = Identity::numbered(kind, index, &mut rng);
            Client::new(kind, identity, rng.u64(..), options.clone())
        })
        .collect()
}
