//! The ISC relay agent between a network of its own and ours, with real clients behind it.
//!
//! ```text
//!  far namespace            this namespace: the router and relay             server's namespace
//!  far0 ──────── veth ───── relay0 10.9.0.1   m… 192.168.151.9 ─── bench0 ── hatch0 192.168.151.1
//! ```

use std::fs::{self, File};
use std::io::Read;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::process::Command;

use hatchery::lab::Port;
use hatchery::wire::dhcp::{MessageType, Reply, codec};
use hatchery::wire::ipv4;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::Signal;
use socket2::Socket;

use crate::dhclient;
use crate::frames::packet_socket;
use crate::rival::Ends;
use crate::table::{Table, mac};
use crate::tools::{Dhcp, inside_with, program, run, text};
use crate::udhcpc::udhcpc;

const TOOLS: [&str; 4] = ["busybox", "dhclient", "dhcrelay", "ip"];
/// Where it stands in a frame with an IP header without options.
const UDP_CHECKSUM: usize = 14 + 20 + 6;
/// The relay's address in the far network.
const GIADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const FAR: &str = "[[network]]\nrelayed = true\nname = \"far\"\nsubnet = \"10.9.0.0/24\"\nlease = \"12s\"\n\
    pool = [\"10.9.0.10-10.9.0.20\"]\nrouters = [\"10.9.0.1\"]\n\
    [[network.reservation]]\nmac = \"52:54:00:00:01:01\"\naddress = \"10.9.0.50\"\nhostname = \"far-1\"";

/// A network behind a relay, with one machine in it.
struct Far {
    /// Holds the machine's namespace.
    holder: Ends,
    /// Everything that goes from the server to the relay's link.
    capture: Socket,
    _relay: Dhcp,
    _port: Port,
}

impl Far {
    fn new(table: &Table) -> Far {
        let mut sleep = program(table, "busybox");
        sleep.args(["sleep", "600"]);
        // SAFETY: system calls only, no memory touched.
        unsafe {
            sleep.pre_exec(|| {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                unshare(CloneFlags::CLONE_NEWNET).map_err(Into::into)
            });
        }
        let holder = Ends::start(&mut sleep);
        let port = table.plug_at(mac(100), 9);
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("this namespace is a router");
        let netns = holder.id().to_string();
        let ip = |words: &str| assert_success(program(table, "ip").args(words.split(' ')));
        ip(&format!("link add relay0 type veth peer name far0 netns {netns}"));
        ip("address add 10.9.0.1/24 dev relay0");
        ip("link set relay0 up");
        let capture = packet_socket("bench0", libc::ETH_P_IP as u16);
        capture.set_nonblocking(true).expect("a socket that does not wait");
        let mut command = program(table, "dhcrelay");
        command.args(["-4", "-d", "-a", "-id", "relay0", "-iu", port.interface(), "192.168.151.1"]);
        let relay = Dhcp::start(table, "relay", command);
        let far = Far { holder, capture, _relay: relay, _port: port };
        let set = |words: &str| assert_success(&mut far.inside(program(table, "ip"), words));
        set(&format!("link set far0 address {}", mac(1)));
        set("link set far0 up");
        // The way back for what clients send past the relay.
        let mut route = program(table, "ip");
        route.args("route add 10.9.0.0/24 via 192.168.151.9 dev hatch0".split(' '));
        let added = table.bench.network().spawn_server(route).expect("ip").wait();
        assert!(added.is_ok_and(|status| status.success()), "a route from the server to the far network");
        far
    }

    /// A program in the machine's namespace, with further words.
    fn inside(&self, mut command: Command, words: &str) -> Command {
        let namespace = File::open(format!("/proc/{}/ns/net", self.holder.id())).expect("the far namespace");
        command.args(words.split(' ').filter(|word| !word.is_empty()));
        // SAFETY: one system call on a descriptor that the closure holds.
        unsafe { command.pre_exec(move || setns(&namespace, CloneFlags::CLONE_NEWNET).map_err(Into::into)) };
        command
    }

    /// What clients need to send by unicast past the relay; the scripts of the clients set no routes.
    fn add_default_route(&self, table: &Table) {
        assert_success(&mut self.inside(program(table, "ip"), "route replace default via 10.9.0.1 dev far0"));
    }

    /// What the server has sent to the far network since the last look, and to which address.
    fn replies(&self) -> Vec<(Ipv4Addr, Reply)> {
        let mut found = Vec::new();
        let mut frame = [0; 2048];
        while let Ok(length) = (&self.capture).read(&mut frame) {
            // Checksums of sockets are left to the card, which a veth has none of; 0 means that there is none.
            frame[UDP_CHECKSUM..UDP_CHECKSUM + 2].fill(0);
            let sent = ipv4::parse_udp(&frame[14..length.max(14)]).filter(|(from, ..)| from.port() == 67);
            if let Some((_, to, payload)) = sent
                && to.ip().octets()[0] == 10
            {
                found.push((*to.ip(), codec::decode_reply(payload).expect("a well-formed reply")));
            }
        }
        found
    }
}

fn assert_success(command: &mut Command) {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {}", text(&output));
}

/// Checks that OFFER and ACK went to the relay, with what it had added: option 82, circuit `relay0` (RFC 3046 §2.2).
fn assert_relayed(replies: &[(Ipv4Addr, Reply)]) {
    for wanted in [MessageType::Offer, MessageType::Ack] {
        let reply = replies.iter().find(|(to, reply)| reply.kind == Some(wanted) && *to == GIADDR);
        let (_, reply) = reply.unwrap_or_else(|| panic!("no {wanted:?} to the relay: {replies:#?}"));
        assert_eq!(reply.relay_agent.as_deref(), Some(&b"\x01\x06relay0"[..]), "{wanted:?}");
        assert_eq!(reply.giaddr, GIADDR);
    }
}

#[test]
fn udhcpc_gets_its_address_and_name_renews_and_releases_through_a_relay() {
    if !inside_with(&TOOLS, "dhcrelay::udhcpc_gets_its_address_and_name_renews_and_releases_through_a_relay") {
        return;
    }
    let table = Table::serving("", FAR);
    let far = Far::new(&table);
    let udhcpc = Dhcp::start(&table, "far", far.inside(udhcpc(&table, "far0", &[]), ""));
    let bound = udhcpc.wait_for(&table, "bound");
    for (key, value) in
        [("ip", "10.9.0.50"), ("router", "10.9.0.1"), ("hostname", "far-1"), ("serverid", "192.168.151.1")]
    {
        assert_eq!(bound.get(key), value, "{key}");
    }
    assert_relayed(&far.replies());

    far.add_default_route(&table);
    udhcpc.signal(Signal::SIGUSR1);
    assert_eq!(udhcpc.wait_for(&table, "renew").get("ip"), "10.9.0.50");
    let renewed = far.replies();
    let past_the_relay = |(to, reply): &(Ipv4Addr, Reply)| {
        to.octets() == [10, 9, 0, 50] && reply.kind == Some(MessageType::Ack) && reply.giaddr.is_unspecified()
    };
    assert!(renewed.iter().any(past_the_relay), "by unicast, routed: {renewed:#?}");
    assert_eq!(table.machine(mac(1))["address"], "10.9.0.50");

    udhcpc.signal(Signal::SIGUSR2);
    table.wait_for("the release", || table.machine(mac(1))["address"].is_null().then_some(()));
}

#[test]
fn dhclient_renews_rebinds_reboots_and_releases_through_a_relay() {
    if !inside_with(&TOOLS, "dhcrelay::dhclient_renews_rebinds_reboots_and_releases_through_a_relay") {
        return;
    }
    let network = FAR.split("[[network.reservation]]").next().expect("a first part");
    let table = Table::serving("", network);
    let far = Far::new(&table);
    let start = |name: &str| {
        let command = dhclient::foreground(&table, name, "far0", "");
        Dhcp::start(&table, name, far.inside(command, ""))
    };
    let first = start("first");
    let bound = first.wait_for(&table, "BOUND");
    let address = bound.get("ip").to_owned();
    assert_eq!((address.as_str(), bound.get("router"), bound.get("lease")), ("10.9.0.10", "10.9.0.1", "12"));
    assert_relayed(&far.replies());

    // T1 at 6 s finds no way past the relay, T2 at 10 s goes through it. dhclient calls both RENEW.
    assert_eq!(first.wait_for(&table, "RENEW").get("ip"), address);
    let acked = |to: Ipv4Addr| {
        let replies = far.replies();
        assert!(replies.iter().any(|(at, reply)| *at == to && reply.kind == Some(MessageType::Ack)), "{replies:#?}");
    };
    acked(GIADDR);
    far.add_default_route(&table);
    let rebound = first.all("RENEW").len();
    assert_eq!(first.wait_for_nth(&table, "RENEW", rebound + 1).get("ip"), address);
    acked(address.parse().expect("an address"));
    assert!(first.all("EXPIRE").is_empty(), "{}", first.said());
    // It writes a renewed lease down after its script has run, and not within 15 s of the last time.
    let leases = || fs::read_to_string(table.path("leases")).expect("the leases");
    let renewed = || (leases().matches("\n}").count() > 1).then_some(());
    first.wait_until(&table, "second lease in the file", renewed);
    drop(first);

    let second = start("second");
    assert_eq!(second.wait_for(&table, "REBOOT").get("ip"), address);
    far.add_default_route(&table);
    let mut release = far.inside(dhclient::dhclient(&table, "release", "far0", "", &["-r"]), "");
    assert_success(&mut release);
    table.wait_for("the release", || table.machine(mac(1))["address"].is_null().then_some(()));
}
