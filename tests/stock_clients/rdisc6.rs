//! rdisc6 and a Linux kernel look for an IPv6 router: they hear that there is none, and believe it.

use std::fs;

use hatchery::lab::Port;

use crate::table::{Table, mac};
use crate::tools::{inside_with, program, run, text};

const TOOLS: [&str; 2] = ["rdisc6", "ip"];

/// What `ip -6` says of the port, with these further words.
fn ip6(table: &Table, words: &str) -> String {
    text(&run(program(table, "ip").arg("-6").args(words.split(' '))))
}

/// A machine that speaks IPv6 and has its link-local address.
fn plug(table: &Table) -> Port {
    let port = table.plug(mac(1));
    let name = port.interface();
    fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "0").expect("IPv6 for this machine");
    let there =
        || ip6(table, &format!("address show dev {name} scope link -tentative")).contains("fe80::").then_some(());
    table.wait_for("a link-local address", there);
    port
}

/// What rdisc6 said, and whether a router answered it.
fn rdisc6(table: &Table, port: &Port, patience_millis: &str) -> (bool, String) {
    let output = run(program(table, "rdisc6").args(["-1", "-r", "1", "-w", patience_millis, port.interface()]));
    (output.status.success(), text(&output))
}

#[test]
fn solicitations_get_an_empty_advertisement_that_makes_nobody_a_router() {
    if !inside_with(&TOOLS, "rdisc6::solicitations_get_an_empty_advertisement_that_makes_nobody_a_router") {
        return;
    }
    let table = Table::serving("", "");
    let port = plug(&table);
    let (answered, said) = rdisc6(&table, &port, "10000");
    assert!(answered, "{said}\n{}", table.bench.log_tail(20));
    let lifetime = said.lines().find(|line| line.starts_with("Router lifetime")).unwrap_or_default();
    assert!(lifetime.contains(" 0 ") && !said.contains("Prefix"), "{said}");

    // The kernel has asked for itself, too, when its interface came up.
    let counted = || {
        let counters = fs::read_to_string("/proc/net/snmp6").expect("the kernel's counters");
        let value = |name| counters.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        (value("Icmp6InRouterAdvertisements "), value("Icmp6InErrors "))
    };
    table.wait_for("the kernel hears it", || counted().0.filter(|count| *count > 0));
    assert_eq!(counted().1, Some(0), "no checksum is wrong");
    assert_eq!(ip6(&table, "route show default"), "", "no default route comes of it");
    assert!(!ip6(&table, &format!("address show dev {}", port.interface())).contains("scope global"));
}

#[test]
fn where_ipv6_is_used_or_it_is_switched_off_nothing_is_advertised() {
    if !inside_with(&TOOLS, "rdisc6::where_ipv6_is_used_or_it_is_switched_off_nothing_is_advertised") {
        return;
    }
    let mut table = Table::new("router_advertisement = false", "");
    table.bench.start_server().expect("a server that starts");
    let port = plug(&table);
    let silent = |table: &Table| {
        let (answered, said) = rdisc6(table, &port, "500");
        assert!(!answered, "{said}");
    };
    silent(&table);
    table.bench.stop_server().expect("it ends");
    table.configure("router_advertisement = false", "router_advertisement = true");
    table.bench.start_server().expect("a server that starts");
    assert!(rdisc6(&table, &port, "10000").0, "{}", table.bench.log_tail(20));

    let mut address = program(&table, "ip");
    address.args("-6 address add 2001:db8::1/64 dev hatch0 nodad".split(' '));
    let added = table.bench.network().spawn_server(address).expect("ip").wait();
    assert!(added.is_ok_and(|status| status.success()), "an IPv6 address for the server");
    silent(&table);
    table.wait_for_log("router solicitation left to others");
}
