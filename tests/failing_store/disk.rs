//! The real journal on a disk that fails: a process of its own writes it, and strace(1) lets one system call after the
//! other fail, once and from then on.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use hatchery::fleet::Change;
use hatchery::ids::Hostname;
use hatchery::naming::Name;
use hatchery::store::Store;
use tempfile::TempDir;

/// Says where the process under the tracer writes.
const DIRECTORY: &str = "HATCHERY_FAILING_STORE";
const TRANSACTIONS: u32 = 12;
/// Names that one transaction writes: they fill more than a page.
const NAMES: u32 = 40;
/// The journal is folded into one file after this transaction.
const FOLDED_AFTER: u32 = 6;

fn names(transaction: u32) -> Vec<Change> {
    let name = |n| Hostname::parse(&format!("KXP2-T{transaction:03}-{n:03}")).expect("a name");
    (0..NAMES).map(|n| Change::Name(Name::blank(name(n)))).collect()
}

/// What runs under the tracer: says of each transaction what the store said.
#[test]
fn writes_a_journal_for_the_others() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let mut out = std::io::stdout();
    // Whoever runs the tests has begun a line of its own.
    writeln!(out).expect("a pipe");
    let mut store = match Store::open(&Path::new(&directory).join("hatchery.db")) {
        Ok(store) => store,
        Err(error) => return writeln!(out, "opened: {error}").expect("a pipe"),
    };
    for transaction in 0..TRANSACTIONS {
        match store.commit(&names(transaction)) {
            Ok(()) => writeln!(out, "kept {transaction}"),
            Err(error) => writeln!(out, "failed {transaction}: {error}"),
        }
        .expect("a pipe");
        if transaction == FOLDED_AFTER
            && let Err(error) = store.checkpoint()
        {
            writeln!(out, "not folded: {error}").expect("a pipe");
        }
    }
    writeln!(out, "end").expect("a pipe");
}

/// Runs it under the tracer, with these of its arguments.
fn traced(directory: &Path, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new("strace");
    // Only what concerns the journal; the process itself has other files.
    for file in ["hatchery.db", "hatchery.db-wal"] {
        command.arg("-P").arg(directory.join(file));
    }
    command.args(["-f", "-qq", "-o"]).arg(directory.join("trace")).args(arguments);
    command.arg(std::env::current_exe().expect("a running program has a path"));
    command.args(["--exact", "disk::writes_a_journal_for_the_others", "--nocapture", "--test-threads=1"]);
    command.env(DIRECTORY, directory);
    match command.output() {
        Ok(output) if !String::from_utf8_lossy(&output.stderr).contains("ptrace") => Some(output),
        _ => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must be able to trace: apt-get install strace");
            eprintln!("SKIPPED: strace is missing (apt-get install strace) or may not trace");
            None
        }
    }
}

/// What the process said of its transactions; `true` for those that were kept.
fn said(output: &Output) -> (BTreeMap<u32, bool>, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = |rest: &str| rest.split(':').next().and_then(|word| word.parse().ok());
    let line = |line: &str| {
        let kept = line.strip_prefix("kept ").and_then(number).map(|number| (number, true));
        kept.or_else(|| line.strip_prefix("failed ").and_then(number).map(|number| (number, false)))
    };
    (text.lines().filter_map(line).collect(), text)
}

/// Holds the journal against what was said of it: what was kept is there, of what failed there is nothing.
fn look(directory: &Path, output: &Output, how: &str) {
    let (said, text) = said(output);
    let path = directory.join("hatchery.db");
    let mut store = Store::open(&path).unwrap_or_else(|error| panic!("{how}: {error}: {text}"));
    let rows = store.load().unwrap_or_else(|error| panic!("{how}: {error}: {text}"));
    let rows: Vec<Change> = rows.into();
    drop(store);
    let db = rusqlite::Connection::open(&path).expect("a database");
    let found: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(found, "ok", "{how}: {text}");
    for transaction in 0..TRANSACTIONS {
        let own = names(transaction);
        let there = own.iter().filter(|name| rows.contains(name)).count();
        match said.get(&transaction) {
            Some(true) => assert_eq!(there, own.len(), "{how}: transaction {transaction} was kept: {text}"),
            // After the last word nothing covers what a failed write left behind: whoever was told "not kept" may find
            // all of it, as with an answer that got lost. Never a part.
            Some(false) | None => {
                let covered = said.range(transaction + 1..).any(|(_, kept)| *kept);
                let whole = !covered && there == own.len();
                assert!(there == 0 || whole, "{how}: {there} rows of transaction {transaction}, which failed: {text}");
            }
        }
    }
}

/// How often the process makes this call on the journal.
fn calls(call: &str) -> Option<usize> {
    let directory = TempDir::new().expect("a directory");
    let output = traced(directory.path(), &["-e", &format!("trace={call}")])?;
    let (said, text) = said(&output);
    assert!(said.len() == TRANSACTIONS as usize && said.values().all(|kept| *kept), "undisturbed: {text}");
    look(directory.path(), &output, "undisturbed");
    let trace = fs::read_to_string(directory.path().join("trace")).expect("a trace");
    Some(trace.lines().filter(|line| line.contains(call)).count())
}

/// Lets each of these calls fail, once, or that one and all after it.
fn sweep(call: &str, error: &str, step: usize, for_good: bool) {
    let Some(calls) = calls(call) else { return };
    assert!(calls >= TRANSACTIONS as usize || call == "ftruncate", "{calls} calls of {call}");
    let mut failures = 0;
    for number in (1..=calls).step_by(step) {
        let directory = TempDir::new().expect("a directory");
        let when = format!("{number}{}", if for_good { "+" } else { "" });
        let how = format!("{call} fails with {error}, {when} of {calls}");
        let inject = format!("inject={call}:error={error}:when={when}");
        let Some(output) = traced(directory.path(), &["-e", &format!("trace={call}"), "-e", &inject]) else { return };
        let (said, text) = said(&output);
        assert!(text.contains("end\n") || text.contains("opened: "), "{how}: the process ended early: {text}");
        failures += usize::from(said.len() < TRANSACTIONS as usize || said.values().any(|kept| !kept));
        if !for_good && text.contains("end\n") {
            let failed = said.values().filter(|kept| !**kept).count();
            assert!(failed <= 1, "{how}: one failure is over when it is over: {text}");
        }
        for advice in text.lines().filter(|line| line.starts_with("failed ")) {
            let fitting = match error {
                "ENOSPC" => "the disk is full: make room, and it goes on by itself",
                _ => "the disk reports errors: look at the kernel's log",
            };
            assert!(advice.contains(fitting), "{how}: no advice in {advice}");
        }
        look(directory.path(), &output, &how);
    }
    assert!(failures > 0 || call == "ftruncate", "{call}: nothing failed");
}

#[test]
fn each_sync_may_fail() {
    sweep("fdatasync", "EIO", 1, false);
}

#[test]
fn each_write_may_fail() {
    sweep("pwrite64", "EIO", 3, false);
}

#[test]
fn each_write_may_find_the_disk_full_from_then_on() {
    sweep("pwrite64", "ENOSPC", 5, true);
}

#[test]
fn each_sync_may_fail_from_then_on() {
    sweep("fdatasync", "EIO", 1, true);
}

#[test]
fn the_log_may_refuse_to_be_cut() {
    sweep("ftruncate", "EIO", 1, false);
}
