//! Why an installation did not succeed: a closed list; each has a plain sentence and a short word.
//!
//! The sentence goes onto the screen and into the report, so it says what is the matter and what an operator can do.

use std::fmt;

use super::{Bytes, Drive};

/// Why an installation did not succeed. `Display` is the plain sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server's reply cannot be used: `key` is missing or wrong.
    Reply { key: String, what: String },
    /// There is no drive at all.
    NoDrive,
    /// There are drives, and none may be written: each with its reason.
    NoTarget { refused: Vec<(Drive, Unfit)> },
    /// Several drives may be written, and no rule says which.
    SeveralTargets { candidates: Vec<Drive> },
    /// The image does not fit.
    TooSmall { drive: Drive, needed: u64 },
    /// The drive cannot be opened, or is in use.
    Open { path: String, what: String },
    /// The server gave no byte for so many seconds.
    Silent { url: String, seconds: u64, last: String },
    /// The server refused the image with this HTTP status.
    Refused { url: String, status: u16 },
    /// The image on the server was replaced while it was being downloaded.
    Changed { url: String },
    /// The served bytes cannot be decompressed.
    Corrupt { what: String },
    /// The image has another size than the server said.
    Size { expected: u64, got: u64 },
    /// What was downloaded is not what the server has: its SHA-256 differs.
    Checksum { expected: String, got: String },
    /// The drive refused a write or a flush.
    Write { path: String, offset: u64, what: String },
    /// The drive could not be read.
    Read { path: String, offset: u64, what: String },
    /// What was read back is not what was written.
    ReadBack { path: String, expected: String, got: String },
    /// The first boot was asked for and cannot be prepared.
    FirstBoot { what: String },
    /// The last partition was to grow and cannot.
    Grow { what: String },
}

/// Why a drive may not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// This system runs from it.
    BootMedium,
    /// The kernel refuses writes.
    ReadOnly,
    /// It is not in the list of allowed targets.
    NotAllowed,
    /// It is a USB or removable drive, and the list does not name it.
    Removable,
    /// It has no medium.
    Empty,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BootMedium => "is what this installer was started from",
            Self::ReadOnly => "is write-protected",
            Self::NotAllowed => "is not in the profile's list of targets",
            Self::Removable => "can be unplugged and is not in the profile's list of targets",
            Self::Empty => "holds no medium",
        })
    }
}

impl Failure {
    /// A short word for reports and counters.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Reply { .. } => "reply",
            Self::NoDrive => "no-drive",
            Self::NoTarget { .. } => "no-target",
            Self::SeveralTargets { .. } => "several-targets",
            Self::TooSmall { .. } => "too-small",
            Self::Open { .. } => "open",
            Self::Silent { .. } => "silent",
            Self::Refused { .. } => "refused",
            Self::Changed { .. } => "changed",
            Self::Corrupt { .. } => "corrupt",
            Self::Size { .. } => "size",
            Self::Checksum { .. } => "checksum",
            Self::Write { .. } => "write",
            Self::Read { .. } => "read",
            Self::ReadBack { .. } => "read-back",
            Self::FirstBoot { .. } => "first-boot",
            Self::Grow { .. } => "grow",
        }
    }

    /// Whether trying again may help without anybody doing anything: the network or the server was in the way.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Silent { .. }
                | Self::Changed { .. }
                | Self::Corrupt { .. }
                | Self::Size { .. }
                | Self::Checksum { .. }
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply { key, what } => write!(f, "The server's answer cannot be used: {key} {what}."),
            Self::NoDrive => {
                f.write_str("This machine has no drive to install on: none was found. Check that it is plugged in.")
            }
            Self::NoTarget { refused } => {
                f.write_str("There is no drive to install on:")?;
                for (index, (drive, why)) in refused.iter().enumerate() {
                    write!(f, "{} {drive} {why}", if index == 0 { "" } else { ";" })?;
                }
                f.write_str(".")
            }
            Self::SeveralTargets { candidates } => {
                f.write_str("Several drives could be installed on, and the profile does not say which:")?;
                for (index, drive) in candidates.iter().enumerate() {
                    write!(f, "{} {drive}", if index == 0 { "" } else { "," })?;
                }
                f.write_str(". Set install.targets or install.choose in the profile.")
            }
            Self::TooSmall { drive, needed } => {
                write!(f, "The image needs {} and does not fit on {drive}.", Bytes(*needed))
            }
            Self::Open { path, what } => write!(f, "{path} cannot be opened for writing: {what}."),
            Self::Silent { url, seconds, last } => {
                write!(f, "Nothing came from {url} for {seconds} seconds; the last attempt said: {last}.")
            }
            Self::Refused { url, status } => write!(f, "The server answered {status} to {url}."),
            Self::Changed { url } => write!(f, "The image at {url} was replaced while it was being downloaded."),
            Self::Corrupt { what } => write!(f, "The image cannot be decompressed: {what}."),
            Self::Size { expected, got } => {
                write!(f, "The image has {got} bytes where the server announced {expected}.")
            }
            Self::Checksum { expected, got } => {
                write!(f, "The image that arrived is damaged: its SHA-256 is {got}, the server's is {expected}.")
            }
            Self::Write { path, offset, what } => write!(f, "Writing {path} at byte {offset} failed: {what}."),
            Self::Read { path, offset, what } => write!(f, "Reading {path} at byte {offset} failed: {what}."),
            Self::ReadBack { path, expected, got } => write!(
                f,
                "{path} does not hold what was written to it: read back its SHA-256 is {got} instead of {expected}. \
                 The drive is probably faulty."
            ),
            Self::FirstBoot { what } => write!(
                f,
                "The first boot cannot be prepared: {what}. An empty first_boot table in the profile asks for nothing."
            ),
            Self::Grow { what } => write!(
                f,
                "The last partition cannot be grown: {what}. With install.grow = false in the profile it stays."
            ),
        }
    }
}

impl std::error::Error for Failure {}
