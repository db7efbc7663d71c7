//! What `commit` reported survives the end of the process, however it comes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use super::*;

/// Set in the child: the journal to write to.
const CHILD: &str = "HATCHERY_TEST_JOURNAL";
const DEADLINE: Duration = Duration::from_secs(60);

/// Commits a machine and its lease at a time, and says each id once its commit is reported.
fn commit_until_killed(path: &Path) -> ! {
    let mut store = Store::open(path).unwrap();
    let first = tables(&rows(&mut store)).machines.next_id().0;
    for id in first.. {
        let address = Ipv4Addr::from(0x0b00_0000 + u32::try_from(id).unwrap());
        let lease = lease(id, address, LeaseState::Bound, 5);
        store.commit(&[Change::Machine(machine(id)), Change::Lease(lease)]).unwrap();
        println!("committed {id}");
        std::io::stdout().flush().unwrap();
    }
    unreachable!("ids do not run out")
}

fn start(path: &Path) -> (Child, Receiver<u64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::crash::every_reported_commit_survives_kill_9", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, reported) = mpsc::channel();
    std::thread::spawn(move || {
        let ids = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("committed ")?.parse().ok());
        // The test no longer listens once it has failed.
        ids.map_while(|id| sender.send(id).ok()).for_each(drop);
    });
    (child, reported)
}

#[test]
fn every_reported_commit_survives_kill_9() {
    if let Some(path) = std::env::var_os(CHILD) {
        commit_until_killed(Path::new(&path));
    }
    let journal = Journal::new();
    let mut last = 0;
    for round in 0..6 {
        let (mut child, reported) = start(&journal.path());
        for _ in 0..20 + 7 * round {
            last = reported.recv_timeout(DEADLINE).expect("the child commits");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it died counts too; the channel ends with its output.
        last = std::iter::from_fn(|| reported.recv_timeout(DEADLINE).ok()).last().unwrap_or(last);

        let mut store = journal.open();
        let changes = rows(&mut store);
        let machines = changes.iter().filter(|change| matches!(change, Change::Machine(_))).count() as u64;
        let leases = changes.iter().filter(|change| matches!(change, Change::Lease(_))).count() as u64;
        assert_eq!(machines, leases, "half a transaction is there");
        // The last commit may have been done and not said.
        assert!(machines == last || machines == last + 1, "{last} were reported, {machines} are there");
        let sound: String = store.connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
    }
}
