//! Arguments of `hatchery assets …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with boot assets.
#[derive(Debug, Subcommand)]
pub enum Assets {
    /// Bring boot files into the boot directory, from Debian packages or from files of yours
    #[command(
        after_help = "Packages come from this machine's apt sources and are read, not installed; those for another architecture
come through private lists. Building a GRUB image takes grub-mkimage (package grub-common).

Examples:
  hatchery assets fetch                           what the default profiles boot
  hatchery assets fetch pxelinux grub             these directories of the manifest, too
  hatchery assets fetch --grub                    GRUB with HTTP for x64 and arm64
  hatchery assets fetch ipxe/arm64/snponly.efi=./snponly.efi
                                                  a file of yours, under that name
  hatchery assets fetch --boot ./boot --debs ./debs
                                                  without a configuration; packages are kept and used again"
    )]
    Fetch(AssetsFetch),
    /// Compare the files in the boot directory with what was brought
    #[command(after_help = "Examples:
  hatchery assets verify
  hatchery assets verify --json | jq '.[] | select(.standing != \"good\")'

Exit codes: 0 every file is as it was brought; 1 some are not.")]
    Verify(AssetsAsk),
    /// Show what there is to fetch, and what each kind of machine would boot now
    #[command(after_help = "Examples:
  hatchery assets list
  hatchery assets list --json | jq '.boots[] | select(.whole | not)'")]
    List(AssetsAsk),
}

/// Where the boot directory is.
#[derive(Debug, Args)]
pub struct BootDirectory {
    /// The configuration file; without one at the default place, its defaults
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The boot directory, if not that of the configuration
    #[arg(long, value_name = "DIR")]
    pub boot: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `assets fetch`.
#[derive(Debug, Args)]
pub struct AssetsFetch {
    /// What to bring: names or directories of the manifest, or NAME=FILE. Without any: what the default profiles boot
    #[arg(value_name = "NAME[=FILE]")]
    pub names: Vec<String>,
    /// Build the GRUB images, for x64 and arm64
    #[arg(long)]
    pub grub: bool,
    /// Take packages from this directory if they are there, else keep them there
    #[arg(long, value_name = "DIR")]
    pub debs: Option<PathBuf>,
    #[command(flatten)]
    pub place: BootDirectory,
}

/// Arguments of `assets verify` and `assets list`.
#[derive(Debug, Args)]
pub struct AssetsAsk {
    #[command(flatten)]
    pub place: BootDirectory,
}
