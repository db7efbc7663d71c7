//! TFTP packets: bytes to values and back (RFC 1350, 2347, 2348, 2349, 7440).
//!
//! Owns the layout of the six packets and the valid range of each option. Knows nothing of transfers: what a
//! value means at a given moment is decided in [`crate::tftp`].
//!
//! Invariant: parsing never panics, whatever the bytes, and allocates nothing for DATA and ACK.

use crate::refusal::Refusal;

const OP_RRQ: u16 = 1;
const OP_WRQ: u16 = 2;
const OP_DATA: u16 = 3;
const OP_ACK: u16 = 4;
const OP_ERROR: u16 = 5;
const OP_OACK: u16 = 6;

/// Bytes before the content in a DATA packet.
pub const DATA_HEADER: usize = 4;

/// The block size when none was negotiated (RFC 1350 §2).
pub const DEFAULT_BLKSIZE: u16 = 512;

/// The largest block size an option may carry (RFC 2348).
pub const MAX_BLKSIZE: u16 = 65_464;

/// One TFTP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ: a client asks to read.
    Read(Request),
    /// WRQ: a client asks to write.
    Write(Request),
    /// DATA: one block.
    Data {
        /// The block number, which wraps from 65535 to 0.
        block: u16,
        /// The content of the block; shorter than the block size in the last one.
        content: &'a [u8],
    },
    /// ACK: every block up to this one has arrived; 0 acknowledges an OACK.
    Ack {
        /// The block number.
        block: u16,
    },
    /// ERROR: the sender has ended the transfer.
    Error {
        /// Why, for a program.
        code: ErrorCode,
        /// Why, for a person.
        message: String,
    },
    /// OACK: the options the server grants (RFC 2347).
    Oack(Options),
}

/// What an RRQ or WRQ asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The file name as the client wrote it; bytes that are not UTF-8 read as U+FFFD.
    pub name: String,
    /// The transfer mode.
    pub mode: Mode,
    /// The options we know, those out of range left out.
    pub options: Options,
}

/// A transfer mode (RFC 1350 §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Bytes as they are.
    Octet,
    /// Text with CR LF line ends.
    Netascii,
    /// Obsolete since RFC 1350.
    Mail,
}

impl Mode {
    fn parse(text: &[u8]) -> Option<Self> {
        [Mode::Octet, Mode::Netascii, Mode::Mail]
            .into_iter()
            .find(|mode| text.eq_ignore_ascii_case(mode.as_str().as_bytes()))
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Octet => "octet",
            Mode::Netascii => "netascii",
            Mode::Mail => "mail",
        }
    }
}

/// The options of a request or an OACK.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Bytes per block, 8–65464 (RFC 2348).
    pub blksize: Option<u16>,
    /// Seconds before the sender repeats itself, 1–255 (RFC 2349).
    pub timeout_secs: Option<u8>,
    /// Size of the file in bytes; a reader asks with 0 (RFC 2349).
    pub tsize: Option<u64>,
    /// Blocks sent per acknowledgement, 1–65535 (RFC 7440).
    pub windowsize: Option<u16>,
}

impl Options {
    /// Whether no option is set.
    pub fn is_empty(&self) -> bool {
        *self == Options::default()
    }

    /// Takes one option over. Unknown names and values out of range change nothing, and of two
    /// usable values of one option the first one stays.
    fn take(&mut self, name: &[u8], value: &[u8]) {
        let Some(value) = number(value) else { return };
        if name.eq_ignore_ascii_case(b"blksize") {
            let asked = u16::try_from(value).ok().filter(|size| (8..=MAX_BLKSIZE).contains(size));
            self.blksize = self.blksize.or(asked);
        } else if name.eq_ignore_ascii_case(b"timeout") {
            self.timeout_secs = self.timeout_secs.or(u8::try_from(value).ok().filter(|&secs| secs > 0));
        } else if name.eq_ignore_ascii_case(b"tsize") {
            self.tsize = self.tsize.or(Some(value));
        } else if name.eq_ignore_ascii_case(b"windowsize") {
            self.windowsize = self.windowsize.or(u16::try_from(value).ok().filter(|&blocks| blocks > 0));
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        // GRUB compares the names case-sensitively, in lower case.
        let pairs = [
            ("blksize", self.blksize.map(u64::from)),
            ("timeout", self.timeout_secs.map(u64::from)),
            ("tsize", self.tsize),
            ("windowsize", self.windowsize.map(u64::from)),
        ];
        for (name, value) in pairs {
            if let Some(value) = value {
                push_text(out, name);
                push_text(out, &value.to_string());
            }
        }
    }
}

/// The code of an ERROR packet (RFC 1350 appendix, RFC 2347).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// See the message.
    pub const NOT_DEFINED: ErrorCode = ErrorCode(0);
    /// File not found.
    pub const FILE_NOT_FOUND: ErrorCode = ErrorCode(1);
    /// Access violation.
    pub const ACCESS_VIOLATION: ErrorCode = ErrorCode(2);
    /// Illegal TFTP operation.
    pub const ILLEGAL_OPERATION: ErrorCode = ErrorCode(4);
    /// Unknown transfer ID: the packet belongs to no transfer of the receiver.
    pub const UNKNOWN_TRANSFER: ErrorCode = ErrorCode(5);
    /// The options are not acceptable; what EDK2 sends when it only wanted to know the size.
    pub const OPTIONS_REFUSED: ErrorCode = ErrorCode(8);
}

impl<'a> Packet<'a> {
    /// Reads one datagram.
    ///
    /// Requests are read as leniently as they are unambiguous: the last text may lack its NUL, and whatever follows
    /// the mode without being a pair of texts is left alone.
    ///
    /// # Errors
    /// [`Refusal::Unparsable`] with the field that is wrong.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Refusal> {
        let (opcode, body) = split_u16(datagram).ok_or_else(|| unparsable("opcode is cut off"))?;
        match opcode {
            OP_RRQ => parse_request(body).map(Packet::Read),
            OP_WRQ => parse_request(body).map(Packet::Write),
            OP_DATA => {
                let (block, content) = split_u16(body).ok_or_else(|| unparsable("DATA block number is cut off"))?;
                Ok(Packet::Data { block, content })
            }
            OP_ACK => {
                let (block, _padding) = split_u16(body).ok_or_else(|| unparsable("ACK block number is cut off"))?;
                Ok(Packet::Ack { block })
            }
            OP_ERROR => {
                let (code, text) = split_u16(body).ok_or_else(|| unparsable("ERROR code is cut off"))?;
                let message = texts(text).next().unwrap_or_default();
                Ok(Packet::Error { code: ErrorCode(code), message: String::from_utf8_lossy(message).into_owned() })
            }
            OP_OACK => Ok(Packet::Oack(parse_options(texts(body)))),
            other => Err(unparsable(&format!("opcode {other} is not known"))),
        }
    }

    /// The packet as it goes on the wire. NULs inside a text end it there.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        match self {
            Packet::Read(request) => encode_request(&mut out, OP_RRQ, request),
            Packet::Write(request) => encode_request(&mut out, OP_WRQ, request),
            Packet::Data { block, content } => {
                out.extend_from_slice(&data_header(*block));
                out.extend_from_slice(content);
            }
            Packet::Ack { block } => {
                push_u16(&mut out, OP_ACK);
                push_u16(&mut out, *block);
            }
            Packet::Error { code, message } => {
                push_u16(&mut out, OP_ERROR);
                push_u16(&mut out, code.0);
                push_text(&mut out, message);
            }
            Packet::Oack(options) => {
                push_u16(&mut out, OP_OACK);
                options.encode(&mut out);
            }
        }
        out
    }
}

/// The bytes before the content of DATA `block`, for senders that keep header and content apart.
pub fn data_header(block: u16) -> [u8; DATA_HEADER] {
    let [op_high, op_low] = OP_DATA.to_be_bytes();
    let [block_high, block_low] = block.to_be_bytes();
    [op_high, op_low, block_high, block_low]
}

fn parse_request(body: &[u8]) -> Result<Request, Refusal> {
    let mut texts = texts(body);
    // A name that itself came from an unterminated DHCP option 67 ends in that option field's END byte, 0xff
    // (dnsmasq-discuss 2006q1/000592).
    let name = texts.next().unwrap_or_default();
    let name = &name[..name.len() - name.iter().rev().take_while(|&&byte| byte == 0xff).count()];
    if name.is_empty() {
        return Err(unparsable("file name is empty"));
    }
    let mode = texts.next().filter(|mode| !mode.is_empty()).ok_or_else(|| unparsable("mode is missing"))?;
    let mode = Mode::parse(mode)
        .ok_or_else(|| unparsable(&format!("mode is not octet or netascii: {}", String::from_utf8_lossy(mode))))?;
    Ok(Request { name: String::from_utf8_lossy(name).into_owned(), mode, options: parse_options(texts) })
}

fn parse_options<'a>(mut texts: impl Iterator<Item = &'a [u8]>) -> Options {
    let mut options = Options::default();
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        options.take(name, value);
    }
    options
}

fn encode_request(out: &mut Vec<u8>, opcode: u16, request: &Request) {
    push_u16(out, opcode);
    push_text(out, &request.name);
    push_text(out, request.mode.as_str());
    request.options.encode(out);
}

/// The NUL-terminated texts of `body`; the last one may lack its NUL.
fn texts(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = body.strip_suffix(&[0]).unwrap_or(body);
    body.split(|&byte| byte == 0)
}

/// A decimal number without sign or blanks.
fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

fn split_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*head), rest))
}

fn push_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().take_while(|&byte| byte != 0));
    out.push(0);
}

fn unparsable(what: &str) -> Refusal {
    Refusal::Unparsable(format!("TFTP {what}"))
}

#[cfg(test)]
mod tests;
