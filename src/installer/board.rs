//! How the installation stands, as everybody who looks at it sees it: the screen, the reports, the last words.
//!
//! Owns the facts and the rate; who shows or sends them decides when.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::net::Mac;

/// Lines of the log that are kept for the screen.
const LINES_MAX: usize = 40;

/// The rate is that of about so long.
const WINDOW: Duration = Duration::from_secs(10);
const SAMPLE: Duration = Duration::from_millis(500);

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The drive is written, and what comes next.
    Done {
        /// One sentence.
        next: String,
    },
    /// It did not work.
    Failed {
        /// Why, one sentence.
        why: String,
        /// What comes next.
        next: String,
    },
}

/// What is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The name the server gave.
    pub hostname: Option<String>,
    /// What the server told, to be said with each report.
    pub reinstalls: Option<u64>,
    /// The serial number.
    pub serial: Option<String>,
    /// The MAC of the interface in use.
    pub mac: Option<Mac>,
    /// Maker and model.
    pub model: String,
    /// Our address with its prefix length.
    pub address: Option<String>,
    /// The server's base URL.
    pub server: Option<String>,
    /// The word of the stage, as the API says it.
    pub stage: &'static str,
    /// What is being done or waited for, one sentence.
    pub doing: String,
    /// Why the server does not hear us, while it does not.
    pub unheard: Option<String>,
    /// Bytes done and to be done in this stage.
    pub work: Option<Work>,
    /// Highest temperature, in degrees Celsius.
    pub temperature: Option<f32>,
    /// The last lines of the log.
    pub lines: VecDeque<String>,
    /// How many lines there were in all.
    pub lines_total: usize,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
    /// Bytes in a second, over the last seconds.
    pub rate: u64,
}

impl Work {
    /// Seconds until it is done at this rate; nothing while nothing moves.
    pub fn seconds_left(&self) -> Option<u64> {
        let left = self.total.saturating_sub(self.done);
        (self.rate > 0).then(|| left.div_ceil(self.rate))
    }

    /// Whole percents done.
    pub fn percent(&self) -> u64 {
        let percent = u128::from(self.done.min(self.total)) * 100 / u128::from(self.total.max(1));
        percent as u64
    }
}

/// The facts, shared between threads.
#[derive(Debug, Default)]
pub struct Board {
    facts: Mutex<Facts>,
    meter: Mutex<Meter>,
}

impl Board {
    /// A copy of everything, for showing it.
    pub fn facts(&self) -> Facts {
        self.lock().clone()
    }

    /// The same, unless somebody holds the board at this very moment: for a panic, whose thread may do so for ever.
    pub fn try_facts(&self) -> Option<Facts> {
        match self.facts.try_lock() {
            Ok(facts) => Some(facts.clone()),
            Err(TryLockError::Poisoned(facts)) => Some(facts.into_inner().clone()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Changes something.
    pub fn change(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.lock());
    }

    /// A stage begins: its word, and a sentence.
    pub fn stage(&self, word: &'static str, doing: &str) {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner).samples.clear();
        self.change(|facts| {
            facts.stage = word;
            facts.doing = doing.to_owned();
            facts.work = None;
        });
    }

    /// What is being done or waited for.
    pub fn doing(&self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        self.change(|facts| facts.doing = sentence);
    }

    /// Bytes of this stage.
    pub fn progress(&self, done: u64, total: u64, now: Instant) {
        let rate = self.meter.lock().unwrap_or_else(PoisonError::into_inner).rate(done, now);
        self.change(|facts| facts.work = Some(Work { done, total, rate }));
    }

    /// A line for people to read.
    pub fn line(&self, text: &str) {
        self.change(|facts| {
            facts.lines.push_back(text.to_owned());
            facts.lines_total += 1;
            if facts.lines.len() > LINES_MAX {
                facts.lines.pop_front();
            }
        });
    }

    /// A panic elsewhere must not take the screen with it.
    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rate over a window that slides along.
#[derive(Debug, Default)]
struct Meter {
    samples: VecDeque<(Instant, u64)>,
}

impl Meter {
    /// The rate now that `done` bytes are done, in bytes per second.
    fn rate(&mut self, done: u64, now: Instant) -> u64 {
        if self.samples.back().is_none_or(|(at, _)| now.duration_since(*at) >= SAMPLE) {
            self.samples.push_back((now, done));
        }
        while self.samples.len() > 2 && now.duration_since(self.samples[1].0) >= WINDOW {
            self.samples.pop_front();
        }
        let Some((since, before)) = self.samples.front().copied() else { return 0 };
        let millis = now.duration_since(since).as_millis().max(1);
        let bytes = u128::from(done.saturating_sub(before)) * 1000 / millis;
        if since == now { 0 } else { u64::try_from(bytes).unwrap_or(u64::MAX) }
    }
}

#[cfg(test)]
mod tests;
