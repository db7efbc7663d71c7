//! Arguments of `hatchery installer …`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::BootDirectory;

/// What to do with the installer's netboot environment.
#[derive(Debug, Subcommand)]
pub enum Installer {
    /// Build what machines boot into to be installed
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery installer build pi --image 2025-10-01-raspios-trixie-arm64-lite.img.xz
  hatchery installer build pc --arch x86_64 --fetch
  hatchery installer build pc --arch arm64 --kernel linux-image-6.12.57-arm64_6.12.57-1_arm64.deb"
    )]
    Build(InstallerBuild),
    /// Show what was built, and whether it is still as it was built
    #[command(after_help = "Examples:
  hatchery installer list
  hatchery installer list --json | jq '.[] | select(.standing != \"whole\")'

Exit codes: 0 all of it is whole; 1 something is not.")]
    List(InstallerList),
}

/// For which machines to build.
#[derive(Debug, Subcommand)]
pub enum InstallerBuild {
    /// The tree that Raspberry Pis boot, from an image of Raspberry Pi OS (64-bit)
    #[command(
        after_help = "Kernels, device trees, overlays and firmware come from the image's boot partition, kernel modules from its
root partition; the image is only read. The result is the directory \"pi\" of the boot directory, which
appears when it is whole. config.txt and cmdline.txt are rendered for each machine by the server.

Examples:
  hatchery installer build pi --image 2025-10-01-raspios-trixie-arm64-lite.img.xz
  hatchery installer build pi --image golden.img --boot ./boot --json"
    )]
    Pi(BuildPi),
    /// Kernel and initramfs for PCs (x86_64) and ARM servers (arm64), from a Debian kernel package
    #[command(
        after_help = "The result is \"installer/ARCH\" in the boot directory, which appears when it is whole. --fetch downloads the
newest kernel from this machine's apt sources, also for the other architecture; nothing is installed.
Packages of firmware may be given besides the kernel; modules find what they need of it.

Examples:
  hatchery installer build pc --arch x86_64 --fetch
  hatchery installer build pc --arch x86_64 --kernel linux-image-6.12.57-amd64_6.12.57-1_amd64.deb
  hatchery installer build pc --arch x86_64 --fetch --kernel firmware-bnx2_20250410-2_all.deb"
    )]
    Pc(BuildPc),
}

/// Arguments of `installer build pi`.
#[derive(Debug, Args)]
pub struct BuildPi {
    /// The image: .img, .img.xz, .img.gz or .img.zst
    #[arg(long, value_name = "FILE")]
    pub image: PathBuf,
    /// The installer's program, if not the one that was built or installed with this one
    #[arg(long, value_name = "FILE")]
    pub installer: Option<PathBuf>,
    #[command(flatten)]
    pub place: BootDirectory,
}

/// Arguments of `installer build pc`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("from").required(true).multiple(true).args(["kernel", "fetch"])))]
pub struct BuildPc {
    /// The architecture
    #[arg(long, value_enum)]
    pub arch: InstallerArch,
    /// A Debian package of the kernel, or of firmware; may stand several times
    #[arg(long, value_name = "FILE.deb")]
    pub kernel: Vec<PathBuf>,
    /// Download the newest kernel package with apt
    #[arg(long)]
    pub fetch: bool,
    /// The installer's program, if not the one that was built or installed with this one
    #[arg(long, value_name = "FILE")]
    pub installer: Option<PathBuf>,
    #[command(flatten)]
    pub place: BootDirectory,
}

/// An architecture of PCs and servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum InstallerArch {
    /// 64-bit PCs.
    #[value(name = "x86_64", alias = "amd64")]
    X86_64,
    /// 64-bit ARM.
    #[value(name = "arm64", alias = "aarch64")]
    Arm64,
}

/// Arguments of `installer list`.
#[derive(Debug, Args)]
pub struct InstallerList {
    #[command(flatten)]
    pub place: BootDirectory,
}
