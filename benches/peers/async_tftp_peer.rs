//! async-tftp as a server process: this program, started anew with a word that asks for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use async_tftp::server::TftpServerBuilder;

use crate::anew;

const WORD: &str = "serve-async-tftp";

/// The command that serves `directory` on port 69 of `address`.
pub fn command(directory: &Path, address: SocketAddr) -> std::io::Result<Command> {
    let mut command = anew::command(WORD)?;
    command.arg(directory).arg(address.to_string());
    Ok(command)
}

/// Serves until it is ended, if this process was started for that.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = anew::arguments(WORD)?;
    let directory = PathBuf::from(arguments.next()?);
    let address: SocketAddr = arguments.next()?.to_str()?.parse().ok()?;
    let served = tokio::runtime::Builder::new_current_thread().enable_all().build().map(|runtime| {
        runtime
            .block_on(async { TftpServerBuilder::with_dir_ro(directory)?.bind(address).build().await?.serve().await })
    });
    eprintln!("async-tftp ended: {served:?}");
    Some(ExitCode::FAILURE)
}
