//! The router that is none: answers IPv6 router solicitations with an empty advertisement.
//!
//! iPXE of 2019 waits 16 seconds for a router before it goes on with its IPv4 address; any advertisement ends that.
//! Ours makes nobody a client of ours: lifetime 0, no prefix. Nothing is sent where IPv6 is in use, and so many answers
//! a second at most.

use std::io;
use std::net::Ipv6Addr;
use std::time::Duration;

use socket2::SockFilter;

use super::packet::{AsyncPacketSocket, EtherType};
use super::preflight::interface;
use crate::clock;
use crate::net::Mac;
use crate::site::Site;
use crate::time::Instant;
use crate::wire::icmpv6::{self, Heard};

/// How long a router counts as present: the longest interval of its advertisements (RFC 4861 §6.2.1).
const ROUTER_TIME: Duration = Duration::from_secs(1800);

/// Answers in one second: a rack that is switched on asks at once.
const ANSWERS_MAX: u32 = 100;

/// The longest packet looked at: a solicitation is at most a few options long.
const PACKET_MAX: usize = 1500;

/// One socket for each interface where it could be opened.
#[derive(Debug)]
pub struct Advertiser {
    ports: Vec<Port>,
}

#[derive(Debug)]
struct Port {
    interface: String,
    /// Our address there, whether the system uses it or not: a station needs nothing more to be heard.
    address: Ipv6Addr,
    socket: AsyncPacketSocket,
}

impl Advertiser {
    /// Opens every interface whose networks all want it. Service goes on without those that cannot be opened. Must run
    /// inside the runtime.
    pub fn open(site: &Site) -> Advertiser {
        let mut ports: Vec<Port> = Vec::new();
        for (id, link, name) in site.wired() {
            let wanted = site.segment(id).all(|(_, link)| link.router_advertisement);
            if !wanted || ports.iter().any(|port| port.interface == name) {
                continue;
            }
            match Port::open(name) {
                Ok(port) => ports.push(port),
                Err(error) => {
                    tracing::warn!(link = link.name, interface = name, %error, "router solicitations are not answered");
                }
            }
        }
        Advertiser { ports }
    }

    /// For a server that leaves the network to others.
    pub fn none() -> Advertiser {
        Advertiser { ports: Vec::new() }
    }

    /// Answers for ever.
    pub async fn run(self) {
        let mut ears = tokio::task::JoinSet::new();
        for port in self.ports {
            ears.spawn(async move { port.answer().await });
        }
        ears.join_all().await;
    }
}

impl Port {
    fn open(name: &str) -> io::Result<Port> {
        let address = icmpv6::link_local(interface::mac_of(name)?);
        let socket = AsyncPacketSocket::open_filtered(name, EtherType::Ipv6, &program())?;
        for group in icmpv6::GROUPS {
            socket.socket().join(group)?;
        }
        Ok(Port { interface: name.to_owned(), address, socket })
    }

    async fn answer(&self) {
        let mut restraint = Restraint::default();
        let mut buffer = [0; PACKET_MAX];
        loop {
            match self.socket.receive(&mut buffer).await {
                Ok((length, mac)) => match icmpv6::parse(&buffer[..length]) {
                    Some(Heard::Solicitation { from }) => self.solicited(from, mac, &mut restraint),
                    Some(Heard::Advertisement { routes }) => restraint.heard_router(routes, clock::now().instant),
                    None => {}
                },
                // The interface may go down and come back; the socket stays.
                Err(error) => {
                    tracing::debug!(interface = self.interface, %error, "socket of router solicitations");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn solicited(&self, from: Ipv6Addr, mac: Mac, restraint: &mut Restraint) {
        let interface = &self.interface;
        if !restraint.allows(clock::now().instant) || interface::has_routed_ipv6(interface) {
            tracing::debug!(interface, %mac, "router solicitation left to others");
            return;
        }
        let packet = icmpv6::empty_advertisement(self.address, from);
        match self.socket.socket().send(&packet, icmpv6::destination(from, mac)) {
            Ok(()) => tracing::debug!(interface, %mac, "router solicitation answered: there is none"),
            Err(error) => tracing::debug!(interface, %mac, %error, "router advertisement not sent"),
        }
    }
}

/// When to keep still: a router is there, or enough was said in this second.
#[derive(Debug, Default)]
struct Restraint {
    router_seen: Option<Instant>,
    second_began: Instant,
    answers: u32,
}

impl Restraint {
    fn heard_router(&mut self, routes: bool, now: Instant) {
        if routes {
            self.router_seen = Some(now);
        }
    }

    /// Whether to answer now; counts the answer.
    fn allows(&mut self, now: Instant) -> bool {
        if self.router_seen.is_some_and(|seen| now.since(seen) < ROUTER_TIME) {
            return false;
        }
        if now.since(self.second_began) >= Duration::from_secs(1) {
            (self.second_began, self.answers) = (now, 0);
        }
        self.answers += 1;
        self.answers <= ANSWERS_MAX
    }
}

/// ICMPv6 solicitations (133) and advertisements (134) without extension headers (bpf(4); offsets from the IPv6 header).
fn program() -> [SockFilter; 7] {
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    // Jumps count the steps to skip; the last step refuses.
    [
        SockFilter::new(LOAD_BYTE, 0, 0, 6),
        SockFilter::new(EQUAL, 0, 4, 58),
        SockFilter::new(LOAD_BYTE, 0, 0, 40),
        SockFilter::new(EQUAL, 1, 0, 133),
        SockFilter::new(EQUAL, 0, 1, 134),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests;
