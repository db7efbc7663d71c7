//! The netboot environment of the installer, built from an OS image or a Debian kernel package.
//!
//! [`pi`] makes the tree that Raspberry Pis boot from the files of a Raspberry Pi OS image; [`pc`] makes kernel and
//! initramfs for PCs and ARM servers from Debian packages. Both find the kernel modules a machine needs to reach its
//! network and its drives ([`modules`]), put them with the installer into an initramfs ([`initramfs`]), and let the result
//! appear at once under its name ([`output`]), so that nobody ever boots half of it.
//!
//! Everything happens in this process, without root and without mounts. The same input gives the same bytes. What is
//! missing is named, all of it at once.

mod elf;
pub mod initramfs;
pub mod installer_binary;
pub mod modules;
pub mod output;
pub mod pc;
pub mod pi;
mod source;

use std::io;

use crate::archive::apt::AptError;
use crate::archive::deb::DebError;

/// A processor architecture that the installer exists for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arch {
    /// 64-bit PCs.
    X86_64,
    /// 64-bit ARM: Raspberry Pi 3 to 5, servers.
    Arm64,
}

impl Arch {
    /// The word in paths of the boot tree, as iPXE says it.
    pub fn word(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Arm64 => "arm64",
        }
    }

    /// The word in Debian packages.
    pub fn debian(self) -> &'static str {
        match self {
            Arch::X86_64 => "amd64",
            Arch::Arm64 => "arm64",
        }
    }

    /// The machine of ELF files (`e_machine`).
    fn elf(self) -> u16 {
        match self {
            Arch::X86_64 => 62,
            Arch::Arm64 => 183,
        }
    }
}

/// Who looks on while something is built, and may end it.
pub trait Watch {
    /// A step begins that handles `total` bytes, or nobody knows how many.
    fn step(&self, what: &str, total: Option<u64>);
    /// So many more bytes are done.
    fn advance(&self, bytes: u64);
    /// Whether to give up.
    fn stopped(&self) -> bool;
}

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file could not be read or written.
    #[error("{what}: {source}")]
    Io {
        /// The file.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A Debian package could not be read.
    #[error("{file}: {source}")]
    Package {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: DebError,
    },
    /// No package could be had from apt.
    #[error("no kernel package: {0}")]
    Apt(#[from] AptError),
    /// What was given is something else than what it should be.
    #[error("{0}")]
    Unfit(String),
    /// Pieces are missing.
    #[error("missing: {}", .0.join("; "))]
    Missing(Vec<String>),
    /// We were told to stop.
    #[error("interrupted")]
    Interrupted,
}

impl BuildError {
    /// Names the file that an error is about.
    fn io(what: impl ToString) -> impl FnOnce(io::Error) -> BuildError {
        let what = what.to_string();
        move |source| BuildError::Io { what, source }
    }

    /// Whether we were told to stop, in whichever part.
    pub fn is_interrupt(&self) -> bool {
        matches!(self, BuildError::Interrupted | BuildError::Apt(AptError::Interrupted))
    }
}

/// What was built, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Where it lies.
    pub path: std::path::PathBuf,
    /// The kernels in it.
    pub kernels: Vec<Kernel>,
    /// How many files it has, and their bytes.
    pub files: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// What each kind of machine lacks that will not boot from it; nothing for those that will.
    pub lacking: Vec<(&'static str, Vec<String>)>,
    /// What is worth knowing, and no error.
    pub warnings: Vec<String>,
}

/// One kernel, and what of its modules was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// As `uname -r` says it.
    pub version: String,
    /// Modules in the initramfs.
    pub modules: usize,
    /// Firmware files that these modules may ask for and that the source does not have.
    pub firmware_missing: Vec<String>,
}

/// Files over this size make slow or old boot loaders fail, in bytes.
const LARGE: u64 = 32 << 20;

/// A warning for each file that is larger than boot loaders like.
fn warn_of_large(files: &[(String, u64)], warnings: &mut Vec<String>) {
    for (path, size) in files.iter().filter(|(_, size)| *size > LARGE) {
        warnings.push(format!("{path} has {} MiB; over 32 MiB some boot loaders fail", size >> 20));
    }
}
