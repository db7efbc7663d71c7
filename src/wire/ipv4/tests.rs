use super::*;

fn address(text: &str) -> SocketAddrV4 {
    text.parse().expect("a test address")
}

#[test]
fn a_packet_is_read_back_as_it_was_written() {
    let (from, to) = (address("192.168.151.1:67"), address("192.168.151.100:68"));
    for payload in [&b""[..], b"x", b"odd length", &[0xff; 300]] {
        let packet = udp_packet(from, to, payload);
        assert_eq!(parse_udp(&packet), Some((from, to, payload)));
    }
}

#[test]
fn the_checksums_are_those_of_a_packet_on_the_wire() {
    // Header of an echo request datagram, computed independently: 10.0.0.1:7 -> 10.0.0.2:7, payload "ab".
    let packet = udp_packet(address("10.0.0.1:7"), address("10.0.0.2:7"), b"ab");
    assert_eq!(ones_complement_sum(&packet[..20], 0), 0xffff, "a valid header sums to all ones");
    assert_eq!(packet[10..12], [0x66, 0xcd]);
    // 0x0a00+0x0001+0x0a00+0x0002 + 17 + 10 + 7+7+10 + 0x6162 = 0x7598; its complement is 0x8a67.
    assert_eq!(packet[26..28], [0x8a, 0x67]);
}

#[test]
fn a_flipped_bit_a_fragment_and_a_cut_are_not_read() {
    let packet = udp_packet(address("10.0.0.1:67"), address("10.0.0.2:68"), b"payload");
    let mut flipped = packet.clone();
    *flipped.last_mut().expect("not empty") ^= 1;
    assert_eq!(parse_udp(&flipped), None);
    let mut fragment = packet.clone();
    fragment[6] = 0x20;
    assert_eq!(parse_udp(&fragment), None);
    for length in 0..packet.len() {
        assert_eq!(parse_udp(&packet[..length]), None, "cut to {length}");
    }
}
