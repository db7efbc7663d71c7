//! Real block devices, by loop devices of our own where we are root, and drives that do not keep what they are given.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use hatchery::disk::compression::Compression;
use hatchery::installer::imaging;
use hatchery::installer::job::{Failure, Observer, ReadBack, Stage};

use crate::bench::{PATIENCE, Watcher, drive, install, job};
use crate::images::{MIB, outcome, run, text, used_drive};
use crate::server::{Fault, Server};
use crate::whole::{assert_dead, raw};

/// A loop device over a file; detached with this value.
struct Loop(String);

impl Loop {
    /// Nothing where that is not allowed: as an ordinary user, or in a container. Under `CI=true` it has to be.
    fn over(file: &Path) -> Option<Self> {
        let (code, said) = outcome("losetup", &["--find", "--show", text(file)], "");
        if code == Some(0) {
            return Some(Self(said.trim().to_owned()));
        }
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must allow loop devices: {said}");
        eprintln!("SKIPPED: loop devices are not to be had here (run as root): {said}");
        None
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        outcome("losetup", &["--detach", &self.0], "");
    }
}

#[test]
fn a_block_device_is_discarded_written_and_read_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let raw = raw();
    let server = Server::start(raw.clone(), |_| Fault::default());
    let file = used_drive(&directory.path().join("drive"), 48 * MIB);
    let Some(device) = Loop::over(&file) else { return };
    let path = PathBuf::from(&device.0);
    let mut listed = drive(&file);
    listed.path.clone_from(&device.0);
    let job = job(server.url(), &raw, Compression::None, raw.len());
    let done = imaging::install(&job, &[listed.clone()], &PATIENCE, &Watcher::default()).expect("it works");
    assert_eq!(done.read_back, ReadBack::Device);
    assert!(done.skipped >= 12 * MIB, "{} bytes were proven zero", done.skipped);
    let written = fs::read(&path).expect("the device");
    assert!(written[..raw.len()] == raw[..]);
    assert!(written[raw.len()..].iter().all(|byte| *byte == 0), "nothing of the old content is left");

    // What is in use is not touched.
    run("mke2fs", &["-q", "-t", "ext4", &device.0], "");
    let mount = directory.path().join("mount");
    fs::create_dir(&mount).expect("a directory");
    if outcome("mount", &[&device.0, text(&mount)], "").0 == Some(0) {
        let failure = imaging::install(&job, &[listed], &PATIENCE, &Watcher::default()).expect_err("it is mounted");
        run("umount", &[text(&mount)], "");
        assert!(failure.to_string().contains("is in use"), "{failure}");
        assert!(outcome("e2fsck", &["-n", "-f", &device.0], "").0 == Some(0), "it was not touched");
    }
}

/// Changes a byte of the drive as soon as it is to be read back.
struct Faulty {
    drive: PathBuf,
    at: u64,
}

impl Observer for Faulty {
    fn stage(&self, stage: Stage) {
        if stage == Stage::Verifying {
            let file = fs::File::options().write(true).open(&self.drive).expect("the drive");
            file.write_all_at(b"bad", self.at).expect("a write");
        }
    }

    fn progress(&self, _: Stage, _: u64, _: u64) {}

    fn note(&self, _: &str) {}

    fn warn(&self, _: &str) {}
}

#[test]
fn a_drive_that_does_not_keep_what_it_is_given_is_found_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let raw = raw();
    let server = Server::start(raw.clone(), |_| Fault::default());
    let job = job(server.url(), &raw, Compression::None, raw.len());
    // In the data, in zeros that were not written, in the last sector.
    for at in [5_000_000, 20_000_000, raw.len() as u64 - 300] {
        let path = used_drive(&directory.path().join("drive"), 48 * MIB);
        let faulty = Faulty { drive: path.clone(), at };
        let failure = imaging::install(&job, &[drive(&path)], &PATIENCE, &faulty).expect_err("it forgot");
        assert!(matches!(failure, Failure::ReadBack { .. }), "{failure}");
        assert!(failure.to_string().contains("does not hold what was written"), "{failure}");
        assert_dead(&path);
    }
}

#[test]
fn where_the_cache_cannot_be_bypassed_nothing_else_is_claimed() {
    // Older kernels refuse O_DIRECT on tmpfs; newer ones take it and serve it from memory.
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else { return };
    let raw = raw();
    let server = Server::start(raw.clone(), |_| Fault::default());
    let path = used_drive(&directory.path().join("drive"), 48 * MIB);
    let refused = {
        use std::os::unix::fs::OpenOptionsExt;
        fs::File::options().read(true).custom_flags(libc::O_DIRECT).open(&path).is_err()
    };
    let watcher = Watcher::default();
    let job = job(server.url(), &raw, Compression::None, raw.len());
    let done = install(&job, &path, &watcher).expect("it works");
    assert_eq!(done.read_back == ReadBack::Cache, refused);
    assert_eq!(watcher.said("only through the cache"), refused);
    assert!(fs::read(&path).expect("the drive")[..raw.len()] == raw[..]);
}
