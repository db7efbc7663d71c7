//! The journal in memory: rows by key, whole transactions, and faults on demand.
//!
//! Keeps what a database would keep: of each machine, address, name … the last row. What it was told to break, it
//! breaks silently; finding out is the business of the promises.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::fleet::Change;
use crate::ids::{BatchId, DeploymentId, Hostname, MachineId, ProductName, VenueCode};
use crate::lease::Lease;
use crate::machine::Machine;
use crate::naming::Name;

/// A defect that the promises must notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The store says that the transaction of this number is on disk, and it is not.
    LosesTransaction(u64),
    /// Every restart begins with an empty journal.
    ForgetsAtRestart,
}

/// What becomes of certain transactions, counted from the first one that a machine brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// They fail, and nothing of them is kept.
    Fails {
        /// The first of them.
        from: u64,
        /// The first one after them.
        until: u64,
    },
    /// The server dies before this one is on disk.
    DiesBefore(u64),
    /// The server dies when this one is on disk, before anybody is answered.
    DiesAfter(u64),
}

/// What becomes of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    Failed,
    Unbegun,
    Unanswered,
}

/// The rows.
#[derive(Debug, Default)]
pub(super) struct Store {
    rows: BTreeMap<Key, Change>,
    transactions: u64,
    /// Transactions that were begun since machines are there.
    pub begun: u64,
    sabotage: Option<Sabotage>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Venue(VenueCode),
    Forgotten(MachineId),
    Machine(MachineId),
    Batch(BatchId),
    Name(Hostname),
    Lease(Ipv4Addr),
    Deployment(DeploymentId),
    Measured(String),
    Edition(ProductName, String),
}

impl Store {
    pub fn new(sabotage: Option<Sabotage>) -> Store {
        Store { sabotage, ..Store::default() }
    }

    /// Begins the next transaction.
    pub fn begin(&mut self, fault: Option<StoreFault>) -> Fate {
        self.begun += 1;
        match fault {
            Some(StoreFault::Fails { from, until }) if (from..until).contains(&self.begun) => Fate::Failed,
            Some(StoreFault::DiesBefore(number)) if number == self.begun => Fate::Unbegun,
            Some(StoreFault::DiesAfter(number)) if number == self.begun => Fate::Unanswered,
            _ => Fate::Kept,
        }
    }

    /// Writes one transaction.
    pub fn commit<'a>(&mut self, changes: impl Iterator<Item = &'a Change>) {
        self.transactions += 1;
        if self.sabotage == Some(Sabotage::LosesTransaction(self.transactions)) {
            return;
        }
        for change in changes {
            self.write(change);
        }
    }

    /// The rows, each as the change that would make it.
    pub fn rows(&self) -> Vec<Change> {
        self.rows.values().cloned().collect()
    }

    /// The server starts again.
    pub fn reopen(&mut self) {
        if self.sabotage == Some(Sabotage::ForgetsAtRestart) {
            self.rows.clear();
        }
    }

    pub fn lease(&self, address: Ipv4Addr) -> Option<&Lease> {
        match self.rows.get(&Key::Lease(address)) {
            Some(Change::Lease(lease)) => Some(lease),
            _ => None,
        }
    }

    pub fn name(&self, hostname: &Hostname) -> Option<&Name> {
        match self.rows.get(&Key::Name(hostname.clone())) {
            Some(Change::Name(name)) => Some(name),
            _ => None,
        }
    }

    pub fn machine(&self, id: MachineId) -> Option<&Machine> {
        match self.rows.get(&Key::Machine(id)) {
            Some(Change::Machine(machine)) => Some(machine),
            _ => None,
        }
    }

    fn write(&mut self, change: &Change) {
        let key = match change {
            Change::Machine(machine) => Key::Machine(machine.id),
            Change::StageEntered { machine, stage, at } => {
                if let Some(Change::Machine(row)) = self.rows.get_mut(&Key::Machine(*machine)) {
                    row.stage = stage.clone();
                    row.stage_since = *at;
                }
                return;
            }
            Change::MachineForgotten(id) => {
                self.rows.remove(&Key::Machine(*id));
                self.rows.retain(|_, row| !matches!(row, Change::Lease(lease) if lease.machine == Some(*id)));
                Key::Forgotten(*id)
            }
            Change::Lease(lease) => Key::Lease(lease.address),
            Change::LeaseFreed(address) => {
                self.rows.remove(&Key::Lease(*address));
                return;
            }
            Change::Name(name) => Key::Name(name.hostname.clone()),
            Change::Batch(batch) => Key::Batch(batch.id),
            Change::Venue(venue) => Key::Venue(venue.code.clone()),
            Change::VenueRemoved(code) => {
                self.rows.remove(&Key::Venue(code.clone()));
                return;
            }
            Change::Deployment(deployment) => Key::Deployment(deployment.id),
            // For people, in a journal that is read by them.
            Change::Logged { .. } | Change::Audited(_) => return,
            Change::ImageForgotten { product, file } => {
                self.rows.remove(&Key::Edition(product.clone(), file.clone()));
                if !self.rows.values().any(|row| matches!(row, Change::Edition(other) if other.file == *file)) {
                    self.rows.remove(&Key::Measured(file.clone()));
                }
                return;
            }
            Change::Edition(edition) => Key::Edition(edition.product.clone(), edition.file.clone()),
            Change::Measured(measured) => Key::Measured(measured.image.file.clone()),
        };
        self.rows.insert(key, change.clone());
    }
}
