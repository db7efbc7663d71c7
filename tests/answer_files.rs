//! Who gets which answer file from the whole server, over loopback: the machine that holds the asking address, and
//! nobody else, and only as long as it holds it: by HTTP and TFTP, as a Proxmox installer, and in the operator's preview.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/loopback.rs"]
#[allow(dead_code, reason = "shared with the tests of the deployment API")]
mod loopback;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use hatchery::answer::Answers;
use hatchery::catalog::{Profile, Vars};
use hatchery::config::builtin;
use hatchery::fleet::Change;
use hatchery::ids::MachineId;
use hatchery::lease::{ClientKey, Lease, LeaseState};
use hatchery::machine::firmware::Firmware;
use hatchery::machine::{Evidence, Machine};
use hatchery::net::{Mac, Subnet};
use hatchery::serve::control::{Reply, Request};
use hatchery::serve::{Settings, tftp as tftp_server};
use hatchery::site::{Identifier, Link, Pool, Reservation};
use hatchery::store::Store;
use hatchery::time::Timestamp;
use hatchery::wire::tftp::{self, ErrorCode, Mode, Options, Packet};
use loopback::Answer;
use serde_json::{Value, json};

/// Three machines with leases, and an address that nobody holds.
const A: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const B: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);
const MAC_A: &str = "52:54:00:00:00:0a";
const MAC_B: &str = "52:54:00:00:00:0b";
/// It never netbooted: an installer was started from a stick. Its reservation names its profile.
const C: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);
const MAC_C: &str = "52:54:00:00:00:0c";

/// Somebody new, who asks by iPXE.
const MAC_D: &str = "52:54:00:00:00:0d";
/// How long a datagram may take: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that remembers A, B and C.
struct Server {
    server: loopback::Server,
    tftp: u16,
}

impl Server {
    fn start() -> Server {
        let server = loopback::Server::new();
        let now = now();
        let machines =
            [(1, MAC_A, A, Firmware::BiosPxe), (2, MAC_B, B, Firmware::Ipxe), (3, MAC_C, C, Firmware::Plain)];
        let journal = machines.map(|(id, mac, address, firmware)| {
            let lease = lease(id, mac, address, LeaseState::Bound, now + Duration::from_secs(3600));
            [Change::Machine(machine(id, mac, firmware, now)), Change::Lease(lease)]
        });
        let mut server = Server { server, tftp: 0 };
        server.restart(&journal.concat());
        server
    }

    /// Ends the server, writes these changes to its journal, and starts it anew.
    fn restart(&mut self, changes: &[Change]) {
        self.server.stop();
        let journal = self.server.path("hatchery.db");
        Store::open(&journal).and_then(|mut store| store.commit(changes)).expect("a journal");
        let subnet = Subnet::parse("127.0.0.0/8").expect("a subnet");
        let of_c = Reservation::new(Identifier::Mac(Mac::parse(MAC_C).expect("a MAC")));
        let reservations = vec![Reservation { profile: Some("c".into()), ..of_c }];
        let pools = vec![Pool::new(A, C)];
        let link = Link { pools, reservations, ..Link::new("lo", subnet, Ipv4Addr::LOCALHOST) };
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
        self.tftp = free.expect("a port").port();
        let listen = SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.tftp);
        let config = tftp_server::Config { listen, ..tftp_server::Config::default() };
        self.server.run(link, |settings| Settings { tftp: Some(config), ..arrange(settings) });
    }

    fn get(&self, from: Ipv4Addr, path: &str) -> (u16, String) {
        let Answer { code, body, .. } = self.server.send(from, "GET", path, "");
        (code, body)
    }

    /// The file as it comes by TFTP in blocks of 512 bytes (RFC 1350), or the code of the ERROR.
    fn tftp(&self, from: Ipv4Addr, name: &str) -> Result<String, ErrorCode> {
        let socket = UdpSocket::bind((from, 0)).expect("all of 127.0.0.0/8 is ours");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = tftp::Request { name: name.into(), mode: Mode::Octet, options: Options::default() };
        socket.send_to(&Packet::Read(request).encode(), (Ipv4Addr::LOCALHOST, self.tftp)).expect("an RRQ sent");
        let mut file = Vec::new();
        let mut next = 1;
        let mut buffer = [0; 1024];
        loop {
            let (length, server) = socket.recv_from(&mut buffer).expect("DATA or ERROR");
            match Packet::parse(&buffer[..length]).expect("a TFTP packet") {
                Packet::Data { block, content } => {
                    socket.send_to(&Packet::Ack { block }.encode(), server).expect("an ACK sent");
                    // An older one is a block that was sent twice.
                    if block == next {
                        next += 1;
                        file.extend_from_slice(content);
                        if content.len() < 512 {
                            return Ok(String::from_utf8(file).expect("text"));
                        }
                    }
                }
                Packet::Error { code, .. } => return Err(code),
                other => panic!("{other:?} to a plain RRQ"),
            }
        }
    }

    /// The answer file, which must be the same by HTTP and TFTP; nothing if there is none for this address.
    fn both(&self, from: Ipv4Addr, name: &str) -> Option<String> {
        let (code, body) = self.get(from, &format!("/boot/{name}"));
        let by_tftp = self.tftp(from, name);
        if code == 404 {
            assert_eq!(by_tftp, Err(ErrorCode::FILE_NOT_FOUND), "{from}: {name}");
            return None;
        }
        assert_eq!((code, by_tftp.as_ref()), (200, Ok(&body)), "{from}: {name}");
        Some(body)
    }

    /// What a Proxmox installer with these interfaces gets from `POST /answer`.
    fn answer(&self, from: Ipv4Addr, macs: &[&str]) -> Answer {
        let interfaces: Vec<Value> = macs.iter().map(|mac| json!({ "link": "eno1", "mac": mac })).collect();
        let body = json!({
            "$schema": { "version": "1.0" },
            "product": { "fullname": "Proxmox VE", "product": "pve", "enable_btrfs": true },
            "iso": { "release": "9.2", "isorelease": "1" },
            "dmi": { "system": { "serial": "x", "uuid": "y", "name": "z" }, "baseboard": {}, "chassis": {} },
            "network_interfaces": interfaces,
        });
        self.server.send(from, "POST", "/answer", &body.to_string())
    }

    fn render(&self, machine: &str, name: &str) -> Reply {
        self.server.ask(&Request::Render { machine: machine.into(), name: name.into() })
    }

    fn stage(&self, machine: &str) -> (Value, Value) {
        let machine = self.server.explain(machine);
        (machine["stage"].clone(), machine["order"].clone())
    }
}

fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    Timestamp::from_millis(i64::try_from(now).expect("a date of our time"))
}

fn machine(id: u64, mac: &str, firmware: Firmware, now: Timestamp) -> Machine {
    let mac = Mac::parse(mac).expect("a MAC");
    let evidence = Evidence { mac: Some(mac), firmware: Some(firmware), ..Evidence::default() };
    Machine::new(MachineId(id), &evidence, now)
}

fn lease(id: u64, mac: &str, address: Ipv4Addr, state: LeaseState, expires: Timestamp) -> Lease {
    let client = ClientKey::Mac(Mac::parse(mac).expect("a MAC"));
    Lease { address, client, machine: Some(MachineId(id)), state, expires }
}

fn profile(name: &str, firmware: Firmware, secret: &str) -> Profile {
    let texts =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Profile {
        name: name.into(),
        firmware: vec![firmware],
        boot_file: Some("x".into()),
        answers: texts(&[
            ("answer.toml", "proxmox/answer.toml"),
            ("pxelinux.cfg/default", "pxelinux/default"),
            ("nocloud/user-data", "ubuntu/user-data"),
            (&format!("only-{name}"), "pi/firstrun.sh"),
        ]),
        vars: Vars(texts(&[("root_password_hash", secret), ("password_hash", secret)])),
        ..Profile::default()
    }
}

fn arrange(settings: Settings) -> Settings {
    let templates = builtin::TEMPLATES.map(|(name, text)| (name.to_owned(), text.to_owned()));
    Settings {
        profiles: vec![
            profile("a", Firmware::BiosPxe, "$6$secret-of-a"),
            profile("b", Firmware::Ipxe, "$6$secret-of-b"),
            Profile { firmware: Vec::new(), boot_file: None, ..profile("c", Firmware::Plain, "$6$secret-of-c") },
        ],
        answers: Answers::compile(&BTreeMap::from(templates)).0,
        ..settings
    }
}

#[test]
fn an_answer_goes_to_the_machine_that_holds_the_asking_address_and_to_nobody_else() {
    let server = Server::start();
    let (code, text) = server.get(A, "/boot/answer.toml");
    assert!(code == 200 && text.contains("\"$6$secret-of-a\"") && !text.contains("of-b"), "{text}");
    let (code, text) = server.get(B, "/boot/answer.toml");
    assert!(code == 200 && text.contains("\"$6$secret-of-b\"") && !text.contains("of-a"), "{text}");
    // The names of another machine's files, with and without its prefix.
    assert_eq!(server.get(A, "/boot/only-a").0, 200);
    for name in ["only-b", "52-54-00-00-00-0b/only-b", "proxmox/answer.toml", "pxelinux.cfg/01-52-54-00-00-00-0b"] {
        assert_eq!(server.get(A, &format!("/boot/{name}")).0, 404, "{name}");
    }
    let (code, text) = server.get(A, "/boot/pxelinux.cfg/01-52-54-00-00-00-0a");
    assert!(code == 200 && text.contains(MAC_A), "{text}");
    assert_eq!(server.get(B, "/boot/pxelinux.cfg/7F000003").0, 200);
    assert_eq!(server.get(B, "/boot/pxelinux.cfg/7F000002").0, 404);
    let (code, text) = server.get(B, "/boot/nocloud/user-data");
    assert!(code == 200 && text.starts_with("#cloud-config\n"), "{text}");
    for name in ["answer.toml", "only-a", "nocloud/user-data", "pxelinux.cfg/default"] {
        let (code, text) = server.get(STRANGER, &format!("/boot/{name}"));
        assert!(code == 404 && !text.contains("secret"), "{name}: {text}");
    }
}

#[test]
fn tftp_keeps_the_same_secrets() {
    let server = Server::start();
    assert!(server.both(A, "answer.toml").is_some_and(|text| text.contains("secret-of-a") && !text.contains("of-b")));
    assert!(server.both(B, "answer.toml").is_some_and(|text| text.contains("secret-of-b") && !text.contains("of-a")));
    assert!(server.both(A, "pxelinux.cfg/01-52-54-00-00-00-0a").is_some_and(|text| text.contains(MAC_A)));
    for name in ["only-b", "52-54-00-00-00-0b/only-b", "pxelinux.cfg/01-52-54-00-00-00-0b", "proxmox/answer.toml"] {
        assert_eq!(server.both(A, name), None, "{name}");
    }
    for name in ["answer.toml", "only-a", "nocloud/user-data", "pxelinux.cfg/default"] {
        assert_eq!(server.both(STRANGER, name), None, "{name}");
    }
}

#[test]
fn an_answer_ends_with_the_lease_and_the_next_holder_gets_its_own() {
    let mut server = Server::start();
    let asked = |server: &Server| server.both(A, "answer.toml");
    assert!(asked(&server).is_some_and(|text| text.contains("secret-of-a")));

    // It runs out while the server runs. How long that takes is no matter here: only that it comes.
    let soon = lease(1, MAC_A, A, LeaseState::Bound, now() + Duration::from_secs(3));
    server.restart(&[Change::Lease(soon)]);
    loopback::wait_for("the end of the lease", || server.get(A, "/boot/answer.toml").0 == 404);
    assert_eq!(asked(&server), None);
    assert_eq!(server.answer(A, &[MAC_A]).code, 404, "nor as a Proxmox installer");

    let later = now() + Duration::from_secs(3600);
    for state in [LeaseState::Released, LeaseState::Declined] {
        server.restart(&[Change::Lease(lease(1, MAC_A, A, state, later))]);
        for name in ["answer.toml", "only-a", "nocloud/user-data", "pxelinux.cfg/01-52-54-00-00-00-0a"] {
            assert_eq!(server.both(A, name), None, "{state:?}: {name}");
        }
        assert!(server.both(B, "answer.toml").is_some(), "others keep theirs");
    }

    // Another machine gets the address: what it asks for is its own, and nothing of the one before.
    let next = Change::Machine(machine(4, MAC_D, Firmware::Ipxe, now()));
    server.restart(&[next, Change::Lease(lease(4, MAC_D, A, LeaseState::Bound, later))]);
    let text = asked(&server).expect("the answer of D");
    assert!(text.contains("secret-of-b") && !text.contains("secret-of-a"), "{text}");
    let menu = server.both(A, "pxelinux.cfg/01-52-54-00-00-00-0d").expect("the menu of D");
    assert!(menu.contains(MAC_D) && !menu.contains(MAC_A), "{menu}");
    for name in ["only-a", "pxelinux.cfg/01-52-54-00-00-00-0a"] {
        assert_eq!(server.both(A, name), None, "{name}");
    }
    let old = server.answer(A, &[MAC_A]);
    assert!(old.code == 404 && !old.body.contains("secret"), "{old:?}");
}

#[test]
fn a_proxmox_installer_gets_its_answer_and_says_when_it_is_done() {
    let server = Server::start();
    let refused = |from, macs: &[&str]| {
        let Answer { code, body, .. } = server.answer(from, macs);
        assert!(!body.contains("secret"), "{body}");
        code
    };
    assert_eq!(refused(STRANGER, &[MAC_A]), 404, "nobody's address");
    assert_eq!(refused(A, &[MAC_B]), 404, "another machine's interfaces");
    assert_eq!(refused(A, &["nonsense"]), 404);
    assert_eq!(refused(A, &[]), 404);
    for body in ["", "{", "[]", "{\"network_interfaces\":7}"] {
        let Answer { code, body, .. } = server.server.send(A, "POST", "/answer", body);
        assert_eq!(code, 400, "{body}");
    }
    assert_eq!(server.stage(MAC_A).0, "waiting", "a refusal moves nothing");

    let Answer { code, head, body: text } = server.answer(A, &["52:54:00:00:00:99", &MAC_A.to_uppercase()]);
    assert_eq!(code, 200, "{text}");
    assert!(head.contains("\r\ncontent-type: application/toml\r\n"), "{head}");
    let answer: toml::Table = text.parse().expect("TOML");
    assert_eq!(answer["global"]["root-password-hashed"].as_str(), Some("$6$secret-of-a"));
    let webhook = format!("http://127.0.0.1:{}/api/proxmox/installed", server.server.port);
    assert_eq!(answer["post-installation-webhook"]["url"].as_str(), Some(webhook.as_str()));
    assert_eq!(server.stage(MAC_A), (json!("installer"), json!("install")));

    let installed =
        |from| server.server.send(from, "POST", "/api/proxmox/installed", "{\"$schema\":{\"version\":\"1.2\"}}");
    assert_eq!(installed(STRANGER).code, 404);
    let Answer { code, body, .. } = installed(A);
    assert_eq!((code, body.as_str()), (200, "{\"hostname\":null,\"received\":true}\n"));
    assert_eq!(server.stage(MAC_A), (json!("done"), json!("disk")));
    assert_eq!(server.stage(MAC_B).0, "waiting", "the other machine is where it was");
    assert_eq!(refused(A, &[MAC_A]), 404, "a finished machine is not installed again");
}

#[test]
fn a_proxmox_installer_from_a_stick_gets_the_answer_of_its_reservation() {
    let server = Server::start();
    let Answer { code, body, .. } = server.answer(C, &[MAC_C]);
    assert!(code == 200 && body.contains("$6$secret-of-c"), "{body}");
    assert_eq!(server.stage(MAC_C).0, "installer");
    // Whoever looks at the URL by hand is told what it is for.
    let Answer { code, head, body } = server.server.send(C, "GET", "/answer", "");
    assert_eq!(code, 405);
    assert!(head.contains("\r\nallow: post\r\n"), "{head}");
    assert!(body.contains("asked for by POST") && body.contains("hatchery render"), "{body}");
}

#[test]
fn the_operator_sees_what_a_machine_would_get() {
    let server = Server::start();
    let text = |machine, name| match server.render(machine, name) {
        Reply::Ok(Value::String(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(text(MAC_A, "answer.toml"), server.get(A, "/boot/answer.toml").1);
    assert_eq!(text("127.0.0.3", "answer.toml"), server.get(B, "/boot/answer.toml").1);
    assert!(text(MAC_A, "pxelinux.cfg/7F000002").contains(MAC_A));
    assert!(text(MAC_A, "ubuntu/meta-data").contains(&format!("hatchery-{MAC_A}")), "a template of no profile");
    let refused = |machine, name| match server.render(machine, name) {
        Reply::Error(sentence) => sentence,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(MAC_A, "only-b"), "file not found: only-b");
    assert_eq!(refused("127.0.0.4", "answer.toml"), "No machine is known by 127.0.0.4");
    // Nothing else shows the operator's variables.
    for request in [Request::Explain { machine: MAC_A.into() }, Request::Machines, Request::Leases, Request::Status] {
        let Reply::Ok(shown) = server.server.ask(&request) else { panic!("{request:?}") };
        assert!(!shown.to_string().contains("secret"), "{shown}");
    }
}
