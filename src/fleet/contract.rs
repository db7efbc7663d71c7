//! The vocabulary between the fleet and the shell: events in; actions, changes and notices out.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use bytes::Bytes;

use super::audit::Entry;
use super::command::{Command, Declaration};
use super::report::{Config, LogLine, Progress, Report};
use crate::access::Actor;
use crate::boot::View;
use crate::catalog::{Catalog, Edition, Image, ImageFiles, ImageState, Profile};
use crate::class::Class;
use crate::ids::{DeploymentId, Hostname, MachineId, ProductName, ReplyTo, Serial, TransferId, VenueCode};
use crate::lease::{ClientKey, Lease};
use crate::machine::Machine;
use crate::machine::stage::Stage;
use crate::naming::{Batch, Count, Name, Product, Venue};
use crate::net::{Destination, LinkId, Mac};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::time::Timestamp;
use crate::transfer::{Outcome, Via};

/// Something that happened outside.
#[derive(Clone, Debug)]
pub enum Event {
    /// A UDP payload arrived on port 67 of a link.
    Dhcp {
        /// The link it came by.
        link: LinkId,
        /// The UDP port that it was sent from: 68 or 67, except of relay agents with ports of their own (RFC 8357).
        port: u16,
        /// The payload.
        bytes: Bytes,
    },
    /// A UDP payload arrived on port 4011 of a link: a PXE client asks its boot server (PXE 2.1 §2.2.5).
    BootServer {
        /// The link it came by.
        link: LinkId,
        /// The address and port that it was sent from.
        from: SocketAddrV4,
        /// The payload.
        bytes: Bytes,
    },
    /// A file began to go out.
    FetchStarted {
        /// Given by the shell, unique while the process runs.
        transfer: TransferId,
        /// The asking address.
        address: Ipv4Addr,
        /// The name as it was asked for.
        name: String,
        /// Bytes to send.
        size: u64,
        /// The protocol.
        via: Via,
    },
    /// So many bytes of it are out.
    FetchProgress {
        /// Which.
        transfer: TransferId,
        /// Bytes sent so far.
        sent: u64,
    },
    /// It ended.
    Fetched {
        /// Which.
        transfer: TransferId,
        /// Bytes sent.
        sent: u64,
        /// How.
        outcome: Outcome,
    },
    /// A machine's installer speaks.
    Report {
        /// The address it speaks from.
        address: Ipv4Addr,
        /// The hardware address it claims.
        mac: Option<Mac>,
        /// The serial it claims.
        serial: Option<Serial>,
        /// How many reinstalls had been asked for when it was told what to do; `None` if it does not say.
        reinstalls: Option<u64>,
        /// What it says.
        report: Report,
        /// Where the answer goes.
        reply_to: ReplyTo,
    },
    /// An operator speaks.
    Command {
        /// What to do.
        command: Command,
        /// Who speaks.
        by: Actor,
        /// Where the result goes.
        reply_to: ReplyTo,
    },
    /// The configuration changed.
    Configure {
        /// What it says now.
        configuration: Box<Configuration>,
        /// Where the result goes.
        reply_to: ReplyTo,
    },
    /// The shell looked at a product's image.
    Image {
        /// The product.
        product: ProductName,
        /// What it found.
        state: ImageState,
        /// The file's identity, to be remembered with the digest.
        measured: Option<Measured>,
    },
    /// After an [`Action::Probe`], another station than the client said that it uses the address.
    Conflict {
        /// The address.
        address: Ipv4Addr,
        /// Who uses it.
        mac: Mac,
    },
    /// [`Fleet::next_deadline`](super::Fleet::next_deadline) has passed.
    Deadline,
}

/// What a configuration says to the fleet. Its links are those of the start: sockets are bound to them.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// This place.
    pub site: Arc<Site>,
    /// What machines become.
    pub profiles: Vec<Profile>,
    /// The classes of clients.
    pub classes: Vec<Class>,
    /// What is made.
    pub products: Vec<Product>,
    /// Where it goes, with the names loaded beforehand.
    pub venues: Vec<Declaration>,
}

/// An image file that was hashed once, so that it need not be hashed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Name, size and digest.
    pub image: Image,
    /// Modification time in nanoseconds since the Unix epoch.
    pub modified_nanos: i64,
    /// Inode number.
    pub inode: u64,
}

/// Something the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write to the journal.
    Commit(Change),
    /// Send a DHCP message.
    Send {
        /// The link.
        link: LinkId,
        /// The UDP payload.
        bytes: Bytes,
        /// Where to.
        destination: Destination,
    },
    /// Deliver a result.
    Tell {
        /// To whom.
        reply_to: ReplyTo,
        /// What.
        result: Result<Told, Refusal>,
    },
    /// Ask by ARP whether anyone else uses an address that was just promised. Nothing waits for the answer: if one
    /// comes, it is an [`Event::Conflict`].
    Probe {
        /// The link.
        link: LinkId,
        /// The address.
        address: Ipv4Addr,
        /// The client to which it was promised; its own answer is no conflict.
        client: Mac,
    },
    /// Make it known.
    Publish(Notice),
}

/// The result of a report or a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Done; the sentence says what.
    Done(String),
    /// Who a machine is and what it gets (`/api/config`).
    Config(Box<Config>),
    /// A status was noted; the name that the reporting machine believes to have (`/api/status`).
    Received(Option<Hostname>),
    /// A batch, as it is now.
    Batch(Batch),
    /// Several batches.
    Batches(Vec<Batch>),
    /// A venue, as it is now.
    Venue(Venue),
    /// Every venue.
    Venues(Vec<VenueRow>),
    /// Numbers were added to a pool.
    Imported {
        /// Names that are new.
        added: u64,
        /// Names that were there.
        known: u64,
    },
    /// A name, as it is now.
    Name(NameRow),
    /// Several names.
    Names(Vec<NameRow>),
    /// An image, as it is now.
    Image(ImageRow),
    /// Several images.
    Images(Vec<ImageRow>),
    /// An image is none any more.
    ImageRemoved {
        /// Of which product.
        product: ProductName,
        /// Its file.
        file: String,
        /// Whether the file is an image of no other product: then it is to go, too.
        alone: bool,
    },
}

/// An image file of a product, and what was found in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRow {
    /// The product.
    pub product: ProductName,
    /// File name inside the image directory.
    pub file: String,
    /// Whether the product's machines get it.
    pub active: bool,
    /// How it was added; `None` for a file that only the configuration names.
    pub edition: Option<Edition>,
    /// Size and digest, once it was hashed.
    pub image: Option<Image>,
    /// What speaks against giving it to the product's machines.
    pub warnings: Vec<String>,
    /// How many machines are being written with it.
    pub writing: u64,
}

/// A venue and how its names stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueRow {
    /// The venue.
    pub venue: Venue,
    /// Its names, by product.
    pub names: BTreeMap<ProductName, Count>,
}

/// A name and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRow {
    /// The name.
    pub name: Name,
    /// Its holder.
    pub machine: Option<Machine>,
}

/// A fact that survives a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A machine is new, or something about it is.
    Machine(Machine),
    /// A machine is remembered no more; its id is not given again.
    MachineForgotten(MachineId),
    /// A machine went on to another stage.
    StageEntered {
        /// Which.
        machine: MachineId,
        /// The stage.
        stage: Stage,
        /// When.
        at: Timestamp,
    },
    /// An address is bound, declined or released.
    Lease(Lease),
    /// An address has no holder any more.
    LeaseFreed(Ipv4Addr),
    /// A name is new or changed hands.
    Name(Name),
    /// A batch is new or went on.
    Batch(Batch),
    /// A venue is new or changed.
    Venue(Venue),
    /// A run of a deployment began or went on.
    Deployment(Deployment),
    /// Its installer wrote into its log. Kept for people; the tables remember none of it.
    Logged {
        /// Which deployment.
        deployment: DeploymentId,
        /// What was written, in order.
        lines: Vec<LogLine>,
    },
    /// Somebody's operation changed something, or something outside the fleet. Kept for people, like log lines.
    Audited(Entry),
    /// An image was hashed.
    Measured(Measured),
    /// An image was added, described, activated, replaced by another or removed.
    Edition(Edition),
    /// Nothing is left of an image that was removed.
    ImageForgotten {
        /// Of which product.
        product: ProductName,
        /// Its file.
        file: String,
    },
}

/// One run of the deployment of a machine, from the installer's first word to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Given once.
    pub id: DeploymentId,
    /// Whose.
    pub machine: MachineId,
    /// Its name then.
    pub hostname: Option<Hostname>,
    /// The address it spoke from.
    pub address: Ipv4Addr,
    /// What it becomes.
    pub product: Option<ProductName>,
    /// Where it goes.
    pub venue: Option<VenueCode>,
    /// The file name of its image.
    pub image: Option<String>,
    /// The version of the installer; `None` for the scripts of the field, which do not say.
    pub installer: Option<String>,
    /// The last word it reported.
    pub status: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// What went wrong.
    pub error_message: Option<String>,
}

/// A fact worth seeing: log lines, counters and live views are folds over these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A DHCP message was answered.
    DhcpAnswered {
        /// Asked with.
        asked: &'static str,
        /// Answered with.
        answered: &'static str,
        /// The client's hardware address.
        mac: Option<Mac>,
        /// The address given, if any.
        address: Ipv4Addr,
        /// What kind of client it is.
        firmware: &'static str,
    },
    /// An input was not acted on.
    Refused {
        /// What it was.
        what: &'static str,
        /// Whose, as far as known.
        who: String,
        /// Why.
        refusal: Refusal,
    },
    /// A machine, as it is from now on.
    Machine(Arc<View>),
    /// A machine is remembered no more.
    Forgotten(MachineId),
    /// An address was bound, declined or released.
    Lease(Lease),
    /// An address has no holder any more.
    Freed(Ipv4Addr),
    /// A station uses an address that was promised to someone else.
    Conflict {
        /// The address.
        address: Ipv4Addr,
        /// Who uses it.
        mac: Mac,
        /// To whom it was promised.
        client: ClientKey,
        /// Whether it was taken out of use. An address that is bound already stays with its client, which is the one
        /// to decline it (RFC 2131 §4.4.1).
        withdrawn: bool,
    },
    /// A machine's installer asked or said something.
    Reported {
        /// Which machine.
        machine: MachineId,
        /// Its word; `config` for the question who it is.
        word: String,
        /// What else it said, or what it was told.
        detail: String,
    },
    /// How far a machine's installer is.
    Progress {
        /// Which.
        machine: MachineId,
        /// How far.
        progress: Progress,
    },
    /// A machine went on to another stage.
    Stage {
        /// Which.
        machine: MachineId,
        /// What people call it: its name, else its serial, else its MAC.
        label: String,
        /// From.
        from: Stage,
        /// To.
        to: Stage,
    },
    /// A name was given.
    Named {
        /// To whom.
        machine: MachineId,
        /// Which.
        hostname: Hostname,
    },
    /// A file is going out.
    Transfer {
        /// Which transfer.
        transfer: TransferId,
        /// To which machine, if its address is known.
        machine: Option<MachineId>,
        /// The name asked for.
        name: Arc<str>,
        /// The protocol.
        via: Via,
        /// Bytes sent.
        sent: u64,
        /// Bytes in all.
        size: u64,
        /// Set once it has ended.
        outcome: Option<Outcome>,
    },
    /// Another configuration is in force.
    Configured {
        /// This place, as it is from now on.
        site: Arc<Site>,
        /// What there is to boot.
        catalog: Catalog,
    },
    /// Which files are images of which products, from now on.
    ImageFiles(Arc<ImageFiles>),
    /// What is known of a product's image has changed.
    Image {
        /// The product.
        product: ProductName,
        /// What is known.
        state: ImageState,
    },
}
