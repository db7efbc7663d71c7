//! Log lines: a fold over notices. One per packet at debug, one per stage change at info, warnings an operator can act
//! on.

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
        Notice::Lease(lease) => {
            let state = lease.state.word();
            tracing::debug!(address = %lease.address, client = %lease.client, state, "lease");
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
        Notice::Image { product, state } => tracing::info!(%product, ?state, "image"),
    }
}

/// Most refusals are everyday; those that an operator must act on are warnings.
fn refused(what: &str, who: &str, refusal: &Refusal) {
    match refusal {
        Refusal::NoFreeAddress => {
            tracing::warn!(who, "{what} refused: {refusal}; enlarge the pool or shorten the lease time");
        }
        Refusal::NoImage(_) | Refusal::NotStored => tracing::warn!(who, "{what} refused: {refusal}"),
        _ => tracing::debug!(who, kind = refusal.kind(), "{what} refused: {refusal}"),
    }
}
