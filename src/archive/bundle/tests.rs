use super::*;

const PHRASE: &str = "pit lane umbrella";

fn bundle(passphrase: Option<&str>) -> Vec<u8> {
    let mut bundle = Bundle::new(Vec::new(), passphrase).expect("memory");
    for (name, bytes) in files() {
        bundle.add(name, bytes.len() as u64, 0, &*bytes).expect("memory");
    }
    bundle.finish("2026-11-21T09:30:00Z", 0).expect("memory")
}

fn files() -> [(&'static str, Vec<u8>); 3] {
    let mut dice = fastrand::Rng::with_seed(5);
    let noise = (0..300_000).map(|_| dice.u8(..)).collect();
    [("config/hatchery.toml", b"[http]".to_vec()), ("data/empty", Vec::new()), ("data/hatchery.db", noise)]
}

type Unpacked = (Manifest, Vec<(String, Vec<u8>)>);

fn unpack(bytes: &[u8], passphrase: Option<&str>) -> Result<Unpacked, BundleError> {
    let mut found = Vec::new();
    let manifest = read(bytes, passphrase, |name, _, source| {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes)?;
        found.push((name.to_owned(), bytes));
        Ok(())
    })?;
    Ok((manifest, found))
}

#[test]
fn what_was_put_in_comes_out() {
    for passphrase in [None, Some(PHRASE)] {
        let (manifest, found) = unpack(&bundle(passphrase), passphrase).expect("a bundle");
        assert_eq!(found, files().map(|(name, bytes)| (name.to_owned(), bytes)));
        assert_eq!(manifest.files.len(), 3);
        assert_eq!(manifest.made_at, "2026-11-21T09:30:00Z");
    }
    // Who only wants to know whether it is whole takes nothing.
    read(&*bundle(None), None, |_, _, _| Ok(())).expect("it is");
}

#[test]
fn every_cut_and_every_changed_byte_is_seen() {
    let bytes = bundle(None);
    for end in (0..bytes.len()).step_by(997).chain([bytes.len() - 1]) {
        assert!(unpack(&bytes[..end], None).is_err(), "cut at {end}");
    }
    for at in (0..bytes.len()).step_by(1009) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        let same =
            unpack(&changed, None).map(|(_, found)| found == files().map(|(name, bytes)| (name.to_owned(), bytes)));
        assert!(same.unwrap_or(true), "changed at {at}, and taken for whole");
    }
    let cut = unpack(&bytes[..bytes.len() / 2], None).expect_err("cut");
    assert!(matches!(cut, BundleError::Cut), "{cut:?}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let sealed = bundle(Some(PHRASE));
    assert!(matches!(unpack(&sealed, None), Err(BundleError::NeedsPassphrase)));
    assert!(matches!(unpack(&sealed, Some("something else")), Err(BundleError::Seal(SealError::WrongPassphrase))));
    assert!(matches!(unpack(b"PK\x03\x04 a zip", None), Err(BundleError::Foreign)));
    assert!(unpack(&sealed[..sealed.len() - 100], Some(PHRASE)).is_err());
    let full = io::Error::from(io::ErrorKind::StorageFull);
    let mut full = Some(full);
    let refused = read(&*bundle(None), None, |_, _, _| full.take().map_or(Ok(()), Err));
    assert!(matches!(refused, Err(BundleError::Take(_))));
}

#[test]
fn names_cannot_lead_elsewhere() {
    for name in ["/etc/passwd", "../up", "data/../../up", ""] {
        assert!(!is_plain(name), "{name}");
    }
    assert!(is_plain("templates/grub/grub.cfg"));
}
