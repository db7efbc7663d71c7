//! What is written down beside a half-open upload, so that it survives the server.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::serve::control::Found;
use crate::serve::images;

/// What is to become of the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// The name that the file is to have in the image directory.
    pub file: String,
    /// Whose image it is to be.
    pub product: String,
    /// What to call it.
    pub version: Option<String>,
    /// What to say of it.
    pub description: Option<String>,
    /// What its SHA-256 is said to be.
    pub sha256: Option<String>,
    /// Whether the product's machines get it at once.
    pub activate: bool,
    /// How many bytes it has; `None` where only its end tells.
    pub size: Option<u64>,
    /// Who sends it.
    pub by: String,
}

/// The note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub wish: Wish,
    /// So many bytes are on disk for certain.
    pub synced: u64,
    /// Whether that is all of it.
    pub whole: bool,
    /// What was found in it; from here on the file may have its name.
    pub found: Option<Found>,
}

impl Note {
    /// Reads a note; `None` if it is none.
    pub fn read(path: &Path) -> Option<Note> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Writes the note, the old one or the new one at every moment.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        path.parent().map_or(Ok(()), images::sync_directory)
    }
}
