//! What people see: a page on every display, lines on every serial console.
//!
//! Owns the words and their layout, as plain functions of the facts, and the thread that puts them there. Plain ASCII:
//! nobody knows what a console can show. A console that does not take what is written to it is passed over: a serial
//! line with nobody at its end must not stop an installation.

mod banner;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::board::{Board, Facts, Outcome, Work};
use super::job::Bytes;

/// The page is written for the smallest display that there is.
const WIDTH: usize = 78;
const BAR: usize = 60;

/// Lines of the log on a page.
const LINES: usize = 6;

const REDRAW: Duration = Duration::from_millis(500);
/// How often a serial console gets a line while only numbers change.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A page, top to bottom; at most 24 lines of at most 79 characters.
pub fn page(facts: &Facts) -> Vec<String> {
    let mut lines = vec![format!("hatchery installer {}", env!("CARGO_PKG_VERSION")), String::new()];
    lines.push(format!("Machine  {}", who(facts)));
    lines.push(format!("Model    {}", or_dash(&facts.model)));
    let server = facts.server.as_deref().unwrap_or("-");
    lines.push(format!("Server   {server}   our address {}", facts.address.as_deref().unwrap_or("-")));
    lines.push(String::new());
    match &facts.outcome {
        None => {
            lines.push(facts.doing.clone());
            lines.push(String::new());
            lines.push(facts.work.as_ref().map_or_else(String::new, bar));
            lines.push(numbers(facts));
            lines.push(String::new());
            lines.extend(facts.unheard.iter().map(|why| format!("The server does not hear us: {why}")));
            let first = facts.lines.len().saturating_sub(LINES);
            lines.extend(facts.lines.iter().skip(first).map(|line| format!("  {line}")));
        }
        Some(outcome) => {
            let (word, sentences) = match outcome {
                Outcome::Done { next } => ("DONE", vec!["It is safe to remove power.".to_owned(), next.clone()]),
                Outcome::Failed { why, next } => ("FAILED", vec![why.clone(), next.clone()]),
            };
            lines.extend(banner::letters(word));
            lines.push(String::new());
            lines.extend(sentences.iter().flat_map(|sentence| wrap(sentence)).take(11));
        }
    }
    lines.iter_mut().for_each(|line| *line = ascii(line));
    lines
}

/// The same in one line.
pub fn line(facts: &Facts) -> String {
    let text = match &facts.outcome {
        Some(Outcome::Done { next }) => format!("DONE. It is safe to remove power. {next}"),
        Some(Outcome::Failed { why, next }) => format!("FAILED: {why} {next}"),
        None => {
            let percent = facts.work.as_ref().map_or_else(String::new, |work| format!(" {} %", work.percent()));
            let numbers = numbers(facts);
            let unheard = facts.unheard.as_ref().map_or("", |_| " (the server does not hear us)");
            format!("{}{percent} {numbers}{unheard}", facts.doing)
        }
    };
    text.lines().map(ascii_all).collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

fn who(facts: &Facts) -> String {
    let serial = facts.serial.as_ref().map(|serial| format!("serial {serial}"));
    let mac = facts.mac.map(|mac| mac.to_string());
    let known: Vec<String> = [facts.hostname.clone(), serial, mac].into_iter().flatten().collect();
    or_dash(&known.join("   ")).to_owned()
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn bar(work: &Work) -> String {
    let full = usize::try_from(work.percent()).unwrap_or(100) * BAR / 100;
    format!("[{}{}] {:3} %", "#".repeat(full), ".".repeat(BAR - full), work.percent())
}

/// Bytes, rate, time left, temperature: what is known of them.
fn numbers(facts: &Facts) -> String {
    let work = facts.work.as_ref().map(|work| {
        let left =
            work.seconds_left().map_or_else(String::new, |secs| format!("   {}:{:02} left", secs / 60, secs % 60));
        format!("{} of {}   {}/s{left}", Bytes(work.done), Bytes(work.total), Bytes(work.rate))
    });
    let temperature = facts.temperature.map(|degrees| format!("{degrees:.0} C"));
    [work, temperature].into_iter().flatten().collect::<Vec<_>>().join("   ")
}

/// A sentence in lines that fit.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is always one");
        if !last.is_empty() && last.len() + 1 + word.len() > WIDTH {
            lines.push(word.to_owned());
        } else {
            last.push_str(if last.is_empty() { "" } else { " " });
            last.push_str(word);
        }
    }
    lines
}

/// One line of printable ASCII that fits.
fn ascii(text: &str) -> String {
    ascii_all(text).chars().take(WIDTH).collect()
}

fn ascii_all(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

/// Somewhere to write to.
#[derive(Debug)]
struct Console {
    name: String,
    output: Option<File>,
    display: bool,
}

impl Console {
    /// Opens a terminal by its name below `/dev`.
    fn open(name: &str) -> Console {
        let digits = name.strip_prefix("tty").unwrap_or_default();
        let display = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // A write that cannot be done at once is left out, and the terminal does not become ours.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let output = File::options().write(true).custom_flags(flags).open(format!("/dev/{name}")).ok();
        Console { name: name.to_owned(), output, display }
    }

    fn write(&mut self, text: &str) {
        let result = match &mut self.output {
            Some(output) => output.write_all(text.as_bytes()),
            None => return,
        };
        // A terminal that hung up may be back when it is opened anew.
        if result.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
            *self = Console::open(&self.name);
        }
    }

    /// The whole page, over the one before.
    fn draw(&mut self, lines: &[String], outcome: Option<&Outcome>) {
        let colour = match outcome {
            None => "\x1b[0m",
            Some(Outcome::Done { .. }) => "\x1b[0;1;32m",
            Some(Outcome::Failed { .. }) => "\x1b[0;1;31m",
        };
        let mut text = format!("\x1b[H{colour}");
        for line in lines {
            text.push_str(&format!(" {line}\x1b[K\r\n"));
        }
        // What is below, and no blinking cursor.
        text.push_str("\x1b[J\x1b[?25l");
        self.write(&text);
    }
}

/// Where the screen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// On all consoles of the kernel, and the first display.
    Consoles,
    /// Lines on the standard error output.
    Stderr,
}

/// The screen, kept up to date by a thread of its own.
#[derive(Clone, Debug)]
pub struct Screen {
    board: Arc<Board>,
    place: Where,
    state: Arc<AtomicU8>,
}

/// What the thread is to do: go on, show how it ended and leave, leave; then it has left.
const GOES_ON: u8 = 0;
const ENDS: u8 = 1;
const STOPPED: u8 = 2;

impl Screen {
    /// Begins to show the board.
    pub fn start(board: Arc<Board>, place: Where) -> Screen {
        let screen = Screen { board, place, state: Arc::new(AtomicU8::new(GOES_ON)) };
        let shown = screen.clone();
        std::thread::spawn(move || shown.keep_up());
        screen
    }

    /// Shows the board as it is now, and nothing any more: the last words stay.
    pub fn finish(&self) {
        if self.state.compare_exchange(GOES_ON, ENDS, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return;
        }
        let begun = Instant::now();
        while self.state.load(Ordering::SeqCst) == ENDS && begun.elapsed() < 4 * REDRAW {
            sleep(REDRAW / 20);
        }
    }

    /// Nothing is shown any more by this; for last words that come from elsewhere.
    pub fn stop(&self) {
        self.state.store(STOPPED, Ordering::SeqCst);
    }

    fn keep_up(&self) {
        let begun = Instant::now();
        let mut consoles = if self.place == Where::Consoles { consoles() } else { Vec::new() };
        let mut lines = Lines { said: None, at: begun, shown: 0 };
        loop {
            let state = self.state.load(Ordering::SeqCst);
            if state == STOPPED {
                return;
            }
            let facts = self.board.facts();
            let time = format!("[{:6.1}]", begun.elapsed().as_secs_f32());
            let news: Vec<String> = lines.next(&facts).iter().map(|line| format!("{time} {line}")).collect();
            if self.place == Where::Stderr {
                news.iter().for_each(|line| eprintln!("{line}"));
            }
            for console in &mut consoles {
                if console.display {
                    console.draw(&page(&facts), facts.outcome.as_ref());
                } else {
                    news.iter().for_each(|line| console.write(&format!("{line}\r\n")));
                }
            }
            if state == ENDS {
                self.show_outcome(&mut consoles, &facts);
                self.state.store(STOPPED, Ordering::SeqCst);
                return;
            }
            sleep(REDRAW);
        }
    }

    /// The end, where it does not stand on a display already: in one line by hand, as a page on a serial console.
    fn show_outcome(&self, consoles: &mut [Console], facts: &Facts) {
        if self.place == Where::Stderr {
            eprintln!("{}", line(facts));
        }
        for console in consoles.iter_mut().filter(|console| !console.display) {
            let text: String = page(facts).iter().map(|line| format!("{line}\r\n")).collect();
            console.write(&format!("\r\n{text}\r\n"));
        }
    }
}

/// What a serial console has been told, and when.
struct Lines {
    said: Option<(String, Option<String>)>,
    at: Instant,
    /// Lines of the log.
    shown: usize,
}

impl Lines {
    /// What it is to be told now: new lines of the log, then how it stands if that is another thing, or if numbers have
    /// changed for long enough.
    fn next(&mut self, facts: &Facts) -> Vec<String> {
        let new = (facts.lines_total - self.shown).min(facts.lines.len());
        self.shown = facts.lines_total;
        let mut told: Vec<String> =
            facts.lines.iter().skip(facts.lines.len() - new).map(|line| ascii_all(line)).collect();
        let subject = (facts.doing.clone(), facts.unheard.clone());
        let other = self.said.as_ref() != Some(&subject) && !facts.doing.is_empty() && facts.outcome.is_none();
        if other || facts.outcome.is_none() && facts.work.is_some() && self.at.elapsed() >= LINE_EVERY {
            told.push(line(facts));
            (self.said, self.at) = (Some(subject), Instant::now());
        }
        told
    }
}

/// Words on all consoles at once, without the board: what a panic says.
pub fn last_words(text: &str) {
    for mut console in consoles() {
        console.write(&format!("\r\n{}\r\n", text.replace('\n', "\r\n")));
    }
}

/// Every console of the kernel, and the first display even if the kernel does not use it.
fn consoles() -> Vec<Console> {
    let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    // tty0 is whichever display is in front; it is the first one here.
    let mut names: Vec<&str> =
        active.split_whitespace().map(|name| if name == "tty0" { "tty1" } else { name }).collect();
    names.push("tty1");
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(Console::open).collect()
}

#[cfg(test)]
mod tests;
