//! File systems of few bytes, and changes of sound ones, as the root of an image: listed and read, or refused.
//!
//! Every path that is listed lies below what was asked for; no file is longer than it may be.

use std::io::Cursor;

use hatchery::disk::ext4::FileSystem;

use crate::script::Script;
use crate::sparse;

/// What `mkfs.ext4 -b 1024` made of a directory with a few files and links, without checksums, and with them.
const SOUND: [&[u8]; 2] =
    [include_bytes!("../seeds/ext4_image/plain"), include_bytes!("../seeds/ext4_image/checksums")];

/// The longest file that is read, and how many.
const LENGTH_MAX: u64 = 64 << 10;
const FILES_MAX: usize = 32;

/// Whether files were listed.
pub fn run(bytes: &[u8]) -> bool {
    let image = match Script::of(bytes) {
        Some(mut script) => changed(&mut script),
        None => sparse::unpacked(bytes),
    };
    let length = image.len() as u64;
    let Ok(system) = FileSystem::open(Cursor::new(image), 0, length) else { return false };
    let mut listed = false;
    for directory in ["/lib", "/usr/lib/modules", "/boot", "/none"] {
        let Ok(files) = system.files(directory) else { continue };
        assert!(files.is_sorted());
        for path in files.iter().take(FILES_MAX) {
            assert!(path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/')), "{path}");
            if let Ok(bytes) = system.read(path, LENGTH_MAX) {
                assert!(bytes.len() as u64 <= LENGTH_MAX);
            }
        }
        listed |= !files.is_empty();
    }
    drop(system.exists("/lib/modules/../link/x"));
    drop(system.read("/usr/lib/os-release", LENGTH_MAX));
    listed
}

/// A sound one with a few bytes changed, mostly in what says where things are: the superblock, the group descriptors,
/// the inodes, which all lie in the first 16 KiB of such a small one.
fn changed(script: &mut Script<'_>) -> Vec<u8> {
    let mut image = sparse::unpacked(script.choice(&SOUND));
    for _ in 0..script.below(6) {
        let within = if script.rarely() { image.len() } else { 16 << 10 };
        let at = usize::from(script.word()) % within.min(image.len());
        image[at] = script.byte();
    }
    image
}
