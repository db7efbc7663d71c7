//! What the fleet remembers across restarts: the journal's rows, in memory and indexed.
//!
//! [`Tables::apply`] is the only way they change, for rows loaded at start and for changes made since, so both end in
//! the same tables.

use std::collections::BTreeMap;

use super::{Change, Deployment, Measured};
use crate::ids::{DeploymentId, MachineId};
use crate::lease::{ClientKey, Lease, Leases};
use crate::machine::{Machine, Machines};
use crate::naming::{Naming, Product};
use crate::site::{Identifiers, Reservation, Site};

/// Machines, leases, names, open deployments and measured images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Every machine.
    pub machines: Machines,
    /// Every lease; offers among them, which no journal holds.
    pub leases: Leases,
    /// Products, venues, names and batches.
    pub naming: Naming,
    /// The deployment under way of each machine.
    pub open: BTreeMap<MachineId, Deployment>,
    /// Images by file name, as they were when they were hashed.
    pub measured: BTreeMap<String, Measured>,
    last_deployment: u64,
}

impl Tables {
    /// Empty tables for this place and these products.
    pub fn new(site: &Site, products: &[Product]) -> Tables {
        Tables {
            machines: Machines::default(),
            leases: Leases::new(site),
            naming: Naming::new(products),
            open: BTreeMap::new(),
            measured: BTreeMap::new(),
            last_deployment: 0,
        }
    }

    /// Fits the tables to a changed place. Its links are the same; pools, reservations and products may differ.
    pub fn refit(&mut self, site: &Site, products: &[Product]) {
        let mut leases = Leases::new(site);
        let could_be_made = |offer: &&Lease| {
            let Some((_, link)) = site.link_of(offer.address) else { return false };
            let identifiers = match &offer.client {
                ClientKey::Mac(mac) => Identifiers { mac: Some(*mac), ..Identifiers::default() },
                ClientKey::Id(id) => Identifiers { client_id: Some(&id.0), ..Identifiers::default() },
            };
            let reserved = |each: &Reservation| each.address == Some(offer.address) && identifiers.has(&each.of);
            link.gives(offer.address) || link.reservations.iter().any(reserved)
        };
        for lease in self.leases.iter().chain(self.leases.offers().filter(could_be_made)) {
            leases.put(site, lease.clone());
        }
        self.leases = leases;
        self.naming.set_products(products);
    }

    /// The id of the next deployment.
    pub fn next_deployment_id(&self) -> DeploymentId {
        DeploymentId(self.last_deployment + 1)
    }

    /// Makes a change true.
    pub fn apply(&mut self, site: &Site, change: &Change) {
        match change {
            Change::Machine(machine) => self.machines.put(machine.clone()),
            Change::StageEntered { machine, stage, at } => {
                if let Some(known) = self.machines.get(*machine) {
                    let machine = Machine { stage: stage.clone(), stage_since: *at, ..known.clone() };
                    self.machines.put(machine);
                }
            }
            Change::MachineForgotten(id) => self.machines.forget(*id),
            Change::Lease(lease) => self.leases.put(site, lease.clone()),
            Change::LeaseFreed(address) => self.leases.remove(site, *address),
            Change::Name(name) => self.naming.put_name(name.clone()),
            Change::Batch(batch) => self.naming.put_batch(batch.clone()),
            Change::Venue(venue) => self.naming.put_venue(venue.clone()),
            Change::Deployment(deployment) => {
                self.last_deployment = self.last_deployment.max(deployment.id.0);
                if deployment.completed_at.is_some() {
                    self.open.remove(&deployment.machine);
                } else {
                    self.open.insert(deployment.machine, deployment.clone());
                }
            }
            Change::Measured(measured) => {
                self.measured.insert(measured.image.file.clone(), measured.clone());
            }
        }
    }
}
