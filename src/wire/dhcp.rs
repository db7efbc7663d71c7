//! DHCP messages as values (RFC 2131 §2, RFC 2132): what a client asked, and what we answer.
//!
//! Owns the shapes only. Bytes become a [`Request`] and a [`Reply`] becomes bytes in [`codec`].

pub mod codec;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::net::Mac;

/// Option codes by their RFC names; the number is the one on the wire.
pub mod code {
    #![allow(missing_docs)]
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTERS: u8 = 3;
    pub const DNS_SERVERS: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const DOMAIN_NAME: u8 = 15;
    pub const BROADCAST_ADDRESS: u8 = 28;
    pub const NTP_SERVERS: u8 = 42;
    pub const VENDOR_ENCAPSULATED: u8 = 43;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const LEASE_TIME: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_ID: u8 = 54;
    pub const PARAMETER_REQUEST_LIST: u8 = 55;
    pub const MESSAGE: u8 = 56;
    pub const MAX_MESSAGE_SIZE: u8 = 57;
    pub const RENEWAL_TIME: u8 = 58;
    pub const REBINDING_TIME: u8 = 59;
    pub const VENDOR_CLASS: u8 = 60;
    pub const CLIENT_ID: u8 = 61;
    pub const TFTP_SERVER_NAME: u8 = 66;
    pub const BOOT_FILE: u8 = 67;
    pub const USER_CLASS: u8 = 77;
    pub const CLIENT_FQDN: u8 = 81;
    pub const RELAY_AGENT: u8 = 82;
    pub const CLIENT_ARCH: u8 = 93;
    pub const CLIENT_NDI: u8 = 94;
    pub const CLIENT_UUID: u8 = 97;
    pub const SUBNET_SELECTION: u8 = 118;
    pub const VENDOR_SPECIFIC: u8 = 125;
    pub const IPXE: u8 = 175;
    pub const WPAD: u8 = 252;
}

/// The DHCP message type, option 53 (RFC 2132 §9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum MessageType {
    Discover,
    Offer,
    Request,
    Decline,
    Ack,
    Nak,
    Release,
    Inform,
}

impl MessageType {
    /// The message type of an option 53 value.
    pub fn from_code(code: u8) -> Option<Self> {
        use MessageType::*;
        [Discover, Offer, Request, Decline, Ack, Nak, Release, Inform].get(usize::from(code).checked_sub(1)?).copied()
    }

    /// The option 53 value.
    pub fn code(self) -> u8 {
        self as u8 + 1
    }

    /// The name the RFC uses.
    pub fn name(self) -> &'static str {
        use MessageType::*;
        match self {
            Discover => "DISCOVER",
            Offer => "OFFER",
            Request => "REQUEST",
            Decline => "DECLINE",
            Ack => "ACK",
            Nak => "NAK",
            Release => "RELEASE",
            Inform => "INFORM",
        }
    }
}

/// In the flags: the answer is to be broadcast (RFC 2131 §2, figure 2).
pub const BROADCAST_FLAG: u16 = 0x8000;

/// The fields and options of a client's message, checked to be well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Option 53; `None` is BOOTP (RFC 951), with or without the magic cookie.
    pub kind: Option<MessageType>,
    /// Transaction id, chosen by the client. Repeats between clients (every Pi 3 ROM sends the same one).
    pub xid: u32,
    /// Seconds since the client began; arbitrary in the field.
    pub secs: u16,
    /// The flags word; see [`Request::broadcast`].
    pub flags: u16,
    /// Relay hops so far.
    pub hops: u8,
    /// Hardware type, 1 = Ethernet.
    pub htype: u8,
    /// Hardware address length, at most 16.
    pub hlen: u8,
    /// Hardware address, `hlen` bytes used.
    pub chaddr: [u8; 16],
    /// The address the client already uses, else 0.0.0.0.
    pub ciaddr: Ipv4Addr,
    /// Next server as the client echoes it (a Pi copies the chosen OFFER's siaddr into its REQUEST).
    pub siaddr: Ipv4Addr,
    /// The relay agent's address, else 0.0.0.0.
    pub giaddr: Ipv4Addr,
    /// The server host name field, up to its first NUL; empty if it holds options (52).
    pub sname: Vec<u8>,
    /// The boot file name field, up to its first NUL; empty if it holds options (52).
    pub file: Vec<u8>,
    /// Options by code, without 0, 52 and 255; a code that stands several times is joined in order (RFC 3396 §5).
    pub options: BTreeMap<u8, Vec<u8>>,
}

impl Request {
    /// The hardware address if it is an Ethernet one (htype 1, hlen 6).
    pub fn mac(&self) -> Option<Mac> {
        let [a, b, c, d, e, f, ..] = self.chaddr;
        (self.htype == 1 && self.hlen == 6).then_some(Mac([a, b, c, d, e, f]))
    }

    /// Whether the client asks for a broadcast answer (RFC 2131 §2, figure 2).
    pub fn broadcast(&self) -> bool {
        self.flags & BROADCAST_FLAG != 0
    }

    /// The bytes of an option.
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.get(&code).map(Vec::as_slice)
    }

    /// An option that holds one IPv4 address.
    pub fn address_option(&self, code: u8) -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = self.option(code)?.try_into().ok()?;
        Some(Ipv4Addr::from(bytes))
    }

    /// An option's text, with everything from the first NUL dropped and bytes outside ASCII replaced by `?`.
    pub fn text_option(&self, code: u8) -> Option<String> {
        let bytes = self.option(code)?;
        let text = bytes.split(|b| *b == 0).next().unwrap_or_default();
        Some(text.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '?' }).collect())
    }

    /// Whether the parameter request list (option 55) names `code`.
    pub fn asks_for(&self, code: u8) -> bool {
        self.option(code::PARAMETER_REQUEST_LIST).is_some_and(|list| list.contains(&code))
    }
}

/// A server's message, complete: encoding it decides nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Option 53; `None` answers BOOTP.
    pub kind: Option<MessageType>,
    /// Copied from the request.
    pub xid: u32,
    /// Copied from the request, except that a relayed NAK carries the broadcast bit.
    pub flags: u16,
    /// Copied from the request.
    pub hops: u8,
    /// Copied from the request.
    pub htype: u8,
    /// Copied from the request.
    pub hlen: u8,
    /// Copied from the request.
    pub chaddr: [u8; 16],
    /// The client's address where it is renewing, else 0.0.0.0.
    pub ciaddr: Ipv4Addr,
    /// The address given.
    pub yiaddr: Ipv4Addr,
    /// The TFTP server, or 0.0.0.0 where nothing is booted.
    pub siaddr: Ipv4Addr,
    /// Copied from the request.
    pub giaddr: Ipv4Addr,
    /// The server host name field, at most 63 bytes.
    pub sname: String,
    /// The boot file field, at most 127 bytes.
    pub file: String,
    /// Options in the order they are to stand, without 53, 82 and 255. Values over 255 bytes are split (RFC 3396).
    pub options: Vec<(u8, Vec<u8>)>,
    /// Option 82 of the request, echoed verbatim as the last option (RFC 3046 §2.2).
    pub relay_agent: Option<Vec<u8>>,
    /// The largest message the client takes: its option 57, else 576 (RFC 2131 §2). In bytes of the IP datagram.
    pub max_size: u16,
}

impl Reply {
    /// The bytes of an option.
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(each, _)| *each == code).map(|(_, value)| value.as_slice())
    }
}
