//! Copies of our databases as they are at one moment, also while a server writes to them; and whether a copy is sound.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::access::Access;
use super::{BUSY_TIMEOUT, StoreError, check, lock, opening};

/// Writes what the database at `from` has now to the new file `to`. The server goes on writing meanwhile.
///
/// # Errors
/// [`StoreError::Open`] and [`StoreError::Damaged`] with the path of either.
pub fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copied = Connection::open_with_flags(from, flags).and_then(|db| {
        db.busy_timeout(BUSY_TIMEOUT)?;
        let to = to.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(to.to_owned()))?;
        // One reading transaction, and so one moment; the copy has no write-ahead log.
        db.execute("VACUUM INTO ?1", [to]).map(drop)
    });
    copied.map_err(|error| opening(from, error))
}

/// Looks into a copy of a journal: ours, of a version we know, undamaged.
///
/// # Errors
/// As [`super::Store::open`]; nothing is changed.
pub fn check_journal(path: &Path) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(|error| opening(path, error))?;
    check(&db, path)
}

/// Looks into a copy of the users.
///
/// # Errors
/// A sentence: it is another program's, of a later version, or damaged.
pub fn check_users(path: &Path) -> Result<(), String> {
    Access::open(path).and_then(|access| access.users()).map(drop).map_err(|error| error.to_string())
}

/// Keeps servers from beginning on the journal at `path` for as long as what is returned lives.
///
/// # Errors
/// [`StoreError::InUse`] if one is running.
pub fn claim(path: &Path) -> Result<Claim, StoreError> {
    lock(path).map(|file| Claim { _file: file, lock: path.with_extension("lock") })
}

/// The right to a journal.
#[derive(Debug)]
pub struct Claim {
    _file: std::fs::File,
    /// The lock file, which was made if there was none.
    pub lock: PathBuf,
}
