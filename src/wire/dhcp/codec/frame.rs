//! The check that a DHCP frame passes before any of its fields is believed (RFC 2131 §2, RFC 2132, RFC 3396).
//!
//! Owns the layout: sizes, the magic cookie, where fields and options stand. It reads no meaning out of them. After
//! [`check`] every byte offset of the fixed header is inside the frame and `hlen` inside `chaddr`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::Ipv4Addr;
use std::ops::Range;

use super::super::code;
use crate::refusal::Refusal;

/// The fixed header with the magic cookie; options follow.
pub(super) const HEADER_LEN: usize = 240;
const SNAME: Range<usize> = 44..108;
const FILE: Range<usize> = 108..236;
const COOKIE: Range<usize> = 236..HEADER_LEN;
const MAGIC: [u8; 4] = [99, 130, 83, 99];

const PAD: u8 = 0;
const END: u8 = 255;

/// The options that we act on and whose length is fixed (RFC 2132 §9).
const FIXED_LENGTHS: [(u8, usize); 4] =
    [(code::REQUESTED_ADDRESS, 4), (code::MESSAGE_TYPE, 1), (code::SERVER_ID, 4), (code::MAX_MESSAGE_SIZE, 2)];

/// The fixed header of a frame, ready to be written: by hand, because dhcproto's `Message` draws a transaction id before
/// it takes ours, which is luck where none may be and a wait for the kernel's pool early in a boot.
pub(super) struct Header<'a> {
    pub(super) op: Op,
    pub(super) htype: u8,
    pub(super) hlen: u8,
    pub(super) hops: u8,
    pub(super) xid: u32,
    pub(super) secs: u16,
    pub(super) flags: u16,
    /// ciaddr, yiaddr, siaddr, giaddr.
    pub(super) addresses: [Ipv4Addr; 4],
    pub(super) chaddr: [u8; 16],
    /// Left empty if it does not fit with a NUL behind it.
    pub(super) sname: &'a [u8],
    /// Likewise.
    pub(super) file: &'a [u8],
}

impl Header<'_> {
    /// The header with the magic cookie (RFC 2131 §2, figure 1).
    pub(super) fn bytes(&self) -> [u8; HEADER_LEN] {
        let hlen = usize::from(self.hlen).min(self.chaddr.len());
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&[self.op as u8, self.htype, hlen as u8, self.hops]);
        bytes[4..8].copy_from_slice(&self.xid.to_be_bytes());
        bytes[8..10].copy_from_slice(&self.secs.to_be_bytes());
        bytes[10..12].copy_from_slice(&self.flags.to_be_bytes());
        for (field, address) in bytes[12..28].chunks_exact_mut(4).zip(self.addresses) {
            field.copy_from_slice(&address.octets());
        }
        bytes[28..][..hlen].copy_from_slice(&self.chaddr[..hlen]);
        for (field, text) in [(SNAME, self.sname), (FILE, self.file)] {
            if text.len() < field.len() {
                bytes[field.start..][..text.len()].copy_from_slice(text);
            }
        }
        bytes[COOKIE].copy_from_slice(&MAGIC);
        bytes
    }
}

/// The `op` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    BootRequest = 1,
    BootReply = 2,
}

/// What the option areas of a frame hold, without 0, 52 and 255, which are about the layout only.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// Values by code; a code that stands several times is joined in order (RFC 3396 §5).
    pub(super) values: BTreeMap<u8, Vec<u8>>,
    /// The codes in the order in which they first stand.
    pub(super) order: Vec<u8>,
    /// Whether the `file` field holds options instead of a name (RFC 2132 §9.3).
    pub(super) in_file: bool,
    /// Whether the `sname` field holds options instead of a name.
    pub(super) in_sname: bool,
}

/// Checks the layout of a frame of kind `op` and collects its options.
pub(super) fn check(bytes: &[u8], op: Op) -> Result<Options, Refusal> {
    if bytes.len() < HEADER_LEN {
        let len = bytes.len();
        return Err(Refusal::Unparsable(format!("frame: {len} bytes, a DHCP message has at least {HEADER_LEN}")));
    }
    match bytes[0] {
        found if found == op as u8 => {}
        1 => return Err(Refusal::NotOurs("op: a client's BOOTREQUEST")),
        2 => return Err(Refusal::NotOurs("op: a server's BOOTREPLY")),
        other => return Err(Refusal::Unparsable(format!("op: {other}"))),
    }
    let hlen = bytes[2];
    if hlen > 16 {
        return Err(Refusal::Unparsable(format!("hlen: {hlen}, at most 16")));
    }
    match &bytes[COOKIE] {
        cookie if cookie == MAGIC => {}
        // RFC 951 §3: a client without vendor wishes leaves the area zero.
        [0, 0, 0, 0] => return Ok(Options::default()),
        other => return Err(Refusal::Unparsable(format!("magic cookie: {other:02x?}"))),
    }

    let mut options = Options::default();
    options.collect(&bytes[HEADER_LEN..], "options")?;
    if let Some(overload) = options.take(code::OVERLOAD) {
        let [bits @ 1..=3] = overload[..] else {
            return Err(Refusal::Unparsable(format!("option 52: {overload:?}, must be 1, 2 or 3")));
        };
        // RFC 3396 §5: the aggregate buffer is the options field, then `file`, then `sname`.
        options.in_file = bits & 1 != 0;
        options.in_sname = bits & 2 != 0;
        if options.in_file {
            options.collect(&bytes[FILE], "file")?;
        }
        if options.in_sname {
            options.collect(&bytes[SNAME], "sname")?;
        }
        // An overload option inside an overloaded field has no meaning.
        options.take(code::OVERLOAD);
    }
    for (code, expected) in FIXED_LENGTHS {
        if let Some(len) = options.values.get(&code).map(Vec::len).filter(|len| *len != expected) {
            return Err(Refusal::Unparsable(format!("option {code}: {len} bytes, must be {expected}")));
        }
    }
    Ok(options)
}

impl Options {
    /// Adds the options of one area. An area that ends without END is complete: old clients leave END out.
    fn collect(&mut self, area: &[u8], name: &str) -> Result<(), Refusal> {
        let mut rest = area;
        while let [code, after @ ..] = rest {
            match *code {
                END => break,
                PAD => rest = after,
                code => {
                    let value = after.split_first().and_then(|(len, body)| body.split_at_checked(usize::from(*len)));
                    let Some((value, after)) = value else {
                        return Err(Refusal::Unparsable(format!("option {code}: runs past the end of `{name}`")));
                    };
                    self.append(code, value);
                    rest = after;
                }
            }
        }
        Ok(())
    }

    fn append(&mut self, code: u8, value: &[u8]) {
        match self.values.entry(code) {
            Entry::Occupied(mut earlier) => earlier.get_mut().extend_from_slice(value),
            Entry::Vacant(first) => {
                first.insert(value.to_vec());
                self.order.push(code);
            }
        }
    }

    /// Removes an option and gives its value.
    pub(super) fn take(&mut self, code: u8) -> Option<Vec<u8>> {
        self.order.retain(|each| *each != code);
        self.values.remove(&code)
    }

    /// The options in the order in which they first stand.
    pub(super) fn in_order(mut self) -> Vec<(u8, Vec<u8>)> {
        self.order.iter().filter_map(|code| self.values.remove_entry(code)).collect()
    }
}
