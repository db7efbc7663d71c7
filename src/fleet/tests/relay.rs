//! Networks that only relay agents connect with us. What a relayed client is answered is in `tests/dhcp_conformance`.

use super::*;

/// The link of the tests on an interface, and 10.`n`.0.0/24 behind relays for each of `far`.
fn with_far(far: &[u8]) -> World {
    let mut links = vec![link(9)];
    for n in far {
        let at = |last| Ipv4Addr::new(10, *n, 0, last);
        links.push(Link {
            name: format!("far-{n}"),
            interface: None,
            segment: format!("relayed far-{n}"),
            pools: vec![Pool::new(at(10), at(20))],
            ..Link::new("", crate::net::Subnet::containing(at(0), 24).expect("a subnet"), SERVER)
        });
    }
    World::with(links, profiles())
}

#[test]
fn several_relayed_subnets_are_told_apart_by_giaddr() {
    let mut world = with_far(&[1, 2]);
    for n in [1, 2] {
        let relay = Ipv4Addr::new(10, n, 0, 1);
        let (offer, to) = world.sent(&bios(n).relayed(relay).with(code::RELAY_AGENT, b"\x01\x02ab")).expect("an OFFER");
        assert_eq!((offer.yiaddr, to), (Ipv4Addr::new(10, n, 0, 10), Destination::Relay(relay)));
        assert_eq!((offer.siaddr, offer.file.as_str()), (SERVER, "pxelinux.0"), "it boots from us all the same");
        assert_eq!(offer.relay_agent.as_deref(), Some(&b"\x01\x02ab"[..]));
        assert_eq!(offer.option(code::BROADCAST_ADDRESS), Some(&[10, n, 0, 255][..]));
        assert_eq!(world.dora(&bios(n).relayed(relay)), offer.yiaddr);
    }
    assert_eq!(world.netboot(1), ip(1), "on our own cable it gets an address of that");
}

#[test]
fn the_answer_to_a_relay_leaves_by_the_link_it_came_by() {
    let mut world = with_far(&[1]);
    let message = Message::new(Discover, 1).relayed(Ipv4Addr::new(10, 1, 0, 1));
    let actions = world.handle(Event::Dhcp { link: LINK, port: 68, bytes: message.bytes() });
    assert!(actions.iter().any(|action| matches!(action, Action::Send { link: LINK, .. })), "{actions:?}");
}

/// A client renews by unicast, past its relay, and so its message has no giaddr.
#[test]
fn a_relayed_client_renews_and_releases_by_unicast() {
    let mut world = with_far(&[1]);
    let relay = Ipv4Addr::new(10, 1, 0, 1);
    let address = world.dora(&Message::new(Discover, 1).relayed(relay));
    let (ack, to) = world.sent(&Message::new(Request, 1).ciaddr(address)).expect("an ACK");
    assert_eq!((ack.kind, ack.yiaddr, to.to_string()), (Some(Ack), address, format!("{address}:68")));
    world.answer(&Message::new(Release, 1).server(SERVER).ciaddr(address));
    assert_eq!(world.dora(&Message::new(Discover, 2).relayed(relay)), address, "it is free at once");
}
