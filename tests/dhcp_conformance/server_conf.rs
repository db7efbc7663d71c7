//! Knobs of the server; the table of its authority is in `authoritative.rs`.

use super::bench::*;

fn echo(keys: &str, expected: Option<&[u8]>) {
    let mut bench = Bench::direct(&format!("{POOL_1}\n[dhcp]\n{keys}"));
    let offer = bench.discover(&[id("one")]).offers(at(1));
    let ack = bench.request(&[id("one"), srv(), want(at(1))]).acks(at(1));
    assert_eq!([offer.option(code::CLIENT_ID), ack.option(code::CLIENT_ID)], [expected; 2]);
}

/// As before RFC 6842.
#[test]
fn echo_client_id_disabled() {
    echo("echo_client_id = false", None);
}

/// RFC 6842 §3: option 61 comes back.
#[test]
fn echo_client_id_enabled() {
    echo("echo_client_id = true", Some(b"\0one"));
}

/// RFC 2131 §4.3.2 turned off: another server's option 54 is taken as ours. A REQUEST without one, for an address that
/// was never leased, is silence as ever.
#[test]
fn ignore_server_id() {
    let keys = "pool = [\"192.168.50.1-192.168.50.9\"]\nauthoritative = false\n[dhcp]\nignore_server_id = true";
    let mut bench = Bench::direct(keys);
    bench.request(&[opt(code::SERVER_ID, at(77).octets()), want(at(1))]).acks(at(1));
    bench.client(2).request(&[want(at(5))]).silent();
}
