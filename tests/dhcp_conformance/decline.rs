//! DECLINE (RFC 2131 §4.3.3): an address found in use is out for a while, on the word of its holder only.

use super::bench::*;

/// The address is out for an hour.
#[test]
fn success_long_decline_period() {
    let mut bench = Bench::direct("pool = [\"192.168.50.1\"]\n[dhcp]\ndecline_hold = \"3600s\"");
    bench.lease(1, &[]);
    bench.decline(&[srv(), want(at(1))]);
    bench.client(2).discover(&[]).silent();
    bench.wait(3599);
    bench.discover(&[]).silent();
}

/// The address is out for 2 s, then a third client has it.
#[test]
fn success_short_decline_period() {
    let mut bench = Bench::direct("pool = [\"192.168.50.1\"]\n[dhcp]\ndecline_hold = \"2s\"");
    bench.lease(1, &[]);
    bench.decline(&[srv(), want(at(1))]);
    bench.client(2).discover(&[]).silent();
    bench.wait(3);
    bench.client(3).discover(&[]).offers(at(1));
}

/// .1 is leased under the identifier `one`; whatever `decline` does, it stays so.
fn has_no_effect(decline: fn(&mut Bench)) {
    let mut bench = Bench::direct(POOL_1);
    bench.lease(1, &[id("one")]);
    decline(&mut bench);
    assert_eq!(bench.stored(1), Some(("id 006f6e65".into(), 4000)));
    bench.client(1).request(&[id("one"), want(at(1))]).acks(at(1));
}

/// RFC 2131 §4.4.1, table 5: option 50 is a MUST of a DECLINE. Contested.
#[test]
fn fail_without_requested_ip_address() {
    has_no_effect(|bench| bench.decline(&[id("one"), srv()]));
}

/// RFC 2131 §4.3.3 is about a client that was given the address. Contested.
#[test]
fn fail_different_client_id() {
    has_no_effect(|bench| bench.decline(&[id("two"), srv(), want(at(1))]));
}

/// The same for a client without identifier. Contested.
#[test]
fn fail_different_chaddr() {
    has_no_effect(|bench| bench.client(2).decline(&[srv(), want(at(1))]));
}
