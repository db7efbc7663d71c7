//! What an installer says on the way: how far it is, and what it wrote into its log.
//!
//! Neither moves a machine on. Progress is a sign of life and goes to readers alone; log lines are kept with the
//! deployment. Who speaks must be known already: a machine is not made of its own chatter.

use std::net::Ipv4Addr;

use super::{Change, Fleet, Outbox, Told};
use crate::boot::pipeline::Milestone;
use crate::fleet::Notice;
use crate::ids::MachineId;
use crate::machine::Evidence;
use crate::refusal::Refusal;
use crate::time::{Now, Timestamp};

/// How far an installer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing: downloading, verifying, …
    pub stage: String,
    /// Bytes done.
    pub bytes: u64,
    /// Bytes to do; 0 if that is not known.
    pub total: u64,
    /// Bytes a second.
    pub rate: u64,
    /// Seconds left, as it reckons.
    pub eta_secs: Option<u64>,
    /// The temperature of its processor, in tenths of a degree Celsius.
    pub temperature_dc: Option<i32>,
}

/// A line of an installer's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written, by the machine's clock where that makes sense, else when it came.
    pub at: Timestamp,
    /// How grave it is.
    pub level: Level,
    /// What it says, one line.
    pub text: String,
}

/// How grave a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Info,
    /// Worth a look.
    Warning,
    /// Something failed.
    Error,
}

impl Level {
    /// All of them.
    pub const ALL: [Level; 3] = [Level::Info, Level::Warning, Level::Error];

    /// The word in the deployment API and in the journal.
    pub fn word(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }

    /// The level of that word.
    pub fn from_word(word: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.word() == word)
    }
}

impl Fleet {
    pub(super) fn note_progress(
        &mut self,
        address: Ipv4Addr,
        evidence: &Evidence,
        progress: Progress,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Told, Refusal> {
        let machine = self.known_machine(address, evidence)?;
        self.heard(machine, now);
        if self.tables.machines.get(machine).is_some_and(|machine| machine.stage.is_running()) {
            out.publish(Notice::Progress { machine, progress });
        }
        Ok(Told::Received(None))
    }

    /// Lines belong to the deployment under way, and after its end to the last one. An installer that complains before
    /// it says anything else begins one.
    pub(super) fn note_log(
        &mut self,
        address: Ipv4Addr,
        evidence: &Evidence,
        lines: Vec<LogLine>,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Told, Refusal> {
        let machine = self.known_machine(address, evidence)?;
        if lines.is_empty() {
            return Ok(Told::Received(None));
        }
        let over = self.tables.machines.get(machine).is_some_and(|machine| !machine.stage.is_running());
        let last = || self.tables.latest.get(&machine).copied().filter(|_| over);
        let deployment = match self.tables.open.get(&machine).map(|open| open.id).or_else(last) {
            Some(deployment) => deployment,
            None => {
                self.note_deployment(machine, address, "starting", None, now, out, |_| {});
                self.reached(machine, &Milestone::Reported("starting".to_owned(), None), now, out);
                self.tables.open.get(&machine).expect("it was just opened").id
            }
        };
        self.heard(machine, now);
        self.commit(out, Change::Logged { deployment, lines });
        Ok(Told::Received(None))
    }

    fn known_machine(&self, address: Ipv4Addr, evidence: &Evidence) -> Result<MachineId, Refusal> {
        let holder = self.tables.leases.holder(address);
        self.tables.machines.resolve(evidence, holder).ok_or(Refusal::UnknownMachine)
    }
}
