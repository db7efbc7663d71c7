//! What a DHCP server says (RFC 2131 §4.3): the reply to a message, once it is decided who asks and what it gets.
//!
//! Owns the rules of the protocol and nothing that changes: which network a message belongs to is in [`relay`], which
//! lease a REQUEST may have in [`bind`], which options hold for a client in [`options`], what each firmware insists on
//! in [`pxe`], where a reply goes in [`route`]. What is said beside a DHCP server of others is in [`proxy`].

pub mod bind;
pub mod fqdn;
pub mod options;
pub mod pxe;
pub mod proxy;
pub mod relay;
pub mod route;

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::boot::{Boot, BootPlan};
use crate::machine::firmware::Firmware;
use crate::site::Link;
use crate::wire::dhcp::{BROADCAST_FLAG, MessageType, Reply, Request, code};
use options::InForce;

/// The lease of a BOOTP client, which never renews: longer than anything lasts. On the wire it is infinity (RFC 2131
/// §3.3).
pub const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// What a client is told for being where and who it is, whatever it asks.
#[derive(Clone, Debug)]
pub struct Terms<'a> {
    /// Its network.
    pub link: &'a Link,
    /// The server identifier: our address there, or what its relay puts in place of it (RFC 5107).
    pub server: Ipv4Addr,
    /// The operator's options.
    pub options: InForce<'a>,
    /// `siaddr` where it does not boot from us.
    pub next_server: Option<Ipv4Addr>,
    /// Its host name, as option 12 is to say it.
    pub hostname: Option<String>,
    /// Whether option 61 is sent back.
    pub echo_client_id: bool,
}

impl<'a> Terms<'a> {
    /// The terms of a network alone.
    pub fn of(link: &'a Link) -> Terms<'a> {
        let options = options::in_force([link.options.as_slice()]);
        let server = link.address;
        Terms { link, server, options, next_server: link.next_server, hostname: None, echo_client_id: true }
    }
}

/// What goes into an OFFER or ACK.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// The address given.
    pub address: Ipv4Addr,
    /// For how long.
    pub lease_time: Duration,
    /// What kind of client asks.
    pub firmware: Firmware,
    /// What it gets to boot.
    pub plan: &'a BootPlan,
}

/// The OFFER to a DISCOVER (RFC 2131 §4.3.1).
pub fn offer(request: &Request, grant: &Grant<'_>, terms: &Terms<'_>) -> Reply {
    granted(Some(MessageType::Offer), request, grant, terms)
}

/// The ACK to a REQUEST (RFC 2131 §4.3.2).
pub fn ack(request: &Request, grant: &Grant<'_>, terms: &Terms<'_>) -> Reply {
    Reply { ciaddr: request.ciaddr, ..granted(Some(MessageType::Ack), request, grant, terms) }
}

/// The BOOTREPLY to a BOOTREQUEST (RFC 951, RFC 1542): no message type, and no times of a lease.
pub fn bootp_reply(request: &Request, grant: &Grant<'_>, terms: &Terms<'_>) -> Reply {
    granted(None, request, grant, terms)
}

/// The ACK to an INFORM (RFC 2131 §4.3.5): options for an address the client has by other means, no lease.
pub fn inform_ack(request: &Request, terms: &Terms<'_>) -> Reply {
    let mut reply = blank(Some(MessageType::Ack), request);
    reply.ciaddr = request.ciaddr;
    reply.siaddr = terms.next_server.unwrap_or(Ipv4Addr::UNSPECIFIED);
    reply.options.push((code::SERVER_ID, terms.server.octets().to_vec()));
    push_network(&mut reply, request, terms);
    options::push_further(&mut reply, request, terms, false);
    reply
}

/// The NAK to a REQUEST (RFC 2131 §4.3.2): only the server identifier and a sentence.
pub fn nak(request: &Request, why: &str, terms: &Terms<'_>) -> Reply {
    let mut reply = blank(Some(MessageType::Nak), request);
    // The relay broadcasts a NAK: the client's idea of its address is wrong (RFC 2131 §4.3.2).
    if request.giaddr != Ipv4Addr::UNSPECIFIED {
        reply.flags |= BROADCAST_FLAG;
    }
    reply.options.push((code::SERVER_ID, terms.server.octets().to_vec()));
    reply.options.push((code::MESSAGE, why.as_bytes().to_vec()));
    push_client_id(&mut reply, request, terms);
    reply
}

fn granted(kind: Option<MessageType>, request: &Request, grant: &Grant<'_>, terms: &Terms<'_>) -> Reply {
    let mut reply = blank(kind, request);
    reply.yiaddr = grant.address;
    if kind.is_some() {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
        reply.options.push((code::SERVER_ID, terms.server.octets().to_vec()));
        reply.options.push((code::LEASE_TIME, seconds(grant.lease_time)));
        // T1 and T2 at half and seven eighths of the lease (RFC 2131 §4.4.5).
        reply.options.push((code::RENEWAL_TIME, seconds(grant.lease_time / 2)));
        reply.options.push((code::REBINDING_TIME, seconds(grant.lease_time / 8 * 7)));
    }
    push_network(&mut reply, request, terms);
    push_names(&mut reply, request, terms);
    let boots = matches!(grant.plan.boot, Boot::Net(_));
    // A finished machine is to go on to its disk, so it hears of no server at all.
    if let (Boot::AddressOnly, Some(next_server)) = (&grant.plan.boot, terms.next_server) {
        reply.siaddr = next_server;
    }
    pxe::push(&mut reply, request, grant, terms);
    options::push_further(&mut reply, request, terms, boots);
    pxe::push_long_boot_file(&mut reply, grant);
    reply
}

/// Whoever asks for a name or says one of its own is told the one it has here; its own is never taken over.
fn push_names(reply: &mut Reply, request: &Request, terms: &Terms<'_>) {
    let hostname = terms.hostname.as_deref();
    let names = request.asks_for(code::HOST_NAME) || request.option(code::HOST_NAME).is_some();
    if let Some(hostname) = hostname.filter(|_| names) {
        reply.options.push((code::HOST_NAME, hostname.as_bytes().to_vec()));
    }
    let Some(asked) = request.option(code::CLIENT_FQDN) else { return };
    let domain = terms.options.get(&code::DOMAIN_NAME).map(|option| String::from_utf8_lossy(&option.value));
    let full = hostname.map(|name| match (name.strip_suffix('.'), domain) {
        (Some(full), _) => full.to_owned(),
        (None, Some(domain)) => format!("{name}.{domain}"),
        (None, None) => name.to_owned(),
    });
    if let Some(value) = fqdn::answer(asked, full.as_deref()) {
        reply.options.push((code::CLIENT_FQDN, value));
    }
}

/// The fields every reply copies (RFC 2131 §4.3.1, table 3).
fn blank(kind: Option<MessageType>, request: &Request) -> Reply {
    Reply {
        kind,
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

/// Mask, broadcast address, and what every client needs.
fn push_network(reply: &mut Reply, request: &Request, terms: &Terms<'_>) {
    reply.options.push((code::SUBNET_MASK, terms.link.subnet.mask().octets().to_vec()));
    reply.options.push((code::BROADCAST_ADDRESS, terms.link.subnet.broadcast().octets().to_vec()));
    options::push_needed(reply, terms);
    // RFC 3011 §2: "MUST return an identical copy of the option to any client that sends it".
    push_echo(reply, request, code::SUBNET_SELECTION);
    push_client_id(reply, request, terms);
}

/// Option 61 comes back (RFC 6842 §3).
fn push_client_id(reply: &mut Reply, request: &Request, terms: &Terms<'_>) {
    if terms.echo_client_id {
        push_echo(reply, request, code::CLIENT_ID);
    }
}

/// Copies an option of the request into the reply (61: RFC 6842; 97: RFC 4578 §2.3).
fn push_echo(reply: &mut Reply, request: &Request, code: u8) {
    if let Some(value) = request.option(code).filter(|value| !value.is_empty()) {
        reply.options.push((code, value.to_vec()));
    }
}

#[cfg(test)]
mod tests;
