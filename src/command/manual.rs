//! `hatchery completions` and `hatchery man`: made from the definition of the command line, so they cannot differ from it.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::print;
use crate::cli::{Cli, Completions, Man};

/// Prints the completions of a shell.
pub fn completions(args: &Completions) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hatchery", &mut text);
    print(&String::from_utf8(text).context("the completions are no text")?)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `hatchery.1` and one page for each command beside it.
pub fn pages(args: &Man) -> anyhow::Result<ExitCode> {
    let directory = &args.directory;
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    clap_mangen::generate_to(Cli::command(), directory)
        .with_context(|| format!("cannot write the manual pages into {}", directory.display()))?;
    Ok(ExitCode::SUCCESS)
}
