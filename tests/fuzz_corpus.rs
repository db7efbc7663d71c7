//! The bodies of the fuzz targets without a fuzzer: every seed, and some thousand changes of them, the same each time.
//!
//! A seed gets through the door of its target, unless its name begins with `refused-`.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "../fuzz/bodies/backup_bundle.rs"]
mod backup_bundle;
#[path = "../fuzz/bodies/config_toml.rs"]
mod config_toml;
#[path = "../fuzz/bodies/deb_package.rs"]
mod deb_package;
#[path = "../fuzz/bodies/dhcp_frame.rs"]
mod dhcp_frame;
#[path = "../fuzz/bodies/ext4_image.rs"]
mod ext4_image;
#[path = "../fuzz/bodies/file_name.rs"]
mod file_name;
#[path = "../fuzz/bodies/http_head.rs"]
mod http_head;
#[path = "../fuzz/bodies/image_head.rs"]
mod image_head;
#[path = "../fuzz/bodies/import_text.rs"]
mod import_text;
#[path = "../fuzz/bodies/link_frame.rs"]
mod link_frame;
#[path = "../fuzz/bodies/script.rs"]
mod script;
#[path = "../fuzz/bodies/sparse.rs"]
mod sparse;
#[path = "../fuzz/bodies/tarball.rs"]
mod tarball;
#[path = "../fuzz/bodies/template.rs"]
mod template;
#[path = "../fuzz/bodies/tftp_packet.rs"]
mod tftp_packet;
#[path = "../fuzz/bodies/tftp_transfer.rs"]
mod tftp_transfer;
#[path = "common/pcap.rs"]
mod pcap;

use std::fs;
use std::path::Path;

use fastrand::Rng;

/// Changed inputs per target, and fresh scripts.
const CHANGES: usize = 4000;

/// The seeds of a target with their names, by name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read(path).expect("a seed"))
    };
    let mut seeds: Vec<_> = fs::read_dir(directory).expect("seeds of this target").map(read).collect();
    seeds.sort();
    seeds
}

/// `bytes` with a few changes: bytes flipped, left out, doubled, or taken from another seed.
fn changed(bytes: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..=changed.len());
        let end = rng.usize(at..=changed.len().min(at + 8));
        match rng.u8(..5) {
            0 => changed.truncate(at),
            1 => drop(changed.drain(at..end)),
            2 => changed.insert(at, rng.u8(..)),
            3 if at < changed.len() => changed[at] ^= 1 << rng.u8(..8),
            _ => {
                let from = rng.usize(..=other.len());
                let piece = &other[from..rng.usize(from..=other.len())];
                changed.splice(at..end, piece.iter().copied());
            }
        }
    }
    changed
}

/// Runs a body over its seeds, their changes, and scripts of luck. Of the changes, and of the scripts, at least one in so
/// many gets through.
fn replay(target: &str, body: fn(&[u8]) -> bool, one_in: (usize, usize)) {
    replay_with(target, body, one_in, CHANGES);
}

/// The same with as many changes as this target's bodies are worth the time for.
fn replay_with(target: &str, body: fn(&[u8]) -> bool, one_in: (usize, usize), changes: usize) {
    let seeds = seeds(target);
    assert!(seeds.len() >= 4, "{target} has {} seeds", seeds.len());
    for (name, seed) in &seeds {
        assert_eq!(body(seed), !name.starts_with("refused-"), "{target}/{name}");
    }
    let mut rng = Rng::with_seed(2132);
    let pick = |rng: &mut Rng| seeds[rng.usize(..seeds.len())].1.clone();
    many(target, body, "changed seeds", (one_in.0, changes), || {
        let (one, other) = (pick(&mut rng), pick(&mut rng));
        changed(&one, &other, &mut rng)
    });
    let mut rng = Rng::with_seed(7);
    many(target, body, "scripts", (one_in.1, changes), || {
        let mut script = vec![0xff; rng.usize(1..1024)];
        rng.fill(&mut script[1..]);
        script
    });
}

fn many(
    target: &str,
    body: fn(&[u8]) -> bool,
    what: &str,
    (one_in, changes): (usize, usize),
    mut next: impl FnMut() -> Vec<u8>,
) {
    let mut reached = 0;
    for _ in 0..changes {
        let input = next();
        let result = std::panic::catch_unwind(|| body(&input));
        reached += usize::from(result.unwrap_or_else(|_| panic!("{target}: {}", input.escape_ascii())));
    }
    eprintln!("{target}: {reached} of {changes} {what} got through");
    assert!(reached * one_in >= changes, "{target}: only {reached} of {changes} {what} got through");
}

#[test]
fn dhcp_frame() {
    replay("dhcp_frame", dhcp_frame::run, (7, 3));
}

#[test]
fn tftp_packet() {
    replay("tftp_packet", tftp_packet::run, (5, 2));
}

#[test]
fn tftp_transfer() {
    replay("tftp_transfer", tftp_transfer::run, (4, 2));
}

#[test]
fn http_head() {
    replay("http_head", http_head::run, (16, 3));
}

#[test]
fn config_toml() {
    replay("config_toml", config_toml::run, (50, 4));
}

#[test]
fn template() {
    replay("template", template::run, (23, 3));
}

#[test]
fn file_name() {
    replay("file_name", file_name::run, (3, 3));
}

#[test]
fn link_frame() {
    replay("link_frame", link_frame::run, (10, 3));
}

#[test]
fn import_text() {
    replay("import_text", import_text::run, (6, 3));
}

#[test]
fn image_head() {
    replay_with("image_head", image_head::run, (6, 6), CHANGES / 4);
}

#[test]
fn ext4_image() {
    replay_with("ext4_image", ext4_image::run, (9, 6), CHANGES / 4);
}

#[test]
fn deb_package() {
    replay("deb_package", deb_package::run, (12, 6));
}

#[test]
fn backup_bundle() {
    replay("backup_bundle", backup_bundle::run, (6, 3));
}

#[test]
fn every_captured_frame_is_read() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut frames = 0;
    for entry in fs::read_dir(captures).expect("captures") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "pcap") {
            continue;
        }
        for packet in pcap::udp_packets(&path) {
            if [packet.src.port(), packet.dst.port()].iter().any(|port| matches!(port, 67 | 68 | 4011)) {
                assert!(dhcp_frame::run(&packet.payload), "{}: {packet:?}", path.display());
                frames += 1;
            }
        }
    }
    assert!(frames >= 50, "only {frames} DHCP frames");
}
