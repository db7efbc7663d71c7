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

#[test]
fn on_a_full_link_all_get_a_little_more_than_an_equal_share() {
    let mut level = Level::default();
    let level = level.next(&flows(&[30.0, 10.0, 20.0, 20.0], FULL));
    assert_eq!(level, Some(ABOVE * 20.0));
}

#[test]
fn nobody_is_limited_by_one_who_cannot_take_his_share() {
    let mut level = Level::default();
    // Two cards that take 1 each leave the rest of 100 to the others.
    let level = level.next(&flows(&[1.0, 1.0, 49.0, 49.0], FULL));
    assert_eq!(level, Some(ABOVE * 49.0));
}

#[test]
fn while_the_link_has_room_a_level_rises_until_it_limits_nobody() {
    let mut level = Level::default();
    assert_eq!(level.next(&flows(&[10.0, 10.0], LAN)), None, "nothing holds them back");
    let first = level.next(&flows(&[10.0, 10.0], FULL)).expect("a level");
    let second = level.next(&flows(&[10.0, 10.0], LAN)).expect("a level");
    assert!(second > first);
    let looks = (0..100).take_while(|_| level.next(&flows(&[10.0, 10.0], LAN)).is_some()).count();
    assert!((1..20).contains(&looks), "{looks}");
}

#[test]
fn a_lost_segment_says_that_the_link_is_full_whatever_the_round_trip() {
    let mut all = flows(&[10.0, 10.0, 10.0], LAN);
    all[1].note(10.0, LAN, 1);
    assert!(Level::default().next(&all).is_some());
}

#[test]
fn who_is_alone_or_takes_nothing_needs_no_level() {
    for rates in [&[][..], &[10.0], &[0.0, 0.0]] {
        let mut level = Level(Some(1.0));
        assert_eq!(level.next(&flows(rates, FULL)), None, "{rates:?}");
    }
}

#[test]
fn a_single_stall_does_not_move_the_level_far() {
    let mut flow = Flow::default();
    for rate in [10.0, 10.0, 0.0] {
        flow.note(rate, FULL, 0);
    }
    assert_eq!(flow.bytes_per_sec, Some(10.0 - LATEST * 10.0));
}
