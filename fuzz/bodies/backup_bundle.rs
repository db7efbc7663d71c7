//! Any bytes as what lies in a backup, and backups made here, whole and with a change: what is read whole is what was
//! written, anything else is refused.

use std::io::{self, Read};

use hatchery::archive::bundle::{self, Bundle, BundleError};

use crate::script::Script;
use crate::tarball;

const NAMES: [&str; 5] = ["hatchery.db", "hatchery.toml", "templates/pi/config.txt", "access.db", "boot/a"];

/// Whether a file of it was shown.
pub fn run(bytes: &[u8]) -> bool {
    match Script::of(bytes) {
        Some(mut script) => {
            if script.below(4) == 0 {
                strange(&mut script)
            } else {
                whole(&mut script)
            }
        }
        None => shown(&tarball::stored(bytes)).1 > 0,
    }
}

/// What is read, and how many files were shown on the way.
fn shown(bytes: &[u8]) -> (Result<bundle::Manifest, BundleError>, usize) {
    let mut files = 0;
    let read = bundle::read(bytes, None, |name, size, source| {
        assert!(!name.is_empty() && !name.starts_with('/') && name.split('/').all(|part| part != ".."), "{name}");
        files += 1;
        let length = io::copy(&mut source.take(1 << 20), &mut io::sink())?;
        assert!(length <= size);
        Ok(())
    });
    if let Err(error) = &read {
        assert!(!error.to_string().is_empty());
    }
    (read, files)
}

/// One of our own, which is read as it was written unless a byte of it was changed.
fn whole(script: &mut Script<'_>) -> bool {
    let mut bundle = Bundle::new(Vec::new(), None).expect("memory");
    let mut files = Vec::new();
    for name in NAMES.iter().take(script.below(NAMES.len() + 1)) {
        let content = script.slice(200);
        bundle.add(name, content.len() as u64, 1_800_000_000, content).expect("memory");
        files.push(((*name).to_owned(), content.len() as u64));
    }
    let mut bytes = bundle.finish("2027-01-15T08:00:00Z", 1_800_000_000).expect("memory");
    let before = bytes.clone();
    if script.below(2) == 1 {
        let at = usize::from(script.word()) % bytes.len();
        match script.below(3) {
            0 => bytes[at] = script.byte(),
            1 => bytes.truncate(at),
            _ => bytes.insert(at, script.byte()),
        }
    }
    let (read, seen) = shown(&bytes);
    match read {
        Ok(manifest) => assert_eq!(manifest.files, files),
        Err(error) => assert_ne!(bytes, before, "{error}"),
    }
    seen > 0
}

/// One that nobody made here: members of any name and kind, and a manifest that may not be theirs.
fn strange(script: &mut Script<'_>) -> bool {
    let mut tar = Vec::new();
    for _ in 0..script.below(5) {
        tar.extend(tarball::some_member(script, &NAMES));
    }
    let manifest = script.choice(&[
        &b"{\"files\":[],\"format\":\"hatchery backup 1\",\"made_at\":\"\",\"version\":\"\"}"[..],
        b"{\"files\":[{\"name\":\"hatchery.db\",\"sha256\":\"\",\"size\":0}],\"format\":\"hatchery backup 1\"}",
        b"{\"format\":\"hatchery backup 2\"}",
        b"[]",
        b"{",
    ]);
    tar.extend(tarball::member(b"manifest.json", b'0', b"0000600\0", b"", manifest));
    tar.resize(tar.len() + 1024, 0);
    let (read, seen) = shown(&tarball::stored(&tar));
    assert!(read.is_err() || seen == 0, "nothing here has a digest that is right");
    seen > 0
}
