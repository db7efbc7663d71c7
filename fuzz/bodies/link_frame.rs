//! Any bytes, and packets of known kinds, as what a link brings beside DHCP messages: ARP, router discovery, UDP in IPv4.
//!
//! What was read is the same when it is written again; what follows a packet says nothing about it; a packet whose
//! checksum covers what was changed is none.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4};

use hatchery::net::Mac;
use hatchery::wire::arp::{LENGTH, Packet};
use hatchery::wire::icmpv6::{self, Heard};
use hatchery::wire::ipv4;

use crate::script::Script;

const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);

/// What a router says in its options: our address, a prefix, the MTU; what is none; one without a length.
const OPTIONS: [&[u8]; 6] = [
    &[1, 1, 2, 0, 0, 0, 0, 9],
    &[3, 4, 64, 0xc0, 0, 0, 14, 16, 0, 0, 14, 16, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    &[5, 1, 0, 0, 0, 0, 5, 220],
    &[14, 1, 1, 2, 3, 4, 5, 6],
    &[3, 0],
    &[1, 9, 2, 0, 0, 0, 0, 9],
];

/// Whether the bytes are a packet of any of them.
pub fn run(bytes: &[u8]) -> bool {
    match Script::of(bytes) {
        Some(mut script) => check(&built(&mut script)),
        None => check(bytes),
    }
}

fn check(bytes: &[u8]) -> bool {
    let arp = Packet::decode(bytes);
    if let Some(packet) = arp {
        assert_eq!(packet.encode()[..], bytes[..LENGTH]);
        let claim = packet.claim();
        assert!(claim.is_none_or(|(address, mac)| !address.is_unspecified() && mac == packet.sender_mac));
    }
    let heard = icmpv6::parse(bytes);
    if let Some(heard) = heard {
        let end = 40 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
        assert_eq!(icmpv6::parse(&[bytes, b"\0\xff"].concat()), Some(heard));
        assert_eq!(icmpv6::parse(&bytes[..end - 1]), None);
        let mut flipped = bytes.to_vec();
        flipped[end - 1] ^= 1;
        assert_eq!(icmpv6::parse(&flipped), None);
    }
    if let Some(Heard::Solicitation { from }) = heard {
        assert!(from.is_unspecified() || from.is_unicast_link_local());
        let answer = icmpv6::empty_advertisement(icmpv6::link_local(OURS), from);
        assert_eq!(icmpv6::parse(&answer), Some(Heard::Advertisement { routes: false }));
    }
    let udp = ipv4::parse_udp(bytes);
    if let Some((from, to, payload)) = udp {
        let again = ipv4::udp_packet(from, to, payload);
        assert_eq!(ipv4::parse_udp(&again), Some((from, to, payload)));
        assert_eq!(ipv4::parse_udp(&again[..again.len() - 1]), None);
    }
    arp.is_some() || heard.is_some() || udp.is_some()
}

fn built(script: &mut Script<'_>) -> Vec<u8> {
    let mut packet = match script.below(3) {
        0 => arp(script),
        1 => discovery(script),
        _ => udp(script),
    };
    if script.rarely() {
        let at = usize::from(script.word()) % packet.len();
        packet[at] = script.byte();
    } else if script.rarely() {
        packet.truncate(usize::from(script.word()) % packet.len());
    }
    packet.extend(script.slice(18));
    packet
}

fn address(script: &mut Script<'_>) -> Ipv4Addr {
    script.choice(&[
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::new(192, 168, 151, 1),
        Ipv4Addr::new(192, 168, 151, 100),
        Ipv4Addr::BROADCAST,
    ])
}

fn arp(script: &mut Script<'_>) -> Vec<u8> {
    let mut packet = Packet::probe(Mac([2, 0, 0, 0, 0, script.byte()]), address(script));
    packet.sender = address(script);
    packet.target_mac = Mac([script.byte(); 6]);
    let mut bytes = packet.encode().to_vec();
    bytes[7] = if script.rarely() { script.byte() } else { script.choice(&[1, 2]) };
    bytes
}

/// A solicitation or an advertisement with a checksum that is right, whatever else is not.
fn discovery(script: &mut Script<'_>) -> Vec<u8> {
    let kind = if script.rarely() { script.byte() } else { script.choice(&[133, 134]) };
    let mut message = vec![kind, if script.rarely() { script.byte() } else { 0 }, 0, 0];
    message.extend(if kind == 134 { [64, script.byte(), 0, script.byte()] } else { [0; 4] });
    message.resize(if kind == 134 { 16 } else { 8 }, 0);
    for _ in 0..script.below(4) {
        let options = if script.rarely() { &OPTIONS[..] } else { &OPTIONS[..4] };
        message.extend(script.choice(options));
    }
    let from = script.choice(&[
        icmpv6::link_local(OURS),
        icmpv6::link_local(OURS),
        Ipv6Addr::UNSPECIFIED,
        Ipv6Addr::LOCALHOST,
    ]);
    let to = script.choice(&[1, 2]);
    let mut packet = vec![0x60, 0, 0, 0, 0, message.len() as u8, 58, if script.rarely() { script.byte() } else { 255 }];
    packet.extend(from.octets());
    packet.extend(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, to).octets());
    let mut sum = message.len() as u64 + 58;
    for pair in packet[8..].chunks(2).chain(message.chunks(2)) {
        sum += u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    message[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    packet.extend(message);
    packet
}

fn udp(script: &mut Script<'_>) -> Vec<u8> {
    let port = |script: &mut Script<'_>| script.choice(&[67, 68, 4011, 69]);
    let from = SocketAddrV4::new(address(script), port(script));
    let to = SocketAddrV4::new(address(script), port(script));
    let mut packet = ipv4::udp_packet(from, to, script.slice(64));
    if script.rarely() {
        // Options in the header, which nobody adds up here.
        packet[0] = 0x46;
        packet.splice(20..20, [1, 1, 1, 0]);
        let total = packet.len() as u16;
        packet[2..4].copy_from_slice(&total.to_be_bytes());
    }
    if script.rarely() {
        packet[6] = script.byte();
    }
    packet
}
