//! The installer: runs as init on the machine being installed, writes its disk, verifies it, prepares the first boot.

use std::process::ExitCode;

pub mod device;
pub mod fetch;
pub mod first_boot;
pub mod imaging;
pub mod job;
pub mod target;
pub mod verify;
pub mod withheld;
pub mod write;

/// Runs the installer.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
