//! The journal: what the fleet must not forget, in one SQLite file with one writer.
//!
//! Owns the file and everything in it; decides nothing. The only importer of rusqlite. The invariant: when
//! [`Store::commit`] returns `Ok`, all of its changes survive a power cut; when it returns an error, none of them is there.

pub mod access;
mod audit;
mod deployment;
mod fold;
pub mod hardware;
mod image;
pub mod original;
mod record;
mod records;
pub mod report;
pub mod retention;
mod room;
pub mod snapshot;
mod rows;
mod schema;
mod start;
mod story;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::fleet::{Change, Rows};
pub use audit::{AuditFilter, AuditPage};
pub use deployment::Run;
use fold::Folding;
pub use record::BadRow;
pub use records::{DeploymentFilter, History, Records};
use rows::ReadError;
pub use story::Story;

/// How long we wait for someone who writes to the journal with another program.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Pages in the write-ahead log at which a commit folds it into the file, and for which it has room: 16 MiB.
const LOG_PAGES: u32 = 4000;

/// How long we wait for the lock of another hatchery.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum StoreError {
    #[error("cannot create {path}; its directory must exist and belong to the user hatchery runs as")]
    Create { path: PathBuf, source: io::Error },
    #[error("cannot lock {path}")]
    Lock { path: PathBuf, source: io::Error },
    #[error(
        "another hatchery (process {holder}) keeps its journal in {path}: stop that one, or give this one another file"
    )]
    InUse { path: PathBuf, holder: String },
    #[error("cannot start a thread to read {path} with")]
    Thread { path: PathBuf, source: io::Error },
    #[error("cannot open the journal {path}")]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("{path} belongs to another program: give hatchery a file of its own")]
    Foreign { path: PathBuf },
    #[error(
        "the journal {path} has version {found} and this hatchery knows versions up to {known}: run the hatchery that \
         wrote it, or a later one"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the journal {path} is damaged ({finding}): restore it from a backup, or move it away to begin with none")]
    Damaged { path: PathBuf, finding: String },
    #[error("cannot bring the journal {path} to version {version}; it is as it was")]
    Migrate { path: PathBuf, version: i64, source: rusqlite::Error },
    #[error("cannot write to the journal {path}; {advice}")]
    Commit { path: PathBuf, advice: &'static str, source: rusqlite::Error },
    #[error("cannot read the journal {path}; {advice}")]
    Load { path: PathBuf, advice: &'static str, source: rusqlite::Error },
    #[error("the journal {path} cannot be understood: {row}; correct it with sqlite3 while hatchery is stopped")]
    Row { path: PathBuf, row: BadRow },
    #[error("cannot fold the write-ahead log into {path}; {advice}")]
    Checkpoint { path: PathBuf, advice: &'static str, source: rusqlite::Error },
}

/// The open journal.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Connection,
    folding: Option<Folding>,
    // Held, not used: the kernel gives the lock back when the file is closed, however the process ends.
    _lock: File,
}

impl Store {
    /// Opens the journal at `path`, or makes it, readable by us alone. Beside it appear a lock file of the same name
    /// ending in `.lock`, and SQLite's `-wal` and `-shm`.
    ///
    /// # Errors
    /// One [`StoreError`] for each step: lock, file, version, damage, migration.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let (store, looked_at) = Store::prepare(path)?;
        if !looked_at {
            sound_or_damaged(&store.connection, path)?;
        }
        Ok(store)
    }

    /// All of [`Store::open`] but to look for damage, unless that was necessary before the journal was brought to this
    /// version: whether it was. Until somebody does, nothing must be written.
    fn prepare(path: &Path) -> Result<(Store, bool), StoreError> {
        let lock = lock(path)?;
        let path = path.to_owned();
        // SQLite would create it with the umask's mode; its -wal and -shm take over the mode of the file.
        let created = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        created.map_err(|source| StoreError::Create { path: path.clone(), source })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(|error| opening(&path, error))?;
        let version = known_version(&connection, &path)?;
        let old = version < KNOWN;
        if old {
            sound_or_damaged(&connection, &path)?;
        }
        configure(&connection).map_err(|error| opening(&path, error))?;
        migrate(&mut connection, &path, schema::MIGRATIONS, version)?;
        Ok((Store { path, connection, folding: None, _lock: lock }, old))
    }

    /// Writes all changes, or none, and returns when they are on disk. After an error the store can be used as before.
    ///
    /// # Errors
    /// [`StoreError::Commit`]: disk full, disk broken, another program writing.
    pub fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.write(changes).map_err(|source| {
            let advice = advice(&source);
            StoreError::Commit { path: self.path.clone(), advice, source }
        })
    }

    fn write(&mut self, changes: &[Change]) -> rusqlite::Result<()> {
        // Compiled once: each exchange of an idle network is a transaction of its own.
        let say = |sql: &str| self.connection.prepare_cached(sql)?.execute([]).map(drop);
        say("BEGIN IMMEDIATE")?;
        let written = changes.iter().try_for_each(|change| rows::write(&self.connection, change));
        let kept = written.and_then(|()| say("COMMIT"));
        if kept.is_err() && !self.connection.is_autocommit() {
            // If that fails too, the next transaction cannot begin either, and says so.
            say("ROLLBACK").ok();
        }
        kept
    }

    /// The rows, of which [`crate::fleet::Tables::load`] makes the same tables.
    ///
    /// # Errors
    /// [`StoreError::Row`] for a row that was edited into something we cannot understand, [`StoreError::Load`].
    pub fn load(&mut self) -> Result<Rows, StoreError> {
        rows::read(&self.connection).map_err(|error| reading(&self.path, error))
    }

    /// Folds the write-ahead log into the file and empties it, for when nothing else is to be done. While another
    /// program reads the journal this does nothing.
    ///
    /// # Errors
    /// [`StoreError::Checkpoint`].
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        // Whoever folds at this moment would be in the way.
        self.folding = None;
        let checkpoint = || -> rusqlite::Result<()> {
            // With the usual patience, a reader would keep us from serving.
            self.connection.busy_timeout(Duration::ZERO)?;
            let done = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            self.connection.busy_timeout(BUSY_TIMEOUT)?;
            done
        };
        checkpoint().map_err(|source| StoreError::Checkpoint {
            path: self.path.clone(),
            advice: advice(&source),
            source,
        })
    }
}

/// Two servers on one journal would each hold a fleet that does not know of the other's leases.
fn lock(journal: &Path) -> Result<File, StoreError> {
    let path = journal.with_extension("lock");
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = opened.map_err(|source| StoreError::Create { path: path.clone(), source })?;
    match try_lock(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Who holds it is a courtesy; the sentence is clear without.
            let known = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
            let holder = if known { holder.trim().to_owned() } else { "unknown".to_owned() };
            return Err(StoreError::InUse { path: journal.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(StoreError::Lock { path, source }),
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|source| StoreError::Lock { path, source })?;
    Ok(file)
}

/// Locks the file, with some patience for a hatchery that is just ending, and for a child of ours between fork and exec,
/// which holds a lock that we gave back a moment ago.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    let end = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(LOCK_PATIENCE / 20),
            result => return result,
        }
    }
}

/// The version that the last of the steps leads to.
const KNOWN: i64 = schema::MIGRATIONS.len() as i64;

/// Looks, and changes nothing: whether the file is a journal, of a version we know, and sound.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    known_version(connection, path)?;
    sound_or_damaged(connection, path)
}

/// The version of the journal, if it is one and we know it.
fn known_version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let failed = |error| opening(path, error);
    if !schema::is_ours(connection).map_err(failed)? {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    let found = schema::version(connection).map_err(failed)?;
    if found > KNOWN {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: KNOWN });
    }
    Ok(found)
}

fn sound_or_damaged(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let finding: Result<String, _> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match finding.map_err(|error| opening(path, error))?.as_str() {
        "ok" => Ok(()),
        finding => Err(StoreError::Damaged { path: path.to_owned(), finding: finding.to_owned() }),
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // More than the kinds of changes have statements.
    connection.set_prepared_statement_cache_capacity(64);
    // FULL: a commit in the write-ahead log is synced before it is reported. The commit that folds the log takes many times
    // as long as others, so that it is to be seldom where nobody folds it beside.
    connection.execute_batch(&format!(
        "PRAGMA locking_mode = NORMAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA wal_autocheckpoint = {LOG_PAGES};"
    ))
}

/// The write-ahead log of a journal.
fn log_of(journal: &Path) -> PathBuf {
    let mut log = journal.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Takes the steps of `migrations` that a journal of `version` does not have behind it.
fn migrate(db: &mut Connection, path: &Path, migrations: &[&str], version: i64) -> Result<(), StoreError> {
    for (step, version) in migrations.iter().zip(1..).filter(|(_, to)| *to > version) {
        schema::migrate(db, step, version).map_err(|source| StoreError::Migrate {
            path: path.to_owned(),
            version,
            source,
        })?;
    }
    Ok(())
}

fn opening(path: &Path, source: rusqlite::Error) -> StoreError {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::Damaged { path: path.to_owned(), finding: source.to_string() }
        }
        _ => StoreError::Open { path: path.to_owned(), source },
    }
}

fn reading(path: &Path, error: ReadError) -> StoreError {
    let path = path.to_owned();
    match error {
        ReadError::Sqlite(source) => StoreError::Load { path, advice: advice(&source), source },
        ReadError::Row(row) => StoreError::Row { path, row },
    }
}

/// What an operator can do about it.
fn advice(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full: make room, and it goes on by itself",
        Some(ErrorCode::SystemIoFailure) => "the disk reports errors: look at the kernel's log",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program writes to it: close that one",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "it must be writable, and its directory too, for the user hatchery runs as"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "it is damaged: restore it from a backup, or move it away to begin with none"
        }
        Some(ErrorCode::ConstraintViolation) => "a row would contradict another: this is a mistake in hatchery",
        _ => "the cause below is SQLite's own",
    }
}

#[cfg(test)]
mod tests;
