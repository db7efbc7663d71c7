//! What the journal keeps of one machine for people: the stages it went through, and its deployments.

use rusqlite::params;

use super::StoreError;
use super::record::{self, BadRow, Record};
use super::records::Records;
use super::rows::{self, integer};
use crate::fleet::Deployment;
use crate::ids::MachineId;
use crate::machine::stage::Stage;
use crate::time::Timestamp;

/// Of so many stages and deployments of a machine, the last ones.
const STAGES_MAX: u64 = 200;
const DEPLOYMENTS_MAX: u64 = 50;

/// What became of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// Each stage it entered, and when, the first one first.
    pub stages: Vec<(Stage, Timestamp)>,
    /// Each of its deployments, the latest first.
    pub deployments: Vec<Deployment>,
}

impl Records {
    /// Each time that a machine was finished or failed, since then.
    ///
    /// # Errors
    /// As [`Records::log`].
    pub fn ends(&self, since: Timestamp) -> Result<Vec<(Stage, Timestamp)>, StoreError> {
        self.read(|db| {
            let sql = "SELECT stage, cause, at FROM stage_entry WHERE at >= ?1 AND stage IN ('done', 'failed')";
            let mut statement = db.prepare(sql)?;
            record::each("stage_entry", &mut statement, [since.millis()], read_stage)
        })
    }

    /// What became of a machine, as far back as is shown.
    ///
    /// # Errors
    /// As [`Records::log`].
    pub fn story(&self, machine: MachineId) -> Result<Story, StoreError> {
        self.read(|db| {
            let id = integer(machine.0)?;
            let mut statement = db.prepare(
                "SELECT stage, cause, at FROM (SELECT id, stage, cause, at FROM stage_entry WHERE machine = ?1
                     ORDER BY id DESC LIMIT ?2) ORDER BY id",
            )?;
            let stages = record::each("stage_entry", &mut statement, params![id, integer(STAGES_MAX)?], read_stage)?;
            let columns = rows::DEPLOYMENT;
            let sql = format!("SELECT {columns} FROM deployment WHERE machine = ?1 ORDER BY id DESC LIMIT ?2");
            let mut statement = db.prepare(&sql)?;
            let of_machine = params![id, integer(DEPLOYMENTS_MAX)?];
            let deployments = record::each("deployment", &mut statement, of_machine, rows::read_deployment)?;
            Ok(Story { stages, deployments })
        })
    }
}

pub(super) fn read_stage(row: &Record<'_>) -> Result<(Stage, Timestamp), BadRow> {
    let cause = row.maybe_text("cause")?.unwrap_or_default();
    Ok((row.parsed("stage", |word| Stage::from_word(word, &cause))?, row.time("at")?))
}
