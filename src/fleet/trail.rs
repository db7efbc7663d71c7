//! What each machine asked for and was given, packet by packet: a fold over notices, for people.
//!
//! Owns what a machine's page shows between two stages. Nothing is decided by it, and none of it is in the journal. The
//! invariant: it is bounded, for one machine and in all, whoever sends whatever.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::Notice;
use super::report::Progress;
use crate::ids::{Hostname, MachineId, TransferId};
use crate::machine::stage::Stage;
use crate::net::Mac;
use crate::time::Timestamp;
use crate::transfer::{Outcome, Via};

/// So many steps of one machine are kept, the last ones.
pub const STEPS_MAX: usize = 300;

/// Of so many machines, those that were heard last.
pub const MACHINES_MAX: usize = 400;

/// So many senders that are no machine yet, and steps of each: inventing hardware addresses must cost us nothing.
pub const STRANGERS_MAX: usize = 64;
const STRANGER_STEPS_MAX: usize = 16;

/// The longest text of a step that somebody else wrote, in characters.
const TEXT_MAX: usize = 400;

/// Something that a machine did or was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// The same happened again, the last time then.
    pub until: Timestamp,
    /// How often in a row.
    pub times: u32,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A DHCP message was answered.
    Dhcp {
        /// Asked with.
        asked: &'static str,
        /// Answered with.
        answered: &'static str,
        /// The address given, if any.
        address: Ipv4Addr,
        /// What kind of client it is.
        firmware: &'static str,
    },
    /// It was refused something; a sentence says what and why.
    Refused(String),
    /// A file went out, maybe in several pieces.
    File {
        /// The last transfer.
        transfer: TransferId,
        /// The name asked for.
        name: Arc<str>,
        /// The protocol.
        via: Via,
        /// Bytes sent, of all pieces.
        sent: u64,
        /// Bytes of the last piece in all.
        size: u64,
        /// How the last one ended.
        outcome: Option<Outcome>,
    },
    /// It went on to another stage.
    Stage(Stage),
    /// It was given a name.
    Named(Hostname),
    /// Its installer said this.
    Reported {
        /// The word.
        word: String,
        /// What else.
        detail: String,
    },
    /// Its installer is so far with what it does.
    Progress(Progress),
    /// Another station uses its address.
    Conflict {
        /// The address.
        address: Ipv4Addr,
        /// Who.
        mac: Mac,
    },
}

/// The steps of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    steps: VecDeque<Step>,
    /// Steps that are kept no more.
    forgotten: u64,
    heard: Option<Timestamp>,
}

impl Trail {
    /// The steps that are kept, the first one first.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.steps.iter()
    }

    /// How many came before them.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// When it last gave a sign of life.
    pub fn heard(&self) -> Option<Timestamp> {
        self.heard
    }

    fn add(&mut self, what: What, now: Timestamp, max: usize) {
        if !matches!(what, What::Stage(_) | What::Named(_) | What::Conflict { .. }) {
            self.heard = Some(now);
        }
        if let Some(last) = self.steps.back_mut()
            && last.takes(&what)
        {
            last.times += 1;
            last.until = now;
            return;
        }
        self.steps.push_back(Step { at: now, until: now, times: 1, what });
        while self.steps.len() > max {
            self.steps.pop_front();
            self.forgotten += 1;
        }
    }

    /// Where the transfer is that goes on or ends. A machine has few under way at once: they are near the end.
    fn go_on(&mut self, id: TransferId, bytes: u64, ended: Option<&Outcome>, now: Timestamp) -> bool {
        self.heard = Some(now);
        let is_it = |step: &&mut Step| matches!(&step.what, What::File { transfer, .. } if *transfer == id);
        let Some(step) = self.steps.iter_mut().rev().find(is_it) else { return false };
        step.until = now;
        if let What::File { sent, outcome, .. } = &mut step.what {
            *sent += bytes;
            *outcome = ended.cloned();
        }
        true
    }
}

impl Step {
    /// Whether `next` is more of the same; then it is taken in.
    fn takes(&mut self, next: &What) -> bool {
        match (&mut self.what, next) {
            (
                What::File { transfer, name, via, size, outcome, .. },
                What::File { transfer: next, name: of_next, via: by, size: of_size, .. },
            ) if outcome.is_some() && name == of_next && via == by => {
                (*transfer, *size, *outcome) = (*next, *of_size, None);
                true
            }
            (What::Progress(before), What::Progress(next)) if before.stage == next.stage => {
                *before = next.clone();
                true
            }
            (What::Reported { .. } | What::Stage(_), _) => false,
            (before, next) => before == next,
        }
    }
}

/// So many trails, of those that were heard last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bounded<K> {
    max: usize,
    trails: BTreeMap<K, Trail>,
    /// The quietest first.
    by_heard: BTreeSet<(Option<Timestamp>, K)>,
}

impl<K: Copy + Ord> Bounded<K> {
    fn new(max: usize) -> Bounded<K> {
        Bounded { max, trails: BTreeMap::new(), by_heard: BTreeSet::new() }
    }

    /// Goes on with the trail of `key`, or begins one.
    fn go_on<T>(&mut self, key: K, what: impl FnOnce(&mut Trail) -> T) -> T {
        let mut trail = self.remove(key).unwrap_or_default();
        if self.trails.len() >= self.max
            && let Some((_, quietest)) = self.by_heard.pop_first()
        {
            self.trails.remove(&quietest);
        }
        let result = what(&mut trail);
        self.by_heard.insert((trail.heard, key));
        self.trails.insert(key, trail);
        result
    }

    fn remove(&mut self, key: K) -> Option<Trail> {
        let trail = self.trails.remove(&key)?;
        self.by_heard.remove(&(trail.heard, key));
        Some(trail)
    }
}

/// The trails of all machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trails {
    of_machines: Bounded<MachineId>,
    of_strangers: Bounded<Mac>,
    by_mac: BTreeMap<Mac, MachineId>,
}

impl Default for Trails {
    fn default() -> Trails {
        Trails {
            of_machines: Bounded::new(MACHINES_MAX),
            of_strangers: Bounded::new(STRANGERS_MAX),
            by_mac: BTreeMap::new(),
        }
    }
}

impl Trails {
    /// The trail of a machine.
    pub fn of(&self, machine: MachineId) -> Option<&Trail> {
        self.of_machines.trails.get(&machine)
    }

    /// Machines that have one.
    pub fn len(&self) -> usize {
        self.of_machines.trails.len()
    }

    /// Whether nobody left a trail yet.
    pub fn is_empty(&self) -> bool {
        self.of_machines.trails.is_empty()
    }

    /// As [`Trails::know`] of each.
    pub(super) fn know_all(&mut self, all: impl Iterator<Item = (MachineId, Mac)>) {
        if *self == Trails::default() {
            // Nobody did anything yet, which leaves only the names to be put down.
            self.by_mac = all.map(|(machine, mac)| (mac, machine)).collect();
        } else {
            all.for_each(|(machine, mac)| self.know(machine, mac));
        }
    }

    /// The sender of frames from `mac` is this machine: what it did as a stranger was its doing.
    pub(super) fn know(&mut self, machine: MachineId, mac: Mac) {
        if self.by_mac.insert(mac, machine) == Some(machine) {
            return;
        }
        let Some(before) = self.of_strangers.remove(mac) else { return };
        self.of_machines.go_on(machine, |trail| {
            trail.heard = trail.heard.max(before.heard);
            let mut steps: Vec<Step> = before.steps.into_iter().chain(trail.steps.drain(..)).collect();
            steps.sort_by_key(|step| step.at);
            trail.steps = steps.into();
            trail.forgotten += before.forgotten;
        });
    }

    pub(super) fn forget(&mut self, machine: MachineId) {
        self.of_machines.remove(machine);
        self.by_mac.retain(|_, id| *id != machine);
    }

    /// Takes note. `holder` is the machine that holds the address which the notice is about; `fresh` the bytes that have
    /// gone out since the last notice of the same transfer.
    pub(super) fn note(&mut self, notice: &Notice, holder: Option<MachineId>, fresh: u64, now: Timestamp) {
        let (mac, machine, what) = match notice {
            Notice::DhcpAnswered { asked, answered, mac, address, firmware } => {
                (*mac, holder, What::Dhcp { asked, answered, address: *address, firmware })
            }
            Notice::Refused { what, who, refusal } => {
                (Mac::parse(who), holder, What::Refused(clipped(&format!("{what} refused: {refusal}"))))
            }
            Notice::Stage { machine, to, .. } => (None, Some(*machine), What::Stage(to.clone())),
            Notice::Named { machine, hostname } => (None, Some(*machine), What::Named(hostname.clone())),
            Notice::Reported { machine, word, detail } => {
                let (word, detail) = (clipped(word), clipped(detail));
                (None, Some(*machine), What::Reported { word, detail })
            }
            Notice::Progress { machine, progress } => (None, Some(*machine), What::Progress(progress.clone())),
            Notice::Conflict { address, mac, .. } => (None, holder, What::Conflict { address: *address, mac: *mac }),
            Notice::Transfer { transfer, machine: Some(machine), name, via, size, outcome, .. } => {
                let begins = fresh == 0 && outcome.is_none();
                let goes_on = |trail: &mut Trail| trail.go_on(*transfer, fresh, outcome.as_ref(), now);
                if self.of_machines.go_on(*machine, goes_on) || !begins {
                    return;
                }
                let (transfer, name, via, size) = (*transfer, name.clone(), *via, *size);
                (None, Some(*machine), What::File { transfer, name, via, sent: 0, size, outcome: None })
            }
            _ => return,
        };
        let machine = mac.and_then(|mac| self.by_mac.get(&mac).copied()).or(machine);
        match (machine, mac) {
            (Some(machine), _) => self.of_machines.go_on(machine, |trail| trail.add(what, now, STEPS_MAX)),
            (None, Some(mac)) => self.of_strangers.go_on(mac, |trail| trail.add(what, now, STRANGER_STEPS_MAX)),
            (None, None) => {}
        }
    }
}

/// A text of somebody else, not longer than a page can bear.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
