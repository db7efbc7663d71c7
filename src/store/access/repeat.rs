//! Which requests were made with which key, and what they were answered.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::{Access, Result, failed};
use crate::time::Timestamp;

/// How long a key is remembered.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing until now.
    New,
    /// The same was asked, and answered like that.
    Answered {
        /// The status code.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// Something else was asked with it.
    Other,
    /// The same was asked, and is not done yet.
    UnderWay,
    /// The same was asked, and the server stopped while it did it.
    Lost,
}

/// In place of a status: of a run that ended before the answer was noted.
const LOST: i64 = 0;

impl Access {
    /// Notes that `caller` begins what has that digest under that key, unless something was begun under it.
    ///
    /// # Errors
    /// Of SQLite, here and below.
    pub fn begin_repeat(&self, caller: &str, key: &str, digest: &str, now: Timestamp) -> Result<Repeat> {
        let remembered = i64::try_from(REMEMBERED.as_millis()).unwrap_or(i64::MAX);
        self.run("DELETE FROM repeat WHERE begun_at < ?1", params![now.millis().saturating_sub(remembered)])?;
        let fresh = self.run(
            "INSERT OR IGNORE INTO repeat (caller, key, digest, begun_at) VALUES (?1, ?2, ?3, ?4)",
            params![caller, key, digest, now.millis()],
        )?;
        if fresh == 1 {
            return Ok(Repeat::New);
        }
        let sql = "SELECT digest, status, body FROM repeat WHERE caller = ?1 AND key = ?2";
        let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(String, Option<i64>, Option<Vec<u8>>)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        };
        let found = self.db.query_row(sql, params![caller, key], read).optional();
        Ok(match found.map_err(|error| failed(&self.path, error))? {
            None => Repeat::UnderWay,
            Some((known, _, _)) if known != digest => Repeat::Other,
            Some((_, None, _)) => Repeat::UnderWay,
            Some((_, Some(LOST), _)) => Repeat::Lost,
            Some((_, Some(status), body)) => {
                Repeat::Answered { status: u16::try_from(status).unwrap_or(200), body: body.unwrap_or_default() }
            }
        })
    }

    /// Notes how it was answered.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn end_repeat(&self, caller: &str, key: &str, status: u16, body: &[u8]) -> Result<()> {
        let sql = "UPDATE repeat SET status = ?3, body = ?4 WHERE caller = ?1 AND key = ?2";
        self.run(sql, params![caller, key, status, body]).map(drop)
    }

    /// Frees a key under which nothing was done.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn void_repeat(&self, caller: &str, key: &str) -> Result<()> {
        self.run("DELETE FROM repeat WHERE caller = ?1 AND key = ?2", params![caller, key]).map(drop)
    }

    /// What was under way when the server stopped is so no longer.
    pub(super) fn lose_repeats(&self) -> Result<()> {
        self.run("UPDATE repeat SET status = ?1 WHERE status IS NULL", params![LOST]).map(drop)
    }
}
