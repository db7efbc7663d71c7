//! ARP for IPv4 on Ethernet (RFC 826): what a station says about an address, and the probe that asks whether anyone
//! uses one (RFC 5227 §2.1.1).

use std::net::Ipv4Addr;

use crate::net::Mac;

/// The length of a packet; Ethernet pads it behind its end.
pub const LENGTH: usize = 28;

/// Hardware type Ethernet, protocol type IPv4, and their address lengths.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// Asked, or answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has its address.
    Reply,
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Asked, or answered.
    pub operation: Operation,
    /// Who speaks.
    pub sender_mac: Mac,
    /// The address it has; 0.0.0.0 in a probe, which claims none.
    pub sender: Ipv4Addr,
    /// To whom; zeros in a request.
    pub target_mac: Mac,
    /// The address it is about.
    pub target: Ipv4Addr,
}

impl Packet {
    /// The question whether anyone uses `target`. It claims no address, so no cache learns anything from it.
    pub fn probe(sender_mac: Mac, target: Ipv4Addr) -> Packet {
        let (sender, target_mac) = (Ipv4Addr::UNSPECIFIED, Mac([0; 6]));
        Packet { operation: Operation::Request, sender_mac, sender, target_mac, target }
    }

    /// Who uses which address, according to this packet: every request and reply says so of its sender, an
    /// announcement says nothing else, and a probe does not.
    pub fn claim(&self) -> Option<(Ipv4Addr, Mac)> {
        (self.sender != Ipv4Addr::UNSPECIFIED).then_some((self.sender, self.sender_mac))
    }

    /// Reads a packet; `None` for anything else than ARP for IPv4 on Ethernet.
    pub fn decode(bytes: &[u8]) -> Option<Packet> {
        let bytes: &[u8; LENGTH] = bytes.first_chunk()?;
        let operation = match bytes[6..8] {
            [0, 1] => Operation::Request,
            [0, 2] => Operation::Reply,
            _ => return None,
        };
        let mac = |at: usize| Some(Mac(*bytes[at..].first_chunk()?));
        let address = |at: usize| Some(Ipv4Addr::from(*bytes[at..].first_chunk::<4>()?));
        let (sender_mac, sender, target_mac, target) = (mac(8)?, address(14)?, mac(18)?, address(24)?);
        (bytes[..6] == ETHERNET_IPV4).then_some(Packet { operation, sender_mac, sender, target_mac, target })
    }

    /// The bytes behind the Ethernet header.
    pub fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..6].copy_from_slice(&ETHERNET_IPV4);
        bytes[7] = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        bytes[8..14].copy_from_slice(&self.sender_mac.0);
        bytes[14..18].copy_from_slice(&self.sender.octets());
        bytes[18..24].copy_from_slice(&self.target_mac.0);
        bytes[24..].copy_from_slice(&self.target.octets());
        bytes
    }
}

#[cfg(test)]
mod tests;
