//! Machines boot without a pause, for as long as one likes: memory, descriptors and the latency of commits stay flat, and
//! nothing fails. `cargo bench --bench soak -- --minutes 30`.
//!
//! Twenty machines at a time, of eighty that come again and again, over real sockets in namespaces of its own. The run is
//! cut into fifths; medians of the first and the last are compared, and the command fails if they differ by more than it
//! says.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fastrand::Rng;
use hatchery::lab;
use hatchery::load::bench::{Bench, PRODUCT, Setup, VENUE};
use hatchery::load::{End, Load, Run};
use hatchery::serve::control::Request;
use hatchery::sim::client::{Client, Identity, Kind, Options};
use tokio::runtime::Runtime;

const MACHINES: u32 = 80;
const AT_ONCE: usize = 20;
const KINDS: [Kind; 5] = [Kind::Pi5, Kind::UefiX64, Kind::Pi4, Kind::LinuxInstaller, Kind::BiosIpxe];
const IMAGE_MIB: u32 = 32;
const PAGES: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8100);
/// Between two waves: the machine that runs this has other things to do.
const PAUSE: Duration = Duration::from_millis(500);
/// No wave takes so long.
const PATIENCE: Duration = Duration::from_secs(120);
const FIFTHS: usize = 5;
/// What the last fifth may have more than the first.
const MEMORY_MORE_KIB: u64 = 4 << 10;
const DESCRIPTORS_MORE: u64 = 4;
/// A commit may take so much longer in the last fifth; below a millisecond the disk's own moods are larger.
const LATENCY_MORE: f64 = 1.5;
const LATENCY_NOISE_SECS: f64 = 0.001;

/// One look at the server, between two waves.
struct Sample {
    at: Duration,
    memory_kib: u64,
    descriptors: u64,
    commits: f64,
    commit_secs: f64,
}

fn main() -> ExitCode {
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let Some(minutes) = minutes() else {
        eprintln!("usage: cargo bench --bench soak -- --minutes N (30, if not said)");
        return ExitCode::from(2);
    };
    if let Err(error) = lab::enter() {
        eprintln!("SKIPPED: {error}");
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut soak = Soak::begin(runtime);
    let length = Duration::from_secs_f64(minutes * 60.0);
    while soak.began.elapsed() < length {
        soak.wave();
        sleep(PAUSE);
    }
    soak.judge()
}

fn minutes() -> Option<f64> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Some(30.0),
        (Some("--minutes"), Some(number)) => number.parse().ok().filter(|minutes| *minutes > 0.0),
        _ => None,
    }
}

struct Soak {
    bench: Bench,
    runtime: Runtime,
    identities: Vec<(Kind, Identity, u64)>,
    names: BTreeMap<String, String>,
    waves: usize,
    faults: Vec<String>,
    samples: Vec<Sample>,
    began: Instant,
}

impl Soak {
    fn begin(runtime: Runtime) -> Soak {
        let mut bench = Bench::new(&Setup {
            program: env!("CARGO_BIN_EXE_hatchery").into(),
            image_mib: IMAGE_MIB,
            network: String::new(),
            tables: format!("[management]\nlisten = [\"{PAGES}\"]\nmetrics = \"open\""),
            log: "warn,hatchery::serve::log=info".into(),
        })
        .expect("a bench");
        bench.start_server().expect("a server");
        bench.wait_for_image().expect("a server that reads the image");
        let mut rng = Rng::with_seed(1);
        let identity = |(index, kind)| (kind, Identity::numbered(kind, index, &mut rng), rng.u64(..));
        let identities = (1..=MACHINES).zip(KINDS.into_iter().cycle()).map(identity).collect();
        Soak {
            bench,
            runtime,
            identities,
            names: BTreeMap::new(),
            waves: 0,
            faults: Vec::new(),
            samples: Vec::new(),
            began: Instant::now(),
        }
    }

    /// Twenty machines from power on to their ends, and a look at the server behind them.
    fn wave(&mut self) {
        let options = Options {
            product: PRODUCT.into(),
            venue: Some(VENUE.into()),
            uefi_offer_wait: Duration::ZERO,
            ipxe_proxy_wait: Duration::ZERO,
            ..Options::default()
        };
        let first = self.waves * AT_ONCE % self.identities.len();
        let client = |(kind, identity, seed): &(Kind, Identity, u64)| {
            Client::new(*kind, identity.clone(), *seed, options.clone())
        };
        let clients: Vec<Client> = self.identities[first..first + AT_ONCE].iter().map(client).collect();
        let known = Some(self.bench.image().clone());
        let load = Load { clients, link: 0, known, pace: 1, rate: None };
        let mut run = {
            let _context = self.runtime.enter();
            Run::start(load, self.bench.network()).expect("machines that are plugged in")
        };
        let finished = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, run.finished()).await });
        for record in run.records() {
            let mac = record.mac.to_string();
            match record.end {
                Some((End::Done(name), _)) => {
                    let known = self.names.entry(mac.clone()).or_insert_with(|| name.clone());
                    if *known != name {
                        self.faults.push(format!("{mac} was {known} and is {name}"));
                    }
                    if let Err(error) = self.bench.ask(&Request::Reinstall { machine: mac }) {
                        self.faults.push(error.to_string());
                    }
                }
                other => self.faults.push(format!("wave {}: {mac}: {other:?}", self.waves)),
            }
        }
        if finished.is_ok() {
            run.unplug().expect("machines that are unplugged");
        }
        self.waves += 1;
        let sample = self.look();
        if self.waves.is_multiple_of(50) {
            println!(
                "{:5.1} min  {:5} boots  {:6} KiB  {:3} descriptors",
                sample.at.as_secs_f64() / 60.0,
                self.waves * AT_ONCE,
                sample.memory_kib,
                sample.descriptors
            );
        }
        self.samples.push(sample);
    }

    fn look(&self) -> Sample {
        let process = self.bench.server_id().expect("a server that runs");
        let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the server's status");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("its memory");
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).expect("its descriptors").count() as u64;
        let metrics = self.metrics();
        Sample {
            at: self.began.elapsed(),
            memory_kib: line.trim().trim_end_matches(" kB").parse().expect("a number"),
            descriptors,
            commits: metrics["hatchery_commit_seconds_count"],
            commit_secs: metrics["hatchery_commit_seconds_sum"],
        }
    }

    fn metrics(&self) -> BTreeMap<String, f64> {
        let stream = self.bench.network().in_server(|| TcpStream::connect(PAGES));
        let mut stream = stream.expect("a connection");
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {PAGES}\r\nConnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let samples = answer.lines().filter_map(|line| line.rsplit_once(' '));
        samples.filter_map(|(key, value)| Some((key.to_owned(), value.parse().ok()?))).collect()
    }

    /// Compares the first fifth with the last.
    fn judge(mut self) -> ExitCode {
        let whole = self.samples.len() / FIFTHS;
        if whole < 2 {
            eprintln!("{} waves are too few to compare: soak for longer", self.samples.len());
            return ExitCode::FAILURE;
        }
        println!("fifth   boots   memory (KiB)   descriptors   mean commit (ms)");
        let fifths: Vec<(u64, u64, f64)> = (0..FIFTHS)
            .map(|fifth| {
                let samples = &self.samples[fifth * whole..(fifth + 1) * whole];
                let median = |of: fn(&Sample) -> u64| {
                    let mut values: Vec<u64> = samples.iter().map(of).collect();
                    values.sort_unstable();
                    values[values.len() / 2]
                };
                let (begin, end) = (&samples[0], &samples[samples.len() - 1]);
                let commit = (end.commit_secs - begin.commit_secs) / (end.commits - begin.commits);
                let (memory, descriptors) = (median(|sample| sample.memory_kib), median(|sample| sample.descriptors));
                println!("{:5} {:7} {memory:14} {descriptors:13} {:18.3}", fifth + 1, whole * AT_ONCE, commit * 1e3);
                (memory, descriptors, commit)
            })
            .collect();
        let (first, last) = (fifths[0], fifths[FIFTHS - 1]);
        if last.0 > first.0 + MEMORY_MORE_KIB {
            self.faults.push(format!("memory grew from {} to {} KiB", first.0, last.0));
        }
        if last.1 > first.1 + DESCRIPTORS_MORE {
            self.faults.push(format!("descriptors grew from {} to {}", first.1, last.1));
        }
        if last.2 > first.2 * LATENCY_MORE + LATENCY_NOISE_SECS {
            self.faults.push(format!(
                "a commit took {:.3} ms at first and takes {:.3} ms",
                first.2 * 1e3,
                last.2 * 1e3
            ));
        }
        let failed = self.metrics()["hatchery_commit_failures_total"];
        if failed > 0.0 {
            self.faults.push(format!("{failed} commits failed"));
        }
        println!(
            "{} boots in {:.1} minutes; {} faults",
            self.waves * AT_ONCE,
            self.began.elapsed().as_secs_f64() / 60.0,
            self.faults.len()
        );
        self.faults.iter().for_each(|fault| println!("  {fault}"));
        if self.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
