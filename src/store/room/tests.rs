//! A log with room is the same log.

use std::fs;

use super::super::Store;
use super::*;
use crate::fleet::Change;
use crate::ids::MachineId;
use crate::machine::{Evidence, Machine};
use crate::time::Timestamp;

fn machines(ids: std::ops::Range<u64>) -> Vec<Change> {
    ids.map(|id| Change::Machine(Machine::new(MachineId(id), &Evidence::default(), Timestamp::from_millis(1))))
        .collect()
}

fn rows(store: &mut Store) -> Vec<Change> {
    store.load().expect("rows").into()
}

/// What a server finds that starts after this one was killed.
fn after_a_kill(path: &Path) -> Vec<Change> {
    let room = tempfile::tempdir().expect("a directory");
    let copy = room.path().join("copy.db");
    fs::copy(path, &copy).expect("the journal");
    fs::copy(log_of(path), log_of(&copy)).expect("its log");
    rows(&mut Store::open(&copy).expect("a sound journal"))
}

#[test]
fn nothing_of_the_log_is_lost_and_nothing_is_added() {
    for before in [0, 1, 5000] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("hatchery.db");
        let length = || fs::metadata(log_of(&path)).expect("a log").len();
        let mut store = Store::open(&path).expect("a journal");
        store.commit(&machines(1..1 + before)).expect("a commit");
        if before == 0 {
            store.checkpoint().expect("an empty log");
        }
        let short = length();
        make_room(&mut store.connection, &path).expect("room");
        let long = length();
        assert!(long == short.max(32 + 4000 * (24 + 4096)), "{short} became {long}");
        assert_eq!(after_a_kill(&path), machines(1..1 + before));
        for id in 1 + before..21 + before {
            store.commit(&machines(id..id + 1)).expect("a commit");
        }
        assert_eq!(length(), long, "room for all of them");
        assert_eq!(after_a_kill(&path), machines(1..21 + before));
        make_room(&mut store.connection, &path).expect("room that is there");
        assert_eq!(length(), long);
        drop(store);
        let mut store = Store::open(&path).expect("a journal that was closed");
        assert_eq!(rows(&mut store), machines(1..21 + before));
        make_room(&mut store.connection, &path).expect("room anew");
        store.checkpoint().expect("a log that is given back");
        assert_eq!(length(), 0);
    }
}

#[test]
fn while_somebody_writes_the_log_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hatchery.db");
    let mut store = Store::open(&path).expect("a journal");
    let before = fs::metadata(log_of(&path)).expect("a log").len();
    store.connection.busy_timeout(std::time::Duration::ZERO).expect("no patience");
    let other = rusqlite::Connection::open(&path).expect("another program");
    other.execute_batch("BEGIN IMMEDIATE").expect("it writes");
    make_room(&mut store.connection, &path).expect_err("not now");
    assert_eq!(fs::metadata(log_of(&path)).expect("a log").len(), before);
}
