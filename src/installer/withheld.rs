//! The two ends of the drive, withheld until everything else is in place: without them nothing on it boots.
//!
//! The first MiB holds the boot sector and the partition table, the last one the copy of a GPT. Both are zero on the
//! drive from the first write of an installation to its last; what belongs there is kept in memory. [`Disk`] is the
//! drive as it will be.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use super::device::{ALIGN, Device};
use super::job::Failure;

/// Bytes that are withheld at each end.
const END_LEN: u64 = 1 << 20;

/// What belongs at the two ends of the drive.
pub struct Withheld {
    head: Vec<u8>,
    tail: Vec<u8>,
    size: u64,
}

impl Withheld {
    /// Destroys both ends of what `device` holds; what is to stand there is zero until [`Withheld::keep`] says more.
    ///
    /// # Errors
    ///
    /// [`Failure::Write`].
    pub fn take(device: &mut Device) -> Result<Self, Failure> {
        let size = device.size();
        let head = size.min(END_LEN);
        let tail = size - size.saturating_sub(END_LEN).max(head) / ALIGN * ALIGN;
        let zeros = |length: u64| vec![0; usize::try_from(length).expect("about a MiB")];
        // A drive smaller than the first end has no other one.
        let withheld = Self { head: zeros(head), tail: zeros(if size > head { tail } else { 0 }), size };
        withheld.wipe(device)?;
        Ok(withheld)
    }

    /// The first bytes of the drive.
    pub fn head(&self) -> Range<u64> {
        0..self.head.len() as u64
    }

    /// The last bytes of the drive.
    pub fn tail(&self) -> Range<u64> {
        self.size - self.tail.len() as u64..self.size
    }

    /// Both ends on the drive are zero.
    pub fn wipe(&self, device: &mut Device) -> Result<(), Failure> {
        device.write_at(0, &vec![0; self.head.len()])?;
        device.write_at(self.tail().start, &vec![0; self.tail.len()])?;
        device.flush()
    }

    /// Keeps what of `bytes`, meant for `offset`, belongs to the ends; returns the part that lies between them.
    pub fn keep<'a>(&mut self, offset: u64, bytes: &'a [u8]) -> (u64, &'a [u8]) {
        let end = offset + bytes.len() as u64;
        for (range, kept) in
            [(self.head(), &mut self.head), (self.size - self.tail.len() as u64..self.size, &mut self.tail)]
        {
            let common = offset.max(range.start)..end.min(range.end);
            if common.start < common.end {
                kept[within(&common, range.start)].copy_from_slice(&bytes[within(&common, offset)]);
            }
        }
        let between = offset.max(self.head().end)..end.min(self.tail().start);
        if between.start < between.end { (between.start, &bytes[within(&between, offset)]) } else { (offset, &[]) }
    }

    /// Puts the first end onto the drive, or the last.
    pub fn put(&self, device: &mut Device, which: End) -> Result<(), Failure> {
        let (start, bytes) = self.end(which);
        device.write_at(start, bytes)?;
        device.flush_and_forget()
    }

    /// Where an end begins, and what belongs there.
    pub fn end(&self, which: End) -> (u64, &[u8]) {
        match which {
            End::First => (0, &self.head),
            End::Last => (self.tail().start, &self.tail),
        }
    }
}

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    First,
    Last,
}

/// `range`, counted from `start`.
fn within(range: &Range<u64>, start: u64) -> Range<usize> {
    let index = |at: u64| usize::try_from(at - start).expect("a place in memory");
    index(range.start)..index(range.end)
}

/// The drive as it will be: its middle from the device, its ends from memory.
pub struct Disk<'a> {
    device: &'a mut Device,
    withheld: &'a mut Withheld,
    position: u64,
}

impl<'a> Disk<'a> {
    /// That drive, at its beginning.
    pub fn new(device: &'a mut Device, withheld: &'a mut Withheld) -> Self {
        Self { device, withheld, position: 0 }
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.withheld.size
    }

    /// How many of `wanted` bytes can be had at the position without leaving its part of the drive, and which part.
    fn part(&self, wanted: usize) -> (Option<End>, Range<u64>) {
        let (head, tail) = (self.withheld.head(), self.withheld.tail());
        let (which, end) = match self.position {
            at if at < head.end => (Some(End::First), head.end),
            at if at < tail.start => (None, tail.start),
            at => (Some(End::Last), tail.end.max(at)),
        };
        (which, self.position..end.min(self.position + wanted as u64))
    }
}

impl Read for Disk<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (which, range) = self.part(buffer.len());
        let buffer = &mut buffer[within(&range, range.start)];
        match which {
            Some(which) => {
                let (start, bytes) = self.withheld.end(which);
                if !buffer.is_empty() {
                    buffer.copy_from_slice(&bytes[within(&range, start)]);
                }
            }
            None => self.device.read_cached(range.start, buffer).map_err(io::Error::other)?,
        }
        self.position = range.end;
        Ok(buffer.len())
    }
}

impl Write for Disk<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (which, range) = self.part(bytes.len());
        let bytes = &bytes[within(&range, range.start)];
        if which.is_some() {
            self.withheld.keep(range.start, bytes);
        } else {
            self.device.write_at(range.start, bytes).map_err(io::Error::other)?;
        }
        self.position = range.end;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Disk<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.size().checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
