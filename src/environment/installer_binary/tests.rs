//! Which programs are taken.

use super::*;
use crate::environment::elf::tests::made;

#[test]
fn only_a_static_program_of_the_architecture_is_taken() {
    assert_eq!(check(Arch::X86_64, &made(3, 62, 1, ".text", b"")), Ok(()));
    assert_eq!(check(Arch::Arm64, &made(2, 183, 1, ".text", b"")), Ok(()));
    for (bytes, why) in [
        (made(3, 183, 1, ".text", b""), "is for another processor than x86_64"),
        (made(3, 62, 3, ".interp", b""), "is not linked statically"),
        (made(1, 62, 1, ".text", b""), "is no 64-bit Linux program"),
        (b"#!/bin/sh\n".to_vec(), "is no 64-bit Linux program"),
    ] {
        assert_eq!(check(Arch::X86_64, &bytes), Err(why.to_owned()));
    }
}

#[test]
fn it_is_found_beside_us_and_named_if_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let own = directory.path().join("release/hatchery");
    let place = directory.path().join("installer/arm64");
    let looked = places(Arch::Arm64, Some(&own));
    assert_eq!(looked[0], directory.path().join("release/installer/arm64").join(NAME));
    assert_eq!(looked[1], place.join(NAME));
    assert_eq!(looked[2], Path::new("/usr/lib/hatchery/installer/arm64/hatchery-installer"));
    let error = read(Arch::Arm64, Some(&place.join(NAME)), None).expect_err("none");
    for part in ["installer/arm64/hatchery-installer", "packaging/build-installer arm64", "--installer"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    fs::create_dir_all(&place).expect("a directory");
    let program = made(2, 183, 1, ".text", b"");
    fs::write(place.join(NAME), &program).expect("a file");
    assert!(read(Arch::Arm64, None, Some(&own)).expect("a program") == program);
    let error = read(Arch::X86_64, Some(&place.join(NAME)), None).expect_err("another processor");
    assert!(error.to_string().contains("another processor than x86_64; packaging/build-installer"), "{error}");
}
