//! What a Raspberry Pi boots, from the FAT partition of an image.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use fatfs::{FileSystem, FsOptions};

use super::image::Image;
use crate::environment::source::FILE_MAX;
use crate::environment::{BuildError, Watch};

/// Files of the root directory that are taken; with them every `.dtb`.
const TAKEN: [&str; 7] =
    ["kernel8.img", "kernel_2712.img", "bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat"];

/// The directory of overlays, all of which are taken.
const OVERLAYS: &str = "overlays";

/// Entries that we look at in a directory, at most; a damaged one may have no end.
const ENTRIES_MAX: usize = 10_000;

/// Reads the files that are taken, by their path in the tree.
pub(super) fn read(image: &Image, watch: &dyn Watch) -> Result<BTreeMap<String, Vec<u8>>, BuildError> {
    let what = format!("partition {} of {}", image.boot.number, image.name());
    watch.step("taking kernels, device trees and firmware", None);
    let window = Window { file: image.bytes()?, start: image.boot.start, length: image.boot.length, at: 0 };
    collect(window, watch).map_err(|error| match watch.stopped() {
        true => BuildError::Interrupted,
        false => BuildError::io(what)(error),
    })
}

fn collect(window: Window, watch: &dyn Watch) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let files = FileSystem::new(window, FsOptions::new().update_accessed_date(false))?;
    let root = files.root_dir();
    let mut taken = BTreeMap::new();
    let mut take = |path: String, entry: &fatfs::DirEntry<'_, Window>| -> io::Result<()> {
        if watch.stopped() {
            return Err(io::Error::other("stopped"));
        }
        if entry.len() > FILE_MAX {
            return Err(io::Error::other(format!("{path} has {} bytes, more than any real one", entry.len())));
        }
        let mut bytes = Vec::new();
        entry.to_file().take(FILE_MAX).read_to_end(&mut bytes)?;
        watch.advance(bytes.len() as u64);
        taken.insert(path, bytes);
        Ok(())
    };
    let mut overlays = None;
    for entry in root.iter().take(ENTRIES_MAX) {
        let entry = entry?;
        let name = entry.file_name();
        if entry.is_dir() && name.eq_ignore_ascii_case(OVERLAYS) {
            overlays = Some(entry.to_dir());
        } else if entry.is_file() && (TAKEN.contains(&name.as_str()) || name.ends_with(".dtb")) {
            take(name, &entry)?;
        }
    }
    for entry in overlays.iter().flat_map(|directory| directory.iter().take(ENTRIES_MAX)) {
        let entry = entry?;
        if entry.is_file() {
            take(format!("{OVERLAYS}/{}", entry.file_name()), &entry)?;
        }
    }
    Ok(taken)
}

/// The part of the image that the file system lies in; only to be read.
struct Window {
    file: File,
    start: u64,
    length: u64,
    at: u64,
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.length.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        self.file.seek(SeekFrom::Start(self.start + self.at))?;
        let length = self.file.read(&mut buffer[..room])?;
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

// The library asks for it; an image is never changed.
impl Write for Window {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
