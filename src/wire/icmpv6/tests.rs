//! Router discovery against packets of others: a Linux kernel, rdisc6, radvd.

use super::*;

const ASKER: Mac = Mac([0x8e, 0x68, 0x88, 0x54, 0x1d, 0xf6]);
const US: Mac = Mac([0x52, 0x54, 0, 0, 0, 1]);

/// A Linux kernel on a new interface, with its hardware address as an option.
const KERNEL: &str = "6000000000103afffe800000000000008c6888fffe541df6ff020000000000000000000000000002\
    850015c80000000001018e6888541df6";
/// rdisc6, without options.
const RDISC6: &str = "6008157f00083afffe800000000000008c6888fffe541df6ff020000000000000000000000000002\
    85004b8400000000";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let text = |pair: &[u8]| String::from_utf8(pair.to_vec()).expect("digits");
    digits.chunks(2).map(|pair| u8::from_str_radix(&text(pair), 16).expect("a byte")).collect()
}

/// A packet with its checksum put right.
fn sealed(mut packet: Vec<u8>) -> Vec<u8> {
    packet[42..44].fill(0);
    let (header, message) = packet.split_at(IP_HEADER);
    let sum = checksum(header, message);
    packet[42..44].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// An advertisement of ours with this lifetime and these options behind it.
fn advertisement(lifetime: u16, options: &[u8]) -> Vec<u8> {
    let mut packet = empty_advertisement(link_local(US), Ipv6Addr::UNSPECIFIED).to_vec();
    packet[46..48].copy_from_slice(&lifetime.to_be_bytes());
    packet[5] += u8::try_from(options.len()).expect("few");
    packet.extend_from_slice(options);
    sealed(packet)
}

#[test]
fn solicitations_of_others_are_heard() {
    for packet in [KERNEL, RDISC6] {
        assert_eq!(parse(&bytes(packet)), Some(Heard::Solicitation { from: link_local(ASKER) }));
    }
    // What Ethernet pads behind the end does not matter.
    assert!(parse(&[bytes(RDISC6), vec![0xee; 6]].concat()).is_some());
}

#[test]
fn the_advertisement_is_empty_to_the_byte() {
    let packet = empty_advertisement(link_local(US), link_local(ASKER));
    // Type 134, code 0, checksum; hop limit, flags, lifetime, reachable time, retransmission timer: all 0.
    let expected = "6000000000103afffe80000000000000505400fffe000001fe800000000000008c6888fffe541df6\
        8600fbaa000000000000000000000000";
    assert_eq!(packet[..], bytes(expected)[..]);
    assert_eq!(parse(&packet), Some(Heard::Advertisement { routes: false }));
    let to_all = empty_advertisement(link_local(US), Ipv6Addr::UNSPECIFIED);
    assert_eq!(to_all[24..40], ALL_NODES.octets());
    assert_eq!(destination(Ipv6Addr::UNSPECIFIED, ASKER), Mac([0x33, 0x33, 0, 0, 0, 1]));
    assert_eq!(destination(link_local(ASKER), ASKER), ASKER);
}

#[test]
fn the_checksum_is_that_of_others() {
    let kernel = bytes(KERNEL);
    assert_eq!(sealed(kernel.clone()), kernel);
    let rdisc6 = bytes(RDISC6);
    assert_eq!(sealed(rdisc6.clone()), rdisc6);
}

#[test]
fn a_router_is_told_from_one_that_is_none() {
    let prefix = [&[PREFIX, 4, 64, 0xc0][..], &[0; 28]].concat();
    for (lifetime, options, routes) in [
        (0, &[][..], false),
        (1800, &[], true),
        (0, &prefix, true),
        (0, &[SOURCE_LINK_ADDRESS, 1, 0, 0, 0, 0, 0, 1], false),
    ] {
        assert_eq!(parse(&advertisement(lifetime, options)), Some(Heard::Advertisement { routes }), "{options:?}");
    }
}

#[test]
fn section_6_1_what_is_malformed_is_nothing() {
    let change = |at: usize, to: u8| {
        let mut packet = bytes(KERNEL);
        packet[at] = to;
        sealed(packet)
    };
    for (at, to, why) in [
        (0, 0x45, "IPv4"),
        (6, 17, "UDP"),
        (7, 254, "came through a router"),
        (5, 17, "longer than it is"),
        (5, 7, "cut in its head"),
        (8, 0x20, "from another link"),
        (40, 135, "another message"),
        (41, 1, "another code"),
        (49, 0, "an option without a length"),
        (49, 2, "an option past the end"),
    ] {
        assert_eq!(parse(&change(at, to)), None, "{why}");
    }
    let mut wrong = bytes(KERNEL);
    wrong[43] ^= 1;
    assert_eq!(parse(&wrong), None, "a wrong checksum");
    let nobody = |packet: &str| {
        let mut packet = bytes(packet);
        packet[8..24].fill(0);
        parse(&sealed(packet))
    };
    assert_eq!(nobody(RDISC6), Some(Heard::Solicitation { from: Ipv6Addr::UNSPECIFIED }));
    assert_eq!(nobody(KERNEL), None, "a hardware address of nobody");
    for length in 0..bytes(KERNEL).len() {
        assert_eq!(parse(&bytes(KERNEL)[..length]), None, "cut to {length}");
    }
}

#[test]
fn noise_is_nothing_and_never_a_panic() {
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..20_000 {
        let mut packet = bytes(KERNEL);
        for _ in 0..rng.usize(1..6) {
            let at = rng.usize(..packet.len());
            packet[at] = rng.u8(..);
        }
        packet.truncate(rng.usize(..=packet.len()));
        if packet.len() > 44 {
            packet = sealed(packet);
        }
        parse(&packet);
    }
}
