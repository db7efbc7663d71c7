use super::*;
use crate::fleet::{Change, Deployment};
use crate::ids::{DeploymentId, MachineId, ProductName, VenueCode};
use crate::machine::stage::Stage;
use crate::machine::{Evidence, Machine};
use crate::store::Store;

const HOUR: i64 = 3_600_000;

struct Room {
    store: Store,
    records: Records,
    _directory: tempfile::TempDir,
}

impl Room {
    fn new(machines: u64) -> Room {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("hatchery.db");
        let mut store = Store::open(&path).expect("a journal");
        let machine = |id| Change::Machine(Machine::new(MachineId(id), &Evidence::default(), at(0)));
        store.commit(&(1..=machines).map(machine).collect::<Vec<_>>()).expect("written");
        Room { store, records: Records::new(&path), _directory: directory }
    }

    fn report(&self, filter: &ReportFilter) -> Report {
        self.records.report(filter).expect("a report")
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn everything() -> ReportFilter {
    ReportFilter { from: at(0), to: at(i64::MAX), product: None, venue: None, image: None }
}

fn stage(machine: u64, word: &str, millis: i64) -> Change {
    let stage = Stage::from_word(word, "broken").expect("a stage");
    Change::StageEntered { machine: MachineId(machine), stage, at: at(millis) }
}

fn deployment(id: u64, machine: u64, status: &str, started: i64, ended: Option<i64>) -> Deployment {
    Deployment {
        id: DeploymentId(id),
        machine: MachineId(machine),
        hostname: None,
        address: [10, 0, 0, 5].into(),
        product: ProductName::parse(if id.is_multiple_of(2) { "KXP2" } else { "RXP2" }),
        venue: VenueCode::parse("SPAA"),
        image: Some(format!("image-{}.img", id % 3)),
        installer: None,
        status: status.into(),
        started_at: at(started),
        completed_at: ended.map(at),
        error_message: (status == "failed").then(|| "the disk is too small".to_owned()),
    }
}

#[test]
fn the_stages_of_a_run_are_those_of_its_machine() {
    let mut room = Room::new(2);
    let words = ["address", "loader", "installer", "writing", "verifying", "first-boot", "done"];
    let mut changes = vec![Change::Deployment(deployment(1, 1, "success", HOUR, Some(HOUR + 500)))];
    // Two machines at once, and two stages in one millisecond.
    for (word, offset) in words.iter().zip([-300, -200, 0, 0, 400, 450, 500]) {
        changes.push(stage(1, word, HOUR + offset));
        changes.push(stage(2, word, HOUR + offset / 2));
    }
    room.store.commit(&changes).expect("written");
    let report = room.report(&everything());
    let medians: Vec<Option<u64>> = report.stages.iter().map(|stage| stage.all.map(|times| times.median)).collect();
    assert_eq!(medians, [100, 200, 0, 400, 50, 50].map(Some));
    assert_eq!(report.total.whole, Some(Times { count: 1, median: 500, p95: 500 }));
}

/// The same numbers, counted over all deployments one by one.
#[test]
fn filters_and_groups_are_those_of_brute_force() {
    let mut room = Room::new(5);
    let mut dice = fastrand::Rng::with_seed(3);
    let all: Vec<Deployment> = (1..400)
        .map(|id| {
            let (started, took) = (dice.i64(0..40 * 24 * HOUR), dice.i64(1..HOUR));
            let status = *dice.choice(&["success", "failed"]).expect("one of two");
            deployment(id, id % 5 + 1, status, started, Some(started + took))
        })
        .collect();
    room.store.commit(&all.iter().cloned().map(Change::Deployment).collect::<Vec<_>>()).expect("written");
    for _ in 0..50 {
        let from = dice.i64(0..20 * 24 * HOUR);
        let filter = ReportFilter {
            from: at(from),
            to: at(from + dice.i64(1..20 * 24 * HOUR)),
            product: dice.bool().then(|| "KXP2".to_owned()),
            venue: None,
            image: dice.bool().then(|| "image-1.img".to_owned()),
        };
        let fits = |run: &&Deployment| {
            let of =
                |wanted: &Option<String>, has: Option<&str>| wanted.as_deref().is_none_or(|text| has == Some(text));
            run.started_at >= filter.from
                && run.started_at < filter.to
                && of(&filter.product, run.product.as_ref().map(ProductName::as_str))
                && of(&filter.image, run.image.as_deref())
        };
        let fitting: Vec<&Deployment> = all.iter().filter(fits).collect();
        let good = fitting.iter().filter(|run| run.status == "success");
        let took = |run: &&Deployment| run.completed_at.map(|end| (end.millis() - run.started_at.millis()) as u64);
        let mut times: Vec<u64> = good.filter_map(took).collect();
        let report = room.report(&filter);
        assert_eq!(report.total.counts.started(), fitting.len() as u64);
        assert_eq!(report.total.counts.successful, times.len() as u64);
        assert_eq!(report.total.whole, Times::of(&mut times));
        let sum = |groups: &[Group]| groups.iter().map(|group| group.counts.started()).sum::<u64>();
        assert_eq!(sum(&report.products), fitting.len() as u64);
        assert_eq!(sum(&report.images), fitting.len() as u64);
        assert_eq!(report.days.iter().map(|(_, group)| group.counts.started()).sum::<u64>(), fitting.len() as u64);
    }
}

#[test]
fn the_indexes_answer_it() {
    let room = Room::new(1);
    let plan = room.records.read(|db| {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {RUNS}"))?;
        let rows =
            statement.query_map(params![0, 1, None::<String>, None::<String>, None::<String>, 2], |row| row.get(3))?;
        Ok(rows.collect::<rusqlite::Result<Vec<String>>>()?.join("\n"))
    });
    let plan = plan.expect("a plan");
    assert!(plan.contains("deployments_by_start (started_at>? AND started_at<?)"), "{plan}");
    assert!(plan.contains("COVERING INDEX stages_by_time (machine=? AND at>? AND at<?)"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}
