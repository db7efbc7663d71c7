//! The commands that take over what another system remembers.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ConfigFile;

/// What to take over.
#[derive(Debug, Subcommand)]
pub enum Adopt {
    /// The database of the old deployment server: venues, names, batches, history, images
    #[command(
        after_help = "It is read only, also while the old server writes to it. Everything is written in one transaction, or
nothing. A row that makes no sense, or contradicts what is here, is refused with the reason, and all
others are taken; the same rows a second time change nothing. Machines that hold a name are finished:
they boot their own disk until an operator has them reinstalled. The server must be stopped, and the
command must run as its user.

Examples:
  sudo -u hatchery hatchery adopt original --db /opt/deployment/deployment.db --dry-run
  sudo -u hatchery hatchery adopt original --db deployment.db --images /opt/deployment/images
  hatchery adopt original --db deployment.db --json | jq '.remarks[] | select(.refused)'"
    )]
    Original(AdoptOriginal),
    /// The lease file of dnsmasq
    #[command(
        after_help = "Leases in pools of the configuration are taken, so that no address is given twice. The server and
dnsmasq must be stopped, and the command must run as the server's user.

Examples:
  sudo -u hatchery hatchery adopt leases /var/lib/misc/dnsmasq.leases --dry-run
  sudo -u hatchery hatchery adopt leases /var/lib/misc/dnsmasq.leases"
    )]
    Leases(AdoptLeases),
}

/// Arguments of `adopt original`.
#[derive(Debug, Args)]
pub struct AdoptOriginal {
    /// The database
    #[arg(long, value_name = "FILE")]
    pub db: PathBuf,
    /// Where its image files are, if not in our image directory already; they are copied
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    #[command(flatten)]
    pub how: AdoptHow,
}

/// Arguments of `adopt leases`.
#[derive(Debug, Args)]
pub struct AdoptLeases {
    /// The lease file
    pub file: PathBuf,
    #[command(flatten)]
    pub how: AdoptHow,
}

/// How to take over.
#[derive(Debug, Args)]
pub struct AdoptHow {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Say what would happen, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
