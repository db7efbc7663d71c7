//! A directory that appears under its name when it is whole.
//!
//! Until then it is built beside its place, under a hidden name that goes away however the build ends; what a killed build
//! left is cleared by the next one. A directory that is there already is exchanged in one step, and only if it holds
//! nothing but what an earlier build put there.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, Flock, FlockArg, RenameFlags, renameat2};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::BuildError;
use crate::ids::hex;

/// The file in a finished directory that says what it holds.
pub const RECORD: &str = "built.json";

/// A directory that is being built.
#[derive(Debug)]
pub struct Output {
    target: PathBuf,
    building: PathBuf,
    files: BTreeMap<String, (u64, String)>,
    _lock: Flock<File>,
}

impl Output {
    /// Begins to build what shall become `target`.
    ///
    /// # Errors
    /// If the directory above cannot be made or written, if another build is at it, or if `target` holds files that no
    /// build made, which are named.
    pub fn begin(target: &Path) -> Result<Output, BuildError> {
        let foreign = foreign(target)?;
        if !foreign.is_empty() {
            let list = foreign.join(", ");
            let text = format!("{} holds what no build made ({list}): move it elsewhere first", target.display());
            return Err(BuildError::Unfit(text));
        }
        let name = target.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| BuildError::Unfit(format!("{} is no directory name", target.display())))?;
        let building = target.with_file_name(format!(".{name}.building"));
        make_directory(&building).map_err(BuildError::io(building.display()))?;
        let directory = File::open(&building).map_err(BuildError::io(building.display()))?;
        let lock = Flock::lock(directory, FlockArg::LockExclusiveNonblock)
            .map_err(|_| BuildError::Unfit(format!("another build is at {} already; wait for it", target.display())))?;
        clear(&building).map_err(BuildError::io(building.display()))?;
        Ok(Output { target: target.to_owned(), building, files: BTreeMap::new(), _lock: lock })
    }

    /// The directory while it is being built, for what shall not stay in it.
    pub fn directory(&self) -> &Path {
        &self.building
    }

    /// Adds a file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, path: &str, bytes: &[u8]) -> Result<(), BuildError> {
        let place = self.building.join(path);
        let write = || {
            if let Some(directory) = place.parent() {
                make_directory(directory)?;
            }
            OpenOptions::new().write(true).create_new(true).mode(0o644).open(&place)?.write_all(bytes)
        };
        write().map_err(BuildError::io(place.display()))?;
        self.files.insert(path.to_owned(), (bytes.len() as u64, digest(bytes)));
        Ok(())
    }

    /// Name and size of every file added so far.
    pub fn files(&self) -> Vec<(String, u64)> {
        self.files.iter().map(|(path, (size, _))| (path.clone(), *size)).collect()
    }

    /// Writes the record, and lets the directory appear. `about` says what it was made from.
    ///
    /// # Errors
    /// If something cannot be written; then nothing has appeared.
    pub fn finish(self, about: Value) -> Result<(), BuildError> {
        let files: BTreeMap<&String, Value> =
            self.files.iter().map(|(path, (size, digest))| (path, json!({ "size": size, "sha256": digest }))).collect();
        let record =
            json!({ "made_by": concat!("hatchery ", env!("CARGO_PKG_VERSION")), "from": about, "files": files });
        let place = self.building.join(RECORD);
        let appear = || {
            fs::write(&place, format!("{record:#}\n"))?;
            // All of it on disk before its name is.
            nix::unistd::syncfs(File::open(&self.building)?)?;
            if self.target.exists() {
                exchange(&self.building, &self.target)?;
            } else {
                fs::rename(&self.building, &self.target)?;
            }
            self.target.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
        };
        appear().map_err(BuildError::io(self.target.display()))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // After an exchange this is the old directory; after a rename there is nothing.
        let _ = fs::remove_dir_all(&self.building);
    }
}

/// Two directories swap their names, in one step where the file system can.
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, new, AT_FDCWD, old, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => Ok(()),
        Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOSYS) => {
            fs::remove_dir_all(old)?;
            fs::rename(new, old)
        }
        Err(error) => Err(error.into()),
    }
}

/// Up to five files in a directory that its record does not name; all of it is foreign without a record.
fn foreign(directory: &Path) -> Result<Vec<String>, BuildError> {
    let mut found = Vec::new();
    match list(directory, String::new(), &mut found) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.map_err(BuildError::io(directory.display()))?,
    }
    let record = read_record(directory).unwrap_or_default();
    found.retain(|path| path != RECORD && record["files"].get(path).is_none());
    found.sort();
    if found.len() > 5 {
        found.truncate(5);
        found.push("…".to_owned());
    }
    Ok(found)
}

/// What a finished directory says it holds; none if no build made it.
pub fn read_record(directory: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(directory.join(RECORD)).ok()?).ok()
}

/// Files of a finished directory that are not as its record says, or not there.
pub fn changed(directory: &Path, record: &Value) -> Vec<String> {
    let files = record["files"].as_object().into_iter().flatten();
    let differs = |(path, file): &(&String, &Value)| {
        let bytes = fs::read(directory.join(path)).ok();
        bytes.is_none_or(|bytes| file["sha256"] != digest(&bytes).as_str())
    };
    files.filter(differs).map(|(path, _)| path.clone()).collect()
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn list(directory: &Path, prefix: String, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), format!("{path}/"), found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

fn clear(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
