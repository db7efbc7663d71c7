//! The imaging of one machine, from the choice of the drive to the prepared first boot.
//!
//! The order is the safety: the drive's old ends are destroyed first and the new ones are written last, after every
//! other byte is on the drive, read back and prepared. Whatever interrupts it leaves a drive that does not boot.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::disk::compression::{self, Compression};
use crate::disk::partitions::grow;

use super::device::Device;
use super::fetch::Download;
use super::job::{Bytes, Drive, Failure, Installed, Job, Observer, Patience, ReadBack, Stage};
use super::withheld::{Disk, Withheld};
use super::write::Notices;
use super::{first_boot, target, verify, write};

/// Carries `job` out on one of `drives`.
///
/// # Errors
///
/// Whatever fails, once the drive was touched it does not boot: the machine boots from the network again.
pub fn install(
    job: &Job,
    drives: &[Drive],
    patience: &Patience,
    observer: &dyn Observer,
) -> Result<Installed, Failure> {
    let drive = target::choose(drives, &job.target, job.raw_size)?;
    let mut device = Device::open(&drive.path)?;
    if device.size() < job.raw_size {
        let drive = Drive { size: device.size(), ..drive.clone() };
        return Err(Failure::TooSmall { drive, needed: job.raw_size });
    }
    observer.note(&format!("Installing {} on {drive}.", job.image_url));
    observer.stage(Stage::Downloading);
    let mut withheld = Withheld::take(&mut device)?;
    let discarded = device.discard();
    // What a discarded sector reads as nobody promises, and the old ends are to be gone in any case.
    withheld.wipe(&mut device)?;

    let resumed = Arc::new(AtomicU32::new(0));
    let source = |notices: Notices| {
        // The runs are those of the raw image: they can be left out of a download of just that.
        let zeros: &[_] = if job.compression == Compression::None { &job.zero_runs } else { &[] };
        let download = Download::new(&job.image_url, job.image_size, zeros, *patience, notices, Arc::clone(&resumed));
        compression::decoder(job.compression, download)
            .map_err(|error: io::Error| Failure::Corrupt { what: error.to_string() })
    };
    let skipped = write::write(&mut device, &mut withheld, job, discarded, source, observer)?;

    observer.stage(Stage::Verifying);
    let (sha256, read_back) = verify::verify(&mut device, &withheld, job, observer)?;
    match read_back {
        ReadBack::Device => observer.note("Every byte was read back from the drive and is right."),
        ReadBack::Cache => {
            observer.warn("Every byte was read back and is right, but only through the cache of this system.")
        }
    }

    observer.stage(Stage::Customizing);
    let mut disk = Disk::new(&mut device, &mut withheld);
    let prepared = first_boot::prepare(&mut disk, &job.first_boot)?;
    let grown = if job.grow {
        let added = prepared.as_ref().and_then(|prepared| prepared.added);
        let failed = |error: io::Error| Failure::Grow { what: error.to_string() };
        Some(grow::grow_last(&mut disk, added).map_err(failed)?)
    } else {
        None
    };
    device.flush_and_forget()?;
    if let Some(prepared) = &prepared {
        first_boot::confirm(&mut Disk::new(&mut device, &mut withheld), prepared)?;
    }
    verify::complete(&mut device, &withheld)?;
    if let Some(prepared) = &prepared {
        observer.note(&format!("The first boot is prepared by {}.", prepared.method));
    }
    if let Some(grown) = grown {
        observer
            .note(&format!("The last partition is {} larger; its file system grows at the first boot.", Bytes(grown)));
    }
    Ok(Installed {
        drive: drive.clone(),
        raw_size: job.raw_size,
        skipped,
        sha256,
        read_back,
        resumed: resumed.load(Ordering::Relaxed),
        first_boot: prepared.map(|prepared| prepared.method),
        grown,
    })
}
