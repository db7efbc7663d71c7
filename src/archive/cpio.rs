//! Initramfs archives: cpio in the "newc" format of the kernel (Documentation/driver-api/early-userspace/buffer-format).
//!
//! The same entries give the same bytes, whoever adds them in whatever order: entries are written sorted by path, by root
//! and at time 0, with inode numbers counted from 1. Directories that lead to an entry come by themselves. Nothing is
//! read here; contents are given.

use std::collections::BTreeMap;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

/// How the header of an entry begins: "newc", without a checksum.
const MAGIC: &str = "070701";
/// The name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";
/// The largest file of the format, whose sizes have eight hex digits.
const FILE_MAX: u64 = u32::MAX as u64;

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// The entries of an archive that is being put together.
#[derive(Debug, Default)]
pub struct Archive {
    /// By path, relative to the root, without a slash at either end.
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    mode: u32,
    device: (u32, u32),
    content: Vec<u8>,
}

impl Archive {
    /// Adds a directory with permission bits `mode`.
    pub fn directory(&mut self, path: &str, mode: u32) {
        self.add(path, DIRECTORY | mode, (0, 0), Vec::new());
    }

    /// Adds a file with permission bits `mode`.
    pub fn file(&mut self, path: &str, mode: u32, content: Vec<u8>) {
        self.add(path, FILE | mode, (0, 0), content);
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) {
        self.add(path, SYMLINK | 0o777, (0, 0), target.into());
    }

    /// Adds a character device.
    pub fn device(&mut self, path: &str, mode: u32, major: u32, minor: u32) {
        self.add(path, CHARACTER_DEVICE | mode, (major, minor), Vec::new());
    }

    /// Bytes of all contents.
    pub fn size(&self) -> u64 {
        self.entries.values().map(|entry| entry.content.len() as u64).sum()
    }

    fn add(&mut self, path: &str, mode: u32, device: (u32, u32), content: Vec<u8>) {
        let path = path.trim_matches('/');
        assert!(!path.is_empty() && path != TRAILER, "an entry has a name of its own");
        for (at, _) in path.match_indices('/') {
            let above = || Entry { mode: DIRECTORY | 0o755, device: (0, 0), content: Vec::new() };
            self.entries.entry(path[..at].to_owned()).or_insert_with(above);
        }
        self.entries.insert(path.to_owned(), Entry { mode, device, content });
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// If `out` fails, or a file is larger than the format can say.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for (inode, (path, entry)) in (1_u32..).zip(&self.entries) {
            write_entry(out, inode, path, entry)?;
        }
        write_entry(out, 0, TRAILER, &Entry { mode: 0, device: (0, 0), content: Vec::new() })
    }

    /// Writes the archive through gzip, which every kernel that can read an initramfs can unpack (`CONFIG_RD_GZIP`).
    ///
    /// # Errors
    /// As [`Archive::write`].
    pub fn write_gzip(&self, out: impl Write) -> io::Result<()> {
        // The header's time is 0 and it names no file, so nothing but the entries decides the bytes.
        let mut encoder = GzEncoder::new(out, Compression::best());
        self.write(&mut encoder)?;
        encoder.finish()?.flush()
    }
}

fn write_entry(out: &mut impl Write, inode: u32, path: &str, entry: &Entry) -> io::Result<()> {
    let size = entry.content.len() as u64;
    if size > FILE_MAX {
        return Err(io::Error::other(format!("{path} has {size} bytes; an initramfs holds files up to 4 GiB")));
    }
    let links = if entry.mode & DIRECTORY == 0 { 1 } else { 2 };
    // Inode, mode, owner, group, links, time, size, device, represented device, length of the name, checksum.
    let (major, minor) = entry.device;
    let name = path.len() as u32 + 1;
    let numbers = [inode, entry.mode, 0, 0, links, 0, size as u32, 0, 0, major, minor, name, 0];
    out.write_all(MAGIC.as_bytes())?;
    for number in numbers {
        write!(out, "{number:08X}")?;
    }
    out.write_all(path.as_bytes())?;
    let head = MAGIC.len() + numbers.len() * 8 + path.len();
    // The name ends with a zero; names and contents are filled up to multiples of four.
    out.write_all(&[0; 4][..(head + 1).next_multiple_of(4) - head])?;
    out.write_all(&entry.content)?;
    out.write_all(&[0; 3][..entry.content.len().next_multiple_of(4) - entry.content.len()])
}

#[cfg(test)]
mod tests;
