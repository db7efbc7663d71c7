//! ISC dhclient: it remembers leases in a file, and so comes back with INIT-REBOOT.

use std::fs;
use std::process::Command;

use hatchery::lab::Port;

use crate::table::{Table, mac};
use crate::tools::{Dhcp, inside_with, program, run, script, text};

const TOOLS: [&str; 2] = ["dhclient", "busybox"];

/// Without the pauses of the defaults, which are meant for networks of thousands.
const CONFIG: &str = "initial-interval 1;\nbackoff-cutoff 1;\nreboot 3;\nretry 1;\ntimeout 20;\n\
    request subnet-mask, routers, domain-name-servers, host-name;\n";

const SCRIPT: &str = r#"#!/bin/sh
case $reason in
    BOUND | RENEW | REBIND | REBOOT) busybox ifconfig "$interface" "$new_ip_address" netmask "$new_subnet_mask" ;;
    EXPIRE | FAIL | RELEASE | STOP) busybox ifconfig "$interface" 0.0.0.0 ;;
esac
list() { echo "$*" | busybox tr ' ' ','; }
echo "$reason ip=$new_ip_address old=$old_ip_address subnet=$new_subnet_mask router=$new_routers" \
    "dns=$(list $new_domain_name_servers) lease=$new_dhcp_lease_time" >> "$EVENTS"
"#;

/// dhclient on that interface with the lease file `leases`, its events under `name`.
pub fn dhclient(table: &Table, name: &str, interface: &str, config: &str, flags: &[&str]) -> Command {
    let script = script(table, "dhclient.sh", SCRIPT);
    fs::write(table.path("dhclient.conf"), format!("{CONFIG}{config}")).expect("a configuration");
    let mut command = program(table, "dhclient");
    command.args(["-4", "-cf", "dhclient.conf", "-lf"]).arg(table.path("leases")).arg("-pf").arg(table.path("pid"));
    // It empties the environment of its script but for what is named here.
    let events = format!("EVENTS={}", table.path(&format!("{name}.events")).display());
    command.arg("-sf").arg(script).args(["-e", &events]).args(flags).arg(interface);
    command
}

pub fn start(table: &Table, name: &str, port: &Port, config: &str) -> Dhcp {
    Dhcp::start(table, name, foreground(table, name, port.interface(), config))
}

/// As [`dhclient`], in the foreground, until it has a lease or has failed to get one.
pub fn foreground(table: &Table, name: &str, interface: &str, config: &str) -> Command {
    fs::File::options().create(true).append(true).open(table.path("leases")).expect("a lease file");
    dhclient(table, name, interface, config, &["-1", "-d"])
}

#[test]
fn it_comes_back_to_its_address_and_gives_it_back() {
    if !inside_with(&TOOLS, "dhclient::it_comes_back_to_its_address_and_gives_it_back") {
        return;
    }
    let mut table = Table::serving("", "");
    // The lowest address is somebody else's, so that getting the same one again is no accident.
    table.plug_booting(crate::table::client(hatchery::sim::client::Kind::Pi5, 9));
    let port = table.plug(mac(1));
    let bound = start(&table, "first", &port, "").wait_for(&table, "BOUND");
    let address = bound.get("ip").to_owned();
    assert_eq!(
        (bound.get("subnet"), bound.get("router"), bound.get("dns"), bound.get("lease")),
        ("255.255.255.0", "192.168.151.1", "8.8.8.8,8.8.4.4", "43200")
    );

    // INIT-REBOOT (RFC 2131 §4.3.2), and again after a restart of the server: the journal knows the lease.
    let second = start(&table, "second", &port, "");
    assert_eq!(second.wait_for(&table, "REBOOT").get("ip"), address);
    drop(second);
    table.bench.kill_server();
    table.start();
    let mut third = start(&table, "third", &port, "");
    assert_eq!(third.wait_for(&table, "REBOOT").get("ip"), address);
    assert_eq!(table.machine(mac(1))["address"], address.as_str());

    let released = run(&mut dhclient(&table, "release", port.interface(), "", &["-r"]));
    assert!(released.status.success(), "{}", text(&released));
    table.wait_for("the release", || table.machine(mac(1))["address"].is_null().then_some(()));
    third.ended();
}

#[test]
fn an_address_of_another_network_is_nakked_and_replaced() {
    if !inside_with(&TOOLS, "dhclient::an_address_of_another_network_is_nakked_and_replaced") {
        return;
    }
    let table = Table::serving("", "");
    let port = table.plug(mac(1));
    let lease = format!(
        "lease {{\n  interface \"{}\";\n  fixed-address 10.20.30.40;\n  option subnet-mask 255.255.255.0;\n  \
         option dhcp-server-identifier 10.20.30.1;\n  renew 4 2099/01/01 00:00:00;\n  rebind 4 2099/01/01 00:00:00;\n  \
         expire 4 2099/01/01 00:00:00;\n}}\n",
        port.interface()
    );
    fs::write(table.path("leases"), lease).expect("a lease file");
    let dhclient = start(&table, "moved", &port, "");
    let bound = dhclient.wait_for(&table, "BOUND");
    assert!(bound.get("ip").starts_with("192.168.151."), "{bound:?}");
    let said = dhclient.said();
    assert!(said.contains("DHCPREQUEST for 10.20.30.40") && said.contains("DHCPNAK from 192.168.151.1"), "{said}");
}

#[test]
fn a_lease_is_renewed_by_unicast_and_rebound_by_broadcast() {
    if !inside_with(&TOOLS, "dhclient::a_lease_is_renewed_by_unicast_and_rebound_by_broadcast") {
        return;
    }
    // T1 at 6 s, T2 at 10 s.
    let table = Table::serving("lease = \"12s\"", "");
    let port = table.plug(mac(1));
    let dhclient = start(&table, "short", &port, "");
    let bound = dhclient.wait_for(&table, "BOUND");
    assert_eq!(bound.get("lease"), "12");
    let renewed = dhclient.wait_for(&table, "RENEW");
    assert_eq!((renewed.get("ip"), renewed.get("old")), (bound.get("ip"), bound.get("ip")));
    assert!(dhclient.said().contains("to 192.168.151.1 port 67"), "by unicast: {}", dhclient.said());

    // From here on unicasts go to a station that is not there.
    let misled = run(program(&table, "busybox").args([
        "arp",
        "-i",
        port.interface(),
        "-s",
        "192.168.151.1",
        "02:00:00:00:00:99",
    ]));
    assert!(misled.status.success(), "{}", text(&misled));
    let extended = || [dhclient.all("RENEW"), dhclient.all("REBIND")].concat();
    dhclient.wait_until(&table, "a lease rebound", || (extended().len() >= 2).then_some(()));
    // The first broadcast took the OFFER.
    let broadcasts = dhclient.said().matches("REQUEST for 192.168.151.100 on m525400000101 to 255.255.255.255").count();
    assert!(broadcasts >= 2, "by broadcast: {}", dhclient.said());
    assert!(extended().iter().all(|event| event.get("ip") == bound.get("ip")), "{:?}", extended());
    assert!(dhclient.all("EXPIRE").is_empty(), "the lease never ran out");
}

#[test]
fn a_client_identifier_of_its_own_is_a_client_of_its_own() {
    if !inside_with(&TOOLS, "dhclient::a_client_identifier_of_its_own_is_a_client_of_its_own") {
        return;
    }
    let table = Table::serving("", "");
    let port = table.plug(mac(1));
    let config = |id: &str| format!("send dhcp-client-identifier \"{id}\";\n");
    let first = start(&table, "one", &port, &config("one")).wait_for(&table, "BOUND");
    // A new disk in the same board: no lease file, another identifier.
    fs::remove_file(table.path("leases")).expect("the lease file");
    let second = start(&table, "two", &port, &config("two")).wait_for(&table, "BOUND");
    assert_ne!(first.get("ip"), second.get("ip"), "RFC 2131 §4.2: the identifier tells clients apart");
    fs::remove_file(table.path("leases")).expect("the lease file");
    let again = start(&table, "again", &port, &config("one")).wait_for(&table, "BOUND");
    assert_eq!(first.get("ip"), again.get("ip"), "the same identifier keeps its address");
}
