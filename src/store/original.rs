//! The SQLite database of the system that we replace, read and never written.
//!
//! Every row is read by itself: one that makes no sense goes into the report, with its table, number and field, and the
//! others are read all the same. Columns are found by name, so that additions of later versions do no harm.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};

use crate::clock;
use crate::fleet::adopt::original::{MasterImage, Original, PoolName, Run, table};
use crate::fleet::adopt::{Objection, Report};
use crate::ids::{BatchId, Digest, Hostname, ProductName, Serial, VenueCode};
use crate::naming::{Batch, BatchState, NameState, Venue};
use crate::net::Mac;
use crate::time::Timestamp;

/// How long the system that we replace may hold its database for itself.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many rows of history are read between two reports of progress.
const STEP: u64 = 1000;

/// Why the database cannot be read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum OriginalError {
    #[error("there is no file {path}")]
    Missing { path: PathBuf },
    #[error("cannot open {path} as a SQLite database")]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error(
        "cannot read {path}: it was left in the middle of a write, or its -wal file cannot be used from here; copy it \
         with `sqlite3 {path} \".backup copy.db\"` and give the copy"
    )]
    Unfinished { path: PathBuf },
    #[error("{path} is not the database of the old system: it has no table {}", table::ALL.join(", "))]
    Foreign { path: PathBuf },
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: rusqlite::Error },
}

/// Reads all tables as they are at one moment, also while the old system writes. `progress` hears how many rows were
/// read, of how many.
///
/// # Errors
/// [`OriginalError`]; a row that makes no sense is none.
pub fn read(path: &Path, report: &mut Report, progress: impl FnMut(u64, u64)) -> Result<Original, OriginalError> {
    let path = || path.to_owned();
    if !path().is_file() {
        return Err(OriginalError::Missing { path: path() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path(), flags);
    let db = db.map_err(|source| OriginalError::Open { path: path(), source })?;
    let found = read_tables(&db, report, progress).map_err(|source| match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OriginalError::Open { path: path(), source },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => OriginalError::Unfinished { path: path() },
        _ => OriginalError::Read { path: path(), source },
    })?;
    found.ok_or_else(|| OriginalError::Foreign { path: path() })
}

/// `None` if there is no table that we know.
fn read_tables(
    db: &Connection,
    report: &mut Report,
    mut progress: impl FnMut(u64, u64),
) -> rusqlite::Result<Option<Original>> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    // One snapshot for all tables; given up when the connection is closed.
    db.execute_batch("BEGIN")?;
    let mut total: u64 = 0;
    let mut there = Vec::new();
    for table in table::ALL {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        if db.query_row(sql, [table], |row| row.get::<_, i64>(0))? > 0 {
            let sql = format!("SELECT count(*) FROM {table}");
            let rows: i64 = db.query_row(&sql, [], |row| row.get(0))?;
            total += u64::try_from(rows).unwrap_or(0);
            there.push(table);
        }
    }
    if there.is_empty() {
        return Ok(None);
    }
    let mut original = Original::default();
    let mut done = 0;
    for table in there {
        let mut statement = db.prepare(&format!("SELECT rowid AS number_of_row, * FROM {table} ORDER BY rowid"))?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            let fields = Fields { row, columns: &columns };
            if let Err(objection) = take(&mut original, table, number, &fields) {
                report.note(table, number, Err(objection));
            }
            done += 1;
            if done % STEP == 0 {
                progress(done, total);
            }
        }
    }
    Ok(Some(original))
}

fn take(original: &mut Original, table: &str, number: i64, row: &Fields<'_>) -> Result<(), Objection> {
    match table {
        table::VENUES => original.venues.push((number, venue(row)?)),
        table::NAMES => original.names.push((number, pool_name(row)?)),
        table::BATCHES => original.batches.push((number, batch(number, row)?)),
        table::HISTORY => original.runs.push((number, run(row)?)),
        _ => original.images.push((number, master_image(row)?)),
    }
    Ok(())
}

fn venue(row: &Fields<'_>) -> Result<Venue, Objection> {
    Ok(Venue {
        code: row.venue("code")?,
        name: row.text("name")?.unwrap_or_default(),
        location: row.text("location")?,
        contact_email: row.text("contact_email")?,
    })
}

fn pool_name(row: &Fields<'_>) -> Result<PoolName, Objection> {
    let word = |text: &str| NameState::WORDS.into_iter().find(|word| *word == text);
    let state = row.needed("status", "available, assigned or retired", word)?;
    let assigned = state == "assigned";
    Ok(PoolName {
        product: row.needed("product_type", PRODUCT, ProductName::parse)?,
        venue: row.venue("venue_code")?,
        identifier: row.needed("identifier", "a number or the end of a serial", |text| Some(text.to_owned()))?,
        state,
        // What a name remembers of whom it was taken from does not matter any more.
        mac: if assigned { row.mac()? } else { None },
        serial: if assigned { row.serial()? } else { None },
        assigned_at: row.time("assigned_date")?,
    })
}

fn batch(number: i64, row: &Fields<'_>) -> Result<Batch, Objection> {
    let count = |text: &str| text.parse().ok();
    let id = u64::try_from(number).map_err(|_| ("id", "it is negative".to_owned()))?;
    Ok(Batch {
        id: BatchId(id),
        product: row.needed("product_type", PRODUCT, ProductName::parse)?,
        venue: row.venue("venue_code")?,
        total: row.needed("total_count", "a count", count)?,
        remaining: row.needed("remaining_count", "a count", count)?,
        priority: row.maybe("priority", "a number", |text| text.parse().ok())?.unwrap_or(0),
        state: row.needed("status", "a state of batches", BatchState::from_word)?,
        created_at: row.time("created_at")?.ok_or_else(|| ("created_at", "it is empty".to_owned()))?,
        started_at: row.time("started_at")?,
        completed_at: row.time("completed_at")?,
    })
}

fn run(row: &Fields<'_>) -> Result<Run, Objection> {
    // What the old system called a machine to which it could give no name.
    let hostname = row.text("hostname")?.filter(|name| name != "unknown");
    let host = |text: String| {
        let reason = format!("'{text}' is no host name");
        Hostname::parse(&text).ok_or(("hostname", reason))
    };
    Ok(Run {
        hostname: hostname.map(host).transpose()?,
        mac: row.mac()?,
        serial: row.serial()?,
        address: row.maybe("ip_address", "an IPv4 address", |text| text.parse().ok())?,
        product: row.maybe("product_type", PRODUCT, ProductName::parse)?,
        venue: row.maybe("venue_code", VENUE, VenueCode::parse)?,
        image_version: row.text("image_version")?,
        status: row.needed("deployment_status", "a status", |text| Some(text.to_owned()))?,
        started_at: row.time("started_at")?,
        completed_at: row.time("completed_at")?,
        error_message: row.text("error_message")?,
    })
}

fn master_image(row: &Fields<'_>) -> Result<MasterImage, Objection> {
    let flag = |text: &str| ["0", "1"].iter().position(|digit| *digit == text).map(|digit| digit == 1);
    Ok(MasterImage {
        file: row.needed("filename", "a file name", |text| Some(text.to_owned()))?,
        product: row.needed("product_type", PRODUCT, ProductName::parse)?,
        version: row.text("version")?,
        description: row.text("description")?,
        size: row.maybe("size_bytes", "a size", |text| text.parse().ok())?,
        checksum: row.maybe("checksum", "a SHA-256 in hex", Digest::parse)?,
        active: row.maybe("is_active", "0 or 1", flag)?.unwrap_or(false),
        uploaded_at: row.time("uploaded_at")?,
    })
}

const PRODUCT: &str = "a product";
const VENUE: &str = "a venue code (four letters or digits)";

/// A row by column names.
struct Fields<'a> {
    row: &'a Row<'a>,
    columns: &'a [String],
}

impl Fields<'_> {
    /// What stands there as text, without blanks around it; `None` for NULL, for nothing, and for a column that is not
    /// there.
    fn text(&self, column: &'static str) -> Result<Option<String>, Objection> {
        let Some(index) = self.columns.iter().position(|name| name == column) else { return Ok(None) };
        let text = match self.row.get_ref(index).expect("the index is the one of a column") {
            ValueRef::Null => return Ok(None),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => number.to_string(),
            ValueRef::Text(text) => match str::from_utf8(text) {
                Ok(text) => text.trim().to_owned(),
                Err(_) => return Err((column, "it is not UTF-8".to_owned())),
            },
            ValueRef::Blob(bytes) => return Err((column, format!("it is a blob of {} bytes", bytes.len()))),
        };
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    fn maybe<T>(
        &self,
        column: &'static str,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Objection> {
        let Some(text) = self.text(column)? else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| (column, format!("'{text}' is not {what}")))
    }

    fn needed<T>(
        &self,
        column: &'static str,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Objection> {
        self.maybe(column, what, parse)?.ok_or_else(|| (column, "it is empty".to_owned()))
    }

    fn venue(&self, column: &'static str) -> Result<VenueCode, Objection> {
        self.needed(column, VENUE, VenueCode::parse)
    }

    fn time(&self, column: &'static str) -> Result<Option<Timestamp>, Objection> {
        self.maybe(column, "a time such as 2026-11-21 09:30:00", clock::parse_utc)
    }

    fn mac(&self) -> Result<Option<Mac>, Objection> {
        self.maybe("mac_address", "a MAC address", Mac::parse)
    }

    /// A serial that was never programmed tells no machine from another, and is as good as none.
    fn serial(&self) -> Result<Option<Serial>, Objection> {
        let text = self.text("serial_number")?;
        match text {
            Some(text) if text.len() > 64 || !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') => {
                Err(("serial_number", format!("'{}' is not a serial", text.escape_debug())))
            }
            text => Ok(text.and_then(|text| Serial::parse(&text))),
        }
    }
}

#[cfg(test)]
mod tests;
