//! Opens files below a directory, and nothing outside of it.
//!
//! Owns the small files that are kept open. What it opens is shared: it is read at offsets, never from a position.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{FileStat, Mode, fstatat};

use crate::boot::file::RelativePath;
use crate::serve::content::OpenFile;

/// Bytes up to which a file is kept open: what is deleted meanwhile takes up no disk that counts.
const SMALL: u64 = 1 << 20;

/// Files that are kept open at once.
const KEPT_MAX: usize = 256;

/// A directory from which only files below it can be opened, whatever name or link is tried.
#[derive(Debug)]
pub struct Tree {
    directory: OwnedFd,
    kept: Mutex<HashMap<String, Kept>>,
}

/// A small file that is kept open.
#[derive(Debug)]
struct Kept {
    version: Version,
    file: OpenFile,
    /// Since those were closed that nobody asked for.
    asked_for: bool,
}

/// Which file, and which state of it: of two that are the same, what was opened of the one is what would be of the other.
/// The number of a file is given to no other one while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    /// Changes with content, length and permissions.
    changed: (i64, i64),
}

impl Tree {
    /// Opens the directory.
    ///
    /// # Errors
    /// Of open(2).
    pub fn new(directory: &Path) -> io::Result<Tree> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_PATH | OFlag::O_CLOEXEC;
        Ok(Tree { directory: open(directory, flags, Mode::empty())?, kept: Mutex::default() })
    }

    /// Opens a regular file below the directory; links may point about inside, never out (openat2(2),
    /// RESOLVE_BENEATH).
    ///
    /// # Errors
    /// `NotFound` for anything that is not a regular file there; else of openat2(2).
    pub fn open(&self, path: &RelativePath) -> io::Result<OpenFile> {
        self.open_file(Path::new(path.as_str()), ResolveFlag::empty())
    }

    /// As [`Tree::open`], only by what the kernel has in memory (openat2(2), RESOLVE_CACHED). A small file stays open, so
    /// that of many who come for it only the first costs an open, and others one look at whether it is still the same.
    ///
    /// # Errors
    /// `WouldBlock` if a disk would have to be waited for; `InvalidInput` where the kernel cannot do it (before 5.12);
    /// else as [`Tree::open`].
    pub fn open_cached(&self, path: &RelativePath) -> io::Result<OpenFile> {
        /// linux/openat2.h; nix does not know it.
        const RESOLVE_CACHED: u64 = 0x20;
        let cached = ResolveFlag::from_bits_retain(RESOLVE_CACHED);
        let name = path.as_str();
        if let Some(kept) = self.kept(name) {
            return Ok(kept);
        }
        let (file, version) = self.open_version(Path::new(name), cached)?;
        if file.size <= SMALL {
            let mut kept = self.all_kept();
            if kept.len() >= KEPT_MAX {
                kept.clear();
            }
            kept.insert(name.to_owned(), Kept { version, file: file.clone(), asked_for: true });
        }
        Ok(file)
    }

    /// Closes the files that nobody asked for since the last time.
    pub fn close_unused(&self) {
        self.all_kept().retain(|_, kept| std::mem::take(&mut kept.asked_for));
    }

    /// The file that is kept open under this name, if it is the one that would be opened.
    fn kept(&self, name: &str) -> Option<OpenFile> {
        let (version, file) = self.all_kept().get_mut(name).map(|kept| {
            kept.asked_for = true;
            (kept.version, kept.file.clone())
        })?;
        let now = fstatat(&self.directory, name, AtFlags::empty());
        if now.is_ok_and(|now| Version::of(&now) == version) {
            return Some(file);
        }
        self.all_kept().remove(name);
        None
    }

    fn all_kept(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        // Nothing that can panic happens under the lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Tree::open`], where every part of the path stands for the first entry, by name, that differs from it in the
    /// case of ASCII letters only; an entry of just that name goes first.
    ///
    /// # Errors
    /// As [`Tree::open`].
    pub fn open_ignoring_case(&self, path: &RelativePath) -> io::Result<OpenFile> {
        let mut found = PathBuf::new();
        for part in path.as_str().split('/') {
            let entry = self.entry(&found, part)?;
            found.push(entry);
        }
        self.open_file(&found, ResolveFlag::empty())
    }

    /// The entry of the directory at `path` that `name` stands for when case is ignored.
    fn entry(&self, path: &Path, name: &str) -> io::Result<String> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let directory = self.open_below(path, OFlag::O_DIRECTORY, ResolveFlag::empty())?;
        let mut found: Option<String> = None;
        for entry in std::fs::read_dir(format!("/proc/self/fd/{}", directory.as_raw_fd()))? {
            let Ok(entry) = entry?.file_name().into_string() else { continue };
            if entry == name {
                return Ok(entry);
            }
            if entry.eq_ignore_ascii_case(name) && found.as_ref().is_none_or(|found| entry < *found) {
                found = Some(entry);
            }
        }
        found.ok_or(io::ErrorKind::NotFound.into())
    }

    fn open_below(&self, path: &Path, kind: OFlag, further: ResolveFlag) -> io::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | kind)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS | further);
        Ok(openat2(self.directory.as_fd(), path, how)?)
    }

    fn open_file(&self, path: &Path, further: ResolveFlag) -> io::Result<OpenFile> {
        self.open_version(path, further).map(|(file, _)| file)
    }

    fn open_version(&self, path: &Path, further: ResolveFlag) -> io::Result<(OpenFile, Version)> {
        // A FIFO must not block us.
        let file = std::fs::File::from(self.open_below(path, OFlag::O_NONBLOCK, further)?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let (size, modified_secs) = (metadata.len(), metadata.mtime());
        let etag = format!("{:x}-{size:x}-{modified_secs:x}.{:x}", metadata.ino(), metadata.mtime_nsec());
        let version = Version {
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        Ok((OpenFile { file: Arc::new(file), size, modified_secs, etag: etag.into() }, version))
    }
}

impl Version {
    fn of(stat: &FileStat) -> Version {
        Version { device: stat.st_dev, inode: stat.st_ino, changed: (stat.st_ctime, stat.st_ctime_nsec) }
    }
}

#[cfg(test)]
mod tests;
