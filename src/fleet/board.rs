//! What readers see: the fleet as of the last notice, without asking the fleet.
//!
//! A fold over [`Notice`]s. The file-serving shells, the API and the CLI read it; nothing here decides anything.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::Notice;
use super::report::Progress;
use super::tally::Tally;
use super::trail::{Trail, Trails};
use crate::boot::{Facts, View};
use crate::catalog::{Catalog, ImageFiles};
use crate::ids::{MachineId, TransferId};
use crate::lease::{Lease, LeaseState};
use crate::machine::stage::Stage;
use crate::net::Mac;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::time::Timestamp;
use crate::transfer::Via;

/// Every machine, lease, and transfer under way.
#[derive(Clone, Debug)]
pub struct Board {
    site: Arc<Site>,
    catalog: Catalog,
    image_files: Arc<ImageFiles>,
    machines: BTreeMap<MachineId, Arc<View>>,
    leases: BTreeMap<Ipv4Addr, Lease>,
    transfers: BTreeMap<TransferId, Running>,
    progress: BTreeMap<MachineId, Progress>,
    refusals: BTreeMap<&'static str, u64>,
    /// Refused because a limit was reached, by the limit.
    shed: BTreeMap<&'static str, u64>,
    conflicts: BTreeMap<Ipv4Addr, Mac>,
    trails: Trails,
    tally: Tally,
    revision: u64,
}

/// A transfer under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Which.
    pub transfer: TransferId,
    /// The machine it goes to, if its address is known.
    pub machine: Option<MachineId>,
    /// The name asked for.
    pub name: Arc<str>,
    /// The protocol.
    pub via: Via,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes in all.
    pub size: u64,
}

impl Board {
    /// A board on which nothing has happened yet.
    pub fn new(site: Arc<Site>, catalog: Catalog) -> Board {
        Board {
            site,
            catalog,
            image_files: Arc::default(),
            machines: BTreeMap::new(),
            leases: BTreeMap::new(),
            transfers: BTreeMap::new(),
            progress: BTreeMap::new(),
            refusals: BTreeMap::new(),
            shed: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            trails: Trails::default(),
            tally: Tally::default(),
            revision: 0,
        }
    }

    /// Starts over, with what the fleet knows after a reload: [`Fleet::views`](super::Fleet::views) of every machine, and
    /// [`Fleet::notices`](super::Fleet::notices).
    pub fn reset(&mut self, machines: impl IntoIterator<Item = Arc<View>>, notices: impl IntoIterator<Item = Notice>) {
        self.machines.clear();
        self.leases.clear();
        self.transfers.clear();
        self.progress.clear();
        self.conflicts.clear();
        let mut leases: Vec<(Ipv4Addr, Lease)> = Vec::new();
        for notice in notices {
            match notice {
                Notice::Lease(lease) => leases.push((lease.address, lease)),
                other => self.apply(&other),
            }
        }
        // All at once: one by one, tens of thousands take several times as long.
        self.machines = machines.into_iter().map(|view| (view.machine.id, view)).collect();
        self.trails.know_all(self.machines.values().filter_map(|view| Some((view.machine.id, view.machine.mac?))));
        self.leases = leases.into_iter().collect();
        self.revision += 1;
    }

    /// Takes note of what happened at `now`, and how often and how much.
    pub fn witness(&mut self, notice: &Notice, now: Timestamp) {
        let fresh = match notice {
            Notice::Transfer { transfer, sent, .. } => {
                sent.saturating_sub(self.transfers.get(transfer).map_or(0, |running| running.sent))
            }
            _ => 0,
        };
        let address = match notice {
            Notice::DhcpAnswered { address, .. } | Notice::Conflict { address, .. } => Some(*address),
            Notice::Refused { who, .. } => who.parse().ok(),
            _ => None,
        };
        let holder = address.and_then(|address| self.at(address)).map(|view| view.machine.id);
        self.tally.note(notice, fresh, now);
        self.trails.note(notice, holder, fresh, now);
        self.apply(notice);
    }

    /// Takes note, of what is so and not of when it came to be.
    pub fn apply(&mut self, notice: &Notice) {
        self.revision += 1;
        match notice {
            Notice::Machine(view) => {
                if let Some(mac) = view.machine.mac {
                    self.trails.know(view.machine.id, mac);
                }
                self.machines.insert(view.machine.id, view.clone());
            }
            Notice::Forgotten(id) => {
                self.machines.remove(id);
                self.progress.remove(id);
                self.trails.forget(*id);
            }
            Notice::Progress { machine, progress } => {
                self.progress.insert(*machine, progress.clone());
            }
            // What it said in one stage says nothing about the next.
            Notice::Stage { machine, .. } => {
                self.progress.remove(machine);
            }
            // What is bound or renewed is probed again, and what is wrong then is said again.
            Notice::Lease(lease) => {
                self.conflicts.remove(&lease.address);
                self.leases.insert(lease.address, lease.clone());
            }
            Notice::Freed(address) => {
                self.conflicts.remove(address);
                self.leases.remove(address);
            }
            Notice::Conflict { address, mac, .. } => {
                self.conflicts.insert(*address, *mac);
            }
            Notice::Transfer { transfer, outcome: Some(_), .. } => {
                self.transfers.remove(transfer);
            }
            Notice::Transfer { transfer, machine, name, via, sent, size, outcome: None } => {
                let running = Running {
                    transfer: *transfer,
                    machine: *machine,
                    name: name.clone(),
                    via: *via,
                    sent: *sent,
                    size: *size,
                };
                self.transfers.insert(*transfer, running);
            }
            Notice::Configured { site, catalog } => {
                self.site = site.clone();
                self.catalog = catalog.clone();
            }
            Notice::ImageFiles(files) => self.image_files = files.clone(),
            Notice::Image { product, state } => self.catalog.set_image(product.clone(), state.clone()),
            Notice::Refused { refusal, .. } => self.count(refusal),
            Notice::DhcpAnswered { .. } | Notice::Named { .. } | Notice::Reported { .. } => {}
        }
    }

    /// Counts what the journal remembers: a machine came to this stage then.
    pub fn remember(&mut self, stage: &Stage, at: Timestamp) {
        self.tally.ended(stage, at);
    }

    /// Counts a refusal; those that a shell makes by itself reach no notice.
    pub fn count(&mut self, refusal: &Refusal) {
        *self.refusals.entry(refusal.kind()).or_default() += 1;
        if let Refusal::Busy(limit) = refusal {
            *self.shed.entry(limit).or_default() += 1;
        }
    }

    /// The machine of that id.
    pub fn machine(&self, id: MachineId) -> Option<&Arc<View>> {
        self.machines.get(&id)
    }

    /// The machine to which an address is bound.
    pub fn at(&self, address: Ipv4Addr) -> Option<&Arc<View>> {
        let lease = self.leases.get(&address).filter(|lease| lease.state == LeaseState::Bound)?;
        self.machines.get(&lease.machine?)
    }

    /// What templates see for that machine.
    pub fn facts(&self, view: &View) -> Option<Facts> {
        view.facts(&self.site, &self.catalog)
    }

    /// This place.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// What there is to boot.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Which files are images of which products.
    pub fn image_files(&self) -> &Arc<ImageFiles> {
        &self.image_files
    }

    /// Every machine by id.
    pub fn machines(&self) -> impl Iterator<Item = &Arc<View>> {
        self.machines.values()
    }

    /// Every lease by address.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    /// The addresses that others than their holders were found to use, and the last of these others.
    pub fn conflicts(&self) -> impl Iterator<Item = (Ipv4Addr, Mac)> {
        self.conflicts.iter().map(|(address, mac)| (*address, *mac))
    }

    /// How often each kind of refusal was made.
    pub fn refusals(&self) -> &BTreeMap<&'static str, u64> {
        &self.refusals
    }

    /// How often something was refused because a limit was reached, by the limit.
    pub fn shed(&self) -> &BTreeMap<&'static str, u64> {
        &self.shed
    }

    /// How far the machine's installer says to be.
    pub fn progress(&self, machine: MachineId) -> Option<&Progress> {
        self.progress.get(&machine)
    }

    /// What the machine did and was given, since the process runs.
    pub fn trail(&self, machine: MachineId) -> Option<&Trail> {
        self.trails.of(machine)
    }

    /// What happened how often.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Another number whenever something has changed.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Every transfer under way.
    pub fn transfers(&self) -> impl Iterator<Item = &Running> {
        self.transfers.values()
    }
}
