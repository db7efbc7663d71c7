//! What the rules must know about this place: the links we serve, our addresses on them, and our limits.
//!
//! Made from the configuration and checked there; a reload makes another, with the same links.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::ids::Hostname;
use crate::net::{LinkId, Mac, Subnet};

/// Everything the rules know about the appliance's surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The served links; [`LinkId`] is an index into this list.
    pub links: Vec<Link>,
    /// The port that URLs we hand out name; 80 is left out of them.
    pub http_port: u16,
    /// How long an address stays set aside for a client that was made an OFFER and has not answered.
    pub offer_hold: Duration,
    /// How long an address a client declined stays out of use.
    pub decline_hold: Duration,
    /// A running machine that gives no sign of life for this long has failed.
    pub silence_limit: Duration,
}

impl Site {
    /// The link of that id.
    pub fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(usize::from(id.0))
    }

    /// The link whose subnet contains `address`.
    pub fn link_of(&self, address: Ipv4Addr) -> Option<(LinkId, &Link)> {
        let index = self.links.iter().position(|link| link.subnet.contains(address))?;
        Some((LinkId(u16::try_from(index).ok()?), &self.links[index]))
    }

    /// `http://ADDRESS[:PORT]` of the server as seen on `link`, without a trailing slash.
    pub fn base_url(&self, link: &Link) -> String {
        match self.http_port {
            80 => format!("http://{}", link.address),
            port => format!("http://{}:{port}", link.address),
        }
    }
}

/// One network we serve: an interface and a subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The name the operator gave it.
    pub name: String,
    /// The network interface, such as `eth1`.
    pub interface: String,
    /// The subnet.
    pub subnet: Subnet,
    /// Our own address in it: server identifier, next server, host of the URLs.
    pub address: Ipv4Addr,
    /// Inclusive ranges of addresses to give.
    pub pools: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Lease time (option 51).
    pub lease_time: Duration,
    /// Whether we NAK requests for addresses we know nothing of (RFC 2131 §4.3.2).
    pub authoritative: bool,
    /// Further options by number, in their wire form; routers, DNS and the domain among them.
    pub options: Vec<(u8, Vec<u8>)>,
    /// Fixed addresses and names chosen by the operator.
    pub reservations: Vec<Reservation>,
}

impl Link {
    /// The reservation of a hardware address.
    pub fn reservation(&self, mac: Mac) -> Option<&Reservation> {
        self.reservations.iter().find(|each| each.mac == mac)
    }

    /// Whether `address` may be given to anyone who asks: in a pool, not ours, not reserved.
    pub fn gives(&self, address: Ipv4Addr) -> bool {
        self.in_pool(address) && address != self.address && !self.is_reserved(address)
    }

    /// Whether `address` is reserved for anyone.
    pub fn is_reserved(&self, address: Ipv4Addr) -> bool {
        self.reservations.iter().any(|each| each.address == Some(address))
    }

    /// Whether `address` lies in one of the pools.
    pub fn in_pool(&self, address: Ipv4Addr) -> bool {
        self.pools.iter().any(|(first, last)| (*first..=*last).contains(&address))
    }
}

/// What an operator fixed for one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Whose.
    pub mac: Mac,
    /// Its address, inside or outside the pools.
    pub address: Option<Ipv4Addr>,
    /// Its host name.
    pub hostname: Option<Hostname>,
    /// The profile it boots, instead of the one its firmware would choose.
    pub profile: Option<String>,
}
