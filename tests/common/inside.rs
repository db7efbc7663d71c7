//! Runs an integration test inside a lab: the test binary starts itself again there for that one test.
//!
//! Owns the child, its output and its deadline. A system that bars namespaces skips the test loudly; under `CI=true`
//! that is a failure.

use hatchery::lab;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long one test may take inside.
const DEADLINE: Duration = Duration::from_secs(90);

/// Whether this is the run inside. If not, runs `test` (its full name) inside and checks that it passed there:
/// `if !inside("name_of_this_test") { return }`.
pub fn inside(test: &str) -> bool {
    inside_within(test, DEADLINE)
}

/// The same with a deadline of the test's own.
pub fn inside_within(test: &str, deadline: Duration) -> bool {
    if lab::inside() {
        return true;
    }
    let mut output = tempfile::tempfile().expect("a temporary file");
    let share = |file: &File| Stdio::from(file.try_clone().expect("a second descriptor"));
    let mut command = command(test);
    command.stdin(Stdio::null()).stdout(share(&output)).stderr(share(&output));
    let Some(mut child) = spawn(&mut command) else { return false };
    let status = wait(&mut child, deadline);
    let mut text = String::new();
    output.seek(SeekFrom::Start(0)).expect("a seek in a file");
    output.read_to_string(&mut text).expect("a test's output is text");
    let passed = status.is_some_and(|status| status.success()) && text.contains("1 passed");
    let status = status.map_or("killed at its deadline".into(), |status| status.to_string());
    assert!(passed, "{test} inside the lab: {status}\n{text}");
    false
}

/// This test binary, for one test, in a lab of its own.
pub fn command(test: &str) -> Command {
    let mut command = lab::command(std::env::current_exe().expect("a running program has a path"));
    command.args(["--exact", test, "--nocapture"]);
    command
}

/// Starts a command of [`command`]; nothing where namespaces are barred.
pub fn spawn(command: &mut Command) -> Option<Child> {
    match command.spawn() {
        Ok(child) => Some(child),
        Err(error) if lab::is_barred(&error) => {
            skip(&error.to_string());
            None
        }
        Err(error) => panic!("cannot start {command:?}: {error}"),
    }
}

/// Says that a test cannot run here, and why.
pub fn skip(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must be able to make namespaces: {why}");
    eprintln!("SKIPPED: this system bars network namespaces to this user: {why}");
}

/// Waits for a child until the deadline, then kills it.
pub fn wait(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let status = until(deadline, || child.try_wait().expect("a child of ours"));
    if status.is_none() {
        child.kill().ok();
        child.wait().ok();
    }
    status
}

/// Looks every few milliseconds until there is something to see or the deadline has come.
pub fn until<T>(deadline: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        let seen = look();
        if seen.is_some() || Instant::now() > end {
            return seen;
        }
        sleep(Duration::from_millis(5));
    }
}
