//! Debian packages (`.deb`): what they are, and the files in them, read in one pass without unpacking.
//!
//! A package is an ar archive of `debian-binary`, `control.tar` and `data.tar` (deb(5)); the tar archives may be
//! compressed. Nothing is written here, and no script of a package ever runs. Whatever is wrong with a package is an
//! error that says so: sizes are checked before they are believed, and no path leads out of the package.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::disk::compression::{self, Compression};

/// How an ar archive begins.
const MAGIC: &[u8; 8] = b"!<arch>\n";
/// The header of an ar member: name 16, time 12, owner 6, group 6, mode 8, size 10, end 2.
const HEADER: usize = 60;
/// The largest control archive, unpacked; real ones have some KiB.
const CONTROL_MAX: u64 = 16 << 20;
/// The largest content, unpacked; a kernel has some 400 MiB.
const DATA_MAX: u64 = 16 << 30;

/// Why a package cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The file itself, or what the visitor did with it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It does not begin as a package does.
    #[error("it is no Debian package")]
    NoPackage,
    /// It begins as one, and is broken.
    #[error("the package is damaged: {0}")]
    Damaged(String),
    /// Sound, but of a kind we do not read.
    #[error("{0}")]
    Unsupported(String),
}

fn damaged(what: impl Into<String>) -> DebError {
    DebError::Damaged(what.into())
}

/// What a package says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// `linux-image-6.1.0-56-amd64`.
    pub package: String,
    /// `6.1.192-2`.
    pub version: String,
    /// `amd64`, `arm64`, `all`.
    pub architecture: String,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file; its bytes are in [`Entry::content`].
    File,
    /// A directory.
    Directory,
    /// A symbolic link, and what it says.
    Symlink(String),
    /// A second name of the file at this path.
    Link(String),
    /// A device or a pipe.
    Special,
}

/// One entry of a package's content.
pub struct Entry<'a> {
    /// Its path, relative to the root: `boot/vmlinuz-6.1.0-56-amd64`.
    pub path: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Bytes of a file.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// The bytes of a file; what is not read is passed over.
    pub content: &'a mut dyn Read,
}

/// A package whose control part has been read.
#[derive(Debug)]
pub struct Package<R> {
    reader: R,
    control: Control,
    data: Member,
}

/// Opens the package in a file.
///
/// # Errors
/// If the file cannot be read or is no sound package.
pub fn open(path: &Path) -> Result<Package<BufReader<File>>, DebError> {
    Package::new(BufReader::with_capacity(1 << 16, File::open(path)?))
}

impl<R: Read + Seek + Send + 'static> Package<R> {
    /// Reads the member list and the control part.
    ///
    /// # Errors
    /// If `reader` fails or holds no sound package.
    pub fn new(mut reader: R) -> Result<Package<R>, DebError> {
        let end = reader.seek(SeekFrom::End(0))?;
        reader.rewind()?;
        let mut magic = [0; MAGIC.len()];
        if reader.read_exact(&mut magic).is_err() || magic != *MAGIC {
            return Err(DebError::NoPackage);
        }
        let mut at = MAGIC.len() as u64;
        let first = member(&mut reader, &mut at, end)?.ok_or(DebError::NoPackage)?;
        if first.name != "debian-binary" {
            return Err(DebError::NoPackage);
        }
        let mut version = String::new();
        reader.seek(SeekFrom::Start(first.start))?;
        (&mut reader).take(first.size.min(16)).read_to_string(&mut version)?;
        if !version.starts_with("2.") {
            return Err(DebError::Unsupported(format!("its format is version {}, we read 2", version.trim())));
        }
        let mut control = None;
        while let Some(next) = member(&mut reader, &mut at, end)? {
            match &control {
                None if next.name.starts_with("control.tar") => control = Some(read_control(&mut reader, &next)?),
                Some(_) if next.name.starts_with("data.tar") => {
                    return Ok(Package { reader, control: control.unwrap_or_default(), data: next });
                }
                // Later additions to the format begin with "_" and may be passed over.
                _ if next.name.starts_with('_') => {}
                _ => return Err(damaged(format!("{} stands where it should not", next.name))),
            }
        }
        Err(damaged("it ends before its content"))
    }

    /// What it says about itself.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Shows every entry of the content to `visit`, in the package's order, once.
    ///
    /// # Errors
    /// If the content is damaged, or the first error of `visit`.
    pub fn visit(self, mut visit: impl FnMut(Entry<'_>) -> io::Result<()>) -> Result<(), DebError> {
        let Package { mut reader, data, .. } = self;
        reader.seek(SeekFrom::Start(data.start))?;
        let content = decoder(&data.name, "data.tar", reader.take(data.size))?;
        let mut archive = tar::Archive::new(content.take(DATA_MAX));
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = inner_path(&entry.path_bytes())?;
            let header = entry.header();
            let target = || match entry.link_name_bytes() {
                Some(target) => {
                    String::from_utf8(target.into_owned()).map_err(|_| damaged("a link's target is no text"))
                }
                None => Err(damaged(format!("{path} is a link to nothing"))),
            };
            let kind = match header.entry_type() {
                tar::EntryType::Regular | tar::EntryType::Continuous => Kind::File,
                tar::EntryType::Directory => Kind::Directory,
                tar::EntryType::Symlink => Kind::Symlink(target()?),
                tar::EntryType::Link => Kind::Link(inner_path(target()?.as_bytes())?),
                _ => Kind::Special,
            };
            let (size, mode) = (entry.size(), header.mode()? & 0o7777);
            visit(Entry { path: &path, kind, size, mode, content: &mut entry })?;
        }
        Ok(())
    }
}

/// One member of the ar archive: where its bytes are.
#[derive(Debug)]
struct Member {
    name: String,
    start: u64,
    size: u64,
}

/// The member whose header is at `at`, which then moves behind it; none at the end.
fn member(reader: &mut (impl Read + Seek), at: &mut u64, end: u64) -> Result<Option<Member>, DebError> {
    if *at >= end {
        return Ok(None);
    }
    let mut header = [0; HEADER];
    reader.seek(SeekFrom::Start(*at))?;
    reader.read_exact(&mut header).map_err(|_| damaged("it ends within a header"))?;
    if header[58..] != *b"`\n" {
        return Err(damaged(format!("there is no header at byte {at}")));
    }
    let text = |range: std::ops::Range<usize>| std::str::from_utf8(&header[range]).map(str::trim_end);
    let name = text(0..16).map_err(|_| damaged("a member's name is no text"))?.trim_end_matches('/').to_owned();
    let size = text(48..58).ok().and_then(|size| size.parse::<u64>().ok());
    let size = size.ok_or_else(|| damaged(format!("the size of {name} is no number")))?;
    let start = *at + HEADER as u64;
    if size > end - start.min(end) {
        return Err(damaged(format!("{name} has {size} bytes, and the file ends before")));
    }
    // Members begin at even places.
    *at = start + size + size % 2;
    Ok(Some(Member { name, start, size }))
}

fn read_control(reader: &mut (impl Read + Seek), member: &Member) -> Result<Control, DebError> {
    if member.size > CONTROL_MAX {
        return Err(damaged(format!("its control part has {} bytes", member.size)));
    }
    let mut packed = Vec::new();
    reader.seek(SeekFrom::Start(member.start))?;
    reader.take(member.size).read_to_end(&mut packed)?;
    let content = decoder(&member.name, "control.tar", io::Cursor::new(packed))?;
    let mut archive = tar::Archive::new(content.take(CONTROL_MAX));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if inner_path(&entry.path_bytes())? == "control" {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(|error| damaged(format!("its control file: {error}")))?;
            return parse_control(&text);
        }
    }
    Err(damaged("it has no control file"))
}

/// Reads the fields we need; Debian policy 5.1 says how they look.
fn parse_control(text: &str) -> Result<Control, DebError> {
    let field = |name: &str| {
        let fields = text.lines().filter(|line| !line.starts_with([' ', '\t'])).filter_map(|line| line.split_once(':'));
        let value = fields.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    let needed = |name: &str| field(name).ok_or_else(|| damaged(format!("its control file has no {name}")));
    Ok(Control { package: needed("Package")?, version: needed("Version")?, architecture: needed("Architecture")? })
}

/// `./usr/lib/x` and `/usr/lib/x` are `usr/lib/x`; a path that leads upwards is an error.
fn inner_path(path: &[u8]) -> Result<String, DebError> {
    let path = std::str::from_utf8(path).map_err(|_| damaged("a path is no text"))?;
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(damaged(format!("the path {path} leads out of it"))),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// The plain bytes of a tar archive, compressed as its name says.
fn decoder(name: &str, stem: &str, packed: impl Read + Send + 'static) -> Result<Box<dyn Read + Send>, DebError> {
    let compression = match name.strip_prefix(stem).unwrap_or_default() {
        "" => Compression::None,
        ".gz" => Compression::Gzip,
        ".xz" => Compression::Xz,
        ".zst" => Compression::Zstd,
        _ => return Err(DebError::Unsupported(format!("we cannot unpack {name}"))),
    };
    Ok(compression::decoder(compression, packed)?)
}

#[cfg(test)]
mod tests;
