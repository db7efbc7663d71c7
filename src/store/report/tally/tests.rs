use super::*;

fn entry(word: &str, at: i64) -> Entry {
    Entry::read(word, at).expect("a stage")
}

fn run(started: i64, end: End) -> Run {
    let (product, venue) = (Some("KXP2".to_owned()), Some("SPAA".to_owned()));
    Run { product, venue, image: None, started, end, entries: Vec::new() }
}

#[test]
fn percentiles_are_those_of_brute_force() {
    let mut dice = fastrand::Rng::with_seed(7);
    for _ in 0..2000 {
        let length = dice.usize(1..80);
        let mut values: Vec<u64> = (0..length).map(|_| dice.u64(0..50)).collect();
        // The smallest value that at least so many per cent of all do not exceed, by trying each.
        let by_trying = |per_cent: usize| {
            let enough = |candidate: &&u64| {
                let not_above = values.iter().filter(|value| *value <= *candidate).count();
                not_above * 100 >= per_cent * values.len()
            };
            *values.iter().filter(enough).min().expect("the largest")
        };
        let expected = Times { count: length as u64, median: by_trying(50), p95: by_trying(95) };
        assert_eq!(Times::of(&mut values), Some(expected), "{values:?}");
    }
    assert_eq!(Times::of(&mut []), None);
}

#[test]
fn a_run_begins_with_its_own_address() {
    let entries = [
        // The run before, done within the hour.
        entry("address", 0),
        entry("installer", 10),
        entry("done", 20),
        entry("waiting", 30),
        entry("address", 100),
        entry("loader", 110),
        entry("installer", 130),
        entry("writing", 150),
        entry("verifying", 250),
        entry("first-boot", 270),
        entry("done", 300),
    ];
    let took = stage_times(130, 300, &entries);
    assert_eq!(took, [10, 20, 20, 100, 20, 30].map(Some));
}

#[test]
fn stages_that_are_not_known_are_not_guessed() {
    assert_eq!(stage_times(100, 200, &[]), [None; STAGES]);
    // A machine whose address came from another server.
    let entries = [entry("waiting", 50), entry("installer", 100), entry("writing", 120), entry("done", 200)];
    assert_eq!(stage_times(100, 200, &entries), [None, None, Some(20), Some(80), None, None]);
    // Writing twice, after an interruption that the installer got over.
    let entries = [entry("writing", 100), entry("installer", 110), entry("writing", 130), entry("done", 150)];
    assert_eq!(stage_times(100, 150, &entries)[2..4], [Some(20), Some(30)]);
}

#[test]
fn days_counts_and_causes() {
    let mut tally = Tally::default();
    tally.add(&run(10, End::Success(70)));
    tally.add(&run(DAY + 5, End::Failed(DAY + 9, "no sign of life for 60 s".into())));
    tally.add(&run(DAY + 6, End::Failed(DAY + 9, "no sign of life for 2700 s".into())));
    tally.add(&run(DAY + 7, End::Failed(DAY + 9, "the disk is too small".into())));
    tally.add(&run(-1, End::Running));
    let report = tally.finish();
    assert_eq!(report.total.counts, Counts { successful: 1, failed: 3, running: 1 });
    assert_eq!(report.total.counts.success_rate(), Some(0.25));
    assert_eq!(report.total.whole, Some(Times { count: 1, median: 60, p95: 60 }));
    let days: Vec<(i64, u64)> =
        report.days.iter().map(|(day, group)| (day.millis() / DAY, group.counts.started())).collect();
    assert_eq!(days, [(-1, 1), (0, 1), (1, 3)]);
    assert_eq!(report.failures[0].cause, "no sign of life for 2700 s");
    assert_eq!(report.failures.iter().map(|failure| failure.count).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(report.products[0].key, "KXP2");
    assert_eq!(report.images[0].key, "");
}
