//! What an operator asks for. The command line, the API and the pages all come through here.
//!
//! Owns the closed list of operations and how a machine is named in one. Unlike events of the network, an operation may
//! look at every row: operators are few and slow.

mod batch;
mod image;
mod machine;
mod name;

use std::net::Ipv4Addr;

use super::{Fleet, Outbox, Told};
use crate::ids::{BatchId, Hostname, MachineId, ProductName, Serial};
use crate::naming::{NameState, Venue};
use crate::net::Mac;
use crate::refusal::Refusal;
use crate::time::Now;
pub use name::{NameChange, NameFilter};

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
    /// Remove a machine with its leases. Its name is never given again, unless it is released.
    Forget {
        /// Which.
        machine: Selector,
        /// Its name goes back to the pool.
        release_name: bool,
        /// Even while it is being installed.
        force: bool,
    },
    /// Add a venue, or change the one of that code.
    VenueAdd {
        /// Its code.
        code: String,
        /// Its name.
        name: String,
        /// Where it is.
        location: Option<String>,
        /// Whom to write to.
        contact_email: Option<String>,
    },
    /// Remove a venue for which nothing was ever made.
    VenueRemove(String),
    /// Say which venues there are, and how their names stand.
    VenueList,
    /// Say what is made, how it is named, and what its machines get.
    ProductList,
    /// Add numbers to a pool of names.
    NamesImport {
        /// Of which product.
        product: String,
        /// At which venue.
        venue: String,
        /// The numbers; those already there stay as they are.
        numbers: Vec<u32>,
    },
    /// Add the numbers of a list to a pool of names, all or none.
    NamesRead {
        /// Of which product.
        product: String,
        /// At which venue.
        venue: String,
        /// Numbers, ranges or host names, as people write or paste them.
        text: String,
    },
    /// Give a machine its name, if it has none.
    NameAssign {
        /// Of which product.
        product: String,
        /// At which venue.
        venue: String,
        /// Whose hardware address.
        mac: Option<String>,
        /// Whose serial.
        serial: Option<String>,
    },
    /// Do the same to several names, all or none.
    NamesChange {
        /// Which.
        hostnames: Vec<String>,
        /// What.
        change: NameChange,
    },
    /// Write something down about a name.
    NameNote {
        /// Which.
        hostname: String,
        /// What; an empty text takes away what was written.
        text: String,
    },
    /// Write something down about a machine.
    MachineNote {
        /// Which.
        machine: Selector,
        /// What; an empty text takes away what was written.
        text: String,
    },
    /// Take a name from its machine and give it back to the pool.
    NameRelease {
        /// Which.
        hostname: String,
        /// Even while the machine is being installed.
        force: bool,
    },
    /// Never give a name again.
    NameRetire(String),
    /// Give a retired name back to the pool.
    NameReinstate(String),
    /// Say how the names stand.
    NameList(NameFilter),
    /// Say which images there are.
    ImageList,
    /// A file of the image directory is an image of a product.
    ImageAdd {
        /// Of which product.
        product: String,
        /// The file's name in the image directory.
        file: String,
        /// What to call it.
        version: Option<String>,
    },
    /// Give the machines of a product another image from now on.
    ImageActivate {
        /// Which product.
        product: String,
        /// A file or a version.
        image: String,
        /// Even if it is deprecated.
        force: bool,
    },
    /// Say something of an image.
    ImageDescribe {
        /// Of which product.
        product: String,
        /// A file or a version.
        image: String,
        /// What to say; an empty one takes away what was said, `None` leaves it.
        description: Option<String>,
        /// What to call it; as above.
        version: Option<String>,
    },
    /// Advise against an image, or no longer.
    ImageDeprecate {
        /// Of which product.
        product: String,
        /// A file or a version.
        image: String,
        /// Whether it is advised against from now on.
        deprecated: bool,
    },
    /// An image is none any more; its file is to go.
    ImageRemove {
        /// Of which product.
        product: String,
        /// A file or a version.
        image: String,
    },
    /// The file of an image that was removed is gone, or stays because it is another product's image, too.
    ImageGone {
        /// Of which product.
        product: ProductName,
        /// Its file.
        file: String,
    },
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
    /// End a batch before its last unit.
    BatchCancel(BatchId),
    /// Let a batch go before or after others.
    BatchPriority {
        /// Which.
        id: BatchId,
        /// Higher goes first.
        priority: i64,
    },
    /// Say how the batches stand.
    BatchList,
    /// Say which batches give names, in the order in which they do.
    BatchListActive,
    /// Say how one batch stands.
    BatchShow(BatchId),
    /// Write down what was done outside the fleet: to users, to tokens.
    Record {
        /// What was asked for.
        operation: &'static str,
        /// What it was done to.
        subject: String,
        /// What became of it.
        details: String,
    },
}

impl Command {
    /// What the command line calls it.
    pub fn word(&self) -> &'static str {
        match self {
            Command::Declare { .. } => "start",
            Command::Reinstall(_) => "machine reinstall",
            Command::Hold(_) => "machine hold",
            Command::Forget { .. } => "machine forget",
            Command::VenueAdd { .. } => "venue add",
            Command::VenueRemove(_) => "venue remove",
            Command::VenueList => "venue list",
            Command::ProductList => "products",
            Command::NamesImport { .. } | Command::NamesRead { .. } => "names import",
            Command::NameAssign { .. } => "names assign",
            Command::NameNote { .. } => "names note",
            Command::MachineNote { .. } => "machine note",
            Command::NameRelease { .. } | Command::NamesChange { change: NameChange::Release { .. }, .. } => {
                "names release"
            }
            Command::NameRetire(_) | Command::NamesChange { change: NameChange::Retire, .. } => "names retire",
            Command::NameReinstate(_) | Command::NamesChange { change: NameChange::Reinstate, .. } => "names reinstate",
            Command::NameList(_) => "names list",
            Command::ImageList => "image list",
            Command::ImageAdd { .. } => "image add",
            Command::ImageActivate { .. } => "image activate",
            Command::ImageDescribe { .. } => "image describe",
            Command::ImageDeprecate { deprecated: true, .. } => "image deprecate",
            Command::ImageDeprecate { .. } => "image undeprecate",
            Command::ImageRemove { .. } | Command::ImageGone { .. } => "image remove",
            Command::BatchCreate { .. } => "batch create",
            Command::BatchStart(_) => "batch start",
            Command::BatchPause(_) => "batch pause",
            Command::BatchCancel(_) => "batch cancel",
            Command::BatchPriority { .. } => "batch priority",
            Command::BatchList => "batch list",
            Command::BatchListActive => "batch list active",
            Command::BatchShow(_) => "batch show",
            Command::Record { operation, .. } => operation,
        }
    }
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
    /// By the number that it has here: up to seven digits, which is no serial.
    Id(MachineId),
}

impl Selector {
    /// Reads whatever an operator would type: a MAC in any spelling, an address, our number, a name, else a serial.
    pub fn parse(text: &str) -> Option<Selector> {
        let text = text.trim();
        // As it is displayed: for who knows that it is one, however short.
        if let Some(serial) = text.strip_prefix("serial ") {
            return Serial::parse(serial).map(Selector::Serial);
        }
        if let Some(mac) = Mac::parse(text) {
            return Some(Selector::Mac(mac));
        }
        if let Ok(address) = text.parse() {
            return Some(Selector::Address(address));
        }
        if text.len() < 8
            && let Some(id) = text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
        {
            return Some(Selector::Id(MachineId(id)));
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
            Selector::Id(id) => write!(f, "number {id}"),
        }
    }
}

impl Fleet {
    pub(super) fn on_command(&mut self, command: Command, now: Now, out: &mut Outbox) -> Result<Told, Refusal> {
        match command {
            Command::Declare { venues } => self.declare(venues, now, out),
            Command::Reinstall(machine) => self.reinstall(&machine, now, out),
            Command::Hold(machine) => self.hold(&machine, out),
            Command::Forget { machine, release_name, force } => self.forget(&machine, release_name, force, now, out),
            Command::VenueAdd { code, name, location, contact_email } => {
                self.add_venue(&code, &name, location, contact_email, now, out).map(Told::Venue)
            }
            Command::VenueRemove(code) => self.remove_venue(&code, out),
            Command::ProductList => Ok(Told::Products(self.product_rows())),
            Command::VenueList => Ok(Told::Venues(self.venues())),
            Command::NamesImport { product, venue, numbers } => self.import_names(&product, &venue, numbers, now, out),
            Command::NamesRead { product, venue, text } => self.read_names(&product, &venue, &text, now, out),
            Command::NameAssign { product, venue, mac, serial } => {
                self.assign_name(&product, &venue, mac.as_deref(), serial.as_deref(), now, out).map(Told::Name)
            }
            Command::NamesChange { hostnames, change } => self.change_names(&hostnames, change, out).map(Told::Names),
            Command::NameNote { hostname, text } => self.note_name(&hostname, &text, out).map(Told::Name),
            Command::MachineNote { machine, text } => self.note_machine(&machine, &text, out),
            Command::NameRelease { hostname, force } => self.change_name(hostname, NameChange::Release { force }, out),
            Command::NameRetire(hostname) => self.change_name(hostname, NameChange::Retire, out),
            Command::NameReinstate(hostname) => self.change_name(hostname, NameChange::Reinstate, out),
            Command::NameList(filter) => Ok(Told::Names(self.names(&filter))),
            Command::ImageList => Ok(Told::Images(self.images())),
            Command::ImageAdd { product, file, version } => {
                self.add_image(&product, &file, version, now, out).map(Told::Image)
            }
            Command::ImageActivate { product, image, force } => {
                self.activate_image(&product, &image, force, now, out).map(Told::Image)
            }
            Command::ImageDescribe { product, image, description, version } => {
                self.describe_image(&product, &image, description, version, now, out).map(Told::Image)
            }
            Command::ImageDeprecate { product, image, deprecated } => {
                self.deprecate_image(&product, &image, deprecated, now, out).map(Told::Image)
            }
            Command::ImageRemove { product, image } => self.remove_image(&product, &image, now, out),
            Command::ImageGone { product, file } => self.forget_image(product, file, out),
            Command::BatchCreate { venue, product, total, priority } => {
                self.create_batch(&venue, &product, total, priority, now, out).map(Told::Batch)
            }
            Command::BatchStart(id) => self.start_batch(id, now, out).map(Told::Batch),
            Command::BatchPause(id) => self.pause_batch(id, out).map(Told::Batch),
            Command::BatchCancel(id) => self.cancel_batch(id, now, out).map(Told::Batch),
            Command::BatchPriority { id, priority } => self.set_batch_priority(id, priority, out).map(Told::Batch),
            Command::BatchList => Ok(Told::Batches(self.tables.naming.batches().cloned().collect())),
            Command::BatchListActive => {
                Ok(Told::Batches(self.tables.naming.active_batches().into_iter().cloned().collect()))
            }
            Command::BatchShow(id) => self.batch(id).map(|batch| Told::Units(batch, self.units(id))),
            Command::Record { subject, details, .. } => {
                out.record(subject, details);
                Ok(Told::Done("written down".to_owned()))
            }
        }
    }

    fn select(&self, selector: &Selector) -> Result<MachineId, Refusal> {
        let tables = &self.tables;
        let found = match selector {
            Selector::Mac(mac) => tables.machines.by_mac(*mac).map(|machine| machine.id),
            Selector::Serial(serial) => tables.machines.by_serial(serial).map(|machine| machine.id),
            Selector::Address(address) => tables.leases.holder(*address),
            Selector::Id(id) => tables.machines.get(*id).map(|machine| machine.id),
            Selector::Hostname(hostname) => match tables.naming.name(hostname).map(|name| name.state) {
                Some(NameState::Assigned(machine)) => Some(machine),
                _ => None,
            },
        };
        found.ok_or_else(|| Refusal::NotFound(format!("No machine is known by {selector}")))
    }

    pub(super) fn declare(&mut self, venues: Vec<Declaration>, now: Now, out: &mut Outbox) -> Result<Told, Refusal> {
        let mut added = 0;
        for Declaration { venue, pools } in venues {
            let code = venue.code.clone();
            self.put_venue(venue, now, out);
            for (product, numbers) in pools {
                let known = self.add_numbers(&product, &code, &numbers, now, out)?;
                added += numbers.len() - known.len();
            }
        }
        Ok(Told::Done(format!("{added} names added")))
    }
}
