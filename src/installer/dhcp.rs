//! The installer's side of DHCP (RFC 2131 §4.4), as a machine without sockets and clocks: messages and time in,
//! messages and the lease out.
//!
//! Owns one interface's negotiation for as long as the run lasts: it takes the first OFFER, extends the lease at T1 and
//! T2, and starts over when the lease is refused or gone. It never gives up: who waits for it says so on the screen.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::net::{Mac, Subnet};
use crate::time::Instant;
use crate::wire::dhcp::{MessageType, Reply, Request, code, codec};

/// Option 60, by which a server can tell us from the firmware that booted us.
pub const VENDOR_CLASS: &[u8] = b"hatchery-installer";

const BROADCAST_FLAG: u16 = 0x8000;
const ETHERNET: u8 = 1;
const ASKED_FOR: [u8; 6] = [
    code::SUBNET_MASK,
    code::ROUTERS,
    code::BROADCAST_ADDRESS,
    code::LEASE_TIME,
    code::RENEWAL_TIME,
    code::REBINDING_TIME,
];
/// The first pause between two tries, doubled up to the last (RFC 2131 §4.1 begins with 4 s; a bench is not a campus).
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(16));
/// REQUESTs that go unanswered before the offer is forgotten.
const REQUESTS_MAX: u32 = 4;
/// Between two tries to extend a lease (RFC 2131 §4.4.5 forbids less).
const EXTEND_PAUSE: Duration = Duration::from_secs(60);
/// After a NAK, so that a server that refuses for ever is not flooded.
const NAK_PAUSE: Duration = Duration::from_secs(2);

/// An address, and what came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Our address.
    pub address: Ipv4Addr,
    /// The subnet it lies in.
    pub subnet: Subnet,
    /// The default router, if the link has one.
    pub router: Option<Ipv4Addr>,
    /// Option 54: who gave it.
    pub server: Ipv4Addr,
    renews: Instant,
    rebinds: Instant,
    ends: Instant,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send from port 68 of no address to port 67 of everybody.
    Broadcast(Vec<u8>),
    /// Send from port 68 of our address to port 67 of this one.
    Unicast(Ipv4Addr, Vec<u8>),
    /// The address is ours from now on.
    Bound(Lease),
    /// The address is not ours any more.
    Lost,
}

#[derive(Debug)]
enum State {
    Selecting,
    Requesting { address: Ipv4Addr, server: Ipv4Addr },
    Bound(Lease),
}

/// One interface's negotiation.
#[derive(Debug)]
pub struct Client {
    mac: Mac,
    xid: u32,
    began: Instant,
    tries: u32,
    deadline: Instant,
    state: State,
}

impl Client {
    /// A client that speaks first when it is given the time `now`; `xid` is to differ from run to run.
    pub fn new(mac: Mac, xid: u32, now: Instant) -> Client {
        Client { mac, xid, began: now, tries: 0, deadline: now, state: State::Selecting }
    }

    /// When it wants to be given the time again.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The time has come; harmless when it has not.
    pub fn on_time(&mut self, now: Instant) -> Vec<Output> {
        if now < self.deadline {
            return Vec::new();
        }
        match &self.state {
            State::Selecting => {
                self.pause(now);
                vec![Output::Broadcast(self.discover(now))]
            }
            State::Requesting { .. } if self.tries >= REQUESTS_MAX => {
                self.start_over(now);
                self.on_time(now)
            }
            State::Requesting { address, server } => {
                let bytes = self.select(*address, *server, now);
                self.pause(now);
                vec![Output::Broadcast(bytes)]
            }
            State::Bound(lease) if now >= lease.ends => {
                self.start_over(now);
                let mut outputs = vec![Output::Lost];
                outputs.extend(self.on_time(now));
                outputs
            }
            State::Bound(lease) => {
                // RFC 2131 §4.4.5: RENEWING asks its own server, REBINDING any.
                let (to, next) = match now < lease.rebinds {
                    true => (lease.server, lease.rebinds),
                    false => (Ipv4Addr::BROADCAST, lease.ends),
                };
                let bytes = self.extend(lease, now);
                let pause = EXTEND_PAUSE.max(next.since(now) / 2);
                self.deadline = (now + pause).min(next.max(now + Duration::from_secs(1)));
                vec![Output::Unicast(to, bytes)]
            }
        }
    }

    /// A message came in; what is not a server's answer to our last question changes nothing.
    pub fn on_message(&mut self, bytes: &[u8], now: Instant) -> Vec<Output> {
        let Ok(reply) = codec::decode_reply(bytes) else { return Vec::new() };
        if reply.xid != self.xid || reply.chaddr[..6] != self.mac.0 {
            return Vec::new();
        }
        let server = address_option(&reply, code::SERVER_ID);
        match (&self.state, reply.kind, server) {
            (State::Selecting, Some(MessageType::Offer), Some(server)) if usable(reply.yiaddr) => {
                self.state = State::Requesting { address: reply.yiaddr, server };
                self.tries = 0;
                self.deadline = now;
                self.on_time(now)
            }
            (State::Requesting { server: chosen, .. }, Some(MessageType::Ack), Some(server))
                if *chosen == server && usable(reply.yiaddr) =>
            {
                self.bind(&reply, server, now)
            }
            (State::Bound(_), Some(MessageType::Ack), Some(server)) if usable(reply.yiaddr) => {
                self.bind(&reply, server, now)
            }
            (State::Requesting { server: chosen, .. }, Some(MessageType::Nak), Some(server)) if *chosen == server => {
                self.start_over(now);
                self.deadline = now + NAK_PAUSE;
                Vec::new()
            }
            (State::Bound(_), Some(MessageType::Nak), Some(_)) => {
                self.start_over(now);
                self.deadline = now + NAK_PAUSE;
                vec![Output::Lost]
            }
            _ => Vec::new(),
        }
    }

    fn bind(&mut self, reply: &Reply, server: Ipv4Addr, now: Instant) -> Vec<Output> {
        let seconds = |code| {
            let bytes: [u8; 4] = reply.option(code)?.try_into().ok()?;
            Some(Duration::from_secs(u32::from_be_bytes(bytes).into()))
        };
        // A lease without a time is one without an end, as in BOOTP.
        let time = seconds(code::LEASE_TIME).unwrap_or(Duration::from_secs(u32::MAX.into()));
        let renewal = seconds(code::RENEWAL_TIME).filter(|t1| *t1 < time).unwrap_or(time / 2);
        let rebinding = seconds(code::REBINDING_TIME).filter(|t2| (renewal..time).contains(t2)).unwrap_or(time / 8 * 7);
        let mask = address_option(reply, code::SUBNET_MASK).map_or_else(|| classful(reply.yiaddr), mask_length);
        let router = reply.option(code::ROUTERS).and_then(|list| list.get(..4)).and_then(address);
        let lease = Lease {
            address: reply.yiaddr,
            subnet: Subnet::containing(reply.yiaddr, mask).expect("a mask has at most 32 ones"),
            router: router.filter(|router| usable(*router)),
            server,
            renews: now + renewal,
            rebinds: now + rebinding.max(renewal),
            ends: now + time,
        };
        let news = match &self.state {
            State::Bound(old) if same_place(old, &lease) => Vec::new(),
            State::Bound(_) => vec![Output::Lost, Output::Bound(lease.clone())],
            _ => vec![Output::Bound(lease.clone())],
        };
        self.deadline = lease.renews;
        self.tries = 0;
        self.state = State::Bound(lease);
        news
    }

    fn start_over(&mut self, now: Instant) {
        self.state = State::Selecting;
        // Answers to what was asked before are not for us any more.
        self.xid = self.xid.wrapping_mul(0x9e37_79b1).wrapping_add(1);
        self.began = now;
        self.tries = 0;
        self.deadline = now;
    }

    /// Doubles the pause; its last fifth is drawn from the transaction, so that benches full of machines spread out.
    fn pause(&mut self, now: Instant) {
        let (first, last) = PAUSES;
        let pause = (first * (1 << self.tries.min(8))).min(last);
        let share = (self.xid.rotate_left(self.tries) ^ u32::from(self.mac.0[5])) % 1000;
        self.tries += 1;
        self.deadline = now + pause * 4 / 5 + pause / 5 * share / 1000;
    }

    fn discover(&self, now: Instant) -> Vec<u8> {
        self.message(MessageType::Discover, BROADCAST_FLAG, Ipv4Addr::UNSPECIFIED, now, &[])
    }

    /// The REQUEST of SELECTING (RFC 2131 §4.3.2).
    fn select(&self, address: Ipv4Addr, server: Ipv4Addr, now: Instant) -> Vec<u8> {
        let taken = [(code::REQUESTED_ADDRESS, address), (code::SERVER_ID, server)];
        self.message(MessageType::Request, BROADCAST_FLAG, Ipv4Addr::UNSPECIFIED, now, &taken)
    }

    /// The REQUEST of RENEWING and REBINDING: the address in ciaddr, neither option 50 nor 54.
    fn extend(&self, lease: &Lease, now: Instant) -> Vec<u8> {
        self.message(MessageType::Request, 0, lease.address, now, &[])
    }

    fn message(
        &self,
        kind: MessageType,
        flags: u16,
        ciaddr: Ipv4Addr,
        now: Instant,
        addresses: &[(u8, Ipv4Addr)],
    ) -> Vec<u8> {
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&self.mac.0);
        // The firmware's client identifier, so that the address stays the one it had: hardware type and MAC.
        let client_id = [&[ETHERNET], &self.mac.0[..]].concat();
        let mut options = BTreeMap::from([
            (code::CLIENT_ID, client_id),
            (code::VENDOR_CLASS, VENDOR_CLASS.to_vec()),
            (code::PARAMETER_REQUEST_LIST, ASKED_FOR.to_vec()),
            (code::MAX_MESSAGE_SIZE, 1500_u16.to_be_bytes().to_vec()),
        ]);
        options.extend(addresses.iter().map(|(code, address)| (*code, address.octets().to_vec())));
        let request = Request {
            kind: Some(kind),
            xid: self.xid,
            secs: u16::try_from(now.since(self.began).as_secs()).unwrap_or(u16::MAX),
            flags,
            hops: 0,
            htype: ETHERNET,
            hlen: 6,
            chaddr,
            ciaddr,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            sname: Vec::new(),
            file: Vec::new(),
            options,
        };
        codec::encode_request(&request).to_vec()
    }
}

fn same_place(old: &Lease, new: &Lease) -> bool {
    (old.address, old.subnet, old.router) == (new.address, new.subnet, new.router)
}

fn usable(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast() || address.is_loopback())
}

fn address(bytes: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))
}

fn address_option(reply: &Reply, code: u8) -> Option<Ipv4Addr> {
    address(reply.option(code)?)
}

fn mask_length(mask: Ipv4Addr) -> u8 {
    u32::from(mask).leading_ones() as u8
}

/// The mask where a server sends none (RFC 950 §2.1).
fn classful(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    }
}

#[cfg(all(test, feature = "server"))]
mod tests;
