//! The record: which assets were brought into the boot directory, from where, and what they were then.
//!
//! One JSON file beside them, `assets.json`, replaced as a whole. It belongs to this program; people read it through
//! `hatchery assets verify`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Error, put};
use crate::ids::Digest;

/// Its name in the boot directory.
const FILE: &str = "assets.json";

/// What was brought, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Record {
    entries: BTreeMap<String, Entry>,
}

/// One file that was brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it came from.
    pub from: From,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hex.
    pub sha256: String,
    /// When, in ISO 8601.
    pub at: String,
}

/// Where a file came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// A Debian package.
    Package {
        /// Its name.
        package: String,
        /// Its version.
        version: String,
        /// Its architecture.
        architecture: String,
        /// Whether the file is built from it, rather than in it.
        built: bool,
    },
    /// A file of the operator's.
    File(PathBuf),
}

/// How a recorded file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it was brought.
    Good,
    /// Other bytes than those that were brought.
    Changed,
    /// Not there.
    Missing,
}

impl Standing {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Good => "good",
            Standing::Changed => "changed",
            Standing::Missing => "missing",
        }
    }
}

impl Record {
    /// Reads the record of a boot directory; an empty one if there is none.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn load(directory: &Path) -> Result<Record, Error> {
        let path = directory.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| Error::Record { path, problem: error.to_string() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Record::default()),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    /// Writes the record into the boot directory, all of it or nothing.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, directory: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_string_pretty(self).expect("maps of texts are JSON");
        text.push('\n');
        put(&directory.join(FILE), text.as_bytes())
    }

    /// Notes a file that was brought.
    pub fn note(&mut self, name: &str, entry: Entry) {
        self.entries.insert(name.to_owned(), entry);
    }

    /// What is known about that file.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// Every file that was brought, by name, with how it stands now. Reads them all.
    ///
    /// # Errors
    /// If a file is there and cannot be read.
    pub fn verify(&self, directory: &Path) -> Result<Vec<(&str, &Entry, Standing)>, Error> {
        let standing = |name: &str, entry: &Entry| match measure(&directory.join(name)) {
            Ok((_, digest)) if digest.to_string() == entry.sha256 => Ok(Standing::Good),
            Ok(_) => Ok(Standing::Changed),
            Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(Standing::Missing),
            Err(error) => Err(error),
        };
        self.entries.iter().map(|(name, entry)| Ok((name.as_str(), entry, standing(name, entry)?))).collect()
    }
}

/// Size and digest of a file.
///
/// # Errors
/// If it cannot be read.
pub fn measure(path: &Path) -> Result<(u64, Digest), Error> {
    let mut hasher = Sha256::new();
    let mut size = 0;
    let mut read = || -> io::Result<()> {
        let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
        let mut buffer = [0; 1 << 16];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                length => {
                    hasher.update(&buffer[..length]);
                    size += length as u64;
                }
            }
        }
    };
    read().map_err(Error::file(path))?;
    Ok((size, Digest(hasher.finalize().into())))
}

#[cfg(test)]
mod tests;
