//! The fixed fields of replies (RFC 2131 §4.3.1, table 3).

use std::net::Ipv4Addr;

use super::bench::*;
use hatchery::net::{Destination, Mac};

/// RFC 2131 §4.1: an odd hardware address is served like any other, by a frame to it.
#[test]
fn chaddr() {
    let mut bench = Bench::direct(POOL_1);
    bench.chaddr = [0xff, 1, 2, 3, 0xff, 4];
    let (_, to) = bench.discover(&[]).offers_to(at(1));
    assert_eq!(to, Destination::Layer2 { mac: Mac(bench.chaddr), address: at(1) });
    bench.request(&[srv(), want(at(1))]).acks(at(1));
}

/// A DISCOVER with that ciaddr.
fn ciaddr_of_an_offer(ciaddr: Ipv4Addr) {
    let mut bench = Bench::direct(POOL_1);
    bench.ciaddr = ciaddr;
    let (offer, to) = bench.discover(&[]).offers_to(at(1));
    assert_eq!(offer.ciaddr, NONE);
    assert_eq!(to, Destination::Layer2 { mac: Mac(mac(1)), address: at(1) }, "not to what it says it has");
}

/// RFC 2131 §4.3.1, table 3: ciaddr of an OFFER is 0.
#[test]
fn ciaddr_correct_offer() {
    ciaddr_of_an_offer(CI);
}

/// The same for a ciaddr that is no address of a client.
#[test]
fn ciaddr_incorrect_offer() {
    ciaddr_of_an_offer(Ipv4Addr::BROADCAST);
}

/// .1 is held by client 1; client 2 wants it with these fields.
fn nak(keys: &str, ciaddr: Ipv4Addr, siaddr: Ipv4Addr) {
    let mut bench = Bench::direct(keys);
    bench.lease(1, &[]);
    (bench.ciaddr, bench.siaddr) = (ciaddr, siaddr);
    let nak = bench.client(2).request(&[srv(), want(at(1))]).naks();
    assert_eq!((nak.ciaddr, nak.siaddr, nak.yiaddr), (NONE, NONE, NONE));
}

/// RFC 2131 §4.3.1, table 3: ciaddr of a NAK is 0.
#[test]
fn ciaddr_correct_nak() {
    nak(POOL_1, at(1), NONE);
}

/// The same for a ciaddr that is no address of a client.
#[test]
fn ciaddr_incorrect_nak() {
    nak(POOL_1, Ipv4Addr::BROADCAST, NONE);
}

/// What siaddr the OFFER has when the DISCOVER has that one.
fn siaddr_of_an_offer(keys: &str, siaddr: Ipv4Addr) -> Ipv4Addr {
    let mut bench = Bench::direct(keys);
    bench.siaddr = siaddr;
    bench.discover(&[]).offers(at(1)).siaddr
}

/// RFC 2131 §2: siaddr is the next server of who boots; the client's is ignored.
#[test]
fn siaddr_correct_offer() {
    assert_eq!(siaddr_of_an_offer(POOL_1, SRV), NONE);
}

/// The same for a siaddr that is no address of a server.
#[test]
fn siaddr_incorrect_offer() {
    assert_eq!(siaddr_of_an_offer(POOL_1, Ipv4Addr::BROADCAST), NONE);
}

/// RFC 2131 §4.3.1, table 3: siaddr of a NAK is 0.
#[test]
fn siaddr_correct_nak() {
    nak(POOL_1, NONE, SRV);
}

/// The same for a siaddr that is no address of a server.
#[test]
fn siaddr_incorrect_nak() {
    nak(POOL_1, NONE, Ipv4Addr::BROADCAST);
}

const GLOBAL: &str = "pool = [\"192.168.50.1\"]\n[dhcp]\nnext_server = \"192.0.2.234\"";
const LOCAL: &str = "pool = [\"192.168.50.1\"]\nnext_server = \"192.0.2.234\"\n[dhcp]\nnext_server = \"192.0.2.1\"";
const NEXT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 234);

/// RFC 2131 §2: the next server that is configured for everyone.
#[test]
fn siaddr_correct_offer_configured_global() {
    assert_eq!(siaddr_of_an_offer(GLOBAL, CI), NEXT);
}

/// The one of the network goes before it.
#[test]
fn siaddr_correct_offer_configured_local() {
    assert_eq!(siaddr_of_an_offer(LOCAL, CI), NEXT);
}

/// RFC 2131 §4.3.1, table 3: even then a NAK has none.
#[test]
fn siaddr_correct_nak_configured_global() {
    nak(GLOBAL, NONE, NONE);
}

/// The same with one of the network.
#[test]
fn siaddr_correct_nak_configured_local() {
    nak(LOCAL, NONE, NONE);
}
