//! RELEASE (RFC 2131 §4.3.4): whose counts, and how a lease ends by itself. Facts that relayed clients share are in
//! `facts.rs`.

use super::bench::*;
use super::facts;

/// RFC 2131 §4.2, §4.3.4: an identifier that is not the lease's does nothing.
#[test]
fn release_fail_with_different_chaddr_client_id() {
    let mut bench = Bench::direct(POOL_1);
    bench.lease(1, &[id("one")]);
    bench.client(2).release(1, &[id("two")]);
    bench.client(3).discover(&[id("three")]).silent();
}

/// RFC 2131 §4.2: nor does it with the hardware address of the lease.
#[test]
fn release_fail_with_same_chaddr_different_client_id() {
    let mut bench = Bench::direct(POOL_1);
    bench.lease(1, &[id("one")]);
    bench.release(1, &[id("two")]);
    bench.release(1, &[]);
    bench.client(3).discover(&[id("three")]).silent();
}

/// RFC 2131 §4.2: the identifier is the key, so the RELEASE counts whatever the hardware address.
#[test]
fn release_fail_with_different_chaddr_same_client_id() {
    let mut bench = Bench::direct(POOL_1);
    bench.lease(1, &[id("one")]);
    bench.client(2).release(1, &[id("one")]);
    let offer = bench.client(3).discover(&[id("three")]).offers(at(1));
    assert_eq!(offer.option(code::CLIENT_ID), Some(&b"\0three"[..]));
}

/// RFC 2131 §4.2: without identifier, another hardware address is another client.
#[test]
fn release_fail_only_chaddr_different_chaddr() {
    let mut bench = Bench::direct(POOL_1);
    bench.lease(1, &[]);
    bench.client(2).release(1, &[]);
    bench.client(3).discover(&[]).silent();
}

/// RFC 2131 §3.3: a lease of 3 s is one.
#[test]
fn release_leases_expired() {
    let short = super::bench::config(POOL_1).replace("4000s", "3s");
    let mut bench = Bench::of(&short);
    bench.lease(1, &[]);
    assert_eq!(bench.stored(1).map(|(_, left)| left), Some(3));
    bench.wait(2);
    bench.client(2).discover(&[]).silent();
    bench.wait(2);
    bench.discover(&[]).offers(at(1));
}

#[test]
fn release_success() {
    facts::release_success(Bench::direct);
}

#[test]
fn release_success_with_additional_offer() {
    facts::release_success_with_additional_offer(Bench::direct);
}

#[test]
fn release_only_chaddr_same_chaddr() {
    facts::release_only_chaddr_same_chaddr(Bench::direct);
}
