//! What machines were promised, noted as it leaves the server and held against everything it says later.
//!
//! Knows nothing of the fleet's own tables: these are the promises as the other side of the wire understands them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::store::Store;
use crate::fleet::Told;
use crate::ids::Hostname;
use crate::lease::{ClientKey, LeaseState};
use crate::naming::NameState;
use crate::net::Mac;
use crate::time::Timestamp;
use crate::wire::dhcp::{MessageType, Reply, code};

/// The transaction id of every Pi 3 ROM.
const ROM_XID: u32 = 0x26f3_0339;

/// The promises in force.
#[derive(Debug, Default)]
pub(super) struct Promises {
    leases: BTreeMap<Ipv4Addr, (Mac, Timestamp)>,
    address_of: BTreeMap<Mac, Ipv4Addr>,
    names: BTreeMap<Hostname, Mac>,
    name_of: BTreeMap<Mac, Hostname>,
    /// Exchanges that ended in a DECLINE or RELEASE, by xid: their late answers promise nothing.
    given_up: BTreeMap<Mac, u32>,
    /// Exchanges in which a machine chose another server, by xid.
    chose_other: BTreeMap<Mac, u32>,
    /// Names that an operator took from their machines, which may still call themselves so.
    former: BTreeSet<(Mac, Hostname)>,
}

impl Promises {
    /// A reply leaves the server.
    ///
    /// # Errors
    /// The promise that it breaks.
    pub fn replied(&mut self, reply: &Reply, store: &Store, now: Timestamp) -> Result<(), String> {
        let [a, b, c, d, e, f, ..] = reply.chaddr;
        let mac = Mac([a, b, c, d, e, f]);
        if let Some(hostname) = reply.option(code::HOST_NAME) {
            let hostname = std::str::from_utf8(hostname).ok().and_then(Hostname::parse);
            let hostname = hostname.ok_or_else(|| format!("{mac} was told a name that is none"))?;
            self.may_be_told(mac, &hostname)?;
            // What an OFFER says holds for who takes it.
            if reply.kind != Some(MessageType::Offer) {
                self.told(mac, hostname)?;
            }
        }
        if reply.yiaddr == Ipv4Addr::UNSPECIFIED && reply.kind != Some(MessageType::Nak) {
            return Ok(());
        }
        let ends_exchange = matches!(reply.kind, Some(MessageType::Ack | MessageType::Nak));
        if ends_exchange && self.chose_other.get(&mac) == Some(&reply.xid) {
            return Err(format!("{mac} chose another server and heard from this one"));
        }
        // The ROM of a Pi 3 goes on with what the OFFER says, if it says that there is something to boot.
        let rom = reply.kind == Some(MessageType::Offer)
            && reply.xid == ROM_XID
            && reply.option(code::VENDOR_ENCAPSULATED).is_some();
        let is_late = self.given_up.get(&mac) == Some(&reply.xid);
        if (reply.kind != Some(MessageType::Ack) && !rom) || is_late {
            return Ok(());
        }
        let address = reply.yiaddr;
        let secs = reply.option(code::LEASE_TIME).and_then(|value| value.try_into().ok()).map(u32::from_be_bytes);
        let said = now + Duration::from_secs(secs.unwrap_or(0).into());
        let stored = store.lease(address).filter(|lease| {
            let lasts = if rom { lease.expires > now } else { lease.expires >= said };
            lease.state == LeaseState::Bound && lease.client == ClientKey::Mac(mac) && lasts
        });
        let Some(stored) = stored else {
            return Err(format!("{address} was acknowledged to {mac}, and the journal does not say so"));
        };
        let expires = if rom { stored.expires } else { said };
        if let Some((holder, until)) = self.leases.get(&address)
            && *holder != mac
            && *until > now
        {
            return Err(format!("{address} was acknowledged to {mac} while {holder} holds it"));
        }
        if let Some(old) = self.address_of.insert(mac, address).filter(|old| *old != address)
            && self.leases.get(&old).is_some_and(|(holder, _)| *holder == mac)
        {
            self.leases.remove(&old);
        }
        self.leases.insert(address, (mac, expires));
        Ok(())
    }

    /// A machine gives its address up, and with it the exchange by which it got it.
    pub fn gave_up(&mut self, mac: Mac, xid: u32) {
        self.given_up.insert(mac, xid);
        if let Some(address) = self.address_of.remove(&mac) {
            self.leases.remove(&address);
        }
    }

    /// A machine takes an OFFER: ours, or that of another server, and then this one must be silent.
    pub fn chose(&mut self, mac: Mac, xid: u32, other: bool) {
        if other {
            self.chose_other.insert(mac, xid);
        } else {
            self.chose_other.remove(&mac);
        }
    }

    /// An operator had a machine forgotten, and its lease with it.
    pub fn forgotten(&mut self, mac: Mac) {
        if let Some(address) = self.address_of.remove(&mac) {
            self.leases.remove(&address);
        }
    }

    /// An operator took a name from its machine: from now on it may be another's.
    pub fn unnamed(&mut self, hostname: &Hostname, mac: Mac) {
        self.names.remove(hostname);
        if self.name_of.get(&mac) == Some(hostname) {
            self.name_of.remove(&mac);
        }
        self.former.insert((mac, hostname.clone()));
    }

    /// Whether a machine may call itself that: it was told so, or was once.
    pub fn may_be_called(&self, mac: Mac, hostname: &str) -> bool {
        let former = Hostname::parse(hostname).is_some_and(|hostname| self.former.contains(&(mac, hostname)));
        former || self.name_of(mac).is_some_and(|told| told.as_str() == hostname)
    }

    /// The server's clock was set back: what was promised ends no later for that.
    pub fn moved_back(&mut self, by: Duration) {
        for (_, until) in self.leases.values_mut() {
            *until = Timestamp::from_millis(until.millis() - i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
        }
    }

    /// A result leaves the server for the machine with that MAC.
    ///
    /// # Errors
    /// The promise that it breaks.
    pub fn answered(&mut self, mac: Mac, told: &Told, store: &Store) -> Result<(), String> {
        let Told::Config(config) = told else { return Ok(()) };
        let Some(hostname) = &config.hostname else { return Ok(()) };
        let holder = store.name(hostname).and_then(|name| match name.state {
            NameState::Assigned(machine) => store.machine(machine),
            NameState::Available | NameState::Retired => None,
        });
        if holder.is_none_or(|machine| machine.mac != Some(mac)) {
            return Err(format!("{mac} was told the name {hostname}, and the journal does not say so"));
        }
        self.told(mac, hostname.clone())
    }

    /// The name a machine was told.
    pub fn name_of(&self, mac: Mac) -> Option<&Hostname> {
        self.name_of.get(&mac)
    }

    fn told(&mut self, mac: Mac, hostname: Hostname) -> Result<(), String> {
        self.may_be_told(mac, &hostname)?;
        self.name_of.insert(mac, hostname.clone());
        self.names.insert(hostname, mac);
        Ok(())
    }

    fn may_be_told(&self, mac: Mac, hostname: &Hostname) -> Result<(), String> {
        if let Some(first) = self.name_of.get(&mac).filter(|first| *first != hostname) {
            return Err(format!("{mac} was told the name {hostname} after {first}"));
        }
        match self.names.get(hostname).filter(|holder| **holder != mac) {
            Some(holder) => Err(format!("{mac} was told the name {hostname}, which {holder} was told before")),
            None => Ok(()),
        }
    }
}
