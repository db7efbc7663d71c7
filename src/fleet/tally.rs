//! What happened how often, and how much was sent when: a fold over notices, for the charts.
//!
//! The invariant: bounded, whatever happens. Machines that were finished or failed are counted by the hour, for a month;
//! bytes by ten seconds, for ten minutes.

use std::collections::BTreeMap;

use super::Notice;
use crate::machine::stage::Stage;
use crate::time::Timestamp;

/// Hours that are kept.
const HOURS_MAX: i64 = 24 * 32;
const HOUR: i64 = 3_600_000;

/// The span of one bar of the throughput chart, in milliseconds.
pub const SLOT: i64 = 10_000;
/// How many there are.
pub const SLOTS: i64 = 60;

/// Machines that came to an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Finished.
    pub done: u64,
    /// Failed.
    pub failed: u64,
}

/// The counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By the hour since the epoch.
    hours: BTreeMap<i64, Ends>,
    /// Bytes by the slot since the epoch.
    sent: BTreeMap<i64, u64>,
    dhcp: BTreeMap<(&'static str, &'static str), u64>,
}

impl Tally {
    /// A machine came to this stage then, which the journal remembers; other stages are no end.
    pub fn ended(&mut self, stage: &Stage, at: Timestamp) {
        let ends = match stage {
            Stage::Done => Ends { done: 1, failed: 0 },
            Stage::Failed(_) => Ends { done: 0, failed: 1 },
            _ => return,
        };
        let hour = at.millis().div_euclid(HOUR);
        let of_hour = self.hours.entry(hour).or_default();
        of_hour.done += ends.done;
        of_hour.failed += ends.failed;
        let last = self.hours.keys().next_back().copied().unwrap_or(hour);
        self.hours = self.hours.split_off(&(last - HOURS_MAX));
    }

    /// Takes note; `fresh` are the bytes that have gone out since the last notice of the same transfer.
    pub(super) fn note(&mut self, notice: &Notice, fresh: u64, now: Timestamp) {
        match notice {
            Notice::Stage { to, .. } => self.ended(to, now),
            Notice::DhcpAnswered { asked, answered, .. } => *self.dhcp.entry((asked, answered)).or_default() += 1,
            Notice::Transfer { .. } if fresh > 0 => {
                let slot = now.millis().div_euclid(SLOT);
                *self.sent.entry(slot).or_default() += fresh;
                self.sent = self.sent.split_off(&(slot - SLOTS));
            }
            _ => {}
        }
    }

    /// The ends of each span of `hours` hours, `spans` of them, the last one that in which `now` is. Spans begin at
    /// midnight UTC where they are days.
    pub fn ends(&self, hours: i64, spans: i64, now: Timestamp) -> Vec<Ends> {
        let last = now.millis().div_euclid(HOUR * hours);
        (last + 1 - spans..=last)
            .map(|span| {
                let within = self.hours.range(span * hours..(span + 1) * hours);
                within.fold(Ends::default(), |sum, (_, each)| Ends {
                    done: sum.done + each.done,
                    failed: sum.failed + each.failed,
                })
            })
            .collect()
    }

    /// The ends of the UTC day of `now`.
    pub fn today(&self, now: Timestamp) -> Ends {
        self.ends(24, 1, now).first().copied().unwrap_or_default()
    }

    /// Bytes sent in each of the last [`SLOTS`] slots, the one under way last.
    pub fn sent(&self, now: Timestamp) -> Vec<u64> {
        let last = now.millis().div_euclid(SLOT);
        (last + 1 - SLOTS..=last).map(|slot| self.sent.get(&slot).copied().unwrap_or_default()).collect()
    }

    /// How often each DHCP message was answered by each other.
    pub fn dhcp(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.dhcp.iter().map(|((asked, answered), count)| (*asked, *answered, *count))
    }
}

#[cfg(test)]
mod tests;
