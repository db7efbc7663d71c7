//! Puts the raw image onto the drive: three threads, one that downloads and decompresses, one that hashes, one that writes.
//!
//! The ends of the drive stay withheld ([`super::withheld`]). Long runs of zeros are not sent where the drive was
//! discarded and reads as zeros there, and zeroed by a command elsewhere. What arrived is compared with the server's
//! digest at once, before anything is read back.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use sha2::{Digest, Sha256};

use super::device::{ALIGN, BLOCK, Block, Device, all_zero};
use super::job::{Failure, Job, Observer, Stage};
use super::withheld::Withheld;
use crate::ids::hex;

/// Blocks that are on their way at once.
const BLOCKS: usize = 6;

/// A run of zeros is dealt with after so many bytes, so that progress is seen.
const RUN_MAX: u64 = 256 << 20;

/// What the threads pass on.
pub enum Piece {
    /// So many bytes of the image; whether all are zero.
    Image { block: Block, length: usize, zero: bool },
    /// Something that the observer should know.
    Warning(String),
    /// There is no more: the digest of all pieces, or why there is none.
    End(Result<String, Failure>),
}

/// Where a download leaves word for the observer.
pub type Notices = SyncSender<Piece>;

/// Writes what `source` gives to `device`; returns how many bytes of zero were not sent.
///
/// `discarded` says that the drive took a discard of every byte. `source` is made with the channel for its warnings, and
/// fails with a [`Failure`] within its [`io::Error`], or with what its decoder says.
///
/// # Errors
///
/// [`Failure::Size`], [`Failure::Checksum`], [`Failure::Corrupt`], those of the download, and [`Failure::Write`].
pub fn write(
    device: &mut Device,
    withheld: &mut Withheld,
    job: &Job,
    discarded: bool,
    source: impl FnOnce(Notices) -> Result<Box<dyn Read + Send>, Failure>,
    observer: &dyn Observer,
) -> Result<u64, Failure> {
    let (written, pieces) = sync_channel(BLOCKS);
    let (empty, empties) = sync_channel(BLOCKS);
    for _ in 0..BLOCKS {
        empty.send(Block::new()).expect("the channel holds them all");
    }
    let (read, to_hash) = sync_channel(BLOCKS);
    let source = source(written.clone())?;
    let raw_size = job.raw_size;
    // Not scoped: when writing fails we must not wait for a download that may be waiting for its server.
    thread::spawn(move || download(source, raw_size, &empties, &read));
    thread::spawn(move || hash(&to_hash, &written));

    let mut zeros = Zeros { run: 0..0, discarded, skipped: 0, scratch: Block::new() };
    let mut offset = 0;
    let digest = loop {
        match pieces.recv() {
            Ok(Piece::Image { block, length, zero }) => {
                let (at, between) = withheld.keep(offset, &block.bytes()[..length]);
                if zero {
                    zeros.add(device, at..at + between.len() as u64)?;
                } else {
                    zeros.settle(device)?;
                    device.write_at(at, between)?;
                }
                offset += length as u64;
                observer.progress(Stage::Downloading, offset, raw_size);
                // The reader may have ended already.
                let _ = empty.send(block);
            }
            Ok(Piece::Warning(text)) => observer.warn(&text),
            Ok(Piece::End(end)) => break end?,
            Err(_) => return Err(Failure::Corrupt { what: "the download stopped without a word".to_owned() }),
        }
    };
    zeros.settle(device)?;
    device.flush()?;
    if digest == job.raw_sha256 {
        Ok(zeros.skipped)
    } else {
        Err(Failure::Checksum { expected: job.raw_sha256.clone(), got: digest })
    }
}

/// Zeros that are not dealt with yet.
struct Zeros {
    run: Range<u64>,
    discarded: bool,
    skipped: u64,
    scratch: Block,
}

impl Zeros {
    fn add(&mut self, device: &mut Device, more: Range<u64>) -> Result<(), Failure> {
        if more.is_empty() {
            return Ok(());
        }
        if self.run.end != more.start || self.run.end - self.run.start >= RUN_MAX {
            self.settle(device)?;
            self.run = more;
        } else {
            self.run.end = more.end;
        }
        Ok(())
    }

    /// The drive holds zeros there when this returns: proven by reading, or made.
    fn settle(&mut self, device: &mut Device) -> Result<(), Failure> {
        let run = std::mem::take(&mut self.run);
        if run.is_empty() {
            return Ok(());
        }
        if self.discarded && run.start.is_multiple_of(ALIGN) {
            if device.is_zero(run.clone(), &mut self.scratch)? {
                self.skipped += run.end - run.start;
                return Ok(());
            }
            // This drive gives something else for what was discarded: it will do so everywhere.
            self.discarded = false;
        }
        device.zero(run)
    }
}

fn download(mut source: Box<dyn Read + Send>, raw_size: u64, empties: &Receiver<Block>, read: &SyncSender<Piece>) {
    let mut total = 0;
    // Either channel ends when the writer has given up; there is nobody left to tell.
    while let Ok(mut block) = empties.recv() {
        let (length, error) = fill(source.as_mut(), block.bytes_mut());
        total += length as u64;
        let end = match error {
            Some(error) => Some(Err(failure(error))),
            None if total > raw_size => Some(Err(Failure::Size { expected: raw_size, got: total })),
            None if length < BLOCK && total < raw_size => Some(Err(Failure::Size { expected: raw_size, got: total })),
            None if length < BLOCK => Some(Ok(String::new())),
            None => None,
        };
        let last = end.is_some();
        if !matches!(end, Some(Err(_))) && length > 0 {
            let zero = all_zero(&block.bytes()[..length]);
            if read.send(Piece::Image { block, length, zero }).is_err() {
                return;
            }
        }
        if let Some(end) = end {
            let _ = read.send(Piece::End(end));
        }
        if last {
            return;
        }
    }
}

/// As many bytes as there are, and what came instead of the rest.
fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (length, Some(error)),
        }
    }
    (length, None)
}

/// The failure that a download hid in its error, or what the decoder says.
fn failure(error: io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Failure>()) {
        Some(failure) => failure.clone(),
        None => Failure::Corrupt { what: error.to_string() },
    }
}

fn hash(pieces: &Receiver<Piece>, written: &SyncSender<Piece>) {
    let mut digest = Sha256::new();
    while let Ok(piece) = pieces.recv() {
        let piece = match piece {
            Piece::Image { block, length, zero } => {
                digest.update(&block.bytes()[..length]);
                Piece::Image { block, length, zero }
            }
            Piece::End(Ok(_)) => Piece::End(Ok(hex(&std::mem::take(&mut digest).finalize()))),
            other => other,
        };
        if written.send(piece).is_err() {
            return;
        }
    }
}
