//! The last lines of the log, kept in memory for the people who run the room.
//!
//! A tracing layer writes them beside the lines that go to the journal of the system. The invariant: bounded, in lines and
//! in what each takes.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{LazyLock, Mutex, MutexGuard};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::clock;
use crate::time::Timestamp;

/// So many lines are kept.
pub const LINES_MAX: usize = 500;

/// The longest line, in bytes.
const TEXT_MAX: usize = 1000;

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// One per packet.
    Debug,
    /// As it should be.
    Info,
    /// An operator can act on it.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    /// All of them, the mildest first.
    pub const ALL: [Level; 4] = [Level::Debug, Level::Info, Level::Warn, Level::Error];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }

    /// The level of that word.
    pub fn from_word(word: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.word() == word)
    }

    fn of(metadata: &Metadata<'_>) -> Level {
        match *metadata.level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            _ => Level::Debug,
        }
    }
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// How grave.
    pub level: Level,
    /// What it says: the message, then the fields.
    pub text: String,
}

/// Keeps the lines that pass through it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tail;

static KEPT: LazyLock<Mutex<VecDeque<Line>>> = LazyLock::new(Mutex::default);

fn kept() -> MutexGuard<'static, VecDeque<Line>> {
    KEPT.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The last `max` lines from this level on, the latest first.
pub fn lines(level: Level, max: usize) -> Vec<Line> {
    kept().iter().rev().filter(|line| line.level >= level).take(max).cloned().collect()
}

impl<S: Subscriber> Layer<S> for Tail {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let Text { message, fields } = text;
        // Whoever has this link makes the first user: it is for those who read the journal of the system.
        if message.contains("/setup?code=") {
            return;
        }
        let line = Line { at: clock::now().timestamp, level: Level::of(event.metadata()), text: message + &fields };
        keep(&mut kept(), line);
    }
}

fn keep(lines: &mut VecDeque<Line>, line: Line) {
    lines.push_back(line);
    while lines.len() > LINES_MAX {
        lines.pop_front();
    }
}

/// The message, and the fields as `name=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let max = TEXT_MAX.saturating_sub(self.message.len() + self.fields.len());
        let (into, name) = match field.name() {
            "message" => (&mut self.message, None),
            name => (&mut self.fields, Some(name)),
        };
        let mut fresh = String::new();
        // Writing into a text does not fail.
        _ = match name {
            None => write!(fresh, "{value:?}"),
            Some(name) => write!(fresh, " {name}={value:?}"),
        };
        let end = (0..=max.min(fresh.len())).rev().find(|end| fresh.is_char_boundary(*end)).unwrap_or(0);
        into.push_str(&fresh[..end]);
    }
}

#[cfg(test)]
mod tests;
