//! Two stations at one address: asked by ARP behind the reply, never before it.

use std::net::Ipv4Addr;

use super::asking::Asking;
use super::{Action, Fleet, Notice, Outbox};
use crate::lease::{ClientKey, LeaseState};
use crate::net::Mac;
use crate::time::Now;

impl Fleet {
    /// Asks whether anyone else uses the address (RFC 2131 §3.1 step 2), behind the reply and without waiting. A relay's
    /// link is out of reach for ARP.
    pub(super) fn probe(&self, asking: &Asking<'_>, address: Ipv4Addr, out: &mut Outbox) {
        let client = asking.request.mac().filter(|_| asking.request.giaddr == Ipv4Addr::UNSPECIFIED);
        if let (Some(client), Some((link, _))) = (client, self.site.link_of(address)) {
            out.push(Action::Probe { link, address, client });
        }
    }

    /// Someone else uses an address. One that is only offered is taken out of use as if its client had declined it; a
    /// client that asks for it all the same is told no and starts over. Who says that of too many is not believed.
    pub(super) fn on_conflict(&mut self, address: Ipv4Addr, mac: Mac, now: Now, out: &mut Outbox) {
        let Some(lease) = self.tables.leases.by_address(address).cloned() else { return };
        let withdrawn = match lease.state {
            LeaseState::Offered => true,
            LeaseState::Bound => false,
            LeaseState::Declined | LeaseState::Released => return,
        };
        let holder = lease.machine.and_then(|id| self.tables.machines.get(id)).and_then(|machine| machine.mac);
        let client = lease.client.clone();
        if holder == Some(mac) || client == ClientKey::Mac(mac) {
            return;
        }
        let withdrawn = match withdrawn.then(|| self.disuse(lease, now, out)) {
            None => false,
            Some(Ok(())) => true,
            Some(Err(refusal)) => {
                out.refused("ARP answer", mac, refusal);
                false
            }
        };
        out.publish(Notice::Conflict { address, mac, client, withdrawn });
    }
}
