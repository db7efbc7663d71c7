//! The bytes of DISCOVER and REQUEST as each client was seen to write them: fields, option order and padding.

use std::net::Ipv4Addr;

use super::super::identity::{Identity, Kind};
use crate::wire::dhcp::{MessageType, code};

/// Whose manner of DHCP is spoken; where one program runs on several machines, with its architecture (option 93).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Speaker {
    /// The boot ROM of a Raspberry Pi 3.
    PiRom,
    /// The EEPROM of a Raspberry Pi.
    Eeprom,
    /// The PXE ROM of a BIOS.
    Bios,
    /// EDK2: its PXE base code, or its HTTP boot.
    Uefi(Arch),
    /// iPXE: the ROM of a BIOS, or started by UEFI.
    Ipxe(Arch),
    /// U-Boot: by itself, or on behalf of the UEFI that it is.
    UBoot(Arch),
    /// GRUB's `net_dhcp`.
    Grub,
    /// busybox udhcpc.
    Udhcpc,
    /// ISC dhclient.
    Dhclient,
}

/// An architecture of option 93 (RFC 4578 §2.1 and its registry).
pub(in super::super) type Arch = u16;

pub(in super::super) const ARCH_BIOS: Arch = 0;
pub(in super::super) const ARCH_X64: Arch = 7;
/// x64 as RFC 4578 has it in print (its erratum swaps 7 and 9).
pub(in super::super) const ARCH_X64_AS_9: Arch = 9;
/// 32-bit UEFI, which stands before it in the list of a firmware that can do both.
const ARCH_IA32: Arch = 6;
pub(in super::super) const ARCH_ARM64: Arch = 11;
pub(in super::super) const ARCH_HTTP_X64: Arch = 16;
pub(in super::super) const ARCH_HTTP_ARM64: Arch = 19;
pub(in super::super) const ARCH_UBOOT: Arch = 22;

impl Speaker {
    /// Whether it boots from a URL that its OFFER names.
    pub fn boots_by_http(self) -> bool {
        matches!(self, Speaker::Uefi(ARCH_HTTP_X64 | ARCH_HTTP_ARM64))
    }
}

/// The parts of a message that change from one to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub kind: MessageType,
    pub xid: u32,
    pub secs: u16,
    pub ciaddr: Ipv4Addr,
    /// The address and server of the OFFER that a REQUEST takes, with the OFFER's siaddr.
    pub taken: Option<Taken>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub address: Ipv4Addr,
    /// None is named by who asks for the address that it had before (INIT-REBOOT).
    pub server: Option<Ipv4Addr>,
    pub siaddr: Ipv4Addr,
}

const BROADCAST_FLAG: u16 = 0x8000;
const END: u8 = 255;
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
const BOOTP_LEN: usize = 300;
const ROM_LEN: usize = 548;
const FILE_FIELD: usize = 108;
const HEADER_LEN: usize = 236;
/// Where the options begin: behind the header and its cookie.
pub(super) const OPTIONS: usize = HEADER_LEN + 4;

const PI_ASKS_FOR: [u8; 14] = [1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135];
/// The ROM of a Pi 3 asks for neither mask nor router (firmware#1001).
const PI_ROM_ASKS_FOR: [u8; 12] = [43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135];
const UEFI_ASKS_FOR: [u8; 35] = [
    1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97, 128, 129,
    130, 131, 132, 133, 134, 135,
];
/// What EDK2's HTTP boot asks for. Between 60 and 67 stands one byte that nobody wrote there: 235 in OVMF, 0 in AAVMF.
const HTTP_ASKS_FOR: [u8; 27] =
    [1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 235, 67, 97];
const HTTP_STRAY: usize = 24;
/// What the PXE specification 2.1 has a ROM ask for.
const BIOS_ASKS_FOR: [u8; 24] =
    [1, 2, 3, 5, 6, 11, 12, 13, 15, 16, 17, 18, 43, 54, 60, 67, 128, 129, 130, 131, 132, 133, 134, 135];
const UBOOT_ASKS_FOR: [u8; 5] = [1, 3, 6, 12, 17];
const GRUB_ASKS_FOR: [u8; 8] = [1, 3, 6, 15, 12, 17, 18, 60];
const IPXE_ASKS_FOR: [u8; 23] =
    [1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203];
const UDHCPC_ASKS_FOR: [u8; 7] = [1, 3, 6, 12, 15, 28, 42];
/// What Debian's dhclient.conf asks for.
const DHCLIENT_ASKS_FOR: [u8; 13] = [1, 28, 2, 3, 15, 6, 119, 12, 44, 47, 26, 121, 42];
const PI_CLASS: &[u8] = b"PXEClient:Arch:00000:UNDI:002001";
/// What that iPXE was built with: PCI device, version, and one flag for each feature.
const IPXE_FEATURES: [u8; 36] = [
    0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0, 0xeb, 3, 1, 0, 0, 0x17, 1, 1, 0x24, 1, 1, 0x13, 1, 1, 0x11, 1, 1, 0x27, 1, 1,
    0x29, 1, 1, 0x15, 1, 1, 0x12, 1, 1,
];
const IPXE_ROM_FEATURES: [u8; 48] = [
    0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0, 0xeb, 3, 1, 0, 0, 0x17, 1, 1, 0x22, 1, 1, 0x13, 1, 1, 0x11, 1, 1, 0x27, 1, 1,
    0x19, 1, 1, 0x29, 1, 1, 0x10, 1, 2, 0x21, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x12, 1, 1,
];
/// The script that U-Boot looks for names itself in the `file` field, asked for or not.
const UBOOT_SCRIPT: &[u8] = b"boot.scr.uimg";

/// Writes a message in the manner of `speaker`.
pub(super) fn write(speaker: Speaker, identity: &Identity, board: Kind, fields: &Fields) -> Vec<u8> {
    let discover = fields.kind == MessageType::Discover;
    let mut bytes = header(speaker, identity, board, fields);
    put(&mut bytes, code::MESSAGE_TYPE, &[fields.kind.code()]);
    let taken = fields.taken;
    let put_taken = |bytes: &mut Vec<u8>, order: [u8; 2]| {
        let Some(taken) = taken else { return };
        for option in order {
            let address = if option == code::SERVER_ID { taken.server } else { Some(taken.address) };
            if let Some(address) = address {
                put(bytes, option, &address.octets());
            }
        }
    };
    match speaker {
        Speaker::PiRom => {
            put(&mut bytes, code::PARAMETER_REQUEST_LIST, &PI_ROM_ASKS_FOR);
            put(&mut bytes, code::CLIENT_ARCH, &[0, 0]);
            put(&mut bytes, code::CLIENT_NDI, &[1, 2, 1]);
            put(&mut bytes, code::VENDOR_CLASS, PI_CLASS);
            put(&mut bytes, code::CLIENT_UUID, &PI_ROM_GUID);
        }
        Speaker::Eeprom => {
            // The REQUEST says neither what it wants nor what architecture it is.
            put_taken(&mut bytes, [code::REQUESTED_ADDRESS, code::SERVER_ID]);
            let early = board == Kind::Pi4Early;
            if discover {
                put(&mut bytes, code::PARAMETER_REQUEST_LIST, &PI_ASKS_FOR);
            }
            if !early {
                put(&mut bytes, code::VENDOR_CLASS, PI_CLASS);
            }
            if discover {
                put(&mut bytes, code::CLIENT_ARCH, &[0, 0]);
                put(&mut bytes, code::CLIENT_NDI, &[1, 2, 1]);
            }
            put(&mut bytes, code::CLIENT_UUID, &pi_guid(identity, board));
            if early && discover {
                put(&mut bytes, code::VENDOR_CLASS, PI_CLASS);
            }
        }
        Speaker::Bios => {
            put_taken(&mut bytes, [code::SERVER_ID, code::REQUESTED_ADDRESS]);
            put(&mut bytes, code::MAX_MESSAGE_SIZE, &[4, 0xec]);
            put(&mut bytes, code::PARAMETER_REQUEST_LIST, &BIOS_ASKS_FOR);
            put(&mut bytes, code::CLIENT_UUID, &pc_guid(identity));
            put(&mut bytes, code::CLIENT_NDI, &[1, 2, 1]);
            put(&mut bytes, code::CLIENT_ARCH, &ARCH_BIOS.to_be_bytes());
            put(&mut bytes, code::VENDOR_CLASS, &class("PXEClient", ARCH_BIOS, 2001));
        }
        Speaker::Uefi(arch) => {
            put_taken(&mut bytes, [code::SERVER_ID, code::REQUESTED_ADDRESS]);
            let http = speaker.boots_by_http();
            put(&mut bytes, code::MAX_MESSAGE_SIZE, if discover || http { &[5, 0xc0] } else { &[0xff, 0] });
            let mut http_asks_for = HTTP_ASKS_FOR;
            if arch == ARCH_HTTP_ARM64 {
                http_asks_for[HTTP_STRAY] = 0;
            }
            let asks_for: &[u8] = if http { &http_asks_for } else { &UEFI_ASKS_FOR };
            put(&mut bytes, code::PARAMETER_REQUEST_LIST, asks_for);
            put(&mut bytes, code::CLIENT_UUID, &pc_guid(identity));
            put(&mut bytes, code::CLIENT_NDI, &[1, 3, 0]);
            let list = Some(ARCH_IA32).filter(|_| arch == ARCH_X64_AS_9).into_iter().chain([arch]);
            put(&mut bytes, code::CLIENT_ARCH, &list.flat_map(Arch::to_be_bytes).collect::<Vec<_>>());
            put(&mut bytes, code::VENDOR_CLASS, &class(if http { "HTTPClient" } else { "PXEClient" }, arch, 3000));
        }
        Speaker::Ipxe(arch) => {
            let rom = arch == ARCH_BIOS;
            put(&mut bytes, code::MAX_MESSAGE_SIZE, &[5, 0xc0]);
            put(&mut bytes, code::CLIENT_ARCH, &arch.to_be_bytes());
            put(&mut bytes, code::CLIENT_NDI, if rom { &[1, 2, 1] } else { &[1, 3, 10] });
            put(&mut bytes, code::VENDOR_CLASS, &class("PXEClient", arch, if rom { 2001 } else { 3010 }));
            if board != Kind::FlexBoot {
                put(&mut bytes, code::USER_CLASS, b"iPXE");
            }
            put(&mut bytes, code::PARAMETER_REQUEST_LIST, &IPXE_ASKS_FOR);
            put(&mut bytes, code::IPXE, if rom { &IPXE_ROM_FEATURES[..] } else { &IPXE_FEATURES });
            put(&mut bytes, code::CLIENT_ID, &client_id(identity));
            put(
                &mut bytes,
                code::CLIENT_UUID,
                &if board == Kind::BiosIpxe { [0; 17].to_vec() } else { pc_guid(identity) },
            );
            put_taken(&mut bytes, [code::SERVER_ID, code::REQUESTED_ADDRESS]);
        }
        Speaker::UBoot(arch) => {
            put(&mut bytes, code::MAX_MESSAGE_SIZE, &[2, 0x40]);
            put_taken(&mut bytes, [code::SERVER_ID, code::REQUESTED_ADDRESS]);
            put(&mut bytes, code::CLIENT_ARCH, &arch.to_be_bytes());
            put(&mut bytes, code::CLIENT_NDI, &[1, 0, 0]);
            let as_uefi = class("PXEClient", arch, 3000);
            put(&mut bytes, code::VENDOR_CLASS, if arch == ARCH_UBOOT { b"U-Boot.armv8" } else { &as_uefi });
            put(&mut bytes, code::PARAMETER_REQUEST_LIST, &UBOOT_ASKS_FOR);
        }
        Speaker::Grub => {
            // Its DISCOVER says nothing at all.
            put_taken(&mut bytes, [code::SERVER_ID, code::REQUESTED_ADDRESS]);
            if !discover {
                put(&mut bytes, code::PARAMETER_REQUEST_LIST, &GRUB_ASKS_FOR);
            }
        }
        Speaker::Udhcpc if fields.kind == MessageType::Decline => {
            put_taken(&mut bytes, [code::REQUESTED_ADDRESS, code::SERVER_ID]);
            put(&mut bytes, code::CLIENT_ID, &client_id(identity));
        }
        Speaker::Udhcpc | Speaker::Dhclient if fields.kind == MessageType::Release => {
            // The address stands in ciaddr, and option 50 must not be there (RFC 2131 table 5).
            if let Some(server) = taken.and_then(|taken| taken.server) {
                put(&mut bytes, code::SERVER_ID, &server.octets());
            }
            if speaker == Speaker::Udhcpc {
                put(&mut bytes, code::CLIENT_ID, &client_id(identity));
            }
        }
        Speaker::Dhclient => {
            put_taken(&mut bytes, [code::SERVER_ID, code::REQUESTED_ADDRESS]);
            put(&mut bytes, code::PARAMETER_REQUEST_LIST, &DHCLIENT_ASKS_FOR);
        }
        Speaker::Udhcpc => {
            put_taken(&mut bytes, [code::REQUESTED_ADDRESS, code::SERVER_ID]);
            put(&mut bytes, code::MAX_MESSAGE_SIZE, &[2, 0x40]);
            put(&mut bytes, code::PARAMETER_REQUEST_LIST, &UDHCPC_ASKS_FOR);
            put(&mut bytes, code::VENDOR_CLASS, b"udhcp 1.35.0");
            put(&mut bytes, code::CLIENT_ID, &client_id(identity));
        }
    }
    bytes.push(END);
    // These fill up to the length of a BOOTP message, a PXE ROM to all that its buffer holds.
    let length = match speaker {
        Speaker::Udhcpc | Speaker::Dhclient | Speaker::UBoot(_) | Speaker::Grub => BOOTP_LEN,
        Speaker::Bios => ROM_LEN,
        Speaker::PiRom | Speaker::Eeprom | Speaker::Uefi(_) | Speaker::Ipxe(_) => 0,
    };
    if bytes.len() < length {
        bytes.resize(length, 0);
    }
    bytes
}

/// `PXEClient:Arch:00007:UNDI:003000`.
fn class(word: &str, arch: Arch, undi: u16) -> Vec<u8> {
    format!("{word}:Arch:{arch:05}:UNDI:{undi:06}").into_bytes()
}

fn header(speaker: Speaker, identity: &Identity, board: Kind, fields: &Fields) -> Vec<u8> {
    let flags = if matches!(speaker, Speaker::Uefi(_) | Speaker::Bios) { BROADCAST_FLAG } else { 0 };
    // A Pi repeats the OFFER's siaddr in its REQUEST; the others leave it empty.
    let siaddr =
        fields.taken.filter(|_| speaker == Speaker::Eeprom).map_or(Ipv4Addr::UNSPECIFIED, |taken| taken.siaddr);
    let mut bytes = vec![1, 1, 6, 0];
    bytes.extend_from_slice(&fields.xid.to_be_bytes());
    bytes.extend_from_slice(&fields.secs.to_be_bytes());
    bytes.extend_from_slice(&flags.to_be_bytes());
    for address in [fields.ciaddr, Ipv4Addr::UNSPECIFIED, siaddr, Ipv4Addr::UNSPECIFIED] {
        bytes.extend_from_slice(&address.octets());
    }
    bytes.extend_from_slice(&identity.mac.0);
    // The rest of chaddr and sname are empty, and file but for one.
    bytes.resize(FILE_FIELD, 0);
    if board == Kind::UBootEfi && matches!(speaker, Speaker::UBoot(_)) {
        bytes.extend_from_slice(UBOOT_SCRIPT);
    }
    bytes.resize(HEADER_LEN, 0);
    bytes.extend_from_slice(&MAGIC_COOKIE);
    bytes
}

fn put(bytes: &mut Vec<u8>, option: u8, value: &[u8]) {
    let length = u8::try_from(value.len()).expect("no client here writes an option that long");
    bytes.extend_from_slice(&[option, length]);
    bytes.extend_from_slice(value);
}

fn client_id(identity: &Identity) -> [u8; 7] {
    let [a, b, c, d, e, f] = identity.mac.0;
    [1, a, b, c, d, e, f]
}

/// The ROM of a Pi 3B has no serial at hand.
const PI_ROM_GUID: [u8; 17] =
    [0, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44];

/// Type 0, four characters, board revision, the MAC's last four bytes, the serial's low word (little-endian).
fn pi_guid(identity: &Identity, board: Kind) -> Vec<u8> {
    let (name, revision) = if board == Kind::Pi5 { (b"RPi5", 0x00d0_4170_u32) } else { (b"RPi4", 0x00c0_3130) };
    let mut guid = vec![0];
    guid.extend_from_slice(name);
    guid.extend_from_slice(&revision.to_le_bytes());
    guid.extend_from_slice(&identity.mac.0[2..]);
    guid.extend_from_slice(&identity.serial_low32().to_le_bytes());
    guid
}

/// What the board's maker wrote. Where nobody did, OVMF makes one up: a constant, and the MAC.
fn pc_guid(identity: &Identity) -> Vec<u8> {
    if let Some(uuid) = identity.uuid {
        return [&[0], &uuid[..]].concat();
    }
    let mut guid = vec![0, 0, 0x62, 0x61, 0x6c, 0, 0, 0, 0x40, 0x80, 0];
    guid.extend_from_slice(&identity.mac.0);
    guid
}

#[cfg(test)]
mod tests;
