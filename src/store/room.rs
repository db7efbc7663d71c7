//! Room for the write-ahead log before it is needed.
//!
//! A commit that makes the file longer has to put its new length, and where its new blocks are, on disk as well: that
//! takes the disk about as long as the commit itself. A log that is as long as it ever gets is only written over.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use nix::sys::statvfs::statvfs;
use rusqlite::{Connection, TransactionBehavior};

use super::{LOG_PAGES, log_of};

/// SQLite's file format: a header, and one before each page.
const HEADER: u64 = 32;
const PAGE_HEADER: u64 = 24;

/// Of the room that is left on the disk, the log is given no more than one part in so many.
const PART: u64 = 16;

/// Makes the log of the journal that `connection` has open as long as it gets before it is folded into the file, if the
/// disk has much more room than that, and returns when that is on disk. The new part is zeros, which are no entry of the
/// log to anybody who reads it.
///
/// # Errors
/// What the system says; the log is as long as before.
pub(super) fn make_room(connection: &mut Connection, journal: &Path) -> io::Result<()> {
    // While it lasts, nobody else writes into the log.
    let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let writing = writing.map_err(io::Error::other)?;
    let page: u32 = writing.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(io::Error::other)?;
    let wanted = HEADER + u64::from(LOG_PAGES) * (PAGE_HEADER + u64::from(page));
    let grown = grow(&log_of(journal), wanted)?;
    drop(writing);
    // A commit that comes earlier waits for the zeros, too.
    grown.map_or(Ok(()), |log| log.sync_data())
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
