//! The installer's program: where it is found, and whether it can be the first process of that machine.

use std::fs;
use std::path::{Path, PathBuf};

use super::elf::{Elf, Kind};
use super::{Arch, BuildError};

/// What it is called.
const NAME: &str = "hatchery-installer";

/// Where installed packages have it.
const INSTALLED: &str = "/usr/lib/hatchery/installer";

/// Reads the installer for `arch`: from `given`, else from where it is built or installed; `own` is our own executable.
///
/// # Errors
/// If there is none, or it is no static program for that architecture.
pub fn read(arch: Arch, given: Option<&Path>, own: Option<&Path>) -> Result<Vec<u8>, BuildError> {
    let places = match given {
        Some(path) => vec![path.to_owned()],
        None => places(arch, own),
    };
    let Some(path) = places.iter().find(|path| path.is_file()) else {
        let looked: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
        return Err(BuildError::Missing(vec![format!(
            "the installer for {} ({}): build it with packaging/build-installer {}, or name it with --installer",
            arch.word(),
            looked.join(", "),
            arch.word()
        )]));
    };
    let bytes = fs::read(path).map_err(BuildError::io(path.display()))?;
    match check(arch, &bytes) {
        Ok(()) => Ok(bytes),
        Err(why) => Err(BuildError::Unfit(format!(
            "{} {why}; packaging/build-installer {} builds the right one",
            path.display(),
            arch.word()
        ))),
    }
}

/// Beside us, where a build in the source tree leaves it, where packages install it. Never where somebody happens to stand:
/// whoever builds as root must not pick up a program of others.
fn places(arch: Arch, own: Option<&Path>) -> Vec<PathBuf> {
    let below = |directory: &Path| directory.join(arch.word()).join(NAME);
    let mut places = Vec::new();
    if let Some(directory) = own.and_then(Path::parent) {
        places.push(below(&directory.join("installer")));
        // Of target/release/hatchery the directory target.
        if let Some(target) = directory.parent() {
            places.push(below(&target.join("installer")));
        }
    }
    places.push(below(Path::new(INSTALLED)));
    places
}

fn check(arch: Arch, bytes: &[u8]) -> Result<(), String> {
    let elf = Elf::parse(bytes).filter(|elf| elf.kind == Kind::Program).ok_or("is no 64-bit Linux program")?;
    if elf.machine != arch.elf() {
        return Err(format!("is for another processor than {}", arch.word()));
    }
    // There are no libraries in an initramfs.
    if elf.is_dynamic() { Err("is not linked statically".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
