//! The imaging of one machine, from the choice of the drive to the prepared first boot.

use super::job::{Drive, Failure, Installed, Job, Observer, Patience};
use super::target;

/// Carries `job` out on one of `drives`.
///
/// # Errors
///
/// Whatever fails leaves a drive that does not boot: the machine boots from the network again.
pub fn install(
    job: &Job,
    drives: &[Drive],
    _patience: &Patience,
    _observer: &dyn Observer,
) -> Result<Installed, Failure> {
    let drive = target::choose(drives, &job.target, job.raw_size)?;
    Err(Failure::Open { path: drive.path.clone(), what: "this build does not write drives".to_owned() })
}
