//! The closed list of reasons for which we do not act on an input.
//!
//! A refusal is not an error: it is counted, logged once, and service goes on.

use std::fmt;

use crate::ids::{ProductName, VenueCode};

/// Why an input was not acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A valid message that is meant for another server, or that we must not answer.
    NotOurs(&'static str),
    /// Bytes that do not form a valid message; the text names the field.
    Unparsable(String),
    /// A request the rules of the protocol forbid; the text says which.
    Forbidden(&'static str),
    /// Every address of the link's pool is taken.
    NoFreeAddress,
    /// The addresses that are left of the pool are kept for machines that are known.
    KeptForKnown,
    /// Machines that nobody knows hold as many addresses as they may; the text says where.
    TooManyUnknown(&'static str),
    /// More machines that nobody knows showed up in a short time than may be given addresses.
    TooManyNew,
    /// A message that its sender cannot have written, or that claims to be another machine's; the text says why.
    Forged(&'static str),
    /// Somebody says that one address after another is taken, and is believed no more; the text says by whom.
    NotBelieved(&'static str),
    /// No machine holds the asking address.
    UnknownMachine,
    /// The machine is known, and there is nothing to boot it with; the text says what is missing.
    NothingToBoot(String),
    /// No file or answer of that name is served to this machine.
    NoSuchFile(String),
    /// A name that would leave the served directory.
    OutsideTree(String),
    /// No image is active for the product.
    NoImage(ProductName),
    /// The product's image is there and its digest is not known yet.
    ImageNotReady(ProductName),
    /// No such product is configured.
    UnknownProduct(String),
    /// Too few names are left for what was asked.
    TooFewNames {
        /// The product.
        product: ProductName,
        /// The venue.
        venue: VenueCode,
        /// Names asked for.
        requested: u64,
        /// Names left.
        available: u64,
    },
    /// Input of an operator or a client that cannot be carried out; the sentence is meant for them.
    Invalid(String),
    /// What an operator asked for does not go with how things stand now; the sentence is meant for them.
    Conflict(String),
    /// The thing an operator named does not exist; the sentence is meant for them.
    NotFound(String),
    /// A limit on simultaneous work is reached; the text says which.
    Busy(&'static str),
    /// The journal could not be written, so nothing was promised.
    NotStored,
}

impl Refusal {
    /// Every word that [`Refusal::kind`] says, in the order of the list.
    pub const KINDS: [&'static str; 22] = [
        "not-ours",
        "unparsable",
        "forbidden",
        "no-free-address",
        "unknown-machine",
        "nothing-to-boot",
        "no-such-file",
        "outside-tree",
        "no-image",
        "image-not-ready",
        "unknown-product",
        "too-few-names",
        "invalid",
        "not-found",
        "busy",
        "not-stored",
        "conflict",
        "kept-for-known",
        "too-many-unknown",
        "too-many-new",
        "forged",
        "not-believed",
    ];

    /// A stable short word for counters and log fields.
    pub fn kind(&self) -> &'static str {
        match self {
            Refusal::NotOurs(_) => Refusal::KINDS[0],
            Refusal::Unparsable(_) => Refusal::KINDS[1],
            Refusal::Forbidden(_) => Refusal::KINDS[2],
            Refusal::NoFreeAddress => Refusal::KINDS[3],
            Refusal::UnknownMachine => Refusal::KINDS[4],
            Refusal::NothingToBoot(_) => Refusal::KINDS[5],
            Refusal::NoSuchFile(_) => Refusal::KINDS[6],
            Refusal::OutsideTree(_) => Refusal::KINDS[7],
            Refusal::NoImage(_) => Refusal::KINDS[8],
            Refusal::ImageNotReady(_) => Refusal::KINDS[9],
            Refusal::UnknownProduct(_) => Refusal::KINDS[10],
            Refusal::TooFewNames { .. } => Refusal::KINDS[11],
            Refusal::Invalid(_) => Refusal::KINDS[12],
            Refusal::NotFound(_) => Refusal::KINDS[13],
            Refusal::Busy(_) => Refusal::KINDS[14],
            Refusal::NotStored => Refusal::KINDS[15],
            Refusal::Conflict(_) => Refusal::KINDS[16],
            Refusal::KeptForKnown => Refusal::KINDS[17],
            Refusal::TooManyUnknown(_) => Refusal::KINDS[18],
            Refusal::TooManyNew => Refusal::KINDS[19],
            Refusal::Forged(_) => Refusal::KINDS[20],
            Refusal::NotBelieved(_) => Refusal::KINDS[21],
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotOurs(why) => write!(f, "not for this server: {why}"),
            Refusal::Unparsable(what) => write!(f, "not a valid message: {what}"),
            Refusal::Forbidden(what) => write!(f, "not allowed: {what}"),
            Refusal::NoFreeAddress => write!(f, "no free address: the pool is used up"),
            Refusal::KeptForKnown => write!(f, "no address for an unknown machine: those left are kept for known ones"),
            Refusal::TooManyUnknown(place) => write!(f, "no address for an unknown machine: too many of them {place}"),
            Refusal::TooManyNew => write!(f, "no address for an unknown machine: too many new ones within a minute"),
            Refusal::Forged(why) => write!(f, "not believed to be from that machine: {why}"),
            Refusal::NotBelieved(whose) => write!(f, "not believed that the address is taken: {whose}"),
            Refusal::UnknownMachine => write!(f, "no machine holds the asking address"),
            Refusal::NothingToBoot(what) => write!(f, "nothing to boot: {what}"),
            Refusal::NoSuchFile(name) => write!(f, "file not found: {name}"),
            Refusal::OutsideTree(name) => write!(f, "name leaves the served directory: {name}"),
            Refusal::NoImage(product) => write!(f, "No active image for {product}"),
            Refusal::ImageNotReady(product) => {
                write!(f, "The image for {product} is still being checked; ask again in a moment")
            }
            Refusal::UnknownProduct(text) => write!(f, "Unknown product_type: {text}"),
            Refusal::TooFewNames { requested, available, .. } => {
                write!(f, "Insufficient available hostnames. Requested: {requested}, Available: {available}")
            }
            Refusal::Invalid(sentence) | Refusal::Conflict(sentence) | Refusal::NotFound(sentence) => {
                f.write_str(sentence)
            }
            Refusal::Busy(what) => write!(f, "limit reached: {what}"),
            Refusal::NotStored => write!(f, "the journal could not be written; nothing was promised, ask again"),
        }
    }
}
