//! What the server is told: every step, the log, and every two seconds how far it is.
//!
//! Owns the order and the patience: steps reach the server in order and are told again until it has heard them; numbers
//! are told once. Reporting runs on a thread of its own, because a server that is away must not stop an installation.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::board::{Board, Facts};
use super::clock;
use super::server::{Server, Trouble};

const PROGRESS_EVERY: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// Pauses after the server was not reached: the first, doubled up to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));
/// What is kept while the server is away; the oldest lines go first.
const ENTRIES_MAX: usize = 1000;
/// Lines in one message, and bytes of one line.
const LINES_AT_ONCE: usize = 100;
const LINE_BYTES_MAX: usize = 500;

/// How grave a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What happened.
    Info,
    /// What an operator should know.
    Warning,
    /// Why it failed.
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// Tells the server, in the background.
#[derive(Clone, Debug)]
pub struct Reporter {
    board: Arc<Board>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    server: Option<Server>,
    /// What is to be told, the oldest first.
    entries: VecDeque<Entry>,
    /// A message is under way.
    sending: bool,
}

/// Something that the server is to hear.
#[derive(Clone, Debug)]
enum Entry {
    /// A word of `/api/status` with its sentence.
    Step(&'static str, Option<String>),
    /// A line of `/api/log`.
    Line(Value),
}

impl Reporter {
    /// Begins to tell what `board` shows, as soon as there is a server.
    pub fn start(board: Arc<Board>) -> Reporter {
        let reporter = Reporter { board, shared: Arc::default() };
        let worker = reporter.clone();
        std::thread::spawn(move || worker.work());
        reporter
    }

    /// Who is to be told; everything that was said before waits for this.
    pub fn to(&self, server: Server) {
        self.queue().server = Some(server);
        self.shared.changed.notify_all();
    }

    /// A step: a word of `/api/status`, and a sentence if it failed.
    pub fn step(&self, word: &'static str, sentence: Option<&str>) {
        self.put(Entry::Step(word, sentence.map(str::to_owned)));
    }

    /// A line of the log.
    pub fn line(&self, level: Level, text: &str) {
        let mut end = text.len().min(LINE_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let at = clock::iso(SystemTime::now());
        self.put(Entry::Line(json!({ "level": level.word(), "text": text[..end], "at": at })));
    }

    fn put(&self, entry: Entry) {
        let mut queue = self.queue();
        queue.entries.push_back(entry);
        if queue.entries.len() > ENTRIES_MAX
            && let Some(oldest) = queue.entries.iter().position(|entry| matches!(entry, Entry::Line(_)))
        {
            queue.entries.remove(oldest);
        }
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// Waits until the server has heard everything, at most so long; whether it has.
    pub fn heard(&self, patience: Duration) -> bool {
        let idle = |queue: &mut Queue| queue.entries.is_empty() && !queue.sending;
        let waited = self.shared.changed.wait_timeout_while(self.queue(), patience, |queue| !idle(queue));
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        idle(&mut queue)
    }

    /// A panic elsewhere must not silence the report of it.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut failures = 0;
        let mut numbers_at = Instant::now();
        loop {
            let (server, entries) = self.next(numbers_at);
            let facts = self.board.facts();
            let result = match entries.first() {
                Some(Entry::Step(word, sentence)) => {
                    server.post("/api/status", &step(&facts, word, sentence.as_deref()))
                }
                Some(Entry::Line(_)) => server.post("/api/log", &lines(&facts, &entries)),
                None => {
                    numbers_at = Instant::now() + PROGRESS_EVERY;
                    numbers(&facts).map_or(Ok(Value::Null), |body| server.post("/api/progress", &body))
                }
            };
            let again = self.note(entries, result.err());
            failures = if again { failures + 1 } else { 0 };
            if again {
                let (first, last) = PAUSES;
                std::thread::sleep((first * (1 << failures.min(8))).min(last));
            }
        }
    }

    /// Waits for something to tell, and for somebody to tell it to: one step, or lines that stand together, or nothing
    /// when it is time for numbers.
    fn next(&self, numbers_at: Instant) -> (Server, Vec<Entry>) {
        let mut queue = self.queue();
        loop {
            if let Some(server) = queue.server.clone() {
                let lines = queue.entries.iter().take_while(|entry| matches!(entry, Entry::Line(_))).count();
                let count = lines.clamp(1, LINES_AT_ONCE).min(queue.entries.len());
                if count > 0 || Instant::now() >= numbers_at {
                    queue.sending = true;
                    return (server, queue.entries.drain(..count).collect());
                }
            }
            let waited = self.shared.changed.wait_timeout(queue, LOOK_AGAIN);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What became of a message; whether it is to be told again.
    fn note(&self, entries: Vec<Entry>, trouble: Option<Trouble>) -> bool {
        // A server that answers has heard it, whatever it says: an old one knows no logs, and one that refuses a step
        // refuses it again.
        let unheard = trouble.filter(|trouble| trouble.status.is_none_or(|status| status >= 500));
        let again = unheard.is_some() && !entries.is_empty();
        // Before anyone who waits in `heard` goes on.
        self.board.change(|facts| facts.unheard = unheard.map(|trouble| trouble.to_string()));
        let mut queue = self.queue();
        if again {
            entries.into_iter().rev().for_each(|entry| queue.entries.push_front(entry));
        }
        queue.sending = false;
        drop(queue);
        self.shared.changed.notify_all();
        again
    }
}

/// A body of `/api/log`.
fn lines(facts: &Facts, entries: &[Entry]) -> Value {
    let lines = entries.iter().filter_map(|entry| match entry {
        Entry::Line(line) => Some(line.clone()),
        Entry::Step(..) => None,
    });
    with_identity(facts, json!({ "lines": lines.collect::<Vec<Value>>() }))
}

/// A body of `/api/status`.
pub fn step(facts: &Facts, word: &str, sentence: Option<&str>) -> Value {
    with_identity(facts, json!({ "status": word, "hostname": facts.hostname, "error_message": sentence }))
}

/// A body of `/api/progress`; nothing while there is nothing to measure.
fn numbers(facts: &Facts) -> Option<Value> {
    let work = facts.work.filter(|_| facts.outcome.is_none())?;
    let body = json!({
        "stage": facts.stage,
        "bytes": work.done,
        "total": work.total,
        "rate": work.rate,
        "eta_secs": work.seconds_left(),
        "temperature_c": facts.temperature.map(|degrees| (f64::from(degrees) * 10.0).round() / 10.0),
    });
    Some(with_identity(facts, body))
}

/// Adds who says it; keys without a value are left out.
pub fn with_identity(facts: &Facts, mut body: Value) -> Value {
    body["serial_number"] = json!(facts.serial);
    body["reinstalls"] = json!(facts.reinstalls);
    body["mac_address"] = json!(facts.mac.map(|mac| mac.to_string()));
    if let Value::Object(fields) = &mut body {
        fields.retain(|_, value| !value.is_null());
    }
    body
}

#[cfg(test)]
mod tests;
