//! One DHCP exchange of a Raspberry Pi 4, from bytes to bytes: decode, identify, assign, plan, answer, encode. The
//! journal is left out; `commit` measures that.

#[path = "dora/pi.rs"]
mod pi;

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hatchery::fleet::{Action, Event, Fleet};
use hatchery::net::LinkId;
use pi::{DISCOVER, catalog, message, now, site};

const REQUEST: u8 = 3;

fn fleet() -> Fleet {
    Fleet::load(Arc::new(site()), catalog(), Vec::new(), Vec::new(), now())
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
