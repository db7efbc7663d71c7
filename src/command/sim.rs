//! `hatchery sim`: simulated machines in a simulated world on a bad day.

use std::process::ExitCode;

use serde_json::json;

use super::print;
use crate::cli::Sim;
use crate::sim::world::{self, Plan, Report};

/// Plays the world of a seed to its end.
pub fn run(args: &Sim) -> anyhow::Result<ExitCode> {
    let plan = Plan { story: args.story, ..Plan::new(args.clients as usize, args.seed) };
    let report = match world::run(&plan) {
        Ok(report) => report,
        Err(violation) if args.json => {
            let value = json!({ "broken": violation.what, "replay": violation.replay, "story": violation.story });
            print(&format!("{value}\n"))?;
            return Ok(ExitCode::FAILURE);
        }
        Err(violation) => anyhow::bail!("a promise was broken: {violation}"),
    };
    print(&if args.json { as_json(args, &report) } else { as_text(args, &report) })?;
    Ok(ExitCode::SUCCESS)
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
