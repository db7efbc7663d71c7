//! The installer against the real server, in network namespaces: a machine whose firmware has an address is given the
//! same one again, is told what to write, writes it, and the server knows how it went.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that start the lab by themselves")]
mod inside;
#[path = "common/table.rs"]
#[allow(dead_code, reason = "shared with the stock clients")]
mod table;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use hatchery::lab::Port;
use hatchery::serve::control::Request;
use hatchery::sim::client::Kind;
use inside::inside;
use serde_json::Value;
use table::{IMAGE_MIB, Table, client};

/// How long one installation may take here.
const PATIENCE: Duration = Duration::from_secs(60);
const SERIAL: &str = "10000000d9780558";

/// A table whose Raspberry Pis are installed as they come: no first boot to prepare, no partition to grow.
fn table() -> Table {
    let table = Table::new("", "");
    table.configure(
        "\"cmdline.txt\" = \"pi/cmdline.txt\"",
        "\"cmdline.txt\" = \"pi/cmdline.txt\"\n[profile.install]\ngrow = false\nafter = \"wait\"\n[profile.first_boot]",
    );
    table
}

/// The installer on a machine's interface, with its output kept. Every caller names a target: without one, the drives of
/// this system would be looked at.
fn start(interface: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery-installer"));
    command.args(["--interface", interface, "--serial", SERIAL]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the installer starts")
}

/// Waits for its end; the exit code and everything it said.
fn finish(mut installer: Child) -> (Option<i32>, String) {
    let ended = inside::wait(&mut installer, PATIENCE);
    let Output { stdout, stderr, .. } = installer.wait_with_output().expect("its output");
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (ended.and_then(|status| status.code()), said)
}

/// An empty drive, as a file.
fn drive(path: &Path, mib: u64) -> String {
    let file = File::create(path).expect("a file");
    file.set_len(mib << 20).expect("its size");
    path.to_str().expect("a path of ours").to_owned()
}

/// The last deployment of the machine that is plugged in here, with what its installer wrote down.
fn log_of(table: &Table, port: &Port) -> Value {
    table.ask(&Request::MachineLog { machine: port.mac().to_string() })
}

#[test]
fn a_machine_is_written_verified_and_known_to_be_done() {
    if !inside("a_machine_is_written_verified_and_known_to_be_done") {
        return;
    }
    let mut table = table();
    table.start();
    let port = table.plug_booting(client(Kind::Pi5, 1));
    let firmware_address = port.address().expect("the firmware has one").0.to_string();
    let target = drive(&table.path("drive.img"), u64::from(IMAGE_MIB) + 3);
    let (code, said) = finish(start(port.interface(), &["--target", &target]));
    assert_eq!(code, Some(0), "{said}\n{}", table.bench.log_tail(30));
    assert!(said.contains(&firmware_address), "it gets the address that the firmware had:\n{said}");
    assert!(said.contains("DONE. It is safe to remove power."), "{said}");

    let written = fs::read(&target).expect("the drive");
    let image = fs::read(table.path("data/images/kxp2_master.img")).expect("the image");
    assert!(written[..image.len()] == image[..], "the drive does not hold the image");

    let log = log_of(&table, &port);
    assert_eq!(log["deployment"]["status"], "success", "{log:#}");
    let lines: Vec<&str> = log["lines"].as_array().expect("lines").iter().filter_map(|l| l["text"].as_str()).collect();
    assert!(lines.iter().any(|line| line.contains("is written and verified")), "{lines:#?}");
    let machine = table.machine(port.mac());
    assert_eq!(machine["stage"], "done", "{machine:#}");
}

#[test]
fn a_drive_that_is_too_small_fails_and_the_server_knows_why() {
    if !inside("a_drive_that_is_too_small_fails_and_the_server_knows_why") {
        return;
    }
    let mut table = table();
    table.start();
    let port = table.plug_booting(client(Kind::Pi5, 1));
    let target = drive(&table.path("drive.img"), u64::from(IMAGE_MIB) - 1);
    let (code, said) = finish(start(port.interface(), &["--target", &target]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("FAILED: The image needs"), "{said}");
    let log = log_of(&table, &port);
    assert_eq!(log["deployment"]["status"], "failed", "{log:#}");
    assert!(log["deployment"]["error_message"].as_str().is_some_and(|why| why.contains("does not fit")), "{log:#}");
}

#[test]
fn a_failure_before_the_configuration_is_known_too() {
    if !inside("a_failure_before_the_configuration_is_known_too") {
        return;
    }
    let mut table = table();
    table.start();
    let port = table.plug_booting(client(Kind::Pi5, 1));
    let (code, said) = finish(start(port.interface(), &["--product", "NOSUCH", "--target", "/nowhere"]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("FAILED: The server refuses this machine: Invalid product_type: NOSUCH"), "{said}");
    let machine = table.machine(port.mac());
    assert_eq!(machine["stage"], "failed", "{machine:#}");
}

#[test]
fn a_server_that_is_away_is_waited_for() {
    if !inside("a_server_that_is_away_is_waited_for") {
        return;
    }
    let mut table = table();
    table.start();
    let port = table.plug_booting(client(Kind::Pi5, 1));
    table.bench.kill_server();
    let target = drive(&table.path("drive.img"), u64::from(IMAGE_MIB));
    // Its address is asked for until somebody answers, and so is everything else.
    let installer = start(port.interface(), &["--target", &target]);
    table.start();
    let (code, said) = finish(installer);
    assert_eq!(code, Some(0), "{said}\n{}", table.bench.log_tail(30));
    assert_eq!(log_of(&table, &port)["deployment"]["status"], "success");
}

#[test]
fn an_interruption_by_hand_is_told() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    if !inside("an_interruption_by_hand_is_told") {
        return;
    }
    let mut table = table();
    table.start();
    let port = table.plug_booting(client(Kind::Pi5, 1));
    // It waits for an image that is not there.
    fs::remove_file(table.path("data/images/kxp2_master.img")).expect("the image goes away");
    table.wait_for_log("image: there is none");
    let target = drive(&table.path("drive.img"), 1);
    let installer = start(port.interface(), &["--target", &target]);
    table.wait_for("a machine that is being installed", || {
        (table.machine(port.mac())["stage"] == "installer").then_some(())
    });
    kill(Pid::from_raw(i32::try_from(installer.id()).expect("process ids fit")), Signal::SIGINT).expect("a signal");
    let (code, said) = finish(installer);
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(table.machine(port.mac())["stage"], "failed", "{said}");
}

#[test]
fn a_dry_run_shows_the_machine_and_writes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let target = drive(&directory.path().join("drive.img"), 1);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery-installer"));
        let output = command.args(["--dry-run", "--target", &target, "--product", "KXP2"]).args(arguments).output();
        let output = output.expect("the installer runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let text = run(&[]);
    assert!(text.contains("Nothing is written") && text.contains(&format!("write it to {target}.")), "{text}");
    let value: Value = serde_json::from_str(&run(&["--json"])).expect("JSON");
    assert_eq!(value["product_type"], "KXP2");
    assert!(value["installer"]["ram_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{value:#}");
    let drives = value["installer"]["drives"].as_array().expect("drives");
    let ours = drives.iter().find(|drive| drive["path"] == target.as_str()).expect("the file stands for a drive");
    assert_eq!((&ours["size"], &ours["writable"]), (&(1 << 20).into(), &true.into()));
    assert!(fs::read(&target).expect("the file").iter().all(|byte| *byte == 0));
}
