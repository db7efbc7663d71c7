//! Log lines: a fold over notices. One per packet at debug, one per stage change at info, warnings an operator can act
//! on.

pub mod tail;

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tracing::field::{DisplayValue, display};

use crate::boot::View;
use crate::catalog::ImageState;
use crate::clock;
use crate::fleet::Notice;
use crate::fleet::board::Board;
use crate::ids::{Hostname, MachineId};
use crate::machine::stage::Stage;
use crate::net::Mac;
use crate::refusal::Refusal;
use crate::transfer::Outcome;

/// Which machine a line is about. Every line about a machine carries these fields, in every format: `machine` (its
/// number, the same for ever), `mac` and `name` (its host name), each as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    machine: Option<u64>,
    mac: Option<Mac>,
    name: Option<Hostname>,
}

impl Who {
    /// That machine.
    pub fn of(view: &View) -> Who {
        let name = view.name.as_ref().map(|name| name.hostname.clone());
        Who { machine: Some(view.machine.id.0), mac: view.machine.mac, name }
    }

    /// Whoever holds the address, else the owner of the hardware address that was claimed.
    pub fn speaking(address: Ipv4Addr, claimed: Option<Mac>, board: &Board) -> Who {
        let holder = board.at(address).map(|view| Who::of(view));
        let named = || {
            let mut machines = board.machines();
            machines.find(|view| claimed.is_some() && view.machine.mac == claimed).map(|view| Who::of(view))
        };
        holder.or_else(named).unwrap_or_else(|| Who { mac: claimed, ..Who::default() })
    }

    fn numbered(id: MachineId, board: &Board) -> Who {
        board.machine(id).map_or_else(|| Who { machine: Some(id.0), ..Who::default() }, |view| Who::of(view))
    }

    /// The number, as a field.
    pub fn machine(&self) -> Option<u64> {
        self.machine
    }

    /// The hardware address, as a field.
    pub fn mac(&self) -> Option<DisplayValue<Mac>> {
        self.mac.map(display)
    }

    /// The host name, as a field.
    pub fn name(&self) -> Option<&str> {
        self.name.as_ref().map(Hostname::as_str)
    }

    /// Whom a notice is about, as the board knows it before it takes note; nobody where its line is not written anyway.
    pub fn reading(notice: &Notice, board: &Board) -> Who {
        let everyday = matches!(
            notice,
            Notice::DhcpAnswered { .. } | Notice::Lease(_) | Notice::Freed(_) | Notice::Transfer { outcome: None, .. }
        );
        match everyday && !tracing::enabled!(tracing::Level::DEBUG) {
            true => Who::default(),
            false => Who::about(notice, board),
        }
    }

    /// Whom a notice is about.
    pub fn about(notice: &Notice, board: &Board) -> Who {
        match notice {
            Notice::Stage { machine, .. } | Notice::Forgotten(machine) => Who::numbered(*machine, board),
            Notice::Named { machine, hostname } => {
                Who { name: Some(hostname.clone()), ..Who::numbered(*machine, board) }
            }
            Notice::Transfer { machine: Some(machine), .. } | Notice::Reported { machine, .. } => {
                Who::numbered(*machine, board)
            }
            Notice::Lease(lease) => lease.machine.map(|id| Who::numbered(id, board)).unwrap_or_default(),
            Notice::Freed(address) => board.at(*address).map(|view| Who::of(view)).unwrap_or_default(),
            Notice::DhcpAnswered { mac, address, .. } => match board.at(*address) {
                Some(view) if view.machine.mac == *mac => Who::of(view),
                _ => Who { mac: *mac, ..Who::default() },
            },
            Notice::Refused { who, .. } => {
                let view = who.parse().ok().and_then(|address| board.at(address));
                view.map(|view| Who::of(view)).unwrap_or_else(|| Who { mac: Mac::parse(who), ..Who::default() })
            }
            _ => Who::default(),
        }
    }
}

/// Writes a line about a machine: level, who, and what `tracing` takes besides.
macro_rules! about {
    ($level:ident, $who:expr, $($rest:tt)*) => {
        tracing::$level!(machine = $who.machine(), mac = $who.mac(), name = $who.name(), $($rest)*)
    };
}
pub(crate) use about;

/// Writes the line of a notice.
pub fn notice(notice: &Notice, of: &Who) {
    match notice {
        Notice::DhcpAnswered { asked, answered, address, firmware, .. } => {
            about!(debug, of, asked, answered, %address, firmware, "DHCP answered");
        }
        Notice::Refused { what, who, refusal } => refused(what, who, refusal, of),
        Notice::Machine(_) => {}
        Notice::Progress { .. } => {}
        Notice::Reported { word, detail, .. } => about!(debug, of, word, detail, "the installer speaks"),
        Notice::ImageFiles(_) => {}
        Notice::Configured { .. } => tracing::info!("another configuration is in force"),
        Notice::Forgotten(_) => about!(info, of, "machine forgotten"),
        Notice::Lease(lease) => {
            let state = lease.state.word();
            about!(debug, of, address = %lease.address, client = %lease.client, state, "lease");
        }
        Notice::Conflict { address, mac, client, withdrawn: true } => {
            tracing::warn!(%address, %mac, %client, "another station uses the address that was offered; it is out of use");
        }
        Notice::Conflict { address, mac, client, withdrawn: false } => {
            tracing::warn!(%address, %mac, %client, "two stations use one address; find the one that is not its client");
        }
        Notice::Freed(address) => about!(debug, of, %address, "address freed"),
        Notice::Stage { label, from, to: Stage::Failed(cause), .. } => {
            about!(warn, of, label, from = from.word(), cause, "machine failed");
        }
        Notice::Stage { label, from, to, .. } => {
            about!(info, of, label, from = from.word(), to = to.word(), "stage");
        }
        Notice::Named { .. } => about!(info, of, "name given"),
        Notice::Transfer { name: file, via, size, outcome: None, sent: 0, .. } => {
            about!(debug, of, %file, %via, size, "transfer");
        }
        Notice::Transfer { outcome: None, .. } => {}
        Notice::Transfer { name: file, via, sent, outcome: Some(outcome), .. } => match outcome {
            Outcome::Complete => about!(debug, of, %file, %via, sent, "transfer complete"),
            Outcome::Abandoned(why) => about!(debug, of, %file, %via, sent, why, "transfer abandoned by the client"),
            Outcome::Broken(why) => about!(info, of, %file, %via, sent, why, "transfer broken"),
        },
        Notice::Image { product, state: ImageState::Missing } => tracing::info!(%product, "image: there is none"),
        Notice::Image { product, state: ImageState::Measuring } => tracing::info!(%product, "image: it is measured"),
        Notice::Image { product, state: ImageState::Ready(image) } => {
            tracing::info!(%product, file = image.file, size = image.size, sha256 = %image.digest, "image: ready");
        }
    }
}

/// Writes the line of a refusal. Most are everyday; those that an operator must act on are warnings.
pub fn refused(what: &str, who: &str, refusal: &Refusal, of: &Who) {
    match refusal {
        // A machine without an address asks every few seconds, and twenty may: one line tells enough.
        Refusal::NoFreeAddress if FULL_POOL.is_due() => {
            about!(warn, of, who, "{what} refused: {refusal}; enlarge the pool or shorten the lease time");
        }
        // Whoever invents hardware addresses, or lies about addresses, would fill the log.
        Refusal::KeptForKnown | Refusal::TooManyUnknown(_) | Refusal::TooManyNew if UNKNOWN.is_due() => {
            about!(
                warn,
                of,
                who,
                "{what} refused: {refusal}; [dhcp.unknown] says how many may, 'hatchery leases' who has them"
            );
        }
        Refusal::Forged(_) | Refusal::NotBelieved(_) if FORGED.is_due() => {
            about!(warn, of, who, "{what} refused: {refusal}; somebody on that network lies, or is broken");
        }
        Refusal::NoImage(_) | Refusal::NotStored => about!(warn, of, who, "{what} refused: {refusal}"),
        _ => about!(debug, of, who, kind = refusal.kind(), "{what} refused: {refusal}"),
    }
}

/// Writes that a batch of changes could not be stored. A full disk fails every batch: one line in ten seconds tells it,
/// with how many failed since the last.
pub fn not_stored(error: &dyn std::error::Error, changes: usize) {
    let batches = NOT_STORED.fetch_add(1, Ordering::Relaxed) + 1;
    if STORE_FAILED.is_due() {
        NOT_STORED.store(0, Ordering::Relaxed);
        tracing::error!(%error, changes, batches, "the journal could not be written; nothing was promised");
    }
}

static NOT_STORED: AtomicU64 = AtomicU64::new(0);
static STORE_FAILED: Seldom = Seldom(AtomicI64::new(0));

/// Lets a warning through at most once in ten seconds.
struct Seldom(AtomicI64);

static FULL_POOL: Seldom = Seldom(AtomicI64::new(0));
static UNKNOWN: Seldom = Seldom(AtomicI64::new(0));
static FORGED: Seldom = Seldom(AtomicI64::new(0));

impl Seldom {
    fn is_due(&self) -> bool {
        let now = clock::now().timestamp.millis();
        let due = now - self.0.load(Ordering::Relaxed) >= 10_000;
        if due {
            self.0.store(now, Ordering::Relaxed);
        }
        due
    }
}
