//! A run as a text: one line per packet, in the words of the RFCs, and one per thing the fleet made of them.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::fleet::Notice;
use crate::machine::firmware::architectures;
use crate::time::Instant;
use crate::wire::dhcp::{MessageType, Reply, Request, code, codec};
use crate::wire::tftp::{Options, Packet};

/// The lines so far, if anybody wants to read them.
#[derive(Debug)]
pub(super) struct Story {
    wanted: bool,
    lines: Vec<String>,
}

impl Story {
    pub fn new(wanted: bool) -> Story {
        Story { wanted, lines: Vec::new() }
    }

    /// Adds a line; the text is made only if it is wanted.
    pub fn line(&mut self, now: Instant, text: impl FnOnce() -> String) {
        if self.wanted {
            let secs = now.since_start().as_secs_f64();
            self.lines.push(format!("{secs:9.3}  {}", text()));
        }
    }

    pub fn into_lines(self) -> Vec<String> {
        self.lines
    }
}

/// A client's DHCP message.
pub(super) fn dhcp_request(bytes: &[u8]) -> String {
    match codec::decode(bytes) {
        Ok(request) => describe_request(&request),
        Err(refusal) => format!("DHCP {refusal}"),
    }
}

/// A server's DHCP message.
pub(super) fn dhcp_reply(bytes: &[u8]) -> String {
    match codec::decode_reply(bytes) {
        Ok(reply) => describe_reply(&reply),
        Err(refusal) => format!("DHCP {refusal}"),
    }
}

fn describe_request(request: &Request) -> String {
    let mut text = format!("DHCP {} xid {:08x}", request.kind.map_or("BOOTREQUEST", MessageType::name), request.xid);
    if request.ciaddr != Ipv4Addr::UNSPECIFIED {
        let _ = write!(text, " ciaddr {}", request.ciaddr);
    }
    if request.giaddr != Ipv4Addr::UNSPECIFIED {
        let _ = write!(text, " hops {} giaddr {}", request.hops, request.giaddr);
    }
    if request.option(code::RELAY_AGENT).is_some() {
        text.push_str(" option 82");
    }
    if let Some(address) = request.address_option(code::REQUESTED_ADDRESS) {
        let _ = write!(text, " wants {address}");
    }
    if let Some(server) = request.address_option(code::SERVER_ID) {
        let _ = write!(text, " of server {server}");
    }
    for (index, arch) in architectures(request).enumerate() {
        let _ = write!(text, "{}{arch}", if index == 0 { " arch " } else { "," });
    }
    for (option, word) in [(code::VENDOR_CLASS, "class"), (code::USER_CLASS, "user class")] {
        if let Some(value) = request.text_option(option) {
            let _ = write!(text, " {word} {value}");
        }
    }
    if let Some(guid) = request.option(code::CLIENT_UUID).filter(|guid| guid.get(1..3) == Some(b"RP")) {
        let _ = write!(text, " GUID {}…", String::from_utf8_lossy(&guid[1..5]));
    }
    text
}

fn describe_reply(reply: &Reply) -> String {
    let mut text = format!("DHCP {} xid {:08x}", reply.kind.map_or("BOOTREPLY", MessageType::name), reply.xid);
    let words = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    if reply.yiaddr != Ipv4Addr::UNSPECIFIED {
        let _ = write!(text, " yiaddr {}", reply.yiaddr);
    }
    if reply.siaddr != Ipv4Addr::UNSPECIFIED {
        let _ = write!(text, " next server {}", reply.siaddr);
    }
    if !reply.file.is_empty() {
        let _ = write!(text, " file {}", reply.file);
    }
    if let Some(value) = reply.option(code::VENDOR_ENCAPSULATED) {
        // The menu's entry is what a Raspberry Pi looks for; what stands around it is length and type.
        let shown = words(value);
        let entry = shown.find("Raspberry Pi Boot").map_or("…", |_| "Raspberry Pi Boot");
        let _ = write!(text, " option 43 \"{entry}\"");
    }
    if let Some(class) = reply.option(code::VENDOR_CLASS) {
        let _ = write!(text, " class {}", words(class));
    }
    if let Some(hostname) = reply.option(code::HOST_NAME) {
        let _ = write!(text, " hostname {}", words(hostname));
    }
    if let Some(secs) = reply.option(code::LEASE_TIME).and_then(|value| value.try_into().ok()) {
        let _ = write!(text, " lease {} s", u32::from_be_bytes(secs));
    }
    if reply.relay_agent.is_some() {
        text.push_str(" option 82");
    }
    if let Some(message) = reply.option(code::MESSAGE) {
        let _ = write!(text, " \"{}\"", words(message));
    }
    text
}

/// A TFTP packet, of either side.
pub(super) fn tftp(bytes: &[u8]) -> String {
    match Packet::parse(bytes) {
        Ok(Packet::Read(request)) => {
            format!("TFTP RRQ {} {}{}", request.name, request.mode.as_str(), options(&request.options))
        }
        Ok(Packet::Write(request)) => format!("TFTP WRQ {}", request.name),
        Ok(Packet::Data { block, content }) => format!("TFTP DATA {block} ({} bytes)", content.len()),
        Ok(Packet::Ack { block }) => format!("TFTP ACK {block}"),
        Ok(Packet::Error { code, message }) => format!("TFTP ERROR {} {message}", code.0),
        Ok(Packet::Oack(granted)) => format!("TFTP OACK{}", options(&granted)),
        Err(refusal) => format!("TFTP {refusal}"),
    }
}

fn options(options: &Options) -> String {
    let pairs = [
        ("tsize", options.tsize),
        ("blksize", options.blksize.map(u64::from)),
        ("timeout", options.timeout_secs.map(u64::from)),
        ("windowsize", options.windowsize.map(u64::from)),
    ];
    pairs.iter().filter_map(|(name, value)| value.map(|value| format!(" {name} {value}"))).collect()
}

/// The body of an HTTP answer: JSON as it stands, of anything else the size.
pub(super) fn body(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(text) if text.starts_with('{') => text.trim_end().to_owned(),
        _ => format!("({} bytes)", body.len()),
    }
}

/// What the fleet made of it, as far as it is no repetition of a packet.
pub(super) fn notice(notice: &Notice) -> Option<String> {
    match notice {
        Notice::Stage { label, from, to, .. } => Some(format!("{label}: {from} → {to}")),
        Notice::Named { machine, hostname } => Some(format!("machine {machine} is now {hostname}")),
        Notice::Refused { what, who, refusal } => Some(format!("{what} of {who} refused: {refusal}")),
        _ => None,
    }
}
