//! What the installer is asked to do and what it works on: the job, the drives, the observer, what was done.
//!
//! [`Job`] is read from the server's reply to `POST /api/config`; nothing in here opens, asks or decides anything.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use serde_json::Value;

use crate::disk::compression::Compression;

mod failure;
mod reply;
#[cfg(test)]
mod tests;

pub use failure::{Failure, Unfit};

/// One installation, as the server wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The name that the machine was given.
    pub hostname: String,
    /// What each report says again, so that the server tells this run from one that was ordered later; `None` from a
    /// server that does not ask for it.
    pub reinstalls: Option<u64>,
    /// Where the image is, absolute.
    pub image_url: String,
    /// Bytes of the image as it is served.
    pub image_size: u64,
    /// How the served bytes are compressed.
    pub compression: Compression,
    /// Bytes of the image once decompressed: what goes onto the drive.
    pub raw_size: u64,
    /// SHA-256 of those bytes, lower-case hex.
    pub raw_sha256: String,
    /// Runs of zero bytes in those bytes, ascending, disjoint.
    pub zero_runs: Vec<Range<u64>>,
    /// Which drive is written.
    pub target: TargetRule,
    /// Whether the last partition grows to the end of the drive.
    pub grow: bool,
    /// What the machine does after success.
    pub after: After,
    /// What the installed system is told for its first boot.
    pub first_boot: FirstBoot,
}

impl Job {
    /// The job in `reply`, the body of the answer to `POST /api/config`.
    ///
    /// # Errors
    ///
    /// [`Failure::Reply`] names the key that is missing or wrong, and what is wrong with it.
    pub fn parse(reply: &Value) -> Result<Self, Failure> {
        reply::job(reply)
    }
}

/// What the machine does when it has been installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Boot what was written.
    Reboot,
    /// Switch off.
    Poweroff,
    /// Stand by, with the result on the screen.
    Wait,
}

/// Which drives may be written, and which of them is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRule {
    /// Any of these may be written: a transport (`nvme`), a path (`/dev/sda`), `serial:TEXT` or `model:TEXT`, where `*`
    /// stands for any text. Empty: any drive that is built in.
    pub allowed: Vec<String>,
    /// Which one, when several may.
    pub choose: Choose,
}

/// Which drive of several is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choose {
    /// None: there has to be exactly one.
    Only,
    /// The largest; of two equal ones the first.
    Largest,
    /// The smallest that the image fits on; of two equal ones the first.
    Smallest,
    /// The first in the order of the list, then by path, that the image fits on.
    First,
}

/// What the installed system is told for its first boot. Without files nothing is prepared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstBoot {
    /// The name it takes.
    pub hostname: String,
    /// Files by name, ready to be written: `firstrun.sh`, `user-data`, `meta-data`, `network-config`, `custom.toml`.
    pub files: BTreeMap<String, String>,
}

/// A drive of this machine, as the kernel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drive {
    /// The block device, `/dev/nvme0n1`.
    pub path: String,
    /// Maker's name of the model, without surrounding blanks; may be empty.
    pub model: String,
    /// Serial number, without surrounding blanks; may be empty.
    pub serial: String,
    /// Size in bytes.
    pub size: u64,
    /// How it is attached.
    pub transport: Transport,
    /// The kernel says that the medium can be taken out.
    pub removable: bool,
    /// The kernel refuses writes.
    pub read_only: bool,
    /// This system was started from it, or it holds the installer.
    pub boot_medium: bool,
}

impl fmt::Display for Drive {
    /// `/dev/sda (SAMSUNG X, serial 123, 500.1 GB)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.path)?;
        if !self.model.is_empty() {
            write!(f, "{}, ", self.model)?;
        }
        if !self.serial.is_empty() {
            write!(f, "serial {}, ", self.serial)?;
        }
        write!(f, "{})", Bytes(self.size))
    }
}

/// How a drive is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Nvme,
    /// SD card or eMMC.
    Mmc,
    Usb,
    Ata,
    Scsi,
    Virtio,
}

impl Transport {
    /// The word for it in the API and in a list of allowed targets.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nvme => "nvme",
            Self::Mmc => "mmc",
            Self::Usb => "usb",
            Self::Ata => "ata",
            Self::Scsi => "scsi",
            Self::Virtio => "virtio",
        }
    }
}

/// How far an installation is. The words are those of `POST /api/status` and `POST /api/progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The image comes in and goes onto the drive.
    Downloading,
    /// Every byte is read back from the drive.
    Verifying,
    /// The first boot is prepared, the last partition grown.
    Customizing,
}

impl Stage {
    /// The word for it in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
            Self::Customizing => "customizing",
        }
    }
}

/// Who watches an installation: the screen, the reports, a test. Called from the thread that runs
/// [`install`](super::imaging::install) and from its reader; must return soon.
pub trait Observer: Sync {
    /// `stage` has begun.
    fn stage(&self, stage: Stage);
    /// `done` of `total` bytes of the raw image are written (downloading) or read back (verifying). Never falls within a
    /// stage; comes with every few MiB.
    fn progress(&self, stage: Stage, done: u64, total: u64);
    /// Something worth a line on the screen and in the server's log.
    fn note(&self, text: &str);
    /// Something that an operator should know although the work goes on, such as a download that broke off and is resumed.
    fn warn(&self, text: &str);
}

/// How long the network may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A connection that brings no byte for so long is given up and made anew.
    pub read: Duration,
    /// The longest pause between two attempts; the first is a quarter of a second, each next one twice the last.
    pub pause: Duration,
    /// Without a single new byte for so long, the download has failed.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { read: Duration::from_secs(30), pause: Duration::from_secs(10), silence: Duration::from_secs(15 * 60) }
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The drive that was written.
    pub drive: Drive,
    /// Bytes of the raw image, all of them in place.
    pub raw_size: u64,
    /// Of these, bytes of zero that were not sent to the drive, because it was proven to hold zeros there.
    pub skipped: u64,
    /// SHA-256 of what was read back, lower-case hex; equal to the server's.
    pub sha256: String,
    /// Where it was read back from.
    pub read_back: ReadBack,
    /// How often the download broke off and was resumed.
    pub resumed: u32,
    /// How the first boot was prepared; nothing when it was not asked for.
    pub first_boot: Option<Method>,
    /// Bytes that the last partition gained; nothing when that was not asked for.
    pub grown: Option<u64>,
}

/// Where the bytes came from that were compared with the server's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// From the device, past the kernel's cache.
    Device,
    /// Through the kernel's cache, because the device or file system allows nothing else.
    Cache,
}

/// How the first boot was prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `firstrun.sh` on the boot partition of a Raspberry Pi OS image, started by `systemd.run` in its `cmdline.txt`.
    Script,
    /// `custom.toml` on the boot partition of a Raspberry Pi OS image that reads it.
    CustomToml,
    /// The cloud-init seed on the boot partition of a Raspberry Pi OS image that brings cloud-init.
    BootPartitionSeed,
    /// A cloud-init seed in a FAT partition of its own, labelled `CIDATA`.
    SeedPartition,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Script => "firstrun.sh, started once from cmdline.txt",
            Self::CustomToml => "custom.toml on the boot partition",
            Self::BootPartitionSeed => "cloud-init files on the boot partition",
            Self::SeedPartition => "cloud-init files on a CIDATA partition",
        })
    }
}

/// A number of bytes for people: `500.1 GB`. Decimal units, as drives are sold.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 4] =
            [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
        for (unit, size) in UNITS {
            if self.0 >= size {
                return write!(f, "{}.{} {unit}", self.0 / size, self.0 % size / (size / 10));
            }
        }
        write!(f, "{} bytes", self.0)
    }
}
