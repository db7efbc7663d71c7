//! `hatchery check`: every problem of a configuration at once, or what it means.

use std::process::ExitCode;

use serde_json::json;

use super::{WRONG_INPUT, print};
use crate::cli::Check;
use crate::config::{Config, Problem};

/// Checks the file, what it expects on disk, and its answer templates.
pub fn run(args: &Check) -> anyhow::Result<ExitCode> {
    let (config, problems) = match Config::load(&args.config.config) {
        Ok(config) => {
            let problems = config.check_files();
            (Some(config), problems)
        }
        Err(problems) => (None, problems.iter().cloned().collect()),
    };
    let mut sentences: Vec<String> = problems.iter().map(Problem::to_string).collect();
    sentences.extend(config.iter().flat_map(Config::check_answers));
    let summary = config.map(|config| config.summary());
    if args.json {
        let lines: Option<Vec<&str>> = summary.as_ref().map(|summary| summary.lines().collect());
        print(&format!("{}\n", json!({ "ok": sentences.is_empty(), "problems": sentences, "summary": lines })))?;
    } else {
        for sentence in &sentences {
            eprintln!("{sentence}");
        }
        if let Some(summary) = summary {
            print(&summary)?;
        }
        match sentences.len() {
            0 => print("no problem found\n")?,
            count => eprintln!("{count} problem{}", if count == 1 { "" } else { "s" }),
        }
    }
    Ok(if sentences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(WRONG_INPUT) })
}
