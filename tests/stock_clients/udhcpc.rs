//! busybox udhcpc: what initramfs systems and installers use.

use std::io::Read;
use std::net::SocketAddrV4;
use std::process::Command;

use hatchery::lab::Port;
use hatchery::sim::client::Kind;
use hatchery::wire::ipv4;
use nix::sys::signal::Signal;

use crate::frames::packet_socket;
use crate::table::{Table, client, mac};
use crate::tools::{Dhcp, inside_with, program, script};

const SCRIPT: &str = r#"#!/bin/sh
list() { echo "$*" | busybox tr ' ' ','; }
case $1 in
    deconfig) busybox ifconfig "$interface" 0.0.0.0 ;;
    bound | renew) busybox ifconfig "$interface" "$ip" netmask "$subnet" ;;
esac
echo "$1 ip=$ip subnet=$subnet router=$(list $router) dns=$(list $dns) hostname=$hostname lease=$lease" \
    "serverid=$serverid domain=$domain siaddr=$siaddr" >> "$EVENTS"
"#;

/// udhcpc on that interface, in the foreground, asking once a second.
pub fn udhcpc(table: &Table, interface: &str, more: &[&str]) -> Command {
    let script = script(table, "udhcpc.sh", SCRIPT);
    let mut command = program(table, "busybox");
    command.args(["udhcpc", "-f", "-t", "3", "-T", "1", "-A", "1", "-i", interface, "-s"]).arg(script).args(more);
    command
}

fn start(table: &Table, name: &str, port: &Port, more: &[&str]) -> Dhcp {
    Dhcp::start(table, name, udhcpc(table, port.interface(), more))
}

#[test]
fn it_gets_its_options_and_its_reserved_name_and_renewing_keeps_the_address() {
    if !inside_with(&["busybox"], "udhcpc::it_gets_its_options_and_its_reserved_name_and_renewing_keeps_the_address") {
        return;
    }
    let network = "lease = \"1h\"\ndomain = \"bench.example.com\"\n\
         [[network.reservation]]\nmac = \"52:54:00:00:01:01\"\naddress = \"192.168.151.20\"\nhostname = \"bench-1\"";
    let table = Table::serving(network, "");
    let port = table.plug(mac(1));
    let udhcpc = start(&table, "a", &port, &[]);
    let bound = udhcpc.wait_for(&table, "bound");
    for (key, value) in [
        ("ip", "192.168.151.20"),
        ("subnet", "255.255.255.0"),
        ("router", "192.168.151.1"),
        ("dns", "8.8.8.8,8.8.4.4"),
        ("hostname", "bench-1"),
        ("lease", "3600"),
        ("serverid", "192.168.151.1"),
        ("domain", "bench.example.com"),
    ] {
        assert_eq!(bound.get(key), value, "{key}");
    }
    udhcpc.signal(Signal::SIGUSR1);
    assert_eq!(udhcpc.wait_for(&table, "renew").get("ip"), "192.168.151.20");
    let known = table.machine(mac(1));
    assert_eq!((&known["address"], &known["hostname"]), (&"192.168.151.20".into(), &"bench-1".into()));
}

#[test]
fn a_released_address_goes_to_the_next_machine() {
    if !inside_with(&["busybox"], "udhcpc::a_released_address_goes_to_the_next_machine") {
        return;
    }
    let mut table = Table::new("", "");
    table.configure("192.168.151.100-192.168.151.250", "192.168.151.100");
    table.start();
    let ports = [table.plug(mac(1)), table.plug(mac(2))];
    let first = start(&table, "first", &ports[0], &[]);
    assert_eq!(first.wait_for(&table, "bound").get("ip"), "192.168.151.100");

    let second = start(&table, "second", &ports[1], &[]);
    table.wait_for("a refusal", || (table.refusals("no-free-address") > 0).then_some(()));
    assert!(table.log().contains("no free address"), "the operator is told");
    assert!(second.all("bound").is_empty(), "one address, one machine");

    first.signal(Signal::SIGUSR2);
    assert_eq!(second.wait_for(&table, "bound").get("ip"), "192.168.151.100");
    assert_eq!(table.machine(mac(2))["address"], "192.168.151.100");
    assert!(table.machine(mac(1))["address"].is_null(), "the first one holds nothing");
}

#[test]
fn answers_go_to_the_mac_unless_the_client_asks_for_a_broadcast() {
    if !inside_with(&["busybox"], "udhcpc::answers_go_to_the_mac_unless_the_client_asks_for_a_broadcast") {
        return;
    }
    let table = Table::serving("", "");
    let capture = packet_socket("bench0", libc::ETH_P_IP as u16);
    capture.set_nonblocking(true).expect("a socket that does not wait");
    // OFFER and ACK: to whom the frames went, and to which address.
    let answers = || {
        let mut found = Vec::new();
        let mut frame = [0; 2048];
        while let Ok(length) = (&capture).read(&mut frame) {
            let sent = ipv4::parse_udp(&frame[14..length.max(14)]);
            if let Some((from, to, _)) = sent.filter(|(from, ..)| from.port() == 67) {
                assert_eq!(from, SocketAddrV4::new(hatchery::load::bench::SERVER.0, 67));
                found.push((frame[..6].to_vec(), to));
            }
        }
        found
    };
    let quiet = table.plug(mac(1));
    let bound = start(&table, "quiet", &quiet, &[]).wait_for(&table, "bound");
    let to = SocketAddrV4::new(bound.get("ip").parse().expect("an address"), 68);
    assert_eq!(answers(), vec![(mac(1).0.to_vec(), to); 2]);

    let loud = table.plug(mac(2));
    start(&table, "loud", &loud, &["-B"]).wait_for(&table, "bound");
    let everybody = SocketAddrV4::new(std::net::Ipv4Addr::BROADCAST, 68);
    assert_eq!(answers(), vec![(vec![0xff; 6], everybody); 2]);
}

#[test]
fn a_machine_keeps_its_address_from_firmware_to_linux() {
    if !inside_with(&["busybox"], "udhcpc::a_machine_keeps_its_address_from_firmware_to_linux") {
        return;
    }
    let table = Table::serving("", "");
    // Others came first, so the lowest free address proves nothing.
    table.plug_booting(client(Kind::Pi4, 1));
    table.plug_booting(client(Kind::UefiX64, 2));
    let mut port = table.plug_booting(client(Kind::Pi5, 3));
    let (firmware, _) = port.address().expect("the firmware has an address");
    port.clear_address().expect("no address");

    // The EEPROM sends no option 61; udhcpc sends type 1 and the MAC, or with -C nothing.
    for (name, more) in [("with-id", &[][..]), ("without-id", &["-C"][..])] {
        let bound = start(&table, name, &port, more).wait_for(&table, "bound");
        assert_eq!(bound.get("ip"), firmware.to_string(), "{name}");
    }
    let machines = table.ask(&hatchery::serve::control::Request::Machines);
    assert_eq!(machines.as_array().map(Vec::len), Some(3), "no machine is counted twice: {machines:#}");
}
