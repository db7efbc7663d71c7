use super::*;

const ASKER: Mac = Mac([0x52, 0x54, 0, 0, 0, 1]);
const HOLDER: Mac = Mac([0x52, 0x54, 0, 0, 0, 2]);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 151, 100);

/// The reply of a Linux kernel to a probe, as it is on the wire.
const REPLY: [u8; LENGTH] =
    [0, 1, 8, 0, 6, 4, 0, 2, 0x52, 0x54, 0, 0, 0, 2, 192, 168, 151, 100, 0x52, 0x54, 0, 0, 0, 1, 0, 0, 0, 0];

#[test]
fn section_2_1_1_probe_has_no_sender_address_and_no_target_mac() {
    let probe = Packet::probe(ASKER, ADDRESS).encode();
    let on_the_wire: [u8; LENGTH] =
        [0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 168, 151, 100];
    assert_eq!(probe, on_the_wire);
    assert_eq!(Packet::decode(&probe).and_then(|packet| packet.claim()), None);
}

#[test]
fn a_reply_says_who_uses_the_address() {
    let reply = Packet::decode(&REPLY).expect("an ARP packet");
    assert_eq!((reply.operation, reply.target_mac, reply.target), (Operation::Reply, ASKER, Ipv4Addr::UNSPECIFIED));
    assert_eq!(reply.claim(), Some((ADDRESS, HOLDER)));
    assert_eq!(reply.encode(), REPLY);
}

#[test]
fn an_announcement_claims_its_sender_address() {
    let announcement = Packet { sender: ADDRESS, ..Packet::probe(HOLDER, ADDRESS) };
    assert_eq!(Packet::decode(&announcement.encode()).and_then(|packet| packet.claim()), Some((ADDRESS, HOLDER)));
}

#[test]
fn padding_behind_the_packet_does_not_matter_and_a_cut_does() {
    let padded = [&REPLY[..], &[0xee; 18]].concat();
    assert_eq!(Packet::decode(&padded), Packet::decode(&REPLY));
    for length in 0..LENGTH {
        assert_eq!(Packet::decode(&REPLY[..length]), None, "cut to {length}");
    }
}

#[test]
fn other_networks_and_operations_are_not_ours() {
    for (at, what) in [(1, "hardware type"), (2, "protocol"), (4, "MAC length"), (5, "address length"), (7, "RARP")] {
        let mut bytes = REPLY;
        bytes[at] = 3;
        assert_eq!(Packet::decode(&bytes), None, "{what}");
    }
}
