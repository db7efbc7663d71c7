//! INFORM (RFC 2131 §4.3.5): parameters for a client that has its address by other means; each standard option with
//! exactly the value that was configured (RFC 2132 §3 to §6).

use super::bench::*;

/// INFORM with ciaddr and that option asked for; the value that comes.
#[track_caller]
fn informs(number: u8, keys: &str, expected: &[u8]) {
    let mut bench = Bench::direct(&format!("pool = []\n{keys}"));
    bench.ciaddr = CI;
    let ack = bench.inform(&[prl(&[number])]).acks(NONE);
    assert_eq!(ack.option(number), Some(expected), "option {number}");
    assert_eq!(ack.ciaddr, CI);
    // RFC 2131 §4.3.5: no lease, no times of one.
    for time in [code::LEASE_TIME, code::RENEWAL_TIME, code::REBINDING_TIME] {
        assert_eq!(ack.option(time), None, "option {time}");
    }
    assert_eq!(bench.stored_count(), 0);
}

/// That option with the key of its own that a network has for it.
#[track_caller]
fn own_key(number: u8, keys: &str, expected: &[u8]) {
    informs(number, keys, expected);
}

/// That option of `[network.options]`.
#[track_caller]
fn option(number: u8, kind: &str, value: &str, expected: &[u8]) {
    informs(number, &format!("[network.options]\n{number} = {{ type = \"{kind}\", value = {value} }}"), expected);
}

/// A list of addresses, in an order that is not the ascending one.
const LIST: &str = r#"["192.0.2.20", "192.0.2.7", "192.0.2.9"]"#;
const LIST_BYTES: &[u8] = &[192, 0, 2, 20, 192, 0, 2, 7, 192, 0, 2, 9];

/// Tests of lists of addresses, by option number.
macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident $number:literal;)*) => {
        $($(#[$doc])* #[test] fn $name() { option($number, "address", LIST, LIST_BYTES); })*
    };
}

/// RFC 2132 §3.3: made of the subnet.
#[test]
fn subnet_mask() {
    own_key(1, "", MASK);
}

/// RFC 2132 §3.4: seconds of UTC, west of it negative.
#[test]
fn time_offset() {
    option(2, "i32", "-3600", &(-3600_i32).to_be_bytes());
}

/// RFC 2132 §3.5: in order of preference.
#[test]
fn routers() {
    own_key(3, "routers = [\"192.168.50.9\", \"192.168.50.3\"]", &[192, 168, 50, 9, 192, 168, 50, 3]);
}

/// RFC 2132 §3.8: in order of preference.
#[test]
fn domain_name_servers() {
    own_key(6, "dns = [\"192.0.2.9\", \"192.0.2.3\"]", &[192, 0, 2, 9, 192, 0, 2, 3]);
}

lists! {
    /// RFC 2132 §3.6.
    time_servers 4;
    /// RFC 2132 §3.7.
    name_servers 5;
    /// RFC 2132 §3.9.
    log_servers 7;
    /// RFC 2132 §3.10.
    cookie_servers 8;
    /// RFC 2132 §3.11.
    lpr_servers 9;
    /// RFC 2132 §3.12.
    impress_servers 10;
    /// RFC 2132 §3.13.
    resource_location_servers 11;
}

/// RFC 2132 §3.14.
#[test]
fn host_name() {
    option(12, "text", "\"bench-1\"", b"bench-1");
}

/// RFC 2132 §3.15: in blocks of 512 bytes.
#[test]
fn boot_size() {
    option(13, "u16", "1024", &[4, 0]);
}

/// RFC 2132 §3.16.
#[test]
fn merit_dump() {
    option(14, "text", "\"/var/dump\"", b"/var/dump");
}

/// RFC 2132 §3.18.
#[test]
fn swap_server() {
    option(16, "address", "\"192.0.2.16\"", &[192, 0, 2, 16]);
}

/// RFC 2132 §3.19.
#[test]
fn root_path() {
    option(17, "text", "\"/srv/root\"", b"/srv/root");
}

/// RFC 2132 §3.20.
#[test]
fn extensions_path() {
    option(18, "text", "\"/srv/extensions\"", b"/srv/extensions");
}

/// RFC 2132 §4.3: pairs of destination and mask.
#[test]
fn policy_filter() {
    option(21, "address", "[\"192.0.2.0\", \"255.255.255.0\"]", &[192, 0, 2, 0, 255, 255, 255, 0]);
}

/// RFC 2132 §4.4.
#[test]
fn max_dgram_reassembly() {
    option(22, "u16", "1000", &[3, 232]);
}

/// RFC 2132 §4.5.
#[test]
fn default_ip_ttl() {
    option(23, "u8", "64", &[64]);
}

/// RFC 2132 §4.6.
#[test]
fn path_mtu_aging_timeout() {
    option(24, "u32", "86400", &86_400_u32.to_be_bytes());
}

/// RFC 2131 §4.3.5: the ACK goes to the address in ciaddr, and there is none.
#[test]
fn invalid() {
    Bench::direct(POOL_1).inform(&[prl(&[3])]).silent();
}

/// Through a relay the answer finds its way all the same. Contested: RFC 2131 §4.3.5 does not say.
#[test]
fn relay() {
    let ack = Bench::relayed(POOL_1).inform(&[prl(&[3])]).acks(NONE);
    assert_eq!(ack.option(code::ROUTERS), Some(&SRV.octets()[..]));
}

/// RFC 2131 §4.4.1, table 5: an INFORM must not carry option 54; one that does is answered.
#[test]
fn with_serverid() {
    let mut bench = Bench::direct(POOL_1);
    bench.ciaddr = CI;
    bench.inform(&[srv(), prl(&[3])]).acks(NONE);
}

/// RFC 2131 §4.3.5: a network without addresses to give has parameters all the same.
#[test]
fn stateless_with_subnet_empty_pool() {
    let mut bench = Bench::direct("pool = []\n[network.options]\n2 = { type = \"i32\", value = 50 }");
    bench.ciaddr = CI;
    let ack = bench.inform(&[prl(&[1, 2, 3])]).acks(NONE);
    for (number, expected) in [(1, MASK), (2, &[0, 0, 0, 50]), (3, &SRV.octets())] {
        assert_eq!(ack.option(number), Some(expected), "option {number}");
    }
}
