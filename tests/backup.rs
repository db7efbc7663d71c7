//! Backup of a server that is at work, and restore onto a clean machine: everything that was there is there.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/manage.rs"]
mod manage;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use manage::{PASSWORD, Server, send};
use serde_json::{Value, json};

const PHRASE: &str = "pit lane umbrella";

fn hatchery(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
    command.args(args).current_dir(directory).env("HATCHERY_SOCKET", "socket").stdin(Stdio::null());
    command.output().expect("it runs")
}

#[track_caller]
fn done(directory: &Path, args: &[&str]) -> String {
    let output = hatchery(directory, args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Refused, and this is why.
#[track_caller]
fn refused(directory: &Path, args: &[&str], why: &str) {
    let output = hatchery(directory, args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(why), "{args:?}: {output:?}");
}

fn report(server: &Server, machine: u32, status: &str) {
    let mac = format!("dc:a6:32:00:{:02x}:{:02x}", machine >> 8, machine & 255);
    let body = json!({ "mac_address": mac, "status": status }).to_string();
    send(server.machines, "POST", "/api/status", &[("Content-Type", "application/json")], &body);
}

/// Everything that the server says of what it remembers, without what is only of the moment.
fn remembered(directory: &Path) -> BTreeMap<&'static str, Value> {
    let asked: [(&str, &[&str]); 7] = [
        ("names", &["names", "list", "--json"]),
        ("venues", &["venue", "list", "--json"]),
        ("batches", &["batch", "list", "--json"]),
        ("machines", &["machines", "--json"]),
        ("leases", &["leases", "--json"]),
        ("users", &["user", "list", "--json"]),
        ("tokens", &["token", "list", "--json"]),
    ];
    asked.iter().map(|(what, args)| (*what, serde_json::from_str(&done(directory, args)).expect("JSON"))).collect()
}

/// Every file below, with its content.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(each) = open.pop() {
        for entry in fs::read_dir(&each).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap_or_default());
            }
        }
    }
    found
}

fn at_work() -> Server {
    let server = Server::start();
    server.set_up();
    let home = server.directory.path().to_owned();
    fs::create_dir_all(home.join("data/templates/kiosk")).expect("a directory");
    fs::write(home.join("data/templates/kiosk/hello.txt"), "hello {{ hostname }}").expect("a template");
    fs::write(home.join("data/images/kxp2_master.img"), vec![7; 300_000]).expect("an image");
    fs::write(home.join("passphrase"), format!("{PHRASE}\n")).expect("a passphrase");
    done(&home, &["venue", "add", "SPAA", "--name", "Spa"]);
    done(&home, &["names", "import", "--venue", "SPAA", "--product", "KXP2", "1-40"]);
    done(&home, &["batch", "create", "--venue", "SPAA", "--product", "KXP2", "--count", "4"]);
    done(&home, &["token", "add", "order-desk", "--role", "operator"]);
    for machine in 1..=6 {
        for status in ["starting", "downloading"] {
            report(&server, machine, status);
        }
    }
    report(&server, 1, "success");
    server
}

#[test]
fn a_server_at_work_is_brought_back_on_a_clean_machine() {
    let server = at_work();
    let home = server.directory.path().to_owned();
    let over = AtomicBool::new(false);
    // Machines report and names are imported while it is made, several times.
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let mut count = 100;
            while !over.load(Ordering::Relaxed) {
                report(&server, count, "starting");
                count += 1;
            }
            count
        });
        for round in 0..4 {
            done(&home, &["names", "import", "--venue", "SPAA", "--product", "KXP2", &format!("{}", 50 + round)]);
            done(&home, &["backup", "-c", "hatchery.toml", &format!("busy-{round}.tar.zst")]);
            done(&home, &["backup", "--verify", &format!("busy-{round}.tar.zst")]);
        }
        over.store(true, Ordering::Relaxed);
        assert!(busy.join().expect("it works on") > 110, "machines were served meanwhile");
    });
    let before = remembered(&home);
    assert_eq!(before["names"].as_array().map(Vec::len), Some(50));
    let args = ["backup", "-c", "hatchery.toml", "--images", "--passphrase-file", "passphrase", "all.sealed"];
    done(&home, &args);
    let said = done(&home, &["backup", "--verify", "--passphrase-file", "passphrase", "all.sealed", "--json"]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let expected = ["config/hatchery.toml", "data/hatchery.db", "data/access.db", "templates/kiosk/hello.txt"];
    assert!(expected.iter().all(|name| said["files"].as_array().expect("names").contains(&json!(name))), "{said}");
    assert_eq!(said["encrypted"], json!(true));
    let bytes = fs::read(home.join("all.sealed")).expect("a file");
    assert!(!bytes.windows(8).any(|window| window == b"hatchery" && window != &bytes[..8]), "nothing shines through");

    let (pages, machines) = (server.pages, server.machines);
    let clean = tempfile::tempdir().expect("a directory");
    for name in ["all.sealed", "passphrase", "busy-3.tar.zst"] {
        fs::copy(home.join(name), clean.path().join(name)).expect("copied");
    }
    drop(server);
    done(clean.path(), &["restore", "-c", "hatchery.toml", "--passphrase-file", "passphrase", "all.sealed"]);
    let server = Server::start_in(clean, pages, machines, &[]);
    let home = server.directory.path();
    assert_eq!(remembered(home), before);
    assert_eq!(fs::read(home.join("data/images/kxp2_master.img")).expect("the image"), vec![7; 300_000]);
    assert_eq!(fs::read_to_string(home.join("data/templates/kiosk/hello.txt")).expect("it"), "hello {{ hostname }}");
    assert_eq!(server.log_in("anna", PASSWORD).code, 303, "the users came along");

    let before = remembered(home);
    // Under a server that runs, nothing is replaced; and what is there, only if told.
    refused(home, &["restore", "-c", "hatchery.toml", "--force", "busy-3.tar.zst"], "another hatchery");
    assert_eq!(remembered(home), before);
}

#[test]
fn what_cannot_be_restored_changes_nothing() {
    let server = at_work();
    let home = server.directory.path().to_owned();
    done(&home, &["backup", "-c", "hatchery.toml", "--encrypt", "--passphrase-file", "passphrase", "b.sealed"]);
    done(&home, &["backup", "-c", "hatchery.toml", "b.tar.zst"]);
    refused(&home, &["backup", "-c", "hatchery.toml", "b.tar.zst"], "is there already");
    fs::write(home.join("short"), "short\n").expect("a file");
    refused(&home, &["backup", "-c", "hatchery.toml", "--passphrase-file", "short", "c"], "at least 10 characters");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(home.join("b.tar.zst")).expect("it").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let _home = server.stop();

    let clean = tempfile::tempdir().expect("a directory");
    let place = clean.path();
    let kept = |name: &str| fs::read(home.join(name)).expect("a backup");
    let (sealed, plain) = (kept("b.sealed"), kept("b.tar.zst"));
    fs::write(place.join("wrong"), "something else entirely\n").expect("a file");
    fs::write(place.join("passphrase"), PHRASE).expect("a file");
    fs::write(place.join("whole.sealed"), &sealed).expect("a file");
    fs::write(place.join("whole.tar.zst"), &plain).expect("a file");
    fs::write(place.join("cut.sealed"), &sealed[..sealed.len() - 1000]).expect("a file");
    fs::write(place.join("cut.tar.zst"), &plain[..plain.len() * 2 / 3]).expect("a file");
    fs::write(place.join("other"), "a text").expect("a file");
    let mut damaged = sealed.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(place.join("damaged.sealed"), damaged).expect("a file");
    let before = files(place);
    let restore = |rest: &[&str], why: &str| {
        refused(place, &[&["restore", "-c", "new/hatchery.toml"], rest].concat(), why);
        assert_eq!(files(place), before, "{rest:?}");
        assert!(!place.join("new").exists(), "{rest:?} left a directory");
    };
    restore(&["--passphrase-file", "wrong", "whole.sealed"], "the passphrase is wrong");
    restore(&["--passphrase-file", "passphrase", "cut.sealed"], "cut off or damaged");
    restore(&["--passphrase-file", "passphrase", "damaged.sealed"], "cut off or damaged");
    restore(&["cut.tar.zst"], "cut off");
    restore(&["other"], "no backup of hatchery");
    restore(&["nothing"], "No such file");
    refused(place, &["backup", "--verify", "cut.tar.zst"], "cut off");

    // What is there is replaced only if told, and kept beside.
    done(place, &["restore", "-c", "new/hatchery.toml", "whole.tar.zst"]);
    let restored = files(&place.join("new"));
    refused(place, &["restore", "-c", "new/hatchery.toml", "whole.tar.zst"], "is there already");
    fs::write(place.join("new/hatchery.toml"), "[http]\nports = [8080]\n").expect("a file");
    refused(place, &["restore", "-c", "new/hatchery.toml", "whole.tar.zst"], "another configuration");
    done(place, &["restore", "-c", "new/hatchery.toml", "--force", "whole.tar.zst"]);
    let again = files(&place.join("new"));
    let database = place.join("new/data/hatchery.db");
    assert_eq!(again[&database], restored[&database]);
    assert_eq!(again[&place.join("new/data/hatchery.db.replaced")], restored[&database]);
    let old = fs::read_to_string(place.join("new/hatchery.toml.replaced")).expect("the old one");
    assert_eq!(old, "[http]\nports = [8080]\n");
    assert!(!again.keys().any(|path| path.to_string_lossy().ends_with(".restoring")), "{:?}", again.keys());
}
