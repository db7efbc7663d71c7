//! A server that cannot start says why in one line, and its exit code says that it did not.

use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use hatchery::load::bench::SERVER;

use crate::inside::{self, inside};
use crate::table::{PATIENCE, Table};

/// Capabilities that a server needs (linux/capability.h).
const CAP_NET_BIND_SERVICE: libc::c_ulong = 10;
const CAP_NET_RAW: libc::c_ulong = 13;

/// What a server says that ends at once, and its exit code.
fn failed_start(table: &Table, prepare: impl FnOnce(&mut Command)) -> (String, Option<i32>) {
    let path = table.path("stderr");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
    command.args(["serve", "--config", "hatchery.toml", "--log", "error"]).current_dir(table.bench.directory());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&path).expect("a file"));
    prepare(&mut command);
    let mut server = table.bench.network().spawn_server(command).expect("a server process");
    let status = inside::wait(&mut server, PATIENCE);
    let said = fs::read_to_string(&path).expect("text");
    (said.clone(), status.unwrap_or_else(|| panic!("the server runs, and should not: {said}")).code())
}

/// One line that names the program, what it could not do, and each of `words`.
fn assert_one_line((said, code): (String, Option<i32>), words: &[&str]) {
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("hatchery: cannot ") && said.trim_end().lines().count() == 1, "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}

#[test]
fn a_port_in_use_is_named() {
    if !inside("startup::a_port_in_use_is_named") {
        return;
    }
    let table = Table::new("", "");
    let udp = |address: &'static str| {
        move || UdpSocket::bind(address).unwrap_or_else(|error| panic!("{address} for ourselves: {error}"))
    };
    for (address, words) in [
        ("0.0.0.0:67", ["hatch0", "UDP port 67 is in use"]),
        ("0.0.0.0:69", ["192.168.151.1:69", "another program has it"]),
    ] {
        let occupied = table.bench.network().in_server(udp(address));
        assert_one_line(failed_start(&table, |_| ()), &words);
        drop(occupied);
    }
    for port in [80, 5001, 8888] {
        let occupied = table.bench.network().in_server(move || TcpListener::bind((SERVER.0, port)).expect("a port"));
        let address = format!("192.168.151.1:{port}");
        assert_one_line(failed_start(&table, |_| ()), &[&address, "another server holds this port"]);
        drop(occupied);
    }
}

#[test]
fn a_missing_interface_or_address_is_named_with_those_that_are_there() {
    if !inside("startup::a_missing_interface_or_address_is_named_with_those_that_are_there") {
        return;
    }
    let table = Table::new("", "");
    table.configure("interface = \"hatch0\"", "interface = \"eth7\"");
    assert_one_line(failed_start(&table, |_| ()), &["there is no interface eth7", "hatch0"]);
    table.configure("interface = \"eth7\"", "interface = \"hatch0\"");
    table.configure("192.168.151.1/24", "192.168.151.2/24");
    assert_one_line(failed_start(&table, |_| ()), &["192.168.151.2"]);
}

#[test]
fn a_missing_permission_is_named() {
    if !inside("startup::a_missing_permission_is_named") {
        return;
    }
    let table = Table::new("", "");
    let without = |capability: libc::c_ulong| {
        move |command: &mut Command| {
            let drop = move || match unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            };
            // SAFETY: one system call on plain numbers.
            unsafe { command.pre_exec(drop) };
        }
    };
    let words = ["it takes root, or the capabilities CAP_NET_BIND_SERVICE and CAP_NET_RAW"];
    assert_one_line(failed_start(&table, without(CAP_NET_BIND_SERVICE)), &words);
    assert_one_line(failed_start(&table, without(CAP_NET_RAW)), &words);
}

#[test]
fn a_second_server_on_the_same_journal_is_refused() {
    if !inside("startup::a_second_server_on_the_same_journal_is_refused") {
        return;
    }
    let table = Table::serving("", "");
    let (said, code) = failed_start(&table, |_| ());
    assert!(code == Some(1) && said.contains("another hatchery (process "), "{said}");
    assert_eq!(table.ask(&hatchery::serve::control::Request::Status)["machines"], 0, "the first one goes on");
}
