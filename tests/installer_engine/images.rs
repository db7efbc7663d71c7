//! Disk images made by the tools that everybody makes them with.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const MIB: u64 = 1 << 20;

/// Runs a tool and returns what it says; it has to succeed.
pub fn run(tool: &str, args: &[&str], input: &str) -> String {
    let (code, text) = outcome(tool, args, input);
    assert_eq!(code, Some(0), "{tool} {args:?}:\n{text}");
    text
}

/// Runs a tool: its exit code, and what it says.
pub fn outcome(tool: &str, args: &[&str], input: &str) -> (Option<i32>, String) {
    let package = match tool {
        "mkfs.vfat" | "fsck.vfat" => "dosfstools",
        "mcopy" | "mdir" | "mtype" | "mlabel" => "mtools",
        "sgdisk" => "gdisk",
        "sfdisk" => "fdisk",
        "mke2fs" | "e2fsck" => "e2fsprogs",
        "xz" => "xz-utils",
        "losetup" | "blkid" => "util-linux",
        "mount" | "umount" => "mount",
        other => other,
    };
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let child = Command::new(tool)
        .args(args)
        .env("PATH", path)
        .env("MTOOLS_SKIP_CHECK", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{tool} is missing ({error}): apt-get install {package}"));
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("an ASCII path")
}

/// Bytes that no compressor makes small and no mistake makes equal.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A file of `length` zeros.
pub fn empty(path: &Path, length: u64) -> File {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path).expect("a new file");
    file.set_len(length).expect("room");
    file
}

/// A FAT file system of `length` bytes that holds `files`.
pub fn fat(directory: &Path, length: u64, label: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let path = directory.join("fat.part");
    empty(&path, length);
    run("mkfs.vfat", &["-n", label, "-i", "c0ffee01", text(&path)], "");
    for (name, content) in files {
        let source = directory.join("one.file");
        fs::write(&source, content).expect("room");
        run("mcopy", &["-i", text(&path), text(&source), &format!("::{name}")], "");
    }
    fs::read(&path).expect("it was made")
}

/// An ext4 file system of `length` bytes with some files.
pub fn ext4(directory: &Path, length: u64) -> Vec<u8> {
    let path = directory.join("ext4.part");
    let root = directory.join("root");
    fs::create_dir_all(root.join("etc")).expect("a directory");
    fs::write(root.join("etc/hostname"), "raspberrypi\n").expect("room");
    fs::write(root.join("noise"), noise(3_000_000, 7)).expect("room");
    empty(&path, length);
    run("mke2fs", &["-q", "-t", "ext4", "-d", text(&root), text(&path)], "");
    fs::read(&path).expect("it was made")
}

/// A Raspberry Pi OS image: an MBR, a FAT partition at 4 MiB with `files`, an ext4 one at 44 MiB, 64 MiB in all.
pub fn pi(directory: &Path, files: &[(&str, &str)]) -> PathBuf {
    let path = directory.join("pi.img");
    let image = empty(&path, 64 * MIB);
    run("sfdisk", &["-q", text(&path)], "label: dos\nlabel-id: 0x1234abcd\n4MiB,40MiB,c\n44MiB,20MiB,83\n");
    image.write_all_at(&fat(directory, 40 * MIB, "bootfs", files), 4 * MIB).expect("room");
    image.write_all_at(&ext4(directory, 20 * MIB), 44 * MIB).expect("room");
    path
}

/// A cloud image as Debian makes them: a GPT whose last partition has number 1, with 14 and 15 in front of it, 64 MiB.
pub fn cloud(directory: &Path) -> PathBuf {
    let path = directory.join("cloud.img");
    let image = empty(&path, 64 * MIB);
    let arguments = [
        "-a",
        "2048",
        "-n",
        "14:2048:+3M",
        "-t",
        "14:ef02",
        "-n",
        "15:0:+36M",
        "-t",
        "15:ef00",
        "-n",
        "1:0:0",
        "-t",
        "1:8300",
    ];
    run("sgdisk", &[&arguments[..], &[text(&path)]].concat(), "");
    image.write_all_at(&fat(directory, 36 * MIB, "ESP", &[("marker.txt", "esp")]), 4 * MIB).expect("room");
    image.write_all_at(&ext4(directory, 20 * MIB), 40 * MIB).expect("room");
    path
}

/// A drive of `length` bytes on which another system was installed: tables at both ends, noise between.
pub fn used_drive(path: &Path, length: u64) -> PathBuf {
    let file = empty(path, length);
    for at in [0, MIB, length / 2, length - 2 * MIB] {
        file.write_all_at(&noise(usize::try_from(MIB).expect("small"), at + 3), at).expect("room");
    }
    run("sgdisk", &["-o", "-n", "1:2048:0", text(path)], "");
    path.to_owned()
}
