//! Log lines: a fold over notices. One per packet at debug, one per stage change at info, warnings an operator can act
//! on.

pub mod tail;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::catalog::ImageState;
use crate::clock;
use crate::fleet::Notice;
use crate::machine::stage::Stage;
use crate::refusal::Refusal;
use crate::transfer::Outcome;

/// Writes the line of a notice.
pub fn notice(notice: &Notice) {
    match notice {
        Notice::DhcpAnswered { asked, answered, mac, address, firmware } => {
            let mac = mac.map(|mac| mac.to_string()).unwrap_or_default();
            tracing::debug!(asked, answered, mac, %address, firmware, "DHCP answered");
        }
        Notice::Refused { what, who, refusal } => refused(what, who, refusal),
        Notice::Machine(_) => {}
        Notice::Progress { .. } => {}
        Notice::Reported { machine, word, detail } => tracing::debug!(machine = machine.0, word, detail, "installer"),
        Notice::ImageFiles(_) => {}
        Notice::Configured { .. } => tracing::info!("another configuration is in force"),
        Notice::Forgotten(machine) => tracing::info!(machine = machine.0, "machine forgotten"),
        Notice::Lease(lease) => {
            let state = lease.state.word();
            tracing::debug!(address = %lease.address, client = %lease.client, state, "lease");
        }
        Notice::Conflict { address, mac, client, withdrawn: true } => {
            tracing::warn!(%address, %mac, %client, "another station uses the address that was offered; it is out of use");
        }
        Notice::Conflict { address, mac, client, withdrawn: false } => {
            tracing::warn!(%address, %mac, %client, "two stations use one address; find the one that is not its client");
        }
        Notice::Freed(address) => tracing::debug!(%address, "address freed"),
        Notice::Stage { label, from, to: Stage::Failed(cause), .. } => {
            tracing::warn!(machine = label, from = from.word(), cause, "machine failed");
        }
        Notice::Stage { label, from, to, .. } => {
            tracing::info!(machine = label, from = from.word(), to = to.word(), "stage");
        }
        Notice::Named { machine, hostname } => tracing::info!(machine = machine.0, %hostname, "name given"),
        Notice::Transfer { name, via, size, outcome: None, sent: 0, .. } => {
            tracing::debug!(%name, %via, size, "transfer");
        }
        Notice::Transfer { outcome: None, .. } => {}
        Notice::Transfer { name, via, sent, outcome: Some(outcome), .. } => match outcome {
            Outcome::Complete => tracing::debug!(%name, %via, sent, "transfer complete"),
            Outcome::Abandoned(why) => tracing::debug!(%name, %via, sent, why, "transfer abandoned by the client"),
            Outcome::Broken(why) => tracing::info!(%name, %via, sent, why, "transfer broken"),
        },
        Notice::Image { product, state: ImageState::Missing } => tracing::info!(%product, "image: there is none"),
        Notice::Image { product, state: ImageState::Measuring } => tracing::info!(%product, "image: it is measured"),
        Notice::Image { product, state: ImageState::Ready(image) } => {
            tracing::info!(%product, file = image.file, size = image.size, sha256 = %image.digest, "image: ready");
        }
    }
}

/// Writes the line of a refusal. Most are everyday; those that an operator must act on are warnings.
pub fn refused(what: &str, who: &str, refusal: &Refusal) {
    match refusal {
        // A machine without an address asks every few seconds, and twenty may: one line tells enough.
        Refusal::NoFreeAddress if FULL_POOL.is_due() => {
            tracing::warn!(who, "{what} refused: {refusal}; enlarge the pool or shorten the lease time");
        }
        Refusal::NoImage(_) | Refusal::NotStored => tracing::warn!(who, "{what} refused: {refusal}"),
        _ => tracing::debug!(who, kind = refusal.kind(), "{what} refused: {refusal}"),
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
