//! The installer: runs as init on the machine being installed, writes its disk, verifies it, prepares the first boot.

use std::process::ExitCode;

pub mod imaging;
pub mod job;
pub mod target;

/// Runs the installer.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
