use super::*;

const LAN: Duration = Duration::from_micros(300);
const FULL: Duration = Duration::from_millis(30);

fn flow(bytes_per_sec: f64, rtt: Duration) -> Flow {
    let mut flow = Flow::default();
    flow.note(Seen { bytes_per_sec, rtt, ..Seen::default() }, None);
    flow
}

fn flows(rates: &[f64], rtt: Duration) -> Vec<Flow> {
    rates.iter().map(|rate| flow(*rate, rtt)).collect()
}

fn near(level: Option<f64>, expected: f64) -> bool {
    level.is_some_and(|level| (level / (ABOVE * expected) - 1.0).abs() < 1e-9)
}

/// A link that carries so much, and shares it among those whose level is more than that as it likes: the first get all
/// they may. No queue ever shows. The level and what each takes after so many looks, 25 ms apart.
fn looks(count: usize, level: &mut Level, flows: &mut [Flow], capacity: f64, could: &[f64]) -> (f64, Vec<f64>) {
    let mut each = level.next(flows, false);
    for _ in 0..count {
        let mut left = capacity;
        for (flow, could) in flows.iter_mut().zip(could) {
            let limit = level.limit(flow).unwrap_or(f64::INFINITY);
            let wanted = limit.min(*could);
            let taken = wanted.min(left);
            left -= taken;
            let waited = if *could < limit { 1.0 } else { 0.0 };
            let time = Duration::from_millis(25);
            flow.note(Seen { time, bytes_per_sec: taken, waited, rtt: LAN, lost: 0 }, level.share());
        }
        each = level.next(flows, false);
    }
    (each.unwrap_or(f64::INFINITY), flows.iter().map(|flow| flow.rates.expect("it was looked at").0).collect())
}

#[test]
fn on_a_full_link_all_get_a_little_more_than_an_equal_share() {
    assert!(near(Level::default().next(&mut flows(&[30.0, 10.0, 20.0, 20.0], FULL), false), 20.0));
}

#[test]
fn nobody_is_limited_by_one_who_cannot_take_his_share() {
    // Two that take 1 each, a slow card and one on a slow wire, leave the rest of 100 to the others.
    let mut all = flows(&[1.0, 1.0, 49.0, 49.0], LAN);
    (0..10).for_each(|_| all[0].note(Seen { bytes_per_sec: 1.0, waited: 0.9, rtt: LAN, ..Seen::default() }, None));
    all[1].note(Seen { bytes_per_sec: 1.0, rtt: FULL, lost: 1, ..Seen::default() }, None);
    assert!(near(Level::default().next(&mut all, false), 49.0));
}

#[test]
fn who_has_just_come_has_a_share_too() {
    let mut all = flows(&[50.0, 50.0], FULL);
    all.push(Flow { rtt: FULL, ..Flow::default() });
    assert!(near(Level::default().next(&mut all, false), 100.0 / 3.0));
}

#[test]
fn what_one_leaves_is_the_others_at_once() {
    let mut level = Level::default();
    assert!(near(level.next(&mut flows(&[25.0; 4], FULL), false), 25.0));
    assert!(near(level.next(&mut flows(&[25.0; 3], FULL), true), 100.0 / 3.0));
}

#[test]
fn a_full_link_is_known_without_a_queue_and_the_level_stays() {
    let mut level = Level::default();
    let mut all = flows(&[40.0, 30.0, 20.0, 10.0], FULL);
    for _ in 0..10 {
        let (each, taken) = looks(40, &mut level, &mut all, 100.0, &[f64::INFINITY; 4]);
        assert!((24.9..26.5).contains(&each), "{each}");
        assert!(taken.iter().all(|taken| *taken > 0.9 * 25.0), "{taken:?}");
    }
}

#[test]
fn who_is_behind_makes_up_for_it() {
    let mut level = Level::default();
    let mut all = flows(&[25.0; 4], FULL);
    for (flow, behind) in all.iter_mut().zip([0.9, 0.8, 0.8, 1.5]) {
        flow.behind = behind;
    }
    looks(400, &mut level, &mut all, 100.0, &[f64::INFINITY; 4]);
    assert!(all.iter().all(|flow| flow.behind.abs() < 0.1), "{all:?}");
}

#[test]
fn a_level_below_what_the_link_carries_rises_to_it() {
    let mut level = Level::default();
    let mut all = flows(&[1.0; 4], FULL);
    let (each, taken) = looks(80, &mut level, &mut all, 100.0, &[f64::INFINITY; 4]);
    assert!((24.9..28.0).contains(&each), "{each}");
    assert!(taken.iter().sum::<f64>() > 99.9, "{taken:?}");
}

#[test]
fn a_level_falls_to_what_the_link_carries() {
    let mut level = Level::default();
    let mut all = flows(&[100.0; 4], FULL);
    let (each, _) = looks(120, &mut level, &mut all, 100.0, &[f64::INFINITY; 4]);
    assert!((24.9..26.5).contains(&each), "{each}");
}

#[test]
fn slow_cards_do_not_pull_the_others_down() {
    let mut level = Level::default();
    let mut all = flows(&[20.0; 4], FULL);
    let could = [12.0, 12.0, f64::INFINITY, f64::INFINITY];
    let (each, taken) = looks(120, &mut level, &mut all, 100.0, &could);
    assert!(each > 37.0, "{each}");
    assert!(taken.iter().sum::<f64>() > 99.9, "{taken:?}");
}

#[test]
fn where_all_cards_are_slow_the_level_is_not_in_their_way() {
    let mut level = Level::default();
    let mut all = flows(&[10.0; 4], FULL);
    let (each, taken) = looks(40, &mut level, &mut all, 100.0, &[12.0; 4]);
    assert!(each > 12.0, "{each}");
    assert_eq!(taken, [12.0; 4]);
}

#[test]
fn nothing_is_levelled_before_something_holds_them_back() {
    assert_eq!(Level::default().next(&mut flows(&[10.0, 10.0], LAN), false), None);
    let mut all = flows(&[10.0, 10.0, 10.0], LAN);
    all[1].note(Seen { bytes_per_sec: 10.0, rtt: LAN, lost: 1, ..Seen::default() }, None);
    assert!(Level::default().next(&mut all, false).is_some(), "a lost segment says so whatever the round trip");
}

#[test]
fn who_is_alone_or_takes_more_than_a_wire_needs_no_level() {
    for rates in [&[][..], &[10.0], &[FASTEST, FASTEST]] {
        let mut level = Level { now: Some(Now::new(1.0)), share: None };
        assert_eq!(level.next(&mut flows(rates, FULL), false), None, "{rates:?}");
    }
}

#[test]
fn a_level_outlasts_a_moment_in_which_nothing_comes_through_at_all() {
    let mut level = Level::default();
    assert_eq!(level.next(&mut flows(&[0.0, 0.0], FULL), false), None, "before one holds it says nothing");
    let before = level.next(&mut flows(&[10.0, 10.0], FULL), false).expect("a level");
    assert_eq!(level.next(&mut flows(&[0.0, 0.0], LAN), false), Some(before));
}

#[test]
fn a_moment_in_which_nothing_comes_through_does_not_move_the_level_far() {
    let mut level = Level::default();
    let mut all = flows(&[10.0, 10.0], FULL);
    level.next(&mut all, false);
    all.iter_mut().for_each(|flow| flow.note(Seen { bytes_per_sec: 0.1, rtt: FULL, ..Seen::default() }, None));
    assert!(level.next(&mut all, false) >= Some(ABOVE * 10.0 * (1.0 - FALL)));
}
