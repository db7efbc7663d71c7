//! Clients behind relay agents: the facts of direct clients once more with a giaddr, the sub-options of option 82, and
//! networks that only relays connect with us.

use super::*;

const GI: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 249);

fn relayed(kind: MessageType, last: u8) -> Message {
    Message::new(kind, last).relayed(GI)
}

/// Kind and yiaddr of a reply that went to the relay.
fn told(world: &mut World, message: &Message) -> Option<(MessageType, Ipv4Addr)> {
    let (reply, to) = world.sent(message)?;
    assert_eq!((to, reply.giaddr, reply.hops), (Destination::Relay(GI), GI, 1), "port 67 of giaddr");
    assert_eq!(reply.option(code::SERVER_ID), Some(&SERVER.octets()[..]));
    Some((reply.kind?, reply.yiaddr))
}

/// Client `last` holds .1 of a pool of one, under this identifier.
fn holding(id: Option<&[u8]>) -> World {
    let mut world = World::pool(1);
    let discover = relayed(Discover, 1);
    world.dora(&id.map_or(discover.clone(), |id| discover.id(id)));
    world
}

fn selecting(last: u8) -> Message {
    relayed(Request, last).requested(ip(1)).server(SERVER)
}

#[test]
fn relay_selecting_success_chaddr() {
    let mut world = World::pool(1);
    let offer = world.reply(&relayed(Discover, 1));
    assert_eq!((offer.yiaddr, offer.option(code::SUBNET_MASK)), (ip(1), Some(&[255, 255, 255, 0][..])));
    assert_eq!(told(&mut world, &selecting(1)), Some((Ack, ip(1))));
    assert_eq!(world.lease(1).map(|lease| lease.client.clone()), Some(ClientKey::Mac(mac(1))));
}

#[test]
fn relay_selecting_success_chaddr_empty_pool() {
    assert_eq!(told(&mut holding(None), &relayed(Discover, 2)), None);
}

#[test]
fn relay_selecting_success_client_id() {
    let mut world = World::pool(1);
    let zero = |kind| relayed(kind, 1).chaddr([0; 6]).id(b"\0one");
    let offer = world.reply(&zero(Discover));
    assert_eq!((offer.yiaddr, offer.option(code::CLIENT_ID)), (ip(1), Some(&b"\0one"[..])));
    let ack = world.reply(&zero(Request).requested(ip(1)).server(SERVER));
    assert_eq!((ack.kind, ack.option(code::CLIENT_ID)), (Some(Ack), Some(&b"\0one"[..])));
}

#[test]
fn relay_selecting_success_client_id_empty_pool() {
    assert_eq!(told(&mut holding(Some(b"\0one")), &relayed(Discover, 1).id(b"\0two")), None);
}

#[test]
fn relay_selecting_success_client_id_chaddr_empty_pool() {
    let mut world = holding(Some(b"\0one"));
    assert_eq!(told(&mut world, &relayed(Discover, 2).id(b"\0two")), None);
    assert_eq!(told(&mut world, &relayed(Discover, 1).id(b"\0two")), None);
}

#[test]
fn relay_selecting_success_second_request_fail() {
    let mut world = holding(None);
    let nak = world.reply(&selecting(2));
    assert_eq!((nak.kind, nak.flags), (Some(Nak), 0x8000), "RFC 2131 §4.3.2: the relay broadcasts it");
    assert_eq!(told(&mut world, &selecting(2)), Some((Nak, NONE)));
}

#[test]
fn relay_initreboot_success() {
    let mut world = holding(None);
    let ack = world.reply(&relayed(Request, 1).requested(ip(1)));
    assert_eq!((ack.kind, ack.yiaddr), (Some(Ack), ip(1)));
    assert_eq!(ack.option(code::SUBNET_MASK), Some(&[255, 255, 255, 0][..]), "though not requested");
}

#[test]
fn relay_initreboot_fail() {
    let foreign = Ipv4Addr::new(185, 0, 50, 0);
    assert_eq!(told(&mut holding(None), &relayed(Request, 1).requested(foreign)), Some((Nak, NONE)));
}

#[test]
fn relay_initreboot_no_leases() {
    let mut bench = link(1);
    bench.authoritative = false;
    assert_eq!(told(&mut World::new(vec![bench]), &relayed(Request, 1).requested(ip(1))), None);
}

#[test]
fn relay_renewing_success_and_rebinding_success() {
    let mut world = holding(None);
    for flags in [0, 0x8000] {
        assert_eq!(told(&mut world, &relayed(Request, 1).ciaddr(ip(1)).flags(flags)), Some((Ack, ip(1))));
    }
}

#[test]
fn relay_release_success() {
    let mut world = holding(None);
    assert_eq!(told(&mut world, &relayed(Release, 1).server(SERVER).ciaddr(ip(1))), None);
    assert_eq!(told(&mut world, &relayed(Discover, 2)), Some((Offer, ip(1))), "at once");
}

#[test]
fn relay_release_success_with_additional_offer() {
    let mut world = holding(None);
    assert_eq!(told(&mut world, &relayed(Discover, 2)), None);
    assert_eq!(told(&mut world, &relayed(Release, 1).server(SERVER).ciaddr(ip(1))), None);
    assert_eq!(told(&mut world, &relayed(Discover, 3)), Some((Offer, ip(1))));
}

#[test]
fn relay_release_only_chaddr_same_chaddr() {
    let mut world = holding(None);
    assert_eq!(world.lease(1).map(|lease| lease.client.to_string()), Some(mac(1).to_string().to_lowercase()));
    assert_eq!(told(&mut world, &relayed(Release, 1).ciaddr(ip(1)).server(SERVER)), None);
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(LeaseState::Released));
}

#[test]
fn relay_decline_success() {
    let mut place = site(vec![link(1)]);
    place.decline_hold = Duration::from_secs(2);
    let mut world = World::at(place, Vec::new());
    world.dora(&relayed(Discover, 1));
    assert_eq!(told(&mut world, &relayed(Decline, 1).server(SERVER).requested(ip(1))), None);
    assert_eq!(told(&mut world, &relayed(Discover, 2)), None);
    world.wait(2);
    assert_eq!(told(&mut world, &relayed(Discover, 2)), Some((Offer, ip(1))));
}

/// Contested: a REQUEST with our option 54 and no option 50. The RFC demands it of the client and says nothing to us: it
/// gets what it was, or would be, offered. Contested: a foreign option 54 is ours if the relay overrides it so
/// (RFC 5107 §4).
#[test]
fn rai_option11_server_identifier_override() {
    let other = Ipv4Addr::new(192, 168, 50, 9);
    let mut world = World::pool(9);
    assert_eq!(told(&mut world, &relayed(Request, 1).server(SERVER)), Some((Ack, ip(1))));
    assert_eq!(told(&mut world, &relayed(Request, 1).server(other)), None);
    let information = [&[1, 1, 7, 11, 4][..], &other.octets()].concat();
    let request = relayed(Request, 1).server(other).with(code::RELAY_AGENT, &information);
    let ack = world.reply(&request);
    assert_eq!((ack.kind, ack.relay_agent.as_deref()), (Some(Ack), Some(&information[..])), "echoed whole");
    assert_eq!(ack.option(code::SERVER_ID), Some(&other.octets()[..]), "RFC 5107 §4");
    let offer = world.reply(&relayed(Discover, 2).with(code::RELAY_AGENT, &information));
    assert_eq!(offer.option(code::SERVER_ID), Some(&other.octets()[..]));
}

/// Contested: through a network that is not served we keep silent, except to a client that chose us; it cannot be
/// served and must start over (RFC 2131 §3.1 step 4).
#[test]
fn rai_option5_link_selection() {
    let far = Ipv4Addr::new(10, 0, 0, 1);
    let mut world = World::pool(9);
    let request = || Message::new(Request, 1).server(SERVER);
    assert_eq!(world.answer(&request()), Some((Ack, ip(1))));
    assert_eq!(world.answer(&request().relayed(far)), Some((Nak, NONE)));
    assert_eq!(world.answer(&Message::new(Discover, 1).relayed(far)), None);
    assert_eq!(world.answer(&Message::new(Request, 1).requested(ip(1)).relayed(far)), None);
    let selection = [&[5, 4][..], &ip(1).octets()].concat();
    let (ack, to) = world.sent(&request().relayed(far).with(code::RELAY_AGENT, &selection)).expect("an ACK");
    assert_eq!((ack.kind, ack.yiaddr, to), (Some(Ack), ip(1), Destination::Relay(far)));
    assert_eq!(ack.option(code::SERVER_ID), Some(&SERVER.octets()[..]));
}

#[test]
fn rai_option5_link_selection_ignore() {
    let mut place = site(vec![link(9)]);
    place.leniency.ignore_link_selection = true;
    let selection = [&[5, 4][..], &ip(1).octets()].concat();
    let request = Message::new(Request, 1).server(SERVER).relayed(Ipv4Addr::new(10, 0, 0, 1));
    let answer = World::at(place, Vec::new()).answer(&request.with(code::RELAY_AGENT, selection));
    assert_eq!(answer, Some((Nak, NONE)));
}

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
    let actions = world.handle(Event::Dhcp { link: LINK, bytes: message.bytes() });
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
