//! Where modules, firmware and kernels are taken from: Debian packages, or the root file system of an image.

use std::io::{self, Read};
use std::path::PathBuf;

use super::modules::plain;
use super::{BuildError, Watch};
use crate::archive::deb::{self, Kind};
use crate::disk::compression::{self, Compression};
use crate::disk::ext4::FileSystem;

/// The largest file we read, uncompressed: kernels and modules have at most some tens of MiB.
pub(super) const FILE_MAX: u64 = 256 << 20;

/// Takes a file: its path, and its uncompressed bytes.
pub(super) type Take<'a> = &'a mut dyn FnMut(&str, Vec<u8>) -> Result<(), BuildError>;

/// Something with modules in `lib/modules`, perhaps firmware in `lib/firmware` and kernels in `boot`.
pub(super) trait Source {
    /// Shows every file whose path `wanted` accepts, uncompressed. Paths are relative, without the suffix of a
    /// compression, and begin with `lib`, never `usr/lib`.
    fn visit(&mut self, watch: &dyn Watch, wanted: &dyn Fn(&str) -> bool, take: Take<'_>) -> Result<(), BuildError>;
}

/// Debian packages, read in one pass each.
pub(super) struct Packages<'a>(pub(super) &'a [PathBuf]);

impl Source for Packages<'_> {
    fn visit(&mut self, watch: &dyn Watch, wanted: &dyn Fn(&str) -> bool, take: Take<'_>) -> Result<(), BuildError> {
        for file in self.0 {
            let damaged = |source| BuildError::Package { file: file.display().to_string(), source };
            let package = deb::open(file).map_err(damaged)?;
            let mut failure = None;
            let visited = package.visit(|entry| {
                watch.advance(entry.size);
                if watch.stopped() {
                    failure = Some(BuildError::Interrupted);
                    return Err(io::ErrorKind::Interrupted.into());
                }
                let path = canonical(entry.path);
                if entry.kind != Kind::File || !wanted(path) {
                    return Ok(());
                }
                let taken = contents(path, entry.size, entry.content).and_then(|bytes| take(path, bytes));
                taken.map_err(|error| {
                    failure = Some(error);
                    io::ErrorKind::Interrupted.into()
                })
            });
            match failure {
                Some(failure) => return Err(failure),
                None => visited.map_err(damaged)?,
            }
        }
        Ok(())
    }
}

/// The root file system of an image.
pub(super) struct Root(pub(super) FileSystem);

impl Source for Root {
    fn visit(&mut self, watch: &dyn Watch, wanted: &dyn Fn(&str) -> bool, take: Take<'_>) -> Result<(), BuildError> {
        for directory in ["/lib/modules", "/lib/firmware"] {
            for file in self.0.files(directory).map_err(BuildError::io(directory))? {
                if watch.stopped() {
                    return Err(BuildError::Interrupted);
                }
                let path = canonical(&file);
                if !wanted(path) {
                    continue;
                }
                let bytes = self.0.read(&file, FILE_MAX).map_err(BuildError::io(&file))?;
                watch.advance(bytes.len() as u64);
                let bytes = contents(&file, bytes.len() as u64, &mut bytes.as_slice())?;
                take(path, bytes)?;
            }
        }
        Ok(())
    }
}

fn canonical(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    plain(path.strip_prefix("usr/").filter(|rest| rest.starts_with("lib/")).unwrap_or(path))
}

/// The bytes of a file, unpacked if it is packed.
fn contents(path: &str, size: u64, content: &mut dyn Read) -> Result<Vec<u8>, BuildError> {
    if size > FILE_MAX {
        return Err(BuildError::Unfit(format!("{path} has {size} bytes, more than any real one")));
    }
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes).map_err(BuildError::io(path))?;
    unpack(bytes).map_err(BuildError::io(path))
}

/// The uncompressed bytes of what may be compressed.
pub(super) fn unpack(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let compression = Compression::recognise(&bytes);
    if compression == Compression::None {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    let decoder = compression::decoder(compression, io::Cursor::new(bytes))?;
    decoder.take(FILE_MAX + 1).read_to_end(&mut plain)?;
    if plain.len() as u64 > FILE_MAX {
        return Err(io::Error::other("it is larger than any real one when unpacked"));
    }
    Ok(plain)
}
