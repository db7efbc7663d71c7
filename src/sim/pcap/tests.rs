use super::*;

#[test]
fn an_ipv4_header_sums_up_to_all_ones() {
    // RFC 1071: every 16-bit word, the checksum included.
    let header = ipv4_header(0x73, Ipv4Addr::new(192, 168, 0, 1), Ipv4Addr::new(192, 168, 0, 199));
    let sum: u32 = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
}

#[test]
fn what_nobody_wants_costs_nothing() {
    let end = End::new(SERVER_MAC, Ipv4Addr::LOCALHOST, 67);
    let mut capture = Capture::new(false);
    capture.udp(Timestamp::from_millis(0), end, end, b"x");
    assert_eq!(capture.into_bytes(), b"");
}
