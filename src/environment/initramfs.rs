//! The initramfs: the installer as `/init`, the chosen modules with an index of them, their firmware, two devices.
//!
//! There is no shell and no library in it. An index is `lib/modules/VERSION/index`, one for each kernel that shall boot
//! with this initramfs; [`Choice::index`] says what stands there.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Choice, Modules, WANTED};
use super::source::Source;
use super::{BuildError, Kernel, Watch};
use crate::archive::cpio::Archive;

/// Where modules lie.
const MODULES: &str = "lib/modules/";
/// Where firmware lies.
const FIRMWARE: &str = "lib/firmware/";
/// How the names of kernels begin in Debian packages.
const KERNEL: &str = "boot/vmlinuz-";

/// What a source has.
#[derive(Default)]
pub(super) struct Survey {
    /// The modules of each kernel, by its version.
    pub(super) modules: BTreeMap<String, Modules>,
    /// The kernels in `boot`, by their version.
    pub(super) kernels: BTreeMap<String, Vec<u8>>,
}

/// Looks through `source`.
pub(super) fn survey(source: &mut dyn Source, watch: &dyn Watch) -> Result<Survey, BuildError> {
    let mut survey = Survey::default();
    let wanted = |path: &str| match path.strip_prefix(MODULES) {
        Some(rest) => rest.ends_with(".ko") || rest.ends_with("/modules.builtin"),
        None => path.starts_with(KERNEL),
    };
    watch.step("looking through the modules", None);
    source.visit(watch, &wanted, &mut |path, bytes| {
        if let Some(version) = path.strip_prefix(KERNEL) {
            survey.kernels.insert(version.to_owned(), bytes);
            return Ok(());
        }
        let Some((version, _)) = path[MODULES.len()..].split_once('/') else { return Ok(()) };
        let modules = survey.modules.entry(version.to_owned()).or_default();
        if path.ends_with("/modules.builtin") {
            modules.add_builtin(&String::from_utf8_lossy(&bytes));
            return Ok(());
        }
        modules.add(path, &bytes).map_err(BuildError::Unfit)
    })?;
    Ok(survey)
}

/// Makes the initramfs for the kernels of these versions; compressed.
pub(super) fn build(
    source: &mut dyn Source,
    survey: &Survey,
    versions: &BTreeSet<String>,
    installer: Vec<u8>,
    watch: &dyn Watch,
) -> Result<(Vec<u8>, Vec<Kernel>), BuildError> {
    let choices = choose(survey, versions)?;
    let mut archive = Archive::default();
    for directory in ["dev", "proc", "run", "sys"] {
        archive.directory(directory, 0o755);
    }
    archive.directory("tmp", 0o1777);
    archive.device("dev/console", 0o600, 5, 1);
    archive.device("dev/null", 0o666, 1, 3);
    archive.file("init", 0o755, installer);
    for (version, choice) in &choices {
        archive.file(&format!("{MODULES}{version}/index"), 0o644, choice.index().into_bytes());
    }

    let paths: BTreeSet<&str> = choices.values().flat_map(Choice::paths).collect();
    let firmware: BTreeSet<&str> = choices.values().flat_map(Choice::firmware).collect();
    let wanted =
        |path: &str| paths.contains(path) || path.strip_prefix(FIRMWARE).is_some_and(|name| firmware.contains(name));
    let mut found = BTreeSet::new();
    watch.step("taking the modules", None);
    source.visit(watch, &wanted, &mut |path, bytes| {
        found.extend(path.strip_prefix(FIRMWARE).map(str::to_owned));
        archive.file(path, 0o644, bytes);
        Ok(())
    })?;

    watch.step("packing the initramfs", Some(archive.size()));
    let mut packed = Vec::new();
    let mut out = Watched { out: &mut packed, watch };
    archive.write_gzip(&mut out).map_err(|error| match watch.stopped() {
        true => BuildError::Interrupted,
        false => BuildError::io("the initramfs")(error),
    })?;
    let kernel = |(version, choice): (&String, &Choice)| Kernel {
        version: version.clone(),
        modules: choice.count(),
        firmware_missing: choice.firmware().filter(|name| !found.contains(*name)).map(str::to_owned).collect(),
    };
    let kernels = choices.iter().map(kernel).collect();
    Ok((packed, kernels))
}

fn choose(survey: &Survey, versions: &BTreeSet<String>) -> Result<BTreeMap<String, Choice>, BuildError> {
    let mut missing = Vec::new();
    let mut choices = BTreeMap::new();
    for version in versions {
        match survey.modules.get(version).filter(|modules| modules.count() > 0).map(|modules| modules.choose(WANTED)) {
            None => missing.push(format!("the modules of kernel {version} ({MODULES}{version})")),
            Some(Err(sentences)) => {
                missing.extend(sentences.iter().map(|sentence| format!("{sentence} (kernel {version})")));
            }
            Some(Ok(choice)) => _ = choices.insert(version.clone(), choice),
        }
    }
    if missing.is_empty() { Ok(choices) } else { Err(BuildError::Missing(missing)) }
}

/// A writer that stops when it is told to.
struct Watched<'a> {
    out: &'a mut Vec<u8>,
    watch: &'a dyn Watch,
}

impl std::io::Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.watch.stopped() {
            return Err(std::io::Error::other("stopped"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
