//! What is in an image file: its raw content measured in one pass, and looked into.
//!
//! Owns the pass: the file's bytes are hashed as they are and as what they stand for, and stretches of zeros are found
//! on the way. Reads, never writes.

mod layout;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard};

use sha2::{Digest as _, Sha256};

pub use self::layout::look;
use super::compression::{self, Compression, HEAD};
use crate::ids::Digest;
use crate::image::{ZERO_RUN_MIN, ZERO_RUNS_MAX, ZeroRun};

/// Bytes taken at once, between two looks at whether to go on.
const CHUNK: usize = 1 << 20;

/// The grain in which zeros are looked for, in bytes. Divides [`CHUNK`].
const GRAIN: usize = 4096;

/// What one pass over an image file found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The size of the file.
    pub size: u64,
    /// The digest of the file.
    pub digest: Digest,
    /// How it is compressed.
    pub compression: Compression,
    /// The size of the raw content.
    pub raw_size: u64,
    /// The digest of the raw content.
    pub raw_digest: Digest,
    /// The longest runs of zeros of the raw content, by offset.
    pub zero_runs: Vec<ZeroRun>,
}

/// Reads an image file to its end. `go_on` is asked now and then, with the bytes of the file read so far.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] if told to stop. [`io::ErrorKind::InvalidData`] and
/// [`io::ErrorKind::UnexpectedEof`] with a sentence for compressed data that is damaged or cut off, and for files of a
/// kind that is no image. What `file` fails with.
pub fn measure(mut file: impl Read + Send + 'static, mut go_on: impl FnMut(u64) -> bool) -> io::Result<Measure> {
    let mut head = Vec::new();
    file.by_ref().take(FOREIGN_HEAD).read_to_end(&mut head)?;
    if let Some(what) = foreign(&head) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let compression = Compression::recognise(&head[..HEAD.min(head.len())]);
    let served = Arc::new(Mutex::new(Counted::default()));
    // Uncompressed, the file is its content: once hashed is enough.
    let count = compression != Compression::None;
    let counting = Counting { inner: io::Cursor::new(head).chain(file), count: count.then(|| served.clone()) };
    let mut content = compression::decoder(compression, counting)?;
    let mut raw = Counted::default();
    let mut zeros = Zeros::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = fill(&mut content, &mut buffer)?;
        raw.take(&buffer[..length]);
        zeros.take(&buffer[..length]);
        let read = if count { lock(&served).size } else { raw.size };
        if !go_on(read) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "told to stop"));
        }
        if length < buffer.len() {
            break;
        }
    }
    drop(content);
    let (raw_size, raw_digest) = raw.finish();
    let (size, digest) = if count { std::mem::take(&mut *lock(&served)).finish() } else { (raw_size, raw_digest) };
    Ok(Measure { size, digest, compression, raw_size, raw_digest, zero_runs: zeros.finish() })
}

/// Fills `buffer` unless the end comes first.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Bytes that [`foreign`] wants to see.
const FOREIGN_HEAD: u64 = 8;

/// Why a file that begins with `head` is no image that can be written to a disk, for the kinds that people have lying
/// beside their images.
fn foreign(head: &[u8]) -> Option<&'static str> {
    let begins = |magic: &[u8]| head.starts_with(magic);
    Some(match () {
        () if begins(b"PK\x03\x04") => "it is a ZIP archive: unpack it, and add the image that is in it",
        () if begins(b"BZh") => "it is compressed by bzip2: unpack it, or compress it by gzip, xz or zstd",
        () if begins(b"7z\xbc\xaf\x27\x1c") => "it is a 7-Zip archive: unpack it, and add the image that is in it",
        () if begins(b"\x04\x22\x4d\x18") => "it is compressed by lz4: unpack it, or compress it by gzip, xz or zstd",
        () if begins(b"QFI\xfb") => "it is a QCOW2 disk: turn it into a raw one with qemu-img convert -O raw",
        () if begins(b"KDMV") => "it is a VMDK disk: turn it into a raw one with qemu-img convert -O raw",
        () if begins(b"vhdxfile") => "it is a VHDX disk: turn it into a raw one with qemu-img convert -O raw",
        () if begins(b"conectix") => "it is a VHD disk: turn it into a raw one with qemu-img convert -O raw",
        () => return None,
    })
}

/// Bytes hashed and counted.
#[derive(Default)]
struct Counted {
    hasher: Sha256,
    size: u64,
}

impl Counted {
    fn take(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
    }

    fn finish(self) -> (u64, Digest) {
        (self.size, Digest(self.hasher.finalize().into()))
    }
}

fn lock(counted: &Mutex<Counted>) -> MutexGuard<'_, Counted> {
    counted.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Counts what a decoder reads from it.
struct Counting<R> {
    inner: R,
    count: Option<Arc<Mutex<Counted>>>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        if let Some(count) = &self.count {
            lock(count).take(&buffer[..length]);
        }
        Ok(length)
    }
}

/// Finds runs of zeros, and keeps the longest. Memory is bounded by [`ZERO_RUNS_MAX`].
#[derive(Default)]
struct Zeros {
    at: u64,
    /// Where the run that goes on at `at` began.
    since: Option<u64>,
    /// Length and offset.
    runs: BTreeSet<(u64, u64)>,
}

impl Zeros {
    /// The next bytes; only the last piece may be no multiple of [`GRAIN`].
    fn take(&mut self, bytes: &[u8]) {
        for grain in bytes.chunks(GRAIN) {
            if is_zero(grain) {
                self.since.get_or_insert(self.at);
            } else {
                self.end();
            }
            self.at += grain.len() as u64;
        }
    }

    fn end(&mut self) {
        let Some(since) = self.since.take() else { return };
        let length = self.at - since;
        if length >= ZERO_RUN_MIN {
            self.runs.insert((length, since));
            if self.runs.len() > ZERO_RUNS_MAX {
                self.runs.pop_first();
            }
        }
    }

    fn finish(mut self) -> Vec<ZeroRun> {
        self.end();
        let mut runs: Vec<ZeroRun> = self.runs.into_iter().map(|(length, offset)| ZeroRun { offset, length }).collect();
        runs.sort_by_key(|run| run.offset);
        runs
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests;
