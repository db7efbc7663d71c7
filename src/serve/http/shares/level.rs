//! How fast each of several transfers may go: pure, from what each did and what the network says.
//!
//! The invariant: a level is a little above an equal share. So on a full link all together fall short of their levels, and
//! where there is room they reach them; that, and no queue, is how the one is told from the other. (Where the narrow place
//! is our own interface, the kernel keeps what is levelled in the sockets, and the queue is empty though the link is full.)

use std::time::Duration;

/// A round trip beyond which packets stand in a queue: a wired network of one hop takes well under one millisecond.
const QUEUED: Duration = Duration::from_millis(4);

/// Above an equal share: who gets most is ahead by so much at the end, and the link never waits for us.
const ABOVE: f64 = 1.03;

/// Who takes less than this part of the level on average falls short of it. Between one and `1 / ABOVE`, which is what a
/// full link leaves them.
const SHORT: f64 = 0.985;

/// One whose receiver had no room for this part of the time is held back by itself, a slow card mostly.
const FULL_RECEIVER: f64 = 0.25;

/// How the total rises at the first look at which there was room, and by how much more at each further one.
const RISE: f64 = 0.01;
const RISE_MAX: f64 = 0.25;

/// How far the total falls at one look: a moment in which nothing came through says little of the link.
const FALL: f64 = 0.02;

/// Bytes a second of all together beyond which nobody is limited: processors then are scarcer than wires.
const FASTEST: f64 = 1.25e9;

/// Who is behind or ahead of an equal share makes up for it in this time, as far as these parts of the level allow.
const CATCH_UP: f64 = 1.0;
const LEAST: f64 = 0.9;
const MOST: f64 = 1.25;

/// Nobody is behind or ahead by more than what an equal share brings in this time.
const FAR: f64 = 2.0;

/// How much the latest look counts.
const LATEST: f64 = 0.2;

/// What one transfer does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Flow {
    /// Bytes acknowledged a second, since the last look and smoothed; nothing before it was looked at twice.
    rates: Option<(f64, f64)>,
    /// The part of the time in which its receiver had no room, smoothed.
    waits: f64,
    rtt: Duration,
    lost: u32,
    /// How long an equal share takes for the bytes by which it is behind one, seconds; below zero, ahead.
    behind: f64,
}

/// What one transfer did since the last look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// How long ago that was.
    pub time: Duration,
    /// Bytes acknowledged a second.
    pub bytes_per_sec: f64,
    /// The part of the time in which its receiver had no room.
    pub waited: f64,
    /// The round-trip time.
    pub rtt: Duration,
    /// Segments sent again.
    pub lost: u32,
}

impl Flow {
    /// Takes down what it did since the last look, when all had a level of which this was an equal `share`.
    pub(super) fn note(&mut self, seen: Seen, share: Option<f64>) {
        let Seen { time, bytes_per_sec, waited, rtt, lost } = seen;
        let part = share.map_or(1.0, |share| bytes_per_sec / share);
        let behind = (self.behind + (1.0 - part) * time.as_secs_f64()).clamp(-FAR, FAR);
        // Who falls behind by itself is owed nothing.
        let behind = if self.waits > FULL_RECEIVER { 0.0 } else { behind };
        let smoothed = self.rates.map_or(bytes_per_sec, |(_, before)| before + LATEST * (bytes_per_sec - before));
        let waits = self.waits + LATEST * (waited - self.waits);
        *self = Flow { rates: Some((bytes_per_sec, smoothed)), waits, rtt, lost, behind };
    }

    /// What it may take where this is an equal share of a full link.
    fn limit(&self, share: f64) -> f64 {
        ABOVE * share * (1.0 + self.behind / CATCH_UP).clamp(LEAST, MOST)
    }

    /// Whether it takes less than `level` because of itself: of a slow card, or of a narrow place that only it passes,
    /// and in whose queue it stands where others find none.
    fn is_slow(&self, level: f64, others_queue: bool) -> bool {
        let by_itself = self.waits > FULL_RECEIVER || self.rtt > QUEUED && !others_queue;
        by_itself && self.rates.is_some_and(|(_, smoothed)| smoothed < level)
    }
}

/// How fast each of the transfers of one link may go: an equal share of what the link was seen to carry.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Level {
    now: Option<Now>,
    /// An equal share at the last look, whether or not a level held.
    share: Option<f64>,
}

/// A level that holds.
#[derive(Clone, Debug, PartialEq)]
struct Now {
    /// What all together may take, bytes a second.
    total: f64,
    /// What they took of their limits on average, those aside who are held back by themselves; smoothed.
    reached: f64,
    /// How much the total rose at the last look.
    rise: f64,
}

impl Level {
    /// The level after another look at all of them, bytes a second; `None` where nobody needs one. What they took says
    /// nothing of the link if `some_left` meanwhile.
    pub(super) fn next(&mut self, flows: &mut [Flow], some_left: bool) -> Option<f64> {
        // That all are behind says only that the share was thought too large.
        let behind = flows.iter().map(|flow| flow.behind).sum::<f64>() / flows.len().max(1) as f64;
        flows.iter_mut().for_each(|flow| flow.behind -= behind);
        let taken: f64 = flows.iter().filter_map(|flow| flow.rates).map(|(latest, _)| latest).sum();
        self.now = match self.now.take() {
            _ if flows.len() < 2 || taken >= FASTEST => None,
            None => (taken > 0.0 && holds_back(flows)).then(|| Now::new(taken)),
            // A moment in which nothing came through is no news either.
            Some(now) if some_left || taken <= 0.0 => Some(now),
            Some(now) => Some(now.next(flows, self.share.unwrap_or_default(), taken)),
        };
        let total = self.now.as_ref().map_or(taken, |now| now.total);
        let share = equal_share(total, flows);
        self.share = Some(share).filter(|share| *share > 0.0);
        self.now.as_ref().map(|_| ABOVE * share)
    }

    /// What this one of them may take, bytes a second; `None` while there is no level.
    pub(super) fn limit(&self, flow: &Flow) -> Option<f64> {
        self.now.as_ref().and(self.share).map(|share| flow.limit(share))
    }

    /// An equal share since the last look, bytes a second; `None` if nobody took anything.
    pub(super) fn share(&self) -> Option<f64> {
        self.share
    }
}

impl Now {
    /// When all together take so much of a link that is full.
    fn new(taken: f64) -> Now {
        Now { total: taken, reached: 1.0 / ABOVE, rise: 0.0 }
    }

    /// After they took so much of it, of which this was an equal `share`.
    fn next(self, flows: &[Flow], share: f64, taken: f64) -> Now {
        let all_queue = all_queue(flows);
        let (mut got, mut could) = (0.0, 0.0);
        for flow in flows.iter().filter(|flow| !flow.is_slow(flow.limit(share), all_queue)) {
            let Some((latest, _)) = flow.rates else { continue };
            got += latest;
            could += flow.limit(share);
        }
        let Now { total, reached, rise } = self;
        // Where all are held back by themselves, the level limits nobody, and must not be in their way when they go on.
        let latest = if could > 0.0 { got / could } else { 1.0 };
        let reached = reached + LATEST * (latest - reached);
        if reached < SHORT {
            let total = (total + LATEST * (taken - total)).max(total * (1.0 - FALL));
            return Now { total, reached, rise: 0.0 };
        }
        let rise = (rise + RISE).min(RISE_MAX);
        let total = (total * (1.0 + rise)).min(FASTEST);
        Now { total, reached, rise }
    }
}

/// Whether the network holds them back: they stand in a queue, or one found it without room.
fn holds_back(flows: &[Flow]) -> bool {
    all_queue(flows) || flows.iter().any(|flow| flow.lost > 0)
}

/// Whether packets of all of them stand in a queue, one that they share then.
fn all_queue(flows: &[Flow]) -> bool {
    flows.iter().all(|flow| flow.rtt > QUEUED)
}

/// The part of `total` for each of those who could take it; the others keep what they take.
fn equal_share(total: f64, flows: &[Flow]) -> f64 {
    let all_queue = all_queue(flows);
    let mut left = total;
    let mut flows = flows.to_vec();
    loop {
        let share = left / flows.len() as f64;
        let before = flows.len();
        flows.retain(|flow| {
            let is_slow = flow.is_slow(share, all_queue);
            left -= if is_slow { flow.rates.map_or(0.0, |(_, smoothed)| smoothed) } else { 0.0 };
            !is_slow
        });
        if flows.len() == before || flows.is_empty() {
            return share;
        }
    }
}

#[cfg(test)]
mod tests;
