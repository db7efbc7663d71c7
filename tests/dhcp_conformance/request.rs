//! REQUEST of a client on our own cable (RFC 2131 §4.3.2); the facts are in `facts.rs`.

use super::bench::*;
use super::facts;

/// RFC 2131 §4.3.1: pools of one address serve three clients, the lowest first.
#[test]
fn selecting_success_chaddr_multiple_pools() {
    let mut bench = Bench::direct(r#"pool = ["192.168.50.1", "192.168.50.2", "192.168.50.3"]"#);
    for last in [1, 2, 3] {
        bench.client(last).lease(last, &[]);
        assert_eq!(bench.stored(last), Some((format!("52:54:00:fb:00:0{last}"), 4000)));
    }
    assert_eq!(bench.stored_count(), 3);
}

#[test]
fn selecting_success_chaddr() {
    facts::selecting_success_chaddr(Bench::direct);
}

#[test]
fn selecting_success_chaddr_empty_pool() {
    facts::selecting_success_chaddr_empty_pool(Bench::direct);
}

#[test]
fn selecting_success_client_id() {
    facts::selecting_success_client_id(Bench::direct);
}

#[test]
fn selecting_success_client_id_empty_pool() {
    facts::selecting_success_client_id_empty_pool(Bench::direct);
}

#[test]
fn selecting_success_client_id_chaddr_empty_pool() {
    facts::selecting_success_client_id_chaddr_empty_pool(Bench::direct);
}

#[test]
fn selecting_success_second_request_fail() {
    facts::selecting_success_second_request_fail(Bench::direct);
}

#[test]
fn initreboot_success() {
    facts::initreboot_success(Bench::direct);
}

#[test]
fn initreboot_fail() {
    facts::initreboot_fail(Bench::direct);
}

#[test]
fn initreboot_no_lease() {
    facts::initreboot_no_lease(Bench::direct);
}

#[test]
fn renewing_success() {
    facts::renewing_success(Bench::direct);
}

#[test]
fn rebinding_success() {
    facts::rebinding_success(Bench::direct);
}
