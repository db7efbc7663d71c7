//! Preflight and conflict detection against a real server in a lab: what an operator is told, when it ends, and that no
//! OFFER waits for it.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
mod inside;
#[path = "common/rival.rs"]
#[allow(dead_code, reason = "shared with the stock clients")]
mod rival;

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use hatchery::lab::Port;
use hatchery::load::bench::{Bench, SERVER, Setup};
use hatchery::net::Mac;
use hatchery::serve::control::Request;
use hatchery::serve::packet::{EtherType, PacketSocket};
use hatchery::serve::preflight::{Finding, Level};
use hatchery::wire::dhcp::{MessageType, Reply, codec};
use hatchery::wire::{arp, ipv4};
use inside::{inside, until};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// How long anything may take: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);
const BROADCAST: Mac = Mac([0xff; 6]);
/// The lowest address of the bench's pool.
const FIRST: Ipv4Addr = Ipv4Addr::new(192, 168, 151, 100);
const SECOND: Ipv4Addr = Ipv4Addr::new(192, 168, 151, 101);

fn mac(n: u8) -> Mac {
    Mac([0x52, 0x54, 0, 0, 0, n])
}

fn bench() -> Bench {
    let setup = Setup {
        program: env!("CARGO_BIN_EXE_hatchery").into(),
        image_mib: 1,
        network: String::new(),
        tables: String::new(),
        log: "info".into(),
    };
    Bench::new(&setup).expect("a bench")
}

fn running() -> Bench {
    let mut bench = bench();
    bench.start_server().expect("a server");
    bench
}

fn findings(bench: &Bench) -> Vec<Finding> {
    serde_json::from_value(bench.ask(&Request::Doctor).expect("an answer")).expect("findings")
}

fn red(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.level == Level::Red).collect()
}

/// Asks until the check is red, and answers its sentence.
fn wait_for_red(bench: &Bench, check: &str) -> String {
    let red =
        until(PATIENCE, || findings(bench).into_iter().find(|each| each.check == check && each.level == Level::Red));
    red.unwrap_or_else(|| panic!("{check} does not become red: {:#?}\n{}", findings(bench), bench.log_tail(20))).what
}

/// Asks until nothing is red.
fn wait_for_calm(bench: &Bench) {
    let calm = until(PATIENCE, || red(&findings(bench)).is_empty().then_some(()));
    assert!(calm.is_some(), "still red: {:#?}", red(&findings(bench)));
}

/// The server's log lines of that level that hold that text.
fn logged(bench: &Bench, level: &str, text: &str) -> usize {
    bench.log_tail(usize::MAX).lines().filter(|line| line.contains(level) && line.contains(text)).count()
}

#[test]
fn a_duplicate_of_our_own_address_is_red_until_it_leaves() {
    if !inside("a_duplicate_of_our_own_address_is_red_until_it_leaves") {
        return;
    }
    let bench = running();
    assert_eq!(red(&findings(&bench)), Vec::<&Finding>::new(), "a bench is in order");

    let mut box_with_our_address = bench.network().add_machine_port(0, mac(7)).expect("a port");
    box_with_our_address.set_address(SERVER.0, SERVER.1).expect("our address");
    let what = wait_for_red(&bench, "duplicate 192.168.151.1");
    assert!(what.contains(&mac(7).to_string()), "{what}");
    assert_eq!(logged(&bench, "ERROR", "52:54:00:00:00:07"), 1, "{}", bench.log_tail(20));

    box_with_our_address.clear_address().expect("no address");
    wait_for_calm(&bench);
    assert_eq!(logged(&bench, "INFO", "nobody else uses 192.168.151.1"), 1, "{}", bench.log_tail(20));
    assert_eq!(logged(&bench, "ERROR", "preflight"), 1, "{}", bench.log_tail(20));
}

#[test]
fn a_duplicate_is_in_the_log_without_being_asked_for() {
    if !inside("a_duplicate_is_in_the_log_without_being_asked_for") {
        return;
    }
    let mut bench = bench();
    let mut box_with_our_address = bench.network().add_machine_port(0, mac(7)).expect("a port");
    box_with_our_address.set_address(SERVER.0, SERVER.1).expect("our address");
    bench.start_server().expect("a server");
    let seen = until(PATIENCE, || (logged(&bench, "ERROR", "52:54:00:00:00:07") == 1).then_some(()));
    assert!(seen.is_some(), "{}", bench.log_tail(20));
}

#[test]
fn another_dhcp_server_is_red_until_it_leaves() {
    if !inside("another_dhcp_server_is_red_until_it_leaves") {
        return;
    }
    let bench = running();
    assert_eq!(red(&findings(&bench)), Vec::<&Finding>::new(), "a bench is in order");
    let mut port = bench.network().add_machine_port(0, mac(9)).expect("a port");
    port.set_address(Ipv4Addr::new(192, 168, 151, 9), SERVER.1).expect("an address");
    let Some(rival) = rival::udhcpd(bench.directory(), port.interface()) else { return };
    let what = wait_for_red(&bench, "rivals hatch0");
    assert!(what.contains("192.168.151.9") && what.contains(&mac(9).to_string()), "{what}");
    assert_eq!(bench.ask(&Request::Leases).expect("leases"), serde_json::json!([]), "our question is no client");
    drop(rival);
    wait_for_calm(&bench);
}

/// A packet socket for everything that goes in and out of an interface.
fn capture(interface: &str) -> Socket {
    let everything = libc::ETH_P_ALL as u16;
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(everything.to_be()))));
    let socket = socket.expect("a packet socket");
    let index = nix::net::if_::if_nametoindex(interface).expect("an interface that is there");
    // SAFETY: sockaddr_ll is plain integers; all zero is a value of it.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let link = storage.cast::<libc::sockaddr_ll>();
            (*link).sll_family = libc::AF_PACKET as u16;
            (*link).sll_protocol = everything.to_be();
            (*link).sll_ifindex = index as i32;
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })
    }
    .expect("an address that needs no system call");
    socket.bind(&address).expect("binding to an interface of ours");
    socket.set_nonblocking(true).expect("a socket that does not wait");
    socket
}

/// What a captured frame is, in the words of this test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    Offer(Ipv4Addr),
    Probe(Ipv4Addr),
    Claim(Ipv4Addr, Mac),
}

/// The frames captured so far that matter here, in order.
fn frames(capture: &Socket) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut buffer = [0; 65_536];
    while let Ok(length) = (&*capture).read(&mut buffer) {
        let packet = &buffer[14..length];
        if let Some(arp) = arp::Packet::decode(packet) {
            frames.push(arp.claim().map_or(Frame::Probe(arp.target), |(address, mac)| Frame::Claim(address, mac)));
        } else if let Some(reply) = reply_in(packet).filter(|reply| reply.kind == Some(MessageType::Offer)) {
            frames.push(Frame::Offer(reply.yiaddr));
        }
    }
    frames
}

fn reply_in(packet: &[u8]) -> Option<Reply> {
    let (_, _, payload) = ipv4::parse_udp(packet)?;
    codec::decode_reply(payload).ok()
}

/// Sends a DISCOVER by a machine's port.
fn discover(port: &Port) {
    let mut message = vec![1, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0];
    message.resize(28, 0);
    message.extend_from_slice(&port.mac().0);
    message.resize(236, 0);
    message.extend_from_slice(&[99, 130, 83, 99, 53, 1, 1, 255]);
    let (from, to) = (SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68), SocketAddrV4::new(Ipv4Addr::BROADCAST, 67));
    let socket = PacketSocket::open(port.interface(), EtherType::Ipv4, false).expect("a packet socket");
    socket.send(&ipv4::udp_packet(from, to, &message), BROADCAST).expect("a DISCOVER");
}

/// The address that the machine is offered next.
fn offered(port: &Port) -> Ipv4Addr {
    let ear = PacketSocket::open(port.interface(), EtherType::Ipv4, true).expect("a packet socket");
    discover(port);
    let mut buffer = [0; 4096];
    let offer = until(PATIENCE, || {
        let (length, _) = ear.receive(&mut buffer).ok()?;
        reply_in(&buffer[..length]).filter(|reply| reply.kind == Some(MessageType::Offer))
    });
    offer.expect("an OFFER").yiaddr
}

fn state_of(bench: &Bench, address: Ipv4Addr) -> Option<String> {
    let leases = bench.ask(&Request::Leases).expect("leases");
    let lease = leases.as_array()?.iter().find(|lease| lease["address"] == address.to_string())?;
    Some(lease["state"].as_str()?.to_owned())
}

#[test]
fn an_address_in_use_is_withdrawn_after_the_offer_and_another_is_given() {
    if !inside("an_address_in_use_is_withdrawn_after_the_offer_and_another_is_given") {
        return;
    }
    let bench = running();
    let capture = bench.network().in_server(|| capture("hatch0"));
    let mut squatter = bench.network().add_machine_port(0, mac(7)).expect("a port");
    squatter.set_address(FIRST, SERVER.1).expect("an address of the pool");
    let client = bench.network().add_machine_port(0, mac(1)).expect("a port");

    assert_eq!(offered(&client), FIRST, "nobody knows of the squatter yet");
    let declined = until(PATIENCE, || state_of(&bench, FIRST).filter(|state| state == "declined"));
    assert!(declined.is_some(), "{}", bench.log_tail(20));
    let frames = frames(&capture);
    let place = |wanted| frames.iter().position(|frame| *frame == wanted);
    let (offer, probe) = (place(Frame::Offer(FIRST)), place(Frame::Probe(FIRST)));
    assert!(offer.is_some() && offer < probe, "the OFFER waits for nobody: {frames:?}");
    // The last one: all machines are one kernel here, and it speaks up for the address when it sees the OFFER.
    let answer = frames.iter().rposition(|frame| *frame == Frame::Claim(FIRST, mac(7)));
    assert!(probe < answer, "the probe is what finds it: {frames:?}");

    assert_eq!(offered(&client), SECOND);
    assert_eq!(logged(&bench, "WARN", "another station uses the address"), 1, "{}", bench.log_tail(20));
    let told = findings(&bench).into_iter().find(|finding| finding.check == format!("conflict {FIRST}"));
    assert!(told.is_some_and(|finding| finding.what.contains(&mac(7).to_string())), "{:#?}", findings(&bench));
}

/// Gives an interface of the calling thread's namespace this address instead of its first one (netdevice(7)).
fn replace_address(interface: &str, address: Ipv4Addr) {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    // SAFETY: ifreq is plain integers and a union of them; all zero is a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_addr.sa_family = libc::AF_INET as u16;
    let octets = address.octets().map(|octet| octet as libc::c_char);
    // SAFETY: a sockaddr_in is what SIOCSIFADDR reads there: the address stands behind family and port.
    unsafe { request.ifr_ifru.ifru_addr.sa_data[2..6].copy_from_slice(&octets) };
    // SAFETY: `request` is a whole ifreq and outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFADDR, &raw const request) };
    assert_eq!(result, 0, "SIOCSIFADDR: {}", std::io::Error::last_os_error());
}

/// Exit code and output of `hatchery doctor` on the server side.
fn doctor(bench: &Bench) -> (Option<i32>, String) {
    let path = bench.directory().join("doctor.txt");
    let output = std::fs::File::create(&path).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
    command.args(["doctor", "--config", "hatchery.toml"]).current_dir(bench.directory()).env_remove("HATCHERY_SOCKET");
    command.stdin(Stdio::null()).stdout(output.try_clone().expect("a second descriptor")).stderr(output);
    let mut child = bench.network().spawn_server(command).expect("a doctor");
    let status = inside::wait(&mut child, PATIENCE).expect("an end");
    (status.code(), std::fs::read_to_string(path).expect("text"))
}

#[test]
fn a_missing_address_is_red_with_and_without_a_server() {
    if !inside("a_missing_address_is_red_with_and_without_a_server") {
        return;
    }
    let mut bench = running();
    let (code, text) = doctor(&bench);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("✓ 192.168.151.1/24 is on hatch0") && !text.contains('✗'), "{text}");

    let moved = Ipv4Addr::new(192, 168, 151, 2);
    bench.network().in_server(move || replace_address("hatch0", moved));
    for server in ["running", "stopped"] {
        let (code, text) = doctor(&bench);
        assert_eq!(code, Some(1), "{server}: {text}");
        assert!(text.contains("✗ 192.168.151.1 is not on hatch0"), "{server}: {text}");
        assert!(text.contains("→ ip address add 192.168.151.1/24 dev hatch0"), "{server}: {text}");
        assert_eq!(text.contains("no server answers"), server == "stopped", "{text}");
        bench.stop_server().expect("it ends");
    }

    bench.network().in_server(|| replace_address("hatch0", SERVER.0));
    let (code, text) = doctor(&bench);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("✓ the port of DHCP is free"), "{text}");
}
