//! `hatchery render`: an answer file as a machine gets it, or as an invented machine would.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use super::{WRONG_INPUT, ask, print};
use crate::cli::Render;
use crate::config::Config;
use crate::serve::control::Request;

/// Prints the rendered text and nothing else.
pub fn run(args: &Render) -> anyhow::Result<ExitCode> {
    if args.fixture {
        return fixture(args);
    }
    let machine = args.machine.text().context("name the machine by --mac, --ip, --serial or --hostname")?;
    let request = Request::Render { machine, name: args.name.clone() };
    ask::show(&args.ask, &request, |text| text.as_str().unwrap_or_default().to_owned())
}

fn fixture(args: &Render) -> anyhow::Result<ExitCode> {
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(WRONG_INPUT));
        }
    };
    match config.render_fixture(&args.name) {
        Ok(text) if args.ask.json => print(&format!("{}\n", json!(text)))?,
        Ok(text) => print(&text)?,
        Err(sentence) => {
            eprintln!("{sentence}");
            return Ok(ExitCode::from(WRONG_INPUT));
        }
    }
    Ok(ExitCode::SUCCESS)
}
