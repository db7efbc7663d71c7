//! This program started anew, as one of the servers that it compares: the first argument says which.

use std::env;
use std::ffi::OsString;
use std::io;
use std::process::Command;

/// The command that starts it, to which the server's arguments are to be added.
pub fn command(word: &str) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(word);
    Ok(command)
}

/// The server's arguments, if this process was started for it.
pub fn arguments(word: &str) -> Option<impl Iterator<Item = OsString>> {
    let mut arguments = env::args_os().skip(1);
    (arguments.next()? == word).then_some(arguments)
}
