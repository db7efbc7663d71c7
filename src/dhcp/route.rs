//! Where a reply goes (RFC 2131 §4.1).

use std::net::{Ipv4Addr, SocketAddrV4};

use super::relay;
use crate::net::Destination;
use crate::wire::dhcp::{BROADCAST_FLAG, MessageType, Reply, Request};

/// The destination of `reply` to `request`, which was sent from that UDP port.
pub fn destination(request: &Request, reply: &Reply, port: u16) -> Destination {
    let to_client = |address| SocketAddrV4::new(address, 68);
    if request.giaddr != Ipv4Addr::UNSPECIFIED {
        return match relay::has_own_port(request) {
            true => Destination::Unicast(SocketAddrV4::new(request.giaddr, port)),
            false => Destination::Relay(request.giaddr),
        };
    }
    if reply.kind == Some(MessageType::Nak) {
        return Destination::Broadcast;
    }
    // A ciaddr counts only where the protocol gives it a meaning: in a DISCOVER some clients leave garbage there.
    if request.ciaddr != Ipv4Addr::UNSPECIFIED && request.kind != Some(MessageType::Discover) {
        return Destination::Unicast(to_client(request.ciaddr));
    }
    match request.mac() {
        // The reply says what the request asked for, and that of a proxy asks for it by itself.
        Some(mac) if reply.flags & BROADCAST_FLAG == 0 && mac.0 != [0; 6] => {
            Destination::Layer2 { mac, address: reply.yiaddr }
        }
        _ => Destination::Broadcast,
    }
}

#[cfg(test)]
mod tests;
