//! What the journal keeps for people: the logs of deployments. No table of the fleet holds them.
//!
//! Written with the other changes; read beside the writer, by a connection of its own that can write nothing.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Row, params};

use super::record::{BadRow, Record};
use super::rows::{self, ReadError, integer, run};
use super::{BUSY_TIMEOUT, StoreError, advice, opening};
use crate::fleet::report::{Level, LogLine};
use crate::fleet::{Change, Deployment};
use crate::ids::{DeploymentId, MachineId};

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

    /// The last deployment of a machine and what is kept of its log; `None` if there never was one.
    ///
    /// # Errors
    /// [`StoreError`] as [`super::Store::load`].
    pub fn log(&self, machine: MachineId) -> Result<Option<(Deployment, Vec<LogLine>)>, StoreError> {
        self.read(|db| read_log(db, machine))
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, ReadError>) -> Result<T, StoreError> {
        let path = || self.path.clone();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.path, flags).map_err(|error| opening(&self.path, error))?;
        let found = db.busy_timeout(BUSY_TIMEOUT).map_err(ReadError::Sqlite).and_then(|()| read(&db));
        found.map_err(|error| match error {
            ReadError::Sqlite(source) => StoreError::Load { path: path(), advice: advice(&source), source },
            ReadError::Row(row) => StoreError::Row { path: path(), row },
        })
    }
}

fn read_log(db: &Connection, machine: MachineId) -> Result<Option<(Deployment, Vec<LogLine>)>, ReadError> {
    let machine = integer(machine.0)?;
    let sql = format!("SELECT {} FROM deployment WHERE machine = ?1 ORDER BY id DESC LIMIT 1", rows::DEPLOYMENT);
    let mut statement = db.prepare(&sql)?;
    let mut found = statement.query([machine])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let deployment = read_deployment(row)?;
    let mut statement = db.prepare("SELECT id, at, level, text FROM log WHERE deployment = ?1 ORDER BY id")?;
    let mut found = statement.query([integer(deployment.id.0)?])?;
    let mut lines = Vec::new();
    while let Some(row) = found.next()? {
        lines.push(read_line(&Record { table: "log", row })?);
    }
    Ok(Some((deployment, lines)))
}

fn read_deployments(db: &Connection) -> Result<Vec<Deployment>, ReadError> {
    let mut statement = db.prepare(&format!("SELECT {} FROM deployment ORDER BY id", rows::DEPLOYMENT))?;
    let mut found = statement.query([])?;
    let mut deployments = Vec::new();
    while let Some(row) = found.next()? {
        deployments.push(read_deployment(row)?);
    }
    Ok(deployments)
}

fn read_deployment(row: &Row<'_>) -> Result<Deployment, BadRow> {
    match rows::read_deployment(&Record { table: "deployment", row })? {
        Change::Deployment(deployment) => Ok(deployment),
        _ => unreachable!("a row of the deployments is a deployment"),
    }
}

fn read_line(row: &Record<'_>) -> Result<LogLine, BadRow> {
    Ok(LogLine {
        at: row.time("at")?,
        level: row.parsed("level", Level::from_word)?,
        text: row.text("text")?.to_owned(),
    })
}
