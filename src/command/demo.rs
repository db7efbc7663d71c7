//! `hatchery demo`: the real server and simulated machines, over real sockets, in network namespaces of its own.
//!
//! ```text
//!  this process: N machines ── m525400… ─ bench0 ══ veth ══ hatch0 ── hatchery serve (a child)
//! ```
//! Everything it makes is anonymous or in memory and held by these two processes, so nothing is left when they end.

mod pages;
pub(super) mod progress;
pub(super) mod report;

use std::fs;
use std::ops::RangeInclusive;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context as _;
use fastrand::Rng;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::{INTERRUPTED, print};
use crate::cli::Demo;
use crate::lab;
use crate::load::bench::{self, Bench, Setup};
use crate::load::{Load, Run};
use crate::serve::control::Request;
use crate::sim::client::{Client, Identity, Kind, Options};
use pages::Pages;
use progress::Progress;
use report::Report;

/// The kinds on a bench that mostly makes Raspberry Pi 5 products, over and over.
const KINDS: [Kind; 5] = [Kind::Pi5, Kind::UefiX64, Kind::Pi4, Kind::Pi5, Kind::LinuxInstaller];
/// The demo is the same every time.
const SEED: u64 = 1;
/// How often the progress is drawn.
const TICK: Duration = Duration::from_millis(100);
/// Where one is to see something, the installer takes so long each to verify and to customize.
const WORK: Duration = Duration::from_secs(2);
/// What two processes need beside the files, and each machine with its sockets and half-loaded files.
const MEMORY_MIB: u64 = 128;
const MACHINE_KIB: u64 = 16 << 10;

/// Boots the machines and says how it went.
pub fn run(args: &Demo) -> anyhow::Result<ExitCode> {
    check_memory(args)?;
    let pages = Pages::open(args.pages)?;
    lab::enter()?;
    let mut bench = Bench::new(&Setup {
        program: "/proc/self/exe".into(),
        image_mib: args.image_mib,
        network: String::new(),
        tables: pages.table(),
        log: "info".into(),
    })?;
    bench.start_server()?;
    bench.wait_for_image()?;
    let link = pages.serve(&bench)?;
    eprintln!("the pages, {}: {link}", if args.keep { "until Ctrl-C" } else { "until the demo ends (--keep: Ctrl-C)" });
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let image_bytes = bench.image().len() as u64;
    let mut signals = runtime.block_on(async { Signals::new() })?;
    let (run, ending) = runtime.block_on(watch(args, &mut bench, image_bytes, &mut signals))?;
    let mut report = Report::new(run.records(), image_bytes);
    // Machines stop here; what they have open goes with them.
    drop(run);
    match &ending {
        Ending::Finished => report.compare_with_server(&bench.ask(&Request::Machines)?),
        Ending::Interrupted => {}
        Ending::ServerEnded(how) => report.fault(format!("the server ended by itself ({how})")),
    }
    let text = if args.json { format!("{}\n", report.json()) } else { report.table() };
    print(&text)?;
    if args.keep && matches!(ending, Ending::Finished) {
        eprintln!("all machines have ended; server and pages stay until Ctrl-C");
        if let Some(how) = runtime.block_on(stay(&mut bench, &mut signals)) {
            report.fault(format!("the server ended by itself ({how})"));
        }
    }
    match ending {
        Ending::Interrupted => {
            eprintln!("hatchery: interrupted; machines and server are gone");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        _ if report.is_clean() => return Ok(ExitCode::SUCCESS),
        Ending::Finished | Ending::ServerEnded(_) => {}
    }
    eprintln!("hatchery: the end of the server's log:\n{}", bench.log_tail(30));
    Ok(ExitCode::FAILURE)
}

/// Why the machines are not watched any more.
enum Ending {
    Finished,
    Interrupted,
    ServerEnded(String),
}

/// What ends the demo from outside.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Leaves the server running until somebody ends it; how it ended, if it did so by itself.
async fn stay(bench: &mut Bench, signals: &mut Signals) -> Option<ExitStatus> {
    let mut tick = interval(TICK);
    loop {
        tokio::select! {
            biased;
            () = signals.recv() => return None,
            _ = tick.tick() => if let Some(how) = bench.server_ended() {
                return Some(how);
            }
        }
    }
}

/// Runs the machines until all have ended, or there is no point any more.
async fn watch(
    args: &Demo,
    bench: &mut Bench,
    image_bytes: u64,
    signals: &mut Signals,
) -> anyhow::Result<(Run, Ending)> {
    let load = Load {
        clients: clients(1..=args.clients, bench::PRODUCT, Some(bench::VENUE), args.rate.map(|_| WORK)),
        link: 0,
        known: Some(bench.image().clone()),
        pace: 1,
        rate: args.rate.map(|megabytes| u64::from(megabytes) * 1_000_000),
    };
    let mut run = Run::start(load, bench.network())?;
    let mut progress = Progress::new(&run.records(), image_bytes);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let ending = loop {
        tokio::select! {
            // A Ctrl-C reaches the server too, so its end says nothing then.
            biased;
            () = signals.recv() => break Ending::Interrupted,
            () = run.finished() => break Ending::Finished,
            _ = tick.tick() => {
                progress.show(&run.records());
                if let Some(status) = bench.server_ended() {
                    break Ending::ServerEnded(status.to_string());
                }
            }
        }
    };
    progress.finish(&run.records());
    Ok((run, ending))
}

/// Machines of these numbers, of mixed kinds, whose installers work so long beside the download; the same number is the same machine every time.
pub(super) fn clients(
    numbers: RangeInclusive<u32>,
    product: &str,
    venue: Option<&str>,
    install_work: Option<Duration>,
) -> Vec<Client> {
    let mut rng = Rng::with_seed(SEED);
    let options = Options {
        product: product.into(),
        venue: venue.map(str::to_owned),
        // Waits of the firmware for its own sake say nothing about the server.
        uefi_offer_wait: Duration::ZERO,
        ipxe_proxy_wait: Duration::ZERO,
        install_work: install_work.unwrap_or_default(),
        ..Options::default()
    };
    numbers
        .zip(KINDS.into_iter().cycle())
        .map(|(index, kind)| {
            let identity = Identity::numbered(kind, index, &mut rng);
            Client::new(kind, identity, rng.u64(..), options.clone())
        })
        .collect()
}

/// Refuses what would end in the kernel's out-of-memory killer.
fn check_memory(args: &Demo) -> anyhow::Result<()> {
    let machines = u64::from(args.clients) * MACHINE_KIB / 1024;
    let needed = u64::from(bench::size_mib(args.image_mib)) + MEMORY_MIB + machines;
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let available = available_mib(&text).context("/proc/meminfo does not say what is available")?;
    anyhow::ensure!(
        needed <= available,
        "{} machines and an image of {} MiB take {needed} MiB of memory, and {available} MiB are available; \
         try a smaller --image-mib",
        args.clients,
        args.image_mib
    );
    Ok(())
}

fn available_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests;
