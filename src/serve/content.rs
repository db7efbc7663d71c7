//! What the file-serving shells ask of the rest of the appliance: open a name for a machine, and report the transfer.
//!
//! Owns no policy: which bytes a name means is decided by [`crate::boot`]; this is the seam that lets the TFTP and
//! HTTP shells run over the real fleet, or alone in a bench.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;

use crate::ids::TransferId;
use crate::refusal::Refusal;
use crate::transfer::{Outcome, Via};

/// The bytes behind a name, ready to be sent.
#[derive(Clone, Debug)]
pub enum Content {
    /// A file on disk, opened; sent without its bytes entering this process where the protocol allows.
    File(OpenFile),
    /// A rendered answer.
    Text(Bytes),
}

/// An open regular file, as it was when opened.
#[derive(Clone, Debug)]
pub struct OpenFile {
    /// The open descriptor.
    pub file: Arc<std::fs::File>,
    /// Size in bytes.
    pub size: u64,
    /// Last change, whole seconds since the Unix epoch (`Last-Modified`).
    pub modified_secs: i64,
    /// A strong entity tag without quotes, from inode, size and modification time in nanoseconds.
    pub etag: Arc<str>,
}

impl Content {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Content::File(file) => file.size,
            Content::Text(text) => text.len() as u64,
        }
    }
}

/// Where the shells get their files, and whom they tell.
pub trait FileSource: Send + Sync + 'static {
    /// Opens what `name` (as the client wrote it, for HTTP the percent-decoded path) means to the machine at `asker`.
    ///
    /// # Errors
    /// The refusal that says why the machine gets nothing under this name. May block on disk for the open itself.
    fn open(&self, asker: Ipv4Addr, name: &str, via: Via) -> Result<Content, Refusal>;

    /// What [`FileSource::open`] would open, if that can be had without waiting for a disk and without rendering; never
    /// blocks. `None` says nothing: ask there. A small file takes longer to go to another thread for than to open.
    fn open_at_once(&self, _asker: Ipv4Addr, _name: &str, _via: Via) -> Option<Content> {
        None
    }

    /// A shell refused a request before it came to [`FileSource::open`]: too many at once, or not to be read.
    fn refused(&self, _refusal: &Refusal) {}

    /// A transfer of `size` bytes of `name` to `asker` begins.
    fn started(&self, asker: Ipv4Addr, name: &str, size: u64, via: Via) -> TransferId;

    /// `sent` bytes of the transfer have left so far. Cheap; callers report at most a few times a second.
    fn progress(&self, transfer: TransferId, sent: u64);

    /// The transfer ended after `sent` bytes.
    fn finished(&self, transfer: TransferId, sent: u64, outcome: Outcome);
}
