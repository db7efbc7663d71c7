//! Replies on their way out. What a relay agent is to pass on to many clients leaves in few system calls: the kernel finds
//! the way once for all of them.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use bytes::Bytes;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};

use super::{CLIENT_PORT, Outlets, Port, SERVER_PORT};
use crate::net::{Destination, LinkId, Mac};
use crate::serve::udp;
use crate::wire::ipv4;

/// A reply that may leave.
#[derive(Debug)]
pub struct Reply {
    /// By which link.
    pub link: LinkId,
    /// The UDP payload.
    pub bytes: Bytes,
    /// Where to.
    pub destination: Destination,
}

impl Reply {
    /// Replies of one kind, other than `None`, may leave in one call: those of one length to one relay.
    fn kind(&self) -> Option<(LinkId, Ipv4Addr, usize)> {
        match self.destination {
            Destination::Relay(relay) => Some((self.link, relay, self.bytes.len())),
            _ => None,
        }
    }
}

impl Outlets {
    /// Sends replies and empties the list. Those for one relay leave ordered by length. A failure is logged: the client
    /// asks again.
    pub fn send(&self, replies: &mut Vec<Reply>) {
        for alike in by_kind(replies) {
            let Reply { link, destination, .. } = alike[0];
            let Some((port, from)) = self.links.get(usize::from(link.0)).copied().flatten() else { continue };
            let port = &self.ports[port];
            if let Err(error) = port.send(alike, from) {
                let count = alike.len();
                tracing::warn!(interface = port.interface, %destination, count, %error, "DHCP reply not sent");
            }
        }
        replies.clear();
    }
}

/// Puts replies of one kind together, and yields what may leave together. Of one kind, each keeps its place.
fn by_kind(replies: &mut [Reply]) -> impl Iterator<Item = &[Reply]> {
    replies.sort_by_key(Reply::kind);
    replies.chunk_by(|one, next| one.kind().is_some() && one.kind() == next.kind())
}

impl Port {
    /// Sends replies of one kind.
    fn send(&self, alike: &[Reply], from: Ipv4Addr) -> io::Result<()> {
        let Reply { bytes, destination, .. } = &alike[0];
        match *destination {
            Destination::Relay(relay) => send_alike(&self.udp, alike, from, SocketAddrV4::new(relay, SERVER_PORT)),
            Destination::Unicast(client) => send_alike(&self.udp, alike, from, client),
            Destination::BootServerClient(client) => {
                let socket = self.boot_server.as_ref().ok_or(io::ErrorKind::NotConnected)?;
                send_alike(socket, alike, from, client)
            }
            Destination::Broadcast => self.send_frame(bytes, from, Ipv4Addr::BROADCAST, Mac([0xff; 6])),
            Destination::Layer2 { mac, address } => self.send_frame(bytes, from, address, mac),
        }
    }

    fn send_frame(&self, message: &[u8], from: Ipv4Addr, to: Ipv4Addr, mac: Mac) -> io::Result<()> {
        let from = SocketAddrV4::new(from, SERVER_PORT);
        self.packet.send(&ipv4::udp_packet(from, SocketAddrV4::new(to, CLIENT_PORT), message), mac)
    }
}

/// Sends replies of one length to one address, in as few calls as the kernel lets us.
fn send_alike(socket: &UdpSocket, replies: &[Reply], from: Ipv4Addr, to: SocketAddrV4) -> io::Result<()> {
    let length = replies[0].bytes.len();
    let together = if udp::segments() { udp::SEGMENTS_MAX.min(udp::BYTES_MAX / length) } else { 1 };
    for run in replies.chunks(together.max(1)) {
        match send_datagrams(socket, run, from, to) {
            Err(error) if run.len() > 1 && udp::may_go_singly(&error) => {
                run.chunks(1).try_for_each(|reply| send_datagrams(socket, reply, from, to))?;
            }
            sent => sent?,
        }
    }
    Ok(())
}

/// Sends replies of one length in one call.
fn send_datagrams(socket: &UdpSocket, replies: &[Reply], from: Ipv4Addr, to: SocketAddrV4) -> io::Result<()> {
    let parts: Vec<IoSlice<'_>> = replies.iter().map(|reply| IoSlice::new(&reply.bytes)).collect();
    let source = udp::source(from);
    let length = replies[0].bytes.len() as u16;
    let control = [ControlMessage::Ipv4PacketInfo(&source), ControlMessage::UdpGsoSegments(&length)];
    let control = if replies.len() > 1 { &control[..] } else { &control[..1] };
    sendmsg(socket.as_raw_fd(), &parts, control, MsgFlags::empty(), Some(&SockaddrIn::from(to)))?;
    Ok(())
}

#[cfg(test)]
mod tests;
