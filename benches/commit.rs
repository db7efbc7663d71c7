//! How long a transaction of lease changes takes until it is on disk: what bounds the rate of ACKs.

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hatchery::fleet::Change;
use hatchery::ids::MachineId;
use hatchery::lease::{ClientKey, Lease, LeaseState};
use hatchery::machine::{Evidence, Machine};
use hatchery::net::Mac;
use hatchery::store::Store;
use hatchery::time::Timestamp;

const MACHINES: u32 = 1000;

fn mac(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    Mac([0x02, 0, a, b, c, d])
}

fn machine(number: u32) -> Change {
    let evidence = Evidence { mac: Some(mac(number)), ..Evidence::default() };
    Change::Machine(Machine::new(MachineId(u64::from(number)), &evidence, Timestamp::default()))
}

fn lease(number: u32, renewal: u32) -> Change {
    Change::Lease(Lease {
        address: Ipv4Addr::from(0x0a00_0000 + number),
        client: ClientKey::Mac(mac(number)),
        machine: Some(MachineId(u64::from(number))),
        state: LeaseState::Bound,
        expires: Timestamp::from_millis(i64::from(renewal)),
    })
}

fn commit(criterion: &mut Criterion) {
    // Not /tmp: that may be memory, where syncing costs nothing.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo makes this directory");
    let mut store = Store::open(&directory.path().join("hatchery.db")).expect("the directory is empty and ours");
    let machines: Vec<Change> = (0..MACHINES).map(machine).collect();
    store.commit(&machines).expect("they are new");

    let mut group = criterion.benchmark_group("commit");
    for size in [1, 10, 100] {
        group.throughput(Throughput::Elements(u64::from(size)));
        group.bench_function(BenchmarkId::new("leases", size), |bencher| {
            let mut written: u32 = 0;
            bencher.iter(|| {
                let renewed = |step| lease(written.wrapping_add(step) % MACHINES, written);
                let changes: Vec<Change> = (0..size).map(renewed).collect();
                written = written.wrapping_add(size);
                store.commit(black_box(&changes)).expect("the disk has room");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, commit);
criterion_main!(benches);
