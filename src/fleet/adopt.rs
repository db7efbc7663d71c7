//! What another system remembered becomes ours: row by row a change, or a reason why not.
//!
//! Owns the rules of taking over and the report about it; reads no file and writes none. What stands here already goes
//! before what is taken over, so the same rows a second time change nothing.

pub mod leases;
pub mod original;

use std::collections::BTreeMap;

use super::{Change, Tables};
use crate::ids::{MachineId, Serial};
use crate::machine::{Evidence, Machine};
use crate::net::Mac;
use crate::site::Site;
use crate::time::Timestamp;

/// Why a row, or a part of it, is not taken as it stands: the field, and a sentence.
pub type Objection = (&'static str, String);

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was taken; what was changed on the way.
    Taken(Vec<Objection>),
    /// It is here already.
    Known,
}

/// What became of every row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// By table.
    pub counts: BTreeMap<&'static str, Counts>,
    /// What was changed or refused, in the order of the rows.
    pub remarks: Vec<Remark>,
}

/// How many rows of a table met which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken, those with changes among them.
    pub taken: u64,
    /// Taken with changes.
    pub changed: u64,
    /// Here already.
    pub known: u64,
    /// Not taken.
    pub refused: u64,
}

/// What was done otherwise than the row says, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The table.
    pub table: &'static str,
    /// The row's number there.
    pub row: i64,
    /// The field.
    pub field: &'static str,
    /// A sentence.
    pub reason: String,
    /// Whether the row was refused; otherwise it was taken with this change.
    pub refused: bool,
}

impl Report {
    /// Takes note of what became of a row.
    pub fn note(&mut self, table: &'static str, row: i64, fate: Result<Fate, Objection>) {
        let counts = self.counts.entry(table).or_default();
        let (objections, refused) = match fate {
            Ok(Fate::Known) => {
                counts.known += 1;
                return;
            }
            Ok(Fate::Taken(changes)) => {
                counts.taken += 1;
                counts.changed += u64::from(!changes.is_empty());
                (changes, false)
            }
            Err(objection) => {
                counts.refused += 1;
                (vec![objection], true)
            }
        };
        let remark = |(field, reason)| Remark { table, row, field, reason, refused };
        self.remarks.extend(objections.into_iter().map(remark));
    }

    /// Whether no row was taken.
    pub fn is_nothing_new(&self) -> bool {
        self.counts.values().all(|counts| counts.taken == 0)
    }
}

/// A take-over under way: the tables as they will be, and the changes that make them so.
#[derive(Debug)]
pub struct Adoption<'a> {
    site: &'a Site,
    tables: Tables,
    now: Timestamp,
    changes: Vec<Change>,
    /// What became of every row so far.
    pub report: Report,
}

impl<'a> Adoption<'a> {
    /// Begins with what is remembered here.
    pub fn new(site: &'a Site, tables: Tables, now: Timestamp) -> Adoption<'a> {
        Adoption { site, tables, now, changes: Vec::new(), report: Report::default() }
    }

    /// The changes, to be committed in one transaction, and the report.
    pub fn finish(self) -> (Vec<Change>, Report) {
        (self.changes, self.report)
    }

    fn commit(&mut self, change: Change) {
        self.tables.apply(self.site, &change);
        self.changes.push(change);
    }

    /// The machine known by these, if there is one.
    fn resolve(&self, mac: Option<Mac>, serial: Option<&Serial>) -> Result<Option<MachineId>, Objection> {
        let machines = &self.tables.machines;
        let by_mac = mac.and_then(|mac| machines.by_mac(mac));
        let by_serial = serial.and_then(|serial| machines.by_serial(serial));
        if let (Some(known), Some(serial)) = (by_mac, serial) {
            let same = known.serial.as_ref().is_none_or(|own| own.same_board(serial));
            if !same || by_serial.is_some_and(|other| other.id != known.id) {
                let label = known.label();
                let reason = format!("the MAC is the one of machine {label}, and serial {serial} is another board");
                return Err(("serial_number", reason));
            }
        }
        Ok(by_mac.or(by_serial).map(|machine| machine.id))
    }

    /// The machine known by these, or a new one, first seen at that time. Contradictions were refused by
    /// [`Adoption::resolve`].
    fn remember(
        &mut self,
        known: Option<MachineId>,
        mac: Option<Mac>,
        serial: Option<Serial>,
        seen: Timestamp,
    ) -> MachineId {
        let evidence = Evidence { mac, serial, ..Evidence::default() };
        let machine = match known.and_then(|id| self.tables.machines.get(id)).cloned() {
            Some(mut machine) => machine.learn(&evidence).then_some(machine),
            None => Some(Machine::new(self.tables.machines.next_id(), &evidence, seen)),
        };
        let id = machine.as_ref().map(|machine| machine.id).or(known).expect("it is known, or it is new");
        if let Some(machine) = machine {
            self.commit(Change::Machine(machine));
        }
        id
    }
}

#[cfg(test)]
mod tests;
