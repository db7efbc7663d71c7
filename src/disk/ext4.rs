//! ext4 file systems, read in place: from a part of an image or disk, without mounting, without root.
//!
//! Follows symbolic links within the file system, as its own system would. Never writes. What is damaged is an
//! [`io::Error`], whatever the bytes say.

use std::error::Error;
use std::io::{self, Read, Seek, SeekFrom};

use ext4_view::{Ext4, Ext4Read, FileType};

/// Directories below one another that [`FileSystem::files`] goes into.
const DEPTH_MAX: usize = 32;

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
    pub fn open(reader: impl Read + Seek + 'static, start: u64, length: u64) -> io::Result<FileSystem> {
        Ok(FileSystem(Ext4::load(Box::new(Window { reader, start, length }))?))
    }

    /// Whether there is something at `path`, which begins with `/`.
    ///
    /// # Errors
    /// If the file system is damaged.
    pub fn exists(&self, path: &str) -> io::Result<bool> {
        Ok(self.0.exists(path)?)
    }

    /// The bytes of a file of at most `max` bytes.
    ///
    /// # Errors
    /// If there is none, if it is larger, or if the file system is damaged.
    pub fn read(&self, path: &str, max: u64) -> io::Result<Vec<u8>> {
        let size = self.0.metadata(path)?.len();
        if size > max {
            return Err(io::Error::other(format!("{path} has {size} bytes, more than {max}")));
        }
        Ok(self.0.read(path)?)
    }

    /// Every file below `directory`, as paths that begin with it, sorted: regular files, and links to such. Links to
    /// directories are not gone into. None if the directory does not exist.
    ///
    /// # Errors
    /// If the file system is damaged, or directories lie deeper in one another than any real ones do.
    pub fn files(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut files = Vec::new();
        if self.0.exists(directory)? {
            self.collect(directory, DEPTH_MAX, &mut files)?;
        }
        files.sort();
        Ok(files)
    }

    fn collect(&self, directory: &str, depth: usize, files: &mut Vec<String>) -> io::Result<()> {
        if depth == 0 {
            return Err(io::Error::other(format!("{directory} lies too deep")));
        }
        for entry in self.0.read_dir(directory)? {
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
                FileType::Symlink
                    if self.0.metadata(path.as_str()).is_ok_and(|it| it.file_type().is_regular_file()) =>
                {
                    files.push(path);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
