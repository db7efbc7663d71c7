//! How fast each of several transfers may go: pure, from what each did and what the network says.
//!
//! Its limit: a full link is known by what stands in a queue. Where the narrow place is our own interface, the kernel keeps
//! what is levelled in the sockets, the queue empties, and that looks like room: the level then comes and goes.

use std::time::Duration;

/// A round trip beyond which packets stand in a queue: a wired network of one hop takes well under one millisecond.
const QUEUED: Duration = Duration::from_millis(4);

/// Above an equal share: who gets most is ahead by so much at the end, and the link never waits for us.
const ABOVE: f64 = 1.02;

/// One that takes less than this part of what it could is held back by itself, a slow card mostly.
const SLOW: f64 = 0.5;

/// How the total rises, at every look, while nothing stands in a queue.
const RISE: f64 = 1.1;

/// Above so many times what all take, it limits nobody.
const IDLE: f64 = 2.0;

/// How much the latest look counts.
const LATEST: f64 = 0.2;

/// What one transfer does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Flow {
    /// Bytes acknowledged a second, since the last look and smoothed; nothing before it was looked at twice.
    rates: Option<(f64, f64)>,
    rtt: Duration,
    lost: u32,
}

impl Flow {
    /// What it did since the last look: bytes acknowledged a second, round-trip time, and segments sent again.
    pub(super) fn note(&mut self, bytes_per_sec: f64, rtt: Duration, lost: u32) {
        let smoothed = self.rates.map_or(bytes_per_sec, |(_, before)| before + LATEST * (bytes_per_sec - before));
        *self = Flow { rates: Some((bytes_per_sec, smoothed)), rtt, lost };
    }
}

/// How fast each of the transfers of one link may go: an equal share of what the link was seen to carry.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Level {
    /// What all together may take, bytes a second; `None` while nothing holds them back.
    total: Option<f64>,
}

impl Level {
    /// The level after another look at all of them, bytes a second; `None` where nobody needs one. What they took says
    /// nothing of the link if `some_left` meanwhile.
    pub(super) fn next(&mut self, flows: &[Flow], some_left: bool) -> Option<f64> {
        let taken: f64 = flows.iter().filter_map(|flow| flow.rates).map(|(latest, _)| latest).sum();
        self.total = match self.total {
            _ if flows.len() < 2 || taken <= 0.0 => None,
            None => is_full(flows).then_some(taken),
            Some(total) if some_left => Some(total),
            Some(total) if is_full(flows) => Some(total + LATEST * (taken - total)),
            Some(total) => Some(total * RISE).filter(|total| *total < IDLE * taken),
        };
        let could = |flow: &Flow| flow.rates.map_or(f64::INFINITY, |(_, smoothed)| smoothed);
        Some(ABOVE * equal_share(self.total?, flows.iter().map(could).collect()))
    }
}

/// Whether it is the network that holds them back.
fn is_full(flows: &[Flow]) -> bool {
    let mut rtts: Vec<Duration> = flows.iter().map(|flow| flow.rtt).collect();
    rtts.sort_unstable();
    rtts[rtts.len() / 2] > QUEUED || flows.iter().any(|flow| flow.lost > 0)
}

/// The part of `total` for each of those who could take it; the others keep what they take.
fn equal_share(total: f64, mut rates: Vec<f64>) -> f64 {
    let mut left = total;
    loop {
        let share = left / rates.len() as f64;
        let before = rates.len();
        rates.retain(|rate| {
            let is_slow = *rate < SLOW * share;
            left -= if is_slow { *rate } else { 0.0 };
            !is_slow
        });
        if rates.len() == before || rates.is_empty() {
            return share;
        }
    }
}

#[cfg(test)]
mod tests;
