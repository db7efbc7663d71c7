//! A place and its clients for the tests of the rules and of the fleet: one link with a pool counted from .1, and
//! messages put together field by field.
//!
//! Owns no expectations.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;

use crate::net::{LinkId, Mac, Subnet};
use crate::site::{DhcpOption, Identifier, Link, Pool, Reservation, Site};
use crate::wire::dhcp::{MessageType, Request, code, codec};

/// The link of [`site`].
pub(crate) const LINK: LinkId = LinkId(0);

/// Our address there.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 252);

/// 192.168.50.`last`.
pub(crate) fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 50, last)
}

/// The MAC of client number `last`.
pub(crate) fn mac(last: u8) -> Mac {
    Mac([0x52, 0x54, 0, 0xfb, 0, last])
}

/// An authoritative link whose pool is .1 to .`pool`.
pub(crate) fn link(pool: u8) -> Link {
    Link {
        name: "bench".to_owned(),
        pools: vec![Pool::new(ip(1), ip(pool))],
        lease_time: Duration::from_secs(4000),
        options: vec![
            DhcpOption::new(code::ROUTERS, [192, 168, 50, 254]),
            DhcpOption::new(code::DNS_SERVERS, [8, 8, 8, 8, 8, 8, 4, 4]),
            DhcpOption::new(code::NTP_SERVERS, [192, 168, 50, 253]),
        ],
        ..Link::new("eth1", Subnet::parse("192.168.50.0/24").expect("a subnet"), SERVER)
    }
}

/// A place with these links.
pub(crate) fn site(links: Vec<Link>) -> Site {
    Site {
        offer_hold: Duration::from_secs(10),
        decline_hold: Duration::from_secs(3600),
        silence_limit: Duration::from_secs(900),
        ..Site::new(links)
    }
}

/// A reservation of client `last`.
pub(crate) fn reservation(last: u8, address: Option<Ipv4Addr>) -> Reservation {
    Reservation { address, ..Reservation::new(Identifier::Mac(mac(last))) }
}

/// A client's message; every field that is not set is zero, as from an Ethernet client.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) xid: u32,
    pub(crate) hops: u8,
    pub(crate) flags: u16,
    pub(crate) ciaddr: Ipv4Addr,
    pub(crate) siaddr: Ipv4Addr,
    pub(crate) giaddr: Ipv4Addr,
    pub(crate) chaddr: [u8; 6],
    pub(crate) options: Vec<(u8, Vec<u8>)>,
}

impl Message {
    /// A message of that kind from client `last`.
    pub(crate) fn new(kind: MessageType, last: u8) -> Message {
        Message {
            xid: 0x1234_5678,
            hops: 0,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr: mac(last).0,
            options: vec![(code::MESSAGE_TYPE, vec![kind.code()])],
        }
    }

    /// With an option.
    pub(crate) fn with(mut self, code: u8, value: impl AsRef<[u8]>) -> Message {
        self.options.push((code, value.as_ref().to_vec()));
        self
    }

    /// With option 50.
    pub(crate) fn requested(self, address: Ipv4Addr) -> Message {
        self.with(code::REQUESTED_ADDRESS, address.octets())
    }

    /// With option 54.
    pub(crate) fn server(self, address: Ipv4Addr) -> Message {
        self.with(code::SERVER_ID, address.octets())
    }

    /// With option 61.
    pub(crate) fn id(self, id: impl AsRef<[u8]>) -> Message {
        self.with(code::CLIENT_ID, id)
    }

    /// With option 55.
    pub(crate) fn asking_for(self, codes: impl AsRef<[u8]>) -> Message {
        self.with(code::PARAMETER_REQUEST_LIST, codes)
    }

    /// With that ciaddr.
    pub(crate) fn ciaddr(self, ciaddr: Ipv4Addr) -> Message {
        Message { ciaddr, ..self }
    }

    /// With that siaddr.
    pub(crate) fn siaddr(self, siaddr: Ipv4Addr) -> Message {
        Message { siaddr, ..self }
    }

    /// Through a relay agent of that address.
    pub(crate) fn relayed(self, giaddr: Ipv4Addr) -> Message {
        Message { giaddr, hops: 1, ..self }
    }

    /// With that hardware address.
    pub(crate) fn chaddr(self, chaddr: [u8; 6]) -> Message {
        Message { chaddr, ..self }
    }

    /// With that flags word.
    pub(crate) fn flags(self, flags: u16) -> Message {
        Message { flags, ..self }
    }

    /// As BOOTP: without option 53.
    pub(crate) fn bootp(mut self) -> Message {
        self.options.retain(|(code, _)| *code != code::MESSAGE_TYPE);
        self
    }

    /// As the payload of a UDP datagram.
    pub(crate) fn bytes(&self) -> Bytes {
        let mut bytes = vec![1, 1, 6, self.hops];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.flags.to_be_bytes());
        for address in [self.ciaddr, Ipv4Addr::UNSPECIFIED, self.siaddr, self.giaddr] {
            bytes.extend(address.octets());
        }
        bytes.extend(self.chaddr);
        bytes.resize(236, 0);
        bytes.extend([99, 130, 83, 99]);
        for (code, value) in &self.options {
            bytes.extend([*code, u8::try_from(value.len()).expect("the test's option is short")]);
            bytes.extend(value);
        }
        bytes.push(255);
        Bytes::from(bytes)
    }

    /// As the rules see it.
    pub(crate) fn request(&self) -> Request {
        codec::decode(&self.bytes()).expect("the test's message is well formed")
    }
}
