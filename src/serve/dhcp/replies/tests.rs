use std::time::Duration;

use super::*;

fn reply(destination: Destination, number: u16, length: usize) -> Reply {
    let mut bytes = vec![0xa5; length];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    Reply { link: LinkId(0), bytes: bytes.into(), destination }
}

/// Sends 130 replies, two full calls and a rest, and checks that each arrives as a datagram of its own, in order.
fn send_and_compare(refuse: bool) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port of loopback");
    if refuse {
        // The kernel cannot segment what carries no checksum.
        udp::set_int(&socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).expect("a socket option");
    }
    let relay = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port of loopback");
    relay.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket option");
    let port = relay.local_addr().expect("it is bound").port();
    let replies: Vec<Reply> =
        (0..130).map(|number| reply(Destination::Relay(Ipv4Addr::LOCALHOST), number, 300)).collect();
    let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    send_alike(&socket, &replies, Ipv4Addr::LOCALHOST, to).expect("loopback takes it");
    let mut buffer = [0; 2000];
    for reply in &replies {
        let length = relay.recv(&mut buffer).expect("a reply is missing");
        assert_eq!(buffer[..length], reply.bytes[..]);
    }
    assert_eq!(udp::segments(), !refuse);
}

#[test]
fn a_relays_replies_arrive_with_and_without_segmentation() {
    let _alone = udp::refusal::alone();
    send_and_compare(false);
    send_and_compare(true);
}

#[test]
fn only_replies_of_one_length_for_one_relay_leave_together() {
    let (near, far) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let direct = Destination::Layer2 { mac: Mac([2, 0, 0, 0, 0, 1]), address: [10, 0, 0, 9].into() };
    let mut replies = vec![
        reply(Destination::Relay(far), 1, 300),
        reply(direct, 2, 300),
        reply(Destination::Relay(near), 3, 310),
        reply(Destination::Relay(far), 4, 300),
        reply(direct, 5, 300),
        reply(Destination::Relay(near), 6, 300),
        reply(Destination::Relay(near), 7, 310),
    ];
    let number = |reply: &Reply| u16::from_be_bytes([reply.bytes[0], reply.bytes[1]]);
    let runs: Vec<Vec<u16>> = by_kind(&mut replies).map(|run| run.iter().map(number).collect()).collect();
    assert_eq!(runs, [vec![2], vec![5], vec![6], vec![3, 7], vec![1, 4]]);
}
