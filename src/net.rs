//! Addresses: hardware addresses, subnets, links, and where a reply goes.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// A 48-bit Ethernet hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Reads six bytes in hex, in the spellings people type: `dc:a6:32:01:36:c2`, `dc-a6-…`, `dca6.3201.36c2`, `dca6320136c2`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut digits = text.bytes().filter(|b| !matches!(b, b':' | b'-' | b'.')).map(|b| char::from(b).to_digit(16));
        let mut mac = [0; 6];
        for byte in &mut mac {
            let (high, low) = (digits.next()??, digits.next()??);
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        if digits.next().is_some() || text.len() > 17 {
            return None;
        }
        Some(Mac(mac))
    }

    /// The form of a Raspberry Pi's `TFTP_PREFIX=2` and of pxelinux: lower case with hyphens.
    pub fn hyphenated(self) -> String {
        self.to_string().replace(':', "-")
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not by the formatter of numbers: every message and every row has one.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b':'; 17];
        for (pair, byte) in text.chunks_mut(3).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// An IPv4 subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    network: Ipv4Addr,
    prefix: u8,
}

impl Subnet {
    /// The subnet of `prefix` bits (0–32) that contains `address`.
    pub fn containing(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        let mask = mask_bits(prefix)?;
        Some(Subnet { network: Ipv4Addr::from(u32::from(address) & mask), prefix })
    }

    /// Reads `192.168.151.0/24`; host bits must be zero.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address = address.parse().ok()?;
        let subnet = Subnet::containing(address, prefix.parse().ok()?)?;
        (subnet.network == address).then_some(subnet)
    }

    /// The first address of the subnet.
    pub fn network(self) -> Ipv4Addr {
        self.network
    }

    /// The number of leading one bits of the mask.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// The mask that option 1 carries.
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from(mask_bits(self.prefix).unwrap_or(u32::MAX))
    }

    /// The directed broadcast address that option 28 carries.
    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.network) | !u32::from(self.mask()))
    }

    /// Whether `address` lies in the subnet.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & u32::from(self.mask()) == u32::from(self.network)
    }

    /// Whether `address` is in it and a station's: neither the first nor the last.
    pub fn is_host(self, address: Ipv4Addr) -> bool {
        self.contains(address) && address != self.network() && address != self.broadcast()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

fn mask_bits(prefix: u8) -> Option<u32> {
    match prefix {
        0 => Some(0),
        1..=32 => Some(u32::MAX << (32 - prefix)),
        _ => None,
    }
}

/// Which of our links (interface and subnet) a packet came by: an index into [`crate::site::Site::links`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u16);

/// Where a DHCP reply goes (RFC 2131 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// To a relay agent, UDP port 67.
    Relay(Ipv4Addr),
    /// To an address that is in use: the client's own, or a relay agent's with a port of its choice (RFC 8357).
    Unicast(SocketAddrV4),
    /// To the address and port that asked our port 4011, from there.
    BootServerClient(SocketAddrV4),
    /// To 255.255.255.255:68 on the link.
    Broadcast,
    /// To an address the client does not have yet: an Ethernet frame built for its MAC, because nobody answers ARP.
    Layer2 {
        /// The frame's destination.
        mac: Mac,
        /// The IP destination, port 68.
        address: Ipv4Addr,
    },
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Relay(address) => write!(f, "relay {address}:67"),
            Destination::Unicast(address) | Destination::BootServerClient(address) => write!(f, "{address}"),
            Destination::Broadcast => write!(f, "broadcast"),
            Destination::Layer2 { mac, address } => write!(f, "{address} at {mac}"),
        }
    }
}
