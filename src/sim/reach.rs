//! What a run got to see: a sweep of seeds that never meets a refusal, a stage or a message proves nothing about it.

use std::collections::BTreeSet;

use super::client::Kind;
use crate::fleet::Notice;
use crate::refusal::Refusal;

/// What was reached, in the words of journals and log lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Kinds of machines that reached their end.
    pub kinds: BTreeSet<Kind>,
    /// [`Refusal::kind`] of every refusal.
    pub refusals: BTreeSet<&'static str>,
    /// Every step from one stage to another.
    pub steps: BTreeSet<(&'static str, &'static str)>,
    /// DHCP messages with their answers; the answer is empty where there is none.
    pub dhcp: BTreeSet<(&'static str, &'static str)>,
    /// What else happened: operators' orders, and things done to the network, the clock and the machines.
    pub odds: BTreeSet<&'static str>,
}

impl Reached {
    /// Adds what another run reached.
    pub fn join(&mut self, other: Reached) {
        self.kinds.extend(other.kinds);
        self.refusals.extend(other.refusals);
        self.steps.extend(other.steps);
        self.dhcp.extend(other.dhcp);
        self.odds.extend(other.odds);
    }

    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.refusals.insert(refusal.kind());
    }

    pub(super) fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Stage { from, to, .. } => drop(self.steps.insert((from.word(), to.word()))),
            Notice::Refused { refusal, .. } => self.refused(refusal),
            Notice::DhcpAnswered { asked, answered, .. } => drop(self.dhcp.insert((asked, answered))),
            _ => {}
        }
    }
}
