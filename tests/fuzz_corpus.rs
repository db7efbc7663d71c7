//! The bodies of the fuzz targets without a fuzzer: every seed, and some thousand changes of them, the same each time.
//!
//! A seed gets through the door of its target, unless its name begins with `refused-`.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "../fuzz/bodies/config_toml.rs"]
mod config_toml;
#[path = "../fuzz/bodies/dhcp_frame.rs"]
mod dhcp_frame;
#[path = "../fuzz/bodies/file_name.rs"]
mod file_name;
#[path = "../fuzz/bodies/http_head.rs"]
mod http_head;
#[path = "../fuzz/bodies/template.rs"]
mod template;
#[path = "../fuzz/bodies/tftp_packet.rs"]
mod tftp_packet;
#[path = "../fuzz/bodies/tftp_transfer.rs"]
mod tftp_transfer;

use std::fs;
use std::path::Path;

use fastrand::Rng;

/// Changed inputs per target.
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

/// Runs a body over its seeds and their changes; at least one change in `one_in` gets through.
fn replay(target: &str, body: fn(&[u8]) -> bool, one_in: usize) {
    let seeds = seeds(target);
    assert!(seeds.len() >= 4, "{target} has {} seeds", seeds.len());
    for (name, seed) in &seeds {
        assert_eq!(body(seed), !name.starts_with("refused-"), "{target}/{name}");
    }
    let mut rng = Rng::with_seed(2132);
    let pick = |rng: &mut Rng| seeds[rng.usize(..seeds.len())].1.clone();
    let mut reached = 0;
    for _ in 0..CHANGES {
        let (one, other) = (pick(&mut rng), pick(&mut rng));
        let input = changed(&one, &other, &mut rng);
        let result = std::panic::catch_unwind(|| body(&input));
        reached += usize::from(result.unwrap_or_else(|_| panic!("{target}: {}", input.escape_ascii())));
    }
    eprintln!("{target}: {reached} of {CHANGES} changed seeds got through");
    assert!(reached * one_in >= CHANGES, "{target}: only {reached} of {CHANGES} changed seeds got through");
}

#[test]
fn dhcp_frame() {
    replay("dhcp_frame", dhcp_frame::run, 20);
}

#[test]
fn tftp_packet() {
    replay("tftp_packet", tftp_packet::run, 20);
}

#[test]
fn tftp_transfer() {
    replay("tftp_transfer", tftp_transfer::run, 20);
}

#[test]
fn http_head() {
    replay("http_head", http_head::run, 20);
}

#[test]
fn config_toml() {
    replay("config_toml", config_toml::run, 100);
}

#[test]
fn template() {
    replay("template", template::run, 20);
}

#[test]
fn file_name() {
    replay("file_name", file_name::run, 20);
}
