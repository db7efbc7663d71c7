//! The drive that is written: large aligned reads and writes past the kernel's cache, discarding, zeroing, flushing.
//!
//! Owns every file descriptor and `ioctl` of the target; knows nothing of images. A plain file may stand for a drive.
//! Where the cache cannot be bypassed the work goes on through it, and [`Device::past_cache`] tells.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};

use nix::fcntl::{FallocateFlags, PosixFadviseAdvice, fallocate, posix_fadvise};

use super::job::Failure;

/// Bytes of one read or write.
pub const BLOCK: usize = 4 << 20;

/// What addresses, offsets and lengths past the cache are multiples of; no drive asks for more.
pub const ALIGN: u64 = 4096;

/// Without `O_DIRECT`, so many written bytes may be on their way to the drive before we wait for them.
const BACKLOG_MAX: u64 = 64 << 20;

/// Bytes that are discarded or zeroed with one call, so that none takes minutes.
const ERASE_STEP: u64 = 4 << 30;

mod ioctl {
    //! From `linux/fs.h`.
    nix::ioctl_write_ptr_bad!(discard, nix::request_code_none!(0x12, 119), [u64; 2]);
    nix::ioctl_write_ptr_bad!(zero_out, nix::request_code_none!(0x12, 127), [u64; 2]);
    nix::ioctl_none_bad!(flush_buffers, nix::request_code_none!(0x12, 97));
    nix::ioctl_read_bad!(sector_size, nix::request_code_none!(0x12, 104), libc::c_int);
}

/// A buffer of [`BLOCK`] bytes that begins at a multiple of [`ALIGN`].
pub struct Block {
    storage: Vec<u8>,
    start: usize,
}

impl Block {
    /// A block of zeros.
    pub fn new() -> Self {
        let align = usize::try_from(ALIGN).expect("a small number");
        let storage = vec![0; BLOCK + align];
        let start = storage.as_ptr().align_offset(align);
        Self { storage, start }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.start + BLOCK]
    }

    /// Its bytes, to be filled.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + BLOCK]
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::new()
    }
}

/// A drive, or a plain file that stands for one, held exclusively.
pub struct Device {
    path: String,
    size: u64,
    sector: u64,
    is_drive: bool,
    /// Goes past the cache; `None` where that is refused.
    direct: Option<File>,
    cached: File,
    backlog: u64,
}

impl Device {
    /// Opens `path` for writing.
    ///
    /// # Errors
    ///
    /// [`Failure::Open`]: not there, no right, or in use (mounted, or part of an array).
    pub fn open(path: &str) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            let what = if error.kind() == io::ErrorKind::ResourceBusy {
                "it is in use (mounted, or part of an array)".to_owned()
            } else {
                error.to_string()
            };
            Failure::Open { path: path.to_owned(), what }
        };
        let is_drive = std::fs::metadata(path).map_err(failed)?.file_type().is_block_device();
        // On a block device O_EXCL without O_CREAT asks the kernel for sole use.
        let exclusive = if is_drive { libc::O_EXCL } else { 0 };
        let cached = OpenOptions::new().read(true).write(true).custom_flags(exclusive).open(path).map_err(failed)?;
        let direct = OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(path).ok();
        let size = io::Seek::seek(&mut &cached, io::SeekFrom::End(0)).map_err(failed)?;
        let mut sector: libc::c_int = 0;
        // SAFETY: the descriptor is open, and the kernel writes one int to a place that lives through the call.
        let known = is_drive && unsafe { ioctl::sector_size(cached.as_raw_fd(), &raw mut sector) }.is_ok();
        let sector = u64::try_from(sector).ok().filter(|sector| known && *sector > 0).unwrap_or(ALIGN);
        Ok(Self { path: path.to_owned(), size, sector, is_drive, direct, cached, backlog: 0 })
    }

    /// Where it was opened.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether reads and writes of whole blocks go past the kernel's cache.
    pub fn past_cache(&self) -> bool {
        self.direct.is_some()
    }

    /// Writes `bytes` at `offset`: past the cache as far as both are aligned.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        let whole = if self.aligned(offset, bytes) { bytes.len() - bytes.len() % self.sector_len() } else { 0 };
        let mut done = 0;
        while let Some(direct) = self.direct.as_ref().filter(|_| done < whole) {
            match direct.write_at(&bytes[done..whole], offset + done as u64) {
                Ok(0) => return Err(self.write_failed(offset + done as u64, &io::ErrorKind::WriteZero.into())),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Some file systems open with O_DIRECT and refuse the write itself.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => self.direct = None,
                Err(error) => return Err(self.write_failed(offset + done as u64, &error)),
            }
        }
        let rest = &bytes[done..];
        if rest.is_empty() {
            return Ok(());
        }
        let at = offset + done as u64;
        self.cached.write_all_at(rest, at).map_err(|error| self.write_failed(at, &error))?;
        self.backlog += rest.len() as u64;
        if self.backlog >= BACKLOG_MAX {
            self.backlog = 0;
            self.cached.sync_data().map_err(|error| self.write_failed(at, &error))?;
        }
        Ok(())
    }

    /// Fills the first `length` bytes of `block` from `offset`, a multiple of [`ALIGN`].
    pub fn read_block(&mut self, offset: u64, block: &mut Block, length: usize) -> Result<(), Failure> {
        let sector = self.sector_len();
        let mut done = 0;
        if self.aligned(offset, block.bytes()) {
            let whole = length.next_multiple_of(sector).min(BLOCK);
            while let Some(direct) = self.direct.as_ref().filter(|_| done < length && done.is_multiple_of(sector)) {
                match direct.read_at(&mut block.bytes_mut()[done..whole], offset + done as u64) {
                    Ok(0) => break,
                    Ok(read) => done += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.raw_os_error() == Some(libc::EINVAL) => self.direct = None,
                    Err(error) => return Err(self.read_failed(offset + done as u64, &error)),
                }
            }
        }
        if done < length {
            self.read_cached(offset + done as u64, &mut block.bytes_mut()[done..length])?;
        }
        Ok(())
    }

    /// Fills `bytes` from `offset` through the cache.
    pub fn read_cached(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Failure> {
        self.cached.read_exact_at(bytes, offset).map_err(|error| self.read_failed(offset, &error))
    }

    /// Everything written is on the drive when this returns.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.backlog = 0;
        self.cached.sync_all().map_err(|error| self.write_failed(0, &error))
    }

    /// Everything written is on the drive, and reads come from there again, as far as the kernel can be asked to.
    pub fn flush_and_forget(&mut self) -> Result<(), Failure> {
        self.flush()?;
        if self.is_drive {
            // SAFETY: the descriptor is open; the call takes no argument. Without the right to it the next one still helps.
            let _ = unsafe { ioctl::flush_buffers(self.cached.as_raw_fd()) };
        }
        let _ = posix_fadvise(&self.cached, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        Ok(())
    }

    /// Gives every byte back to the drive. `true` if it took them all; what they read as afterwards nobody promises.
    pub fn discard(&mut self) -> bool {
        let mut range = 0..self.size - self.size % self.sector;
        while range.start < range.end {
            let step = range.start..range.end.min(range.start + ERASE_STEP);
            let taken = if self.is_drive {
                // SAFETY: the descriptor is open, and the kernel reads two numbers that live through the call.
                unsafe { ioctl::discard(self.cached.as_raw_fd(), &[step.start, step.end - step.start]) }.is_ok()
            } else {
                self.punch(&step)
            };
            if !taken {
                return false;
            }
            range.start = step.end;
        }
        true
    }

    /// Makes `range` read as zeros: by a command to the drive, or by writing them.
    pub fn zero(&mut self, range: Range<u64>) -> Result<(), Failure> {
        let aligned = range.start.is_multiple_of(self.sector) && range.end.is_multiple_of(self.sector);
        let done = aligned
            && if self.is_drive {
                let argument = [range.start, range.end - range.start];
                // SAFETY: the descriptor is open, and the kernel reads two numbers that live through the call.
                unsafe { ioctl::zero_out(self.cached.as_raw_fd(), &argument) }.is_ok()
            } else {
                self.punch(&range)
            };
        if done {
            return Ok(());
        }
        let zeros = Block::new();
        let mut at = range.start;
        while at < range.end {
            let length = usize::try_from(range.end - at).unwrap_or(BLOCK).min(BLOCK);
            self.write_at(at, &zeros.bytes()[..length])?;
            at += length as u64;
        }
        Ok(())
    }

    /// Whether every byte of `range` is zero; begins at a multiple of [`ALIGN`].
    pub fn is_zero(&mut self, range: Range<u64>, block: &mut Block) -> Result<bool, Failure> {
        let mut at = range.start;
        while at < range.end {
            let length = usize::try_from(range.end - at).unwrap_or(BLOCK).min(BLOCK);
            self.read_block(at, block, length)?;
            if !all_zero(&block.bytes()[..length]) {
                return Ok(false);
            }
            at += length as u64;
        }
        Ok(true)
    }

    fn punch(&self, range: &Range<u64>) -> bool {
        let (Ok(start), Ok(length)) = (i64::try_from(range.start), i64::try_from(range.end - range.start)) else {
            return false;
        };
        let how = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        length == 0 || fallocate(&self.cached, how, start, length).is_ok()
    }

    fn aligned(&self, offset: u64, bytes: &[u8]) -> bool {
        offset.is_multiple_of(ALIGN) && (bytes.as_ptr().addr() as u64).is_multiple_of(ALIGN)
    }

    fn sector_len(&self) -> usize {
        usize::try_from(self.sector).expect("a sector fits into memory")
    }

    fn write_failed(&self, offset: u64, error: &io::Error) -> Failure {
        Failure::Write { path: self.path.clone(), offset, what: error.to_string() }
    }

    fn read_failed(&self, offset: u64, error: &io::Error) -> Failure {
        Failure::Read { path: self.path.clone(), offset, what: error.to_string() }
    }
}

/// Whether every byte is zero.
pub fn all_zero(bytes: &[u8]) -> bool {
    // SAFETY: any sixteen bytes are a number.
    let (before, middle, after) = unsafe { bytes.align_to::<u128>() };
    before.iter().chain(after).all(|byte| *byte == 0) && middle.iter().all(|word| *word == 0)
}
