//! `hatchery demo` as a user runs it: as root and as an ordinary user, to its end and interrupted.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
#[allow(dead_code, reason = "the demo goes into a lab by itself")]
mod inside;

use inside::{skip, until, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A demo that is not over after so long hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the kernel takes to clean up after killed processes.
const CLEANUP: Duration = Duration::from_secs(20);
const NOBODY: u32 = 65_534;

/// A copy of the program of its own for each test, by which its processes are known and which anybody may execute.
struct Program {
    directory: TempDir,
}

/// A demo under way.
struct Demo {
    child: Child,
    stdout: PathBuf,
    stderr: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Program {
    fn new() -> Program {
        let directory = tempfile::tempdir().expect("a directory");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("our directory");
        let program = Program { directory };
        fs::copy(env!("CARGO_BIN_EXE_hatchery"), program.path()).expect("a copy of the program");
        fs::set_permissions(program.path(), Permissions::from_mode(0o755)).expect("our file");
        program
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("hatchery")
    }

    fn start(&self, user: Option<u32>, arguments: &[&str]) -> Demo {
        let stdout = self.directory.path().join("stdout");
        let mut command = Command::new(self.path());
        command.arg("demo").args(arguments).current_dir("/").stdin(Stdio::null());
        command.stdout(File::create(&stdout).expect("a file")).stderr(Stdio::piped());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        // Another test's child may still hold the copy open for writing, between its fork and its exec.
        let deadline = Instant::now() + PATIENCE;
        let mut child = loop {
            match command.spawn() {
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && Instant::now() < deadline => {}
                spawned => break spawned.expect("the program"),
            }
        };
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        Demo { child, stdout, stderr, said: String::new() }
    }

    /// Waits until no process of this program is left, and no interface or mount of any lab is outside.
    fn assert_nothing_is_left(&self) {
        let left = || {
            let processes = fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
                let path = entry.ok()?.path();
                fs::read_link(path.join("exe")).ok().filter(|exe| exe.starts_with(self.directory.path()))?;
                // A zombie's exe cannot be read: what is found here runs.
                Some(path.display().to_string())
            });
            let interfaces = fs::read_dir("/sys/class/net").expect("/sys").filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                (name.starts_with("hatch") || name.starts_with("bench")).then_some(name)
            });
            let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc");
            let mounts = mounts.lines().filter(|line| line.contains("hatchery-lab")).map(str::to_owned);
            processes.chain(interfaces).chain(mounts.collect::<Vec<_>>()).collect::<Vec<String>>()
        };
        let clean = until(CLEANUP, || left().is_empty().then_some(()));
        assert!(clean.is_some(), "left behind: {:?}", left());
    }
}

impl Demo {
    /// Reads standard error until a line has `text` in it; false at its end.
    fn says(&mut self, text: &str) -> bool {
        let mut line = String::new();
        while self.stderr.read_line(&mut line).expect("lines of text") > 0 {
            self.said += &line;
            if line.contains(text) {
                return true;
            }
            line.clear();
        }
        false
    }

    /// Waits for the end: how, standard output, standard error.
    fn end(mut self) -> (ExitStatus, String, String) {
        let status = wait(&mut self.child, PATIENCE).unwrap_or_else(|| panic!("hangs: {}", self.said));
        self.stderr.read_to_string(&mut self.said).expect("text");
        (status, fs::read_to_string(&self.stdout).expect("text"), self.said)
    }
}

/// Whether the demo said that namespaces are barred; then it must have said only that, and how it works.
fn is_barred(status: ExitStatus, said: &str) -> bool {
    let barred = said.contains("barred here");
    if barred {
        assert_eq!((status.code(), said.lines().count()), (Some(1), 1), "{said}");
        skip(said.trim());
    }
    barred
}

fn twenty_machines_become_twenty_units(user: Option<u32>) {
    let program = Program::new();
    let demo = program.start(user, &["--clients", "20", "--image-mib", "16", "--json"]);
    let (status, text, said) = demo.end();
    if is_barred(status, &said) {
        return;
    }
    assert!(status.success(), "{status}\n{text}\n{said}");
    let report: Value = serde_json::from_str(&text).expect("exactly one JSON object");
    assert_eq!(report["clients"], 20);
    assert_eq!((&report["done"], &report["faulted"]), (&Value::from(20), &Value::from(0)), "{report}");
    assert_eq!(report["faults"], Value::Array(Vec::new()));
    assert_eq!(report["bytes"], 20 * (16 << 20));
    for phase in ["offered", "bound", "loaded", "configured", "downloaded", "reported"] {
        let times = &report["phases"][phase];
        let [p50, p99] = ["p50_ms", "p99_ms"].map(|key| times[key].as_f64().expect("milliseconds"));
        assert!(0.0 < p50 && p50 <= p99, "{phase}: {times}");
    }
    for positive in ["seconds", "throughput_mb_s"] {
        assert!(report[positive].as_f64().is_some_and(|value| value > 0.0), "{positive}: {report}");
    }
    let names = report["names"].as_array().expect("names");
    let distinct: BTreeSet<&str> = names.iter().filter_map(Value::as_str).collect();
    assert_eq!((names.len(), distinct.len()), (20, 20), "{names:?}");
    assert!(distinct.iter().all(|name| name.starts_with("KXP2-DEMO-")), "{names:?}");
    program.assert_nothing_is_left();
}

#[test]
fn twenty_machines_become_twenty_units_as_this_user() {
    twenty_machines_become_twenty_units(None);
}

#[test]
fn twenty_machines_become_twenty_units_as_an_ordinary_user() {
    if geteuid().is_root() {
        twenty_machines_become_twenty_units(Some(NOBODY));
    }
}

/// Ends a demo in its middle, the server at work.
fn interrupted(by: Signal) -> (ExitStatus, String, String) {
    let program = Program::new();
    let mut demo = program.start(None, &["--clients", "20", "--image-mib", "128"]);
    if demo.says("machines are switched on") {
        kill(Pid::from_raw(demo.child.id() as i32), by).expect("a process of ours");
    }
    let end = demo.end();
    program.assert_nothing_is_left();
    end
}

/// What a browser outside gets.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the pages");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("a request sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// The demo's pages from outside of its namespaces, while its machines boot and after they are done.
fn pages_are_there_until_one_has_seen_enough(user: Option<u32>) {
    let program = Program::new();
    let mut demo = program.start(user, &["--clients", "3", "--image-mib", "2", "--rate", "4", "--keep"]);
    if !demo.says("the pages, until Ctrl-C: http://127.0.0.1:") {
        let (status, _, said) = demo.end();
        assert!(is_barred(status, &said), "{status}: {said}");
        return;
    }
    let link = demo.said.split_whitespace().find_map(|word| word.strip_prefix("http://")).expect("a link").to_owned();
    let (address, code) = link.split_once("/setup?").expect("the link makes the first user");
    assert!(get(address, &format!("/setup?{code}")).contains("Make the first user"));
    assert!(demo.says("server and pages stay until Ctrl-C"), "{}", demo.said);
    assert!(demo.said.contains("3 are done"), "{}", demo.said);
    assert!(get(address, "/login").starts_with("HTTP/1.1 200"), "they stay");
    kill(Pid::from_raw(demo.child.id() as i32), Signal::SIGINT).expect("a process of ours");
    let (status, text, said) = demo.end();
    assert!(status.success() && text.contains("KXP2-DEMO-00"), "{status}: {text}\n{said}");
    assert!(TcpStream::connect(address).is_err(), "the pages have gone with it");
    program.assert_nothing_is_left();
}

#[test]
fn pages_are_there_until_one_has_seen_enough_as_this_user() {
    pages_are_there_until_one_has_seen_enough(None);
}

#[test]
fn pages_are_there_until_one_has_seen_enough_as_an_ordinary_user() {
    if geteuid().is_root() {
        pages_are_there_until_one_has_seen_enough(Some(NOBODY));
    }
}

#[test]
fn a_port_that_somebody_has_is_no_place_for_pages() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let (status, text, said) = Program::new().start(None, &["--pages", &port]).end();
    assert_eq!((status.code(), text.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains(&port) && said.contains("--pages takes another port"), "{said}");
}

#[test]
fn an_interrupted_demo_stops_at_once_and_leaves_nothing() {
    let (status, text, said) = interrupted(Signal::SIGINT);
    if !is_barred(status, &said) {
        assert_eq!(status.code(), Some(130), "{said}");
        assert!(text.contains("under way"), "it says how far it came: {text}");
    }
}

#[test]
fn a_killed_demo_leaves_nothing() {
    let (status, _, said) = interrupted(Signal::SIGKILL);
    if !is_barred(status, &said) {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "{said}");
    }
}

#[test]
fn a_demo_that_does_not_fit_into_memory_says_so_at_once() {
    let program = Program::new();
    // 64 GiB and the boot files.
    let (status, text, said) = program.start(None, &["--image-mib", "65536"]).end();
    if status.success() {
        // This machine has that much, and booted 20 machines with it.
        return;
    }
    assert_eq!((status.code(), text.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains("MiB of memory") && said.contains("--image-mib") && said.lines().count() == 1, "{said}");
}
