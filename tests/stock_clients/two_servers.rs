//! Two DHCP servers on one link: clients take either, and neither speaks for the other.

use std::net::Ipv4Addr;

use hatchery::serve::control::Request;

use crate::dhclient;
use crate::rival::udhcpd;
use crate::table::{Table, mac};
use crate::tools::{Dhcp, inside_with};
use crate::udhcpc::udhcpc;

const RIVAL: u8 = 9;

fn is_rivals(address: &str) -> bool {
    let address: Ipv4Addr = address.parse().expect("an address");
    (20..=30).contains(&address.octets()[3])
}

#[test]
fn a_client_takes_either_and_we_answer_for_our_own_only() {
    let tools = ["busybox", "dhclient"];
    if !inside_with(&tools, "two_servers::a_client_takes_either_and_we_answer_for_our_own_only") {
        return;
    }
    let table = Table::serving("", "");
    let rival_port = table.plug_at(mac(99), RIVAL);
    let Some(rival) = udhcpd(table.bench.directory(), rival_port.interface()) else { return };
    let red = |wanted: bool| {
        let findings = table.ask(&Request::Doctor);
        let is_red = |each: &serde_json::Value| each["check"] == "rivals hatch0" && each["level"] == "red";
        (findings.as_array().expect("findings").iter().any(is_red) == wanted).then_some(())
    };
    table.wait_for("the rival is red", || red(true));

    // Whoever is first.
    let port = table.plug(mac(1));
    let bound = Dhcp::start(&table, "either", udhcpc(&table, port.interface(), &[])).wait_for(&table, "bound");
    let ours = bound.get("serverid") == "192.168.151.1";
    assert_eq!(is_rivals(bound.get("ip")), !ours, "{bound:?}");
    assert_eq!(table.machine(mac(1))["address"].is_string(), ours, "{bound:?}");

    // The rival's: its client's REQUEST names it (RFC 2131 §4.3.2), and that is not ours to answer, nor is its address.
    let refused = table.refusals("not-ours");
    let port = table.plug(mac(2));
    let theirs = dhclient::start(&table, "theirs", &port, "reject 192.168.151.1;\n");
    let bound = theirs.wait_for(&table, "BOUND");
    assert!(is_rivals(bound.get("ip")), "{bound:?}");
    table.wait_for("the REQUEST to the rival", || (table.refusals("not-ours") > refused).then_some(()));
    assert!(!theirs.said().contains("DHCPNAK"), "{}", theirs.said());
    assert!(table.machine(mac(2))["address"].is_null(), "{}", table.machine(mac(2)));
    let leases = table.ask(&Request::Leases);
    let of_two = |lease: &serde_json::Value| lease["mac"] == mac(2).to_string() && lease["state"] == "bound";
    assert!(!leases.as_array().expect("leases").iter().any(of_two), "{leases:#}");
    drop(theirs);

    // Ours, in spite of the rival.
    std::fs::remove_file(table.path("leases")).expect("the lease file");
    let port = table.plug(mac(3));
    let bound = dhclient::start(&table, "ours", &port, "reject 192.168.151.9;\n").wait_for(&table, "BOUND");
    assert!(!is_rivals(bound.get("ip")), "{bound:?}");
    assert_eq!(table.machine(mac(3))["address"], bound.get("ip"));

    drop(rival);
    table.wait_for("the rival is gone", || red(false));
}
