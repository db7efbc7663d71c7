use super::*;

const LAN: Duration = Duration::from_micros(300);
const FULL: Duration = Duration::from_millis(30);

fn flows(rates: &[f64], rtt: Duration) -> Vec<Flow> {
    let flow = |rate: &f64| {
        let mut flow = Flow::default();
        flow.note(*rate, rtt, 0);
        flow
    };
    rates.iter().map(flow).collect()
}

fn near(level: Option<f64>, expected: f64) -> bool {
    level.is_some_and(|level| (level / (ABOVE * expected) - 1.0).abs() < 1e-9)
}

#[test]
fn on_a_full_link_all_get_a_little_more_than_an_equal_share() {
    assert!(near(Level::default().next(&flows(&[30.0, 10.0, 20.0, 20.0], FULL), false), 20.0));
}

#[test]
fn nobody_is_limited_by_one_who_cannot_take_his_share() {
    // Two cards that take 1 each leave the rest of 100 to the others.
    assert!(near(Level::default().next(&flows(&[1.0, 1.0, 49.0, 49.0], FULL), false), 49.0));
}

#[test]
fn who_has_just_come_has_a_share_too() {
    let mut all = flows(&[50.0, 50.0], FULL);
    all.push(Flow { rtt: FULL, ..Flow::default() });
    assert!(near(Level::default().next(&all, false), 100.0 / 3.0));
}

#[test]
fn what_one_leaves_is_the_others_at_once() {
    let mut level = Level::default();
    assert!(near(level.next(&flows(&[25.0; 4], FULL), false), 25.0));
    assert!(near(level.next(&flows(&[25.0; 3], FULL), true), 100.0 / 3.0));
}

#[test]
fn while_the_link_has_room_a_level_rises_until_it_limits_nobody() {
    let mut level = Level::default();
    let (full, free) = (flows(&[10.0, 10.0], FULL), flows(&[10.0, 10.0], LAN));
    assert_eq!(level.next(&free, false), None, "nothing holds them back");
    let first = level.next(&full, false).expect("a level");
    let second = level.next(&free, false).expect("a level");
    assert!(second > first);
    let looks = (0..100).take_while(|_| level.next(&free, false).is_some()).count();
    assert!((1..20).contains(&looks), "{looks}");
}

#[test]
fn a_lost_segment_says_that_the_link_is_full_whatever_the_round_trip() {
    let mut all = flows(&[10.0, 10.0, 10.0], LAN);
    all[1].note(10.0, LAN, 1);
    assert!(Level::default().next(&all, false).is_some());
}

#[test]
fn who_is_alone_or_takes_nothing_needs_no_level() {
    for rates in [&[][..], &[10.0], &[0.0, 0.0]] {
        let mut level = Level { total: Some(1.0) };
        assert_eq!(level.next(&flows(rates, FULL), false), None, "{rates:?}");
    }
}

#[test]
fn a_single_stall_does_not_move_the_level_far() {
    let mut level = Level::default();
    let mut all = flows(&[10.0, 10.0], FULL);
    level.next(&all, false);
    all[0].note(0.0, FULL, 0);
    assert!(near(level.next(&all, false), (20.0 - LATEST * 10.0) / 2.0));
}
