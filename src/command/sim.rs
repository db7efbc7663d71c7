//! `hatchery sim`: simulated machines in a simulated world on a bad day.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use super::print;
use crate::cli::Sim;
use crate::sim::world::{self, Plan, Report, Violation};

/// Plays the world of a seed to its end.
pub fn run(args: &Sim) -> anyhow::Result<ExitCode> {
    let capture = args.pcap.is_some();
    let plan = Plan { story: args.story, capture, ..Plan::new(args.clients as usize, args.seed) };
    let report = match world::run(&plan) {
        Ok(report) => report,
        Err(violation) => return broken(args, &violation),
    };
    if let Some(path) = &args.pcap {
        write(path, &report.capture)?;
    }
    print(&if args.json { as_json(args, &report) } else { as_text(args, &report) })?;
    Ok(ExitCode::SUCCESS)
}

/// A promise was broken: says which, how to see it again, and where its packets are.
fn broken(args: &Sim, violation: &Violation) -> anyhow::Result<ExitCode> {
    let in_temp = || std::env::temp_dir().join(format!("hatchery-sim-{}-{}.pcap", args.clients, args.seed));
    let path = args.pcap.clone().unwrap_or_else(in_temp);
    write(&path, &violation.capture)?;
    let Violation { what, replay, story, .. } = violation;
    if args.json {
        let value = json!({ "broken": what, "packets": path, "replay": replay, "story": story });
        print(&format!("{value}\n"))?;
        return Ok(ExitCode::FAILURE);
    }
    anyhow::bail!("a promise was broken: {violation}packets: {}", path.display())
}

fn write(path: &Path, capture: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, capture).with_context(|| format!("cannot write {}", path.display()))
}

fn as_json(args: &Sim, report: &Report) -> String {
    let faulted = report.faulted.iter().map(|(machine, why)| json!({ "machine": machine, "why": why }));
    let value = json!({
        "clients": args.clients,
        "done": report.done,
        "events": report.events,
        "faulted": faulted.collect::<Vec<_>>(),
        "hash": report.hash,
        "seed": args.seed,
        "story": args.story.then_some(&report.story),
        "virtual_secs": report.virtual_duration.as_secs_f64(),
    });
    format!("{value}\n")
}

fn as_text(args: &Sim, report: &Report) -> String {
    let mut text: String = report.story.iter().map(|line| format!("{line}\n")).collect();
    for (machine, why) in &report.faulted {
        text += &format!("{machine} gave up: {why}\n");
    }
    let (done, faulted) = (report.done, report.faulted.len());
    let minutes = report.virtual_duration.as_secs_f64() / 60.0;
    text += &format!(
        "{done} of {} machines are done, {faulted} gave up, in {minutes:.1} simulated minutes and {} events\n",
        args.clients, report.events,
    );
    text += &format!("seed {}, hash {}\n", args.seed, report.hash);
    text
}
