//! What is old goes: deployments with their logs, the stages of machines, the audit, each after a time of its own.
//!
//! Done in steps of a bounded number of rows, each a transaction of its own, so that the core never waits long for one.
//! What the fleet goes by stays however old it is: a deployment that is open, the latest of each machine, the last one
//! of all (its id must not be given again), and the stages of each machine's latest run.

use std::time::Duration;

use rusqlite::{TransactionBehavior, params};

use super::{Store, StoreError, advice};
use crate::time::Timestamp;

/// Rows that one step looks at.
const STEP: i64 = 200;

/// How long what is kept; `None` for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Deployments and the stages of machines.
    pub history: Option<Duration>,
    /// What installers wrote down.
    pub logs: Option<Duration>,
    /// Who changed what.
    pub audit: Option<Duration>,
}

/// A table, and which of its old rows go. `?1` and `?2` are the ids between which a step works, `?3` the time before
/// which a row is old.
struct Table {
    /// How far a step reaches: the last id, how many rows, and whether one is not old. Ids are given in the order of
    /// time, so behind such a row there is nothing to do.
    reach: &'static str,
    /// Removes rows.
    remove: &'static [&'static str],
}

const LOGS: Table = Table {
    reach: "SELECT max(id), count(*), max(at >= ?2) FROM (SELECT id, at FROM log WHERE id > ?1 ORDER BY id LIMIT ?3)",
    remove: &["DELETE FROM log WHERE id > ?1 AND id <= ?2 AND at < ?3 AND NOT EXISTS (
        SELECT 1 FROM deployment d WHERE d.id = log.deployment AND d.completed_at IS NULL)"],
};

const STAGES: Table = Table {
    reach: "SELECT max(id), count(*), max(at >= ?2)
        FROM (SELECT id, at FROM stage_entry WHERE id > ?1 ORDER BY id LIMIT ?3)",
    // A run is over once another begins, or once it ended and something else came.
    remove: &["DELETE FROM stage_entry AS e WHERE e.id > ?1 AND e.id <= ?2 AND e.at < ?3 AND EXISTS (
        SELECT 1 FROM stage_entry n WHERE n.machine = e.machine AND n.id > e.id AND (
            n.stage IN ('waiting', 'address')
            OR (n.stage IN ('done', 'failed')
                AND EXISTS (SELECT 1 FROM stage_entry m WHERE m.machine = e.machine AND m.id > n.id))))"],
};

const DEPLOYMENTS: Table = Table {
    reach: "SELECT max(id), count(*), max(started_at >= ?2)
        FROM (SELECT id, started_at FROM deployment WHERE id > ?1 ORDER BY id LIMIT ?3)",
    remove: &[
        "DELETE FROM log WHERE deployment IN (
            SELECT d.id FROM deployment d WHERE d.id > ?1 AND d.id <= ?2 AND d.completed_at < ?3
                AND d.id < (SELECT max(id) FROM deployment) AND (
                    NOT EXISTS (SELECT 1 FROM machine m WHERE m.id = d.machine)
                    OR EXISTS (SELECT 1 FROM deployment n WHERE n.machine = d.machine AND n.id > d.id)))",
        "DELETE FROM deployment AS d WHERE d.id > ?1 AND d.id <= ?2 AND d.completed_at < ?3
            AND d.id < (SELECT max(id) FROM deployment) AND (
                NOT EXISTS (SELECT 1 FROM machine m WHERE m.id = d.machine)
                OR EXISTS (SELECT 1 FROM deployment n WHERE n.machine = d.machine AND n.id > d.id))",
    ],
};

const AUDIT: Table = Table {
    reach: "SELECT max(id), count(*), max(at >= ?2) FROM (SELECT id, at FROM audit WHERE id > ?1 ORDER BY id LIMIT ?3)",
    remove: &["DELETE FROM audit WHERE id > ?1 AND id <= ?2 AND at < ?3"],
};

/// A pass over everything that may be old, as far as it has come.
#[derive(Debug)]
pub struct Sweep {
    /// What is still to be looked at, the next one last: index of the table, and the time before which a row is old.
    open: Vec<(usize, i64)>,
    /// The last id that was looked at.
    after: i64,
    removed: u64,
}

const TABLES: [Table; 4] = [LOGS, STAGES, DEPLOYMENTS, AUDIT];

impl Sweep {
    /// A new pass, at that time.
    pub fn new(retention: &Retention, now: Timestamp) -> Sweep {
        let Retention { history, logs, audit } = retention;
        let ages = [logs, history, history, audit].into_iter().enumerate().rev();
        let before = |age: Duration| now.millis().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let open = ages.filter_map(|(table, age)| Some((table, before((*age)?))));
        Sweep { open: open.collect(), after: 0, removed: 0 }
    }

    /// Whether nothing is left to be looked at.
    pub fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    /// How many rows went.
    pub fn removed(&self) -> u64 {
        self.removed
    }
}

impl Store {
    /// One step of a pass.
    ///
    /// # Errors
    /// [`StoreError::Commit`]; the step left everything as it was.
    pub fn trim(&mut self, sweep: &mut Sweep) -> Result<(), StoreError> {
        self.trim_step(sweep).map_err(|source| {
            let advice = advice(&source);
            StoreError::Commit { path: self.path.clone(), advice, source }
        })
    }

    fn trim_step(&mut self, sweep: &mut Sweep) -> rusqlite::Result<()> {
        let Some((index, before)) = sweep.open.last().copied() else { return Ok(()) };
        let table = &TABLES[index];
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (last, count, fresh): (Option<i64>, i64, Option<bool>) =
            transaction.query_row(table.reach, params![sweep.after, before, STEP], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let mut removed = 0;
        if let Some(last) = last {
            for sql in table.remove {
                removed += transaction.prepare_cached(sql)?.execute(params![sweep.after, last, before])?;
            }
        }
        transaction.commit()?;
        sweep.removed += removed as u64;
        sweep.after = last.unwrap_or(sweep.after);
        if count < STEP || fresh == Some(true) {
            sweep.open.pop();
            sweep.after = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
