//! DHCP bytes to values and back: the only importer of `dhcproto`.
//!
//! Owns the trust border of UDP 67 and 4011. The frame is checked by our own walk first (`frame`), because
//! `dhcproto` alone is no border: `chaddr()` panics on `hlen` above 16, its decoder ignores the cookie and option
//! 52, keeps the last of repeated options, and loses every option after one that it cannot read. So `dhcproto` has
//! two roles here: it reads the fixed header of a checked frame, and it splits long options. Its header and its option
//! table are not used for writing: the one draws a random number first, the other sorts by code, drops empty values,
//! re-orders option 82, and knows neither a largest message nor a smallest.
//!
//! Invariant: no input panics, in any build.

mod frame;

use std::net::Ipv4Addr;

use bytes::Bytes;
use dhcproto::Encoder;
use dhcproto::error::EncodeResult;
use dhcproto::v4::{borrowed, encode_long_opt_bytes};

use super::{MessageType, Reply, Request, code};
use crate::refusal::Refusal;
use frame::{Header, Op, Options};

const END: u8 = 255;
const PAD: u8 = 0;

/// The length of a BOOTP message, and of the shortest reply: relays and old clients drop what is shorter (RFC 1542 §2.1).
const BOOTP_LEN: usize = 300;

/// IPv4 and UDP headers. Option 57 counts them: the 576 of RFC 2131 §2 is a datagram, with 312 bytes of options in a
/// message of 548. Some clients mean the message alone; for those this reading is the smaller one.
const DATAGRAM_HEADERS: usize = 28;

/// The datagrams that every client takes (RFC 2131 §2), and that cross Ethernet in one piece. OVMF's REQUEST says 65280.
const DATAGRAM_SIZES: (usize, usize) = (576, 1500);

/// What goes last, the last first: option 82, then the ones without which a client refuses the message. These take
/// 21 bytes, unless a value of them is nonsense.
const ESSENTIAL: [u8; 5] =
    [code::MESSAGE_TYPE, code::SERVER_ID, code::LEASE_TIME, code::SUBNET_MASK, code::RELAY_AGENT];

/// Reads a client's message (`op` 1) from the payload of a UDP datagram.
///
/// Refuses frames that break the layout by [`Refusal::Unparsable`], which names the field or option, and well-formed
/// ones that a server has no answer for (replies, server message types) by
/// [`Refusal::NotOurs`]. Values of options are not judged beyond the length of 50, 53, 54 and 57.
pub fn decode(bytes: &[u8]) -> Result<Request, Refusal> {
    let options = frame::check(bytes, Op::BootRequest)?;
    let header = header(bytes)?;
    let kind = message_type(&options)?;
    if matches!(kind, Some(MessageType::Offer | MessageType::Ack | MessageType::Nak)) {
        return Err(Refusal::NotOurs("option 53: a server's message type"));
    }
    Ok(Request {
        kind,
        xid: header.xid(),
        secs: header.secs(),
        flags: header.flags().into(),
        hops: header.hops(),
        htype: header.htype().into(),
        hlen: header.hlen(),
        chaddr: chaddr(&header),
        ciaddr: header.ciaddr(),
        siaddr: header.siaddr(),
        giaddr: header.giaddr(),
        sname: if options.in_sname { Vec::new() } else { header.sname().to_vec() },
        file: if options.in_file { Vec::new() } else { header.fname().to_vec() },
        options: options.values,
    })
}

/// Reads a server's message (`op` 2): what simulated clients and tests do with a reply.
///
/// The mirror of [`encode`]: the options stand in the order of the frame, 53 and 82 in their own fields. `max_size`
/// is not on the wire and comes back as the smallest, 576.
pub fn decode_reply(bytes: &[u8]) -> Result<Reply, Refusal> {
    let mut options = frame::check(bytes, Op::BootReply)?;
    let header = header(bytes)?;
    let kind = message_type(&options)?;
    if !matches!(kind, None | Some(MessageType::Offer | MessageType::Ack | MessageType::Nak)) {
        return Err(Refusal::NotOurs("option 53: a client's message type"));
    }
    options.take(code::MESSAGE_TYPE);
    let relay_agent = options.take(code::RELAY_AGENT);
    let text = |field: &[u8], holds_options: bool| {
        if holds_options { String::new() } else { String::from_utf8_lossy(field).into_owned() }
    };
    Ok(Reply {
        kind,
        xid: header.xid(),
        flags: header.flags().into(),
        hops: header.hops(),
        htype: header.htype().into(),
        hlen: header.hlen(),
        chaddr: chaddr(&header),
        ciaddr: header.ciaddr(),
        yiaddr: header.yiaddr(),
        siaddr: header.siaddr(),
        giaddr: header.giaddr(),
        sname: text(header.sname(), options.in_sname),
        file: text(header.fname(), options.in_file),
        relay_agent,
        max_size: 576,
        options: options.in_order(),
    })
}

/// Writes a reply as the payload of a UDP datagram.
///
/// Options stand as [`Reply::options`] lists them, after 53 and before 82. A reply that is larger than the client
/// takes loses options from the end of that list, but 1, 51 and 54 stay; option 82 goes only if those alone leave no
/// room for it. `sname` and `file` end in NUL inside their fields; a name that does not fit leaves its field empty,
/// because the beginning of a file name names another file. The rest up to 300 bytes is zero, after END only: Pi
/// EEPROMs before 2020-01-17 stumble over PAD between options (rpi-eeprom#82). No Pi gets a boot file name, behind which
/// a PAD stands.
pub fn encode(reply: &Reply) -> Bytes {
    let header = Header {
        op: Op::BootReply,
        htype: reply.htype,
        hlen: reply.hlen,
        hops: reply.hops,
        xid: reply.xid,
        secs: 0,
        flags: reply.flags,
        addresses: [reply.ciaddr, reply.yiaddr, reply.siaddr, reply.giaddr],
        chaddr: reply.chaddr,
        sname: reply.sname.as_bytes(),
        file: reply.file.as_bytes(),
    };
    let kind = reply.kind.map(|kind| [kind.code()]);
    let mut options = Vec::with_capacity(reply.options.len() + 2);
    options.extend(kind.iter().map(|kind| (code::MESSAGE_TYPE, kind.as_slice())));
    options.extend(reply.options.iter().map(|(code, value)| (*code, value.as_slice())));
    options.extend(reply.relay_agent.iter().map(|value| (code::RELAY_AGENT, value.as_slice())));
    shorten(&mut options, options_room(reply));
    padded(&header, &options)
}

/// Writes a client's message as the payload of a UDP datagram: the mirror of [`decode`].
///
/// Option 53 stands first, the others by their code; the rest up to 300 bytes is zero (RFC 1542 §2.1).
pub fn encode_request(request: &Request) -> Bytes {
    let header = Header {
        op: Op::BootRequest,
        htype: request.htype,
        hlen: request.hlen,
        hops: request.hops,
        xid: request.xid,
        secs: request.secs,
        flags: request.flags,
        addresses: [request.ciaddr, Ipv4Addr::UNSPECIFIED, request.siaddr, request.giaddr],
        chaddr: request.chaddr,
        sname: &request.sname,
        file: &request.file,
    };
    let kind = request.kind.map(|kind| [kind.code()]);
    let others = request.options.iter().filter(|(code, _)| **code != code::MESSAGE_TYPE);
    let options: Vec<(u8, &[u8])> = kind
        .iter()
        .map(|kind| (code::MESSAGE_TYPE, kind.as_slice()))
        .chain(others.map(|(code, value)| (*code, value.as_slice())))
        .collect();
    padded(&header, &options)
}

/// The bytes that options may take, END not counted. A BOOTP client has room for 300 bytes in all (RFC 951 §3).
fn options_room(reply: &Reply) -> usize {
    let message = match reply.kind {
        Some(_) => usize::from(reply.max_size).clamp(DATAGRAM_SIZES.0, DATAGRAM_SIZES.1) - DATAGRAM_HEADERS,
        None => BOOTP_LEN,
    };
    let pad = reply.options.iter().filter(|(code, _)| *code == code::BOOT_FILE).count();
    message - frame::HEADER_LEN - 1 - pad
}

/// Drops options from the end until the rest takes at most `room` bytes.
fn shorten(options: &mut Vec<(u8, &[u8])>, room: usize) {
    let mut size: usize = options.iter().map(|(_, value)| size_of_option(value)).sum();
    for keeps in [&ESSENTIAL[..], &ESSENTIAL[..4], &ESSENTIAL[..1]] {
        for index in (0..options.len()).rev() {
            if size > room && !keeps.contains(&options[index].0) {
                size -= size_of_option(options.remove(index).1);
            }
        }
    }
}

/// The bytes of an option on the wire: two before each piece of at most 255 (RFC 3396 §4).
fn size_of_option(value: &[u8]) -> usize {
    value.len() + 2 * value.len().div_ceil(255).max(1)
}

/// A message of at least [`BOOTP_LEN`] bytes.
fn padded(header: &Header<'_>, options: &[(u8, &[u8])]) -> Bytes {
    let mut bytes = Vec::with_capacity(BOOTP_LEN);
    bytes.extend_from_slice(&header.bytes());
    // An encoder begins at the front of its buffer, and fills it byte by byte.
    let mut behind = Vec::with_capacity(BOOTP_LEN);
    write(options, &mut Encoder::new(&mut behind)).expect("a Vec takes as many bytes as it is given");
    bytes.append(&mut behind);
    bytes.resize(bytes.len().max(BOOTP_LEN), 0);
    Bytes::from(bytes)
}

/// The options one by one, then END.
fn write(options: &[(u8, &[u8])], encoder: &mut Encoder<'_>) -> EncodeResult<()> {
    for (code, value) in options {
        match value {
            [] => encoder.write([*code, 0])?,
            value => encode_long_opt_bytes((*code).into(), value, encoder)?,
        }
        // ROMs that read the name as a C string would take END for a part of it and ask for "pxelinux.0\xff".
        if *code == code::BOOT_FILE {
            encoder.write_u8(PAD)?;
        }
    }
    encoder.write_u8(END)
}

/// The fixed header of a checked frame.
fn header(bytes: &[u8]) -> Result<borrowed::Message<'_>, Refusal> {
    borrowed::Message::new(bytes).map_err(|error| Refusal::Unparsable(format!("frame: {error}")))
}

/// The hardware address of a checked frame, with zeros after its `hlen` bytes.
fn chaddr(header: &borrowed::Message<'_>) -> [u8; 16] {
    let mut chaddr = [0; 16];
    chaddr.iter_mut().zip(header.chaddr()).for_each(|(to, from)| *to = *from);
    chaddr
}

fn message_type(options: &Options) -> Result<Option<MessageType>, Refusal> {
    let Some(number) = options.values.get(&code::MESSAGE_TYPE).and_then(|value| value.first()) else {
        return Ok(None);
    };
    let known = MessageType::from_code(*number).map(Some);
    known.ok_or_else(|| Refusal::Unparsable(format!("option 53: message type {number} is unknown")))
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
