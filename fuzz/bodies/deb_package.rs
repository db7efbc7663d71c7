//! Any bytes, and packages of known members, as a Debian package: every entry is shown, or the package is refused.
//!
//! No path leads out of the package, and no entry is longer than it says.

use std::io::{self, Cursor, Read};

use hatchery::archive::deb::{DebError, Entry, Package};

use crate::script::Script;
use crate::tarball;

const NAMES: [&str; 8] = [
    "./boot/vmlinuz-6",
    "./usr/lib/modules/6/x.ko",
    "./",
    "usr/share/doc/a",
    "./usr",
    "./boot/config",
    "lib",
    "./a/./b",
];
const CONTROL: &[u8] = b"Package: linux-image-6\nVersion: 6.1-2\nArchitecture: amd64\n";

/// Bytes that are looked at, where a few stand for very many.
const READ_MAX: u64 = 8 << 20;

/// Whether its control part was read.
pub fn run(bytes: &[u8]) -> bool {
    let bytes = match Script::of(bytes) {
        Some(mut script) => built(&mut script),
        None => bytes.to_vec(),
    };
    let package = match Package::new(Cursor::new(bytes)) {
        Ok(package) => package,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let control = package.control().clone();
    assert!(![control.package, control.version, control.architecture].contains(&String::new()));
    let mut left = READ_MAX;
    let seen = package.visit(|Entry { path, size, mode, content, .. }| {
        assert!(!path.starts_with('/') && path.split('/').all(|part| part != ".." && part != "."), "{path}");
        assert!(mode <= 0o7777);
        let read = io::copy(&mut content.take(left), &mut io::sink())?;
        assert!(read <= size);
        left -= read;
        if left == 0 || size > READ_MAX { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) }
    });
    if let Err(DebError::Damaged(what) | DebError::Unsupported(what)) = seen {
        assert!(!what.is_empty());
    }
    true
}

fn built(script: &mut Script<'_>) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    ar(script, &mut bytes, "debian-binary", b"2.0\n");
    let control = if script.rarely() { script.slice(64) } else { CONTROL };
    let mut tar = tarball::member(b"./control", b'0', b"0000644\0", b"", control);
    if script.rarely() {
        tar.splice(0..0, tarball::some_member(script, &["./md5sums", "./postinst"]));
    }
    packed(script, &mut bytes, "control.tar", &tar);
    if script.rarely() {
        ar(script, &mut bytes, "_gpgorigin", b"x");
    }
    let mut tar = Vec::new();
    for _ in 0..script.below(6) {
        tar.extend(tarball::some_member(script, &NAMES));
    }
    if !script.rarely() {
        tar.resize(tar.len() + 1024, 0);
    }
    packed(script, &mut bytes, "data.tar", &tar);
    if script.rarely() {
        let at = usize::from(script.word()) % bytes.len();
        bytes.truncate(at);
    }
    bytes
}

fn packed(script: &mut Script<'_>, bytes: &mut Vec<u8>, name: &str, tar: &[u8]) {
    if script.rarely() {
        // Not what its name says.
        let name = format!("{name}{}", script.choice(&[".gz", ".xz", ".lzma", ".zst", "x"]));
        ar(script, bytes, &name, tar);
    } else if script.below(2) == 0 {
        ar(script, bytes, name, tar);
    } else {
        ar(script, bytes, &format!("{name}.zst"), &tarball::stored(tar));
    }
}

fn ar(script: &mut Script<'_>, bytes: &mut Vec<u8>, name: &str, content: &[u8]) {
    let size = if script.rarely() { 1 << script.below(40) } else { content.len() };
    bytes.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}", 0, 0, 0, 100_644).bytes());
    bytes.extend(if script.rarely() { b"``" } else { b"`\n" });
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(2), b'\n');
}
