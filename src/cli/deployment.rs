//! The commands that look at what was deployed.

use clap::{Args, Subcommand};

use super::{Ask, Part};

/// What to look at.
#[derive(Debug, Subcommand)]
pub enum Deployment {
    /// List what was deployed, the latest first
    #[command(after_help = "Examples:
  hatchery deployment list
  hatchery deployment list --status failed --venue SPAA
  hatchery deployment list --find dc:a6:32:01:36:c2 --json | jq '.items[] | {id, error_message}'")]
    List(DeploymentList),
    /// Show one: its stages with their times, and what its installer wrote down
    #[command(after_help = "Examples:
  hatchery deployment show 117
  hatchery deployment show --json 117 | jq '.stages'")]
    Show(OneDeployment),
}

/// Arguments of `deployment list`.
#[derive(Debug, Args)]
pub struct DeploymentList {
    #[command(flatten)]
    pub ask: Ask,
    #[command(flatten)]
    pub part: Part,
    /// Only of this product
    #[arg(long, value_name = "PRODUCT")]
    pub product: Option<String>,
    /// Only for this venue
    #[arg(long, value_name = "CODE")]
    pub venue: Option<String>,
    /// Only those whose installer's last word was this: success, failed, downloading
    #[arg(long, value_name = "WORD")]
    pub status: Option<String>,
    /// Only with this text anywhere; a MAC in any spelling
    #[arg(long, value_name = "TEXT")]
    pub find: Option<String>,
}

/// A deployment.
#[derive(Debug, Args)]
pub struct OneDeployment {
    /// Its number
    pub id: u64,
    #[command(flatten)]
    pub ask: Ask,
}
