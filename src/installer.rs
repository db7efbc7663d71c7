//! The installer: runs as init on the machine being installed, writes its disk, verifies it, prepares the first boot.
//!
//! | part | what |
//! |---|---|
//! | [`run`] | the order of the steps; [`init`] and [`options`] before it, [`rehearsal`] instead of it |
//! | [`modules`] [`network`] [`dhcp`] [`clock`] [`identity`] [`drives`] | this machine |
//! | [`imaging`] [`job`] [`target`] | the work on its drive: [`fetch`] [`write`](mod@write) [`verify`] [`first_boot`] on a [`device`], its ends [`withheld`] |
//! | [`board`] [`screen`] [`server`] [`report`] | how it stands: for people, and for the server |
//!
//! Everything blocks, on a few threads: one installs, one keeps the address, one reports, one shows.

use std::process::ExitCode;

pub mod board;
pub mod clock;
pub mod device;
pub mod dhcp;
pub mod drives;
pub mod fetch;
pub mod first_boot;
pub mod identity;
pub mod imaging;
pub mod init;
pub mod job;
pub mod modules;
pub mod network;
pub mod options;
pub mod rehearsal;
pub mod report;
pub mod run;
pub mod screen;
pub mod server;
pub mod target;
pub mod verify;
pub mod withheld;
pub mod write;

use init::Exit;
use options::{Asked, Options};

/// Runs the installer: from the kernel command line if this is the first process, else from the arguments.
pub fn main() -> ExitCode {
    let exit = if init::is_init() {
        let mut complaints = init::set_up();
        let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
        let (options, more) = Options::from_kernel(&line);
        complaints.extend(more);
        run::run(options, true, &complaints)
    } else {
        by_hand()
    };
    init::leave(exit)
}

fn by_hand() -> Exit {
    match Options::from_arguments(std::env::args().skip(1)) {
        Ok(Asked::Help) => {
            print!("{}", options::HELP);
            Exit::End(0)
        }
        Ok(Asked::Version) => {
            println!("hatchery-installer {}", env!("CARGO_PKG_VERSION"));
            Exit::End(0)
        }
        Ok(Asked::Run(options)) if options.dry_run => {
            rehearsal::show(&options);
            Exit::End(0)
        }
        Ok(Asked::Run(options)) => run::run(*options, false, &[]),
        Err(sentence) => {
            eprintln!("hatchery-installer: {sentence}\nTry --help.");
            Exit::End(2)
        }
    }
}
