use std::path::PathBuf;

use super::*;

fn entry(directory: &Path, name: &str) -> Entry {
    let (size, digest) = measure(&directory.join(name)).expect("a file");
    let from = super::From::File(PathBuf::from("/somewhere"));
    Entry { from, size, sha256: digest.to_string(), at: "2026-11-21T00:00:00Z".into() }
}

#[test]
fn the_record_outlives_us_and_sees_every_change() {
    let directory = tempfile::tempdir().expect("a directory");
    let boot = directory.path();
    assert_eq!(Record::load(boot).expect("no record is an empty one"), Record::default());
    let mut record = Record::default();
    for name in ["a", "b", "c"] {
        fs::write(boot.join(name), name).expect("a file");
        record.note(name, entry(boot, name));
    }
    record.save(boot).expect("saved");
    fs::write(boot.join("b"), "B").expect("a file");
    fs::remove_file(boot.join("c")).expect("removed");
    let record = Record::load(boot).expect("the record");
    let standings: Vec<_> =
        record.verify(boot).expect("verified").iter().map(|(name, _, standing)| (*name, *standing)).collect();
    assert_eq!(standings, [("a", Standing::Good), ("b", Standing::Changed), ("c", Standing::Missing)]);
    assert_eq!(
        record.get("a").expect("an entry").sha256,
        "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    );
}

#[test]
fn a_foreign_file_is_no_record() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join(FILE), "[1, 2]").expect("a file");
    let error = Record::load(directory.path()).expect_err("no record");
    assert!(error.to_string().contains("not a record of boot assets"), "{error}");
}
