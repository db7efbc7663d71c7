//! A password from the terminal, which does not show it, or from standard input.
//!
//! The terminal is as it was afterwards, also after Ctrl-C: that is read as a byte here, not taken as a signal.

use std::io::{self, IsTerminal as _, Read as _, Stdin, Write as _};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// Longest input that is read, bytes: more than any password may have.
const INPUT_MAX: u64 = 4096;

/// What somebody typed.
pub enum Typed {
    /// A password.
    Password(String),
    /// Nothing at all.
    Nothing,
    /// Two passwords that are not the same.
    Different,
    /// Ctrl-C.
    Interrupted,
}

/// Asks at the terminal for the password of `name`, twice; without a terminal, the first line of standard input.
///
/// # Errors
/// Of the terminal, or input that is no UTF-8.
pub fn read(name: &str) -> io::Result<Typed> {
    ask(&format!("Password of {name}: "), true)
}

/// As [`read`], in these words, and only once if it is not a new one.
///
/// # Errors
/// As [`read`].
pub fn ask(prompt: &str, twice: bool) -> io::Result<Typed> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let mut text = String::new();
        stdin.take(INPUT_MAX).read_to_string(&mut text)?;
        let line = text.lines().next().unwrap_or_default();
        return Ok(if line.is_empty() { Typed::Nothing } else { Typed::Password(line.to_owned()) });
    }
    let quiet = Quiet::new(&stdin)?;
    let Some(first) = line(&stdin, prompt)? else { return Ok(Typed::Interrupted) };
    if !twice {
        return Ok(if first.is_empty() { Typed::Nothing } else { Typed::Password(first) });
    }
    let Some(again) = line(&stdin, "The same again: ")? else { return Ok(Typed::Interrupted) };
    drop(quiet);
    Ok(if first == again { Typed::Password(first) } else { Typed::Different })
}

/// The terminal shows nothing and passes each byte on, until this is dropped.
struct Quiet<'a> {
    stdin: &'a Stdin,
    before: Termios,
}

impl Quiet<'_> {
    fn new(stdin: &Stdin) -> io::Result<Quiet<'_>> {
        let before = tcgetattr(stdin)?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
        tcsetattr(stdin, SetArg::TCSAFLUSH, &quiet)?;
        Ok(Quiet { stdin, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // There is nobody to tell; `reset` helps.
        let _ = tcsetattr(self.stdin, SetArg::TCSAFLUSH, &self.before);
    }
}

/// One line; `None` for Ctrl-C, and for Ctrl-D or the end of the input.
fn line(stdin: &Stdin, prompt: &str) -> io::Result<Option<String>> {
    const CTRL_C: u8 = 0x03;
    const CTRL_D: u8 = 0x04;
    const BACKSPACE: [u8; 2] = [0x08, 0x7f];
    let mut stderr = io::stderr();
    write!(stderr, "{prompt}")?;
    let mut typed = Vec::new();
    let mut byte = [0];
    let done = loop {
        match (stdin.lock().read(&mut byte)?, byte[0]) {
            (0, _) | (_, CTRL_C | CTRL_D) => break false,
            (_, b'\r' | b'\n') => break true,
            (_, erase) if BACKSPACE.contains(&erase) => {
                // A character may be several bytes.
                while typed.pop().is_some_and(|byte: u8| byte & 0b1100_0000 == 0b1000_0000) {}
            }
            (_, other) => typed.push(other),
        }
    };
    writeln!(stderr)?;
    if !done {
        return Ok(None);
    }
    String::from_utf8(typed).map(Some).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
}
