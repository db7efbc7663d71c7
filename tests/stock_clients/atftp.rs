//! atftp: larger blocks (RFC 2348) and several of them at once (RFC 7440).

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::table::{Table, mac};
use crate::tools::{inside_with, program, run, text};

/// More windows than one, and a last block that is not whole.
const LARGE: u64 = (5 << 20) + 77;

/// Gets a file with these options; what atftp said.
fn atftp(table: &Table, name: &str, options: &[&str]) -> String {
    let mut command = program(table, "atftp");
    command.args(["--get", "--trace", "--verbose", "--remote-file", name, "--local-file", "got"]);
    for option in options {
        command.args(["--option", option]);
    }
    text(&run(command.arg("192.168.151.1")))
}

#[test]
fn files_arrive_whole_in_windows_of_many_blocks() {
    if !inside_with(&["atftp"], "atftp::files_arrive_whole_in_windows_of_many_blocks") {
        return;
    }
    let table = Table::serving("", "");
    let _port = table.plug_at(mac(1), 20);
    let large = File::create(table.path("data/boot/large.img")).expect("a file");
    large.set_len(LARGE).expect("a long file");
    // A mark in every 512 bytes tells a lost or doubled block.
    for mark in (0..LARGE).step_by(512) {
        large.write_all_at(&mark.to_be_bytes(), mark).expect("a mark");
    }
    let there = fs::read(table.path("data/boot/large.img")).expect("the file");
    for options in [
        &[][..],
        &["blksize 1468"],
        &["windowsize 16"],
        &["blksize 1468", "windowsize 16"],
        &["tsize 0", "blksize 1024", "windowsize 64"],
    ] {
        let said = atftp(&table, "large.img", options);
        let here = fs::read(table.path("got")).unwrap_or_else(|error| panic!("{options:?}: {error}: {said}"));
        assert!(here == there, "{options:?}: {} of {} bytes, or other ones: {said}", here.len(), there.len());
        for option in options.iter().filter(|option| !option.starts_with("tsize")) {
            let (name, value) = option.split_once(' ').expect("a name and a value");
            assert!(said.contains("OACK") && said.contains(&format!("{name}: {value}")), "{options:?}: {said}");
        }
        fs::remove_file(table.path("got")).expect("room for the next");
    }
}

#[test]
fn a_block_or_window_too_large_is_granted_smaller() {
    if !inside_with(&["atftp"], "atftp::a_block_or_window_too_large_is_granted_smaller") {
        return;
    }
    let table = Table::serving("", "[tftp]\nmax_blksize = 1200\nmax_windowsize = 4");
    let _port = table.plug_at(mac(1), 20);
    let said = atftp(&table, "pi/kernel8.img", &["blksize 8192", "windowsize 32"]);
    assert!(said.contains("blksize: 1200") && said.contains("windowsize: 4"), "{said}");
    assert_eq!(fs::read(table.path("got")).ok(), fs::read(table.path("data/boot/pi/kernel8.img")).ok(), "{said}");
}
