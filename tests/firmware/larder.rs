//! What machines boot in the tests: loaders brought by `hatchery assets fetch`, Debian's kernels, and an initramfs that
//! says one line. Made once outside of the lab, which has no network; packages are kept below `target`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use hatchery::archive::apt::Apt;
use hatchery::archive::cpio::Archive;
use hatchery::archive::deb::{self, Kind};
use nix::fcntl::{Flock, FlockArg};

use crate::needs::{INSTALLER_ARM, INSTALLER_X86};

/// What the initramfs says once it runs; the kernel's command line follows.
pub const GREETING: &str = "HATCHERY-INITRAMFS";

/// An architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    X86_64,
    Arm64,
}

impl Arch {
    const ALL: [Arch; 2] = [Arch::X86_64, Arch::Arm64];

    /// Our name of it.
    pub fn word(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Arm64 => "arm64",
        }
    }

    /// Debian's name of it.
    fn debian(self) -> &'static str {
        match self {
            Arch::X86_64 => "amd64",
            Arch::Arm64 => "arm64",
        }
    }

    /// The kernel's package; it is in the larder.
    pub fn kernel_package(self) -> PathBuf {
        kept().join(format!("linux-image-{0}_{0}.deb", self.debian()))
    }

    /// Debian's kernel.
    pub fn kernel(self) -> Vec<u8> {
        fs::read(boot().join("installer").join(self.word()).join("vmlinuz")).expect("the larder has it")
    }

    /// Debian's static busybox.
    pub fn busybox(self) -> Vec<u8> {
        extract(&kept().join(format!("busybox-static_{}.deb", self.debian())), "bin/busybox")
    }

    /// Debian's GRUB for disks, and the name by which a UEFI looks for a loader.
    pub fn grub(self) -> (Vec<u8>, &'static str) {
        let debian = self.debian();
        let (platform, grub, loader) = match self {
            Arch::X86_64 => ("x86_64-efi", "grubx64.efi", "BOOTX64.EFI"),
            Arch::Arm64 => ("arm64-efi", "grubaa64.efi", "BOOTAA64.EFI"),
        };
        let package = kept().join(format!("grub-efi-{debian}-bin_{debian}.deb"));
        (extract(&package, &format!("usr/lib/grub/{platform}/monolithic/{grub}")), loader)
    }
}

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

/// The boot directory with our own installer.
pub fn installer() -> PathBuf {
    directory().join("boot-installer")
}

fn kept() -> PathBuf {
    directory().join("debs")
}

/// Fills the larder, once in this process; with our installer if asked for.
///
/// # Errors
/// A sentence: which package could not be had, and why.
pub fn stock(with_installer: bool) -> Result<(), String> {
    static STOCKED: OnceLock<Result<(), String>> = OnceLock::new();
    static INSTALLER: OnceLock<Result<(), String>> = OnceLock::new();
    STOCKED.get_or_init(fill).clone()?;
    if with_installer { INSTALLER.get_or_init(build_installer).clone() } else { Ok(()) }
}

/// Runs our own program.
fn hatchery(arguments: &[&OsStr]) -> Result<(), String> {
    let output = Command::new(env!("CARGO_BIN_EXE_hatchery")).args(arguments).output().expect("our own program");
    let said = || format!("hatchery {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(said()) }
}

fn fetch_assets(boot: &Path) -> Result<(), String> {
    let (boot, kept) = (boot.as_os_str(), kept());
    let fixed = ["assets", "fetch", "ipxe", "grub", "pxelinux", "--boot"].map(OsStr::new);
    hatchery(&[&fixed[..], &[boot, OsStr::new("--debs"), kept.as_os_str()]].concat())
}

/// The program for a PC, from the sources as they are: cargo knows whether anything is to be done.
fn build_program() -> Result<(), String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/build-installer");
    let output =
        Command::new(script).arg(Arch::X86_64.word()).output().map_err(|error| format!("{script}: {error}"))?;
    let said = || format!("{script}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(said()) }
}

fn build_installer() -> Result<(), String> {
    let _lock = lock();
    build_program()?;
    fetch_assets(&installer())?;
    let built = [(Arch::X86_64, INSTALLER_X86), (Arch::Arm64, INSTALLER_ARM)];
    for (arch, program) in built.into_iter().filter(|(_, program)| Path::new(program).exists()) {
        let (kernel, boot) = (arch.kernel_package(), installer());
        let fixed = ["installer", "build", "pc", "--arch", arch.word(), "--installer", program].map(OsStr::new);
        let places = [OsStr::new("--kernel"), kernel.as_os_str(), OsStr::new("--boot"), boot.as_os_str()];
        hatchery(&[&fixed[..], &places].concat())?;
    }
    Ok(())
}

/// Another run of the tests may be doing the same.
fn lock() -> Flock<fs::File> {
    fs::create_dir_all(kept()).expect("a directory below target");
    let lock = fs::File::create(directory().join("lock")).expect("a file below target");
    Flock::lock(lock, FlockArg::LockExclusive).expect("a lock")
}

fn fill() -> Result<(), String> {
    let _lock = lock();
    let kept = kept();
    fetch_assets(&boot())?;
    Arch::ALL.into_iter().try_for_each(|arch| {
        let debian = arch.debian();
        let place = boot().join("installer").join(arch.word());
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
    let found = extract_all(package, &|path| path.starts_with(wanted));
    let first = found.into_iter().next().unwrap_or_else(|| panic!("{} has no {wanted}", package.display()));
    first.1
}

/// The files of a package with such a path.
pub fn extract_all(package: &Path, wanted: &dyn Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let visited = deb::open(package).and_then(|package| {
        package.visit(|entry| {
            if entry.kind == Kind::File && wanted(entry.path) {
                let mut bytes = Vec::new();
                entry.content.read_to_end(&mut bytes)?;
                found.push((entry.path.to_owned(), bytes));
            }
            Ok(())
        })
    });
    visited.unwrap_or_else(|error| panic!("{}: {error}", package.display()));
    found
}
