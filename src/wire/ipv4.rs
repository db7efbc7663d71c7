//! UDP in IPv4, by hand: what a DHCP server needs to reach a client that has no address yet, and a client to speak
//! before it has one (RFC 791, RFC 768).

use std::net::{Ipv4Addr, SocketAddrV4};

const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const PROTOCOL_UDP: u8 = 17;

/// A UDP datagram with its IPv4 header, ready for an Ethernet frame. No options, TTL 64, don't-fragment clear, because
/// some boot ROMs stumble over it. The payload must leave room for the headers in 65,535 bytes.
pub fn udp_packet(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let total = IP_HEADER + UDP_HEADER + payload.len();
    let total_length = u16::try_from(total).expect("a DHCP message is far below 64 KiB").to_be_bytes();
    let udp_length = ((total - IP_HEADER) as u16).to_be_bytes();

    let mut packet = Vec::with_capacity(total);
    packet.extend_from_slice(&[0x45, 0, total_length[0], total_length[1], 0, 0, 0, 0, 64, PROTOCOL_UDP, 0, 0]);
    packet.extend_from_slice(&from.ip().octets());
    packet.extend_from_slice(&to.ip().octets());
    let header_checksum = !ones_complement_sum(&packet, 0);
    packet[10..12].copy_from_slice(&header_checksum.to_be_bytes());

    packet.extend_from_slice(&from.port().to_be_bytes());
    packet.extend_from_slice(&to.port().to_be_bytes());
    packet.extend_from_slice(&udp_length);
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(payload);
    let checksum = match !udp_sum(&packet[12..20], &packet[IP_HEADER..]) {
        // Zero means "no checksum"; a computed zero is sent as all ones (RFC 768).
        0 => 0xffff,
        sum => sum,
    };
    packet[26..28].copy_from_slice(&checksum.to_be_bytes());
    packet
}

/// The addresses and payload of a UDP datagram, or `None` for anything else, a fragment, or a bad length or checksum.
pub fn parse_udp(packet: &[u8]) -> Option<(SocketAddrV4, SocketAddrV4, &[u8])> {
    let header_length = usize::from(packet.first()? & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3fff;
    let fits = packet[0] >> 4 == 4 && header_length >= IP_HEADER && total <= packet.len() && fragment == 0;
    if !fits || total < header_length + UDP_HEADER || packet[9] != PROTOCOL_UDP {
        return None;
    }
    let udp = &packet[header_length..total];
    let length = usize::from(u16::from_be_bytes([udp[4], udp[5]]));
    if length < UDP_HEADER || length > udp.len() {
        return None;
    }
    let udp = &udp[..length];
    let checksummed = udp[6..8] != [0, 0];
    if checksummed && udp_sum(&packet[12..20], udp) != 0xffff {
        return None;
    }
    let address = |at: usize, port: usize| {
        let octets: [u8; 4] = packet[at..at + 4].try_into().ok()?;
        Some(SocketAddrV4::new(Ipv4Addr::from(octets), u16::from_be_bytes([udp[port], udp[port + 1]])))
    };
    Some((address(12, 0)?, address(16, 2)?, &udp[UDP_HEADER..]))
}

/// The sum over the pseudo header (addresses, protocol, length) and the datagram.
fn udp_sum(addresses: &[u8], udp: &[u8]) -> u16 {
    let pseudo = u32::from(ones_complement_sum(addresses, 0)) + u32::from(PROTOCOL_UDP) + udp.len() as u32;
    ones_complement_sum(udp, pseudo)
}

/// RFC 1071: 16-bit words added with end-around carry; an odd last byte counts as the high half of a word.
pub(super) fn ones_complement_sum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = start;
    for word in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests;
