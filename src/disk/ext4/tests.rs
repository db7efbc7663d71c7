//! A file system that mke2fs makes, in the middle of other bytes.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

/// Where the file system begins in its file.
const START: u64 = 1 << 20;
const LENGTH: u64 = 8 << 20;

/// A file with a file system in it; none where mke2fs is missing, which is said.
fn image(directory: &std::path::Path) -> Option<File> {
    let root = directory.join("root");
    fs::create_dir_all(root.join("usr/lib/modules/6.12/kernel")).expect("a directory");
    fs::write(root.join("usr/lib/modules/6.12/kernel/a.ko"), vec![7; 100_000]).expect("a file");
    fs::write(root.join("usr/lib/modules/6.12/modules.builtin"), "b\n").expect("a file");
    symlink("usr/lib", root.join("lib")).expect("a link");
    symlink("a.ko", root.join("usr/lib/modules/6.12/kernel/link.ko")).expect("a link");
    symlink("nowhere", root.join("usr/lib/modules/6.12/kernel/dangling.ko")).expect("a link");
    symlink("..", root.join("usr/lib/modules/6.12/up")).expect("a link");
    let path = directory.join("image");
    File::create(&path).expect("a file").set_len(START + LENGTH + 12345).expect("room");
    let mut mke2fs = Command::new("mke2fs");
    mke2fs.args(["-q", "-F", "-t", "ext4", "-d"]).arg(&root).arg("-E").arg(format!("offset={START}"));
    match mke2fs.arg(&path).arg(format!("{}k", LENGTH >> 10)).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "mke2fs: {error}; install e2fsprogs");
            eprintln!("SKIPPED: mke2fs: {error}; install e2fsprogs");
            return None;
        }
    }
    Some(File::open(path).expect("our file"))
}

#[test]
fn files_are_found_and_read_through_links() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(image) = image(directory.path()) else { return };
    let files = FileSystem::open(image, START, LENGTH).expect("a file system");
    let expected = ["kernel/a.ko", "kernel/link.ko", "modules.builtin"].map(|name| format!("/lib/modules/6.12/{name}"));
    assert_eq!(files.files("/lib/modules").expect("a list"), expected);
    assert!(files.files("/lib/firmware").expect("a list").is_empty());
    assert_eq!(files.read("/lib/modules/6.12/kernel/link.ko", 1 << 20).expect("a file"), vec![7; 100_000]);
    let error = files.read("/usr/lib/modules/6.12/kernel/a.ko", 99_999).expect_err("too large");
    assert!(error.to_string().contains("100000 bytes"), "{error}");
    assert!(files.exists("/lib/modules/6.12/modules.builtin").expect("an answer"));
    assert!(!files.exists("/lib/modules/6.13").expect("an answer"));
}

#[test]
fn what_is_cut_or_no_file_system_is_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(image) = image(directory.path()) else { return };
    assert!(FileSystem::open(image.try_clone().expect("a handle"), 0, LENGTH).is_err(), "zeros");
    let cut = FileSystem::open(image, START, 200_000);
    assert!(cut.and_then(|files| files.read("/lib/modules/6.12/kernel/a.ko", 1 << 20)).is_err());
}
