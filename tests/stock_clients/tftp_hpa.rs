//! The tftp-hpa client, which speaks plain RFC 1350: blocks of 512 bytes, one after another.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};

use crate::table::{Table, mac};
use crate::tools::{inside_with, program, run, text};

/// Past block 65535, where the number goes back to 0; and a last block that is not whole.
const LARGE: u64 = (33 << 20) + 77;

fn tftp(table: &Table, words: &[&str]) -> String {
    text(&run(program(table, "tftp").args(["-m", "binary", "192.168.151.1", "-c"]).args(words)))
}

#[test]
fn files_arrive_whole_also_past_the_last_block_number() {
    if !inside_with(&["tftp"], "tftp_hpa::files_arrive_whole_also_past_the_last_block_number") {
        return;
    }
    let table = Table::serving("", "");
    let _port = table.plug_at(mac(1), 20);
    // Mostly holes, with a mark in every 64 KiB that tells a lost or doubled block.
    let large = File::create(table.path("data/boot/large.img")).expect("a file");
    large.set_len(LARGE).expect("a long file");
    for mark in (0..LARGE).step_by(64 << 10) {
        large.write_all_at(&mark.to_be_bytes(), mark).expect("a mark");
    }
    for name in ["pi/fixup4.dat", "large.img"] {
        let said = tftp(&table, &["get", name, "got"]);
        let [there, here] = [format!("data/boot/{name}"), "got".into()].map(|name| fs::read(table.path(&name)));
        let there = there.expect("the file");
        let here = here.unwrap_or_else(|error| panic!("{name}: {error}: {said}"));
        assert!(here == there, "{name}: {} of {} bytes, or other ones; {said}", here.len(), there.len());
    }
    // An absolute name is one below the served directory.
    tftp(&table, &["get", "/pi/fixup4.dat", "absolute"]);
    assert_eq!(fs::read(table.path("absolute")).ok(), fs::read(table.path("data/boot/pi/fixup4.dat")).ok());
}

#[test]
fn what_is_not_served_is_an_error_and_nothing_leaves_the_tree() {
    if !inside_with(&["tftp"], "tftp_hpa::what_is_not_served_is_an_error_and_nothing_leaves_the_tree") {
        return;
    }
    let table = Table::serving("", "");
    let _port = table.plug_at(mac(1), 20);
    fs::write(table.path("secret"), "for the operator only").expect("a file");
    symlink("../../secret", table.path("data/boot/way-out")).expect("a link");
    symlink(table.path("secret"), table.path("data/boot/absolute-way-out")).expect("a link");
    symlink("pi/fixup4.dat", table.path("data/boot/inside")).expect("a link");
    for (name, error) in [
        ("nothing.img", "Error code 1"),
        ("pi", "Error code 1"),
        ("../../secret", "Error code 2"),
        ("pi/../../../secret", "Error code 2"),
        ("..\\..\\secret", "Error code 2"),
        ("/etc/passwd", "Error code 1"),
        ("way-out", "Error code 1"),
        ("absolute-way-out", "Error code 1"),
    ] {
        let said = tftp(&table, &["get", name, "got"]);
        assert!(said.contains(error), "{name}: {said}");
        let got = fs::read(table.path("got")).unwrap_or_default();
        assert!(got.is_empty(), "{name}: {} bytes came", got.len());
    }
    tftp(&table, &["get", "inside", "got"]);
    assert_eq!(fs::read(table.path("got")).ok(), fs::read(table.path("data/boot/pi/fixup4.dat")).ok());

    let said = tftp(&table, &["put", "secret", "uploaded"]);
    assert!(said.contains("Error code 2") && !table.path("data/boot/uploaded").exists(), "{said}");
}
