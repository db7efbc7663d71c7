//! A whole journal's leases at once: with tens of thousands a server is ready several times sooner than if each were put
//! where it belongs by itself.
//!
//! The invariant: what comes of it is what [`Leases::put`] makes of them one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::{ClientKey, Lease, LeaseState, Leases, disuse};
use crate::net::LinkId;
use crate::site::{Link, Pool, Site};

impl Leases {
    /// The rows of a journal in the order in which they were written.
    pub fn load(site: &Site, rows: Vec<Lease>) -> Leases {
        let home = |id| site.segment(id).map(|(other, _)| other).min().unwrap_or(id);
        let home: Vec<LinkId> = site.numbered().map(|(id, _)| home(id)).collect();
        match clients(site, &home, &rows) {
            Some(by_client) => at_once(site, home, by_client, rows),
            // Where one displaces another, the order counts.
            None => {
                let mut leases = at_once(site, home, BTreeMap::new(), Vec::new());
                for lease in rows {
                    leases.put(site, lease);
                }
                leases
            }
        }
    }
}

/// Who holds which address, if every row is the only one of its address and of its client.
fn clients(site: &Site, home: &[LinkId], rows: &[Lease]) -> Option<BTreeMap<(LinkId, ClientKey), Ipv4Addr>> {
    let mut addresses: Vec<Ipv4Addr> = rows.iter().map(|lease| lease.address).collect();
    addresses.sort_unstable();
    let kept = rows.iter().all(|lease| lease.state != LeaseState::Offered);
    if !kept || addresses.windows(2).any(|pair| pair[0] == pair[1]) {
        return None;
    }
    let key = |lease: &Lease| {
        let (link, _) = site.link_of(lease.address)?;
        Some(((home[usize::from(link.0)], lease.client.clone()), lease.address))
    };
    let held = rows.iter().filter(|lease| lease.state != LeaseState::Declined);
    let mut clients: Vec<((LinkId, ClientKey), Ipv4Addr)> = held.filter_map(key).collect();
    clients.sort_unstable();
    let alone = clients.windows(2).all(|pair| pair[0].0 != pair[1].0);
    alone.then(|| clients.into_iter().collect())
}

fn at_once(
    site: &Site,
    home: Vec<LinkId>,
    by_client: BTreeMap<(LinkId, ClientKey), Ipv4Addr>,
    rows: Vec<Lease>,
) -> Leases {
    // The subnet may have left the configuration; the row stays in the journal for the day it comes back.
    let rows = rows.into_iter().filter(|lease| site.link_of(lease.address).is_some());
    let by_address: BTreeMap<Ipv4Addr, Lease> = rows.map(|lease| (lease.address, lease)).collect();
    let of = |state: LeaseState| by_address.values().filter(move |lease| lease.state == state);
    let held = || by_address.values().filter(|lease| lease.state != LeaseState::Released);
    let place = |lease: &Lease| {
        let (link, pool) = disuse::place(site, lease.address)?;
        Some((link, pool, lease.expires, lease.address))
    };
    Leases {
        by_client,
        offers: BTreeMap::new(),
        offered_to: BTreeMap::new(),
        bound: of(LeaseState::Bound).filter_map(|lease| Some((lease.machine?, lease.address))).collect(),
        expiry: held().map(|lease| (lease.expires, lease.address)).collect(),
        declined: of(LeaseState::Declined).filter_map(place).collect(),
        declined_by: of(LeaseState::Declined).map(|lease| (lease.client.clone(), lease.address)).collect(),
        free: free(site, held().map(|lease| lease.address)),
        home,
        by_address,
    }
}

/// The addresses of every pool, by link and pool, except our own, the reserved ones and those that are `held`, which come
/// in order.
fn free(site: &Site, held: impl Iterator<Item = Ipv4Addr>) -> Vec<Vec<BTreeSet<Ipv4Addr>>> {
    let mut taken: Vec<Vec<Vec<Ipv4Addr>>> = site.links.iter().map(|link| vec![Vec::new(); link.pools.len()]).collect();
    for address in held {
        if let Some((link, pool)) = disuse::place(site, address) {
            taken[usize::from(link.0)][pool].push(address);
        }
    }
    let of_link = |(link, taken): (&Link, Vec<Vec<Ipv4Addr>>)| -> Vec<BTreeSet<Ipv4Addr>> {
        let reserved: BTreeSet<Ipv4Addr> = link.reservations.iter().filter_map(|each| each.address).collect();
        let given = |address: &Ipv4Addr| *address != link.address && !reserved.contains(address);
        let of_pool = |(pool, taken): (&Pool, Vec<Ipv4Addr>)| {
            let mut taken = taken.into_iter().peekable();
            let all = (u32::from(pool.first)..=u32::from(pool.last)).map(Ipv4Addr::from);
            all.filter(|address| taken.next_if_eq(address).is_none()).filter(given).collect()
        };
        link.pools.iter().zip(taken).map(of_pool).collect()
    };
    site.links.iter().zip(taken).map(of_link).collect()
}
