//! What machines boot in the tests: loaders brought by `hatchery assets fetch`, Debian's kernels, and an initramfs that
//! says one line. Made once outside of the lab, which has no network; packages are kept below `target`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use hatchery::archive::apt::Apt;
use hatchery::archive::cpio::Archive;
use hatchery::archive::deb::{self, Kind};
use nix::fcntl::{Flock, FlockArg};

/// What the initramfs says once it runs; the kernel's command line follows.
pub const GREETING: &str = "HATCHERY-INITRAMFS";

/// Debian's and our name of each architecture.
const ARCHITECTURES: [(&str, &str); 2] = [("amd64", "x86_64"), ("arm64", "arm64")];

/// Says the greeting on whichever serial line there is: without `console=`, a PC's kernel speaks to the screen.
const INIT: &str = "#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
for line in ttyS0 ttyAMA0; do
    [ -c /dev/$line ] && echo \"GREETING $(/bin/busybox cat /proc/cmdline)\" >/dev/$line
done
/bin/busybox sleep 1
/bin/busybox poweroff -f
";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware")
}

/// The boot directory.
pub fn boot() -> PathBuf {
    directory().join("boot")
}

/// Fills the larder, once in this process.
///
/// # Errors
/// A sentence: which package could not be had, and why.
pub fn stock() -> Result<(), String> {
    static STOCKED: OnceLock<Result<(), String>> = OnceLock::new();
    STOCKED.get_or_init(fill).clone()
}

fn fill() -> Result<(), String> {
    let directory = directory();
    let kept = directory.join("debs");
    fs::create_dir_all(&kept).expect("a directory below target");
    // Another run of the tests may be doing the same.
    let lock = fs::File::create(directory.join("lock")).expect("a file below target");
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).expect("a lock");
    let mut fetch = Command::new(env!("CARGO_BIN_EXE_hatchery"));
    fetch.args(["assets", "fetch", "ipxe", "grub", "pxelinux", "--boot"]).arg(boot()).arg("--debs").arg(&kept);
    let output = fetch.output().expect("our own program");
    if !output.status.success() {
        return Err(format!("{fetch:?}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    ARCHITECTURES.into_iter().try_for_each(|(debian, ours)| {
        let place = boot().join("installer").join(ours);
        fs::create_dir_all(&place).expect("a directory below target");
        let busybox = extract(&package(&kept, "busybox-static", debian)?, "bin/busybox");
        let mut initramfs = Archive::default();
        initramfs.directory("dev", 0o755);
        initramfs.directory("proc", 0o755);
        initramfs.file("bin/busybox", 0o755, busybox);
        initramfs.file("init", 0o755, INIT.replace("GREETING", GREETING).into_bytes());
        let file = fs::File::create(place.join("initrd.img")).expect("a file below target");
        initramfs.write_gzip(file).expect("an initramfs");
        if !place.join("vmlinuz").exists() {
            let kernel = extract(&package(&kept, &format!("linux-image-{debian}"), debian)?, "boot/vmlinuz-");
            fs::write(place.join("vmlinuz"), kernel).expect("a file below target");
        }
        Ok(())
    })
}

/// The `.deb` of a package, or of what it depends on first: the kernel behind its metapackage.
fn package(kept: &Path, name: &str, architecture: &str) -> Result<PathBuf, String> {
    let path = kept.join(format!("{name}_{architecture}.deb"));
    if path.exists() {
        return Ok(path);
    }
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let wrong = |error| format!("cannot get the package {name} for {architecture}: {error}");
    let apt = Apt::new(architecture, scratch.path(), &|| false).map_err(wrong)?;
    let name = match name.starts_with("linux-image") {
        true => apt.depends(name).map_err(wrong)?.into_iter().next().unwrap_or_default(),
        false => name.to_owned(),
    };
    let downloaded = apt.download(&name).map_err(wrong)?;
    let part = path.with_extension("part");
    fs::copy(downloaded, &part).and_then(|_| fs::rename(&part, &path)).expect("a file below target");
    Ok(path)
}

/// The first file of a package whose path begins so.
fn extract(package: &Path, wanted: &str) -> Vec<u8> {
    let mut found = None;
    let visited = deb::open(package).and_then(|package| {
        package.visit(|entry| {
            if found.is_none() && entry.kind == Kind::File && entry.path.starts_with(wanted) {
                let mut bytes = Vec::new();
                entry.content.read_to_end(&mut bytes)?;
                found = Some(bytes);
            }
            Ok(())
        })
    });
    visited.unwrap_or_else(|error| panic!("{}: {error}", package.display()));
    found.unwrap_or_else(|| panic!("{} has no {wanted}", package.display()))
}
