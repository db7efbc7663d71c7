//! The bytes of small archives; what GNU cpio makes of a large one is in `tests/environment.rs`.

use super::*;

fn bytes(archive: &Archive) -> Vec<u8> {
    let mut bytes = Vec::new();
    archive.write(&mut bytes).expect("memory");
    bytes
}

#[test]
fn an_entry_is_as_the_format_says() {
    let mut archive = Archive::default();
    archive.file("init", 0o755, b"hello".to_vec());
    let expected = concat!(
        "070701",
        "00000001",
        "000081ED",
        "00000000",
        "00000000",
        "00000001",
        "00000000",
        "00000005",
        "00000000",
        "00000000",
        "00000000",
        "00000000",
        "00000005",
        "00000000",
        "init\0\0",
        "hello\0\0\0",
        "070701",
        "00000000",
        "00000000",
        "00000000",
        "00000000",
        "00000001",
        "00000000",
        "00000000",
        "00000000",
        "00000000",
        "00000000",
        "00000000",
        "0000000B",
        "00000000",
        "TRAILER!!!\0\0\0\0",
    );
    assert_eq!(String::from_utf8(bytes(&archive)).expect("text"), expected);
}

#[test]
fn the_order_in_which_entries_come_changes_nothing() {
    let add = |archive: &mut Archive, which: u8| match which {
        0 => archive.file("/lib/modules/6/x.ko", 0o644, vec![1; 5]),
        1 => archive.device("dev/console", 0o600, 5, 1),
        2 => archive.symlink("bin/sh", "init"),
        _ => archive.directory("dev/", 0o700),
    };
    let mut all = Vec::new();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
        let mut archive = Archive::default();
        order.into_iter().for_each(|which| add(&mut archive, which));
        all.push(bytes(&archive));
    }
    assert!(all.iter().all(|one| one == &all[0]));
    let text = String::from_utf8_lossy(&all[0]).into_owned();
    let names = ["bin\0", "bin/sh\0", "dev\0", "dev/console\0", "lib\0", "lib/modules\0", "lib/modules/6\0", "x.ko\0"];
    let places: Vec<_> = names.iter().map(|name| text.find(name).expect(name)).collect();
    assert!(places.is_sorted(), "{places:?}");
    // A directory that was named keeps its mode, one that only leads somewhere has the usual one.
    assert_eq!(text.matches("000041C0").count(), 1);
    assert_eq!(text.matches("000041ED").count(), 4);
    // Major 5, minor 1.
    assert!(text.contains("00000005000000010000000C00000000dev/console"));
}

#[test]
fn gzip_adds_nothing_that_changes() {
    let mut archive = Archive::default();
    archive.file("init", 0o755, vec![7; 100_000]);
    let packed = || {
        let mut bytes = Vec::new();
        archive.write_gzip(&mut bytes).expect("memory");
        bytes
    };
    assert_eq!(packed(), packed());
    assert_eq!(packed()[4..8], [0; 4], "the time");
    let mut plain = Vec::new();
    io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed()[..]), &mut plain).expect("gzip");
    assert_eq!(plain, bytes(&archive));
}
