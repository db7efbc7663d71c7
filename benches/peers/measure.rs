//! What one turn of a server cost and brought, and what many turns say.
//!
//! Processor time is that of a control group (`cpu.stat` of cgroup v2) where one can be made, else the sum over the
//! server's processes in `/proc`, in ticks of 10 ms.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

/// How the names of our control groups begin.
const GROUP: &str = "hatchery-peers-";

/// What a server has used of the processor since it started, and the most memory it had.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Of all its processes and threads, in user space and in the kernel.
    pub cpu: Duration,
    /// The largest resident size of each process that lives, added up: pages they share count more than once.
    pub peak_bytes: u64,
}

/// A control group of one server.
#[derive(Debug)]
pub struct Group(PathBuf);

impl Group {
    /// A new one; `None` where there is no cgroup v2, or this user may not make one.
    pub fn new(name: &str) -> Option<Group> {
        let path = hierarchy()?.join(format!("{GROUP}{}-{name}", std::process::id()));
        fs::create_dir(&path).ok()?;
        let group = Group(path);
        // Without the file, the group says nothing.
        group.cpu().is_ok().then_some(group)
    }

    /// Where a process that writes "0" joins it.
    pub fn door(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }

    fn cpu(&self) -> io::Result<Duration> {
        let text = fs::read_to_string(self.0.join("cpu.stat"))?;
        let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
        let micros = usage.and_then(|number| number.trim().parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Duration::from_micros(micros))
    }

    fn processes(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.door()).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Ends every process in it.
    pub fn kill(&self) {
        // Kernels before 5.14 have no such file; there the namespace of the server's processes ends them.
        fs::write(self.0.join("cgroup.kill"), "1").ok();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        // Processes that were just killed leave after some milliseconds.
        for _ in 0..200 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Removes the empty groups of runs that were killed.
pub fn sweep() {
    let left = hierarchy().and_then(|path| fs::read_dir(path).ok()).into_iter().flatten().flatten();
    for entry in left {
        let name = entry.file_name().to_string_lossy().into_owned();
        let run = name.strip_prefix(GROUP).and_then(|rest| rest.split('-').next());
        if run.is_some_and(|run| !Path::new("/proc").join(run).exists()) {
            // Fails for one that still holds a process, which is then somebody's.
            fs::remove_dir(entry.path()).ok();
        }
    }
}

/// Where cgroup v2 is mounted, alone or beside v1.
fn hierarchy() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (path, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(path))
    })
}

/// How processor time is known here.
pub fn method() -> &'static str {
    if Group::new("probe").is_some() { "cgroup v2 cpu.stat" } else { "/proc/PID/stat of the server's processes" }
}

/// What the server has used whose first process is `id`, in `group` if it has one.
///
/// # Errors
/// The server is gone.
pub fn usage(id: u32, group: Option<&Group>) -> io::Result<Usage> {
    let (processes, cpu) = match group {
        Some(group) => (group.processes(), group.cpu()?),
        None => {
            let tree = tree(id);
            let ticks: u64 = tree.iter().filter_map(|id| ticks(*id)).sum();
            (tree, Duration::from_millis(ticks * 10))
        }
    };
    let processes: Vec<u32> = processes.into_iter().filter(|id| !is_wrapper(*id)).collect();
    if processes.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let total = |name: &str| processes.iter().filter_map(|id| kib(*id, name)).sum::<u64>() * 1024;
    Ok(Usage { cpu, peak_bytes: total("VmHWM:") })
}

/// Whether this is the `unshare` that a peer was started by, which sleeps.
fn is_wrapper(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.trim() == "unshare")
}

/// A process and its descendants.
fn tree(id: u32) -> Vec<u32> {
    let mut all = vec![id];
    let mut at = 0;
    while let Some(id) = all.get(at).copied() {
        at += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{id}/task")) else { continue };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
        }
    }
    all
}

/// Ticks of a process and of its children that have ended (proc(5): utime, stime, cutime, cstime).
fn ticks(id: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    fields.split(' ').skip(11).take(4).map(|field| field.parse::<u64>().ok()).sum()
}

fn kib(id: u32, name: &str) -> Option<u64> {
    let text = fs::read_to_string(Path::new("/proc").join(id.to_string()).join("status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok())
}

/// Which of two figures is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
}

/// One turn of one server.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The figure that is compared, in the contest's unit.
    pub value: f64,
    /// Processor time for each piece of work, in the contest's unit.
    pub cpu: f64,
    /// The most memory that the server has had so far.
    pub peak_bytes: u64,
    /// Other figures, by name.
    pub more: Vec<(&'static str, f64)>,
}

/// What the turns of one server were.
#[derive(Debug)]
pub struct Entry {
    /// Its name and how it was set up.
    pub server: String,
    /// Whether it is ours.
    pub ours: bool,
    /// Its turns.
    pub turns: Vec<Turn>,
}

/// Servers under the same load.
#[derive(Debug)]
pub struct Contest {
    /// The load, in words.
    pub load: String,
    /// Of [`Turn::value`].
    pub unit: &'static str,
    /// Of [`Turn::cpu`].
    pub cpu_unit: &'static str,
    /// What is better.
    pub better: Better,
    /// All of them, ours first.
    pub entries: Vec<Entry>,
}

impl Contest {
    /// Nobody has had a turn.
    pub fn new(load: impl Into<String>, unit: &'static str, cpu_unit: &'static str, better: Better) -> Contest {
        Contest { load: load.into(), unit, cpu_unit, better, entries: Vec::new() }
    }

    /// Lets servers take turns: `turn` is asked for one of the server at an index, in every round.
    ///
    /// # Errors
    /// The first of a turn.
    pub fn run(
        mut self,
        servers: &[(String, bool)],
        rounds: usize,
        mut turn: impl FnMut(usize) -> anyhow::Result<Turn>,
    ) -> anyhow::Result<Contest> {
        let entry = |(server, ours): &(String, bool)| Entry { server: server.clone(), ours: *ours, turns: Vec::new() };
        self.entries = servers.iter().map(entry).collect();
        for round in 0..rounds {
            eprintln!("{}: round {} of {rounds}", self.load, round + 1);
            for index in 0..servers.len() {
                let turn = turn(index)?;
                self.entries[index].turns.push(turn);
            }
        }
        Ok(self)
    }

    /// The same turns, compared by another of their figures.
    pub fn by(&self, name: &'static str, better: Better) -> Contest {
        let turn = |turn: &Turn| {
            let value = turn.more.iter().find(|(other, _)| *other == name).map_or(f64::NAN, |(_, value)| *value);
            Turn { value, more: Vec::new(), ..turn.clone() }
        };
        let entries = self.entries.iter().map(|entry| Entry {
            server: entry.server.clone(),
            turns: entry.turns.iter().map(turn).collect(),
            ..*entry
        });
        Contest { load: self.load.clone(), unit: name, better, entries: entries.collect(), ..*self }
    }

    /// The same turns without the server at an index, compared with the others alone.
    pub fn without(&self, index: usize) -> Contest {
        let others = self.entries.iter().enumerate().filter(|(other, _)| *other != index);
        let entry =
            |(_, entry): (usize, &Entry)| Entry { server: entry.server.clone(), turns: entry.turns.clone(), ..*entry };
        Contest { load: self.load.clone(), entries: others.map(entry).collect(), ..*self }
    }

    /// The best of the peers, by the median of their values.
    fn best_peer(&self) -> Option<&Entry> {
        let by_value = |a: &&Entry, b: &&Entry| a.value().total_cmp(&b.value());
        let peers = self.entries.iter().filter(|entry| !entry.ours);
        match self.better {
            Better::Higher => peers.max_by(by_value),
            Better::Lower => peers.min_by(by_value),
        }
    }

    /// For people.
    pub fn table(&self) -> String {
        let best = self.best_peer();
        let mut text = format!("{}\n", self.load);
        let mut line = |server: &str, value: &str, spread: &str, cpu: &str, peak: &str, more: &str| {
            let line = format!("  {server:<56} {value:>10} {spread:>19} {cpu:>14} {peak:>9}  {more}");
            writeln!(text, "{}", line.trim_end()).expect("a string takes everything");
        };
        line("", self.unit, "least–most", self.cpu_unit, "peak MiB", "");
        for entry in &self.entries {
            let more: Vec<String> =
                entry.more().iter().map(|(name, value)| format!("{name} {}", figure(*value))).collect();
            let values = entry.values();
            let spread = match (values.first(), values.last()) {
                (Some(least), Some(most)) => format!("{}–{}", figure(*least), figure(*most)),
                _ => String::new(),
            };
            let mark = if best.is_some_and(|best| std::ptr::eq(best, entry)) { " (best peer)" } else { "" };
            line(
                &format!("{}{mark}", entry.server),
                &figure(entry.value()),
                &spread,
                &figure(entry.cpu()),
                &figure(entry.peak_bytes() as f64 / f64::from(1 << 20)),
                &more.join(", "),
            );
        }
        if let Some(best) = best {
            for ours in self.entries.iter().filter(|entry| entry.ours) {
                let (value, cpu) = (ours.value() / best.value(), ours.cpu() / best.cpu());
                writeln!(text, "  {} is {value:.2}x the best peer, at {cpu:.2}x its CPU", ours.server)
                    .expect("a string takes everything");
            }
        }
        text
    }

    /// For programs.
    pub fn json(&self, part: &str) -> Value {
        let entry = |entry: &Entry| {
            let turns = entry.turns.iter().map(|turn| {
                let more: serde_json::Map<String, Value> =
                    turn.more.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
                json!({ "value": turn.value, "cpu": turn.cpu, "peak_bytes": turn.peak_bytes, "more": more })
            });
            json!({
                "server": entry.server,
                "ours": entry.ours,
                "median": entry.value(),
                "cpu": entry.cpu(),
                "peak_bytes": entry.peak_bytes(),
                "turns": turns.collect::<Vec<_>>(),
            })
        };
        json!({
            "part": part,
            "load": self.load,
            "unit": self.unit,
            "cpu_unit": self.cpu_unit,
            "best_peer": self.best_peer().map(|best| best.server.clone()),
            "servers": self.entries.iter().map(entry).collect::<Vec<_>>(),
        })
    }
}

impl Entry {
    /// In ascending order.
    fn values(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.turns.iter().map(|turn| turn.value).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The median.
    pub fn value(&self) -> f64 {
        median(self.turns.iter().map(|turn| turn.value))
    }

    /// The median.
    pub fn cpu(&self) -> f64 {
        median(self.turns.iter().map(|turn| turn.cpu))
    }

    fn peak_bytes(&self) -> u64 {
        self.turns.iter().map(|turn| turn.peak_bytes).max().unwrap_or(0)
    }

    fn more(&self) -> Vec<(&'static str, f64)> {
        let names = self.turns.first().map_or(&[][..], |turn| &turn.more);
        let of = |name: &str| {
            let turns = self.turns.iter().flat_map(|turn| &turn.more);
            median(turns.filter(|(other, _)| *other == name).map(|(_, value)| *value))
        };
        names.iter().map(|(name, _)| (*name, of(name))).collect()
    }
}

/// The middle one; of an even number, the mean of the two in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => f64::NAN,
        (count, middle) if count % 2 == 1 => values[middle],
        (_, middle) => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// Three or four digits that matter.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.3}"),
        size if size > 0.0 => format!("{value:.5}"),
        _ => "0".to_owned(),
    }
}
