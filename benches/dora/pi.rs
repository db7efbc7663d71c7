//! A network, and a Raspberry Pi 4 on it: what `dora` and `steps` measure with.

use std::net::Ipv4Addr;

use bytes::Bytes;
use hatchery::catalog::{Catalog, Profile};
use hatchery::machine::firmware::Firmware;
use hatchery::net::Subnet;
use hatchery::site::{DhcpOption, Link, Pool, Site};
use hatchery::time::{Instant, Now, Timestamp};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const DISCOVER: u8 = 1;

/// A network of 65,000 addresses.
pub fn site() -> Site {
    let link = Link {
        name: "bench".into(),
        pools: vec![Pool::new(Ipv4Addr::new(10, 0, 1, 0), Ipv4Addr::new(10, 0, 255, 250))],
        options: vec![DhcpOption::new(3, SERVER.octets()), DhcpOption::new(6, [8, 8, 8, 8, 8, 8, 4, 4])],
        ..Link::new("none", Subnet::containing(SERVER, 16).expect("a prefix"), SERVER)
    };
    Site::new(vec![link])
}

/// What a Pi 4 is to boot.
pub fn catalog() -> Catalog {
    let profile = Profile { name: "pi".into(), firmware: vec![Firmware::RaspberryPi4], ..Profile::default() };
    Catalog::new(vec![profile])
}

pub fn now() -> Now {
    Now { instant: Instant::START, timestamp: Timestamp::from_millis(1_800_000_000_000) }
}

/// A message as a Pi 4 EEPROM writes it; `address` is what its REQUEST names.
pub fn message(kind: u8, machine: u32, address: Option<Ipv4Addr>) -> Bytes {
    let mut bytes = vec![0; 236];
    bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
    bytes[4..8].copy_from_slice(&machine.to_be_bytes());
    bytes[28..34].copy_from_slice(&[&[0xdc, 0xa6][..], &machine.to_be_bytes()].concat());
    bytes.extend_from_slice(&[99, 130, 83, 99, 53, 1, kind]);
    match address {
        None => bytes.extend_from_slice(&[
            55, 14, 1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135, 93, 2, 0, 0, 94, 3, 1, 2, 1,
        ]),
        Some(address) => {
            bytes.extend_from_slice(&[&[50, 4][..], &address.octets(), &[54, 4], &SERVER.octets()].concat());
        }
    }
    bytes.extend_from_slice(b"\x3c\x20PXEClient:Arch:00000:UNDI:002001");
    let low = machine.to_be_bytes();
    bytes.extend_from_slice(&[&[97, 17, 0][..], b"RPi4", &[0x11, 0x31, 0xa0, 0], &low, &low, &[255]].concat());
    Bytes::from(bytes)
}
