//! One file going to one machine: by which protocol, and how it ended.

use std::fmt;

/// The protocol a file goes out by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// TFTP (RFC 1350).
    Tftp,
    /// HTTP/1.1 (RFC 9112).
    Http,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Via::Tftp => "TFTP",
            Via::Http => "HTTP",
        })
    }
}

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every byte asked for was sent and acknowledged.
    Complete,
    /// The client ended it: a size probe, an existence probe, a closed connection. Not a failure.
    Abandoned(String),
    /// The client fell silent, or we could not go on; the text says which.
    Broken(String),
}
