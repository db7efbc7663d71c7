//! What is known of an image's content, however the file that holds it is compressed.
//!
//! Words and numbers only; files are read in [`crate::disk`].

use std::fmt;
use std::sync::Arc;

use crate::ids::Digest;

/// How many runs of zeros are remembered of one image: the longest.
pub const ZERO_RUNS_MAX: usize = 4096;

/// The shortest run of zeros worth remembering, in bytes.
pub const ZERO_RUN_MIN: u64 = 1 << 20;

/// The longest name that the file of an image may be given, in bytes.
pub const FILE_NAME_MAX: usize = 120;

/// Whether the file of an image may be given this name: letters, digits, dot, hyphen, underscore and plus, a letter or
/// a digit first. Such a name is one file in the image directory, and the same in an address, in a shell and on a page.
pub fn is_file_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+');
    name.len() <= FILE_NAME_MAX
        && name.bytes().all(fits)
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// The .xz file format 1.2.
    Xz,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// All of them.
    pub const ALL: [Compression; 4] = [Compression::None, Compression::Gzip, Compression::Xz, Compression::Zstd];

    /// The compression of a file that begins with `head`. What is not known is not compressed.
    pub fn recognise(head: &[u8]) -> Compression {
        match head {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            // A skippable frame (RFC 8878 section 3.1.2): the parallel compressors begin with one.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// The word in JSON and in the journal.
    pub fn word(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
        }
    }

    /// The compression of that word.
    pub fn from_word(word: &str) -> Option<Compression> {
        Compression::ALL.into_iter().find(|compression| compression.word() == word)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A stretch of the content that holds zeros only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZeroRun {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes; at least [`ZERO_RUN_MIN`].
    pub length: u64,
}

/// What kind of content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A disk with a partition table.
    Disk,
    /// A CD or DVD (ISO 9660).
    Iso,
    /// Neither.
    #[default]
    Unknown,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Disk, Kind::Iso, Kind::Unknown];

    /// The word in JSON and in the journal.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Disk => "disk",
            Kind::Iso => "iso",
            Kind::Unknown => "unknown",
        }
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What a disk image holds, as far as booting depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// What kind of content.
    pub kind: Kind,
    /// How many partitions it has.
    pub partitions: u32,
    /// Whether one of them is FAT or an EFI system partition.
    pub fat: bool,
    /// Whether one of them is a Linux file system.
    pub linux: bool,
    /// Whether a FAT one holds what a Raspberry Pi boots: config.txt and kernel*.img.
    pub pi: bool,
    /// Why the partitions could not be told, if that is so.
    pub trouble: Option<String>,
}

impl Layout {
    /// What speaks against giving this image to machines; `pi` says that they are Raspberry Pis. Sentences.
    pub fn warnings(&self, pi: bool) -> Vec<String> {
        let trouble = self.trouble.iter().map(|trouble| format!("its partitions cannot be told: {trouble}"));
        let mut warnings: Vec<String> = trouble.collect();
        match self.kind {
            Kind::Iso if pi => warnings.push("it is an ISO file, which no Raspberry Pi boots".to_owned()),
            Kind::Iso => {}
            Kind::Unknown if warnings.is_empty() => {
                warnings.push("it has no partition table: a disk with it does not boot".to_owned());
            }
            Kind::Unknown => {}
            Kind::Disk if pi => {
                if !self.pi {
                    let text =
                        "it has no FAT partition with config.txt and kernel*.img: a Raspberry Pi does not boot it";
                    warnings.push(text.to_owned());
                }
                if !self.linux {
                    warnings.push("it has no Linux partition for the root file system".to_owned());
                }
            }
            Kind::Disk => {
                if !self.fat {
                    let text = "it has no FAT or EFI system partition: neither UEFI nor a Raspberry Pi boots it";
                    warnings.push(text.to_owned());
                }
                if self.partitions < 2 {
                    warnings.push("it has one partition only: is the system missing?".to_owned());
                }
            }
        }
        warnings
    }
}

/// The raw content of an image: what is on a disk after it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// How the file that holds it is compressed.
    pub compression: Compression,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its longest runs of zeros, at most [`ZERO_RUNS_MAX`], by offset.
    pub zero_runs: Arc<[ZeroRun]>,
    /// What a machine may find on it.
    pub layout: Layout,
}

/// Of the runs of zeros their number: there may be thousands.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Content { compression, size, digest, zero_runs, layout } = self;
        f.debug_struct("Content")
            .field("compression", compression)
            .field("size", size)
            .field("digest", digest)
            .field("zero_runs", &zero_runs.len())
            .field("layout", layout)
            .finish()
    }
}

#[cfg(test)]
mod tests;
