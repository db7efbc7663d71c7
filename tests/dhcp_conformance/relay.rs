//! Clients behind a relay agent (RFC 2131 §4.1, RFC 1542 §4): giaddr and one hop; every answer goes to port 67 of
//! giaddr, a NAK as well. The facts are in `facts.rs`.

use super::bench::*;
use super::facts;

/// RFC 2131 §4.3.3: after its probation of 2 s the address is offered again.
#[test]
fn relay_decline_success() {
    let mut bench = Bench::relayed("pool = [\"192.168.50.1\"]\n[dhcp]\ndecline_hold = \"2s\"");
    bench.lease(1, &[]);
    bench.decline(&[srv(), want(at(1))]);
    bench.client(2).discover(&[]).silent();
    bench.wait(2);
    bench.discover(&[]).offers(at(1));
}

#[test]
fn relay_selecting_success_chaddr() {
    facts::selecting_success_chaddr(Bench::relayed);
}

#[test]
fn relay_selecting_success_chaddr_empty_pool() {
    facts::selecting_success_chaddr_empty_pool(Bench::relayed);
}

#[test]
fn relay_selecting_success_client_id() {
    facts::selecting_success_client_id(Bench::relayed);
}

#[test]
fn relay_selecting_success_client_id_empty_pool() {
    facts::selecting_success_client_id_empty_pool(Bench::relayed);
}

#[test]
fn relay_selecting_success_client_id_chaddr_empty_pool() {
    facts::selecting_success_client_id_chaddr_empty_pool(Bench::relayed);
}

#[test]
fn relay_selecting_success_second_request_fail() {
    facts::selecting_success_second_request_fail(Bench::relayed);
}

#[test]
fn relay_initreboot_success() {
    facts::initreboot_success(Bench::relayed);
}

#[test]
fn relay_initreboot_fail() {
    facts::initreboot_fail(Bench::relayed);
}

#[test]
fn relay_initreboot_no_leases() {
    facts::initreboot_no_lease(Bench::relayed);
}

#[test]
fn relay_renewing_success() {
    facts::renewing_success(Bench::relayed);
}

#[test]
fn relay_rebinding_success() {
    facts::rebinding_success(Bench::relayed);
}

#[test]
fn relay_release_success() {
    facts::release_success(Bench::relayed);
}

#[test]
fn relay_release_success_with_additional_offer() {
    facts::release_success_with_additional_offer(Bench::relayed);
}

#[test]
fn relay_release_only_chaddr_same_chaddr() {
    facts::release_only_chaddr_same_chaddr(Bench::relayed);
}
