//! Addresses out of use because somebody says that they are taken: how many may be, and who gets them all the same when
//! nothing else is left.
//!
//! Saying so costs nothing, by DECLINE or by ARP. So a liar takes a few addresses out of use, and never a pool.

use std::net::Ipv4Addr;

use super::{Claim, Lease, Leases};
use crate::net::LinkId;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::time::Timestamp;

impl Leases {
    /// For a known client, the address of its pools whose probation ends first, unless it was the one to decline it.
    pub(super) fn declined_first(&self, site: &Site, claim: &Claim<'_>) -> Option<Ipv4Addr> {
        if !claim.known {
            return None;
        }
        let of_pool = |id: LinkId, index: usize| {
            let range = self.declined_of(id, index);
            range
                .map(|(.., expires, address)| (*expires, *address))
                .find(|(_, address)| !self.declined_by.contains(&(claim.client.clone(), *address)))
        };
        let pools =
            site.segment(claim.link).flat_map(|(id, link)| link.pools.iter().enumerate().map(move |each| (id, each)));
        let open = pools.filter(|(_, (_, pool))| pool.takes(claim.classes));
        open.filter_map(|(id, (index, _))| of_pool(id, index)).min().map(|(_, address)| address)
    }

    fn declined_of(&self, link: LinkId, pool: usize) -> impl Iterator<Item = &(LinkId, usize, Timestamp, Ipv4Addr)> {
        let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        self.declined.range((link, pool, first, Ipv4Addr::UNSPECIFIED)..=(link, pool, last, Ipv4Addr::BROADCAST))
    }

    /// How many addresses of a pool are out of use because somebody said that they are taken.
    pub fn declined_count(&self, link: LinkId, pool: usize) -> usize {
        self.declined_of(link, pool).count()
    }

    /// Takes an address out of use in time: neither its client nor those who answer for addresses of its pool have done
    /// that to too many already.
    ///
    /// # Errors
    /// [`Refusal::NotBelieved`]
    pub fn may_fall_out_of_use(&self, site: &Site, lease: &Lease) -> Result<(), Refusal> {
        let own = (lease.client.clone(), Ipv4Addr::UNSPECIFIED)..=(lease.client.clone(), Ipv4Addr::BROADCAST);
        let per_client = usize::try_from(site.disuse.per_client).unwrap_or(usize::MAX);
        if self.declined_by.range(own).nth(per_client.saturating_sub(1)).is_some() {
            return Err(Refusal::NotBelieved("this machine found as many taken as one may"));
        }
        let Some((id, link)) = site.link_of(lease.address) else { return Ok(()) };
        let Some((index, pool)) = link.pool_of(lease.address) else { return Ok(()) };
        let most = site.disuse.most(pool.size());
        match most > 0 && self.declined_of(id, index).nth(most - 1).is_none() {
            true => Ok(()),
            false => Err(Refusal::NotBelieved("as many addresses of the pool are out of use as may be")),
        }
    }
}

/// The link and the pool of an address.
pub(super) fn place(site: &Site, address: Ipv4Addr) -> Option<(LinkId, usize)> {
    let (id, link) = site.link_of(address)?;
    link.pool_of(address).map(|(index, _)| (id, index))
}

#[cfg(test)]
mod tests;
