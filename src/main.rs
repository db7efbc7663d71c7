//! Reads the arguments, runs the command, chooses the exit code.

use std::process::ExitCode;

use clap::Parser as _;
use hatchery::cli::Cli;

fn main() -> ExitCode {
    match hatchery::command::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("hatchery: {error:#}");
            ExitCode::FAILURE
        }
    }
}
