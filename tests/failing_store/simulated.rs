//! The simulated store fails at every single transaction of a day, for a while from each on, and the server dies before
//! and after each. The promises notice what is lost; every machine reaches its end nevertheless.

use hatchery::sim::world::{Faults, Plan, StoreFault, run};

/// Few machines and a calm day: what goes wrong is the store alone.
fn plan(seed: u64) -> Plan {
    Plan { faults: Faults::none(), ..Plan::new(5, seed) }
}

/// Plays the day once for each transaction of it.
fn sweep(seed: u64, fault: impl Fn(u64) -> StoreFault) {
    let calm = run(&plan(seed)).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(calm.transactions > 30, "{} transactions are no day", calm.transactions);
    for number in 1..=calm.transactions {
        let fault = fault(number);
        let report = run(&Plan { store_fault: Some(fault), ..plan(seed) });
        let report = report.unwrap_or_else(|violation| panic!("{fault:?}: {violation}"));
        assert_eq!((report.done, report.faulted), (calm.done, vec![]), "{fault:?}");
    }
}

#[test]
fn each_transaction_may_fail() {
    sweep(1, |number| StoreFault::Fails { from: number, until: number + 1 });
}

#[test]
fn the_disk_may_be_full_for_a_while_from_each_transaction_on() {
    sweep(2, |number| StoreFault::Fails { from: number, until: number + 7 });
}

#[test]
fn the_server_may_die_before_each_transaction_is_on_disk() {
    sweep(3, StoreFault::DiesBefore);
}

#[test]
fn the_server_may_die_between_each_transaction_and_its_answers() {
    sweep(4, StoreFault::DiesAfter);
}
