//! What a DHCP server says (RFC 2131 §4.3): the reply to a message, once it is decided who asks and what it gets.
//!
//! Owns the rules of the protocol and nothing that changes: which lease a REQUEST may have is in [`bind`], what each
//! firmware insists on in [`pxe`], where a reply goes in [`route`].

pub mod bind;
pub mod pxe;
pub mod route;

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::boot::BootPlan;
use crate::ids::Hostname;
use crate::machine::firmware::Firmware;
use crate::site::Link;
use crate::wire::dhcp::{MessageType, Reply, Request, code};

/// What goes into an OFFER or ACK.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// The address given.
    pub address: Ipv4Addr,
    /// For how long.
    pub lease_time: Duration,
    /// The machine's name, if it has one.
    pub hostname: Option<&'a Hostname>,
    /// What kind of client asks.
    pub firmware: Firmware,
    /// What it gets to boot.
    pub plan: &'a BootPlan,
}

/// The OFFER to a DISCOVER (RFC 2131 §4.3.1).
pub fn offer(request: &Request, grant: &Grant<'_>, link: &Link) -> Reply {
    granted(MessageType::Offer, request, grant, link)
}

/// The ACK to a REQUEST (RFC 2131 §4.3.2).
pub fn ack(request: &Request, grant: &Grant<'_>, link: &Link) -> Reply {
    Reply { ciaddr: request.ciaddr, ..granted(MessageType::Ack, request, grant, link) }
}

/// The ACK to an INFORM (RFC 2131 §4.3.5): options for an address the client has by other means, no lease.
pub fn inform_ack(request: &Request, link: &Link) -> Reply {
    let mut reply = blank(MessageType::Ack, request);
    reply.ciaddr = request.ciaddr;
    reply.options.push((code::SERVER_ID, link.address.octets().to_vec()));
    push_network(&mut reply, request, link);
    reply
}

/// The NAK to a REQUEST (RFC 2131 §4.3.2): only the server identifier and a sentence.
pub fn nak(request: &Request, why: &str, link: &Link) -> Reply {
    let mut reply = blank(MessageType::Nak, request);
    // The relay broadcasts a NAK: the client's idea of its address is wrong (RFC 2131 §4.3.2).
    if request.giaddr != Ipv4Addr::UNSPECIFIED {
        reply.flags |= 0x8000;
    }
    reply.options.push((code::SERVER_ID, link.address.octets().to_vec()));
    reply.options.push((code::MESSAGE, why.as_bytes().to_vec()));
    push_echo(&mut reply, request, code::CLIENT_ID);
    reply
}

fn granted(kind: MessageType, request: &Request, grant: &Grant<'_>, link: &Link) -> Reply {
    let mut reply = blank(kind, request);
    reply.yiaddr = grant.address;
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    reply.options.push((code::SERVER_ID, link.address.octets().to_vec()));
    reply.options.push((code::LEASE_TIME, seconds(grant.lease_time)));
    // T1 and T2 at half and seven eighths of the lease (RFC 2131 §4.4.5).
    reply.options.push((code::RENEWAL_TIME, seconds(grant.lease_time / 2)));
    reply.options.push((code::REBINDING_TIME, seconds(grant.lease_time / 8 * 7)));
    push_network(&mut reply, request, link);
    // Whoever asks for a name or says one of its own is told the one it has here.
    let names = request.asks_for(code::HOST_NAME) || request.option(code::HOST_NAME).is_some();
    if let Some(hostname) = grant.hostname.filter(|_| names) {
        reply.options.push((code::HOST_NAME, hostname.as_str().as_bytes().to_vec()));
    }
    pxe::push(&mut reply, request, grant.firmware, grant.plan);
    reply
}

/// The fields every reply copies (RFC 2131 §4.3.1, table 3).
fn blank(kind: MessageType, request: &Request) -> Reply {
    Reply {
        kind: Some(kind),
        xid: request.xid,
        flags: request.flags,
        hops: request.hops,
        htype: request.htype,
        hlen: request.hlen,
        chaddr: request.chaddr,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: request.giaddr,
        sname: String::new(),
        file: String::new(),
        options: Vec::new(),
        relay_agent: request.option(code::RELAY_AGENT).map(<[u8]>::to_vec),
        max_size: max_size(request),
    }
}

/// The largest reply a client takes: 576 bytes unless option 57 says more, and never more than an Ethernet frame holds
/// (OVMF asks for 65280).
fn max_size(request: &Request) -> u16 {
    let asked = request.option(code::MAX_MESSAGE_SIZE).and_then(|value| value.try_into().ok()).map(u16::from_be_bytes);
    asked.unwrap_or(576).clamp(576, 1500)
}

/// Mask and broadcast address always; of the link's own options the routers, name servers and domain always, for every
/// client needs them whether or not it says so (an old Pi ROM's request list has neither 1 nor 3), others when asked.
fn push_network(reply: &mut Reply, request: &Request, link: &Link) {
    reply.options.push((code::SUBNET_MASK, link.subnet.mask().octets().to_vec()));
    reply.options.push((code::BROADCAST_ADDRESS, link.subnet.broadcast().octets().to_vec()));
    for (number, value) in &link.options {
        let always = matches!(*number, code::ROUTERS | code::DNS_SERVERS | code::DOMAIN_NAME);
        if always || request.asks_for(*number) {
            reply.options.push((*number, value.clone()));
        }
    }
    push_echo(reply, request, code::CLIENT_ID);
}

/// Copies an option of the request into the reply (61: RFC 6842; 97: RFC 4578 §2.3).
fn push_echo(reply: &mut Reply, request: &Request, code: u8) {
    if let Some(value) = request.option(code).filter(|value| !value.is_empty()) {
        reply.options.push((code, value.to_vec()));
    }
}

#[cfg(test)]
mod tests;
