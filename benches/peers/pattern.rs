//! What the served files hold: bytes that show every misplaced piece and cost next to nothing to compare, because they
//! stay in the processor's cache.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Repeats after this many bytes: a prime, so that no two blocks, pages or segments that are near each other are alike.
const PERIOD: usize = 65_519;

/// The most that is compared at once.
pub const PIECE: usize = 256 * 1024;

/// The endless content of every file.
pub struct Pattern(Vec<u8>);

impl Pattern {
    /// The same in every run.
    pub fn new() -> Pattern {
        let words = 0..PERIOD.div_ceil(8) as u64;
        let period: Vec<u8> =
            words.flat_map(|word| (word + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).take(PERIOD).collect();
        Pattern(period.iter().copied().cycle().take(PERIOD + PIECE).collect())
    }

    /// The `length` bytes at `offset`; at most [`PIECE`].
    pub fn at(&self, offset: u64, length: usize) -> &[u8] {
        let start = (offset % PERIOD as u64) as usize;
        &self.0[start..start + length]
    }

    /// Whether `bytes` are those at `offset`.
    pub fn holds(&self, offset: u64, bytes: &[u8]) -> bool {
        bytes.len() <= PIECE && self.at(offset, bytes.len()) == bytes
    }

    /// A file of that many bytes of it, in the page cache when this returns.
    ///
    /// # Errors
    /// Of the file system.
    pub fn write(&self, path: &Path, size: u64) -> io::Result<()> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let mut file = File::create(path)?;
        let mut written = 0;
        while written < size {
            let piece = (size - written).min(PIECE as u64) as usize;
            file.write_all(self.at(written, piece))?;
            written += piece as u64;
        }
        // Else it is written back while the servers are measured.
        file.sync_all()
    }
}
