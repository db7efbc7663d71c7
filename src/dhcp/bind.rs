//! Which address a REQUEST may have (RFC 2131 §4.3.2).

use std::net::Ipv4Addr;

use super::relay;
use crate::lease::{Claim, Leases};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::wire::dhcp::{Request, code};

/// What a client wants with a REQUEST, told by which fields it filled (RFC 2131 §4.3.2, table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It takes an OFFER: the server it chose, the address offered.
    Selecting {
        /// Option 54.
        server: Ipv4Addr,
        /// Option 50, or the ciaddr of a client that is also bound. A client that names neither takes what it was
        /// offered: RFC 2131 demands option 50 of it, and nothing of us if it is not there.
        address: Option<Ipv4Addr>,
    },
    /// It restarted and wants to keep its address.
    InitReboot(Ipv4Addr),
    /// It extends its lease, by unicast (RENEWING) or broadcast (REBINDING).
    Extending {
        /// The address.
        address: Ipv4Addr,
        /// Whether a relay says that it was unicast, hence meant for us alone. Without a relay nobody can tell.
        renews: bool,
    },
}

/// The decision about a REQUEST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may have the address.
    Bind(Ipv4Addr),
    /// It may not, and must start over; the sentence goes into option 56.
    Nak(&'static str),
    /// We say nothing.
    Silent(Refusal),
}

impl Wish {
    /// Reads the wish of a REQUEST.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] if no address is named.
    pub fn of(request: &Request) -> Result<Wish, Refusal> {
        let requested = request.address_option(code::REQUESTED_ADDRESS);
        let own = Some(request.ciaddr).filter(|address| *address != Ipv4Addr::UNSPECIFIED);
        match (request.address_option(code::SERVER_ID), requested, own) {
            (Some(server), requested, own) => Ok(Wish::Selecting { server, address: requested.or(own) }),
            (None, _, Some(address)) => Ok(Wish::Extending { address, renews: relay::was_unicast(request) }),
            (None, Some(address), None) => Ok(Wish::InitReboot(address)),
            (None, None, None) => Err(Refusal::Forbidden("a REQUEST must name an address in option 50 or ciaddr")),
        }
    }
}

/// Decides about a REQUEST; `relay` is the server identifier that its relay shows to clients (RFC 5107).
pub fn verdict(wish: Wish, claim: &Claim<'_>, leases: &Leases, site: &Site, relay: Option<Ipv4Addr>) -> Verdict {
    let Some(link) = site.link(claim.link) else { return Verdict::Silent(Refusal::NotOurs("no such link")) };
    let here = |address| site.segment(claim.link).any(|(_, link)| link.subnet.contains(address));
    let may_have = |address| leases.may_have(site, claim, address);
    // Some clients leave option 54 out when they take an OFFER: then the offer is what we know of them.
    let offered = |address| leases.by_address(address).filter(|lease| lease.client == *claim.client);
    let known = |address| offered(address).or_else(|| leases.by_client(claim.link, claim.client));
    match wish {
        Wish::Selecting { server, .. } if !means_us(server, site, relay) => {
            Verdict::Silent(Refusal::NotOurs("the client chose another server"))
        }
        Wish::Selecting { address, .. } => {
            let chosen = address.or_else(|| leases.choose(site, claim, None).ok()).filter(|chosen| may_have(*chosen));
            chosen.map_or(Verdict::Nak("the address is not yours to take"), Verdict::Bind)
        }
        Wish::InitReboot(address) if !here(address) => Verdict::Nak("the address belongs to another network"),
        Wish::InitReboot(address) => match known(address) {
            Some(lease) if lease.address == address && may_have(address) => Verdict::Bind(address),
            Some(_) => Verdict::Nak("you hold another address"),
            None if link.authoritative => Verdict::Nak("no lease of yours is known here"),
            None => Verdict::Silent(Refusal::NotOurs("no lease of that client is known")),
        },
        Wish::Extending { address, .. } if may_have(address) => Verdict::Bind(address),
        Wish::Extending { address, .. } if claim.allows(site, address) => {
            Verdict::Nak("the address is held by another client")
        }
        Wish::Extending { address, renews } if !here(address) && (link.authoritative || renews) => {
            Verdict::Nak("the address belongs to another network")
        }
        // A lease from before the pools or reservations changed runs on until it ends: no NAK, and no more time.
        Wish::Extending { .. } => Verdict::Silent(Refusal::NotOurs("the address is not from our pools")),
    }
}

/// Whether a client that names `server` in option 54 means us: by any of our addresses, or by the one its relay shows.
pub fn means_us(server: Ipv4Addr, site: &Site, relay: Option<Ipv4Addr>) -> bool {
    site.leniency.ignore_server_id || site.is_ours(server) || relay == Some(server)
}

#[cfg(test)]
mod tests;
