//! What arrives in a download: compared byte by byte with the image we know, else hashed.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::NonNull;

use sha2::{Digest as _, Sha256};

use crate::ids::Digest;

/// An image that we made ourselves: comparing with it is stronger than a digest, and ten times cheaper.
#[derive(Debug)]
pub struct Known {
    /// The last part of its URL.
    file: String,
    digest: Digest,
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is read-only and lives as long as the value.
unsafe impl Send for Known {}
// SAFETY: as above; nobody writes through it.
unsafe impl Sync for Known {}

impl Known {
    /// Maps the file into memory. It must keep its size and bytes as long as the value lives: a file that is cut short
    /// ends the process by SIGBUS.
    ///
    /// # Errors
    /// Of open(2) and mmap(2); `InvalidInput` for an empty file.
    pub fn map(path: &Path, digest: Digest) -> io::Result<Known> {
        let file = File::open(path)?;
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        // SAFETY: a new mapping at an address of the kernel's choice; errors are looked at below.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("a mapping at address 0"))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Known { file, digest, start, length })
    }

    /// Whether that URL means this image.
    pub(super) fn is_at(&self, url: &str) -> bool {
        url.rsplit_once("/images/").is_some_and(|(_, file)| file == self.file)
    }
}

impl Deref for Known {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping has `length` readable bytes until drop.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        // SAFETY: this mapping is ours, and no reference outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// Takes a download in order, whatever its pieces.
pub(super) enum Check<'a> {
    Compare { known: &'a Known, taken: usize },
    Hash { hasher: Box<Sha256>, taken: u64 },
}

impl<'a> Check<'a> {
    pub fn new(known: Option<&'a Known>) -> Check<'a> {
        match known {
            Some(known) => Check::Compare { known, taken: 0 },
            None => Check::Hash { hasher: Box::default(), taken: 0 },
        }
    }

    /// Takes the next piece; fails at the first byte that differs.
    pub fn take(&mut self, piece: &[u8]) -> Result<(), String> {
        match self {
            Check::Hash { hasher, taken } => {
                hasher.update(piece);
                *taken += piece.len() as u64;
            }
            Check::Compare { known, taken } => {
                let rest = known.get(*taken..).unwrap_or_default();
                if !rest.starts_with(piece) {
                    let same = rest.iter().zip(piece).take_while(|(a, b)| a == b).count();
                    return Err(format!("byte {} is not that of the image", *taken + same));
                }
                *taken += piece.len();
            }
        }
        Ok(())
    }

    /// Size and digest of what arrived.
    pub fn finish(self) -> Result<(u64, Digest), String> {
        match self {
            Check::Hash { hasher, taken } => Ok((taken, Digest(hasher.finalize().into()))),
            Check::Compare { known, taken } if taken == known.len() => Ok((taken as u64, known.digest)),
            Check::Compare { known, taken } => Err(format!("{taken} bytes came of {}", known.len())),
        }
    }
}

#[cfg(test)]
mod tests;
