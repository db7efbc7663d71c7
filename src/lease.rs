//! Addresses held by machines: who holds which, and which one comes next.
//!
//! Owns every lease of every link. Rows (bound, declined, released) are what the journal holds; offers lie beside them
//! and change none, so that loading rows and replaying changes end in the same table. The invariants: an address has
//! one holder; a client has one row per segment; an address that is offered, bound or declined is not in the free set.

mod bulk;
mod disuse;
pub mod strangers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use crate::ids::{ClientId, MachineId};
use crate::net::{LinkId, Mac};
use crate::refusal::Refusal;
use crate::site::{Link, Pool, Site};
use crate::time::Timestamp;
use crate::wire::dhcp::{Request, code};

/// Who holds a lease: the client identifier if one was sent, else the hardware address (RFC 2131 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientKey {
    /// By hardware address; also every client identifier that only repeats it.
    Mac(Mac),
    /// By option 61.
    Id(ClientId),
}

impl ClientKey {
    /// The key of a message's sender. A client identifier of hardware type 1 is the MAC it holds: the same board sends
    /// none from its EEPROM and this one from iPXE or udhcpc, and must keep its address. A chaddr of zeros is nobody's.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] if the message carries neither an Ethernet address nor a client identifier.
    pub fn of(request: &Request) -> Result<ClientKey, Refusal> {
        let id = request.option(code::CLIENT_ID).filter(|id| id.len() >= 2);
        match (id, request.mac().filter(|mac| mac.0 != [0; 6])) {
            (Some(&[1, a, b, c, d, e, f]), _) => Ok(ClientKey::Mac(Mac([a, b, c, d, e, f]))),
            (Some(id), _) => Ok(ClientKey::Id(ClientId(id.to_vec()))),
            (None, Some(mac)) => Ok(ClientKey::Mac(mac)),
            (None, None) => Err(Refusal::Forbidden("neither an Ethernet chaddr nor option 61 identifies the client")),
        }
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientKey::Mac(mac) => mac.fmt(f),
            ClientKey::Id(id) => write!(f, "id {id}"),
        }
    }
}

/// The state of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaseState {
    /// Set aside for an OFFER; in memory only.
    Offered,
    /// Acknowledged, hence in the journal.
    Bound,
    /// Found in use by someone else; out of use until it expires.
    Declined,
    /// Given back or expired; remembered so that the client gets the same address again.
    Released,
}

impl LeaseState {
    /// The word in journals and JSON.
    pub fn word(self) -> &'static str {
        match self {
            LeaseState::Offered => "offered",
            LeaseState::Bound => "bound",
            LeaseState::Declined => "declined",
            LeaseState::Released => "released",
        }
    }

    /// The state of a word.
    pub fn from_word(word: &str) -> Option<LeaseState> {
        [LeaseState::Offered, LeaseState::Bound, LeaseState::Declined, LeaseState::Released]
            .into_iter()
            .find(|state| state.word() == word)
    }
}

/// An address held by a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Who holds it.
    pub client: ClientKey,
    /// The machine behind the client; `None` while it is only offered.
    pub machine: Option<MachineId>,
    /// Its state.
    pub state: LeaseState,
    /// When the state ends by itself.
    pub expires: Timestamp,
}

/// Who asks for an address, as far as that decides which one it may have.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The link it is on; the others of the segment serve it, too.
    pub link: LinkId,
    /// Who.
    pub client: &'a ClientKey,
    /// The address reserved for it.
    pub reserved: Option<Ipv4Addr>,
    /// The classes it belongs to.
    pub classes: &'a [String],
    /// Whether its machine is known by more than its asking for addresses.
    pub known: bool,
}

impl Claim<'_> {
    /// Whether the operator lets the client have the address at all, whoever may hold it now: it is reserved for it, or
    /// in a pool of its segment that takes one of its classes.
    pub fn allows(&self, site: &Site, address: Ipv4Addr) -> bool {
        let open = |link: &Link| {
            link.gives(address) && link.pool_of(address).is_some_and(|(_, pool)| pool.takes(self.classes))
        };
        self.reserved == Some(address) || site.segment(self.link).any(|(_, link)| open(link))
    }
}

/// Every lease, and the free addresses of every pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leases {
    by_address: BTreeMap<Ipv4Addr, Lease>,
    by_client: BTreeMap<(LinkId, ClientKey), Ipv4Addr>,
    offers: BTreeMap<Ipv4Addr, Lease>,
    offered_to: BTreeMap<(LinkId, ClientKey), Ipv4Addr>,
    bound: BTreeSet<(MachineId, Ipv4Addr)>,
    expiry: BTreeSet<(Timestamp, Ipv4Addr)>,
    /// Declined addresses, by link and pool, and by the client that declined them.
    declined: BTreeSet<(LinkId, usize, Timestamp, Ipv4Addr)>,
    declined_by: BTreeSet<(ClientKey, Ipv4Addr)>,
    /// By link and pool.
    free: Vec<Vec<BTreeSet<Ipv4Addr>>>,
    /// The first link of each link's segment: clients are found by it.
    home: Vec<LinkId>,
}

impl Leases {
    /// No lease; every pool address free, except our own and the reserved ones.
    pub fn new(site: &Site) -> Leases {
        Leases::load(site, Vec::new())
    }

    /// The lease of an address in any state; an offer hides the released lease below it.
    pub fn by_address(&self, address: Ipv4Addr) -> Option<&Lease> {
        self.offers.get(&address).or_else(|| self.by_address.get(&address))
    }

    /// The lease, bound or released, of a client on the segment of a link.
    pub fn by_client(&self, link: LinkId, client: &ClientKey) -> Option<&Lease> {
        self.by_client.get(&self.key(link, client)).and_then(|address| self.by_address.get(address))
    }

    /// The offer made to a client on the segment of a link.
    pub fn offer_to(&self, link: LinkId, client: &ClientKey) -> Option<&Lease> {
        self.offered_to.get(&self.key(link, client)).and_then(|address| self.offers.get(address))
    }

    /// The address bound to a machine. Firmware and the system after it may hold one each: the one that lasts longest,
    /// which is the one given last.
    pub fn of_machine(&self, machine: MachineId) -> Option<Ipv4Addr> {
        let bound = self.bound.range((machine, Ipv4Addr::UNSPECIFIED)..=(machine, Ipv4Addr::BROADCAST));
        let mut bound = bound.map(|(_, address)| *address);
        let first = bound.next()?;
        // Nearly all have no second one, and then the end does not matter.
        let Some(second) = bound.next() else { return Some(first) };
        let all = [first, second].into_iter().chain(bound);
        all.max_by_key(|address| self.by_address.get(address).map(|lease| lease.expires))
    }

    /// The machine to which an address is bound.
    pub fn holder(&self, address: Ipv4Addr) -> Option<MachineId> {
        self.by_address(address).filter(|lease| lease.state == LeaseState::Bound).and_then(|lease| lease.machine)
    }

    /// Every lease that is bound, declined or released, by address.
    pub fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.by_address.values()
    }

    /// Every offer, by address.
    pub fn offers(&self) -> impl Iterator<Item = &Lease> {
        self.offers.values()
    }

    /// How many addresses of the link's pools can still be given.
    pub fn free_count(&self, link: LinkId) -> usize {
        self.free.get(usize::from(link.0)).map_or(0, |pools| pools.iter().map(BTreeSet::len).sum())
    }

    fn key(&self, link: LinkId, client: &ClientKey) -> (LinkId, ClientKey) {
        (self.home.get(usize::from(link.0)).copied().unwrap_or(link), client.clone())
    }

    /// When the next offer, lease or probation ends.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.expiry.first().map(|(expires, _)| *expires)
    }

    /// The first lease that has expired by `now`.
    pub fn expired(&self, now: Timestamp) -> Option<&Lease> {
        let (expires, address) = self.expiry.first()?;
        if *expires > now { None } else { self.by_address(*address) }
    }

    /// Whether nobody holds the address, or only `client` does.
    pub fn is_free_for(&self, address: Ipv4Addr, client: &ClientKey) -> bool {
        match self.by_address(address) {
            None => true,
            Some(lease) => match lease.state {
                LeaseState::Released => true,
                LeaseState::Offered | LeaseState::Bound => lease.client == *client,
                LeaseState::Declined => false,
            },
        }
    }

    /// Whether the client may take or keep the address: the operator lets it, nobody else holds it, and a client that is
    /// unknown leaves known ones what is kept for them. What it holds or is offered already, it may keep.
    pub fn may_have(&self, site: &Site, claim: &Claim<'_>, address: Ipv4Addr) -> bool {
        let in_reserve = || {
            let pool = site.link_of(address).and_then(|(id, link)| Some((id, link.pool_of(address)?)));
            pool.is_some_and(|(id, (index, pool))| self.is_in_reserve(site, (id, index), pool, address))
        };
        claim.allows(site, address)
            && self.is_free_for(address, claim.client)
            && (claim.known || claim.reserved == Some(address) || !in_reserve())
    }

    /// Whether the address is free, and one more that an unknown client must leave.
    fn is_in_reserve(&self, site: &Site, (link, index): (LinkId, usize), pool: &Pool, address: Ipv4Addr) -> bool {
        let free = self.free.get(usize::from(link.0)).and_then(|pools| pools.get(index));
        free.is_some_and(|free| free.contains(&address) && free.len() <= site.strangers.reserve.of(pool.size()))
    }

    /// The address to offer (RFC 2131 §4.3.1): the reserved one, else the one offered before, else the one the client
    /// holds or held, else the one it wishes, else the lowest free one of the link, else of its segment. Nothing of that
    /// being left, a known client gets the address that was declined the longest ago: who found it taken may have lied.
    ///
    /// # Errors
    /// [`Refusal::NoFreeAddress`] if nothing is left, [`Refusal::KeptForKnown`] if something is for known clients.
    pub fn choose(&self, site: &Site, claim: &Claim<'_>, wish: Option<Ipv4Addr>) -> Result<Ipv4Addr, Refusal> {
        // A reserved address that someone else still holds is not offered; its owner gets a pool address meanwhile.
        if let Some(address) = claim.reserved.filter(|address| self.is_free_for(*address, claim.client)) {
            return Ok(address);
        }
        let usable = |address: &Ipv4Addr| self.may_have(site, claim, *address);
        let offered = self.offer_to(claim.link, claim.client).map(|lease| lease.address).filter(usable);
        let held = self.by_client(claim.link, claim.client).map(|lease| lease.address).filter(usable);
        offered
            .or(held)
            .or(wish.filter(usable))
            .or_else(|| site.segment(claim.link).find_map(|(id, link)| self.lowest_free(site, claim, id, link)))
            .or_else(|| self.declined_first(site, claim))
            .ok_or_else(|| {
                let left = |(id, link)| self.lowest_free(site, &Claim { known: true, ..*claim }, id, link).is_some();
                match !claim.known && site.segment(claim.link).any(left) {
                    true => Refusal::KeptForKnown,
                    false => Refusal::NoFreeAddress,
                }
            })
    }

    fn lowest_free(&self, site: &Site, claim: &Claim<'_>, id: LinkId, link: &Link) -> Option<Ipv4Addr> {
        let pools = self.free.get(usize::from(id.0))?.iter().zip(&link.pools);
        let open = |(_, pool): &(&BTreeSet<Ipv4Addr>, &Pool)| pool.takes(claim.classes);
        let kept = |pool: &Pool| if claim.known { 0 } else { site.strangers.reserve.of(pool.size()) };
        let more = |(free, pool): &(&BTreeSet<Ipv4Addr>, &Pool)| free.len() > kept(pool);
        pools.filter(open).filter(more).filter_map(|(free, _)| free.first()).min().copied()
    }

    /// Adds an offer, or replaces the row of the lease's address. A client that is bound has no other row on that link,
    /// a released lease least of all. A declined address keeps no client: whoever declined it must get another.
    pub fn put(&mut self, site: &Site, lease: Lease) {
        if lease.state == LeaseState::Offered {
            return self.offer(site, lease);
        }
        self.withdraw(site, lease.address);
        self.remove(site, lease.address);
        let Some((link_id, _)) = site.link_of(lease.address) else {
            // The subnet left the configuration; the row stays in the journal for the day it comes back.
            return;
        };
        let address = lease.address;
        if lease.state != LeaseState::Declined {
            let key = self.key(link_id, &lease.client);
            if let Some(other) = self.by_client.get(&key).copied() {
                let other_bound = self.by_address.get(&other).is_some_and(|other| other.state == LeaseState::Bound);
                if other_bound && lease.state == LeaseState::Released {
                    return;
                }
                self.remove(site, other);
            }
            if let Some(offered) = self.offered_to.get(&key).copied() {
                self.withdraw(site, offered);
            }
            self.by_client.insert(key, address);
        }
        if lease.state != LeaseState::Released {
            self.expiry.insert((lease.expires, address));
        }
        if let (LeaseState::Bound, Some(machine)) = (lease.state, lease.machine) {
            self.bound.insert((machine, address));
        }
        if lease.state == LeaseState::Declined {
            if let Some(place) = disuse::place(site, address) {
                self.declined.insert((place.0, place.1, lease.expires, address));
            }
            self.declined_by.insert((lease.client.clone(), address));
        }
        self.by_address.insert(address, lease);
        self.sort_out(site, address);
    }

    /// Drops the row of an address. An offer that lies there stays.
    pub fn remove(&mut self, site: &Site, address: Ipv4Addr) {
        let Some(old) = self.by_address.remove(&address) else { return };
        self.expiry.remove(&(old.expires, address));
        if let Some(machine) = old.machine {
            self.bound.remove(&(machine, address));
        }
        if old.state == LeaseState::Declined {
            if let Some(place) = disuse::place(site, address) {
                self.declined.remove(&(place.0, place.1, old.expires, address));
            }
            self.declined_by.remove(&(old.client.clone(), address));
        }
        if let Some((link_id, _)) = site.link_of(address) {
            let key = self.key(link_id, &old.client);
            if self.by_client.get(&key) == Some(&address) {
                self.by_client.remove(&key);
            }
        }
        if let Some(offer) = self.offers.get(&address) {
            self.expiry.insert((offer.expires, address));
        }
        self.sort_out(site, address);
    }

    /// Drops the offer of an address, if there is one.
    pub fn withdraw(&mut self, site: &Site, address: Ipv4Addr) {
        let Some(old) = self.offers.remove(&address) else { return };
        self.expiry.remove(&(old.expires, address));
        if let Some((link_id, _)) = site.link_of(address) {
            self.offered_to.remove(&self.key(link_id, &old.client));
        }
        self.sort_out(site, address);
    }

    fn offer(&mut self, site: &Site, lease: Lease) {
        let address = lease.address;
        let Some((link_id, _)) = site.link_of(address) else { return };
        let key = self.key(link_id, &lease.client);
        let before = self.offered_to.get(&key).copied();
        for address in before.into_iter().chain([address]) {
            self.withdraw(site, address);
        }
        self.offered_to.insert(key, address);
        self.expiry.insert((lease.expires, address));
        self.offers.insert(address, lease);
        self.sort_out(site, address);
    }

    /// Puts an address among the free ones, or takes it out.
    fn sort_out(&mut self, site: &Site, address: Ipv4Addr) {
        let Some((link_id, link)) = site.link_of(address) else { return };
        let free = self.by_address(address).is_none_or(|lease| lease.state == LeaseState::Released);
        let Some((pool, _)) = link.pool_of(address) else { return };
        let addresses = &mut self.free[usize::from(link_id.0)][pool];
        if free && link.gives(address) {
            addresses.insert(address);
        } else {
            addresses.remove(&address);
        }
    }

    /// The broken invariant, if any: the whole table is checked, so this is for the simulator and tests.
    pub fn check(&self) -> Result<(), String> {
        for ((link, client), address) in &self.by_client {
            match self.by_address.get(address) {
                Some(lease) if lease.client == *client => {}
                _ => return Err(format!("{client} on link {} points at {address}, which it does not hold", link.0)),
            }
        }
        for ((link, client), address) in &self.offered_to {
            if self.offers.get(address).is_none_or(|offer| offer.client != *client) {
                return Err(format!("{client} on link {} points at {address}, which it is not offered", link.0));
            }
        }
        if self.offered_to.len() != self.offers.len() {
            return Err(format!("{} offers to {} clients", self.offers.len(), self.offered_to.len()));
        }
        for address in self.offers.keys() {
            if self.by_address.get(address).is_some_and(|lease| lease.state != LeaseState::Released) {
                return Err(format!("{address} is offered and held at once"));
            }
        }
        for lease in self.by_address.values().chain(self.offers.values()) {
            let address = lease.address;
            let free = self.free.iter().flatten().any(|free| free.contains(&address));
            let held = self.by_address(address).is_some_and(|lease| lease.state != LeaseState::Released);
            if free && held {
                return Err(format!("{address} is {} and free at once", lease.state.word()));
            }
            if lease.state != LeaseState::Released && !self.expiry.contains(&(lease.expires, address)) {
                return Err(format!("{address} is {} for ever", lease.state.word()));
            }
            if (lease.state == LeaseState::Declined) != self.declined_by.contains(&(lease.client.clone(), address))
                && !self.offers.contains_key(&address)
            {
                return Err(format!("{address} is {} and counted otherwise", lease.state.word()));
            }
            let bound = lease.machine.is_some_and(|id| self.bound.contains(&(id, address)));
            if (lease.state == LeaseState::Bound) != bound && !self.offers.contains_key(&address) {
                return Err(format!("{address} is {} but indexed otherwise", lease.state.word()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
