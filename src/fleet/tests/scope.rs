//! What depends on where and who a client is: networks that share a cable, pools, options of every level, classes,
//! reservations by each identifier, and the knobs of the server.

use super::*;
use crate::catalog::Catalog;
use crate::ids::Uuid;

fn discover(last: u8) -> Message {
    Message::new(Discover, last)
}

/// An option that goes to everyone.
fn always(number: u8, value: &[u8]) -> DhcpOption {
    DhcpOption { always: true, ..DhcpOption::new(number, value) }
}

/// 192.168.50.0/24 with a pool of one and 10.1.0.0/24 with a pool of two, on one interface.
fn shared() -> Vec<Link> {
    let at = |last| Ipv4Addr::new(10, 1, 0, last);
    let second = Link {
        name: "second".to_owned(),
        pools: vec![Pool::new(at(10), at(11))],
        ..Link::new("eth1", crate::net::Subnet::containing(at(0), 24).expect("a subnet"), at(1))
    };
    vec![link(1), second]
}

#[test]
fn a_shared_network_gives_from_any_subnet_with_a_free_address() {
    let mut world = World::new(shared());
    assert_eq!(world.bind(1), ip(1));
    let offer = world.reply(&discover(2));
    let second = Ipv4Addr::new(10, 1, 0, 10);
    assert_eq!(offer.yiaddr, second);
    assert_eq!(offer.option(code::SERVER_ID), Some(&[10, 1, 0, 1][..]), "our address there");
    assert_eq!(offer.option(code::BROADCAST_ADDRESS), Some(&[10, 1, 0, 255][..]));
    let request = Message::new(Request, 2).requested(second);
    assert_eq!(world.answer(&request.clone().server(Ipv4Addr::new(10, 1, 0, 1))), Some((Ack, second)));
    assert_eq!(world.answer(&request), Some((Ack, second)), "INIT-REBOOT in the other subnet is the same network");
    assert_eq!(world.answer(&Message::new(Request, 2).ciaddr(second)), Some((Ack, second)));
    world.answer(&Message::new(Release, 1).server(SERVER).ciaddr(ip(1)));
    assert_eq!(world.bind(3), ip(1));
    assert_eq!(world.answer(&discover(2)), Some((Offer, second)), "the lease it has decides");
    assert_eq!(world.restarted(), world.remembered());
}

#[test]
fn a_client_has_one_lease_in_a_shared_network() {
    let mut world = World::new(shared());
    world.bind(1);
    let second = Ipv4Addr::new(10, 1, 0, 11);
    let request = Message::new(Request, 1).requested(second).server(SERVER);
    assert_eq!(world.answer(&request), Some((Ack, second)));
    assert_eq!(world.lease(1), None, "the first is free again");
}

#[test]
fn a_pool_is_for_its_classes_and_has_options_of_its_own() {
    let mut bench = link(0);
    let guarded =
        Pool { classes: vec!["kiosk".to_owned()], options: vec![always(17, b"/kiosk")], ..Pool::new(ip(1), ip(2)) };
    bench.pools = vec![guarded, Pool::new(ip(20), ip(29))];
    let kiosk = Class { name: "kiosk".to_owned(), vendor_class: b"kiosk".to_vec(), ..Class::default() };
    let mut world = World::at(site(vec![bench]), vec![kiosk]);
    let member = discover(1).with(code::VENDOR_CLASS, "kiosk-2");
    let offer = world.reply(&member);
    assert_eq!((offer.yiaddr, offer.option(17)), (ip(1), Some(&b"/kiosk"[..])));
    let other = world.reply(&discover(2).requested(ip(2)));
    assert_eq!((other.yiaddr, other.option(17)), (ip(20), None), "its wish does not open the pool");
    let request = Message::new(Request, 2).requested(ip(2)).server(SERVER);
    assert_eq!(world.answer(&request), Some((Nak, NONE)));
}

#[test]
fn which_options_go_out() {
    let mut bench = link(9);
    bench.options.extend([
        DhcpOption::new(code::DOMAIN_NAME, *b"bench.example"),
        DhcpOption::new(67, *b"other.0"),
        DhcpOption::new(66, *b"tftp.example"),
        always(26, &[5, 220]),
        DhcpOption::new(code::VENDOR_ENCAPSULATED, [1, 1, 7]),
        DhcpOption::new(code::VENDOR_SPECIFIC, [0, 0, 13, 233, 3, 1, 1, 7]),
        DhcpOption::new(224, vec![7; 300]),
    ]);
    let mut world = World::with(vec![bench], profiles());
    let codes = |reply: &Reply| reply.options.iter().map(|(code, _)| *code).collect::<Vec<_>>();
    assert_eq!(codes(&world.reply(&discover(1))), [54, 51, 58, 59, 1, 28, 3, 6, 15, 26], "3, 6, 15 unasked");
    let asking = discover(1).asking_for([67, 66, 43, 125]);
    assert_eq!(codes(&world.reply(&asking)), [54, 51, 58, 59, 1, 28, 3, 6, 15, 26, 43, 66, 125, 67], "67 last");
    // RFC 3396: over 255 bytes in pieces; only where option 57 leaves room for it.
    let long = discover(1).asking_for([224]);
    assert_eq!(world.reply(&long).option(224), None, "576 bytes have no room");
    let large = world.reply(&long.with(code::MAX_MESSAGE_SIZE, [5, 220]));
    assert_eq!(large.option(224), Some(&[7; 300][..]));
    // Whoever boots from us hears of no other boot server.
    let boots = world.reply(&bios(2).asking_for([66, 67]));
    assert_eq!((boots.option(66), boots.option(67)), (Some(&b"192.168.50.252"[..]), None));
}

/// A pool of .1 to .9, and .100 reserved for whoever is identified so.
fn fixed(of: Identifier) -> World {
    let mut bench = link(9);
    bench.reservations = vec![Reservation { address: Some(ip(100)), ..Reservation::new(of) }];
    World::new(vec![bench])
}

#[test]
fn reservations_by_uuid_and_circuit_id() {
    let guid = [&[0][..], &[7; 16]].concat();
    let mut world = fixed(Identifier::Uuid(Uuid([7; 16])));
    assert_eq!(world.dora(&bios(1).with(code::CLIENT_UUID, &guid)), ip(100));
    assert_eq!(world.bind(1), ip(100), "the system after it sends no option 97, and is the same board");
    assert_eq!(world.bind(2), ip(1));
    let mut world = fixed(Identifier::CircuitId(b"ge-0/0/7".to_vec()));
    let port = |last, circuit: &str| {
        let information = [&[1, circuit.len() as u8][..], circuit.as_bytes()].concat();
        discover(last).relayed(ip(249)).with(code::RELAY_AGENT, information)
    };
    assert_eq!(world.dora(&port(1, "ge-0/0/7")), ip(100));
    assert_eq!(world.dora(&port(2, "ge-0/0/8")), ip(1));
}

/// The second board on a reserved port waits in the pool until the first one's lease ends.
#[test]
fn a_reserved_port_is_its_next_boards_when_the_lease_ends() {
    let mut world = fixed(Identifier::CircuitId(b"ge7".to_vec()));
    let board = |last| discover(last).relayed(ip(249)).with(code::RELAY_AGENT, b"\x01\x03ge7");
    assert_eq!([world.dora(&board(1)), world.dora(&board(2))], [ip(100), ip(1)]);
    world.wait(4000);
    assert_eq!(world.dora(&board(2)), ip(100));
}

/// A profile may be for some classes only, and TFTP sees the same choice as DHCP did.
#[test]
fn a_profile_may_be_for_a_class() {
    let mut kiosk = profile("kiosk", &[Firmware::BiosPxe], Some("kiosk.0"));
    kiosk.classes = vec!["kiosk".to_owned()];
    let class = Class { name: "kiosk".to_owned(), mac: mac(1).0.to_vec(), ..Class::default() };
    let profiles = vec![kiosk, profile("pc", &[Firmware::BiosPxe], Some("pc.0"))];
    let mut world = World::of(site(vec![link(9)]), Catalog::new(profiles).with_classes(vec![class]));
    assert_eq!([1, 2].map(|last| world.reply(&bios(last)).file), ["kiosk.0", "pc.0"]);
    world.netboot(1);
    let shown = world.notices.iter().rev().find_map(|notice| match notice {
        Notice::Machine(view) => Some(view.plan.clone()),
        _ => None,
    });
    assert_eq!(shown.and_then(|plan| plan.profile).map(|profile| profile.name.clone()).as_deref(), Some("kiosk"));
}
