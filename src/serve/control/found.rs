//! What `hatchery image add` found in an image while it copied it: told to the server, so that nobody reads all of it a
//! second time.

use serde::{Deserialize, Serialize};

use crate::catalog::Image;
use crate::fleet::Measured;
use crate::ids::Digest;
use crate::image::{Compression, Content, Kind, Layout, ZERO_RUNS_MAX, ZeroRun};

/// What was found, and which file it was. A request with it stays below the longest line of the control socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Size, modification time (nanoseconds since the Unix epoch) and inode of the file.
    pub identity: (u64, i64, u64),
    sha256: String,
    compression: String,
    raw_size: u64,
    raw_sha256: String,
    zero_runs: Vec<(u64, u64)>,
    kind: String,
    partitions: u32,
    fat: bool,
    linux: bool,
    pi: bool,
    trouble: Option<String>,
}

impl Found {
    /// What was measured, to be sent.
    pub fn new(measured: &Measured) -> Found {
        let Measured { image, modified_nanos, inode } = measured;
        let Content { compression, size, digest, zero_runs, layout } = &image.content;
        Found {
            identity: (image.size, *modified_nanos, *inode),
            sha256: image.digest.to_string(),
            compression: compression.word().to_owned(),
            raw_size: *size,
            raw_sha256: digest.to_string(),
            zero_runs: zero_runs.iter().map(|run| (run.offset, run.length)).collect(),
            kind: layout.kind.word().to_owned(),
            partitions: layout.partitions,
            fat: layout.fat,
            linux: layout.linux,
            pi: layout.pi,
            trouble: layout.trouble.clone(),
        }
    }

    /// What was measured of `file`; `None` if it is not what [`Found::new`] makes.
    pub fn measured(&self, file: &str) -> Option<Measured> {
        let layout = Layout {
            kind: Kind::from_word(&self.kind)?,
            partitions: self.partitions,
            fat: self.fat,
            linux: self.linux,
            pi: self.pi,
            trouble: self.trouble.clone(),
        };
        let run = |(offset, length): &(u64, u64)| ZeroRun { offset: *offset, length: *length };
        let content = Content {
            compression: Compression::from_word(&self.compression)?,
            size: self.raw_size,
            digest: Digest::parse(&self.raw_sha256)?,
            zero_runs: self.zero_runs.iter().take(ZERO_RUNS_MAX).map(run).collect(),
            layout,
        };
        let (size, modified_nanos, inode) = self.identity;
        let image = Image { file: file.to_owned(), size, digest: Digest::parse(&self.sha256)?, content };
        Some(Measured { image, modified_nanos, inode })
    }
}
