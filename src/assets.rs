//! Boot assets: the loaders that profiles boot, brought into the boot directory and watched there.
//!
//! Owns the [`manifest`] of what there is, the [`record`] of what was brought, and how a file comes from a Debian package
//! or from the operator ([`fetch`]). Packages are read, never installed; nothing of theirs runs. A file appears under
//! its name when all of it is on disk.

pub mod boots;
pub mod fetch;
pub mod grub;
pub mod manifest;
pub mod record;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::archive::apt::AptError;
use crate::archive::deb::DebError;
use crate::boot::file::PARTIAL;

/// Why an asset could not be brought or looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest has nothing of that name.
    #[error("no asset is called {0:?}; `hatchery assets list` shows them all")]
    Unknown(String),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The package could not be had.
    #[error(
        "cannot get the package {package}: {source}; or bring the file yourself: hatchery assets fetch {asset}=FILE"
    )]
    Download {
        /// Debian's name of it.
        package: String,
        /// What it was for.
        asset: String,
        /// What apt said.
        source: AptError,
    },
    /// The package could not be read.
    #[error("{}: {source}", path.display())]
    Package {
        /// The `.deb`.
        path: PathBuf,
        /// What is wrong with it.
        source: DebError,
    },
    /// The package of today keeps the file elsewhere.
    #[error("the package {package} {version} has no {file}")]
    NotInPackage {
        /// Debian's name of it.
        package: String,
        /// Its version.
        version: String,
        /// What was looked for.
        file: String,
    },
    /// The program that builds GRUB images is missing.
    #[error("grub-mkimage is missing; apt-get install grub-common")]
    NoMkimage,
    /// The program that builds GRUB images failed.
    #[error("grub-mkimage failed: {0}")]
    Mkimage(String),
    /// The record is not ours, or was changed by hand.
    #[error("{}: not a record of boot assets: {problem}", path.display())]
    Record {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        |source| Error::File { path, source }
    }
}

/// Puts a file under its name when all of it is on disk, readable by whoever serves it.
fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    let mut part = path.as_os_str().to_owned();
    part.push(PARTIAL);
    let part = PathBuf::from(part);
    let written = fs::write(&part, bytes).and_then(|()| fs::File::open(&part)?.sync_all());
    written.and_then(|()| fs::rename(&part, path)).inspect_err(|_| drop(fs::remove_file(&part))).map_err(failed)
}
