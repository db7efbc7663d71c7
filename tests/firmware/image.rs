//! A small real image: GRUB, Debian's kernel and a busybox initramfs on an EFI system partition, and an ext4 root.
//!
//! At its first boot it loads its drivers, checks every byte of its root, takes the host name that a NoCloud seed gives
//! it, says so on the serial line, and switches off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};
use hatchery::archive::cpio::Archive;

use crate::larder::{Arch, extract_all};

/// What it says at its first boot; the host name follows, and whether its root is sound.
pub const FIRST_BOOT: &str = "FIRST-BOOT";

const MIB: u64 = 1 << 20;
/// The partitions: where they begin, and how long they are.
const ESP: (u64, u64) = (MIB, 72 * MIB);
const ROOT: (u64, u64) = (73 * MIB, 16 * MIB);
/// The image's own length: the second copy of the partition table needs a little room.
const LENGTH: u64 = 90 * MIB;

/// The modules that it takes to see the disk; loaded again and again until none is missing another one.
const MODULES: [&str; 18] = [
    "virtio",
    "virtio_ring",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
    "crc16",
    "crc32c_generic",
    "mbcache",
    "jbd2",
    "ext4",
    "fat",
    "vfat",
    "nls_cp437",
    "nls_ascii",
    "nls_iso8859-1",
    "nls_utf8",
    "libcrc32c",
];

const INIT: &str = r#"#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
for pass in 1 2 3 4 5; do
    for module in /modules/*; do insmod $module 2>/dev/null; done
done
for wait in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vda2 ] || sleep 1; done
mount -t ext4 -o ro /dev/vda2 /root
root=damaged
(cd /root && sha256sum -c SUMS >/dev/null 2>&1) && root=sound
seed=$(findfs LABEL=CIDATA)
[ -b "$seed" ] && mount -t vfat -o ro $seed /seed
hostname "$(sed -n 's/^local-hostname: *//p' /seed/meta-data | tr -d "\"'")"
echo "FIRST-BOOT hostname=$(hostname) root=$root"
sleep 1
poweroff -f
"#;

/// Makes the image for an architecture.
pub fn make(path: &Path, arch: Arch) {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).expect("a file");
    file.set_len(LENGTH).expect("a sparse file");
    partition(path);
    fill_esp(&file, arch);
    let root = root(scratch.path());
    file.seek(SeekFrom::Start(ROOT.0)).expect("a seek");
    io::copy(&mut File::open(root).expect("the root"), &mut file).expect("room");
}

fn partition(path: &Path) {
    let line =
        |(start, length): (u64, u64), kind| format!("start={}, size={}, type={kind}\n", start / 512, length / 512);
    // An EFI system partition, and Linux data.
    let esp = line(ESP, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
    let root = line(ROOT, "0FC63DAF-8483-4772-8E79-3D69D8477DE4");
    let mut sfdisk = Command::new("/usr/sbin/sfdisk");
    sfdisk.arg("--quiet").arg(path).stdin(Stdio::piped());
    let mut child = sfdisk.spawn().expect("sfdisk, of the package fdisk");
    let script = format!("label: gpt\n{esp}{root}");
    child.stdin.take().expect("it is piped").write_all(script.as_bytes()).expect("it reads");
    assert!(child.wait().expect("a child of ours").success());
}

fn fill_esp(file: &File, arch: Arch) {
    let mut esp = Window { file: file.try_clone().expect("a second descriptor"), start: ESP.0, length: ESP.1, at: 0 };
    fatfs::format_volume(&mut esp, FormatVolumeOptions::new().volume_label(*b"ESP        ")).expect("a file system");
    let esp = FileSystem::new(esp, FsOptions::new()).expect("a file system");
    let root = esp.root_dir();
    for directory in ["EFI", "EFI/BOOT", "EFI/debian"] {
        root.create_dir(directory).expect("a directory");
    }
    let console = if arch == Arch::Arm64 { "ttyAMA0" } else { "ttyS0" };
    let menu = format!(
        "search --file --set=root /vmlinuz\nlinux /vmlinuz console={console} quiet\ninitrd /initrd.img\nboot\n"
    );
    let (grub, loader) = arch.grub();
    let files = [
        (format!("EFI/BOOT/{loader}"), grub),
        // Where Debian's GRUB looks.
        ("EFI/debian/grub.cfg".to_owned(), menu.into_bytes()),
        ("vmlinuz".to_owned(), arch.kernel()),
        ("initrd.img".to_owned(), initramfs(arch)),
    ];
    for (name, bytes) in files {
        let mut file = root.create_file(&name).expect("a file");
        file.write_all(&bytes).expect("room");
    }
}

fn initramfs(arch: Arch) -> Vec<u8> {
    let mut archive = Archive::default();
    for directory in ["dev", "proc", "root", "seed"] {
        archive.directory(directory, 0o755);
    }
    archive.file("bin/busybox", 0o755, arch.busybox());
    archive.file("init", 0o755, INIT.into());
    for (path, bytes) in extract_all(&arch.kernel_package(), &|path| {
        let name = path.rsplit('/').next().and_then(|file| file.strip_suffix(".ko"));
        name.is_some_and(|name| MODULES.contains(&name))
    }) {
        let name = path.rsplit('/').next().expect("a path has a last part");
        archive.file(&format!("modules/{name}"), 0o644, bytes);
    }
    let mut packed = Vec::new();
    archive.write_gzip(&mut packed).expect("an initramfs");
    packed
}

/// An ext4 file system with files that cannot be guessed and their sums.
fn root(scratch: &Path) -> PathBuf {
    let tree = scratch.join("tree");
    fs::create_dir(&tree).expect("a directory");
    let mut rng = fastrand::Rng::with_seed(1);
    for number in 0..8 {
        let mut bytes = vec![0; 1 << 20];
        rng.fill(&mut bytes);
        fs::write(tree.join(format!("file{number}")), bytes).expect("a file");
    }
    let sums = Command::new("sh").args(["-c", "sha256sum file* >SUMS"]).current_dir(&tree).status();
    assert!(sums.expect("sha256sum").success());
    let image = scratch.join("root.ext4");
    File::create(&image).and_then(|file| file.set_len(ROOT.1)).expect("a sparse file");
    let made = Command::new("/usr/sbin/mke2fs").args(["-q", "-t", "ext4", "-d"]).arg(&tree).arg(&image).status();
    assert!(made.expect("e2fsprogs").success());
    image
}

/// A part of a file as a file of its own.
struct Window {
    file: File,
    start: u64,
    length: u64,
    at: u64,
}

impl Window {
    fn room(&mut self, wanted: usize) -> io::Result<usize> {
        self.file.seek(SeekFrom::Start(self.start + self.at))?;
        Ok(wanted.min(usize::try_from(self.length - self.at).unwrap_or(usize::MAX)))
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = self.room(buffer.len())?;
        let count = self.file.read(&mut buffer[..room])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for Window {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room(bytes.len())?;
        let count = self.file.write(&bytes[..room])?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.filter(|at| *at <= self.length).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
