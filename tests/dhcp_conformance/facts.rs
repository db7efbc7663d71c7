//! Facts that hold for direct and for relayed clients alike; `request.rs`, `release.rs` and `relay.rs` try each on
//! their own side.

use super::bench::*;

/// How the client reaches the server.
pub type Place = fn(&str) -> Bench;

/// RFC 2131 §3.1, §4.3.1, §4.3.2: D→O .1, R→K .1, and the lease is in the store with hardware address and lifetime.
pub fn selecting_success_chaddr(place: Place) {
    let mut bench = place(POOL_1);
    let offer = bench.discover(&[]).offers(at(1));
    assert_eq!(bench.stored_count(), 0, "an OFFER is not in the store");
    let ack = bench.request(&[srv(), want(at(1))]).acks(at(1));
    for reply in [offer, ack] {
        assert_eq!(reply.option(code::SUBNET_MASK), Some(MASK));
        assert_eq!(reply.option(code::LEASE_TIME), Some(&4000_u32.to_be_bytes()[..]));
        // RFC 2131 §4.4.5.
        assert_eq!(reply.option(code::RENEWAL_TIME), Some(&2000_u32.to_be_bytes()[..]));
        assert_eq!(reply.option(code::REBINDING_TIME), Some(&3500_u32.to_be_bytes()[..]));
    }
    assert_eq!(bench.stored(1), Some(("52:54:00:fb:00:01".into(), 4000)));
}

/// RFC 2131 §4.3.1: 54 in OFFER and ACK; a used-up pool is silence to others.
pub fn selecting_success_chaddr_empty_pool(place: Place) {
    let mut bench = place(POOL_1);
    let offer = bench.discover(&[]).offers(at(1));
    let ack = bench.request(&[srv(), want(at(1))]).acks(at(1));
    for reply in [offer, ack] {
        assert_eq!(reply.option(code::SERVER_ID), Some(&SRV.octets()[..]));
    }
    bench.client(2).discover(&[]).silent();
}

/// RFC 2131 §4.2, RFC 6842 §3: without hardware address option 61 alone identifies the client, and is echoed.
pub fn selecting_success_client_id(place: Place) {
    let mut bench = place(POOL_1);
    bench.chaddr = [0; 6];
    let offer = bench.discover(&[id("one")]).offers(at(1));
    let ack = bench.request(&[id("one"), srv(), want(at(1))]).acks(at(1));
    for reply in [offer, ack] {
        assert_eq!(reply.option(code::CLIENT_ID), Some(&b"\0one"[..]));
    }
    assert_eq!(bench.stored(1), Some(("id 006f6e65".into(), 4000)));
}

/// RFC 2131 §4.2: another identifier is another client, whatever its hardware address.
pub fn selecting_success_client_id_empty_pool(place: Place) {
    let mut bench = place(POOL_1);
    bench.lease(1, &[id("one")]);
    bench.discover(&[id("two")]).silent();
}

/// RFC 2131 §4.2: neither a new pair of address and identifier nor the same address with a new identifier.
pub fn selecting_success_client_id_chaddr_empty_pool(place: Place) {
    let mut bench = place(POOL_1);
    bench.lease(1, &[id("one")]);
    bench.client(2).discover(&[id("two")]).silent();
    bench.client(1).discover(&[id("two")]).silent();
}

/// RFC 2131 §3.1 step 4: who chose us for an address that another one holds is told no.
pub fn selecting_success_second_request_fail(place: Place) {
    let mut bench = place(POOL_1);
    bench.lease(1, &[]);
    bench.client(2).request(&[srv(), want(at(1))]).naks();
    assert_eq!(bench.stored_count(), 1);
}

/// RFC 2131 §4.3.2, INIT-REBOOT by the holder; the mask comes though nothing was asked for.
pub fn initreboot_success(place: Place) {
    let mut bench = place(POOL_1);
    bench.lease(1, &[]);
    let ack = bench.request(&[want(at(1))]).acks(at(1));
    assert_eq!(ack.option(code::SUBNET_MASK), Some(MASK));
}

/// RFC 2131 §4.3.2, INIT-REBOOT on the wrong network.
pub fn initreboot_fail(place: Place) {
    let mut bench = place(POOL_1);
    bench.lease(1, &[]);
    bench.request(&[want("185.0.50.0".parse().expect("an address"))]).naks();
}

/// RFC 2131 §4.3.2: "If the DHCP server has no record of this client, then it MUST remain silent".
pub fn initreboot_no_lease(place: Place) {
    let mut bench = place("pool = [\"192.168.50.1\"]\nauthoritative = false");
    bench.request(&[want(at(1))]).silent();
    assert_eq!(bench.stored_count(), 0);
}

/// RFC 2131 §4.3.2, RENEWING; a relayed one is broadcast just the same.
pub fn renewing_success(place: Place) {
    extending(place(POOL_1));
}

/// RFC 2131 §4.3.2, REBINDING: at seven eighths of the lease, to whoever answers.
pub fn rebinding_success(place: Place) {
    let mut bench = place(POOL_1);
    bench.wait(1);
    extending(bench);
}

fn extending(mut bench: Bench) {
    bench.lease(1, &[]);
    bench.wait(3500);
    assert_eq!(bench.stored(1).map(|(_, left)| left), Some(500));
    bench.ciaddr = at(1);
    let ack = bench.request(&[]).acks(at(1));
    assert_eq!((ack.ciaddr, ack.option(code::SERVER_ID)), (at(1), Some(&SRV.octets()[..])));
    assert_eq!(bench.stored(1).map(|(_, left)| left), Some(4000), "it was extended");
}

/// RFC 2131 §4.3.4: the address is at once another client's.
pub fn release_success(place: Place) {
    let mut bench = place(POOL_1);
    bench.lease(1, &[]);
    assert!(bench.stored(1).is_some());
    bench.release(1, &[]);
    assert_eq!(bench.stored(1), None);
    bench.client(2).discover(&[]).offers(at(1));
}

/// RFC 2131 §4.3.4: and it was not before.
pub fn release_success_with_additional_offer(place: Place) {
    let mut bench = place(POOL_1);
    bench.lease(1, &[]);
    bench.client(2).discover(&[]).silent();
    bench.client(1).release(1, &[]);
    bench.client(3).discover(&[]).offers(at(1));
}

/// RFC 2131 §4.2: without option 61 the hardware address is the key; how it is spelt plays no part.
pub fn release_only_chaddr_same_chaddr(place: Place) {
    let mut bench =
        place("pool = []\n[[network.reservation]]\nmac = \"52-54-00-FB-00-01\"\naddress = \"192.168.50.1\"");
    bench.lease(1, &[]);
    assert_eq!(bench.stored(1).map(|(client, _)| client.to_uppercase()), Some("52:54:00:FB:00:01".into()));
    bench.release(1, &[]);
    assert_eq!(bench.stored(1), None);
}
