//! One DHCP exchange of a Raspberry Pi 4, from bytes to bytes: decode, identify, assign, plan, answer, encode. The
//! journal is left out; `commit` measures that.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hatchery::catalog::{Catalog, Profile};
use hatchery::fleet::{Action, Event, Fleet};
use hatchery::machine::firmware::Firmware;
use hatchery::net::{LinkId, Subnet};
use hatchery::site::{DhcpOption, Link, Pool, Site};
use hatchery::time::{Instant, Now, Timestamp};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const DISCOVER: u8 = 1;
const REQUEST: u8 = 3;

fn fleet() -> Fleet {
    let link = Link {
        name: "bench".into(),
        pools: vec![Pool::new(Ipv4Addr::new(10, 0, 1, 0), Ipv4Addr::new(10, 0, 255, 250))],
        options: vec![DhcpOption::new(3, SERVER.octets()), DhcpOption::new(6, [8, 8, 8, 8, 8, 8, 4, 4])],
        ..Link::new("none", Subnet::containing(SERVER, 16).expect("a prefix"), SERVER)
    };
    let site = Site::new(vec![link]);
    let profile = Profile { name: "pi".into(), firmware: vec![Firmware::RaspberryPi4], ..Profile::default() };
    Fleet::load(Arc::new(site), Catalog::new(vec![profile]), Vec::new(), Vec::new(), now())
}

fn now() -> Now {
    Now { instant: Instant::START, timestamp: Timestamp::from_millis(1_800_000_000_000) }
}

/// A message as a Pi 4 EEPROM writes it; `address` is what its REQUEST names.
fn message(kind: u8, machine: u32, address: Option<Ipv4Addr>) -> Bytes {
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

fn exchange(fleet: &mut Fleet, machine: u32) -> Ipv4Addr {
    let sent = |actions: Vec<Action>| {
        let reply = actions.into_iter().find_map(|action| match action {
            Action::Send { bytes, .. } => Some(bytes),
            _ => None,
        });
        reply.expect("an answer")
    };
    let link = LinkId(0);
    let offer = sent(fleet.handle(Event::Dhcp { link, port: 68, bytes: message(DISCOVER, machine, None) }, now()));
    let address = Ipv4Addr::new(offer[16], offer[17], offer[18], offer[19]);
    let ack =
        sent(fleet.handle(Event::Dhcp { link, port: 68, bytes: message(REQUEST, machine, Some(address)) }, now()));
    assert_eq!(ack[16..20], address.octets(), "the ACK grants what was offered");
    address
}

fn dora(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dora");
    for leases in [0, 1_000, 60_000] {
        let mut fleet = fleet();
        for machine in 0..leases {
            exchange(&mut fleet, machine);
        }
        // A machine that comes back: the everyday case, and it leaves the table as it was.
        exchange(&mut fleet, leases);
        group.bench_function(BenchmarkId::new("leases", leases), |bencher| {
            bencher.iter(|| black_box(exchange(&mut fleet, leases)));
        });
    }
    group.finish();
}

criterion_group!(benches, dora);
criterion_main!(benches);
