//! What the fleet remembers across restarts: the journal's rows, in memory and indexed.
//!
//! [`Tables::apply`] is the only way they change, for rows loaded at start and for changes made since, so both end in
//! the same tables.

use std::collections::BTreeMap;

use super::{Change, Deployment, Measured};
use crate::catalog::Edition;
use crate::ids::{DeploymentId, MachineId, ProductName};
use crate::lease::{ClientKey, Lease, Leases};
use crate::machine::{Machine, Machines};
use crate::naming::{Naming, Product};
use crate::site::{Identifier, Reservation, Site};

/// What a journal holds: the machines by id, the leases in the order in which they were written, and each other row as
/// the change that would make it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Every machine.
    pub machines: Vec<Machine>,
    /// Every lease.
    pub leases: Vec<Lease>,
    /// All else.
    pub others: Vec<Change>,
}

impl FromIterator<Change> for Rows {
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Rows {
        let mut rows = Rows::default();
        for change in changes {
            match change {
                Change::Machine(machine) => rows.machines.push(machine),
                Change::Lease(lease) => rows.leases.push(lease),
                other => rows.others.push(other),
            }
        }
        rows
    }
}

impl From<Vec<Change>> for Rows {
    fn from(changes: Vec<Change>) -> Rows {
        changes.into_iter().collect()
    }
}

impl<const N: usize> From<[Change; N]> for Rows {
    fn from(changes: [Change; N]) -> Rows {
        changes.into_iter().collect()
    }
}

impl From<Rows> for Vec<Change> {
    fn from(rows: Rows) -> Vec<Change> {
        let machines = rows.machines.into_iter().map(Change::Machine);
        machines.chain(rows.leases.into_iter().map(Change::Lease)).chain(rows.others).collect()
    }
}

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
    /// The last deployment of each machine, over or not.
    pub latest: BTreeMap<MachineId, DeploymentId>,
    /// Images by file name, as they were when they were hashed.
    pub measured: BTreeMap<String, Measured>,
    /// The images of products by product and file.
    pub editions: BTreeMap<(ProductName, String), Edition>,
    last_deployment: u64,
}

impl Tables {
    /// Empty tables for this place and these products.
    pub fn new(site: &Site, products: &[Product]) -> Tables {
        Tables::load(site, products, Rows::default())
    }

    /// The tables of a journal: what [`Tables::apply`] would make of its rows one after the other, made at once.
    pub fn load(site: &Site, products: &[Product], rows: Rows) -> Tables {
        let (machines, leases) = (rows.machines.into_iter().collect(), Leases::load(site, rows.leases));
        Tables::join(site, products, machines, leases, &rows.others)
    }

    /// The same of machines and leases that are in order already.
    pub fn join(site: &Site, products: &[Product], machines: Machines, leases: Leases, others: &[Change]) -> Tables {
        let mut tables = Tables {
            machines,
            leases,
            naming: Naming::new(products),
            open: BTreeMap::new(),
            latest: BTreeMap::new(),
            measured: BTreeMap::new(),
            editions: BTreeMap::new(),
            last_deployment: 0,
        };
        for row in others {
            tables.apply(site, row);
        }
        tables
    }

    /// Fits the tables to a changed place. Its links are the same; pools, reservations and products may differ.
    pub fn refit(&mut self, site: &Site, products: &[Product]) {
        let mut leases = Leases::new(site);
        let could_be_made = |offer: &&Lease| {
            let Some((_, link)) = site.link_of(offer.address) else { return false };
            let own = |each: &&Reservation| match (&offer.client, &each.of) {
                (ClientKey::Mac(client), Identifier::Mac(mac)) => client == mac,
                _ => false,
            };
            let reserved = link.reservations.iter().find(own).and_then(|reservation| reservation.address);
            link.gives(offer.address) || reserved == Some(offer.address)
        };
        for lease in self.leases.iter().chain(self.leases.offers().filter(could_be_made)) {
            leases.put(site, lease.clone());
        }
        self.leases = leases;
        self.naming.set_products(products);
    }

    /// The image that the product's machines get, if an operator said so.
    pub fn active_edition(&self, product: &ProductName) -> Option<&Edition> {
        let of_product = |edition: &&Edition| edition.product == *product && edition.active_since.is_some();
        self.editions.values().find(of_product)
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
            Change::MachineForgotten(id) => {
                self.machines.forget(*id);
                self.latest.remove(id);
            }
            Change::Lease(lease) => self.leases.put(site, lease.clone()),
            Change::LeaseFreed(address) => self.leases.remove(site, *address),
            Change::Name(name) => self.naming.put_name(name.clone()),
            Change::Batch(batch) => self.naming.put_batch(batch.clone()),
            Change::Venue(venue) => self.naming.put_venue(venue.clone()),
            Change::VenueRemoved(code) => self.naming.remove_venue(code),
            Change::Deployment(deployment) => {
                self.last_deployment = self.last_deployment.max(deployment.id.0);
                // What was deployed to a machine that is forgotten stays on record, and counts for nothing.
                if self.machines.get(deployment.machine).is_some() {
                    let latest = self.latest.entry(deployment.machine).or_insert(deployment.id);
                    *latest = (*latest).max(deployment.id);
                }
                if deployment.completed_at.is_some() {
                    self.open.remove(&deployment.machine);
                } else {
                    self.open.insert(deployment.machine, deployment.clone());
                }
            }
            Change::Logged { .. } | Change::Audited(_) => {}
            Change::Edition(edition) => {
                self.editions.insert((edition.product.clone(), edition.file.clone()), edition.clone());
            }
            Change::ImageForgotten { product, file } => {
                self.editions.remove(&(product.clone(), file.clone()));
                if self.editions.keys().all(|(_, other)| other != file) {
                    self.measured.remove(file);
                }
            }
            Change::Measured(measured) => {
                self.measured.insert(measured.image.file.clone(), measured.clone());
            }
        }
    }
}
