//! BOOTP clients (RFC 951): an address in one step, and for ever.

use super::*;

fn bootp(last: u8) -> Message {
    Message::new(Discover, last).bootp()
}

/// The link of the tests, with BOOTP on and a pool of .1 to .`pool`.
fn bench(pool: u8) -> Link {
    Link { bootp: true, ..link(pool) }
}

fn given(world: &mut World, last: u8) -> Ipv4Addr {
    let reply = world.reply(&bootp(last));
    assert_eq!(reply.kind, None, "no option 53");
    for times in [code::LEASE_TIME, code::RENEWAL_TIME, code::REBINDING_TIME, code::SERVER_ID] {
        assert_eq!(reply.option(times), None, "option {times}");
    }
    assert_eq!(reply.option(code::SUBNET_MASK), Some(&[255, 255, 255, 0][..]));
    reply.yiaddr
}

#[test]
fn a_bootp_reply_is_300_bytes() {
    let mut world = World::new(vec![bench(9)]);
    assert_eq!(world.bind(1), ip(1));
    assert_eq!([given(&mut world, 2), given(&mut world, 2)], [ip(2), ip(2)]);
    let bytes = world
        .handle(Event::Dhcp { link: LINK, port: 68, bytes: bootp(2).bytes() })
        .into_iter()
        .find_map(|action| if let Action::Send { bytes, .. } = action { Some(bytes.len()) } else { None });
    assert_eq!(bytes, Some(300), "the length of RFC 951, never more");
}

#[test]
fn a_bootp_client_keeps_its_address_for_ever() {
    let mut world = World::new(vec![bench(1)]);
    given(&mut world, 1);
    world.wait(10 * 365 * 86_400);
    assert_eq!(world.answer(&Message::new(Discover, 2)), None);
    assert_eq!(world.restarted(), world.remembered());
}

/// Contested: whether BOOTP is on by default. It is off, because one message of a stranger would take an address for
/// ever; reserved clients are served all the same.
#[test]
fn bootp_may_be_left_to_reserved_clients() {
    let mut bench = link(9);
    bench.reservations = vec![reservation(1, Some(ip(7)))];
    let mut world = World::new(vec![bench]);
    assert_eq!(given(&mut world, 1), ip(7));
    assert!(world.sent(&bootp(2)).is_none());
}

/// RFC 951 §3: a client without vendor wishes leaves the area zero, magic cookie and all.
#[test]
fn plain_bootp_without_magic_cookie() {
    let mut world = World::with(vec![bench(9)], profiles());
    let mut bytes = bootp(1).bytes().to_vec();
    bytes.truncate(236);
    bytes.resize(300, 0);
    let actions = world.handle(Event::Dhcp { link: LINK, port: 68, bytes: bytes.into() });
    let sent = actions.iter().any(|action| matches!(action, Action::Send { .. }));
    assert!(sent && world.lease(1).is_some(), "{actions:?}");
}

#[test]
fn relayed_bootp_is_answered_to_its_relay() {
    let mut world = World::new(vec![bench(9)]);
    let (reply, to) = world.sent(&bootp(1).relayed(ip(249))).expect("a BOOTREPLY");
    assert_eq!((reply.kind, reply.yiaddr, to), (None, ip(1), Destination::Relay(ip(249))));
}
