//! ext4 file systems, read in place: from a part of an image or disk, without mounting, without root.
//!
//! Follows symbolic links within the file system, as its own system would. Never writes. What is damaged is an
//! [`io::Error`], whatever the bytes say.

use std::error::Error;
use std::io::{self, Read, Seek, SeekFrom};

use ext4_view::{Ext4, Ext4Read, FileType};

/// Directories below one another that [`FileSystem::files`] goes into.
const DEPTH_MAX: usize = 32;

/// Links that lead to one another before a file, and bytes of one, as Linux has it.
const LINKS_MAX: u32 = 40;
const LINK_MAX: u64 = 4096;

/// Where the superblock lies, in bytes.
const SUPERBLOCK: u64 = 1024;

/// Blocks have 1 KiB times a power of two, 64 KiB at most; groups of them have at least as many as `mke2fs` takes.
const BLOCK_SHIFT_MAX: u64 = 6;
const GROUP_MIN: u64 = 256;

/// An ext4 file system.
pub struct FileSystem(Ext4);

/// The part of a reader that the file system lies in.
struct Window<R> {
    reader: R,
    start: u64,
    length: u64,
}

impl<R: Read + Seek> Ext4Read for Window<R> {
    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync + 'static>> {
        let end = at.checked_add(out.len() as u64).filter(|end| *end <= self.length);
        end.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "it points beyond its partition"))?;
        self.reader.seek(SeekFrom::Start(self.start + at))?;
        Ok(self.reader.read_exact(out)?)
    }
}

impl FileSystem {
    /// Opens the file system in the `length` bytes from `start` on.
    ///
    /// # Errors
    /// If `reader` fails, or there is no ext4 file system that can be read.
    pub fn open(mut reader: impl Read + Seek + 'static, start: u64, length: u64) -> io::Result<FileSystem> {
        plausible(&mut reader, start, length)?;
        Ok(FileSystem(Ext4::load(Box::new(Window { reader, start, length }))?))
    }

    /// Whether there is something at `path`, which begins with `/`.
    ///
    /// # Errors
    /// If the file system is damaged.
    pub fn exists(&self, path: &str) -> io::Result<bool> {
        match self.resolve(path) {
            Ok(real) => Ok(self.0.exists(real.as_str())?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The bytes of a file of at most `max` bytes.
    ///
    /// # Errors
    /// If there is none, if it is larger, or if the file system is damaged.
    pub fn read(&self, path: &str, max: u64) -> io::Result<Vec<u8>> {
        let real = self.resolve(path)?;
        let size = self.0.metadata(real.as_str())?.len();
        if size > max {
            return Err(io::Error::other(format!("{path} has {size} bytes, more than {max}")));
        }
        Ok(self.0.read(real.as_str())?)
    }

    /// The path without links. The library would follow them itself, but takes as much memory for one as the file system
    /// says that it is long.
    fn resolve(&self, path: &str) -> io::Result<String> {
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut real = String::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    real.truncate(real.rfind('/').unwrap_or(0));
                    continue;
                }
                part => real.extend(["/", part]),
            }
            let found = self.0.symlink_metadata(real.as_str())?;
            if !found.file_type().is_symlink() {
                continue;
            }
            links += 1;
            if links > LINKS_MAX || found.len() > LINK_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the links at {real} lead nowhere")));
            }
            let target = self.0.read_link(real.as_str())?;
            let target = target.to_str().map_err(|_| io::Error::other(format!("the link {real} is no text")))?;
            let kept = if target.starts_with('/') { 0 } else { real.rfind('/').unwrap_or(0) };
            real.truncate(kept);
            left.extend(target.split('/').rev().map(str::to_owned));
        }
        Ok(if real.is_empty() { "/".to_owned() } else { real })
    }

    /// Every file below `directory`, as paths that begin with it, sorted: regular files, and links to such. Links to
    /// directories are not gone into. None if the directory does not exist.
    ///
    /// # Errors
    /// If the file system is damaged, or directories lie deeper in one another than any real ones do.
    pub fn files(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut files = Vec::new();
        if self.exists(directory)? {
            self.collect(directory, DEPTH_MAX, &mut files)?;
        }
        files.sort();
        Ok(files)
    }

    fn is_file(&self, path: &str) -> bool {
        let real = self.resolve(path);
        real.is_ok_and(|real| self.0.metadata(real.as_str()).is_ok_and(|it| it.file_type().is_regular_file()))
    }

    fn collect(&self, directory: &str, depth: usize, files: &mut Vec<String>) -> io::Result<()> {
        if depth == 0 {
            return Err(io::Error::other(format!("{directory} lies too deep")));
        }
        for entry in self.0.read_dir(self.resolve(directory)?.as_str())? {
            let entry = entry?;
            let name = entry.file_name();
            let Ok(name) = name.as_str() else { continue };
            if matches!(name, "." | "..") {
                continue;
            }
            let path = format!("{directory}/{name}");
            match entry.file_type()? {
                FileType::Directory => self.collect(&path, depth - 1, files)?,
                FileType::Regular => files.push(path),
                // One that leads nowhere is no file.
                FileType::Symlink if self.is_file(&path) => files.push(path),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether the superblock says what can be true of `length` bytes. The library takes memory for as many groups of blocks
/// as it says there are, before it has seen one.
fn plausible(reader: &mut (impl Read + Seek), start: u64, length: u64) -> io::Result<()> {
    let mut block = [0; 1024];
    if length < SUPERBLOCK + block.len() as u64 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "there is no room for an ext4 file system"));
    }
    reader.seek(SeekFrom::Start(start + SUPERBLOCK))?;
    reader.read_exact(&mut block)?;
    let number = |at: usize| u64::from(u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]));
    let (blocks, shift, group) = (number(0x150) << 32 | number(0x4), number(0x18), number(0x20));
    let fits = shift <= BLOCK_SHIFT_MAX && blocks <= length >> (10 + shift) && group >= GROUP_MIN;
    fits.then_some(()).ok_or_else(|| {
        let text = "what its superblock says of its size cannot be true: it is no ext4 file system, or damaged";
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

#[cfg(test)]
mod tests;
