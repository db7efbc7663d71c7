//! Messages that a client without an address sends to ours: from 0.0.0.0 by unicast.
//!
//! The kernel hands a UDP socket no datagram from 0.0.0.0 unless it went to 255.255.255.255, so a packet socket takes
//! exactly those that it drops; no message comes twice.

use std::io;
use std::net::Ipv4Addr;

use socket2::SockFilter;

use super::super::packet::{EtherType, PacketSocket, open_filtered};
use super::SERVER_PORT;
use crate::wire::ipv4;

/// Opens the packet socket of one interface.
pub(super) fn open(interface: &str) -> io::Result<PacketSocket> {
    open_filtered(interface, EtherType::Ipv4, &program())
}

/// The message of a packet, if it is to one of `addresses`. The filter began after the socket: what came in between is
/// looked at here.
pub(super) fn message<'p>(packet: &'p [u8], addresses: &[Ipv4Addr]) -> Option<&'p [u8]> {
    let (from, to, message) = ipv4::parse_udp(packet)?;
    let ours = from.ip().is_unspecified() && addresses.contains(to.ip()) && to.port() == SERVER_PORT;
    ours.then_some(message)
}

/// UDP to port 67 from 0.0.0.0, not to 255.255.255.255, no fragment.
fn program() -> [SockFilter; 13] {
    const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const LOAD_HEADER_LENGTH: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
    const LOAD_HALF_BEHIND_HEADER: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, k, jt, jf| SockFilter::new(code, jt, jf, k);
    // Jumps count the steps to skip; the last step refuses.
    [
        step(LOAD_BYTE, 9, 0, 0),
        step(EQUAL, 17, 0, 10),
        step(LOAD_HALF, 6, 0, 0),
        step(ANY_BIT, 0x3fff, 8, 0),
        step(LOAD_WORD, 12, 0, 0),
        step(EQUAL, 0, 0, 6),
        step(LOAD_WORD, 16, 0, 0),
        step(EQUAL, u32::MAX, 4, 0),
        step(LOAD_HEADER_LENGTH, 0, 0, 0),
        step(LOAD_HALF_BEHIND_HEADER, 2, 0, 0),
        step(EQUAL, u32::from(SERVER_PORT), 0, 1),
        step(RETURN, u32::MAX, 0, 0),
        step(RETURN, 0, 0, 0),
    ]
}
