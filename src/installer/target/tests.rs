//! Every rule and every refusal, with its sentence.

use super::*;

const GB: u64 = 1_000_000_000;

fn drive(path: &str, transport: Transport, size: u64) -> Drive {
    Drive {
        path: path.to_owned(),
        model: "Maker X1".to_owned(),
        serial: format!("S{}", path.len()),
        size,
        transport,
        removable: false,
        read_only: false,
        boot_medium: false,
    }
}

fn rule(allowed: &[&str], choose: Choose) -> TargetRule {
    TargetRule { allowed: allowed.iter().map(|text| (*text).to_owned()).collect(), choose }
}

fn path(drives: &[Drive], allowed: &[&str], choose: Choose, needed: u64) -> Result<String, String> {
    match super::choose(drives, &rule(allowed, choose), needed) {
        Ok(drive) => Ok(drive.path.clone()),
        Err(failure) => Err(failure.to_string()),
    }
}

#[test]
fn without_a_drive_it_says_so() {
    let sentence = path(&[], &[], Choose::Only, 1).expect_err("nothing to write");
    assert!(sentence.contains("no drive to install on"), "{sentence}");
}

#[test]
fn the_only_drive_is_taken() {
    let drives = [drive("/dev/nvme0n1", Transport::Nvme, 256 * GB)];
    assert_eq!(path(&drives, &[], Choose::Only, 8 * GB).as_deref(), Ok("/dev/nvme0n1"));
    assert_eq!(path(&drives, &[], Choose::Only, 256 * GB).as_deref(), Ok("/dev/nvme0n1"));
}

#[test]
fn a_drive_that_is_too_small_is_refused() {
    let drives = [drive("/dev/mmcblk0", Transport::Mmc, 4 * GB)];
    let sentence = path(&drives, &[], Choose::Only, 8 * GB).expect_err("too small");
    assert_eq!(sentence, "The image needs 8.0 GB and does not fit on /dev/mmcblk0 (Maker X1, serial S12, 4.0 GB).");
}

#[test]
fn several_drives_need_a_rule() {
    let drives = [
        drive("/dev/sdb", Transport::Ata, 500 * GB),
        drive("/dev/nvme0n1", Transport::Nvme, 256 * GB),
        drive("/dev/sda", Transport::Ata, 2 * GB),
    ];
    let sentence = path(&drives, &[], Choose::Only, 8 * GB).expect_err("several");
    assert!(sentence.starts_with("Several drives could be installed on"), "{sentence}");
    assert!(sentence.contains("/dev/sda") && sentence.contains("/dev/nvme0n1"), "{sentence}");
    assert_eq!(path(&drives, &[], Choose::Largest, 8 * GB).as_deref(), Ok("/dev/sdb"));
    assert_eq!(path(&drives, &[], Choose::Smallest, 8 * GB).as_deref(), Ok("/dev/nvme0n1"));
    assert_eq!(path(&drives, &["/dev/sd*"], Choose::First, 8 * GB).as_deref(), Ok("/dev/sdb"));
    // The order of the list goes before that of the paths.
    assert_eq!(path(&drives, &["/dev/sdb", "nvme"], Choose::First, 8 * GB).as_deref(), Ok("/dev/sdb"));
    assert_eq!(path(&drives, &["nvme", "ata"], Choose::First, 8 * GB).as_deref(), Ok("/dev/nvme0n1"));
    assert_eq!(path(&drives, &["nvme"], Choose::Only, 8 * GB).as_deref(), Ok("/dev/nvme0n1"));
    assert!(path(&drives, &[], Choose::Smallest, 800 * GB).is_err());
}

#[test]
fn what_must_not_be_written_is_told_with_its_reason() {
    let mut boot = drive("/dev/sda", Transport::Usb, 16 * GB);
    boot.boot_medium = true;
    let mut locked = drive("/dev/sdb", Transport::Ata, 16 * GB);
    locked.read_only = true;
    let stick = drive("/dev/sdc", Transport::Usb, 16 * GB);
    let empty = drive("/dev/sdd", Transport::Ata, 0);
    let sentence = path(&[boot.clone(), locked, stick.clone(), empty], &[], Choose::First, GB).expect_err("none");
    for reason in ["was started from", "write-protected", "can be unplugged", "no medium"] {
        assert!(sentence.contains(reason), "{sentence}");
    }
    // Being listed allows a stick, and never the medium that this system runs from.
    assert_eq!(path(std::slice::from_ref(&stick), &["usb"], Choose::Only, GB).as_deref(), Ok("/dev/sdc"));
    assert!(path(&[boot], &["usb", "/dev/sda"], Choose::Only, GB).is_err());
    let sentence = path(&[stick], &["nvme"], Choose::Only, GB).expect_err("not in the list");
    assert!(sentence.contains("is not in the profile's list of targets"), "{sentence}");
}

#[test]
fn the_card_of_a_pi_is_built_in_whatever_its_slot_says() {
    let mut card = drive("/dev/mmcblk0", Transport::Mmc, 32 * GB);
    card.removable = true;
    assert_eq!(path(&[card], &[], Choose::Only, GB).as_deref(), Ok("/dev/mmcblk0"));
}

#[test]
fn patterns() {
    for (pattern, text, expected) in [
        ("ABC", "ABC", true),
        ("ABC", "ABCD", false),
        ("AB*", "ABCD", true),
        ("*CD", "ABCD", true),
        ("A*C*E", "ABCDE", true),
        ("A*C*E", "AECDX", false),
        ("A*A", "A", false),
        ("*", "", true),
        ("", "", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}
