//! REQUEST in its four states (RFC 2131 §4.3.2), DISCOVER, and what a server says to neither.

use super::*;

fn selecting(last: u8, address: Ipv4Addr) -> Message {
    Message::new(Request, last).requested(address).server(SERVER)
}

fn init_reboot(last: u8, address: Ipv4Addr) -> Message {
    Message::new(Request, last).requested(address)
}

fn extending(last: u8, address: Ipv4Addr) -> Message {
    Message::new(Request, last).ciaddr(address)
}

fn lenient(pool: u8) -> World {
    let mut bench = link(pool);
    bench.authoritative = false;
    World::new(vec![bench])
}

/// Two clients hold .1 and .2 of a pool of a hundred.
fn two_clients(authoritative: bool) -> World {
    let mut world = if authoritative { World::pool(100) } else { lenient(100) };
    assert_eq!([world.bind(1), world.bind(2)], [ip(1), ip(2)]);
    world
}

#[test]
fn an_offer_is_not_in_the_journal() {
    let mut world = World::pool(1);
    world.reply(&Message::new(Discover, 1));
    assert_eq!(world.journal, [], "inventing MACs costs us nothing");
    assert_eq!(world.fleet.tables().machines.iter().count(), 0);
}

#[test]
fn a_used_up_pool_is_a_refusal() {
    let mut world = World::pool(1);
    world.bind(1);
    assert_eq!(world.answer(&Message::new(Discover, 2)), None);
    assert!(matches!(world.notices.last(), Some(Notice::Refused { refusal: Refusal::NoFreeAddress, .. })));
}

#[test]
fn clients_without_hardware_address_are_different_machines() {
    let mut world = World::pool(9);
    let zero = |id: &str| Message::new(Discover, 1).chaddr([0; 6]).id(format!("\0{id}"));
    assert_eq!([world.dora(&zero("one")), world.dora(&zero("two")), world.dora(&zero("one"))], [ip(1), ip(2), ip(1)]);
    assert_eq!(world.fleet.tables().machines.iter().count(), 2);
    world.wait(5000);
    assert_eq!(world.dora(&zero("one")), ip(1));
    assert_eq!(world.fleet.tables().machines.iter().count(), 2, "remembered over an expired lease");
}

#[test]
fn section_4_3_2_init_reboot_wrong_net_is_nakked() {
    for mut world in [World::pool(1), lenient(1)] {
        world.bind(1);
        let nak = world.reply(&init_reboot(1, Ipv4Addr::new(185, 0, 50, 0)));
        assert_eq!(nak.kind, Some(Nak));
        assert_eq!(nak.option(code::SERVER_ID), Some(&SERVER.octets()[..]));
    }
}

#[test]
fn a_known_client_keeps_its_address_over_a_lapsed_lease() {
    let mut world = lenient(3);
    world.bind(1);
    world.wait(5000);
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(LeaseState::Released));
    assert_eq!(world.answer(&init_reboot(1, ip(1))), Some((Ack, ip(1))));
    world.wait(5000);
    world.bind(2);
    assert_eq!(world.answer(&init_reboot(1, ip(1))), None, "another one has it now, and the record with it");
}

#[test]
fn section_4_1_an_extension_is_answered_to_ciaddr() {
    let mut world = World::pool(1);
    world.bind(1);
    world.wait(2000);
    for flags in [0, 0x8000] {
        let (ack, to) = world.sent(&extending(1, ip(1)).flags(flags)).expect("an ACK");
        assert_eq!((ack.kind, ack.yiaddr, ack.ciaddr), (Some(Ack), ip(1), ip(1)));
        assert_eq!(ack.option(code::SERVER_ID), Some(&SERVER.octets()[..]));
        assert_eq!(to.to_string(), "192.168.50.1:68", "RFC 2131 §4.1: to ciaddr, whatever the flags");
    }
    world.wait(3999);
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(LeaseState::Bound), "the lease was extended");
}

#[test]
fn section_4_3_2_extending_another_clients_address_is_nakked() {
    let mut world = World::pool(2);
    world.bind(1);
    assert_eq!(world.answer(&extending(2, ip(1))).map(|(kind, _)| kind), Some(Nak));
    // Outside our networks only an authoritative server may say no.
    let foreign = Ipv4Addr::new(10, 9, 8, 7);
    assert_eq!(world.answer(&extending(2, foreign)).map(|(kind, _)| kind), Some(Nak));
    assert_eq!(lenient(2).answer(&extending(2, foreign)), None);
}

#[test]
fn section_4_3_1_a_new_choice_frees_the_old_address() {
    let mut world = two_clients(true);
    assert_eq!(world.answer(&selecting(2, ip(50))), Some((Ack, ip(50))));
    assert_eq!(world.lease(2), None);
    assert_eq!(world.bind(3), ip(2));
    assert_eq!(world.restarted(), world.remembered());
}

#[test]
fn a_message_for_another_server_is_not_answered() {
    let mut world = World::pool(9);
    let foreign = Ipv4Addr::new(192, 168, 50, 7);
    world.reply(&Message::new(Discover, 1));
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(LeaseState::Offered));
    let other = Message::new(Request, 1).requested(ip(1)).server(foreign);
    assert_eq!(world.answer(&other), None);
    assert_eq!(world.lease(1), None, "the client took another server's offer, so ours is free again");
    assert_eq!(world.answer(&Message::new(Decline, 1).requested(ip(1)).server(foreign)), None);
    assert_eq!(world.journal, []);
}

#[test]
fn a_request_must_name_an_address() {
    let mut world = World::pool(9);
    assert_eq!(world.answer(&Message::new(Request, 1)), None);
    assert!(matches!(world.notices.last(), Some(Notice::Refused { refusal: Refusal::Forbidden(_), .. })));
}

#[test]
fn repeated_discovers_get_one_address_and_their_echo() {
    let mut world = World::pool(9);
    for _ in 0..4 {
        assert_eq!(world.answer(&Message::new(Discover, 1)), Some((Offer, ip(1))), "U-Boot repeats itself");
    }
    assert_eq!(world.answer(&Message::new(Discover, 2)), Some((Offer, ip(2))));
}

#[test]
fn xids_repeat_between_clients() {
    let mut world = World::pool(9);
    let [one, two] = [1, 2].map(|last| Message::new(Discover, last));
    assert_eq!(one.xid, two.xid);
    let first = world.reply(&one);
    let second = world.reply(&two);
    assert_eq!((first.yiaddr, second.yiaddr), (ip(1), ip(2)));
    assert_eq!((first.xid, second.xid), (one.xid, two.xid));
}

#[test]
fn a_repeated_request_has_the_same_ack() {
    let mut world = World::factory(3);
    world.reply(&bios(1));
    let request = Message { options: bios(1).options.into_iter().skip(1).collect(), ..bios(1) };
    let request = request.with(code::MESSAGE_TYPE, [Request.code()]).requested(ip(1)).server(SERVER);
    let mut bytes = || {
        let actions = world.handle(Event::Dhcp { link: LINK, port: 68, bytes: request.bytes() });
        actions.into_iter().find_map(|action| match action {
            Action::Send { bytes, .. } => Some(bytes),
            _ => None,
        })
    };
    let first = bytes();
    assert!(first.is_some());
    assert_eq!(first, bytes());
    let rows = world.journal.len();
    world.handle(Event::Dhcp { link: LINK, port: 68, bytes: request.bytes() });
    assert_eq!(world.journal[rows..].len(), 1, "only the lease is written again: {:?}", &world.journal[rows..]);
}

#[test]
fn what_is_not_a_clients_dhcp_message_is_refused_and_counted() {
    let mut world = World::pool(9);
    let relayed = Message::new(Discover, 1).relayed(Ipv4Addr::new(10, 0, 0, 1)).bytes();
    for bytes in [Bytes::from_static(b"hello"), relayed] {
        let actions = world.handle(Event::Dhcp { link: LINK, port: 68, bytes });
        assert!(matches!(&actions[..], [Action::Publish(Notice::Refused { .. })]), "{actions:?}");
    }
    let unknown_link = Event::Dhcp { link: LinkId(7), port: 68, bytes: Message::new(Discover, 1).bytes() };
    assert!(matches!(&world.handle(unknown_link)[..], [Action::Publish(Notice::Refused { .. })]));
}
