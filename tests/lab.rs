//! The lab does what it promises: many stations on one link, frames to machines without an address, nothing left over.
//!
//! Every test runs as root and as an ordinary user. The `ip` program is never used.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/frames.rs"]
mod frames;
#[path = "common/inside.rs"]
mod inside;

use frames::packet_socket;
use hatchery::lab::{self, Network, Port};
use hatchery::net::Mac;
use inside::{inside, until};
use socket2::{Domain, Socket, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use std::{fs, io, thread};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 151, 1);
const PREFIX: u8 = 24;
const MACHINES: u8 = 20;
/// How long anything may take: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn mac(n: u8) -> Mac {
    Mac([0x52, 0x54, 0, 0, 0, n])
}

fn address(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 151, 100 + n)
}

/// An Ethernet frame with this payload.
fn frame(to: [u8; 6], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &mac(0xfe).0, &ethertype.to_be_bytes(), payload].concat()
}

/// A socket of one machine: bound to its port's interface and to its address.
fn machine_socket(port: &Port, from: Ipv4Addr, kind: Type) -> Socket {
    let socket = Socket::new(Domain::IPV4, kind, None).expect("a socket");
    socket.bind_device(Some(port.interface().as_bytes())).expect("SO_BINDTODEVICE");
    socket.bind(&SocketAddrV4::new(from, 0).into()).expect("the machine's own address");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// Answers every UDP datagram and every TCP line with the address that it came from.
fn echo_server(network: &Network, udp_port: u16, tcp_port: u16) {
    let (udp, tcp) = network.in_server(move || {
        let any = Ipv4Addr::UNSPECIFIED;
        (UdpSocket::bind((any, udp_port)).expect("UDP"), TcpListener::bind((any, tcp_port)).expect("TCP"))
    });
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((_, from)) = udp.recv_from(&mut buffer) {
            udp.send_to(from.ip().to_string().as_bytes(), from).ok();
        }
    });
    thread::spawn(move || {
        for stream in tcp.incoming().map_while(Result::ok) {
            thread::spawn(move || answer_lines(stream));
        }
    });
}

fn answer_lines(mut stream: TcpStream) -> io::Result<()> {
    let from = stream.peer_addr()?.ip();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    stream.write_all(format!("{from} said {line}").as_bytes())
}

#[test]
fn twenty_machines_talk_at_once_each_from_its_own_address_and_mac() {
    if !inside("twenty_machines_talk_at_once_each_from_its_own_address_and_mac") {
        return;
    }
    let network = Network::new(&[(SERVER, PREFIX)]).expect("a network");
    echo_server(&network, 7007, 7008);
    let capture = network.in_server(|| packet_socket("hatch0", libc::ETH_P_IP as u16));
    let together = Arc::new(Barrier::new(usize::from(MACHINES)));
    let machines: Vec<_> = (0..MACHINES)
        .map(|n| {
            let mut port = network.add_machine_port(0, mac(n)).expect("a port");
            port.set_address(address(n), PREFIX).expect("an address");
            let together = Arc::clone(&together);
            thread::spawn(move || {
                together.wait();
                exchange(&port, address(n));
            })
        })
        .collect();
    for machine in machines {
        machine.join().expect("a machine that was served");
    }
    let expected: BTreeMap<Ipv4Addr, BTreeSet<Mac>> =
        (0..MACHINES).map(|n| (address(n), BTreeSet::from([mac(n)]))).collect();
    assert_eq!(stations(&capture), expected, "who sent from which address, on the wire at the server");
}

/// One UDP and one TCP exchange of a machine with the echo server.
fn exchange(port: &Port, from: Ipv4Addr) {
    let udp = UdpSocket::from(machine_socket(port, from, Type::DGRAM));
    udp.send_to(b"hello", (SERVER, 7007)).expect("a datagram out");
    let mut buffer = [0; 64];
    let length = udp.recv(&mut buffer).expect("a datagram back");
    assert_eq!(std::str::from_utf8(&buffer[..length]), Ok(from.to_string().as_str()));

    let tcp = machine_socket(port, from, Type::STREAM);
    tcp.connect_timeout(&SocketAddr::from((SERVER, 7008)).into(), PATIENCE).expect("a connection");
    let mut tcp = TcpStream::from(tcp);
    tcp.write_all(b"hello\n").expect("a line out");
    let mut line = String::new();
    tcp.read_to_string(&mut line).expect("a line back");
    assert_eq!(line, format!("{from} said hello\n"));
}

/// What a capture has seen so far: the source MACs of every IPv4 source address but the server's.
fn stations(capture: &Socket) -> BTreeMap<Ipv4Addr, BTreeSet<Mac>> {
    let mut seen = BTreeMap::<_, BTreeSet<_>>::new();
    capture.set_nonblocking(true).expect("a socket that does not wait");
    let mut frame = [0; 65_536];
    while let Ok(length) = (&*capture).read(&mut frame) {
        assert!(length >= 34, "an IPv4 header after the Ethernet header");
        let sender = Mac(frame[6..12].try_into().expect("six bytes"));
        let source = Ipv4Addr::from(<[u8; 4]>::try_from(&frame[26..30]).expect("four bytes"));
        if source != SERVER {
            seen.entry(source).or_default().insert(sender);
        }
    }
    seen
}

#[test]
fn unicast_frame_reaches_only_its_machine_before_it_has_an_address() {
    if !inside("unicast_frame_reaches_only_its_machine_before_it_has_an_address") {
        return;
    }
    let network = Network::new(&[(SERVER, PREFIX)]).expect("a network");
    let sender = network.in_server(|| packet_socket("hatch0", libc::ETH_P_ALL as u16));
    let here = network.add_machine_port(0, mac(1)).expect("a port");
    let other = network.add_machine_port(0, mac(2)).expect("a port");
    assert_eq!(here.address(), None);
    for ethertype in [libc::ETH_P_IP as u16, libc::ETH_P_ALL as u16] {
        let sockets = [&here, &other].map(|port| packet_socket(port.interface(), ethertype));
        let unicast = frame(mac(1).0, libc::ETH_P_IP as u16, b"an offer for one machine without an address");
        let broadcast = frame([0xff; 6], libc::ETH_P_IP as u16, b"an offer for everybody, after the other one");
        sender.send(&unicast).expect("a frame out");
        sender.send(&broadcast).expect("a frame out");
        assert_eq!(next_frames(&sockets[0], 2), BTreeSet::from([unicast, broadcast.clone()]));
        // The broadcast came later, so what is not there before it will not come.
        assert_eq!(next_frames(&sockets[1], 1), BTreeSet::from([broadcast]));
    }
}

/// The next frames that this file's own sender sent. A set, because the kernel hands broadcasts to macvlans later.
fn next_frames(socket: &Socket, count: usize) -> BTreeSet<Vec<u8>> {
    let mut buffer = [0; 2048];
    let mut next = || {
        let length = (&*socket).read(&mut buffer).expect("a frame in");
        buffer[..length].to_vec()
    };
    std::iter::repeat_with(&mut next).filter(|frame| frame[6..12] == mac(0xfe).0).take(count).collect()
}

#[test]
fn address_changes_move_a_machine() {
    if !inside("address_changes_move_a_machine") {
        return;
    }
    let other_server = Ipv4Addr::new(10, 9, 0, 1);
    let network = Network::new(&[(SERVER, PREFIX), (other_server, 16)]).expect("a network of two links");
    echo_server(&network, 7007, 7008);
    let mut port = network.add_machine_port(0, mac(1)).expect("a port");
    for n in [1, 2, 1] {
        port.set_address(address(n), PREFIX).expect("an address");
        exchange(&port, address(n));
    }
    port.clear_address().expect("no address");
    port.clear_address().expect("still none");
    let socket = UdpSocket::bind((address(1), 0));
    assert!(socket.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable), "the address is gone");

    let mut port = network.add_machine_port(1, mac(2)).expect("a port on the second link");
    port.set_address(Ipv4Addr::new(10, 9, 3, 7), 16).expect("an address");
    let socket = UdpSocket::from(machine_socket(&port, Ipv4Addr::new(10, 9, 3, 7), Type::DGRAM));
    socket.send_to(b"hello", (other_server, 7007)).expect("a datagram out");
    assert_eq!(socket.recv(&mut [0; 64]).expect("a datagram back"), "10.9.3.7".len());
    assert!(matches!(network.add_machine_port(2, mac(3)), Err(lab::Error::NoSuchLink(2))));
}

#[test]
fn scratch_space_is_private_and_separate() {
    if !inside("scratch_space_is_private_and_separate") {
        return;
    }
    let [first, second] = [8, 8].map(|mib| lab::private_tmpfs(mib).expect("scratch space"));
    assert_ne!(first, second);
    fs::write(first.join("image"), vec![0; 4 << 20]).expect("4 MiB into 8 MiB");
    let full = fs::write(first.join("too-much"), vec![0; 6 << 20]);
    assert!(full.is_err_and(|error| error.kind() == io::ErrorKind::StorageFull));
    assert!(fs::read_dir(second).expect("a directory").next().is_none());
}

#[test]
fn server_process_ends_with_its_network() {
    if !inside("server_process_ends_with_its_network") {
        return;
    }
    let network = Network::new(&[(SERVER, PREFIX)]).expect("a network");
    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    let mut server = network.spawn_server(sleep).expect("a server");
    let (ours, theirs) = (namespace("self"), namespace(&server.id().to_string()));
    assert!(ours.is_some() && theirs.is_some() && ours != theirs, "{ours:?} {theirs:?}");
    drop(network);
    assert!(inside::wait(&mut server, PATIENCE).is_some(), "the server lives on");
}

/// The network namespace of a process; nothing if the process is gone or not ours to ask.
fn namespace(process: &str) -> Option<u64> {
    fs::metadata(format!("/proc/{process}/ns/net")).ok().map(|data| data.ino())
}

#[test]
fn nothing_remains_after_sigkill() {
    const NAME: &str = "nothing_remains_after_sigkill";
    if lab::inside() {
        return wait_to_be_killed();
    }
    let mut command = inside::command(NAME);
    let Some(mut child) = inside::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped())) else { return };
    let output = child.stdout.take().expect("a pipe");
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        lines.find_map(|line| line.split_once("READY ").map(|(_, rest)| tell.send(rest.to_owned())))
    });
    let ready = told.recv_timeout(PATIENCE);
    // The kill comes first, so that a failed assertion leaves nothing either.
    let outside = [interface_there("hatch0"), interface_there("bench0"), interface_there(lab_port().as_str())];
    let mounted = fs::read_to_string("/proc/self/mountinfo").expect("our mounts");
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
    let ready = ready.expect("the child says what it has made");
    let (namespaces, scratch) = ready.split_once(' ').expect("two words");
    let namespaces: Vec<u64> = namespaces.split(',').map(|inode| inode.parse().expect("an inode")).collect();
    assert_eq!(namespaces.len(), 2);

    assert_eq!(outside, [false; 3], "interfaces of the lab were seen outside");
    assert!(!mounted.contains("hatchery-lab"), "a mount of the lab was seen outside:\n{mounted}");
    assert!(!Path::new(scratch).join("image").exists(), "a file of the lab was seen outside");
    let gone = until(PATIENCE, || (processes_in(&namespaces).is_empty()).then_some(()));
    assert!(gone.is_some(), "processes live on: {:?}", processes_in(&namespaces));
}

/// The inside of [`nothing_remains_after_sigkill`]: makes everything there is to make, says so, waits for its end.
#[expect(clippy::zombie_processes, reason = "the test is about what becomes of a child nobody waits for")]
fn wait_to_be_killed() {
    let network = Network::new(&[(SERVER, PREFIX)]).expect("a network");
    network.add_machine_port(0, mac(1)).expect("a port");
    let scratch = lab::private_tmpfs(1).expect("scratch space");
    fs::write(scratch.join("image"), "data").expect("a file");
    let mut sleep = Command::new("sleep");
    sleep.arg("1000").stdout(Stdio::null());
    let server = network.spawn_server(sleep).expect("a server");
    let of = |process: &str| namespace(process).expect("a process of ours");
    println!("READY {},{} {}", of("self"), of(&server.id().to_string()), scratch.display());
    loop {
        thread::park();
    }
}

fn lab_port() -> String {
    format!("m{}", mac(1).to_string().replace(':', ""))
}

fn interface_there(name: &str) -> bool {
    nix::net::if_::if_nametoindex(name).is_ok()
}

/// The processes in one of these network namespaces that are not merely waiting to be reaped.
fn processes_in(namespaces: &[u64]) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let names = processes.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| namespace(name).is_some_and(|inode| namespaces.contains(&inode))).collect()
}

#[test]
fn outside_a_lab_nothing_is_touched() {
    if lab::inside() {
        return;
    }
    assert!(matches!(Network::new(&[(SERVER, PREFIX)]), Err(lab::Error::Outside)));
    assert!(matches!(lab::private_tmpfs(1), Err(lab::Error::Outside)));
    // The test harness has threads.
    assert!(matches!(lab::enter(), Err(lab::Error::Threads)));
}

#[test]
fn process_without_threads_can_enter_by_itself() {
    // SAFETY: the child has one thread, makes its lab and leaves by _exit; glibc's allocator survives a fork.
    match unsafe { nix::unistd::fork() }.expect("a fork") {
        nix::unistd::ForkResult::Child => {
            // SAFETY: alarm and _exit are async-signal-safe.
            unsafe {
                libc::alarm(PATIENCE.as_secs() as u32);
                libc::_exit(enter_and_talk());
            }
        }
        nix::unistd::ForkResult::Parent { child } => {
            use nix::sys::wait::{WaitStatus, waitpid};
            match waitpid(child, None).expect("a child of ours") {
                WaitStatus::Exited(_, 0) => {}
                WaitStatus::Exited(_, BARRED) => inside::skip("lab::enter"),
                other => panic!("the child that entered a lab: {other:?}"),
            }
        }
    }
}

/// The exit code of a child that may not enter.
const BARRED: i32 = 77;

/// Enters a lab and sends one datagram through it; answers an exit code.
fn enter_and_talk() -> i32 {
    match lab::enter() {
        Err(lab::Error::Barred { .. }) => return BARRED,
        Err(_) => return 1,
        Ok(()) => {}
    }
    let talk = || -> Option<()> {
        let network = Network::new(&[(SERVER, PREFIX)]).ok()?;
        let server = network.in_server(|| UdpSocket::bind((SERVER, 67))).ok()?;
        let mut port = network.add_machine_port(0, mac(1)).ok()?;
        port.set_address(address(1), PREFIX).ok()?;
        let client = UdpSocket::from(machine_socket(&port, address(1), Type::DGRAM));
        client.send_to(b"hello", (SERVER, 67)).ok()?;
        let (_, from) = server.recv_from(&mut [0; 64]).ok()?;
        (from.ip() == address(1)).then_some(())
    };
    if talk().is_some() { 0 } else { 2 }
}
