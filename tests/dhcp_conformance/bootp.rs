//! BOOTP clients (RFC 951, RFC 1534), where they are served: by default they are not.

use super::bench::*;

const POOL_9: &str = "pool = [\"192.168.50.1-192.168.50.9\"]\nbootp = true";

/// RFC 1534 §2: a BOOTREPLY has no message type and no times of a lease.
#[test]
fn basic_request_reply() {
    let mut bench = Bench::direct(POOL_9);
    bench.lease(1, &[]);
    for _ in 0..2 {
        let reply = bench.client(2).bootp(&[]).bootp_replies(at(2));
        for number in [code::MESSAGE_TYPE, code::LEASE_TIME, code::RENEWAL_TIME, code::REBINDING_TIME] {
            assert_eq!(reply.option(number), None, "option {number}");
        }
        assert_eq!(reply.option(code::SUBNET_MASK), Some(MASK));
    }
}

/// One board, three rounds of BOOTP and DHCP.
fn same_chaddr(bootp_first: bool) {
    let mut bench = Bench::direct(POOL_9);
    for round in 0..6 {
        if (round % 2 == 0) == bootp_first {
            bench.bootp(&[]).bootp_replies(at(1));
        } else {
            bench.lease(1, &[]);
        }
    }
}

/// RFC 1534 §3: the same board keeps its address, DHCP first.
#[test]
fn same_chaddr_false() {
    same_chaddr(false);
}

/// RFC 1534 §3: the same board keeps its address, BOOTP first.
#[test]
fn same_chaddr_true() {
    same_chaddr(true);
}

/// RFC 1534 §2: the server decides who gets which address; a pool for BOOTP clients is for them.
#[test]
fn classes() {
    let mut bench = Bench::direct(
        r#"bootp = true
        pool = [{ range = "192.168.50.1-192.168.50.5", classes = ["BOOTP"] }, "192.168.50.20-192.168.50.29"]"#,
    );
    bench.client(1).lease(20, &[]);
    bench.client(2).lease(21, &[]);
    bench.client(3).bootp(&[]).bootp_replies(at(1));
    bench.client(4).bootp(&[]).bootp_replies(at(2));
}
