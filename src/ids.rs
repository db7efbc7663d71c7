//! Names and numbers that identify things, each its own type so that none stands in for another.

use std::fmt;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// A machine as we remember it; given once, never reused.
    MachineId
}
number_id! {
    /// A batch: units made under one order.
    BatchId
}
number_id! {
    /// One run of the deployment of a machine.
    DeploymentId
}
number_id! {
    /// One file going to one machine.
    TransferId
}
number_id! {
    /// Where the shell delivers the result of a command or a report.
    ReplyTo
}

text_id! {
    /// A product name, upper case, such as `KXP2`.
    ProductName
}
text_id! {
    /// A venue code: four of `A-Z0-9`.
    VenueCode
}
text_id! {
    /// A host name as it is given to a machine: letters, digits, `-`; at most 63 bytes (RFC 1123 §2.1).
    Hostname
}
text_id! {
    /// A hardware serial number, lower case, without surrounding blanks.
    Serial
}

impl ProductName {
    /// A product name: 1–16 of `A-Z0-9`, upper-cased from `text`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_uppercase();
        let fits = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then_some(ProductName(text))
    }
}

impl VenueCode {
    /// A venue code: exactly four of `A-Z0-9`, upper-cased from `text`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_uppercase();
        let fits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then_some(VenueCode(text))
    }
}

impl Hostname {
    /// A single label by RFC 1123 §2.1: letters, digits and inner hyphens, 1–63 bytes. `wpad` is no machine's name: who
    /// bears it tells every browser around which proxy to use.
    pub fn parse(text: &str) -> Option<Self> {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let fits =
            (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-');
        (fits && !text.eq_ignore_ascii_case("wpad")).then(|| Hostname(text.to_owned()))
    }
}

impl Serial {
    /// A serial number: 1–64 printable ASCII characters without blanks around them, lower-cased.
    ///
    /// Serials that firmware prints when none was programmed (all zeros, "To be filled by O.E.M.")
    /// identify nothing and give `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let printable = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        let placeholder = text.bytes().all(|b| b == b'0')
            || matches!(text.as_str(), "none" | "default string" | "system serial number" | "not specified")
            || text.starts_with("to be filled");
        (printable && !placeholder).then_some(Serial(text))
    }

    /// The short form that a Raspberry Pi puts into option 97 and into its TFTP prefix: the low 32 bits.
    pub fn from_low32(low: u32) -> Option<Self> {
        Serial::parse(&format!("{low:08x}"))
    }

    /// The last `count` characters (all of them if there are fewer).
    pub fn tail(&self, count: usize) -> &str {
        // Serials are ASCII, so every byte offset is a character boundary.
        &self.0[self.0.len().saturating_sub(count)..]
    }

    /// Whether both name the same board: equal, or one is the 8-digit short form of the other's 16 hex digits.
    pub fn same_board(&self, other: &Serial) -> bool {
        self == other || (self.board_key() == other.board_key() && self.0.len() != other.0.len())
    }

    /// What equal boards have in common: the last eight digits of an 8- or 16-digit hex serial, else the whole text.
    pub fn board_key(&self) -> &str {
        let hex = matches!(self.0.len(), 8 | 16) && self.0.bytes().all(|b| b.is_ascii_hexdigit());
        if hex { self.tail(8) } else { &self.0 }
    }
}

/// An option 61 client identifier, verbatim: type byte and identifier (RFC 2132 §9.14).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub Vec<u8>);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// A machine UUID or GUID as option 97 carries it, after the type byte (RFC 4578 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// A SHA-256 digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Reads 64 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let nibble = |digit: u8| char::from(digit).to_digit(16);
            *byte = u8::try_from(nibble(pair[0])? * 16 + nibble(pair[1])?).ok()?;
        }
        Some(Digest(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// Bytes as lower-case hex digits, two for each.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    write_hex(&mut text, bytes).expect("a string takes everything");
    text
}

fn write_hex(f: &mut impl fmt::Write, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
