//! The fleet: every machine, lease, name and batch, and the one function through which they change.
//!
//! [`Fleet::handle`] takes an event and returns actions; it reads no clock and does no I/O. The contract with the shell:
//!
//! - Actions are carried out in order, and no [`Action::Send`] or [`Action::Tell`] before the [`Action::Commit`]s in front
//!   of it are on disk. If a commit fails, the actions behind it are dropped and the fleet is loaded anew from the journal.
//! - `handle` is bounded: no event of the network makes it look at every machine.
//! - The same events give the same actions, and a repeated event a repeated answer.
//! - Loading the tables gives the same fleet as replaying the changes.

pub mod adopt;
mod asking;
pub mod audit;
mod conflict;
mod proxy;
pub mod tally;
pub mod trail;
pub mod board;
pub mod boot;
pub mod check;
pub mod command;
pub mod configure;
pub mod contract;
pub mod report;
pub mod tables;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;

use crate::access::Actor;
use crate::boot::pipeline::{self, Milestone};
use crate::boot::{BootPlan, Question, View};
use crate::catalog::{Catalog, ImageState};
use crate::ids::{MachineId, TransferId};
use crate::lease::strangers::Arrivals;
use crate::lease::{ClientKey, Lease, LeaseState};
use crate::machine::firmware::Firmware;
use crate::machine::stage::Stage;
use crate::machine::{Evidence, Machine, Order};
use crate::naming::Product;
use crate::net::LinkId;
use crate::refusal::Refusal;
use crate::site::{Identifiers, Link, Reservation, Site};
use crate::time::{Now, Timestamp};
use crate::transfer::{Outcome, Via};
pub use contract::{
    Action, Change, Configuration, Deployment, Event, ImageRow, Measured, NameRow, Notice, ProductRow, Told, VenueRow,
};
pub use tables::{Rows, Tables};

/// How many leases or silent machines one [`Event::Deadline`] deals with; the rest have their turn in the next.
const DEADLINE_MAX: usize = 64;

/// Every machine and what belongs to it, with the rules applied.
#[derive(Debug)]
pub struct Fleet {
    site: Arc<Site>,
    products: Vec<Product>,
    catalog: Catalog,
    tables: Tables,
    transfers: BTreeMap<TransferId, Transfer>,
    heard_on: BTreeMap<MachineId, Heard>,
    silence: Silence,
    arrivals: Arrivals,
}

/// How a machine spoke when it was last given an address.
#[derive(Clone, Debug)]
struct Heard {
    link: LinkId,
    classes: Vec<String>,
    /// The transaction ids of its last REQUESTs.
    xids: Vec<u32>,
}

impl Heard {
    /// Firmware, a boot loader and an installer ask after one another.
    const XIDS_MAX: usize = 4;
}

#[derive(Clone, Debug)]
struct Transfer {
    machine: Option<MachineId>,
    name: Arc<str>,
    via: Via,
    size: u64,
}

/// When each running machine will have been silent for too long.
#[derive(Debug, Default)]
struct Silence {
    by_machine: BTreeMap<MachineId, Timestamp>,
    by_time: BTreeSet<(Timestamp, MachineId)>,
}

impl Silence {
    fn disarm(&mut self, machine: MachineId) {
        if let Some(deadline) = self.by_machine.remove(&machine) {
            self.by_time.remove(&(deadline, machine));
        }
    }

    fn arm(&mut self, machine: MachineId, deadline: Timestamp) {
        self.disarm(machine);
        self.by_machine.insert(machine, deadline);
        self.by_time.insert((deadline, machine));
    }
}

/// The actions of one event, in order.
#[derive(Debug, Default)]
struct Outbox {
    actions: Vec<Action>,
    /// What an operator's operation did so far; `None` while nobody's operation is under way.
    audited: Option<Vec<audit::Line>>,
}

impl Outbox {
    fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Writes down what an operation did that is no change of the fleet.
    fn record(&mut self, subject: String, details: String) {
        if let Some(lines) = &mut self.audited {
            lines.push(audit::Line { subject, details });
        }
    }

    fn publish(&mut self, notice: Notice) {
        self.push(Action::Publish(notice));
    }

    fn refused(&mut self, what: &'static str, who: impl ToString, refusal: Refusal) {
        self.publish(Notice::Refused { what, who: who.to_string(), refusal });
    }
}

impl Fleet {
    /// The fleet of a journal: `rows` are what the store holds.
    pub fn load(site: Arc<Site>, catalog: Catalog, products: Vec<Product>, rows: impl Into<Rows>, now: Now) -> Fleet {
        let tables = Tables::load(&site, &products, rows.into());
        Fleet::new(site, catalog, products, tables, now)
    }

    /// The fleet whose journal makes these tables.
    pub fn new(site: Arc<Site>, catalog: Catalog, products: Vec<Product>, tables: Tables, now: Now) -> Fleet {
        let mut fleet = Fleet {
            tables,
            site,
            products,
            catalog,
            transfers: BTreeMap::new(),
            heard_on: BTreeMap::new(),
            silence: Silence::default(),
            arrivals: Arrivals::default(),
        };
        fleet.listen_anew(now);
        fleet
    }

    /// Forgets everything that is not in the journal, after a commit failed. What is known of images stays: it was
    /// read from disk, not promised to anyone.
    pub fn reload(&mut self, rows: impl Into<Rows>, now: Now) {
        self.tables = Tables::load(&self.site, &self.products, rows.into());
        self.listen_anew(now);
    }

    /// From now on each running machine may be silent for as long as any.
    fn listen_anew(&mut self, now: Now) {
        self.silence = Silence::default();
        let limit = self.site.silence_limit;
        for machine in self.tables.machines.iter().filter(|machine| machine.stage.is_running()) {
            self.silence.arm(machine.id, now.timestamp + limit);
        }
    }

    /// What the fleet remembers.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// This place.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// What there is to boot.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The ids of all machines.
    pub fn ids(&self) -> Range<MachineId> {
        MachineId::default()..self.tables.machines.next_id()
    }

    /// What readers see of the machines whose ids are in the range.
    pub fn views(&self, ids: Range<MachineId>) -> impl Iterator<Item = Arc<View>> {
        self.tables.machines.range(ids).map(|machine| self.view(machine))
    }

    /// What else a reader must know to begin with: the configuration, and a notice for every bound or declined address,
    /// known image and transfer under way.
    pub fn notices(&self) -> impl Iterator<Item = Notice> {
        let held = |lease: &&Lease| matches!(lease.state, LeaseState::Bound | LeaseState::Declined);
        let held = self.tables.leases.iter().filter(held);
        let images = self.catalog.images();
        let images = images.map(|(product, state)| Notice::Image { product: product.clone(), state: state.clone() });
        let transfers = self.transfers.iter().map(|(id, Transfer { machine, name, via, size })| Notice::Transfer {
            transfer: *id,
            machine: *machine,
            name: name.clone(),
            via: *via,
            sent: 0,
            size: *size,
            outcome: None,
        });
        // The configuration first: what follows is seen in its light.
        let configured = [self.configured(), self.image_files()];
        let leases = held.cloned().map(Notice::Lease);
        configured.into_iter().chain(leases).chain(images).chain(transfers)
    }

    /// Does what `event` asks for.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut out = Outbox::default();
        match event {
            Event::Dhcp { link, port, bytes } => self.on_dhcp(link, port, &bytes, now, &mut out),
            Event::BootServer { link, from, bytes } => self.on_boot_server(link, from, &bytes, now, &mut out),
            Event::FetchStarted { transfer, address, name, size, via } => {
                self.on_fetch_started(transfer, address, &name, size, via, now, &mut out)
            }
            Event::FetchProgress { transfer, sent } => self.on_fetch(transfer, sent, None, now, &mut out),
            Event::Fetched { transfer, sent, outcome } => self.on_fetch(transfer, sent, Some(outcome), now, &mut out),
            Event::Report { address, mac, serial, reinstalls, report, reply_to } => {
                let evidence = Evidence { mac, serial, ..Evidence::default() };
                let result = match self.is_broken_off(address, &evidence, reinstalls) {
                    true => Ok(self.on_late_report(address, report, &mut out)),
                    false => self.on_report(address, &evidence, report, now, &mut out),
                };
                out.push(Action::Tell { reply_to, result });
            }
            Event::Command { command, by, reply_to } => {
                let operation = command.word();
                let result =
                    self.audited(operation, by, now, &mut out, |fleet, out| fleet.on_command(command, now, out));
                out.push(Action::Tell { reply_to, result });
            }
            Event::Configure { configuration, reply_to } => {
                let by = Actor::configuration();
                let result =
                    self.audited("reload", by, now, &mut out, |fleet, out| fleet.reconfigure(*configuration, now, out));
                out.push(Action::Tell { reply_to, result });
            }
            Event::Image { product, state, measured } => {
                if let Some(measured) = measured {
                    self.commit(&mut out, Change::Measured(measured));
                }
                // News of a file that is not the product's image, or no longer.
                let other = matches!(&state, ImageState::Ready(image)
                    if self.image_file(&product).is_some_and(|file| file != image.file));
                if !other {
                    self.set_image(product, state, &mut out);
                }
            }
            Event::Conflict { address, mac } => self.on_conflict(address, mac, now, &mut out),
            Event::Deadline => self.on_deadline(now, &mut out),
        }
        out.actions
    }

    /// When [`Event::Deadline`] is due, on the wall clock.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let silence = self.silence.by_time.first().map(|(deadline, _)| *deadline);
        [self.tables.leases.next_expiry(), silence].into_iter().flatten().min()
    }

    fn commit(&mut self, out: &mut Outbox, change: Change) {
        if let Some(lines) = &mut out.audited {
            lines.extend(audit::line(&self.tables, &change));
        }
        self.tables.apply(&self.site, &change);
        out.push(Action::Commit(change));
    }

    /// Carries out an operation, and writes down beside its changes who asked for it.
    fn audited<T>(
        &mut self,
        operation: &str,
        by: Actor,
        now: Now,
        out: &mut Outbox,
        carry_out: impl FnOnce(&mut Fleet, &mut Outbox) -> T,
    ) -> T {
        out.audited = Some(Vec::new());
        let result = carry_out(self, out);
        let lines = out.audited.take().unwrap_or_default();
        if let Some((subject, details)) = audit::summary(&lines) {
            let operation = operation.to_owned();
            self.commit(out, Change::Audited(audit::Entry { at: now.timestamp, by, operation, subject, details }));
        }
        result
    }

    /// Binds, declines or releases an address: journal and readers alike. A client identifier may move to another
    /// machine and take its address along.
    fn commit_lease(&mut self, out: &mut Outbox, lease: Lease) {
        let holder = self.tables.leases.holder(lease.address).filter(|holder| lease.machine != Some(*holder));
        self.commit(out, Change::Lease(lease.clone()));
        out.publish(Notice::Lease(lease));
        if let Some(id) = holder {
            self.publish_machine(id, out);
        }
    }

    /// The machine that `evidence` is about, made if there is none. `firmware` and other facts are learnt.
    fn machine(&mut self, evidence: &Evidence, holder: Option<MachineId>, now: Now, out: &mut Outbox) -> MachineId {
        let known = self.tables.machines.resolve(evidence, holder).and_then(|id| self.tables.machines.get(id)).cloned();
        let (machine, changed) = match known {
            Some(mut machine) => {
                let changed = machine.learn(&self.tables.machines.believable(evidence, machine.id));
                (machine, changed)
            }
            None => {
                let id = self.tables.machines.next_id();
                (Machine::new(id, &self.tables.machines.believable(evidence, id), now.timestamp), true)
            }
        };
        let id = machine.id;
        if changed {
            self.commit(out, Change::Machine(machine));
        }
        id
    }

    fn view(&self, machine: &Machine) -> Arc<View> {
        let address = self.tables.leases.of_machine(machine.id);
        let heard = self.heard_on.get(&machine.id);
        let known_link = heard.map(|heard| heard.link);
        let link_id = known_link.or(address.and_then(|address| self.site.link_of(address)).map(|(id, _)| id));
        let link_id = link_id.unwrap_or(LinkId(0));
        let link = &self.site.links[usize::from(link_id.0)];
        // Only reservations are found by the client.
        let any = self.site.segment(link_id).any(|(_, link)| !link.reservations.is_empty());
        let lease = address.filter(|_| any).and_then(|address| self.tables.leases.by_address(address));
        let client_id = match lease.map(|lease| &lease.client) {
            Some(ClientKey::Id(id)) => Some(&id.0[..]),
            _ => None,
        };
        let identifiers = Identifiers { mac: machine.mac, client_id, uuid: machine.uuid, circuit_id: None };
        // A reservation by circuit is found by the address that it gave.
        let of_address = |each: &&Reservation| each.address.is_some() && each.address == address;
        let reservation = self.site.reservation(link_id, &identifiers);
        let reservation = reservation.or_else(|| link.reservations.iter().find(of_address));
        let classes = heard.map(|heard| heard.classes.as_slice()).unwrap_or_default();
        let plan = self.plan(machine, machine.firmware, link, reservation, classes);
        let name = self.tables.naming.of_machine(machine.id).cloned();
        Arc::new(View { machine: machine.clone(), name, address, link: link_id, plan })
    }

    /// What the machine gets when it asks as `firmware`.
    fn plan(
        &self,
        machine: &Machine,
        firmware: Firmware,
        link: &Link,
        reservation: Option<&Reservation>,
        classes: &[String],
    ) -> BootPlan {
        let profile = crate::boot::profile(&self.catalog, firmware, reservation, classes);
        let named = self.is_named(machine, reservation, profile.map(Arc::as_ref));
        let (site, catalog) = (&*self.site, &self.catalog);
        crate::boot::plan(&Question { machine, named, firmware, link, reservation, classes, site, catalog })
    }

    fn publish_machine(&self, id: MachineId, out: &mut Outbox) {
        if let Some(machine) = self.tables.machines.get(id) {
            out.publish(Notice::Machine(self.view(machine)));
        }
    }

    /// A sign of life: moves the machine on if the milestone does, and starts its silence anew.
    fn reached(&mut self, id: MachineId, milestone: &Milestone, now: Now, out: &mut Outbox) {
        let Some(machine) = self.tables.machines.get(id) else { return };
        // Whose profile sends it to its disk is not on the way to being installed. A plain client's address moves nothing,
        // whatever the order is.
        let moves = !matches!(milestone, Milestone::Bound(firmware) if !firmware.netboots());
        let next = moves.then(|| pipeline::next(&machine.stage, self.view(machine).plan.order, milestone)).flatten();
        if let Some(to) = next {
            let from = machine.stage.clone();
            if to == Stage::Address
                && let Some(open) = self.tables.open.get(&id)
            {
                let cause = format!("interrupted in '{}': the machine started again", open.status);
                self.close_deployment(id, cause, now, out);
            }
            self.enter_stage(id, from, to, now, out);
        }
        self.heard(id, now);
    }

    fn enter_stage(&mut self, id: MachineId, from: Stage, to: Stage, now: Now, out: &mut Outbox) {
        self.commit(out, Change::StageEntered { machine: id, stage: to.clone(), at: now.timestamp });
        let order = match (&to, self.tables.machines.get(id).map(|machine| machine.order)) {
            (Stage::Done, _) => Some(Order::Disk),
            // What the operator asked for was tried: its profile says what becomes of a failure.
            (Stage::Failed(_), Some(Order::Reinstall)) => Some(Order::Install),
            _ => None,
        };
        if let (Some(order), Some(machine)) = (order, self.tables.machines.get(id)) {
            let machine = Machine { order, ..machine.clone() };
            self.commit(out, Change::Machine(machine));
        }
        let Some(machine) = self.tables.machines.get(id) else { return };
        let label = self.view(machine).label();
        // The machine first: readers of the news may not know it yet.
        self.publish_machine(id, out);
        out.publish(Notice::Stage { machine: id, label, from, to });
    }

    fn heard(&mut self, id: MachineId, now: Now) {
        match self.tables.machines.get(id) {
            Some(machine) if machine.stage.is_running() => {
                self.silence.arm(id, now.timestamp + self.site.silence_limit)
            }
            _ => self.silence.disarm(id),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one event")]
    fn on_fetch_started(
        &mut self,
        transfer: TransferId,
        address: Ipv4Addr,
        name: &str,
        size: u64,
        via: Via,
        now: Now,
        out: &mut Outbox,
    ) {
        let machine = self.tables.leases.holder(address);
        let name: Arc<str> = name.into();
        self.transfers.insert(transfer, Transfer { machine, name: name.clone(), via, size });
        out.publish(Notice::Transfer { transfer, machine, name: name.clone(), via, sent: 0, size, outcome: None });
        if let Some(id) = machine {
            let image = name.trim_start_matches('/').starts_with("images/");
            self.reached(id, if image { &Milestone::Image } else { &Milestone::BootFile }, now, out);
        }
    }

    fn on_fetch(&mut self, transfer: TransferId, sent: u64, outcome: Option<Outcome>, now: Now, out: &mut Outbox) {
        let Some(Transfer { machine, name, via, size }) = self.transfers.get(&transfer).cloned() else { return };
        if outcome.is_some() {
            self.transfers.remove(&transfer);
        }
        out.publish(Notice::Transfer { transfer, machine, name, via, sent, size, outcome });
        if let Some(id) = machine {
            self.heard(id, now);
        }
    }

    fn on_deadline(&mut self, now: Now, out: &mut Outbox) {
        for _ in 0..DEADLINE_MAX {
            let Some(lease) = self.tables.leases.expired(now.timestamp).cloned() else { break };
            self.expire(lease, now, out);
        }
        for _ in 0..DEADLINE_MAX {
            let Some((deadline, id)) = self.silence.by_time.first().copied() else { break };
            if deadline > now.timestamp {
                break;
            }
            self.silence.disarm(id);
            self.reached(id, &Milestone::Silent(self.site.silence_limit.as_secs()), now, out);
            self.fail_deployment(id, now, out);
        }
    }

    /// An offer nobody took vanishes; a lease that ran out is remembered for its client; a declined address returns.
    fn expire(&mut self, lease: Lease, now: Now, out: &mut Outbox) {
        match lease.state {
            LeaseState::Offered => self.tables.leases.withdraw(&self.site, lease.address),
            LeaseState::Bound => {
                let machine = lease.machine;
                self.commit_lease(out, Lease { state: LeaseState::Released, expires: now.timestamp, ..lease });
                if let Some(id) = machine {
                    self.publish_machine(id, out);
                }
            }
            LeaseState::Declined | LeaseState::Released => {
                self.commit(out, Change::LeaseFreed(lease.address));
                out.publish(Notice::Freed(lease.address));
            }
        }
    }
}

#[cfg(test)]
mod tests;
