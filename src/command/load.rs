//! `hatchery load`: simulated machines plugged into a real interface, against whatever server answers there.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::demo::clients;
use super::demo::progress::Progress;
use super::demo::report::Report;
use super::{INTERRUPTED, WRONG_INPUT, print};
use crate::cli::Load as Args;
use crate::lab::Segment;
use crate::load::{Load, Run};

/// How often the progress is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Boots the machines and says how it went.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let interface = args.interface.as_str();
    let known = nix::net::if_::if_nameindex().context("cannot list the network interfaces")?;
    let known: Vec<_> = known.iter().map(|each| each.name().to_string_lossy().into_owned()).collect();
    if interface == "lo" || !known.iter().any(|name| name == interface) {
        let there: Vec<&str> = known.iter().map(String::as_str).filter(|name| *name != "lo").collect();
        let why = if interface == "lo" { "lo leads nowhere" } else { "there is no such interface" };
        eprintln!("hatchery: --interface {interface}: {why}; there are {}", there.join(", "));
        return Ok(ExitCode::from(WRONG_INPUT));
    }
    let segment = Segment::new(interface).context("load takes root, or CAP_SYS_ADMIN and CAP_NET_ADMIN")?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let (run, finished) = runtime.block_on(watch(args, &segment))?;
    let report = Report::new(run.records(), 0);
    // Machines stop here; their ports go with our namespace.
    drop(run);
    drop(runtime);
    print(&if args.json { format!("{}\n", report.json()) } else { report.table() })?;
    if !finished {
        eprintln!("hatchery: interrupted; the machines are gone");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the machines to their ends, or until a signal comes.
async fn watch(args: &Args, segment: &Segment) -> anyhow::Result<(Run, bool)> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let numbers = args.first..=args.first.saturating_add(args.clients - 1);
    let clients = clients(numbers, &args.product, args.venue.as_deref(), None);
    let mut run = Run::start(Load { clients, link: 0, known: None, pace: 1, rate: None }, segment)
        .with_context(|| format!("cannot plug machines into {}", args.interface))?;
    let mut progress = Progress::plain(&run.records());
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let finished = loop {
        tokio::select! {
            biased;
            _ = interrupt.recv() => break false,
            _ = terminate.recv() => break false,
            () = run.finished() => break true,
            _ = tick.tick() => progress.show(&run.records()),
        }
    };
    progress.finish(&run.records());
    Ok((run, finished))
}
