//! What an operator asks for. The command line, the API and the pages all come through here.

use std::net::Ipv4Addr;

use super::{Change, Fleet, Outbox, Told};
use crate::boot::pipeline::{self, Milestone};
use crate::ids::{BatchId, Hostname, MachineId, ProductName, Serial, VenueCode};
use crate::machine::{Machine, Order};
use crate::naming::{Batch, BatchState, NameState, Scheme, Venue};
use crate::net::Mac;
use crate::refusal::Refusal;
use crate::time::Now;

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The venues and name pools of the configuration: what is new is added, nothing is taken away.
    Declare {
        /// Each venue with its pools.
        venues: Vec<Declaration>,
    },
    /// Let a machine install at its next network boot, whatever it was.
    Reinstall(Selector),
    /// Let a machine get an address and nothing else.
    Hold(Selector),
    /// Order units.
    BatchCreate {
        /// For where.
        venue: String,
        /// What.
        product: String,
        /// How many.
        total: i64,
        /// Higher goes first.
        priority: i64,
    },
    /// Let a batch give names.
    BatchStart(BatchId),
    /// Hold a batch back.
    BatchPause(BatchId),
    /// Say how the batches stand.
    BatchList,
}

/// A venue and the numbers of its name pools, as the configuration states them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The venue.
    pub venue: Venue,
    /// The numbers of each pooled product.
    pub pools: Vec<(ProductName, Vec<u32>)>,
}

/// How an operator names a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// By hardware address.
    Mac(Mac),
    /// By the address it holds.
    Address(Ipv4Addr),
    /// By its serial, in short or long form.
    Serial(Serial),
    /// By its name.
    Hostname(Hostname),
}

impl Selector {
    /// Reads whatever an operator would type: a MAC in any spelling, an address, a name, else a serial.
    pub fn parse(text: &str) -> Option<Selector> {
        let text = text.trim();
        if let Some(mac) = Mac::parse(text) {
            return Some(Selector::Mac(mac));
        }
        if let Ok(address) = text.parse() {
            return Some(Selector::Address(address));
        }
        let hex = matches!(text.len(), 8 | 16) && text.bytes().all(|b| b.is_ascii_hexdigit());
        match Hostname::parse(text).filter(|_| !hex) {
            Some(hostname) => Some(Selector::Hostname(hostname)),
            None => Serial::parse(text).map(Selector::Serial),
        }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Selector::Mac(mac) => write!(f, "{mac}"),
            Selector::Address(address) => write!(f, "{address}"),
            Selector::Serial(serial) => write!(f, "serial {serial}"),
            Selector::Hostname(hostname) => write!(f, "{hostname}"),
        }
    }
}

impl Fleet {
    pub(super) fn on_command(&mut self, command: Command, now: Now, out: &mut Outbox) -> Result<Told, Refusal> {
        match command {
            Command::Declare { venues } => self.declare(venues, out),
            Command::Reinstall(selector) => {
                let id = self.select(&selector)?;
                self.set_order(id, Order::Install, out);
                let machine = self.tables.machines.get(id).expect("it was just selected");
                let from = machine.stage.clone();
                if let Some(to) = pipeline::next(&from, machine.order, &Milestone::Reinstall) {
                    self.enter_stage(id, from, to, now, out);
                }
                self.heard(id, now);
                Ok(Told::Done(format!("{selector} will be installed at its next network boot")))
            }
            Command::Hold(selector) => {
                let id = self.select(&selector)?;
                self.set_order(id, Order::Hold, out);
                Ok(Told::Done(format!("{selector} is held: it gets an address and nothing to boot")))
            }
            Command::BatchCreate { venue, product, total, priority } => {
                self.create_batch(&venue, &product, total, priority, now, out).map(Told::Batch)
            }
            Command::BatchStart(id) => self.start_batch(id, now, out).map(Told::Batch),
            Command::BatchPause(id) => self.pause_batch(id, out).map(Told::Batch),
            Command::BatchList => Ok(Told::Batches(self.tables.naming.batches().cloned().collect())),
        }
    }

    fn select(&self, selector: &Selector) -> Result<MachineId, Refusal> {
        let tables = &self.tables;
        let found = match selector {
            Selector::Mac(mac) => tables.machines.by_mac(*mac).map(|machine| machine.id),
            Selector::Serial(serial) => tables.machines.by_serial(serial).map(|machine| machine.id),
            Selector::Address(address) => tables.leases.holder(*address),
            Selector::Hostname(hostname) => match tables.naming.name(hostname).map(|name| name.state) {
                Some(NameState::Assigned(machine)) => Some(machine),
                _ => None,
            },
        };
        found.ok_or_else(|| Refusal::NotFound(format!("No machine is known by {selector}")))
    }

    fn set_order(&mut self, id: MachineId, order: Order, out: &mut Outbox) {
        let machine = self.tables.machines.get(id).expect("it was just selected");
        if machine.order != order {
            let machine = Machine { order, ..machine.clone() };
            self.commit(out, Change::Machine(machine));
        }
        self.publish_machine(id, out);
    }

    fn declare(&mut self, venues: Vec<Declaration>, out: &mut Outbox) -> Result<Told, Refusal> {
        let mut added = 0;
        for Declaration { venue, pools } in venues {
            let code = venue.code.clone();
            if self.tables.naming.venue(&code) != Some(&venue) {
                self.commit(out, Change::Venue(venue));
            }
            for (product, numbers) in pools {
                for number in numbers {
                    let name = self.tables.naming.pooled_name(&product, &code, number)?;
                    if self.tables.naming.name(&name.hostname).is_none() {
                        self.commit(out, Change::Name(name));
                        added += 1;
                    }
                }
            }
        }
        Ok(Told::Done(format!("{added} names added")))
    }

    fn create_batch(
        &mut self,
        venue: &str,
        product: &str,
        total: i64,
        priority: i64,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Batch, Refusal> {
        let product = self.known_product(product)?;
        let naming = &self.tables.naming;
        let known = VenueCode::parse(venue).filter(|code| naming.venue(code).is_some());
        let venue = known.ok_or_else(|| Refusal::Invalid(format!("Venue not found: {venue}")))?;
        let count = u64::try_from(total).ok().filter(|count| *count > 0);
        let total = count.ok_or_else(|| Refusal::Invalid(format!("total_count must be > 0, got {total}")))?;
        let pooled = matches!(naming.product(&product).map(|product| product.scheme), Some(Scheme::Pooled { .. }));
        let available = naming.available(&product, &venue);
        if pooled && available < total {
            return Err(Refusal::TooFewNames { product, venue, requested: total, available });
        }
        let batch = Batch {
            id: naming.next_batch_id(),
            product,
            venue,
            total,
            remaining: total,
            priority,
            state: BatchState::Pending,
            created_at: now.timestamp,
            started_at: None,
            completed_at: None,
        };
        self.commit(out, Change::Batch(batch.clone()));
        Ok(batch)
    }

    fn batch(&self, id: BatchId) -> Result<Batch, Refusal> {
        self.tables.naming.batch(id).cloned().ok_or_else(|| Refusal::NotFound("Batch not found".into()))
    }

    fn start_batch(&mut self, id: BatchId, now: Now, out: &mut Outbox) -> Result<Batch, Refusal> {
        let batch = self.batch(id)?;
        match batch.state {
            BatchState::Completed | BatchState::Cancelled => {
                return Err(Refusal::Invalid(format!("Cannot start {} batch {id}", batch.state.word())));
            }
            BatchState::Active => return Ok(batch),
            BatchState::Pending | BatchState::Paused => {}
        }
        let started_at = batch.started_at.or(Some(now.timestamp));
        let batch = Batch { state: BatchState::Active, started_at, ..batch };
        self.commit(out, Change::Batch(batch.clone()));
        Ok(batch)
    }

    fn pause_batch(&mut self, id: BatchId, out: &mut Outbox) -> Result<Batch, Refusal> {
        let batch = self.batch(id)?;
        if batch.state != BatchState::Active {
            let state = batch.state.word();
            return Err(Refusal::Invalid(format!("Batch {id} must be active to pause (current status: {state})")));
        }
        let batch = Batch { state: BatchState::Paused, ..batch };
        self.commit(out, Change::Batch(batch.clone()));
        Ok(batch)
    }
}
