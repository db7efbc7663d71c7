//! How fast each transfer goes, from what the board says it has sent.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fleet::board::Running;
use crate::ids::TransferId;
use crate::time::Timestamp;

/// The time over which a rate is an average: shorter, and the figure trembles; longer, and it lags.
const SPAN: Duration = Duration::from_secs(4);

/// Transfers at the last looks.
#[derive(Debug, Default)]
pub struct Rates(BTreeMap<TransferId, Pace>);

#[derive(Clone, Copy, Debug)]
struct Pace {
    sent: u64,
    at: Timestamp,
    /// Bytes a second.
    rate: u64,
}

impl Rates {
    /// Takes note of where `running` are at `now`; those that are not among them have ended.
    pub fn look<'a>(&mut self, running: impl Iterator<Item = &'a Running>, now: Timestamp) {
        let before = std::mem::take(&mut self.0);
        for Running { transfer, sent, .. } in running {
            let pace = match before.get(transfer) {
                None => Pace { sent: *sent, at: now, rate: 0 },
                Some(pace) => pace.at_next(*sent, now),
            };
            self.0.insert(*transfer, pace);
        }
    }

    /// Bytes a second of one transfer; 0 while that is not known.
    pub fn of(&self, transfer: TransferId) -> u64 {
        self.0.get(&transfer).map_or(0, |pace| pace.rate)
    }

    /// Bytes a second of all.
    pub fn total(&self) -> u64 {
        self.0.values().map(|pace| pace.rate).sum()
    }
}

impl Pace {
    fn at_next(self, sent: u64, now: Timestamp) -> Pace {
        let millis = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        // Two looks in one moment say nothing about speed.
        if millis < 50 {
            return self;
        }
        let fresh = sent.saturating_sub(self.sent).saturating_mul(1000) / millis;
        let span = u64::try_from(SPAN.as_millis()).unwrap_or(u64::MAX);
        let weight = millis.min(span);
        let rate = if self.rate == 0 { fresh } else { (fresh * weight + self.rate * (span - weight)) / span };
        Pace { sent, at: now, rate }
    }
}

#[cfg(test)]
mod tests;
