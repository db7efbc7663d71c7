//! Garbage on every port while machines boot.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use hatchery::lab::Port;
use hatchery::load::bench::SERVER;
use hatchery::serve::control::Request;
use hatchery::sim::client::{Client, Kind};
use hatchery::wire::dhcp::MessageType;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::inside::{inside, until};
use crate::mutate::mutate;
use crate::pcap;
use crate::shortage::{answer, answer_text, connect};
use crate::table::{PATIENCE, Station, Table, client, mac, message, name_of, udp};

/// Of the whole process, in a debug build.
const MEMORY_MAX_KIB: u64 = 200 << 10;
/// Of that, what the allocator may keep when all is over.
const MEMORY_KEPT_KIB: u64 = 64 << 10;
/// Requests for files that nobody acknowledges: more than one client may have open.
const HALF_OPEN: usize = 200;
/// As many again, all of them granted: four clients with 500 each.
const GRANTED: usize = 2000;
const GRANTED_TO_ONE: usize = 500;
/// Connections that begin a request and never end it.
const SLOW_HEADS: usize = 100;
/// Rounds of each kind of garbage, at least; and of all kinds before the first machine is switched on.
const ROUNDS_MIN: u32 = 300;
const KINDS: [Kind; 5] = [Kind::Pi5, Kind::UefiX64, Kind::Pi4, Kind::LinuxInstaller, Kind::Pi5];

/// What is thrown at the server while machines boot.
struct Storm {
    over: AtomicBool,
    thrown: AtomicU32,
}

impl Storm {
    /// Throws until the machines are done and enough was thrown, with short pauses so that two cores have time for others.
    fn blow(&self, mut throw: impl FnMut()) {
        let mut rounds = 0;
        while !self.over.load(Ordering::Relaxed) || rounds < ROUNDS_MIN {
            throw();
            rounds += 1;
            self.thrown.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn noise(rng: &mut Rng, most: usize) -> Vec<u8> {
    (0..rng.usize(..=most)).map(|_| rng.u8(..)).collect()
}

/// Real DHCP messages of every firmware.
fn real_messages() -> Vec<Vec<u8>> {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut paths: Vec<_> =
        fs::read_dir(captures).expect("fixtures").map(|entry| entry.expect("a fixture").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    paths.sort();
    let packets = paths.iter().flat_map(|path| pcap::udp_packets(path));
    packets.filter(|packet| packet.dst.port() == 67).map(|packet| packet.payload).collect()
}

fn dhcp_garbage(port: &Port, storm: &Storm) {
    let mut rng = Rng::with_seed(1);
    let messages = real_messages();
    let station = Station::at(port.interface());
    let unicast = udp(port);
    storm.blow(|| {
        let mut bytes = messages[rng.usize(..messages.len())].clone();
        mutate(&mut bytes, &mut rng);
        bytes.truncate(1400);
        station.send(&bytes);
        // Lost where a queue is full, as on a wire.
        unicast.send_to(&noise(&mut rng, 1400), SocketAddrV4::new(SERVER.0, 67)).ok();
    });
}

fn tftp_garbage(port: &Port, storm: &Storm) {
    let mut rng = Rng::with_seed(2);
    let requests: [&[u8]; 5] = [
        b"\0\x01pi/fixup4.dat\0octet\0tsize\x000\0blksize\x001468\0windowsize\x0064\0",
        b"\0\x01../../secret\0octet\0",
        b"\0\x01pi/fixup4.dat\0netascii\0blksize\x0099999999999999999999\0",
        b"\0\x02upload\0octet\0",
        b"\0\x04\xff\xff",
    ];
    let socket = udp(port);
    let mut buffer = [0; 2048];
    let mut transfer = None;
    storm.blow(|| {
        let mut bytes = requests[rng.usize(..requests.len())].to_vec();
        for _ in 0..rng.usize(..4) {
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
        }
        bytes.extend(noise(&mut rng, 40));
        socket.send_to(&bytes, SocketAddrV4::new(SERVER.0, 69)).ok();
        socket.send_to(&noise(&mut rng, 600), SocketAddrV4::new(SERVER.0, 69)).ok();
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            transfer = Some(from);
        }
        // Into a transfer of ours: acknowledgements of nothing, and what is no TFTP at all.
        if let Some(transfer) = transfer {
            socket.send_to(&[0, 4, rng.u8(..), rng.u8(..)], transfer).ok();
            socket.send_to(&noise(&mut rng, 100), transfer).ok();
        }
    });
}

fn http_garbage(port: &Port, storm: &Storm) {
    let mut rng = Rng::with_seed(3);
    let deep = nested(20_000);
    let bodies = [
        &deep,
        "",
        "{",
        "[]",
        "null",
        "{\"product_type\":7}",
        "{\"mac_address\":\"zz\"}",
        "{\"status\":{\"a\":[[[[]]]]}}",
        "\u{0}\u{0}",
    ];
    storm.blow(|| {
        let tcp = [80, 5001, 8888][rng.usize(..3)];
        let request = match rng.u8(..6) {
            0 => noise(&mut rng, 2000),
            1 => format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)).into_bytes(),
            2 => format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(5000)).into_bytes(),
            3 => b"GET /images/../../secret HTTP/1.1\r\nHost: h\r\nRange: bytes=9-1,-0,99999999999999999999-\r\nConnection: close\r\n\r\n".to_vec(),
            4 => b"POST /api/config HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n{".to_vec(),
            _ => {
                let body = bodies[rng.usize(..bodies.len())];
                let path = ["/api/config", "/api/status"][rng.usize(..2)];
                format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
                    .into_bytes()
            }
        };
        let Ok(mut stream) = connect(port, tcp) else { return };
        // The server may close before it has read everything.
        if stream.write_all(&request).is_ok() {
            stream.shutdown(std::net::Shutdown::Write).ok();
            stream.read_to_end(&mut Vec::new()).ok();
        }
    });
}

/// JSON so deep that a reader which calls itself for each level needs a stack without end.
fn nested(levels: usize) -> String {
    format!("{{\"product_type\":{}{}}}", "[".repeat(levels), "]".repeat(levels))
}

/// Connections that come and go without a word, thirty at once.
fn connection_flood(port: &Port, storm: &Storm) {
    storm.blow(|| {
        let _held: Vec<_> = (0..30).map_while(|n| connect(port, [80, 5001, 8888][n % 3]).ok()).collect();
    });
}

/// Asks for a large file, in the largest windows.
fn ask_for_much(socket: &UdpSocket) {
    let request = b"\0\x01pi/kernel8.img\0octet\0blksize\x001468\0windowsize\x0064\0";
    socket.send_to(request, SocketAddrV4::new(SERVER.0, 69)).expect("a request");
}

/// Half-open transfers and half-said heads, held until the end.
fn half_open(port: &Port) -> (Vec<UdpSocket>, Vec<TcpStream>) {
    let sockets: Vec<UdpSocket> = (0..HALF_OPEN).map(|_| udp(port)).collect();
    sockets.iter().for_each(ask_for_much);
    let heads = (0..SLOW_HEADS).map(|_| {
        let mut stream = connect(port, 80).expect("a connection");
        stream.write_all(b"POST /api/config HTTP/1.1\r\nContent-Le").expect("half a head");
        stream
    });
    (sockets, heads.collect())
}

fn status_of(process: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the server's status");
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|value| value.split_whitespace().next()?.parse().ok()).expect("a number")
}

/// What a process holds open: sockets, and descriptors of all kinds.
fn open_in(process: u32) -> (usize, usize) {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).expect("the server's descriptors");
    let descriptors: Vec<_> = descriptors.filter_map(|each| fs::read_link(each.ok()?.path()).ok()).collect();
    let is_socket = |target: &&PathBuf| target.to_string_lossy().starts_with("socket:");
    (descriptors.iter().filter(is_socket).count(), descriptors.len())
}

/// A server's use of the system, measured at rest.
struct Idle {
    process: u32,
    sockets: usize,
    descriptors: usize,
    memory_kib: u64,
}

impl Idle {
    fn of(process: u32) -> Self {
        let (sockets, descriptors) = open_in(process);
        Idle { process, sockets, descriptors, memory_kib: status_of(process, "RssAnon") }
    }

    /// Waits until the server has closed all that it opened since; then its memory is bounded too.
    fn wait_until_again(&self, table: &Table) {
        let mut last = (0, 0);
        let closed = until(PATIENCE, || {
            last = open_in(self.process);
            (last.0 <= self.sockets && last.1 <= self.descriptors).then_some(())
        });
        let (sockets, descriptors) = last;
        assert!(
            closed.is_some(),
            "left open: {sockets} sockets of {}, {descriptors} descriptors of {}; the log ends:\n{}",
            self.sockets,
            self.descriptors,
            table.bench.log_tail(40)
        );
        let kept = status_of(self.process, "RssAnon").saturating_sub(self.memory_kib);
        assert!(kept < MEMORY_KEPT_KIB, "{kept} KiB more than at rest are kept");
    }
}

#[test]
fn twenty_machines_finish_while_garbage_comes_in_on_every_port() {
    if !inside("garbage::twenty_machines_finish_while_garbage_comes_in_on_every_port") {
        return;
    }
    // Mutated DISCOVERs are strangers that would hold every address for two minutes.
    let table = Table::serving("", "[dhcp]\noffer_hold = \"2s\"");
    fs::write(table.path("secret"), "for the operator only").expect("a file");
    let process = table.bench.server_id().expect("a server that runs");
    let ports: Vec<Port> = (1..=5).map(|n| table.plug_at(mac(n), 20 + n)).collect();
    let clients: Vec<Client> = (1..=20).map(|n| client(KINDS[n as usize % KINDS.len()], n)).collect();
    let idle = Idle::of(process);
    let storm = Storm { over: AtomicBool::new(false), thrown: AtomicU32::new(0) };
    let held = half_open(&ports[4]);
    let records = thread::scope(|scope| {
        let throwers = [dhcp_garbage, tftp_garbage, http_garbage, connection_flood];
        for (port, throw) in ports.iter().zip(throwers) {
            let storm = &storm;
            scope.spawn(move || throw(port, storm));
        }
        table.wait_for("garbage", || (storm.thrown.load(Ordering::Relaxed) >= ROUNDS_MIN).then_some(()));
        let records = table.boot(clients, || ());
        storm.over.store(true, Ordering::Relaxed);
        records
    });
    let mut names: Vec<&str> = records.iter().map(name_of).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 20, "each has a name of its own");
    drop(held);

    // Well formed, and against the rules whatever the storm brought: a DECLINE that names no address.
    Station::at(ports[0].interface()).send(&message(mac(1), MessageType::Decline, &[]));
    table.wait_for("the DECLINE", || (table.refusals("forbidden") > 0).then_some(()));

    assert_eq!(table.bench.server_id(), Some(process));
    let status = table.ask(&Request::Status);
    assert_eq!(status["stages"]["done"], 20, "{status}");
    for kind in ["unparsable", "not-ours", "forbidden", "invalid", "no-such-file", "outside-tree"] {
        assert!(table.refusals(kind) > 0, "no {kind} among the refusals: {status}");
    }
    let log = table.log();
    assert!(!log.contains("panic"), "{}", log.lines().filter(|line| line.contains("panic")).collect::<String>());
    assert!(!log.contains("ended by itself"), "a server within the server ended");
    let peak = status_of(process, "VmHWM");
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB at most in memory");
    idle.wait_until_again(&table);
}

#[test]
fn twenty_machines_finish_beside_two_thousand_half_open_transfers() {
    if !inside("garbage::twenty_machines_finish_beside_two_thousand_half_open_transfers") {
        return;
    }
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    assert!(hard as usize > GRANTED + 500, "this test needs {GRANTED} open sockets, and may have {hard}: ulimit -Hn");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("up to the hard limit is free");
    let table =
        Table::serving("", &format!("[tftp]\nmax_transfers = {}\nmax_per_client = {GRANTED_TO_ONE}", GRANTED + 100));
    let process = table.bench.server_id().expect("a server that runs");
    let ports: Vec<Port> = (1..=4).map(|n| table.plug_at(mac(n), 20 + n)).collect();
    let idle = Idle::of(process);
    let sockets: Vec<UdpSocket> = (0..GRANTED).map(|n| udp(&ports[n / GRANTED_TO_ONE])).collect();
    let over = AtomicBool::new(false);
    let records = thread::scope(|scope| {
        // Each asks again and again, as a machine does whose answers are lost; one that is given up begins anew.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for socket in &sockets {
                    ask_for_much(socket);
                    // Ahead of the server, requests would be lost in the full queue of its port.
                    thread::sleep(Duration::from_micros(200));
                }
            }
        });
        // Sockets are counted: each transfer has a port of its own (RFC 1350 §4).
        table.wait_for("2,000 transfers", || (open_in(process).0 >= idle.sockets + GRANTED).then_some(()));
        let records = table.boot((1..=20).map(|n| client(KINDS[n as usize % KINDS.len()], n)).collect(), || ());
        let open = open_in(process).0 - idle.sockets;
        over.store(true, Ordering::Relaxed);
        assert!(open >= GRANTED / 10 * 9, "{open} transfers still wait when the machines are done");
        records
    });
    assert_eq!(records.iter().map(name_of).collect::<BTreeSet<_>>().len(), 20, "each has a name of its own");
    assert_eq!(table.bench.server_id(), Some(process));
    let peak = status_of(process, "VmHWM");
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB at most in memory");
    drop(sockets);
    idle.wait_until_again(&table);
}

#[test]
fn bad_heads_and_bodies_get_their_own_answers() {
    if !inside("garbage::bad_heads_and_bodies_get_their_own_answers") {
        return;
    }
    let table = Table::serving("", "");
    let port = table.plug_at(mac(1), 20);
    let post = |body: &str| {
        format!(
            "POST /api/config HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    for (request, code) in [
        ("\x16\x03\x01\x02\0\x01\0\x01\u{fc}\r\n\r\n".to_owned(), "400"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)), "414"),
        (format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(100_000)), "431"),
        ("POST /api/config HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n{".to_owned(), "413"),
        (post("{"), "400"),
        (post("[1,2]"), "400"),
        (post(&nested(400_000)), "400"),
        (post(&"{\"status\":".repeat(90_000)), "400"),
        (post("{\"product_type\":7}"), "400"),
        (post("{\"product_type\":\"NOPE\"}"), "400"),
        ("GET /images/../../secret HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned(), "404"),
        ("GET /boot/%2e%2e/%2e%2e/secret HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned(), "404"),
    ] {
        let said = answer_text(&port, &request);
        let first: String = request.chars().take(60).collect();
        assert!(said.starts_with(&format!("HTTP/1.1 {code} ")), "{first:?}, not {code}: {said}");
        assert!(said.contains("{\"error\":\""), "a reason for people: {said}");
    }
    let said = answer(&port, 5001, b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").expect("an answer");
    assert!(said.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&said));
}
