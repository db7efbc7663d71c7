//! Room for the write-ahead log before it is needed.
//!
//! A commit that makes the file longer has to put its new length, and where its new blocks are, on disk as well: that
//! takes the disk about as long as the commit itself. A log that is as long as it ever gets is only written over.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use nix::sys::statvfs::statvfs;
use rusqlite::TransactionBehavior;

use super::{LOG_PAGES, Store, log_of};

/// SQLite's file format: a header, and one before each page.
const HEADER: u64 = 32;
const PAGE_HEADER: u64 = 24;

/// Of the room that is left on the disk, the log is given no more than one part in so many.
const PART: u64 = 16;

impl Store {
    /// Makes the log as long as it gets before it is folded into the file, if the disk has much more room than that. The
    /// new part is zeros, which are no entry of the log to anybody who reads it.
    ///
    /// # Errors
    /// What the system says; the log is as long as before.
    pub fn make_room(&mut self) -> io::Result<()> {
        // While it lasts, no other program writes into the log.
        let writing = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let writing = writing.map_err(io::Error::other)?;
        let page: u32 = writing.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(io::Error::other)?;
        let wanted = HEADER + u64::from(LOG_PAGES) * (PAGE_HEADER + u64::from(page));
        let grown = grow(&log_of(&self.path), wanted)?;
        drop(writing);
        // The zeros go to the disk beside whatever the server does next; a commit that comes earlier waits for them.
        if let Some(file) = grown {
            std::thread::Builder::new().name("journal-room".into()).spawn(move || file.sync_data()).map(drop)?;
        }
        Ok(())
    }
}

fn grow(path: &Path, wanted: u64) -> io::Result<Option<File>> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let before = file.metadata()?.len();
    let disk = statvfs(path)?;
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    if before >= wanted || free / PART < wanted {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(before))?;
    let mut left = wanted - before;
    let zeros = vec![0; 1 << 18];
    while left > 0 {
        let piece = zeros.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if let Err(error) = file.write_all(&zeros[..piece]) {
            file.set_len(before)?;
            return Err(error);
        }
        left -= piece as u64;
    }
    Ok(Some(file))
}

#[cfg(test)]
mod tests;
