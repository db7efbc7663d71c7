use super::*;
use crate::config::tests::{check, config};

#[test]
fn networks() {
    let two = |text: &str| format!("[[network]]\ninterface = \"eth2\"\n{text}");
    check(
        "[[network]]\nname = \"x\"\naddress = \"10.0.0.1/24\"\npool = []",
        "3:1: network.interface: the interface is missing; write interface = \"eth1\", or relayed = true for a network behind relay agents",
    );
    check(
        "address = \"192.168.151.1\"",
        "3:11: network.address: \"192.168.151.1\" is not our address with the prefix length; write it like \"192.168.151.1/24\"",
    );
    check(
        "address = \"192.168.151.300/24\"",
        "3:11: network.address: \"192.168.151.300/24\" is not our address with the prefix length; write it like \"192.168.151.1/24\"",
    );
    check(
        "address = \"10.0.0.0/24\"\npool = []",
        "3:11: network.address: 10.0.0.0 is no host of 10.0.0.0/24; give an address between its first and last",
    );
    check(
        "address = \"10.0.0.1/24\"",
        "1:1: network.pool: the pool is missing; write pool = [\"10.0.0.100-10.0.0.250\"], or [] for reservations only",
    );
    check(
        &two(""),
        "3:1: network.address: the subnet 192.168.151.0/24 overlaps 192.168.151.0/24 of line 1; give our address on this network: address = \"192.168.100.250/24\"",
    );
    check(
        &two("address = \"192.168.0.1/16\"\npool = []"),
        "5:11: network.address: the subnet 192.168.0.0/16 overlaps 192.168.151.0/24 of line 1",
    );
    check(
        &two("name = \"eth1\"\naddress = \"10.0.0.1/24\"\npool = []"),
        "5:8: network.name: the name \"eth1\" stands already on line 2",
    );
    check("lease = \"12\"", "3:9: network.lease: \"12\" is not a duration; write it like \"12h\"");
    check("lease = \"0s\"", "3:9: network.lease: a duration of zero; one second is the least");
    check("lease = 43200", "3:9: network.lease: expected a string, found a whole number; put it in quotes");
    check(
        "dns = [\"8.8.8.8\", \"8.8.8\"]",
        "3:19: network.dns: \"8.8.8\" is not an IPv4 address; write it like \"192.168.151.1\"",
    );
    check(
        "domain = \"a..b\"",
        "3:10: network.domain: \"a..b\" is not a domain name; write it like \"bench.example.com\"",
    );
}

#[test]
fn pools() {
    let example = "write it like \"192.168.151.100-192.168.151.250\"";
    check("pool = [\"here\"]", &format!("3:9: network.pool: \"here\" is not a range of addresses; {example}"));
    check(
        "pool = [\"192.168.151.20-192.168.151.10\"]",
        "3:9: network.pool: the range 192.168.151.20-192.168.151.10 is reversed; write \"192.168.151.10-192.168.151.20\"",
    );
    check(
        "pool = [\"192.168.151.20-192.168.152.10\"]",
        "3:9: network.pool: 192.168.152.10 lies outside of 192.168.151.0/24",
    );
    check(
        "pool = [\"192.168.151.20-192.168.151.255\"]",
        "3:9: network.pool: 192.168.151.255 is the broadcast address of 192.168.151.0/24",
    );
    check(
        "pool = [\"192.168.151.20-192.168.151.29\",\n \"192.168.151.29\"]",
        "4:2: network.pool: the range 192.168.151.29-192.168.151.29 overlaps 192.168.151.20-192.168.151.29",
    );
    check(
        "address = \"10.0.0.1/8\"\npool = [\"10.0.0.2-10.200.0.0\"]",
        "4:9: network.pool: the range 10.0.0.2-10.200.0.0 has more than 65536 addresses",
    );
    // Our own address in a pool is simply not given.
    let own = config("pool = [\"192.168.151.1-192.168.151.9\"]");
    assert!(!own.site.links[0].gives(Ipv4Addr::new(192, 168, 151, 1)));
}

#[test]
fn reservations() {
    let head = "[[network.reservation]]\n";
    let one = |text: &str| format!("{head}mac = \"02:00:00:00:00:01\"\n{text}\n");
    let two = |first: &str, second: &str| format!("{}{head}mac = \"02:00:00:00:00:02\"\n{second}", one(first));
    check(
        head,
        "3:1: network.reservation.mac: nothing says whose it is; write mac = \"dc:a6:32:01:36:c2\", or one of client_id, uuid, circuit_id",
    );
    check(
        &format!("{head}mac = \"02:00\""),
        "4:7: network.reservation.mac: \"02:00\" is not a hardware address; write it like \"dc:a6:32:01:36:c2\"",
    );
    check(
        &format!("{}{}", one(""), one("")),
        "7:7: network.reservation.mac: 02:00:00:00:00:01 is reserved for already on line 4",
    );
    check(&one("address = \"10.0.0.1\""), "5:11: network.reservation.address: 10.0.0.1 is no host of 192.168.151.0/24");
    check(&one("address = \"192.168.151.1\""), "5:11: network.reservation.address: 192.168.151.1 is our own address");
    let address = "address = \"192.168.151.9\"";
    check(&two(address, address), "8:11: network.reservation.address: 192.168.151.9 is reserved already on line 5");
    check(
        &two("hostname = \"gold\"", "hostname = \"GOLD\""),
        "8:12: network.reservation.hostname: the host name GOLD is given to 02:00:00:00:00:01 already on line 5",
    );
    check(
        &one("hostname = \"a_b\""),
        "5:12: network.reservation.hostname: \"a_b\" is not a host name (letters, digits, inner hyphens, at most 63; not wpad); write it like \"bench-1\"",
    );
    check(
        &one("profile = \"raspbery-pi\""),
        "5:11: network.reservation.profile: unknown profile \"raspbery-pi\"; did you mean \"raspberry-pi\"?",
    );
}

#[test]
fn relayed_networks() {
    let far = |text: &str| format!("[[network]]\nrelayed = true\nname = \"far\"\n{text}");
    check(&far("pool = []"), "3:1: network.subnet: the subnet is missing; write subnet = \"10.1.0.0/24\"");
    check(
        &far("subnet = \"10.1.0.1/24\"\npool = []"),
        "6:10: network.subnet: \"10.1.0.1/24\" is not a subnet with its prefix length; write it like \"10.1.0.0/24\"",
    );
    check(
        &far("subnet = \"10.1.0.0/24\"\npool = []\nserver = \"10.1.0.1\""),
        "8:10: network.server: 10.1.0.1 is no address of ours; name the address of another network",
    );
    check(
        &far("subnet = \"10.1.0.0/24\"\npool = []\ninterface = \"eth1\""),
        "8:13: network.interface: a relayed network has no interface; leave it out, or relayed",
    );
    check(
        &far("subnet = \"192.168.151.0/25\"\npool = []"),
        "6:10: network.subnet: the subnet 192.168.151.0/25 overlaps 192.168.151.0/24 of line 1",
    );
    check(
        "[[network]]\nrelayed = true\nsubnet = \"10.1.0.0/24\"\npool = []",
        "3:1: network.name: the name is missing; a relayed network needs one: name = \"hall-2\"",
    );
    let place = config(&far("subnet = \"10.1.0.0/24\"\npool = [\"10.1.0.9\"]"));
    let far = &place.site.links[1];
    assert_eq!((far.interface.as_deref(), far.address.to_string()), (None, "192.168.151.1".to_owned()));
    assert!(far.options.iter().all(|option| option.number != 3), "our address is no router there");
    assert!(place.summary().contains("network far: 192.168.151.1 on relays, 10.1.0.0/24"), "{}", place.summary());
}

#[test]
fn networks_that_share_an_interface() {
    let text = "[[network]]\ninterface = \"eth1\"\nname = \"more\"\nsubnet = \"10.1.0.0/24\"\npool = [\"10.1.0.9\"]";
    let place = config(text).site;
    assert_eq!(place.segment(crate::net::LinkId(0)).count(), 2);
    assert_eq!(place.links[1].address, place.links[0].address, "we need no address in it");
}

#[test]
fn pools_of_classes() {
    let place = config(
        "pool = [\"192.168.151.9\", { range = \"192.168.151.10-192.168.151.19\", classes = [\"BOOTP\"], \
         options = { 3 = { type = \"address\", value = \"192.168.151.2\" } } }]",
    );
    let pool = &place.site.links[0].pools[1];
    assert_eq!((pool.classes.as_slice(), pool.options[0].number), (&["BOOTP".to_owned()][..], 3));
    check(
        "pool = [{ classes = [] }]",
        "3:9: network.pool.range: the range is missing; write { range = \"…\", classes = [\"…\"] }",
    );
}

/// multiple_entries: reservations of host names only; and the other identifiers.
#[test]
fn reservations_by_each_identifier() {
    let place = config(
        r#"
[[network.reservation]]
mac = "02:00:00:00:00:01"
hostname = "one"
[[network.reservation]]
client_id = "0x0174776f"
hostname = "two.far.example."
[[network.reservation]]
uuid = "52506934-3031-c000-32ec-fc3cda06ffe0"
classes = ["KNOWN"]
[[network.reservation]]
circuit_id = "ge-0/0/7"
options = { 12 = { type = "text", value = "port" } }
"#,
    );
    let of: Vec<String> = place.site.links[0].reservations.iter().map(|each| each.of.to_string()).collect();
    let expected =
        ["02:00:00:00:00:01", "client id 0174776f", "525069343031c00032ecfc3cda06ffe0", "circuit id ge-0/0/7"];
    assert_eq!(of, expected);
    let two = &place.site.links[0].reservations[1];
    assert_eq!(two.hostname.as_ref().map(|name| name.as_str()), Some("two"));
    assert_eq!(two.fqdn.as_deref(), Some("two.far.example."));
    check(
        "[[network.reservation]]\nmac = \"02:00:00:00:00:01\"\nuuid = \"00\"",
        "3:1: network.reservation.mac: one key must say whose it is; write mac = \"dc:a6:32:01:36:c2\", or one of client_id, uuid, circuit_id",
    );
}
