//! What was deployed in a period, in numbers: asked of the journal in one statement, counted in `tally`.
//!
//! A deployment belongs to the day on which it began, in UTC. The stages come from the journal's entries of the machine,
//! so those of machines that were forgotten since are counted as a whole only.

mod tally;

use rusqlite::{Connection, Row, params};

pub use self::tally::{Counts, Failure, Group, Report, StageTimes, Times};
use self::tally::{End, Entry, Run, Tally};
use super::StoreError;
use super::records::Records;
use super::rows::ReadError;
use crate::time::Timestamp;

/// How long before the installer's first word the machine may have been switched on, milliseconds.
const BOOT_MAX: i64 = 3_600_000;

/// What a report is about; what is `None` does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFilter {
    /// Deployments that began then or later,
    pub from: Timestamp,
    /// and before this.
    pub to: Timestamp,
    /// Of this product.
    pub product: Option<String>,
    /// At this venue.
    pub venue: Option<String>,
    /// Of this image.
    pub image: Option<String>,
}

/// `CROSS JOIN` keeps SQLite from turning the order round: the entries of one deployment come one after the other.
const RUNS: &str = "
    SELECT d.id, d.product, d.venue, d.image, d.status, d.started_at, d.completed_at, d.error_message, e.stage, e.at
    FROM deployment d INDEXED BY deployments_by_start
    LEFT JOIN stage_entry e ON e.machine = d.machine AND d.status = 'success'
        AND e.at BETWEEN d.started_at - ?6 AND d.completed_at
    WHERE d.started_at >= ?1 AND d.started_at < ?2 AND (?3 IS NULL OR d.product = ?3)
        AND (?4 IS NULL OR d.venue = ?4) AND (?5 IS NULL OR d.image = ?5)
    ORDER BY d.started_at, d.id, e.machine, e.at, e.id";

impl Records {
    /// The report on what fits.
    ///
    /// # Errors
    /// As [`Records::log`].
    pub fn report(&self, filter: &ReportFilter) -> Result<Report, StoreError> {
        self.read(|db| report(db, filter))
    }
}

fn report(db: &Connection, filter: &ReportFilter) -> Result<Report, ReadError> {
    let ReportFilter { from, to, product, venue, image } = filter;
    let mut statement = db.prepare(RUNS)?;
    let mut rows = statement.query(params![from.millis(), to.millis(), product, venue, image, BOOT_MAX])?;
    let mut tally = Tally::default();
    let mut open: Option<(i64, Run)> = None;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let same = open.as_ref().is_some_and(|(of, _)| *of == id);
        if !same && let Some((_, run)) = open.replace((id, read_run(row)?)) {
            tally.add(&run);
        }
        let stage = row.get_ref(8)?.as_str_or_null().map_err(rusqlite::Error::from)?;
        if let (Some((_, run)), Some(stage)) = (&mut open, stage) {
            run.entries.extend(Entry::read(stage, row.get(9)?));
        }
    }
    if let Some((_, run)) = open {
        tally.add(&run);
    }
    Ok(tally.finish())
}

fn read_run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let (status, ended): (String, Option<i64>) = (row.get(4)?, row.get(6)?);
    let end = match (status.as_str(), ended) {
        (_, None) => End::Running,
        ("success", Some(at)) => End::Success(at),
        (_, Some(at)) => End::Failed(at, row.get::<_, Option<String>>(7)?.unwrap_or(status)),
    };
    let (product, venue, image) = (row.get(1)?, row.get(2)?, row.get(3)?);
    Ok(Run { product, venue, image, started: row.get(5)?, end, entries: Vec::new() })
}

#[cfg(test)]
mod tests;
