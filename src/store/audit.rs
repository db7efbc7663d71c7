//! What the journal keeps of operators' operations: who changed what, written in the transaction of the change.

use rusqlite::{Connection, params};

use super::StoreError;
use super::record;
use super::records::Records;
use super::rows::{integer, run};
use crate::access::Actor;
use crate::fleet::audit::Entry;

/// Which entries are wanted; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// By exactly this one.
    pub by: Option<String>,
    /// Of exactly this operation.
    pub operation: Option<String>,
    /// With this text anywhere.
    pub text: Option<String>,
}

/// Some of the entries that fit, the latest first, each with its number; and how many fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// Those of the page.
    pub entries: Vec<(u64, Entry)>,
    /// How many fit in all.
    pub total: u64,
}

const FITS: &str = "(?1 IS NULL OR by = ?1) AND (?2 IS NULL OR operation = ?2) AND (?3 IS NULL
    OR instr(lower(by || ' ' || operation || ' ' || subject || ' ' || details), lower(?3)) > 0)";

pub(super) fn write(db: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    run(
        db,
        "INSERT INTO audit (at, by, operation, subject, details) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![entry.at.millis(), entry.by.as_str(), entry.operation, entry.subject, entry.details],
    )
}

impl Records {
    /// Who changed what: at most `limit` of the entries that fit, after `offset` of them.
    ///
    /// # Errors
    /// As [`Records::log`].
    pub fn audit(&self, filter: &AuditFilter, limit: u64, offset: u64) -> Result<AuditPage, StoreError> {
        let AuditFilter { by, operation, text } = filter;
        self.read(|db| {
            let count = format!("SELECT count(*) FROM audit WHERE {FITS}");
            let total: i64 = db.query_row(&count, params![by, operation, text], |row| row.get(0))?;
            let page = format!(
                "SELECT id, at, by, operation, subject, details FROM audit WHERE {FITS} ORDER BY id DESC LIMIT ?4 OFFSET ?5"
            );
            let mut statement = db.prepare(&page)?;
            let some = params![by, operation, text, integer(limit)?, integer(offset)?];
            let entries = record::each("audit", &mut statement, some, |row| {
                let text = |column| row.text(column).map(str::to_owned);
                let entry = Entry {
                    at: row.time("at")?,
                    by: Actor::written(row.text("by")?),
                    operation: text("operation")?,
                    subject: text("subject")?,
                    details: text("details")?,
                };
                Ok((row.number("id")?, entry))
            })?;
            Ok(AuditPage { entries, total: total.unsigned_abs() })
        })
    }
}
