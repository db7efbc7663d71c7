//! The deployment API as our own installer speaks it, against the whole server on loopback: what it is told, who is told
//! secrets, how far it is, what it wrote down. The scripts of the field get what they always got.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/loopback.rs"]
#[allow(dead_code, reason = "shared with other tests of the deployment API")]
mod loopback;

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use hatchery::answer::Answers;
use hatchery::catalog::{After, Choose, Install, Profile, Target, Vars};
use hatchery::config::builtin;
use hatchery::fleet::Change;
use hatchery::ids::{MachineId, ProductName};
use hatchery::lease::{ClientKey, Lease, LeaseState};
use hatchery::machine::firmware::Firmware;
use hatchery::machine::{Evidence, Machine};
use hatchery::naming::{Product, Scheme};
use hatchery::net::{Mac, Subnet};
use hatchery::serve::Settings;
use hatchery::serve::control::{Reply, Request};
use hatchery::site::Link;
use hatchery::store::Store;
use hatchery::time::Timestamp;
use loopback::wait_for;
use serde_json::{Value, json};

const A: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
const B: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 2);
const MAC_A: &str = "dc:a6:32:00:00:0a";
const MAC_B: &str = "dc:a6:32:00:00:0b";
const SERIAL: &str = "10000000d9780558";
const SECRET: &str = "$6$secret";

struct Server(loopback::Server);

impl Server {
    fn start() -> Server {
        let mut server = Server(loopback::Server::new());
        remember(&server.0.path("hatchery.db"));
        // 3 MiB, of which the second is zeros.
        let image = [vec![1; 1 << 20], vec![0; 1 << 20], vec![2; 1 << 20]].concat();
        fs::write(server.0.path("images/rxp2_master.img"), image).expect("an image");
        server.run();
        server
    }

    fn run(&mut self) {
        let subnet = Subnet::parse("127.0.0.0/8").expect("a subnet");
        let link = Link { name: "loopback".into(), ..Link::new("lo", subnet, Ipv4Addr::LOCALHOST) };
        self.0.run(link, arrange);
        wait_for("the image's digest", || match self.0.ask(&Request::Images) {
            Reply::Ok(images) => images[0]["sha256"].is_string(),
            other => panic!("{other:?}"),
        });
    }

    fn post(&self, from: Ipv4Addr, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.0.send(from, "POST", path, &body.to_string());
        (answer.code, serde_json::from_str(&answer.body).expect("JSON"))
    }

    fn status(&self, from: Ipv4Addr, word: &str) {
        assert_eq!(self.post(from, "/api/status", &json!({ "status": word })).0, 200);
    }

    fn log(&self, machine: &str) -> Value {
        match self.0.ask(&Request::MachineLog { machine: machine.into() }) {
            Reply::Ok(log) => log,
            other => panic!("{other:?}"),
        }
    }

    fn refusals(&self) -> Value {
        match self.0.ask(&Request::Status) {
            Reply::Ok(mut status) => status["refusals"].take(),
            other => panic!("{other:?}"),
        }
    }
}

/// Writes a journal in which two Raspberry Pis hold their addresses.
fn remember(journal: &Path) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let now = Timestamp::from_millis(i64::try_from(now).expect("a date of our time"));
    let mut changes = Vec::new();
    for (id, mac, address) in [(1, MAC_A, A), (2, MAC_B, B)] {
        let (id, mac) = (MachineId(id), Mac::parse(mac).expect("a MAC"));
        let evidence = Evidence { mac: Some(mac), firmware: Some(Firmware::RaspberryPi5), ..Evidence::default() };
        changes.push(Change::Machine(Machine::new(id, &evidence, now)));
        let (client, expires) = (ClientKey::Mac(mac), now + Duration::from_secs(3600));
        changes.push(Change::Lease(Lease { address, client, machine: Some(id), state: LeaseState::Bound, expires }));
    }
    Store::open(journal).and_then(|mut store| store.commit(&changes)).expect("a journal");
}

fn arrange(settings: Settings) -> Settings {
    let texts =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let product = ProductName::parse("RXP2").expect("a product name");
    let profile = Profile {
        name: "pi".into(),
        firmware: vec![Firmware::RaspberryPi5],
        product: Some(product.clone()),
        vars: Vars(texts(&[("password_hash", SECRET)])),
        install: Install {
            targets: ["nvme", "serial:X 1"].iter().filter_map(|text| Target::parse(text)).collect(),
            choose: Choose::Largest,
            keep_size: true,
            after: After::Poweroff,
        },
        first_boot: texts(&[("firstrun.sh", "pi/firstrun.sh"), ("user-data", "nocloud/user-data")]),
        ..Profile::default()
    };
    let templates = builtin::TEMPLATES.map(|(name, text)| (name.to_owned(), text.to_owned()));
    Settings {
        profiles: vec![profile],
        products: vec![Product { name: product, scheme: Scheme::Serial { digits: 8 }, image: None }],
        answers: Answers::compile(&BTreeMap::from(templates)).0,
        ..settings
    }
}

fn installer() -> Value {
    let drive = json!({
        "path": "/dev/nvme0n1", "model": "Fast", "serial": "X 1", "size": 512_000_000_000_u64, "transport": "nvme",
        "removable": false,
    });
    json!({ "version": "0.1.0", "arch": "aarch64", "model": "Raspberry Pi 5", "ram_bytes": 8_u64 << 30, "drives": [drive] })
}

fn question(serial: Option<&str>) -> Value {
    json!({ "serial_number": serial, "mac_address": null, "installer": installer() })
}

#[test]
fn our_installer_is_told_how_to_install_and_what_the_first_boot_reads() {
    let server = Server::start();
    let script = json!({ "serial_number": SERIAL });
    let (_, old) = server.post(A, "/api/config", &script);
    let (code, mut new) = server.post(A, "/api/config", &question(Some(SERIAL)));
    assert_eq!(code, 200, "{new}");
    let install = new["install"].take();
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&old).len() + 1, keys(&new).len(), "one key more, and only for those that ask for it");
    for key in keys(&old).iter().filter(|key| *key != "timestamp") {
        assert_eq!(old[key], new[key], "{key}");
    }
    assert_eq!(new["image_checksum"], install["raw_sha256"]);
    let mut without_files = install.clone();
    let files = without_files["first_boot"]["files"].take();
    let expected = json!({
        "after": "poweroff", "choose": "largest", "compression": "none",
        "first_boot": { "files": null, "hostname": "RXP2-DEFAULT-780558" },
        "grow": false, "raw_sha256": old["image_checksum"], "raw_size": 3 << 20, "reinstalls": 0, "targets": ["nvme", "serial:X 1"],
        "zero_runs": [[1 << 20, 1 << 20]],
    });
    assert_eq!(without_files, expected);
    assert_eq!(keys(&files), ["firstrun.sh", "user-data"]);
    let text = |name: &str| files[name].as_str().expect("a text").to_owned();
    assert!(text("firstrun.sh").contains("RXP2-DEFAULT-780558"), "the name that was just given");
    assert!(text("user-data").contains(SECRET));
    let machine = server.0.explain(SERIAL);
    let mut told = installer();
    assert_eq!(machine["hardware"], told, "{machine}");
    told["ram_bytes"] = json!("much");
    let bad = json!({ "serial_number": SERIAL, "installer": told });
    let (code, said) = server.post(A, "/api/config", &bad);
    assert_eq!(
        (code, said["error"].as_str()),
        (400, Some("installer: ram_bytes must be a number of bytes, got \"much\""))
    );
}

#[test]
fn rendered_files_go_to_the_holder_of_the_asking_address_alone() {
    let server = Server::start();
    assert_eq!(server.post(A, "/api/config", &question(Some(SERIAL))).0, 200);
    let files = |from: Ipv4Addr, body: &Value| {
        let (code, reply) = server.post(from, "/api/config", body);
        assert_eq!(code, 200, "{reply}");
        assert_eq!(reply["install"]["raw_size"], 3 << 20);
        reply["install"]["first_boot"]["files"].clone()
    };
    // B says it is A; a stranger says it is A, which speaks for itself.
    let forged =
        [(B, json!({ "mac_address": MAC_A, "installer": installer() })), (Ipv4Addr::LOCALHOST, question(Some(SERIAL)))];
    for (from, body) in forged {
        let (code, reply) = server.post(from, "/api/config", &body);
        assert!(code == 403 && !reply.to_string().contains(SECRET), "{code} {reply}");
    }
    assert_eq!(server.refusals()["forged"], 2);
    // One that nobody knows by an address is told who it is, and gets no file.
    let other = json!({ "serial_number": "10000000aabbccdd", "mac_address": "52:54:00:00:00:77", "product_type": "RXP2", "installer": installer() });
    assert_eq!(files(Ipv4Addr::LOCALHOST, &other), json!({}));
    assert!(files(A, &question(None)).to_string().contains(SECRET));
    assert_eq!(server.post(A, "/api/config", &json!({ "installer": "x" })).0, 400);
}

#[test]
fn progress_is_shown_until_the_stage_ends() {
    let server = Server::start();
    let say = |from, body: &Value| server.post(from, "/api/progress", body);
    server.status(A, "starting");
    server.status(A, "downloading");
    let progress = json!({
        "stage": "downloading", "bytes": 1 << 20, "total": 3 << 20, "rate": 99.9, "eta_secs": null,
        "temperature_c": 61.26, "serial_number": null, "mac_address": null,
    });
    assert_eq!(say(A, &progress), (200, json!({ "received": true })));
    let shown = server.0.explain(MAC_A)["progress"].clone();
    let expected = json!({
        "stage": "downloading", "bytes": 1 << 20, "total": 3 << 20, "rate": 99, "eta_secs": null, "temperature_c": 61.3,
    });
    assert_eq!(shown, expected);
    let Reply::Ok(status) = server.0.ask(&Request::Status) else { panic!("the status") };
    assert_eq!(status["progress"][MAC_A], expected);
    server.status(A, "verifying");
    assert_eq!(server.0.explain(MAC_A)["progress"], Value::Null);
    for (body, sentence) in [
        (json!({}), "stage is required"),
        (json!({ "stage": 1 }), "stage must be a string, got 1"),
        (json!({ "stage": "x", "bytes": "many" }), "bytes must be a number, got \"many\""),
        (json!({ "stage": "x", "bytes": -1 }), "bytes must not be negative"),
        (json!([]), "The body must be a JSON object"),
    ] {
        assert_eq!(say(A, &body), (400, json!({ "error": sentence })));
    }
    assert_eq!(server.0.send(A, "POST", "/api/progress", "{").code, 400);
    // Nobody is made a machine by saying how far it is.
    let stranger = json!({ "stage": "x", "serial_number": "10000000ffffffff" });
    assert_eq!(say(Ipv4Addr::LOCALHOST, &stranger).0, 404);
    assert_eq!(server.refusals()["unknown-machine"], 1);
}

#[test]
fn a_log_is_kept_with_its_deployment_through_a_restart() {
    let mut server = Server::start();
    let say = |server: &Server, from, lines: Value| server.post(from, "/api/log", &json!({ "lines": lines }));
    assert_eq!(server.log(MAC_A)["deployment"], Value::Null);
    // Before anything else is said.
    let lines = json!([
        { "level": "info", "text": "looking for\na disk" },
        { "level": "error", "text": "no disk", "at": "1970-01-01T00:00:09Z" },
    ]);
    assert_eq!(say(&server, A, lines), (200, json!({ "received": true })));
    let failed = json!({ "status": "failed", "message": "no disk" });
    assert_eq!(server.post(A, "/api/status", &failed).0, 200);
    say(&server, A, json!([{ "text": "waiting for a person" }]));
    server.0.stop();
    server.run();
    let log = server.log(MAC_A);
    let text = |log: &Value| -> Vec<String> {
        let lines = log["lines"].as_array().expect("lines").iter();
        lines.map(|line| format!("{} {}", line["level"].as_str().unwrap(), line["text"].as_str().unwrap())).collect()
    };
    assert_eq!(text(&log), ["info looking for a disk", "error no disk", "info waiting for a person"]);
    assert!(log["lines"][1]["at"].as_str().expect("a time").starts_with("20"), "a clock that was never set: {log}");
    assert_eq!(
        (&log["deployment"]["status"], &log["deployment"]["error_message"]),
        (&json!("failed"), &json!("no disk"))
    );
    for (lines, sentence) in [
        (json!(null), "lines must be a list"),
        (json!([7]), "a line must be an object, got 7"),
        (json!([{ "level": "info" }]), "a line needs a text"),
        (json!([{ "level": "bad", "text": "x" }]), "Invalid level: bad. Must be info, warning or error"),
    ] {
        assert_eq!(say(&server, A, lines), (400, json!({ "error": sentence })));
    }
    assert_eq!(say(&server, Ipv4Addr::LOCALHOST, json!([])).0, 404);
}

#[test]
fn our_installer_is_believed_only_after_it_verified() {
    let server = Server::start();
    server.status(A, "starting");
    assert_eq!(server.post(A, "/api/config", &question(None)).0, 200);
    let stage = || server.0.explain(MAC_A)["stage"].clone();
    server.status(A, "downloading");
    server.status(A, "success");
    assert_eq!(stage(), "writing");
    assert_eq!(server.refusals()["forbidden"], 1);
    for word in ["verifying", "customizing", "success"] {
        server.status(A, word);
    }
    assert_eq!(stage(), "done");
}
