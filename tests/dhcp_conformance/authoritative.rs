//! The 24 cases of a server's authority: what is asked, whether the client has a lease, whether the server is
//! authoritative, and for which address.
//!
//! Clients 1 and 2 hold .1 and .2 of a pool of a hundred; then client 2, or client 9 that holds nothing, asks for .100
//! (free), .1 (leased) or .200 (out of the pool).

use super::bench::*;

/// What is to come of it.
#[derive(PartialEq)]
enum Told {
    /// An ACK, and the lease is stored.
    Acked,
    /// A NAK, and nothing is stored.
    Naked,
    /// Silence, and nothing is stored.
    Silence,
}
use Told::{Acked, Naked, Silence};

/// RFC 2131 §4.3.2.
#[track_caller]
fn case(init_reboot: bool, has_lease: bool, authoritative: bool, last: u8, told: Told) {
    let mut bench =
        Bench::direct(&format!("pool = [\"192.168.50.1-192.168.50.100\"]\nauthoritative = {authoritative}"));
    for last in [1, 2] {
        bench.client(last).lease(last, &[]);
        assert_eq!(bench.stored(last), Some((format!("52:54:00:fb:00:0{last}"), 4000)));
    }
    let options = if init_reboot { vec![want(at(last))] } else { vec![srv(), want(at(last))] };
    let answer = bench.client(if has_lease { 2 } else { 9 }).request(&options);
    match told {
        Acked => _ = answer.acks(at(last)),
        Naked => _ = answer.naks(),
        Silence => answer.silent(),
    }
    let holder = if has_lease { "52:54:00:fb:00:02" } else { "52:54:00:fb:00:09" };
    let stored = bench.stored(last).is_some_and(|(client, _)| client == holder);
    assert_eq!(stored, told == Acked);
}

macro_rules! cases {
    ($($(#[$doc:meta])* $name:ident($($given:tt)*) -> $told:ident;)*) => {
        $($(#[$doc])* #[test] fn $name() { case($($given)*, $told); })*
    };
}

cases! {
    // Not INIT-REBOOT: the client chose us (option 54). Contested out of the pool: others keep silent; RFC 2131 §3.1
    // step 4 has the chosen server say that it cannot.
    authoritative_selecting_no_lease_lenient_free(false, false, false, 100) -> Acked;
    authoritative_selecting_no_lease_lenient_leased(false, false, false, 1) -> Naked;
    authoritative_selecting_no_lease_lenient_outside(false, false, false, 200) -> Naked;
    authoritative_selecting_no_lease_authoritative_free(false, false, true, 100) -> Acked;
    authoritative_selecting_no_lease_authoritative_leased(false, false, true, 1) -> Naked;
    authoritative_selecting_no_lease_authoritative_outside(false, false, true, 200) -> Naked;
    authoritative_selecting_has_lease_lenient_free(false, true, false, 100) -> Acked;
    authoritative_selecting_has_lease_lenient_leased(false, true, false, 1) -> Naked;
    authoritative_selecting_has_lease_lenient_outside(false, true, false, 200) -> Naked;
    authoritative_selecting_has_lease_authoritative_free(false, true, true, 100) -> Acked;
    authoritative_selecting_has_lease_authoritative_leased(false, true, true, 1) -> Naked;
    authoritative_selecting_has_lease_authoritative_outside(false, true, true, 200) -> Naked;
    // INIT-REBOOT. Contested for a free address, without a lease, by an authoritative server: the address may be in
    // use where the records went, so it is a NAK.
    authoritative_init_reboot_no_lease_lenient_free(true, false, false, 100) -> Silence;
    authoritative_init_reboot_no_lease_lenient_leased(true, false, false, 1) -> Silence;
    authoritative_init_reboot_no_lease_lenient_outside(true, false, false, 200) -> Silence;
    authoritative_init_reboot_no_lease_authoritative_free(true, false, true, 100) -> Naked;
    authoritative_init_reboot_no_lease_authoritative_leased(true, false, true, 1) -> Naked;
    authoritative_init_reboot_no_lease_authoritative_outside(true, false, true, 200) -> Naked;
    authoritative_init_reboot_has_lease_lenient_free(true, true, false, 100) -> Naked;
    authoritative_init_reboot_has_lease_lenient_leased(true, true, false, 1) -> Naked;
    authoritative_init_reboot_has_lease_lenient_outside(true, true, false, 200) -> Naked;
    authoritative_init_reboot_has_lease_authoritative_free(true, true, true, 100) -> Naked;
    authoritative_init_reboot_has_lease_authoritative_leased(true, true, true, 1) -> Naked;
    authoritative_init_reboot_has_lease_authoritative_outside(true, true, true, 200) -> Naked;
}
