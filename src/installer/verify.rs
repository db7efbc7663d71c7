//! Reads every byte of the image back from the drive and compares its digest with the server's.
//!
//! Past the kernel's cache where the device allows it, and says so only then. The ends of the drive are put onto it
//! just to be read back and are wiped again, so that a machine that loses power meanwhile finds nothing to boot.

use std::sync::mpsc::sync_channel;
use std::thread;

use sha2::{Digest, Sha256};

use super::device::{BLOCK, Block, Device, all_zero};
use super::job::{Failure, Job, Observer, ReadBack, Stage};
use super::withheld::{End, Withheld};
use crate::ids::hex;

/// Blocks that are read ahead of the hash.
const BLOCKS: usize = 3;

/// Reads the whole image back; returns its digest, equal to the server's, and where it was read from.
///
/// # Errors
///
/// [`Failure::ReadBack`], [`Failure::Read`], [`Failure::Write`].
pub fn verify(
    device: &mut Device,
    withheld: &Withheld,
    job: &Job,
    observer: &dyn Observer,
) -> Result<(String, ReadBack), Failure> {
    let mut digest = Sha256::new();
    let mut report = |done: u64| observer.progress(Stage::Verifying, done, job.raw_size);
    device.flush_and_forget()?;
    withheld.put(device, End::First)?;
    let head = job.raw_size.min(withheld.head().end);
    let hashed = hash(device, 0, head, &mut digest, &mut report);
    // The tail stands there no longer than the head, whatever came of reading.
    withheld.wipe(device)?;
    hashed?;
    let tail = withheld.tail().start.max(head);
    hash(device, head, job.raw_size.min(tail), &mut digest, &mut report)?;
    if job.raw_size > tail {
        withheld.put(device, End::Last)?;
        let hashed = hash(device, tail, job.raw_size, &mut digest, &mut report);
        withheld.wipe(device)?;
        hashed?;
    }
    let digest = hex(&digest.finalize());
    if digest != job.raw_sha256 {
        return Err(Failure::ReadBack {
            path: device.path().to_owned(),
            expected: job.raw_sha256.clone(),
            got: digest,
        });
    }
    Ok((digest, if device.past_cache() { ReadBack::Device } else { ReadBack::Cache }))
}

/// Hashes the bytes from `start` to `end`; a thread of its own reads them.
fn hash(
    device: &mut Device,
    start: u64,
    end: u64,
    digest: &mut Sha256,
    report: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let (full, blocks) = sync_channel::<Result<(Block, usize), Failure>>(BLOCKS);
    let (empty, empties) = sync_channel(BLOCKS);
    for _ in 0..BLOCKS {
        empty.send(Block::new()).expect("the channel holds them all");
    }
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut at = start;
            while at < end {
                let Ok(mut block) = empties.recv() else { return };
                let length = usize::try_from(end - at).unwrap_or(BLOCK).min(BLOCK);
                let read = device.read_block(at, &mut block, length).map(|()| (block, length));
                let failed = read.is_err();
                if full.send(read).is_err() || failed {
                    return;
                }
                at += length as u64;
            }
        });
        let mut done = start;
        for block in blocks {
            let (block, length) = block?;
            digest.update(&block.bytes()[..length]);
            done += length as u64;
            report(done);
            let _ = empty.send(block);
        }
        Ok(())
    })
}

/// Puts both withheld ends onto the drive, the one that makes it boot last, and compares what is there then.
///
/// # Errors
///
/// As [`verify`]; the drive does not boot then.
pub fn complete(device: &mut Device, withheld: &Withheld) -> Result<(), Failure> {
    device.flush_and_forget()?;
    let mut block = Block::new();
    for which in [End::Last, End::First] {
        let (start, bytes) = withheld.end(which);
        if which == End::Last && all_zero(bytes) {
            continue;
        }
        let same = withheld.put(device, which).and_then(|()| {
            device.read_block(start, &mut block, bytes.len())?;
            Ok(block.bytes()[..bytes.len()] == *bytes)
        });
        let failure = match same {
            Ok(true) => continue,
            Ok(false) => {
                let (expected, got) = (Sha256::digest(bytes), Sha256::digest(&block.bytes()[..bytes.len()]));
                Failure::ReadBack { path: device.path().to_owned(), expected: hex(&expected), got: hex(&got) }
            }
            Err(failure) => failure,
        };
        withheld.wipe(device)?;
        return Err(failure);
    }
    Ok(())
}
