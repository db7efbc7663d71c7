//! Addresses and classes that an operator reserved for hosts (RFC 2131 §4.3.1: the server's own policy).

use super::bench::*;

/// A pool of .1 to .`pool`, and these addresses reserved for these clients.
fn reserving(pool: u8, reservations: &[(u8, u8)]) -> Bench {
    let mut keys = format!("pool = [\"192.168.50.1-192.168.50.{pool}\"]\n");
    for (who, last) in reservations {
        keys += &format!("[[network.reservation]]\nmac = \"52:54:00:fb:00:0{who}\"\naddress = \"192.168.50.{last}\"\n");
    }
    Bench::direct(&keys)
}

/// By hardware address; the mask comes unasked.
#[test]
fn one_address_inside_pool_hw_address() {
    let mut bench = reserving(50, &[(1, 10)]);
    let offer = bench.discover(&[]).offers(at(10));
    let ack = bench.request(&[srv(), want(at(10))]).acks(at(10));
    assert_eq!([offer.option(code::SUBNET_MASK), ack.option(code::SUBNET_MASK)], [Some(MASK); 2]);
}

/// By option 61; the same board under another identifier is another client.
#[test]
fn one_address_inside_pool_client_id() {
    let mut bench = Bench::direct(
        "pool = [\"192.168.50.1-192.168.50.50\"]\n[[network.reservation]]\nclient_id = \"0x006f6e65\"\n\
         address = \"192.168.50.10\"",
    );
    bench.lease(10, &[id("one")]);
    bench.lease(1, &[id("two")]);
}

/// A reserved address need not be in any pool.
#[test]
fn one_address_outside_pool() {
    let mut bench = reserving(50, &[(1, 100)]);
    bench.lease(100, &[]);
    bench.ciaddr = at(100);
    bench.request(&[]).acks(at(100));
}

/// It is nobody else's: not offered, and refused whoever asks for it.
#[test]
fn one_address_inside_pool_different_mac() {
    let mut bench = reserving(50, &[(1, 10)]);
    bench.client(2).discover(&[want(at(10))]).offers(at(1));
    bench.request(&[srv(), want(at(10))]).naks();
}

/// A pool of reserved addresses is empty for everyone else.
#[test]
fn one_address_empty_pool() {
    let mut bench = reserving(1, &[(1, 1)]);
    bench.client(2).discover(&[]).silent();
    bench.client(1).lease(1, &[]);
    bench.client(2).discover(&[]).silent();
}

/// The same with several.
#[test]
fn multiple_address_reservation_empty_pool() {
    let mut bench = reserving(3, &[(1, 1), (2, 2), (3, 3)]);
    bench.client(9).discover(&[]).silent();
}

/// Each of them is served, in any order; the fourth is not.
#[test]
fn multiple_address_reservation_empty_pool_2() {
    let mut bench = reserving(3, &[(1, 1), (2, 2), (3, 3)]);
    for last in [3, 1, 2] {
        bench.client(last).lease(last, &[]);
    }
    bench.client(4).discover(&[]).silent();
}

/// Hosts reserved by hardware address alone are KNOWN and get routers; the rest do not, but get an address.
#[test]
fn example_access_control() {
    let mut bench = Bench::direct(
        r#"routers = []
        pool = [
            { range = "192.168.50.1-192.168.50.5", classes = ["KNOWN"],
              options = { 3 = { type = "address", value = "192.168.50.254" } } },
            "192.168.50.6-192.168.50.9",
        ]
        [[network.reservation]]
        mac = "52:54:00:fb:00:01""#,
    );
    let known = bench.discover(&[prl(&[3])]).offers(at(1));
    assert_eq!(known.option(3), Some(&at(254).octets()[..]));
    let stranger = bench.client(2).discover(&[prl(&[3])]).offers(at(6));
    assert_eq!(stranger.option(3), None);
}

/// Option 3 depends on a class that the reservation gives.
#[test]
fn example_access_control_tagging() {
    let mut bench = Bench::direct(
        r#"routers = []
        pool = ["192.168.50.1-192.168.50.9"]
        [[network.reservation]]
        mac = "52:54:00:fb:00:01"
        classes = ["red"]
        [[network.reservation]]
        mac = "52:54:00:fb:00:02"
        classes = ["blue"]
        [[network.reservation]]
        mac = "52:54:00:fb:00:03"
        [[class]]
        name = "red"
        options = { 3 = { type = "address", value = "192.168.50.253" } }
        [[class]]
        name = "blue"
        options = { 3 = { type = "address", value = "192.168.50.254" } }"#,
    );
    for (who, router) in [(1, Some(at(253))), (2, Some(at(254))), (3, None), (4, None)] {
        let offer = bench.client(who).discover(&[prl(&[3])]).offers(at(who));
        assert_eq!(offer.option(3), router.map(|router| router.octets()).as_ref().map(|octets| &octets[..]));
    }
}
