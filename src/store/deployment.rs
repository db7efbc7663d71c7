//! One deployment as the journal keeps it for people: how it went, stage by stage, and what its installer wrote down.

use rusqlite::params;

use super::StoreError;
use super::record;
use super::records::{Records, read_line};
use super::rows::{self, integer};
use super::story::read_stage;
use crate::fleet::Deployment;
use crate::fleet::report::LogLine;
use crate::ids::DeploymentId;
use crate::machine::stage::Stage;
use crate::time::Timestamp;

/// Of so many stages, the last ones.
const STAGES_MAX: u64 = 100;

/// A deployment from its machine's first stage to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What was deployed to what.
    pub deployment: Deployment,
    /// Each stage that the machine entered since the deployment before, and when; the first one first.
    pub stages: Vec<(Stage, Timestamp)>,
    /// What is kept of its log.
    pub lines: Vec<LogLine>,
}

impl Records {
    /// A deployment; `None` if there is none of that number.
    ///
    /// # Errors
    /// As [`Records::log`].
    pub fn run(&self, id: DeploymentId) -> Result<Option<Run>, StoreError> {
        self.read(|db| {
            let id = integer(id.0)?;
            let mut statement = db.prepare(&format!("SELECT {} FROM deployment WHERE id = ?1", rows::DEPLOYMENT))?;
            let found = record::each("deployment", &mut statement, [id], rows::read_deployment)?;
            let Some(deployment) = found.into_iter().next() else { return Ok(None) };
            // The stages before the installer spoke belong to it as well: whatever came after the deployment before.
            let mut statement = db.prepare(
                "SELECT stage, cause, at FROM (
                     SELECT id, stage, cause, at FROM stage_entry WHERE machine = ?1
                         AND at > coalesce((SELECT max(completed_at) FROM deployment WHERE machine = ?1 AND id < ?2), -1)
                         AND at <= coalesce(?3, at)
                     ORDER BY id DESC LIMIT ?4) ORDER BY id",
            )?;
            let ended = deployment.completed_at.map(Timestamp::millis);
            let machine = integer(deployment.machine.0)?;
            let of_run = params![machine, id, ended, integer(STAGES_MAX)?];
            let stages = record::each("stage_entry", &mut statement, of_run, read_stage)?;
            let mut statement = db.prepare("SELECT id, at, level, text FROM log WHERE deployment = ?1 ORDER BY id")?;
            let lines = record::each("log", &mut statement, [id], read_line)?;
            Ok(Some(Run { deployment, stages, lines }))
        })
    }
}
