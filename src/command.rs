//! What each command does: joins configuration, server, simulator and terminal.

pub mod adopt;
pub mod ask;
pub mod assets;
pub mod backup;
pub mod check;
pub mod demo;
pub mod deployment;
pub mod doctor;
pub mod image;
pub mod installer;
mod interrupt;
pub mod load;
pub mod manual;
pub mod render;
pub mod operate;
pub mod people;
pub mod report;
pub mod serve;
pub mod sim;

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::{Cli, Command};

/// Exit code for a configuration or request that is wrong, as opposed to work that failed.
const WRONG_INPUT: u8 = 2;
/// Exit code of a command that SIGINT or SIGTERM ended.
const INTERRUPTED: u8 = 130;
/// Exit code for a server that does not answer.
const UNREACHABLE: u8 = 3;

/// Runs a command and chooses the exit code.
///
/// # Errors
/// Why it did not work, for `main` to print.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Explain(args) => ask::explain(&args),
        Command::Machines(args) => ask::machines(&args),
        Command::Products(args) => ask::products(&args),
        Command::Leases(args) => ask::leases(&args),
        Command::Status(args) => ask::status(&args),
        Command::Audit(args) => ask::audit(&args),
        Command::Report(args) => report::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Reload(args) => operate::reload(&args),
        Command::Machine(args) => operate::machine(&args),
        Command::Batch(args) => operate::batch(&args),
        Command::Deployment(args) => deployment::deployment(&args),
        Command::Image(args) => image::run(&args),
        Command::Assets(args) => assets::run(&args),
        Command::Installer(args) => installer::run(&args),
        Command::Venue(args) => operate::venue(&args),
        Command::Names(args) => operate::names(&args),
        Command::User(args) => people::user(&args),
        Command::Token(args) => people::token(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => backup::restore::run(&args),
        Command::Adopt(args) => adopt::run(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::pages(&args),
    }
}

/// Prints to standard output; a reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
