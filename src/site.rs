//! What the rules must know about this place: the networks we serve, our addresses on them, and our limits.
//!
//! Made from the configuration and checked there; a reload makes another, with the same links.

pub mod limits;
pub mod reservation;

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::net::{LinkId, Subnet};
pub use limits::{Disuse, Share, Strangers};
pub use reservation::{Identifier, Identifiers, Reservation};

/// Everything the rules know about the appliance's surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The served networks; [`LinkId`] is an index into this list.
    pub links: Vec<Link>,
    /// What we are beside other DHCP servers.
    pub role: Role,
    /// DHCP options of every network.
    pub options: Vec<DhcpOption>,
    /// `siaddr` for clients that boot from another server than us.
    pub next_server: Option<Ipv4Addr>,
    /// Where we depart from the protocol because relays or clients do.
    pub leniency: Leniency,
    /// The port that URLs we hand out name; 80 is left out of them.
    pub http_port: u16,
    /// How long an address stays set aside for a client that was made an OFFER and has not answered.
    pub offer_hold: Duration,
    /// How long an address a client declined stays out of use.
    pub decline_hold: Duration,
    /// How many addresses go out of use at once because somebody says that they are taken.
    pub disuse: Disuse,
    /// What unknown machines may take.
    pub strangers: Strangers,
    /// A running machine that gives no sign of life for this long has failed.
    pub silence_limit: Duration,
}

/// Who gives the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We do.
    Server,
    /// Another server does; we only say what to boot (proxyDHCP, PXE 2.1 §2.2).
    Proxy,
}

impl Role {
    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Role::Server => "server",
            Role::Proxy => "proxy",
        }
    }
}

/// Departures from the protocol that some networks need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leniency {
    /// Whether a message that names another server in option 54 is taken as meant for us.
    pub ignore_server_id: bool,
    /// Whether the relay's link selection (RFC 3527) is passed over.
    pub ignore_link_selection: bool,
    /// Whether option 61 is sent back (RFC 6842); clients older than that RFC may stumble over it.
    pub echo_client_id: bool,
}

impl Default for Leniency {
    fn default() -> Self {
        Leniency { ignore_server_id: false, ignore_link_selection: false, echo_client_id: true }
    }
}

impl Site {
    /// A place with these networks and the limits that a configuration has by default.
    pub fn new(links: Vec<Link>) -> Site {
        Site {
            links,
            role: Role::Server,
            options: Vec::new(),
            next_server: None,
            leniency: Leniency::default(),
            http_port: 80,
            offer_hold: Duration::from_secs(120),
            decline_hold: Duration::from_secs(600),
            disuse: Disuse::default(),
            strangers: Strangers::default(),
            // Writing a sparse image stalls for minutes; whole transfers take up to 40.
            silence_limit: Duration::from_secs(45 * 60),
        }
    }

    /// The link of that id.
    pub fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(usize::from(id.0))
    }

    /// Every link with its id.
    pub fn numbered(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        (0..).map(LinkId).zip(&self.links)
    }

    /// The links on an interface of ours, with it; not those that only relay agents connect with us.
    pub fn wired(&self) -> impl Iterator<Item = (LinkId, &Link, &str)> {
        self.numbered().filter_map(|(id, link)| Some((id, link, link.interface.as_deref()?)))
    }

    /// The link whose subnet contains `address`.
    pub fn link_of(&self, address: Ipv4Addr) -> Option<(LinkId, &Link)> {
        self.numbered().find(|(_, link)| link.subnet.contains(address))
    }

    /// The links whose clients are the same ones, `id` first: a client may be given an address of any of them.
    pub fn segment(&self, id: LinkId) -> impl Iterator<Item = (LinkId, &Link)> {
        let own = self.link(id);
        let others = self
            .numbered()
            .filter(move |(other, link)| *other != id && own.is_some_and(|own| own.segment == link.segment));
        own.map(|link| (id, link)).into_iter().chain(others)
    }

    /// What an operator fixed for the client of these identifiers, on any link of the segment.
    pub fn reservation(&self, id: LinkId, of: &Identifiers<'_>) -> Option<&Reservation> {
        self.segment(id).find_map(|(_, link)| link.reservations.iter().find(|each| of.has(&each.of)))
    }

    /// Whether `address` is our own on any network.
    pub fn is_ours(&self, address: Ipv4Addr) -> bool {
        self.links.iter().any(|link| link.address == address)
    }

    /// `http://ADDRESS[:PORT]` of the server as seen on `link`, without a trailing slash.
    pub fn base_url(&self, link: &Link) -> String {
        match self.http_port {
            80 => format!("http://{}", link.address),
            port => format!("http://{}:{port}", link.address),
        }
    }
}

/// One network we serve: a subnet, and how its clients reach us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The name the operator gave it.
    pub name: String,
    /// The network interface, such as `eth1`; `None` for a network that only relay agents connect with us.
    pub interface: Option<String>,
    /// Links with the same word here share one broadcast domain, and so their clients.
    pub segment: String,
    /// The subnet.
    pub subnet: Subnet,
    /// Our own address as its clients see it: server identifier, next server, host of the URLs. It may lie outside of
    /// the subnet.
    pub address: Ipv4Addr,
    /// Relay agents of this network whose giaddr lies outside of the subnet.
    pub relays: Vec<Ipv4Addr>,
    /// The addresses to give.
    pub pools: Vec<Pool>,
    /// Lease time (option 51).
    pub lease_time: Duration,
    /// Whether we NAK requests for addresses we know nothing of (RFC 2131 §4.3.2).
    pub authoritative: bool,
    /// Whether BOOTP clients without a reservation get an address; they keep it for ever.
    pub bootp: bool,
    /// Whether router solicitations are answered with an empty advertisement where nobody uses IPv6.
    pub router_advertisement: bool,
    /// `siaddr` for clients that boot from another server than us.
    pub next_server: Option<Ipv4Addr>,
    /// DHCP options of this network; routers, DNS and the domain among them.
    pub options: Vec<DhcpOption>,
    /// Fixed addresses and names chosen by the operator.
    pub reservations: Vec<Reservation>,
}

impl Link {
    /// An authoritative network on `interface` that gives no address yet.
    pub fn new(interface: &str, subnet: Subnet, address: Ipv4Addr) -> Link {
        Link {
            name: interface.to_owned(),
            interface: Some(interface.to_owned()),
            segment: interface.to_owned(),
            subnet,
            address,
            relays: Vec::new(),
            pools: Vec::new(),
            lease_time: Duration::from_secs(12 * 3600),
            authoritative: true,
            bootp: false,
            router_advertisement: true,
            next_server: None,
            options: Vec::new(),
            reservations: Vec::new(),
        }
    }

    /// Whether `address` may be given to anyone whose classes the pool takes: in a pool, not ours, not reserved.
    pub fn gives(&self, address: Ipv4Addr) -> bool {
        self.pool_of(address).is_some() && address != self.address && !self.is_reserved(address)
    }

    /// Whether `address` is reserved for anyone.
    pub fn is_reserved(&self, address: Ipv4Addr) -> bool {
        self.reservations.iter().any(|each| each.address == Some(address))
    }

    /// The pool that holds `address`, with its place in the list.
    pub fn pool_of(&self, address: Ipv4Addr) -> Option<(usize, &Pool)> {
        self.pools.iter().enumerate().find(|(_, pool)| (pool.first..=pool.last).contains(&address))
    }
}

/// A range of addresses to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The lowest address.
    pub first: Ipv4Addr,
    /// The highest.
    pub last: Ipv4Addr,
    /// Names of classes: only clients of any of them are given these addresses. Empty for everyone.
    pub classes: Vec<String>,
    /// DHCP options of whoever holds one of these addresses.
    pub options: Vec<DhcpOption>,
}

impl Pool {
    /// A pool for everyone.
    pub fn new(first: Ipv4Addr, last: Ipv4Addr) -> Pool {
        Pool { first, last, classes: Vec::new(), options: Vec::new() }
    }

    /// How many addresses it has.
    pub fn size(&self) -> usize {
        (u32::from(self.last) - u32::from(self.first)) as usize + 1
    }

    /// Whether a client of these classes may have an address of the pool.
    pub fn takes(&self, classes: &[String]) -> bool {
        self.classes.is_empty() || self.classes.iter().any(|class| classes.contains(class))
    }
}

/// A DHCP option as an operator set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpOption {
    /// Its number, 1–254.
    pub number: u8,
    /// Its value in wire form; it may be longer than 255 bytes (RFC 3396).
    pub value: Vec<u8>,
    /// Whether it goes to clients that do not ask for it.
    pub always: bool,
}

impl DhcpOption {
    /// An option for those who ask.
    pub fn new(number: u8, value: impl Into<Vec<u8>>) -> DhcpOption {
        DhcpOption { number, value: value.into(), always: false }
    }
}

#[cfg(test)]
mod tests;
