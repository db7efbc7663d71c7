use super::*;

fn known(directory: &Path, content: &[u8]) -> Known {
    let path = directory.join("a.img");
    std::fs::write(&path, content).expect("a file");
    Known::map(&path, Digest([7; 32])).expect("a mapping")
}

fn verdict(known: Option<&Known>, pieces: &[&[u8]]) -> Result<(u64, Digest), String> {
    let mut check = Check::new(known);
    pieces.iter().try_for_each(|piece| check.take(piece))?;
    check.finish()
}

#[test]
fn a_download_passes_for_the_image_only_if_every_byte_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let known = known(directory.path(), b"incubator");
    let check = |pieces: &[&[u8]]| verdict(Some(&known), pieces);
    assert_eq!(check(&[b"incu", b"bator"]), Ok((9, Digest([7; 32]))));
    assert_eq!(check(&[b"incu", b"bbtor"]), Err("byte 5 is not that of the image".into()));
    assert_eq!(check(&[b"incubator", b"s"]), Err("byte 9 is not that of the image".into()));
    assert_eq!(check(&[b"incu"]), Err("4 bytes came of 9".into()));
    assert_eq!(check(&[]), Err("0 bytes came of 9".into()));
}

#[test]
fn an_unknown_download_is_hashed() {
    let digest = Digest::parse("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(verdict(None, &[b"a", b"", b"bc"]), Ok((3, digest.expect("64 digits"))), "FIPS 180-2, B.1");
}

#[test]
fn only_its_own_url_means_the_image() {
    let directory = tempfile::tempdir().expect("a directory");
    let known = known(directory.path(), b"x");
    assert!(known.is_at("http://192.168.151.1/images/a.img"));
    for other in ["http://192.168.151.1/images/b.img", "http://192.168.151.1/boot/a.img", "a.img", ""] {
        assert!(!known.is_at(other), "{other}");
    }
}

#[test]
fn an_empty_file_cannot_be_known() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("empty");
    std::fs::write(&path, b"").expect("a file");
    assert_eq!(
        Known::map(&path, Digest([0; 32])).map_err(|error| error.kind()).err(),
        Some(io::ErrorKind::InvalidInput)
    );
}
