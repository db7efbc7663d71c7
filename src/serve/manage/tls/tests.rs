use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Origin, Tls, check};

fn made(directory: &Path, names: &[&str]) -> Tls {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let here: IpAddr = "192.168.101.2".parse().expect("an address");
    let origin = Origin::SelfMade { directory: directory.to_owned() };
    Tls::open(origin, &[here], &names).expect("a certificate")
}

#[test]
fn our_own_certificate_is_kept_and_made_anew_for_other_names() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = made(directory.path(), &["hatchery"]).fingerprint();
    assert_eq!(first.len(), 32 * 3 - 1);
    assert_eq!(fs::metadata(directory.path().join("management.key")).expect("a key").mode() & 0o777, 0o600);
    assert_eq!(made(directory.path(), &["hatchery"]).fingerprint(), first, "it is kept");
    let other = made(directory.path(), &["hatchery", "wall"]);
    assert_ne!(other.fingerprint(), first);

    // One that soon ends is made anew, also while it is in use.
    let path = directory.path().join("management.crt");
    let text = fs::read_to_string(&path).expect("a certificate");
    let (line, rest) = text.split_once('\n').expect("a first line");
    let (names, _) = line.split_once(" until ").expect("an end");
    fs::write(&path, format!("{names} until 2026-01-01T00:00:00Z\n{rest}")).expect("a file");
    let before = other.fingerprint();
    let fresh = other.fresh().expect("a certificate");
    assert_eq!(other.fingerprint(), before, "what is read is not yet in force");
    other.take(fresh);
    assert_ne!(other.fingerprint(), before);
}

#[test]
fn bad_files_are_named_with_what_is_wrong() {
    let [one, two] = [(), ()].map(|()| tempfile::tempdir().expect("a directory"));
    let _ = (made(one.path(), &["a"]), made(two.path(), &["b"]));
    let (certificate, key) = (one.path().join("management.crt"), one.path().join("management.key"));
    check(&certificate, &key).expect("they belong together");
    let sentence = |certificate: &Path, key: &Path| check(certificate, key).expect_err("bad files").to_string();
    let missing = one.path().join("none.pem");
    assert!(sentence(&missing, &key).contains("none.pem: No such file"));
    assert!(sentence(&certificate, &missing).contains("none.pem: No such file"));
    assert!(sentence(&key, &key).contains("management.key: there is no certificate in it"));
    assert!(sentence(&certificate, &certificate).contains("management.crt: there is no private key in it"));
    let other = two.path().join("management.key");
    assert!(sentence(&certificate, &other).contains("management.key: it is not the key of the certificate in"));
    fs::write(&missing, "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n").expect("a file");
    assert!(sentence(&missing, &key).contains("none.pem: "), "{}", sentence(&missing, &key));
}
