//! The bytes of DISCOVER and REQUEST as each client was seen to write them: fields, option order and padding.

use std::net::Ipv4Addr;

use super::super::identity::{Identity, Kind};
use crate::wire::dhcp::{MessageType, code};

/// Whose manner of DHCP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Speaker {
    /// The EEPROM of a Raspberry Pi.
    Eeprom,
    /// EDK2's PXE base code on x64.
    Uefi,
    /// iPXE started by UEFI on x64.
    Ipxe,
    /// busybox udhcpc.
    Udhcpc,
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
    pub server: Ipv4Addr,
    pub siaddr: Ipv4Addr,
}

const BROADCAST_FLAG: u16 = 0x8000;
const END: u8 = 255;
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
const BOOTP_LEN: usize = 300;

const PI_ASKS_FOR: [u8; 14] = [1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135];
const UEFI_ASKS_FOR: [u8; 35] = [
    1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97, 128, 129,
    130, 131, 132, 133, 134, 135,
];
const IPXE_ASKS_FOR: [u8; 23] =
    [1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203];
const UDHCPC_ASKS_FOR: [u8; 7] = [1, 3, 6, 12, 15, 28, 42];
/// What that iPXE was built with: PCI device, version, and one flag for each feature.
const IPXE_FEATURES: [u8; 36] = [
    0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0, 0xeb, 3, 1, 0, 0, 0x17, 1, 1, 0x24, 1, 1, 0x13, 1, 1, 0x11, 1, 1, 0x27, 1, 1,
    0x29, 1, 1, 0x15, 1, 1, 0x12, 1, 1,
];

/// Writes a message in the manner of `speaker`.
pub(super) fn write(speaker: Speaker, identity: &Identity, board: Kind, fields: &Fields) -> Vec<u8> {
    let discover = fields.kind == MessageType::Discover;
    let mut bytes = header(speaker, identity, fields);
    put(&mut bytes, code::MESSAGE_TYPE, &[fields.kind.code()]);
    let taken = fields.taken;
    let put_taken = |bytes: &mut Vec<u8>, order: [u8; 2]| {
        let Some(taken) = taken else { return };
        for option in order {
            let address = if option == code::SERVER_ID { taken.server } else { taken.address };
            put(bytes, option, &address.octets());
        }
    };
    match speaker {
        Speaker::Eeprom => {
            // The REQUEST says neither what it wants nor what architecture it is.
            put_taken(&mut bytes, [code::REQUESTED_ADDRESS, code::SERVER_ID]);
            if discover {
                put(&mut bytes, code::PARAMETER_REQUEST_LIST, &PI_ASKS_FOR);
            }
            put(&mut bytes, code::VENDOR_CLASS, b"PXEClient:Arch:00000:UNDI:002001");
            if discover {
                put(&mut bytes, code::CLIENT_ARCH, &[0, 0]);
                put(&mut bytes, code::CLIENT_NDI, &[1, 2, 1]);
            }
            put(&mut bytes, code::CLIENT_UUID, &pi_guid(identity, board));
        }
        Speaker::Uefi => {
            put_taken(&mut bytes, [code::SERVER_ID, code::REQUESTED_ADDRESS]);
            put(&mut bytes, code::MAX_MESSAGE_SIZE, if discover { &[5, 0xc0] } else { &[0xff, 0] });
            put(&mut bytes, code::PARAMETER_REQUEST_LIST, &UEFI_ASKS_FOR);
            put(&mut bytes, code::CLIENT_UUID, &pc_guid(identity));
            put(&mut bytes, code::CLIENT_NDI, &[1, 3, 0]);
            put(&mut bytes, code::CLIENT_ARCH, &[0, 7]);
            put(&mut bytes, code::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003000");
        }
        Speaker::Ipxe => {
            put(&mut bytes, code::MAX_MESSAGE_SIZE, &[5, 0xc0]);
            put(&mut bytes, code::CLIENT_ARCH, &[0, 7]);
            put(&mut bytes, code::CLIENT_NDI, &[1, 3, 10]);
            put(&mut bytes, code::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003010");
            put(&mut bytes, code::USER_CLASS, b"iPXE");
            put(&mut bytes, code::PARAMETER_REQUEST_LIST, &IPXE_ASKS_FOR);
            put(&mut bytes, code::IPXE, &IPXE_FEATURES);
            put(&mut bytes, code::CLIENT_ID, &client_id(identity));
            put(&mut bytes, code::CLIENT_UUID, &pc_guid(identity));
            put_taken(&mut bytes, [code::SERVER_ID, code::REQUESTED_ADDRESS]);
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
    // Of these only udhcpc fills up to the length of a BOOTP message.
    if speaker == Speaker::Udhcpc && bytes.len() < BOOTP_LEN {
        bytes.resize(BOOTP_LEN, 0);
    }
    bytes
}

fn header(speaker: Speaker, identity: &Identity, fields: &Fields) -> Vec<u8> {
    let flags = if speaker == Speaker::Uefi { BROADCAST_FLAG } else { 0 };
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
    // The rest of chaddr, then sname and file, all empty.
    bytes.resize(236, 0);
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

/// What OVMF makes up where no UUID was set: a constant, and the MAC.
fn pc_guid(identity: &Identity) -> Vec<u8> {
    let mut guid = vec![0, 0, 0x62, 0x61, 0x6c, 0, 0, 0, 0x40, 0x80, 0];
    guid.extend_from_slice(&identity.mac.0);
    guid
}

#[cfg(test)]
mod tests;
