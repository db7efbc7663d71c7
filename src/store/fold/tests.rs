//! A log that is folded beside is folded, stays short, and keeps every commit.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::super::log_of;
use super::*;
use crate::fleet::Change;
use crate::ids::MachineId;
use crate::machine::{Evidence, Machine};
use crate::time::Timestamp;

/// Long enough for any machine; tests that pass do not wait for it.
const PATIENCE: Duration = Duration::from_secs(60);

fn machine(id: u64) -> Change {
    Change::Machine(Machine::new(MachineId(id), &Evidence::default(), Timestamp::from_millis(1)))
}

/// A journal with an empty log that is folded beside.
fn looked_after() -> (TempDir, PathBuf, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hatchery.db");
    let mut store = Store::open(&path).expect("a journal");
    store.checkpoint().expect("an empty log");
    store.fold_beside().expect("a thread");
    (directory, path, store)
}

fn pages_of(path: &Path) -> u64 {
    fs::metadata(path).expect("a file").len() / 4096
}

#[test]
fn the_log_is_folded_beside_and_begins_anew() {
    let (_directory, path, mut store) = looked_after();
    // Each writes a page or two: many more than the log is to hold.
    let commits = u64::from(4 * LOG_PAGES);
    for id in 1..=commits {
        store.commit(&[machine(id)]).expect("a commit");
    }
    let most = u64::from(LOG_PAGES + LOG_PAGES / 2);
    assert!(pages_of(&log_of(&path)) < most, "{} pages in the log", pages_of(&log_of(&path)));
    assert_eq!(store.load().expect("rows").machines.len() as u64, commits);
    drop(store);
    let mut store = Store::open(&path).expect("a sound journal");
    assert_eq!(store.load().expect("rows").machines.len() as u64, commits);
}

#[test]
fn a_commit_below_the_limit_leaves_it_to_the_thread() {
    let (_directory, path, mut store) = looked_after();
    let short = pages_of(&path);
    // Each writes up to four pages.
    let early = u64::from(FOLD_PAGES / 4) - 1;
    for id in 1..=early {
        store.commit(&[machine(id)]).expect("a commit");
    }
    assert_eq!(pages_of(&path), short, "nothing is folded before it is time");
    let mut id = early;
    let end = Instant::now() + PATIENCE;
    while pages_of(&path) == short {
        assert!(Instant::now() < end, "nothing was folded");
        std::thread::sleep(Duration::from_millis(1));
        id += 1;
        store.commit(&[machine(id)]).expect("a commit");
    }
}

#[test]
fn without_its_thread_a_commit_folds_the_log() {
    let (_directory, path, mut store) = looked_after();
    store.folding = None;
    let short = pages_of(&path);
    for id in 1..=u64::from(FOLD_PAGES) {
        store.commit(&[machine(id)]).expect("a commit");
    }
    assert!(pages_of(&path) > short, "the file has {short} pages still");
}

#[test]
fn somebody_who_reads_for_long_keeps_nobody_from_committing() {
    let (_directory, path, mut store) = looked_after();
    let reader = Connection::open(&path).expect("a reader");
    reader.execute_batch("BEGIN; SELECT * FROM machine;").expect("it reads");
    let commits = u64::from(LOG_PAGES);
    for id in 1..=commits {
        store.commit(&[machine(id)]).expect("a commit");
    }
    assert_eq!(store.load().expect("rows").machines.len() as u64, commits);
    store.checkpoint().expect("nothing to complain of");
}
