//! The stock programs: found, started, watched, and ended with the test.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::inside::{self, inside};
use crate::table::{PATIENCE, Table};

/// Debian's package of each program.
const PACKAGES: [(&str, &str); 10] = [
    ("busybox", "busybox"),
    ("dhclient", "isc-dhcp-client"),
    ("dhcrelay", "isc-dhcp-relay"),
    ("curl", "curl"),
    ("wget", "wget"),
    ("tftp", "tftp-hpa"),
    ("atftp", "atftp"),
    ("arping", "arping"),
    ("rdisc6", "ndisc6"),
    ("ip", "iproute2"),
];

/// Whether this is the run inside the lab and the programs are there. Without one of them the test is skipped loudly;
/// under `CI=true` that is a failure.
pub fn inside_with(programs: &[&str], test: &str) -> bool {
    let missing: Vec<_> = PACKAGES.iter().filter(|(name, _)| programs.contains(name) && !is_there(name)).collect();
    for (program, package) in &missing {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have {program}: apt-get install {package}");
        eprintln!("SKIPPED {test}: {program} is missing; apt-get install {package}");
    }
    missing.is_empty() && inside(test)
}

fn is_there(program: &str) -> bool {
    search_path().split(':').any(|directory| Path::new(directory).join(program).is_file())
}

/// Ordinary users have no sbin in their PATH.
fn search_path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// A program to be run in the bench's directory.
pub fn program(table: &Table, name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(table.bench.directory()).env("PATH", search_path()).env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Output {
    let end = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    end.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// What a program wrote, both channels.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Writes a shell script into the bench's directory.
pub fn script(table: &Table, name: &str, text: &str) -> PathBuf {
    let path = table.path(name);
    fs::write(&path, text).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    path
}

/// A DHCP client that runs until it is dropped. Its script writes one line per event.
pub struct Dhcp {
    child: Child,
    pub events: PathBuf,
    pub output: PathBuf,
}

impl Dhcp {
    /// Starts the command; `EVENTS` tells its script where to write. `name` tells its files from those of others.
    pub fn start(table: &Table, name: &str, mut command: Command) -> Dhcp {
        let (events, output) = (table.path(&format!("{name}.events")), table.path(&format!("{name}.log")));
        File::create(&events).expect("a file");
        let log = File::create(&output).expect("a file");
        command.env("EVENTS", &events).stdout(log.try_clone().expect("a second descriptor")).stderr(log);
        // SAFETY: one system call, no memory touched.
        unsafe {
            command.pre_exec(|| nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(Into::into));
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Dhcp { child, events, output }
    }

    /// Every event of this kind so far.
    pub fn all(&self, event: &str) -> Vec<Event> {
        let text = fs::read_to_string(&self.events).expect("the events");
        // A line without its end is still being written.
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines.filter(|line| line.split(' ').next() == Some(event)).map(|line| Event(line.trim().to_owned())).collect()
    }

    /// Waits for the first event of this kind.
    pub fn wait_for(&self, table: &Table, event: &str) -> Event {
        self.wait_for_nth(table, event, 1)
    }

    /// Waits for the `nth` event of this kind, counted from 1.
    pub fn wait_for_nth(&self, table: &Table, event: &str, nth: usize) -> Event {
        self.wait_until(table, &format!("{event} number {nth}"), || self.all(event).into_iter().nth(nth - 1))
    }

    /// Looks until there is something to see; else says what all sides said.
    pub fn wait_until<T>(&self, table: &Table, what: &str, look: impl FnMut() -> Option<T>) -> T {
        inside::until(PATIENCE, look).unwrap_or_else(|| {
            let [events, said] = [&self.events, &self.output].map(|path| fs::read_to_string(path).unwrap_or_default());
            panic!("no {what}\n{events}\n{said}\nthe server:\n{}", table.bench.log_tail(40))
        })
    }

    /// What the program itself wrote.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.output).expect("the output")
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().expect("process ids fit")), signal).expect("it runs");
    }

    /// Waits until the program has ended by itself.
    pub fn ended(&mut self) {
        let ended = inside::until(PATIENCE, || self.child.try_wait().expect("a child of ours"));
        assert!(ended.is_some(), "still running:\n{}", self.said());
    }
}

impl Drop for Dhcp {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One line of a script: the event, then `key=value` words.
#[derive(Clone, Debug)]
pub struct Event(String);

impl Event {
    /// A value; commas stand for the spaces between several.
    pub fn get(&self, key: &str) -> &str {
        let value = self.0.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {key} in {:?}", self.0))
    }
}
