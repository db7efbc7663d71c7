use std::sync::Arc;

use super::*;
use crate::ids::{MachineId, TransferId};
use crate::transfer::Via;

const MIDNIGHT: i64 = 20_000 * 24 * HOUR;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(MIDNIGHT + millis)
}

fn stage(to: Stage) -> Notice {
    Notice::Stage { machine: MachineId(1), label: String::new(), from: Stage::Writing, to }
}

fn sent() -> Notice {
    let (transfer, machine, name) = (TransferId(1), None, Arc::from("x"));
    Notice::Transfer { transfer, machine, name, via: Via::Http, sent: 0, size: 0, outcome: None }
}

#[test]
fn a_day_begins_at_midnight_and_the_hours_of_a_month_are_kept() {
    let mut tally = Tally::default();
    tally.note(&stage(Stage::Done), 0, at(-1));
    tally.note(&stage(Stage::Done), 0, at(0));
    tally.note(&stage(Stage::Failed("x".into())), 0, at(5 * HOUR));
    tally.note(&stage(Stage::Verifying), 0, at(5 * HOUR));
    assert_eq!(tally.today(at(6 * HOUR)), Ends { done: 1, failed: 1 });
    let days = tally.ends(24, 2, at(6 * HOUR));
    assert_eq!(days, [Ends { done: 1, failed: 0 }, Ends { done: 1, failed: 1 }]);
    let hours = tally.ends(1, 24, at(6 * HOUR));
    assert_eq!(
        (hours[22], hours[17], hours[16]),
        (Ends { done: 0, failed: 1 }, Ends { done: 1, failed: 0 }, Ends { done: 1, failed: 0 })
    );
    for day in 0..1000 {
        tally.note(&stage(Stage::Done), 0, at(day * 24 * HOUR));
    }
    assert!(tally.hours.len() <= 33, "{}", tally.hours.len());
}

#[test]
fn bytes_are_counted_by_ten_seconds_for_ten_minutes() {
    let mut tally = Tally::default();
    for second in 0..3600 {
        tally.note(&sent(), 1_000_000, at(second * 1000));
    }
    let slots = tally.sent(at(3_599_999));
    assert_eq!((slots.len(), slots[0], slots[59]), (60, 10_000_000, 10_000_000));
    assert!(tally.sent.len() <= 61);
    assert!(tally.sent(at(2 * HOUR)).iter().all(|bytes| *bytes == 0));
}
