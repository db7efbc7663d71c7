//! What relay agents say (option 82), and which network a message belongs to.

use std::net::Ipv4Addr;

use crate::net::LinkId;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::wire::dhcp::{Request, code};

const CIRCUIT_ID: u8 = 1;
const LINK_SELECTION: u8 = 5;
const FLAGS: u8 = 10;
const SERVER_ID_OVERRIDE: u8 = 11;
const RELAY_SOURCE_PORT: u8 = 19;

/// The network a message belongs to: the subnet the relay selects (RFC 3527), else the one the client selects
/// (RFC 3011), else that of the relay's address, else the link it came by (RFC 2131 §4.3.1).
///
/// # Errors
/// [`Refusal::NotOurs`] if that network is not served.
pub fn network(site: &Site, came_by: LinkId, request: &Request) -> Result<LinkId, Refusal> {
    let link_selection =
        sub_option(request, LINK_SELECTION).and_then(address).filter(|_| !site.leniency.ignore_link_selection);
    if let Some(subnet) = link_selection.or_else(|| request.address_option(code::SUBNET_SELECTION)) {
        let selected = site.link_of(subnet).map(|(id, _)| id);
        return selected.ok_or(Refusal::NotOurs("the subnet it selects is not served"));
    }
    if request.giaddr != Ipv4Addr::UNSPECIFIED {
        let named = site.numbered().find(|(_, link)| link.relays.contains(&request.giaddr));
        let relayed = named.or_else(|| site.link_of(request.giaddr)).map(|(id, _)| id);
        return relayed.ok_or(Refusal::NotOurs("relayed from a subnet that is not served"));
    }
    // A client behind a relay renews by unicast, past the relay: only its address says where it is.
    let routed = site.link_of(request.ciaddr).filter(|(_, link)| link.interface.is_none()).map(|(id, _)| id);
    let link = routed.unwrap_or(came_by);
    site.link(link).map(|_| link).ok_or(Refusal::NotOurs("no such link"))
}

/// The server identifier that the relay wants its clients to see (RFC 5107).
pub fn server_override(request: &Request) -> Option<Ipv4Addr> {
    sub_option(request, SERVER_ID_OVERRIDE).and_then(address)
}

/// Whether the relay speaks from a UDP port of its own choice and wants its replies there (RFC 8357 §5.2).
pub fn has_own_port(request: &Request) -> bool {
    sub_option(request, RELAY_SOURCE_PORT).is_some_and(<[u8]>::is_empty)
}

/// Whether the relay says that its client sent the message by unicast, as one does that renews (RFC 5010 §3).
pub fn was_unicast(request: &Request) -> bool {
    sub_option(request, FLAGS).is_some_and(|flags| matches!(flags, [flags] if flags & 0x80 != 0))
}

/// The port of the relay or switch that the client is behind (RFC 3046 §3.1).
pub fn circuit_id(request: &Request) -> Option<&[u8]> {
    sub_option(request, CIRCUIT_ID)
}

fn address(value: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from)
}

/// A sub-option of option 82; what follows one that runs past the end is not read.
fn sub_option(request: &Request, wanted: u8) -> Option<&[u8]> {
    let mut rest = request.option(code::RELAY_AGENT)?;
    loop {
        let [number, len, after @ ..] = rest else { return None };
        let (value, after) = after.split_at_checked(usize::from(*len))?;
        if *number == wanted {
            return Some(value);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests;
