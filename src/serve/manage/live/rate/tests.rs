use std::sync::Arc;

use super::Rates;
use crate::fleet::board::Running;
use crate::ids::TransferId;
use crate::time::Timestamp;
use crate::transfer::Via;

fn at(sent: u64) -> [Running; 1] {
    [Running { transfer: TransferId(1), machine: None, name: Arc::from("x"), via: Via::Http, sent, size: 1 << 40 }]
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + millis)
}

#[test]
fn a_steady_transfer_has_its_rate_from_the_second_look_on() {
    let mut rates = Rates::default();
    for look in 0..20 {
        rates.look(at(look * 40_000_000).iter(), time(look as i64 * 400));
        let expected = if look == 0 { 0 } else { 100_000_000 };
        assert_eq!(rates.of(TransferId(1)), expected, "look {look}");
    }
    assert_eq!(rates.total(), 100_000_000);
    rates.look([].iter(), time(9000));
    assert_eq!((rates.of(TransferId(1)), rates.total()), (0, 0), "it has ended");
}

#[test]
fn a_stall_shows_in_a_few_seconds_and_two_looks_at_once_show_nothing() {
    let mut rates = Rates::default();
    rates.look(at(0).iter(), time(0));
    rates.look(at(100_000_000).iter(), time(1000));
    rates.look(at(100_000_000).iter(), time(1001));
    assert_eq!(rates.of(TransferId(1)), 100_000_000);
    rates.look(at(100_000_000).iter(), time(6000));
    assert_eq!(rates.of(TransferId(1)), 0);
}
