//! What is warned of, for which machines.

use super::*;

fn disk() -> Layout {
    Layout { kind: Kind::Disk, partitions: 2, fat: true, linux: true, pi: true, trouble: None }
}

#[test]
fn a_raspberry_pi_needs_its_boot_files_and_a_root() {
    assert!(disk().warnings(true).is_empty());
    assert!(disk().warnings(false).is_empty());
    let pc = Layout { pi: false, ..disk() };
    assert!(pc.warnings(true)[0].contains("config.txt"));
    assert!(pc.warnings(false).is_empty());
    assert!(Layout { linux: false, ..disk() }.warnings(true)[0].contains("root file system"));
}

#[test]
fn a_pc_needs_something_to_boot_and_a_system() {
    assert!(Layout { fat: false, ..disk() }.warnings(false)[0].contains("EFI"));
    assert!(Layout { partitions: 1, ..disk() }.warnings(false)[0].contains("one partition"));
    let iso = Layout { kind: Kind::Iso, ..Layout::default() };
    assert!(iso.warnings(false).is_empty());
    assert_eq!(iso.warnings(true).len(), 1);
}

#[test]
fn what_cannot_be_told_is_said_once() {
    assert!(Layout::default().warnings(true)[0].contains("no partition table"));
    let nonsense = Layout { trouble: Some("partitions 1 and 2 overlap".into()), ..Layout::default() };
    assert_eq!(nonsense.warnings(false), ["its partitions cannot be told: partitions 1 and 2 overlap"]);
}

#[test]
fn words_are_read_back() {
    for compression in Compression::ALL {
        assert_eq!(Compression::from_word(compression.word()), Some(compression));
    }
    for kind in Kind::ALL {
        assert_eq!(Kind::from_word(kind.word()), Some(kind));
    }
    assert_eq!(Compression::from_word("bzip2"), None);
    assert_eq!(Compression::recognise(&[]), Compression::None);
    assert_eq!(Compression::recognise(&[0x1f]), Compression::None);
}
