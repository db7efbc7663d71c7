use std::collections::BTreeSet;

use super::*;

#[test]
fn available_memory_is_read_from_meminfo() {
    assert_eq!(available_mib("MemTotal:  24683676 kB\nMemAvailable:   23714652 kB\n"), Some(23158));
    assert_eq!(available_mib("MemTotal:  24683676 kB\n"), None);
}

#[test]
fn the_machines_are_of_every_kind_on_the_bench_and_no_two_alike() {
    let machines = clients(1..=150, bench::PRODUCT, None, None);
    let macs: BTreeSet<_> = machines.iter().map(|client| client.identity().mac).collect();
    let serials: BTreeSet<_> = machines.iter().map(|client| client.identity().serial.clone()).collect();
    assert_eq!((macs.len(), serials.len()), (150, 150));
    let kinds: BTreeSet<_> = machines.iter().map(Client::kind).collect();
    assert_eq!(kinds, BTreeSet::from(KINDS));
    assert!(KINDS.iter().all(|kind| kind.installs()));
}
