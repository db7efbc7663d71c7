//! Kernel and initramfs for PCs and ARM servers, from Debian packages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::output::Output;
use super::source::Packages;
use super::{Arch, BuildError, Built, Watch, initramfs, warn_of_large};
use crate::archive::apt::{Apt, AptError};
use crate::archive::deb;

/// The packages that stand for the newest kernel, of Debian and of Ubuntu; the architecture goes behind the first.
const NEWEST: [&str; 2] = ["linux-image-", "linux-image-generic"];

/// How the packages are called that a kernel is made of, since distributions divide it.
const PARTS: [&str; 4] = ["linux-image-", "linux-modules-", "linux-binary-", "linux-signed-"];

/// Packages that a search through dependencies looks at, at most.
const PARTS_MAX: usize = 16;

/// What to build.
pub struct Pc<'a> {
    /// For which machines.
    pub arch: Arch,
    /// The packages of one kernel, and of firmware.
    pub packages: &'a [PathBuf],
    /// The installer's program.
    pub installer: Vec<u8>,
    /// The boot directory; the result is `installer/ARCH` in it.
    pub boot: &'a Path,
}

/// Where the result lies below the boot directory; the shipped boot scripts name it.
pub fn directory(arch: Arch) -> String {
    format!("installer/{}", arch.word())
}

/// Builds `vmlinuz` and `initrd.img`.
///
/// # Errors
/// If a package cannot be read or is for another architecture, if anything is missing, or if `watch` says to stop.
pub fn build(pc: Pc<'_>, watch: &dyn Watch) -> Result<Built, BuildError> {
    let mut from = Vec::new();
    for file in pc.packages {
        let damaged = |source| BuildError::Package { file: file.display().to_string(), source };
        let control = deb::open(file).map_err(damaged)?.control().clone();
        if control.architecture != pc.arch.debian() && control.architecture != "all" {
            let (theirs, ours) = (&control.architecture, pc.arch.debian());
            return Err(BuildError::Unfit(format!("{} is for {theirs}, and not for {ours}", file.display())));
        }
        from.push(format!("{} {}", control.package, control.version));
    }
    let path = pc.boot.join(directory(pc.arch));
    let mut output = Output::begin(&path)?;
    let mut source = Packages(pc.packages);
    let mut survey = initramfs::survey(&mut source, watch)?;
    let kernels = std::mem::take(&mut survey.kernels);
    let mut kernels = kernels.into_iter();
    let (version, kernel) = match (kernels.next(), kernels.next()) {
        (Some(one), None) => one,
        (None, _) => {
            let given = if from.is_empty() { "no package".to_owned() } else { from.join(", ") };
            return Err(BuildError::Missing(vec![format!("a kernel (boot/vmlinuz-VERSION) in {given}")]));
        }
        (Some((one, _)), Some((other, _))) => {
            return Err(BuildError::Unfit(format!("there are two kernels, {one} and {other}: give one")));
        }
    };
    let versions = BTreeSet::from([version]);
    let (initrd, kernels) = initramfs::build(&mut source, &survey, &versions, pc.installer, watch)?;
    output.add("vmlinuz", &kernel)?;
    output.add("initrd.img", &initrd)?;
    let files = output.files();
    output.finish(json!({ "arch": pc.arch.word(), "packages": from, "kernels": versions }))?;
    let mut warnings = Vec::new();
    warn_of_large(&files, &mut warnings);
    let bytes = files.iter().map(|(_, size)| size).sum();
    Ok(Built { path, kernels, files: files.len(), bytes, lacking: Vec::new(), warnings })
}

/// Downloads the packages of the newest kernel into `scratch`.
///
/// # Errors
/// If apt fails or has none.
pub fn fetch(arch: Arch, scratch: &Path, watch: &dyn Watch) -> Result<Vec<PathBuf>, BuildError> {
    watch.step("asking apt for the newest kernel", None);
    let stop = || watch.stopped();
    let apt = Apt::new(arch.debian(), scratch, &stop)?;
    let [debian, ubuntu] = NEWEST;
    let mut open = match apt.depends(&format!("{debian}{}", arch.debian())) {
        Err(AptError::NoPackage { .. }) => apt.depends(ubuntu)?,
        depends => depends?,
    };
    let mut names = BTreeSet::new();
    while let Some(name) = open.pop() {
        let is_part = PARTS.iter().any(|part| name.starts_with(part));
        if is_part && names.len() < PARTS_MAX && names.insert(name.clone()) {
            open.extend(apt.depends(&name)?);
        }
    }
    watch.step("downloading the kernel", None);
    Ok(names.iter().map(|name| apt.download(name)).collect::<Result<_, _>>()?)
}
