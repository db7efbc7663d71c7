//! Whole installations: every compression, every refusal.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::Compression as Level;
use flate2::read::GzEncoder;
use hatchery::disk::compression::Compression;
use hatchery::installer::imaging;
use hatchery::installer::job::{Failure, ReadBack, Stage};

use crate::bench::{PATIENCE, Watcher, drive, install, job};
use crate::images::{MIB, cloud, noise, run, text, used_drive};
use crate::server::{Fault, Server};

/// Nothing on it boots.
pub fn assert_dead(path: &Path) {
    let bytes = fs::read(path).expect("the drive");
    assert!(bytes[..1 << 20].iter().all(|byte| *byte == 0), "the first MiB holds something");
    assert!(bytes[bytes.len() - (1 << 20)..].iter().all(|byte| *byte == 0), "the last MiB holds something");
}

/// 32 MiB and a sector: noise, a long run of zeros, noise.
pub fn raw() -> Vec<u8> {
    let mut raw = noise(9 << 20, 1);
    raw.resize(25 << 20, 0);
    raw.extend(noise((7 << 20) + 512, 2));
    raw
}

fn packed(raw: &[u8], compression: Compression, directory: &Path) -> Vec<u8> {
    let path = directory.join("raw");
    fs::write(&path, raw).expect("room");
    match compression {
        Compression::None => raw.to_vec(),
        Compression::Gzip => {
            let mut packed = Vec::new();
            GzEncoder::new(raw, Level::fast()).read_to_end(&mut packed).expect("memory reads");
            packed
        }
        Compression::Xz => {
            run("xz", &["-1", "-k", text(&path)], "");
            fs::read(path.with_extension("xz")).expect("it was made")
        }
        Compression::Zstd => {
            run("zstd", &["-q", "-1", text(&path)], "");
            fs::read(path.with_extension("zst")).expect("it was made")
        }
    }
}

#[test]
fn every_compression_arrives_byte_for_byte() {
    for compression in Compression::ALL {
        let directory = tempfile::tempdir().expect("a directory");
        let raw = raw();
        let served = packed(&raw, compression, directory.path());
        let length = served.len();
        let server = Server::start(served, |_| Fault::default());
        let target = used_drive(&directory.path().join("drive"), 48 * MIB);
        let watcher = Watcher::default();
        let done = install(&job(server.url(), &raw, compression, length), &target, &watcher).expect("it works");
        let written = fs::read(&target).expect("the drive");
        assert!(written[..raw.len()] == raw[..], "{compression:?}");
        assert!(written[written.len() - (1 << 20)..].iter().all(|byte| *byte == 0), "the old copy of a GPT is gone");
        assert_eq!(done.read_back, ReadBack::Device, "a file on a disk is read past the cache");
        assert!(done.skipped >= 12 * MIB, "{} bytes of zero were skipped", done.skipped);
        assert_eq!(
            *watcher.stages.lock().expect("no panic"),
            [Stage::Downloading, Stage::Verifying, Stage::Customizing]
        );
        assert_eq!(watcher.last(), Some((Stage::Verifying, raw.len() as u64, raw.len() as u64)));
    }
}

#[test]
fn an_image_as_large_as_the_drive_fills_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let raw = fs::read(cloud(directory.path())).expect("the image");
    let server = Server::start(raw.clone(), |_| Fault::default());
    let target = used_drive(&directory.path().join("drive"), raw.len() as u64);
    install(&job(server.url(), &raw, Compression::None, raw.len()), &target, &Watcher::default()).expect("it fits");
    assert!(fs::read(&target).expect("the drive") == raw);
    assert!(run("sgdisk", &["-v", text(&target)], "").contains("No problems found"));
}

#[test]
fn known_runs_of_zeros_are_not_downloaded() {
    let directory = tempfile::tempdir().expect("a directory");
    let raw = raw();
    let server = Server::start(raw.clone(), |_| Fault::default());
    let target = used_drive(&directory.path().join("drive"), 48 * MIB);
    let mut job = job(server.url(), &raw, Compression::None, raw.len());
    job.zero_runs.push(9 * MIB..25 * MIB);
    install(&job, &target, &Watcher::default()).expect("it works");
    assert!(fs::read(&target).expect("the drive")[..raw.len()] == raw[..]);
    let asked: Vec<_> = server.requests().iter().map(|request| request.range).collect();
    assert_eq!(asked, [Some((0, Some(9 * MIB - 1))), Some((25 * MIB, Some(raw.len() as u64 - 1)))]);
}

#[test]
fn a_drive_that_is_too_small_is_not_touched() {
    let directory = tempfile::tempdir().expect("a directory");
    let raw = raw();
    let server = Server::start(raw.clone(), |_| Fault::default());
    let target = used_drive(&directory.path().join("drive"), 16 * MIB);
    let before = fs::read(&target).expect("the drive");
    let job = job(server.url(), &raw, Compression::None, raw.len());
    let failure = install(&job, &target, &Watcher::default()).expect_err("it does not fit");
    assert!(matches!(failure, Failure::TooSmall { .. }), "{failure}");
    // The kernel says another size than the inventory did.
    let mut wrong = drive(&target);
    wrong.size = 1 << 40;
    let failure = imaging::install(&job, &[wrong], &PATIENCE, &Watcher::default()).expect_err("it does not fit");
    assert!(matches!(failure, Failure::TooSmall { .. }), "{failure}");
    assert!(fs::read(&target).expect("the drive") == before);
    assert!(server.requests().is_empty(), "nothing was asked for");
}

#[test]
fn several_drives_without_a_rule_are_not_touched() {
    let directory = tempfile::tempdir().expect("a directory");
    let raw = raw();
    let drives = ["a", "b"].map(|name| used_drive(&directory.path().join(name), 48 * MIB));
    let before = drives.clone().map(|path| fs::read(path).expect("the drive"));
    let job = job("http://127.0.0.1:9/x", &raw, Compression::None, raw.len());
    let listed = drives.clone().map(|path| drive(&path));
    let failure = imaging::install(&job, &listed, &PATIENCE, &Watcher::default()).expect_err("which one?");
    assert!(matches!(failure, Failure::SeveralTargets { .. }), "{failure}");
    assert!(drives.map(|path| fs::read(path).expect("the drive")) == before);
}

#[test]
fn an_image_that_is_damaged_never_boots() {
    let directory = tempfile::tempdir().expect("a directory");
    let raw = raw();
    for compression in Compression::ALL {
        let served = packed(&raw, compression, directory.path());
        let (length, middle) = (served.len(), served.len() / 2);
        let server = Server::start(served, move |_| Fault { corrupt: Some(middle), ..Fault::default() });
        let target = used_drive(&directory.path().join("drive"), 48 * MIB);
        let job = job(server.url(), &raw, compression, length);
        let failure = install(&job, &target, &Watcher::default()).expect_err("it is damaged");
        assert!(matches!(failure, Failure::Checksum { .. } | Failure::Corrupt { .. }), "{compression:?}: {failure}");
        assert_dead(&target);
        for name in ["raw.xz", "raw.zst"] {
            let _ = fs::remove_file(directory.path().join(name));
        }
    }
}

#[test]
fn an_image_of_another_size_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let raw = raw();
    let served = packed(&raw, Compression::Gzip, directory.path());
    let length = served.len();
    let server = Server::start(served, |_| Fault::default());
    for wrong in [raw.len() as u64 - 512, raw.len() as u64 + 512] {
        let target = used_drive(&directory.path().join("drive"), 48 * MIB);
        let mut job = job(server.url(), &raw, Compression::Gzip, length);
        job.raw_size = wrong;
        let failure = install(&job, &target, &Watcher::default()).expect_err("another size");
        assert!(matches!(failure, Failure::Size { .. }), "{failure}");
        assert_dead(&target);
    }
}
