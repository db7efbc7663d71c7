//! The tree that Raspberry Pis boot, from an image of Raspberry Pi OS.
//!
//! Kernels, device trees, overlays and firmware come from its FAT partition, modules from its ext4 partition. `config.txt`
//! and `cmdline.txt` are not in the tree: they are answers, rendered for each machine.

mod boot_files;
mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;

use super::output::Output;
use super::source::{Root, unpack};
use super::{BuildError, Built, Watch, initramfs, warn_of_large};

/// The name of the tree below the boot directory; the shipped profile names it.
pub const TREE: &str = "pi";

/// The initramfs in the tree; the template of `config.txt` names it.
pub const INITRAMFS: &str = "initramfs.img";

/// The kernels, which say their versions.
const KERNELS: [&str; 2] = ["kernel8.img", "kernel_2712.img"];

/// What each model cannot boot without.
const MODELS: [(&str, &[&str]); 3] = [
    ("Raspberry Pi 3", &["bootcode.bin", "start.elf", "fixup.dat", "kernel8.img", "bcm2710-rpi-3-b.dtb"]),
    ("Raspberry Pi 4", &["start4.elf", "fixup4.dat", "kernel8.img", "bcm2711-rpi-4-b.dtb"]),
    // Its firmware is in its EEPROM.
    ("Raspberry Pi 5", &["kernel_2712.img", "bcm2712-rpi-5-b.dtb"]),
];

/// What to build.
pub struct Pi<'a> {
    /// The image: a disk image with a partition table, compressed or not.
    pub image: &'a Path,
    /// The installer's program, for arm64.
    pub installer: Vec<u8>,
    /// The boot directory; the result is [`TREE`] in it.
    pub boot: &'a Path,
    /// The template of `config.txt`, which has to fit the tree.
    pub config: &'a str,
}

/// Builds the tree.
///
/// # Errors
/// If the image is no image of Raspberry Pi OS or cannot be read, if no model can boot from what it has, if kernel modules
/// are missing, or if `watch` says to stop.
pub fn build(pi: Pi<'_>, watch: &dyn Watch) -> Result<Built, BuildError> {
    let path = pi.boot.join(TREE);
    let mut output = Output::begin(&path)?;
    let image = image::open(pi.image, output.directory(), watch)?;
    let boot = boot_files::read(&image, watch)?;
    let lacking = lacking(&boot);
    if lacking.len() == MODELS.len() {
        let all: BTreeSet<&String> = lacking.iter().flat_map(|(_, files)| files).collect();
        let all = all.into_iter().map(|file| format!("{file} in the boot partition of {}", pi.image.display()));
        return Err(BuildError::Missing(all.collect()));
    }
    let versions = versions(&boot)?;
    let mut root = Root(image.root()?);
    let survey = initramfs::survey(&mut root, watch)?;
    let (packed, kernels) = initramfs::build(&mut root, &survey, &versions, pi.installer, watch)?;
    for (name, bytes) in &boot {
        output.add(name, bytes)?;
    }
    output.add(INITRAMFS, &packed)?;
    let files = output.files();
    let mut warnings = unfitting(pi.config, &files);
    warn_of_large(&files, &mut warnings);
    output.finish(json!({ "kernels": versions }))?;
    let bytes = files.iter().map(|(_, size)| size).sum();
    Ok(Built { path, kernels, files: files.len(), bytes, lacking, warnings })
}

/// What each model lacks, of those that lack anything.
fn lacking(boot: &BTreeMap<String, Vec<u8>>) -> Vec<(&'static str, Vec<String>)> {
    let lack = |files: &[&str]| -> Vec<String> {
        files.iter().filter(|file| !boot.contains_key(**file)).map(|file| (*file).to_owned()).collect()
    };
    MODELS.iter().map(|(model, files)| (*model, lack(files))).filter(|(_, files)| !files.is_empty()).collect()
}

/// The versions of the kernels that are there.
fn versions(boot: &BTreeMap<String, Vec<u8>>) -> Result<BTreeSet<String>, BuildError> {
    let mut versions = BTreeSet::new();
    for name in KERNELS {
        let Some(bytes) = boot.get(name) else { continue };
        let plain = unpack(bytes.clone()).map_err(BuildError::io(name))?;
        let version = version(&plain).ok_or_else(|| BuildError::Unfit(format!("{name} does not say its version")))?;
        versions.insert(version);
    }
    Ok(versions)
}

/// What stands in a kernel between "Linux version " and the next blank.
fn version(kernel: &[u8]) -> Option<String> {
    const BEFORE: &[u8] = b"Linux version ";
    let mut places = (0..kernel.len()).filter(|at| kernel[*at] == b'L' && kernel[*at..].starts_with(BEFORE));
    places.find_map(|at| {
        let rest = &kernel[at + BEFORE.len()..];
        let word = std::str::from_utf8(&rest[..rest.iter().take(65).position(|byte| *byte == b' ')?]).ok()?;
        let is_version = word.starts_with(|c: char| c.is_ascii_digit())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_' | '~'));
        is_version.then(|| word.to_owned())
    })
}

/// Where the template of `config.txt` names a file that the tree does not have.
fn unfitting(config: &str, files: &[(String, u64)]) -> Vec<String> {
    let named = config.lines().map(str::trim).filter_map(|line| {
        let name = line.strip_prefix("kernel=").or_else(|| line.strip_prefix("initramfs "))?;
        // What a template puts in is not known here.
        name.split_whitespace().next().filter(|name| !name.contains('{'))
    });
    named
        .filter(|name| files.iter().all(|(file, _)| file != name))
        .map(|name| format!("the template pi/config.txt names {name}, which the tree does not have"))
        .collect()
}

#[cfg(test)]
mod tests;
