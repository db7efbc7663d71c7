//! The UDP packets of a run as a capture file that Wireshark opens: libpcap format, Ethernet, IPv4.
//!
//! Owns the bytes and nothing else. Packets are noted as they are sent, so those that get lost are in it too; HTTP
//! exchanges are no packets here and are not.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::net::Mac;
use crate::time::Timestamp;

/// The server's hardware address: a locally administered one.
pub(super) const SERVER_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
pub(super) const BROADCAST_MAC: Mac = Mac([0xff; 6]);

const MAGIC: u32 = 0xa1b2_c3d4;
const LINKTYPE_ETHERNET: u32 = 1;
const SNAPLEN: u32 = 65_535;
const ETHERNET: usize = 14;
const IPV4: usize = 20;
const UDP: usize = 8;

/// An end of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub mac: Mac,
    pub at: SocketAddrV4,
}

impl End {
    pub fn new(mac: Mac, address: Ipv4Addr, port: u16) -> End {
        End { mac, at: SocketAddrV4::new(address, port) }
    }
}

/// The packets so far, if anybody wants to look at them.
#[derive(Debug)]
pub(super) struct Capture {
    wanted: bool,
    bytes: Vec<u8>,
}

impl Capture {
    pub fn new(wanted: bool) -> Capture {
        let mut bytes = Vec::new();
        if wanted {
            bytes.extend_from_slice(&MAGIC.to_le_bytes());
            // Version 2.4, and times in UTC.
            bytes.extend_from_slice(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            bytes.extend_from_slice(&SNAPLEN.to_le_bytes());
            bytes.extend_from_slice(&LINKTYPE_ETHERNET.to_le_bytes());
        }
        Capture { wanted, bytes }
    }

    /// A packet is sent.
    pub fn udp(&mut self, time: Timestamp, from: End, to: End, payload: &[u8]) {
        if !self.wanted {
            return;
        }
        let ip_length = IPV4 + UDP + payload.len();
        let length = word(ETHERNET + ip_length);
        let millis = time.millis().max(0).unsigned_abs();
        for field in [(millis / 1000) as u32, (millis % 1000 * 1000) as u32, length, length] {
            self.bytes.extend_from_slice(&field.to_le_bytes());
        }
        self.bytes.extend_from_slice(&to.mac.0);
        self.bytes.extend_from_slice(&from.mac.0);
        self.bytes.extend_from_slice(&[0x08, 0x00]);
        self.bytes.extend_from_slice(&ipv4_header(half(ip_length), *from.at.ip(), *to.at.ip()));
        for field in [from.at.port(), to.at.port(), half(UDP + payload.len()), 0] {
            // No checksum: 0 says so (RFC 768).
            self.bytes.extend_from_slice(&field.to_be_bytes());
        }
        self.bytes.extend_from_slice(payload);
    }

    /// The file; empty if nobody wanted it.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn word(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn half(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// RFC 791 §3.1: no options, protocol 17, a lifetime of 64 hops.
fn ipv4_header(length: u16, from: Ipv4Addr, to: Ipv4Addr) -> [u8; IPV4] {
    let mut header = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[2..4].copy_from_slice(&length.to_be_bytes());
    header[12..16].copy_from_slice(&from.octets());
    header[16..].copy_from_slice(&to.octets());
    let mut sum: u32 = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    header[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    header
}

#[cfg(test)]
mod tests;
