//! Looks into the raw content of an image: which partitions it has, and whether a Raspberry Pi would boot it.
//!
//! A compressed image is read as far as needed and no further: what lies at the beginning is kept, so that going back
//! to the table or to the allocation table of a FAT partition does not mean unpacking everything again.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::disk::compression::{self, Compression};
use crate::disk::fat::Fat;
use crate::disk::partitions::{self, Partition};
use crate::image::{Kind, Layout};

/// Where ISO 9660 has its first volume descriptor, of type and "CD001" (ECMA-119 section 6.2.1, 8.1).
const ISO_DESCRIPTOR: u64 = 16 * 2048;

/// How many bytes from the beginning are kept: a Raspberry Pi image has its table, and the allocation tables and root
/// directory of its first partition there.
const KEPT_MAX: usize = 16 << 20;

/// Looks into the content of an image of `size` raw bytes; `open` opens its file at the beginning, as often as needed.
/// What cannot be told is part of the answer.
///
/// # Errors
/// What the file fails with.
pub fn look<R: Read + Send + 'static>(
    compression: Compression,
    size: u64,
    open: impl FnMut() -> io::Result<R>,
) -> io::Result<Layout> {
    let mut content = Content::new(compression, size, open);
    let mut mark = [0; 6];
    if size >= ISO_DESCRIPTOR + 2048 {
        content.seek(SeekFrom::Start(ISO_DESCRIPTOR))?;
        content.read_exact(&mut mark)?;
    }
    if mark[1..] == *b"CD001" {
        return Ok(Layout { kind: Kind::Iso, ..Layout::default() });
    }
    let table = match partitions::read(&mut content, size) {
        Ok(Some(table)) => table,
        Ok(None) => return Ok(Layout::default()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Ok(Layout { trouble: Some(error.to_string()), ..Layout::default() });
        }
        Err(error) => return Err(error),
    };
    let is_fat = |partition: &&Partition| matches!(partition.kind, partitions::Kind::Fat | partitions::Kind::Esp);
    let mut layout = Layout {
        kind: Kind::Disk,
        partitions: u32::try_from(table.partitions.len()).unwrap_or(u32::MAX),
        fat: table.partitions.iter().any(|partition| is_fat(&partition)),
        linux: table.partitions.iter().any(|partition| partition.kind == partitions::Kind::Linux),
        pi: false,
        trouble: None,
    };
    // A Raspberry Pi looks at the first FAT partition.
    if let Some(fat) = table.partitions.iter().find(is_fat) {
        match root_names(&mut content, fat) {
            Ok(names) => layout.pi = boots_a_pi(&names),
            // A partition of FAT's type that holds something else boots nothing; that it is unreadable is not our error.
            Err(error) if content.failed => return Err(error),
            Err(_) => {}
        }
    }
    Ok(layout)
}

fn boots_a_pi(names: &[String]) -> bool {
    let kernel = |name: &String| name.starts_with("kernel") && name.ends_with(".img");
    names.iter().any(|name| name == "config.txt") && names.iter().any(kernel)
}

/// The names in the root directory of a FAT partition, in lower case.
fn root_names(content: &mut (impl Read + Write + Seek), partition: &Partition) -> io::Result<Vec<String>> {
    let names = Fat::open(content, partition.start, partition.length)?.list("")?;
    Ok(names.into_iter().map(|name| name.to_lowercase()).collect())
}

/// The raw content of an image file as something that can be sought: forwards by reading on, backwards out of what was
/// kept or by beginning anew.
struct Content<F> {
    open: F,
    compression: Compression,
    size: u64,
    kept: Vec<u8>,
    /// The stream, and where it stands.
    stream: Option<(Box<dyn Read + Send>, u64)>,
    at: u64,
    /// Whether an error came from the file, not from what it holds.
    failed: bool,
}

impl<R: Read + Send + 'static, F: FnMut() -> io::Result<R>> Content<F> {
    fn new(compression: Compression, size: u64, open: F) -> Content<F> {
        Content { open, compression, size, kept: Vec::new(), stream: None, at: 0, failed: false }
    }

    /// Reads the stream from `at` on.
    fn read_on(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.at;
        let (mut stream, mut stands) = match self.stream.take() {
            Some(stream) if stream.1 <= at => stream,
            _ => (compression::decoder(self.compression, (self.open)()?)?, 0),
        };
        let mut skipped = vec![0; 128 << 10];
        while stands < at {
            let most = usize::try_from(at - stands).unwrap_or(usize::MAX).min(skipped.len());
            let length = read_some(&mut stream, &mut skipped[..most])?;
            if length == 0 {
                return Ok(0);
            }
            self.keep(stands, &skipped[..length]);
            stands += length as u64;
        }
        let length = read_some(&mut stream, buffer)?;
        self.keep(stands, &buffer[..length]);
        self.stream = Some((stream, stands + length as u64));
        Ok(length)
    }

    fn keep(&mut self, offset: u64, bytes: &[u8]) {
        if offset == self.kept.len() as u64 {
            let room = KEPT_MAX.saturating_sub(self.kept.len()).min(bytes.len());
            self.kept.extend_from_slice(&bytes[..room]);
        }
    }
}

fn read_some(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

impl<R: Read + Send + 'static, F: FnMut() -> io::Result<R>> Read for Content<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let kept = usize::try_from(self.at).ok().and_then(|at| self.kept.get(at..)).unwrap_or_default();
        let length = if kept.is_empty() {
            self.read_on(buffer).inspect_err(|_| self.failed = true)?
        } else {
            let length = kept.len().min(buffer.len());
            buffer[..length].copy_from_slice(&kept[..length]);
            length
        };
        self.at += length as u64;
        Ok(length)
    }
}

impl<F> Seek for Content<F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// The file system library wants to be able to write, and does not when nothing is changed.
impl<F> Write for Content<F> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
