//! What the journal keeps for people: the logs of deployments. No table of the fleet holds them.
//!
//! Written with the other changes; read beside the writer, by a connection of its own that can write nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use super::record::{self, BadRow, Record};
use super::rows::{self, ReadError, integer, run};
use super::{BUSY_TIMEOUT, StoreError, log_of, opening, reading};
use crate::fleet::Deployment;
use crate::fleet::report::{Level, LogLine};
use crate::ids::{DeploymentId, MachineId, ProductName};

/// How much of one deployment's log is kept, in bytes; what was written last.
const LOG_MAX: u64 = 64 << 10;

/// What a line takes beside its text, in bytes.
const LINE_COST: u64 = 24;

/// Of how many deployments the logs are kept.
const LOGS_MAX: u64 = 2000;

pub(super) fn write_log(db: &Connection, deployment: DeploymentId, lines: &[LogLine]) -> rusqlite::Result<()> {
    let id = integer(deployment.0)?;
    for line in lines {
        run(
            db,
            "INSERT INTO log (deployment, at, level, text) VALUES (?1, ?2, ?3, ?4)",
            params![id, line.at.millis(), line.level.word(), line.text],
        )?;
    }
    run(
        db,
        "DELETE FROM log WHERE deployment = ?1 AND id <= (
             SELECT max(id) FROM (SELECT id, sum(octet_length(text) + ?2) OVER (ORDER BY id DESC) AS kept
                                  FROM log WHERE deployment = ?1)
             WHERE kept > ?3)",
        params![id, integer(LINE_COST)?, integer(LOG_MAX)?],
    )?;
    run(db, "DELETE FROM log WHERE deployment <= ?1", [integer(deployment.0.saturating_sub(LOGS_MAX))?])
}

/// Which deployments are wanted; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeploymentFilter {
    /// Of this product.
    pub product: Option<String>,
    /// At this venue.
    pub venue: Option<String>,
    /// Whose installer's last word was this.
    pub status: Option<String>,
    /// With this text anywhere: in what was deployed, or in the MAC or the serial of its machine. A MAC in any spelling.
    pub text: Option<String>,
}

/// What was deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Some of those that fit.
    pub deployments: Vec<Deployment>,
    /// How many fit.
    pub total: u64,
    /// How many of these ended well.
    pub successful: u64,
}

/// The journal, to be read.
#[derive(Clone, Debug)]
pub struct Records {
    path: PathBuf,
}

impl Records {
    /// Of the journal at `path`.
    pub fn new(path: &Path) -> Records {
        Records { path: path.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it takes on disk, with what is not yet in one file; bytes.
    pub fn size(&self) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        size(&self.path) + size(&log_of(&self.path))
    }

    /// Every deployment by id; none if there is no journal yet.
    ///
    /// # Errors
    /// [`StoreError`] as [`super::Store::load`].
    pub fn deployments(&self) -> Result<Vec<Deployment>, StoreError> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        self.read(read_deployments)
    }

    /// The image file that each product has by an operator's word; none if there is no journal yet.
    ///
    /// # Errors
    /// As [`Records::deployments`].
    pub fn active_images(&self) -> Result<BTreeMap<ProductName, String>, StoreError> {
        if !self.path.exists() {
            return Ok(BTreeMap::new());
        }
        self.read(|db| {
            let mut statement = db.prepare("SELECT product, file FROM edition WHERE active_since IS NOT NULL")?;
            let files = record::each("edition", &mut statement, [], |row| {
                Ok((row.parsed("product", ProductName::parse)?, row.text("file")?.to_owned()))
            })?;
            Ok(files.into_iter().collect())
        })
    }

    /// How many machines were last written with which image, by product and file.
    ///
    /// # Errors
    /// As [`Records::log`].
    pub fn machines_of_images(&self) -> Result<BTreeMap<(String, String), u64>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare(
                "SELECT product, image, count(*) AS machines FROM deployment
                 WHERE id IN (SELECT max(id) FROM deployment WHERE status = 'success' GROUP BY machine)
                     AND product IS NOT NULL AND image IS NOT NULL
                 GROUP BY product, image",
            )?;
            let counts = record::each("deployment", &mut statement, [], |row| {
                Ok(((row.text("product")?.to_owned(), row.text("image")?.to_owned()), row.number("machines")?))
            })?;
            Ok(counts.into_iter().collect())
        })
    }

    /// The last deployment of a machine and what is kept of its log; `None` if there never was one.
    ///
    /// # Errors
    /// [`StoreError`] as [`super::Store::load`].
    pub fn log(&self, machine: MachineId) -> Result<Option<(Deployment, Vec<LogLine>)>, StoreError> {
        self.read(|db| read_log(db, machine))
    }

    /// What was deployed, the latest first: at most `limit` of those that fit, after `offset` of them.
    ///
    /// # Errors
    /// As [`Records::log`].
    pub fn history(&self, filter: &DeploymentFilter, limit: u64, offset: u64) -> Result<History, StoreError> {
        self.read(|db| read_history(db, filter, limit, offset))
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, ReadError>) -> Result<T, StoreError> {
        read(&self.connect()?).map_err(|error| reading(&self.path, error))
    }

    pub(super) fn connect(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.path, flags).map_err(|error| opening(&self.path, error))?;
        db.busy_timeout(BUSY_TIMEOUT).map_err(|error| opening(&self.path, error))?;
        Ok(db)
    }
}

fn read_log(db: &Connection, machine: MachineId) -> Result<Option<(Deployment, Vec<LogLine>)>, ReadError> {
    let machine = integer(machine.0)?;
    let sql = format!("SELECT {} FROM deployment WHERE machine = ?1 ORDER BY id DESC LIMIT 1", rows::DEPLOYMENT);
    let mut statement = db.prepare(&sql)?;
    let found = record::each("deployment", &mut statement, [machine], rows::read_deployment)?;
    let Some(deployment) = found.into_iter().next() else { return Ok(None) };
    let mut statement = db.prepare("SELECT id, at, level, text FROM log WHERE deployment = ?1 ORDER BY id")?;
    let lines = record::each("log", &mut statement, [integer(deployment.id.0)?], read_line)?;
    Ok(Some((deployment, lines)))
}

/// What a [`DeploymentFilter`] means.
const FITS: &str = "(?1 IS NULL OR product = ?1) AND (?2 IS NULL OR venue = ?2) AND (?3 IS NULL OR status = ?3)
    AND (?4 IS NULL
        OR instr(lower(concat_ws(' ', id, hostname, address, product, venue, image, status, error_message)), ?4) > 0
        OR machine IN (SELECT id FROM machine
                       WHERE instr(lower(serial), ?4) > 0 OR instr(replace(mac, ':', ''), ?5) > 0))";

fn read_history(db: &Connection, filter: &DeploymentFilter, limit: u64, offset: u64) -> Result<History, ReadError> {
    let DeploymentFilter { product, venue, status, text } = filter;
    let text = text.as_ref().map(|text| text.trim().to_lowercase());
    // Parts of a MAC are compared by their digits; a text without any finds no MAC.
    let digits = text.as_ref().map(|text| text.replace([':', '-', '.', ' '], "")).filter(|digits| digits.len() > 2);
    let count = format!("SELECT count(*), count(*) FILTER (WHERE status = 'success') FROM deployment WHERE {FITS}");
    let (total, successful) = db.query_row(&count, params![product, venue, status, text, digits], |row| {
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs()))
    })?;
    let columns = rows::DEPLOYMENT;
    let sql = format!("SELECT {columns} FROM deployment WHERE {FITS} ORDER BY id DESC LIMIT ?6 OFFSET ?7");
    let mut statement = db.prepare(&sql)?;
    let (limit, offset) = (integer(limit)?, integer(offset)?);
    let some = params![product, venue, status, text, digits, limit, offset];
    let deployments = record::each("deployment", &mut statement, some, rows::read_deployment)?;
    Ok(History { deployments, total, successful })
}

fn read_deployments(db: &Connection) -> Result<Vec<Deployment>, ReadError> {
    let mut statement = db.prepare(&format!("SELECT {} FROM deployment ORDER BY id", rows::DEPLOYMENT))?;
    record::each("deployment", &mut statement, [], rows::read_deployment)
}

pub(super) fn read_line(row: &Record<'_>) -> Result<LogLine, BadRow> {
    Ok(LogLine {
        at: row.time("at")?,
        level: row.parsed("level", Level::from_word)?,
        text: row.text("text")?.to_owned(),
    })
}
