//! Reads the UDP packets of a capture file: libpcap format, Ethernet, IPv4.
//!
//! Owns the container formats only; what a payload means is the codecs' matter. A file that is not such a capture
//! ends the test: fixtures are ours.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::Duration;

/// One UDP packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpPacket {
    /// Since the first packet of the file, of whatever protocol.
    pub time: Duration,
    /// Where it came from.
    pub src: SocketAddrV4,
    /// Where it went.
    pub dst: SocketAddrV4,
    /// What UDP carried.
    pub payload: Vec<u8>,
}

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
/// Written by a machine of the same byte order, with microseconds.
const MAGIC: u32 = 0xa1b2_c3d4;
const LINKTYPE_ETHERNET: u32 = 1;

/// The unfragmented UDP packets of the capture at `path`, in the order of the file.
pub fn udp_packets(path: &Path) -> Vec<UdpPacket> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(word(0), MAGIC, "{}: a little-endian libpcap file", path.display());
    assert_eq!(word(20), LINKTYPE_ETHERNET, "{}: captured on Ethernet", path.display());

    let mut packets = Vec::new();
    let mut first = None;
    let mut at = FILE_HEADER;
    while at < bytes.len() {
        let stamp = Duration::new(word(at).into(), word(at + 4) * 1000);
        let start = at + RECORD_HEADER;
        at = start + usize::try_from(word(start - 8)).expect("a length fits");
        // Whose clock is set back while it captures goes back behind its first packet.
        let time = stamp.saturating_sub(*first.get_or_insert(stamp));
        if let Some((src, dst, payload)) = udp(&bytes[start..at]) {
            packets.push(UdpPacket { time, src, dst, payload: payload.to_vec() });
        }
    }
    packets
}

/// The UDP packet in an Ethernet frame, if there is one.
fn udp(frame: &[u8]) -> Option<(SocketAddrV4, SocketAddrV4, &[u8])> {
    let ip = frame.get(14..).filter(|_| frame[12..14] == [0x08, 0x00])?;
    let header_len = usize::from(ip.first()? & 0x0f) * 4;
    let is_fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff != 0;
    if ip[9] != 17 || is_fragment {
        return None;
    }
    let udp = ip.get(header_len..)?;
    let half = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
    let address = |at: usize| Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]);
    let payload = udp.get(8..usize::from(half(4)))?;
    Some((SocketAddrV4::new(address(12), half(0)), SocketAddrV4::new(address(16), half(2)), payload))
}
