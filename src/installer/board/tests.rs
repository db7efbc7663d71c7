//! The rate follows the work, and so does the time that is left.

use super::*;

const MIB: u64 = 1 << 20;

#[test]
fn the_rate_is_that_of_the_last_seconds() {
    let board = Board::default();
    board.stage("downloading", "Writing");
    let start = Instant::now();
    let at = |second: u64| start + Duration::from_secs(second);
    board.progress(0, 1000 * MIB, start);
    assert_eq!(board.facts().work.map(|work| (work.rate, work.seconds_left())), Some((0, None)));
    for second in 1..=20 {
        board.progress(second * 10 * MIB, 1000 * MIB, at(second));
    }
    let work = board.facts().work.expect("work");
    assert_eq!((work.rate, work.percent(), work.seconds_left()), (10 * MIB, 20, Some(80)));
    // The network slows down: what was before does not count for long.
    for second in 21..=40 {
        board.progress(200 * MIB + (second - 20) * MIB, 1000 * MIB, at(second));
    }
    assert_eq!(board.facts().work.expect("work").rate, MIB);
    board.stage("verifying", "Reading back");
    assert_eq!(board.facts().work, None);
    board.progress(5 * MIB, 1000 * MIB, at(41));
    assert_eq!(board.facts().work.expect("work").rate, 0, "a new stage has no rate yet");
}

#[test]
fn only_the_last_lines_are_kept() {
    let board = Board::default();
    for n in 0..100 {
        board.line(&n.to_string());
    }
    let facts = board.facts();
    assert_eq!((facts.lines.len(), facts.lines_total), (LINES_MAX, 100));
    assert_eq!(facts.lines.back().map(String::as_str), Some("99"));
}

#[test]
fn an_empty_stage_is_no_division_by_zero() {
    let work = Work { done: 0, total: 0, rate: 0 };
    assert_eq!((work.percent(), work.seconds_left()), (0, None));
}
