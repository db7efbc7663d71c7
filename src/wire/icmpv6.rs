//! Router discovery of IPv6 (RFC 4861 §4.1, §4.2): who asks for a router, who is one, and the advertisement of somebody
//! who is none.
//!
//! Works on whole IPv6 packets without extension headers. What does not pass the checks of RFC 4861 §6.1 is nothing.

use std::net::Ipv6Addr;

use super::ipv4::ones_complement_sum;
use crate::net::Mac;

/// Every station of a link, and every router.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// The frames that packets to these go in (RFC 2464 §7).
pub const GROUPS: [Mac; 2] = [multicast_mac(ALL_NODES), multicast_mac(ALL_ROUTERS)];

const IP_HEADER: usize = 40;
const NEXT_HEADER_ICMPV6: u8 = 58;
/// A packet of a neighbour: every router would have counted it down (RFC 4861 §6.1).
const HOP_LIMIT: u8 = 255;
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
/// What stands before the options.
const SOLICITATION_HEAD: usize = 8;
const ADVERTISEMENT_HEAD: usize = 16;
/// Option: the sender's hardware address.
const SOURCE_LINK_ADDRESS: u8 = 1;
/// Option: addresses to use, and which of them are on the link.
const PREFIX: u8 = 3;

/// The length of [`empty_advertisement`].
pub const ADVERTISEMENT_LEN: usize = IP_HEADER + ADVERTISEMENT_HEAD;

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Is there a router?
    Solicitation {
        /// Who asks; `::` if it has no address yet.
        from: Ipv6Addr,
    },
    /// There is one.
    Advertisement {
        /// Whether it is a default router, or says which addresses to use: an empty one is neither.
        routes: bool,
    },
}

/// Reads a packet; `None` for anything else, or malformed.
pub fn parse(packet: &[u8]) -> Option<Heard> {
    let header: &[u8; IP_HEADER] = packet.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let message = packet.get(IP_HEADER..IP_HEADER + length)?;
    let ours = header[0] >> 4 == 6 && header[6] == NEXT_HEADER_ICMPV6 && header[7] == HOP_LIMIT;
    if !ours || length < SOLICITATION_HEAD || message[1] != 0 || checksum(header, message) != 0 {
        return None;
    }
    let from = Ipv6Addr::from(*header[8..].first_chunk::<16>()?);
    match message[0] {
        SOLICITATION if from.is_unicast_link_local() || from.is_unspecified() => {
            let kinds = options(&message[SOLICITATION_HEAD..])?;
            // RFC 4861 §6.1.1: who has no address names no hardware address either.
            let lies = from.is_unspecified() && kinds.contains(&SOURCE_LINK_ADDRESS);
            (!lies).then_some(Heard::Solicitation { from })
        }
        ADVERTISEMENT if from.is_unicast_link_local() && length >= ADVERTISEMENT_HEAD => {
            let kinds = options(&message[ADVERTISEMENT_HEAD..])?;
            let lifetime = u16::from_be_bytes([message[6], message[7]]);
            Some(Heard::Advertisement { routes: lifetime > 0 || kinds.contains(&PREFIX) })
        }
        _ => None,
    }
}

/// The advertisement of a station that is no router: lifetime 0, no prefix, nothing to configure. To everybody if `to`
/// is `::` (RFC 4861 §6.2.6).
pub fn empty_advertisement(from: Ipv6Addr, to: Ipv6Addr) -> [u8; ADVERTISEMENT_LEN] {
    let to = if to.is_unspecified() { ALL_NODES } else { to };
    let mut packet = [0; ADVERTISEMENT_LEN];
    packet[0] = 6 << 4;
    packet[5] = ADVERTISEMENT_HEAD as u8;
    packet[6] = NEXT_HEADER_ICMPV6;
    packet[7] = HOP_LIMIT;
    packet[8..24].copy_from_slice(&from.octets());
    packet[24..40].copy_from_slice(&to.octets());
    packet[IP_HEADER] = ADVERTISEMENT;
    let (header, message) = packet.split_at_mut(IP_HEADER);
    let checksum = checksum(header, message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    packet
}

/// The frame that [`empty_advertisement`] goes in: to the station that asked from `mac`, or to everybody.
pub fn destination(to: Ipv6Addr, mac: Mac) -> Mac {
    if to.is_unspecified() { GROUPS[0] } else { mac }
}

/// The address that every station has by its hardware address (RFC 4291 appendix A).
pub fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

const fn multicast_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    Mac([0x33, 0x33, a, b, c, d])
}

/// The kinds of the options; `None` if one has no length or runs past the end.
fn options(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut kinds = Vec::new();
    while let [kind, eights, ..] = rest {
        rest = rest.get(usize::from(*eights).checked_mul(8).filter(|length| *length > 0)?..)?;
        kinds.push(*kind);
    }
    rest.is_empty().then_some(kinds)
}

/// The checksum over the pseudo header and the message (RFC 8200 §8.1): what belongs in its field while that is 0, and
/// 0 for a whole message.
fn checksum(header: &[u8], message: &[u8]) -> u16 {
    let addresses = u32::from(ones_complement_sum(&header[8..40], 0));
    let start = addresses + message.len() as u32 + u32::from(NEXT_HEADER_ICMPV6);
    !ones_complement_sum(message, start)
}

#[cfg(test)]
mod tests;
