//! Which address a REQUEST may have (RFC 2131 §4.3.2).

use std::net::Ipv4Addr;

use crate::lease::{ClientKey, Leases};
use crate::net::LinkId;
use crate::refusal::Refusal;
use crate::site::{Link, Site};
use crate::wire::dhcp::{Request, code};

/// What a client wants with a REQUEST, told by which fields it filled (RFC 2131 §4.3.2, table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It takes an OFFER: the server it chose, the address offered.
    Selecting {
        /// Option 54.
        server: Ipv4Addr,
        /// Option 50, or the ciaddr of a client that is also bound.
        address: Ipv4Addr,
    },
    /// It restarted and wants to keep its address.
    InitReboot(Ipv4Addr),
    /// It extends its lease, by unicast (RENEWING) or broadcast (REBINDING).
    Extending(Ipv4Addr),
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
            (Some(server), requested, own) => match requested.or(own) {
                Some(address) => Ok(Wish::Selecting { server, address }),
                None => Err(Refusal::Forbidden("a REQUEST with option 54 must name an address in option 50")),
            },
            (None, _, Some(address)) => Ok(Wish::Extending(address)),
            (None, Some(address), None) => Ok(Wish::InitReboot(address)),
            (None, None, None) => Err(Refusal::Forbidden("a REQUEST must name an address in option 50 or ciaddr")),
        }
    }
}

/// Decides about a REQUEST of `client` that came by `link_id`.
pub fn verdict(
    wish: Wish,
    request: &Request,
    client: &ClientKey,
    leases: &Leases,
    site: &Site,
    link_id: LinkId,
) -> Verdict {
    let Some(link) = site.link(link_id) else { return Verdict::Silent(Refusal::NotOurs("no such link")) };
    let may_have = |address| may_give(link, request, address) && leases.is_free_for(address, client);
    // Some clients leave option 54 out when they take an OFFER: then the offer is what we know of them.
    let offered = |address| leases.by_address(address).filter(|lease| lease.client == *client);
    let known = |address| offered(address).or_else(|| leases.by_client(link_id, client));
    match wish {
        Wish::Selecting { server, .. } if server != link.address => {
            Verdict::Silent(Refusal::NotOurs("the client chose another server"))
        }
        Wish::Selecting { address, .. } if may_have(address) => Verdict::Bind(address),
        Wish::Selecting { .. } => Verdict::Nak("the address is not yours to take"),
        Wish::InitReboot(address) if !link.subnet.contains(address) => {
            Verdict::Nak("the address belongs to another network")
        }
        Wish::InitReboot(address) => match known(address) {
            Some(lease) if lease.address == address && may_have(address) => Verdict::Bind(address),
            Some(_) => Verdict::Nak("you hold another address"),
            None if link.authoritative => Verdict::Nak("no lease of yours is known here"),
            None => Verdict::Silent(Refusal::NotOurs("no lease of that client is known")),
        },
        Wish::Extending(address) if may_have(address) => Verdict::Bind(address),
        Wish::Extending(address) if may_give(link, request, address) => {
            Verdict::Nak("the address is held by another client")
        }
        Wish::Extending(address) if !link.subnet.contains(address) && link.authoritative => {
            Verdict::Nak("the address belongs to another network")
        }
        // A lease from before the pools or reservations changed runs on until it ends: no NAK, and no more time.
        Wish::Extending(_) => Verdict::Silent(Refusal::NotOurs("the address is not from our pools")),
    }
}

/// Whether the operator lets this client have the address at all: from the pool, or reserved for it.
fn may_give(link: &Link, request: &Request, address: Ipv4Addr) -> bool {
    let reserved = request.mac().and_then(|mac| link.reservation(mac)).and_then(|each| each.address);
    reserved == Some(address) || link.gives(address)
}

#[cfg(test)]
mod tests;
