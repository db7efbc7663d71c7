//! What the demo found: times, throughput, names, and everything that was not as it must be.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{End, Record};
use crate::sim::client::Phase;

/// The milestones that are reported, and their words.
const PHASES: [(Phase, &str); 6] = [
    (Phase::Offered, "offered"),
    (Phase::Bound, "bound"),
    (Phase::Loaded, "loaded"),
    (Phase::Configured, "configured"),
    (Phase::Downloaded, "downloaded"),
    (Phase::Reported, "reported"),
];

/// The result of a run.
#[derive(Debug)]
pub(in crate::command) struct Report {
    records: Vec<Record>,
    image_bytes: u64,
    faults: Vec<String>,
}

/// Times of one milestone over all machines that passed it.
struct Times {
    machines: usize,
    /// Since power on.
    since_power: Spread,
    /// Since the machine's milestone before.
    step: Spread,
}

#[derive(Clone, Copy)]
struct Spread {
    p50: Duration,
    p99: Duration,
}

impl Report {
    /// Takes what the machines went through; the image's size, 0 if unknown, tells what they must
    /// have received.
    pub fn new(records: Vec<Record>, image_bytes: u64) -> Report {
        let mut report = Report { faults: Vec::new(), records, image_bytes };
        let mut holders: BTreeMap<&str, &Record> = BTreeMap::new();
        let mut faults = Vec::new();
        for record in &report.records {
            match &record.end {
                Some((End::Done(name), _)) => {
                    if let Some(other) = holders.insert(name, record) {
                        faults.push(format!("{} and {} both were named {name}", other.mac, record.mac));
                    }
                    if record.image_bytes < image_bytes {
                        faults.push(format!("{} is done with {} bytes of its image", record.mac, record.image_bytes));
                    }
                }
                Some((End::Faulted(why), _)) => faults.push(format!("{} ({}): {why}", record.mac, record.kind.word())),
                None => {}
            }
        }
        report.faults = faults;
        report
    }

    /// Notes a fault of the whole run.
    pub fn fault(&mut self, what: String) {
        self.faults.push(what);
    }

    /// The server's view of the machines must be theirs.
    pub fn compare_with_server(&mut self, machines: &Value) {
        let known = machines.as_array().map(Vec::as_slice).unwrap_or_default();
        for record in &self.records {
            let Some((End::Done(name), _)) = &record.end else { continue };
            let mac = record.mac.to_string();
            let seen = known.iter().find(|machine| machine["mac"] == mac.as_str());
            match seen.map(|machine| (machine["stage"].as_str(), machine["hostname"].as_str())) {
                Some((Some("done"), Some(hostname))) if hostname == name => {}
                Some((stage, hostname)) => self.faults.push(format!(
                    "{mac} is done as {name}, and the server has it as {}, {}",
                    hostname.unwrap_or("nameless"),
                    stage.unwrap_or("at no stage"),
                )),
                None => self.faults.push(format!("{mac} is done, and the server does not know it")),
            }
        }
        if known.len() != self.records.len() {
            let (known, here) = (known.len(), self.records.len());
            self.faults.push(format!("the server knows {known} machines, and there are {here}"));
        }
    }

    /// Whether every machine is done and nothing was wrong.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty() && self.names().count() == self.records.len()
    }

    /// One JSON object.
    pub fn json(&self) -> Value {
        let phases: serde_json::Map<String, Value> = PHASES
            .iter()
            .filter_map(|(phase, word)| {
                let times = self.times(*phase)?;
                let value = json!({
                    "machines": times.machines,
                    "p50_ms": millis(times.since_power.p50),
                    "p99_ms": millis(times.since_power.p99),
                    "step_p50_ms": millis(times.step.p50),
                    "step_p99_ms": millis(times.step.p99),
                });
                Some(((*word).to_owned(), value))
            })
            .collect();
        json!({
            "bytes": self.bytes(),
            "clients": self.records.len(),
            "done": self.names().count(),
            "faulted": self.faulted(),
            "faults": self.faults,
            "image_bytes": self.image_bytes,
            "names": self.names().collect::<Vec<_>>(),
            "phases": phases,
            "seconds": self.seconds(),
            "throughput_mb_s": self.throughput_mb_s(),
        })
    }

    /// The same for people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let mut line = |text: String| _ = writeln!(out, "{text}");
        line(format!("{:<18} {:<6} {:<20} {:>8}", "MACHINE", "KIND", "NAME", "SECONDS"));
        for record in &self.records {
            let (name, secs) = match &record.end {
                Some((End::Done(name), at)) => (name.as_str(), format!("{:.2}", at.as_secs_f64())),
                Some((End::Faulted(_), at)) => ("faulted", format!("{:.2}", at.as_secs_f64())),
                None => ("under way", "-".into()),
            };
            line(format!("{:<18} {:<6} {name:<20} {secs:>8}", record.mac.to_string(), record.kind.word()));
        }
        line(String::new());
        line(format!("{:<12} {:>8} {:>21} {:>21}", "", "", "MS SINCE POWER ON", "MS SINCE STEP BEFORE"));
        line(format!("{:<12} {:>8} {:>10} {:>10} {:>10} {:>10}", "MILESTONE", "MACHINES", "p50", "p99", "p50", "p99"));
        for (phase, word) in PHASES {
            let Some(times) = self.times(phase) else { continue };
            let [a, b, c, d] =
                [times.since_power.p50, times.since_power.p99, times.step.p50, times.step.p99].map(millis);
            line(format!("{word:<12} {:>8} {a:>10.1} {b:>10.1} {c:>10.1} {d:>10.1}", times.machines));
        }
        line(String::new());
        line(format!(
            "{} of {} machines are done, {} faulted, in {:.2} s; {} MiB of images, {}, at {:.0} MB/s",
            self.names().count(),
            self.records.len(),
            self.faulted(),
            self.seconds(),
            self.bytes() >> 20,
            if self.image_bytes > 0 { "each byte compared" } else { "their digests compared" },
            self.throughput_mb_s(),
        ));
        for fault in &self.faults {
            line(format!("fault: {fault}"));
        }
        out
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.records.iter().filter_map(|record| match &record.end {
            Some((End::Done(name), _)) => Some(name.as_str()),
            _ => None,
        })
    }

    fn faulted(&self) -> usize {
        self.records.iter().filter(|record| matches!(record.end, Some((End::Faulted(_), _)))).count()
    }

    /// Bytes of images that arrived.
    fn bytes(&self) -> u64 {
        self.records.iter().map(|record| record.image_bytes).sum()
    }

    /// From the start to the last end.
    fn seconds(&self) -> f64 {
        let ends = self.records.iter().filter_map(|record| record.end.as_ref().map(|(_, at)| *at));
        ends.max().unwrap_or_default().as_secs_f64()
    }

    /// Image bytes a second, between the first machine that could download and the last one that had.
    fn throughput_mb_s(&self) -> f64 {
        let at = |phase| self.records.iter().filter_map(move |record| record.phases.get(&phase));
        let (Some(first), Some(last)) = (at(Phase::Configured).min(), at(Phase::Downloaded).max()) else { return 0.0 };
        let secs = last.saturating_sub(*first).as_secs_f64();
        if secs > 0.0 { self.bytes() as f64 / 1e6 / secs } else { 0.0 }
    }

    fn times(&self, phase: Phase) -> Option<Times> {
        let passed: Vec<(Duration, Duration)> = self
            .records
            .iter()
            .filter_map(|record| {
                let (at, power) = (*record.phases.get(&phase)?, *record.phases.get(&Phase::Power)?);
                let (_, before) = record.phases.range(..phase).next_back()?;
                Some((at.saturating_sub(power), at.saturating_sub(*before)))
            })
            .collect();
        Some(Times {
            machines: passed.len(),
            since_power: Spread::of(passed.iter().map(|(at, _)| *at).collect())?,
            step: Spread::of(passed.iter().map(|(_, step)| *step).collect())?,
        })
    }
}

impl Spread {
    /// Percentiles by nearest rank: values that some machine really had.
    fn of(mut times: Vec<Duration>) -> Option<Spread> {
        times.sort();
        let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).checked_sub(1)?).copied();
        Some(Spread { p50: rank(50)?, p99: rank(99)? })
    }
}

/// Milliseconds with a tenth.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests;
