//! The bench does what the tests on it rely on: machines notice a wrong byte, and a server that fails is told why.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
mod inside;

use fastrand::Rng;
use hatchery::load::bench::{Bench, BenchError, Setup};
use hatchery::load::{End, Load, Run};
use hatchery::serve::control::Request;
use hatchery::sim::client::{Client, Identity, Kind, Options};
use inside::inside;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

fn setup(tables: &str) -> Setup {
    Setup {
        program: env!("CARGO_BIN_EXE_hatchery").into(),
        image_mib: 3,
        network: String::new(),
        tables: tables.into(),
        log: "info".into(),
    }
}

#[test]
fn a_machine_notices_one_wrong_byte_although_its_digest_is_right() {
    if !inside("a_machine_notices_one_wrong_byte_although_its_digest_is_right") {
        return;
    }
    let mut bench = Bench::new(&setup("")).expect("a bench");
    // Another file takes the image's place before the server hashes it; the machines compare with the first one.
    let path = bench.directory().join("data/images/kxp2_master.img");
    let mut bytes = fs::read(&path).expect("the image");
    bytes[2_000_000] ^= 1;
    fs::remove_file(&path).expect("our file");
    fs::write(&path, bytes).expect("our file");
    bench.start_server().expect("a server");
    bench.wait_for_image().expect("an image");

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let records = runtime.block_on(async {
        let identity = Identity::numbered(Kind::LinuxInstaller, 1, &mut Rng::with_seed(1));
        let client = Client::new(Kind::LinuxInstaller, identity, 1, Options::default());
        // It tries for minutes of its own.
        let load = Load { clients: vec![client], link: 0, known: Some(bench.image().clone()), pace: 200, rate: None };
        let mut run = Run::start(load, bench.network()).expect("a port");
        timeout(PATIENCE, run.finished()).await.expect("an end");
        run.records()
    });
    let Some((End::Faulted(why), _)) = &records[0].end else { panic!("{records:#?}") };
    assert!(why.contains("byte 2000000 is not that of the image"), "{why}");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    if !inside("a_server_that_cannot_start_says_why") {
        return;
    }
    let mut bench = Bench::new(&setup("[tftpd]\nenabled = true\n")).expect("a bench");
    let error = bench.start_server().expect_err("an unknown table");
    assert!(matches!(&error, BenchError::Server { log, .. } if log.contains("tftpd")), "{error}");
}

#[test]
fn a_server_is_stopped_killed_and_started_again() {
    if !inside("a_server_is_stopped_killed_and_started_again") {
        return;
    }
    let mut bench = Bench::new(&setup("")).expect("a bench");
    assert!(matches!(bench.ask(&Request::Status), Err(BenchError::Control(_))), "nobody answers before the start");
    bench.start_server().expect("a server");
    bench.ask(&Request::Status).expect("an answer");
    let status = bench.stop_server().expect("a server that stops").expect("one was running");
    assert!(status.success(), "{status}\n{}", bench.log_tail(20));
    bench.start_server().expect("a server");
    bench.kill_server();
    assert!(matches!(bench.ask(&Request::Status), Err(BenchError::Control(_))), "nobody answers after the kill");
    bench.start_server().expect("a server");
    bench.ask(&Request::Status).expect("an answer");
}

fn load(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
    command.arg("load").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The interfaces of this side, which is where a real one would be.
fn interfaces() -> Vec<String> {
    let all = nix::net::if_::if_nameindex().expect("a list");
    all.iter().map(|each| each.name().to_string_lossy().into_owned()).collect()
}

#[test]
fn machines_boot_over_an_interface_that_the_user_names_and_leave_nothing() {
    if !inside("machines_boot_over_an_interface_that_the_user_names_and_leave_nothing") {
        return;
    }
    let mut bench = Bench::new(&setup("")).expect("a bench");
    bench.start_server().expect("a server");
    bench.wait_for_image().expect("an image");
    let before = interfaces();
    let output = load(&["-i", "bench0", "-n", "5", "--venue", "DEMO", "--json"]).output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["done"], &report["clients"]), (&5.into(), &5.into()), "{report}");
    assert_eq!(report["bytes"], 5 * (3 << 20), "{report}");
    assert_eq!(interfaces(), before);

    // Interrupted on the way.
    let mut child = load(&["-i", "bench0", "-n", "5", "--first", "100"]).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let first = lines.next().expect("a line").expect("text");
    assert_eq!(first, "5 machines are switched on");
    kill(Pid::from_raw(i32::try_from(child.id()).expect("process ids fit")), Signal::SIGINT).expect("it runs");
    lines.for_each(drop);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(interfaces(), before);

    for (name, why) in [("lo", "lo leads nowhere"), ("eth99", "there is no such interface")] {
        let refused = load(&["-i", name]).output().expect("it ends");
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains(why), "{refused:?}");
    }
}
