//! Host names that an operator reserved (RFC 2132 §3.14, RFC 4702).

use super::bench::*;
use hatchery::config::Config;

const NAME: &str = "mac = \"52:54:00:fb:00:01\"\nhostname = \"kart-7\"";

/// A pool of .1 to .9, the domain `bench.example`, and that reservation.
fn named(reservation: &str) -> Bench {
    Bench::direct(&format!(
        "pool = [\"192.168.50.1-192.168.50.9\"]\ndomain = \"bench.example\"\n[[network.reservation]]\n{reservation}"
    ))
}

/// The client says a name of its own in OFFER and REQUEST, gets .`last` and is told `expected`.
#[track_caller]
fn told(bench: &mut Bench, last: u8, expected: &str) {
    let own = opt(code::HOST_NAME, "client");
    let offer = bench.discover(std::slice::from_ref(&own)).offers(at(last));
    let ack = bench.request(&[own, srv(), want(at(last))]).acks(at(last));
    for reply in [offer, ack] {
        assert_eq!(reply.option(code::HOST_NAME), Some(expected.as_bytes()));
        assert_eq!(reply.option(code::DOMAIN_NAME), Some(&b"bench.example"[..]));
    }
}

/// The reserved name goes before the client's. Contested: others append their suffix; RFC 2132 §3.14 leaves the domain
/// to option 15, which every client gets.
#[test]
fn hostname_option() {
    told(&mut named(NAME), 1, "kart-7");
}

/// Name, then address, inside the pool.
#[test]
fn hostname_option_and_address() {
    told(&mut named(&format!("{NAME}\naddress = \"192.168.50.5\"")), 5, "kart-7");
}

/// Address, then name.
#[test]
fn hostname_option_and_address_2() {
    told(&mut named(&format!("address = \"192.168.50.5\"\n{NAME}")), 5, "kart-7");
}

/// Address outside the pool.
#[test]
fn hostname_option_and_address_3() {
    told(&mut named(&format!("{NAME}\naddress = \"192.168.50.100\"")), 100, "kart-7");
}

/// RFC 4702 §4: the server's name for the client in option 81. Contested: the final dot, which says that the name is
/// complete (§2.3.1).
#[test]
fn fqdn_option() {
    let mut bench = named(NAME);
    let own = opt(code::CLIENT_FQDN, b"\x01\0\0client");
    let offer = bench.discover(std::slice::from_ref(&own)).offers(at(1));
    let ack = bench.request(&[own, srv(), want(at(1))]).acks(at(1));
    for reply in [offer, ack] {
        assert_eq!(reply.option(code::CLIENT_FQDN), Some(&b"\x0a\xff\xffkart-7.bench.example."[..]));
    }
}

/// A reserved name that ends in a dot is sent as it is; a repeated REQUEST has the same ACK (RFC 2131 §3.1).
#[test]
fn fqdn_in_hostname() {
    let mut bench = named("mac = \"52:54:00:fb:00:01\"\nhostname = \"kart-7.far.example.\"");
    told(&mut bench, 1, "kart-7.far.example.");
    let mut repeat = || bench.request(&[opt(code::HOST_NAME, "client"), srv(), want(at(1))]).acks(at(1));
    let first = repeat();
    assert_eq!(first.chaddr[..6], mac(1));
    assert_eq!(repeat(), first);
}

/// Reservations of host names alone.
#[test]
fn multiple_entries() {
    let mut bench =
        named(&format!("{NAME}\n[[network.reservation]]\nmac = \"52:54:00:fb:00:02\"\nhostname = \"kart-8\""));
    told(&mut bench, 1, "kart-7");
    told(bench.client(2), 2, "kart-8");
}

/// The same board twice is a mistake, found before anything starts. Contested: others let the first or last one win.
#[test]
fn duplicated_entries() {
    let toml = config(&format!(
        "pool = []\n[[network.reservation]]\n{NAME}\n[[network.reservation]]\nmac = \"52:54:00:fb:00:01\"\n\
         hostname = \"kart-8\""
    ));
    let problems = Config::parse(&toml, "hatchery.toml").expect_err("a problem").to_string();
    assert!(problems.contains("52:54:00:fb:00:01 is reserved for already on line"), "{problems}");
}
