use super::*;
use crate::access::Actor;
use crate::fleet::audit::Entry;
use crate::fleet::report::{Level, LogLine};
use crate::fleet::{Change, Deployment};
use crate::ids::{DeploymentId, MachineId};
use crate::machine::stage::Stage;
use crate::machine::{Evidence, Machine};

const DAY: i64 = 24 * 3_600_000;

fn at(day: i64) -> Timestamp {
    Timestamp::from_millis(day * DAY)
}

fn days(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count * 24 * 3600))
}

fn deployment(id: u64, machine: u64, began: i64, open: bool) -> Change {
    Change::Deployment(Deployment {
        id: DeploymentId(id),
        machine: MachineId(machine),
        hostname: None,
        address: [10, 0, 0, 5].into(),
        product: None,
        venue: None,
        image: None,
        installer: None,
        status: if open { "downloading".into() } else { "success".into() },
        started_at: at(began),
        completed_at: (!open).then(|| at(began)),
        error_message: None,
    })
}

fn logged(deployment: u64, day: i64) -> Change {
    let line = LogLine { at: at(day), level: Level::Info, text: "written".into() };
    Change::Logged { deployment: DeploymentId(deployment), lines: vec![line] }
}

fn stage(machine: u64, word: &str, day: i64) -> Change {
    let stage = Stage::from_word(word, "broken").expect("a stage");
    Change::StageEntered { machine: MachineId(machine), stage, at: at(day) }
}

fn machine(id: u64) -> Change {
    Change::Machine(Machine::new(MachineId(id), &Evidence::default(), at(0)))
}

fn audited(day: i64) -> Change {
    let [operation, subject, details] = ["hold", "x", "held"].map(str::to_owned);
    Change::Audited(Entry { at: at(day), by: Actor::configuration(), operation, subject, details })
}

struct Room {
    store: Store,
    _directory: tempfile::TempDir,
}

impl Room {
    fn new(changes: &[Change]) -> Room {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(&directory.path().join("hatchery.db")).expect("a journal");
        store.commit(changes).expect("written");
        Room { store, _directory: directory }
    }

    /// The steps that it took.
    fn sweep(&mut self, retention: Retention, day: i64) -> (u32, u64) {
        let mut sweep = Sweep::new(&retention, at(day));
        let mut steps = 0;
        while !sweep.is_over() {
            self.store.trim(&mut sweep).expect("trimmed");
            steps += 1;
            assert!(steps < 10_000, "it ends");
        }
        (steps, sweep.removed())
    }

    fn ids(&self, table: &str) -> Vec<i64> {
        let mut statement = self.store.connection.prepare(&format!("SELECT id FROM {table} ORDER BY id")).expect("SQL");
        let ids = statement.query_map([], |row| row.get(0)).expect("rows");
        ids.collect::<rusqlite::Result<_>>().expect("ids")
    }
}

#[test]
fn what_the_fleet_goes_by_stays_however_old_it_is() {
    let mut room = Room::new(&[
        machine(1),
        machine(2),
        machine(3),
        deployment(1, 1, 1, false),
        deployment(2, 1, 2, false),
        deployment(3, 2, 3, true),
        // Of a machine that was forgotten.
        deployment(4, 9, 4, false),
        deployment(5, 9, 5, false),
        logged(1, 1),
        logged(2, 2),
        logged(3, 3),
    ]);
    let before = room.store.load().expect("rows");
    let retention = Retention { history: days(10), ..Retention::default() };
    room.sweep(retention, 1000);
    // 2 is the last of its machine, 3 is open, 5 has the last id.
    assert_eq!(room.ids("deployment"), [2, 3, 5]);
    assert_eq!(room.ids("log"), [2, 3]);
    assert_eq!(room.store.load().expect("rows"), before);
    room.sweep(Retention { logs: days(10), ..Retention::default() }, 1000);
    assert_eq!(room.ids("log"), [3], "its deployment is open");
}

#[test]
fn the_stages_of_the_latest_run_stay() {
    let mut room = Room::new(&[machine(1), machine(2), machine(3)]);
    let runs = [("address", 1), ("installer", 1), ("done", 1), ("waiting", 2), ("address", 3), ("writing", 3)];
    room.store.commit(&runs.map(|(word, day)| stage(1, word, day))).expect("written");
    // Without addresses of ours.
    let runs = [("installer", 1), ("failed", 1), ("installer", 2), ("done", 2)];
    room.store.commit(&runs.map(|(word, day)| stage(2, word, day))).expect("written");
    room.store.commit(&[stage(3, "address", 999)]).expect("written");
    room.sweep(Retention { history: days(10), ..Retention::default() }, 1000);
    assert_eq!(room.ids("stage_entry"), [5, 6, 8, 9, 10, 11]);
}

#[test]
fn only_what_is_old_goes_in_steps_and_nothing_if_all_is_kept() {
    let entries: Vec<Change> = (0..1000).map(audited).collect();
    let mut room = Room::new(&entries);
    assert_eq!(room.sweep(Retention::default(), 5000), (0, 0));
    let (steps, removed) = room.sweep(Retention { audit: days(100), ..Retention::default() }, 1000);
    assert_eq!(removed, 900);
    assert_eq!(room.ids("audit").len(), 100);
    assert_eq!(steps, 5, "200 rows each");
    assert_eq!(room.sweep(Retention { audit: days(100), ..Retention::default() }, 1000), (1, 0));
}

#[test]
fn everything_goes_with_many_runs_of_many_machines() {
    let mut dice = fastrand::Rng::with_seed(11);
    let mut room = Room::new(&(1..=40).map(machine).collect::<Vec<_>>());
    let all: Vec<(u64, u64, i64)> = (1..=3000).map(|id| (id, dice.u64(1..=40), id as i64)).collect();
    let changes: Vec<Change> =
        all.iter().flat_map(|(id, machine, day)| [deployment(*id, *machine, *day, false), logged(*id, *day)]).collect();
    room.store.commit(&changes).expect("written");
    room.sweep(Retention { history: days(500), ..Retention::default() }, 3000);
    let stays = |(id, machine, day): &&(u64, u64, i64)| {
        let last = !all.iter().any(|(later, of, _)| of == machine && later > id);
        *day >= 2500 || last
    };
    let expected: Vec<i64> = all.iter().filter(stays).map(|(id, ..)| *id as i64).collect();
    assert_eq!(room.ids("deployment"), expected);
}
