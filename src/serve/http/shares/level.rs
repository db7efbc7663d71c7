//! How fast each of several transfers may go: pure, from what each did and what the network says.

use std::time::Duration;

/// A round trip beyond which packets stand in a queue: a wired network of one hop takes well under one millisecond.
const QUEUED: Duration = Duration::from_millis(4);

/// Above an equal share: who gets most is ahead by so much at the end, and the link never waits for us.
const ABOVE: f64 = 1.02;

/// One that takes less than this part of what it could is held back by itself, a slow card mostly.
const SLOW: f64 = 0.5;

/// How the level rises, at every look, while nothing stands in a queue.
const RISE: f64 = 1.1;

/// Above so many times what the fastest takes, a level limits nobody.
const IDLE: f64 = 2.0;

/// How much the latest look counts in what a transfer takes.
const LATEST: f64 = 0.3;

/// What one transfer does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Flow {
    /// What it takes, smoothed; nothing before it was looked at twice.
    bytes_per_sec: Option<f64>,
    rtt: Duration,
    lost: u32,
}

impl Flow {
    /// What it did since the last look: bytes acknowledged a second, round-trip time, and segments sent again.
    pub(super) fn note(&mut self, bytes_per_sec: f64, rtt: Duration, lost: u32) {
        let before = self.bytes_per_sec.unwrap_or(bytes_per_sec);
        *self = Flow { bytes_per_sec: Some(before + LATEST * (bytes_per_sec - before)), rtt, lost };
    }
}

/// How fast each of the transfers of one link may go.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Level(Option<f64>);

impl Level {
    /// The level after another look at all of them, bytes a second; `None` where nobody needs one.
    pub(super) fn next(&mut self, flows: &[Flow]) -> Option<f64> {
        let rates: Vec<f64> = flows.iter().filter_map(|flow| flow.bytes_per_sec).collect();
        let fastest = rates.iter().copied().fold(0.0, f64::max);
        self.0 = if rates.len() < 2 || fastest <= 0.0 {
            None
        } else if is_full(flows) {
            Some(ABOVE * equal_share(rates))
        } else {
            self.0.map(|level| level * RISE).filter(|level| *level < IDLE * fastest)
        };
        self.0
    }
}

/// Whether it is the network that holds them back.
fn is_full(flows: &[Flow]) -> bool {
    let mut rtts: Vec<Duration> = flows.iter().map(|flow| flow.rtt).collect();
    rtts.sort_unstable();
    rtts[rtts.len() / 2] > QUEUED || flows.iter().any(|flow| flow.lost > 0)
}

/// What all take, divided by those who could take more.
fn equal_share(mut rates: Vec<f64>) -> f64 {
    let mut left: f64 = rates.iter().sum();
    loop {
        let share = left / rates.len() as f64;
        let slow: f64 = rates.iter().filter(|rate| **rate < SLOW * share).sum();
        let before = rates.len();
        rates.retain(|rate| *rate >= SLOW * share);
        if rates.len() == before {
            return share;
        }
        left -= slow;
    }
}

#[cfg(test)]
mod tests;
