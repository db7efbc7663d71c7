//! A FAT file system within a disk or an image file, read and edited in place without mounting.
//!
//! Marks the volume dirty while it is changed and clean again when it is closed, so that nothing has to be checked at
//! the next boot. A damaged one is an error, however it is damaged: what is read for one question has a limit, because a
//! chain of clusters may lead in a circle.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

use fatfs::{FileSystem, FormatVolumeOptions, FsOptions, format_volume};

/// Entries of a directory, by the format (2 MiB of 32 bytes); a damaged one may have no end.
const ENTRIES_MAX: usize = 65_536;

/// What may be read for one question beside the bytes of a file: directories, and the chains of their clusters, several
/// times over. A small file system has little of them.
const QUESTION_MAX: u64 = 64 << 20;
const QUESTION_MIN: u64 = 1 << 20;

fn question_max(length: u64) -> u64 {
    length.saturating_mul(4).saturating_add(QUESTION_MIN).min(QUESTION_MAX)
}

/// An open FAT file system.
pub struct Fat<'a, D: Read + Write + Seek> {
    volume: FileSystem<Window<'a, D>>,
    length: u64,
    /// What may still be read for this question.
    left: Rc<Cell<u64>>,
}

impl<'a, D: Read + Write + Seek> Fat<'a, D> {
    /// The file system in the `length` bytes of `disk` from `start`.
    ///
    /// # Errors
    ///
    /// There is none, or `disk` fails.
    pub fn open(disk: &'a mut D, start: u64, length: u64) -> io::Result<Self> {
        Self::within(Window::new(disk, start, length))
    }

    fn within(window: Window<'a, D>) -> io::Result<Self> {
        let (length, left) = (window.length, window.left.clone());
        Ok(Self { volume: FileSystem::new(window, FsOptions::new())?, length, left })
    }

    /// Makes an empty file system there, with `label`.
    ///
    /// # Errors
    ///
    /// `length` is too small, or `disk` fails.
    pub fn format(disk: &'a mut D, start: u64, length: u64, label: &str) -> io::Result<Self> {
        let mut name = [b' '; 11];
        for (place, byte) in name.iter_mut().zip(label.bytes()) {
            *place = byte;
        }
        let mut window = Window::new(disk, start, length);
        format_volume(&mut window, FormatVolumeOptions::new().volume_label(name))?;
        window.seek(SeekFrom::Start(0))?;
        Self::within(window)
    }

    /// The names in a directory (`""` is the root), without `.` and `..`; nothing if there is no such directory.
    ///
    /// # Errors
    ///
    /// The disk's.
    pub fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.left.set(question_max(self.length));
        let root = self.volume.root_dir();
        let directory = match directory {
            "" => root,
            path => match root.open_dir(path) {
                Ok(directory) => directory,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            },
        };
        let names = directory.iter().take(ENTRIES_MAX).map(|entry| entry.map(|entry| entry.file_name()));
        names.filter(|name| !matches!(name.as_deref(), Ok("." | ".."))).collect()
    }

    /// What is in a file, up to 4 GiB; `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// The disk's; the file is damaged.
    pub fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        self.left.set(question_max(self.length));
        let mut file = match self.volume.root_dir().open_file(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = file.seek(SeekFrom::End(0))?;
        if size > self.length {
            let text = format!("{path} has {size} bytes by its entry, more than its file system");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        file.rewind()?;
        self.left.set(question_max(self.length) + size);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Makes a file hold `bytes`, whether it exists or not; its directory does.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::StorageFull`] before anything is changed; else the disk's.
    pub fn write(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.left.set(question_max(self.length));
        let stats = self.volume.stats()?;
        let old = self.read(path)?.map_or(0, |old| old.len() as u64);
        let cluster = u64::from(stats.cluster_size());
        // One cluster more, for a directory that has to grow.
        let needed = (bytes.len() as u64).div_ceil(cluster) + 1;
        if needed > u64::from(stats.free_clusters()) + old.div_ceil(cluster) {
            let text = format!("{path} has {} bytes, and the FAT partition has no room for them", bytes.len());
            return Err(io::Error::new(io::ErrorKind::StorageFull, text));
        }
        self.left.set(question_max(self.length));
        let mut file = self.volume.root_dir().create_file(path)?;
        file.truncate()?;
        file.write_all(bytes)?;
        file.flush()
    }

    /// Writes what is still in memory and marks the volume clean.
    ///
    /// # Errors
    ///
    /// The disk's.
    pub fn close(self) -> io::Result<()> {
        self.volume.unmount()
    }
}

/// A part of a disk, as if it were all.
struct Window<'a, D> {
    disk: &'a mut D,
    start: u64,
    length: u64,
    position: u64,
    left: Rc<Cell<u64>>,
}

impl<'a, D> Window<'a, D> {
    fn new(disk: &'a mut D, start: u64, length: u64) -> Self {
        Self { disk, start, length, position: 0, left: Rc::new(Cell::new(question_max(length))) }
    }
}

impl<D: Seek> Window<'_, D> {
    /// Goes to the position; how many of `wanted` bytes lie within.
    fn part(&mut self, wanted: usize) -> io::Result<usize> {
        self.disk.seek(SeekFrom::Start(self.start + self.position))?;
        let left = self.length.saturating_sub(self.position);
        Ok(usize::try_from(left).unwrap_or(usize::MAX).min(wanted))
    }
}

impl<D: Read + Seek> Read for Window<'_, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.part(buffer.len())?;
        let left = self.left.get().checked_sub(buffer.len() as u64);
        let circle = || io::Error::new(io::ErrorKind::InvalidData, "the FAT file system leads in a circle");
        self.left.set(left.ok_or_else(circle)?);
        let length = self.disk.read(&mut buffer[..length])?;
        self.position += length as u64;
        Ok(length)
    }
}

impl<D: Write + Seek> Write for Window<'_, D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.part(bytes.len())?;
        // Beyond the end even nothing is not written: a disk in memory would grow by it.
        if length == 0 {
            return Ok(0);
        }
        let length = self.disk.write(&bytes[..length])?;
        self.position += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.disk.flush()
    }
}

impl<D> Seek for Window<'_, D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
