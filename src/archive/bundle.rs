//! A backup as one file: a tar archive in Zstandard, under a passphrase if wanted.
//!
//! Without a passphrase any `tar --zstd -x` reads it. Its last member, `manifest.json`, has size and SHA-256 of all
//! others: a file that was cut off has none, and one that was damaged does not agree with it.

use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::sealed::{self, Opened, SealError, Sealed};
use crate::ids::hex;

const MANIFEST: &str = "manifest.json";
const FORMAT: &str = "hatchery backup 1";

/// The longest manifest, bytes.
const MANIFEST_MAX: u64 = 64 << 20;

/// How a Zstandard frame begins.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Why a bundle cannot be read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum BundleError {
    #[error("this is no backup of hatchery")]
    Foreign,
    #[error("the backup is encrypted: give its passphrase")]
    NeedsPassphrase,
    #[error(transparent)]
    Seal(SealError),
    #[error("the backup is cut off: its end is missing")]
    Cut,
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    #[error("the backup is of a later version of hatchery ({0})")]
    Newer(String),
    #[error("cannot read the backup")]
    Read(#[source] io::Error),
    #[error(transparent)]
    Take(io::Error),
}

enum Sink<W: Write> {
    Plain(W),
    Sealed(Box<Sealed<W>>),
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Plain(out) => out.write(bytes),
            Sink::Sealed(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Plain(out) => out.flush(),
            Sink::Sealed(out) => out.flush(),
        }
    }
}

/// A bundle that is being written. Without [`Bundle::finish`] it is a cut one.
pub struct Bundle<W: Write> {
    tar: tar::Builder<zstd::Encoder<'static, Sink<W>>>,
    files: Vec<Value>,
}

impl<W: Write> Bundle<W> {
    /// Begins one.
    ///
    /// # Errors
    /// Of the writer.
    pub fn new(out: W, passphrase: Option<&str>) -> io::Result<Bundle<W>> {
        let sink = match passphrase {
            Some(passphrase) => Sink::Sealed(Box::new(Sealed::new(out, passphrase)?)),
            None => Sink::Plain(out),
        };
        let mut encoder = zstd::Encoder::new(sink, 3)?;
        encoder.include_checksum(true)?;
        Ok(Bundle { tar: tar::Builder::new(encoder), files: Vec::new() })
    }

    /// Adds a file of exactly `size` bytes.
    ///
    /// # Errors
    /// Of either side; the source has fewer bytes.
    pub fn add(&mut self, name: &str, size: u64, modified_secs: u64, source: impl Read) -> io::Result<()> {
        let mut source = Hashing { source: source.take(size), digest: Sha256::new(), read: 0 };
        self.append(name, size, modified_secs, &mut source)?;
        if source.read != size {
            return Err(io::Error::other(format!("{name} became shorter while it was read: try again")));
        }
        self.files.push(json!({ "name": name, "sha256": hex(&source.digest.finalize()), "size": size }));
        Ok(())
    }

    fn append(&mut self, name: &str, size: u64, modified_secs: u64, source: impl Read) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(modified_secs);
        self.tar.append_data(&mut header, name, source)
    }

    /// Writes the manifest, and what is said of the whole.
    ///
    /// # Errors
    /// Of the writer.
    pub fn finish(mut self, made_at: &str, now_secs: u64) -> io::Result<W> {
        let files = std::mem::take(&mut self.files);
        let version = env!("CARGO_PKG_VERSION");
        let manifest = json!({ "files": files, "format": FORMAT, "made_at": made_at, "version": version });
        let text = format!("{manifest}\n");
        self.append(MANIFEST, text.len() as u64, now_secs, text.as_bytes())?;
        match self.tar.into_inner()?.finish()? {
            Sink::Plain(out) => Ok(out),
            Sink::Sealed(out) => out.finish(),
        }
    }
}

struct Hashing<R> {
    source: R,
    digest: Sha256,
    read: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.digest.update(&buffer[..length]);
        self.read += length as u64;
        Ok(length)
    }
}

/// What a bundle said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// When it was made, ISO 8601.
    pub made_at: String,
    /// The version of hatchery that made it.
    pub version: String,
    /// Its files, in order.
    pub files: Vec<(String, u64)>,
}

/// Whether a file that begins so is encrypted.
///
/// # Errors
/// [`BundleError::Foreign`] if it is no bundle at all.
pub fn is_sealed(beginning: &[u8]) -> Result<bool, BundleError> {
    if beginning.starts_with(&ZSTD) {
        return Ok(false);
    }
    if beginning.starts_with(sealed::MAGIC) { Ok(true) } else { Err(BundleError::Foreign) }
}

/// Reads a bundle from beginning to end. `take` gets each file as it comes; only when this returns `Ok` is everything
/// known to be as it was written.
///
/// # Errors
/// [`BundleError`].
pub fn read(
    source: impl Read,
    passphrase: Option<&str>,
    mut take: impl FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
) -> Result<Manifest, BundleError> {
    let mut source = BufReader::with_capacity(1 << 17, source);
    let beginning = io::BufRead::fill_buf(&mut source).map_err(BundleError::Read)?;
    let stream: Box<dyn Read + '_> = match (is_sealed(beginning)?, passphrase) {
        (false, _) => Box::new(source),
        (true, None) => return Err(BundleError::NeedsPassphrase),
        (true, Some(passphrase)) => Box::new(Opened::new(source, passphrase).map_err(BundleError::Seal)?),
    };
    let decoder = zstd::Decoder::new(stream).map_err(BundleError::Read)?;
    let mut archive = tar::Archive::new(decoder);
    let mut found: Vec<(String, u64, String)> = Vec::new();
    let mut manifest = None;
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| damaged("a name in it"))?;
        if manifest.is_some() || !is_plain(&name) || !entry.header().entry_type().is_file() {
            return Err(damaged(&format!("{name} has no place in it")));
        }
        let size = entry.size();
        if name == MANIFEST {
            let mut text = String::new();
            (&mut entry).take(MANIFEST_MAX).read_to_string(&mut text).map_err(unreadable)?;
            manifest = Some(serde_json::from_str::<Value>(&text).map_err(|_| damaged("its manifest"))?);
            continue;
        }
        let mut hashing =
            Hashing { source: Watched { source: &mut entry, failed: None }, digest: Sha256::new(), read: 0 };
        let taken = take(&name, size, &mut hashing);
        if let Some(error) = hashing.source.failed.take() {
            return Err(unreadable(error));
        }
        taken.map_err(BundleError::Take)?;
        io::copy(&mut hashing, &mut io::sink()).map_err(unreadable)?;
        found.push((name, hashing.read, hex(&hashing.digest.finalize())));
    }
    let manifest = manifest.ok_or(BundleError::Cut)?;
    // To the end of the stream: its own checks stand there.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(unreadable)?;
    compare(&manifest, &found)
}

fn compare(manifest: &Value, found: &[(String, u64, String)]) -> Result<Manifest, BundleError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if manifest["format"] != FORMAT {
        return Err(BundleError::Newer(text(&manifest["format"])));
    }
    let listed = manifest["files"].as_array().map(Vec::as_slice).unwrap_or_default();
    if listed.len() != found.len() {
        return Err(damaged("it has not the files that it lists"));
    }
    for (listed, (name, size, digest)) in listed.iter().zip(found) {
        if listed["name"] != **name || listed["size"] != *size || listed["sha256"] != **digest {
            return Err(damaged(&format!("{name} is not as it was")));
        }
    }
    let files = found.iter().map(|(name, size, _)| (name.clone(), *size)).collect();
    Ok(Manifest { made_at: text(&manifest["made_at"]), version: text(&manifest["version"]), files })
}

/// Keeps the failure of the source apart from those of whoever reads from it.
struct Watched<R> {
    source: R,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read(buffer).map_err(|error| {
            let told = io::Error::new(error.kind(), "the backup cannot be read on");
            self.failed = Some(error);
            told
        })
    }
}

/// A relative path that stays below where it is put.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn damaged(what: &str) -> BundleError {
    BundleError::Damaged(what.to_owned())
}

fn unreadable(error: io::Error) -> BundleError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BundleError::Cut,
        io::ErrorKind::InvalidData | io::ErrorKind::Other | io::ErrorKind::InvalidInput => damaged(&error.to_string()),
        _ => BundleError::Read(error),
    }
}

#[cfg(test)]
mod tests;
