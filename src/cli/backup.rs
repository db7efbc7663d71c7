//! `hatchery backup` and `hatchery restore`.

use std::path::PathBuf;

use clap::Args;

use super::ConfigFile;

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// The file to write, or with --verify to read
    pub file: PathBuf,
    #[command(flatten)]
    pub config: ConfigFile,
    /// Take the images along; they are large
    #[arg(long, conflicts_with = "verify")]
    pub images: bool,
    /// Encrypt it; the passphrase is asked for, unless a file has it
    #[arg(long, conflicts_with = "verify")]
    pub encrypt: bool,
    /// The first line of this file is the passphrase
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, conflicts_with = "verify")]
    pub force: bool,
    /// Read a backup from beginning to end and say whether it is whole; nothing is written
    #[arg(long)]
    pub verify: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup
    pub file: PathBuf,
    /// Where the configuration goes; its paths say where the rest goes
    #[arg(short, long, default_value = "/etc/hatchery/hatchery.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// Go by the configuration that is there, and leave that of the backup
    #[arg(long)]
    pub keep_config: bool,
    /// Replace what is there; configuration, journal and users are kept beside, ending in `.replaced`
    #[arg(long)]
    pub force: bool,
    /// The first line of this file is the passphrase
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
