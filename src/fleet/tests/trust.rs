//! Who is believed: machines that nobody knows, messages that their sender cannot have written, liars.

use super::*;
use crate::lease::LeaseState::{Bound, Declined};
use crate::site::{Disuse, Share, Strangers};

/// A network of 100 addresses where unknown machines may take what `limits` say.
fn limited(limits: Strangers) -> World {
    let mut links = vec![link(100)];
    links[0].reservations = vec![reservation(250, None)];
    let place = Site { strangers: limits, ..site(links) };
    let mut world = World::of(place, Catalog::new(profiles()));
    for (name, file) in [("KXP2", "kxp2_master.img"), ("RXP2", "rxp2_master.img")] {
        world.image(name, ImageState::Ready(image(file)));
    }
    world.declare("ARLT", 20);
    world
}

fn open() -> Strangers {
    Strangers { reserve: Share::Count(0), per_minute: None, per_link: None, per_circuit: None, ..Strangers::default() }
}

/// The kind of the last refusal.
fn refused(world: &World) -> Option<&'static str> {
    world.notices.iter().rev().find_map(|notice| match notice {
        Notice::Refused { refusal, .. } => Some(refusal.kind()),
        _ => None,
    })
}

/// Client `last` is known: its installer has spoken.
fn make_known(world: &mut World, last: u8) -> Ipv4Addr {
    let address = world.netboot(last);
    world.config(&Installer::new(last).at(address)).expect("it is configured");
    address
}

/// As many invented machines as `numbers` say take an address, if they are let; how many did.
fn invent(world: &mut World, numbers: std::ops::Range<u8>) -> usize {
    numbers.filter(|last| world.answer(&Message::new(Discover, *last)).is_some() && world.bind(*last) != NONE).count()
}

#[test]
fn inventing_machines_leaves_the_reserve_to_known_ones() {
    let mut world = limited(Strangers { reserve: Share::Count(10), ..open() });
    make_known(&mut world, 251);
    world.answer(&Message::new(Release, 251).server(SERVER).ciaddr(ip(1)));
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(Bound), "it is being installed, and keeps its address");
    assert_eq!(invent(&mut world, 101..249), 89, "100, less its own and the reserve");
    assert_eq!(refused(&world), Some("kept-for-known"));
    assert_eq!(world.netboot(251), ip(1));
    // Who is reserved anything, be it only a name, is known, too.
    assert_eq!(world.answer(&Message::new(Discover, 250)), Some((Offer, ip(91))));
    let restarted = world.journal.clone();
    world.fleet.reload(restarted, world.now);
    assert_eq!(world.answer(&Message::new(Discover, 249)), None, "after a restart as before");
    assert_eq!(world.answer(&Message::new(Discover, 120)), Some((Offer, ip(21))), "who has an address keeps it");
}

#[test]
fn a_minute_has_its_number_of_new_machines_and_known_ones_do_not_count() {
    let mut world = limited(Strangers { per_minute: Some(Share::Count(6)), ..open() });
    make_known(&mut world, 251);
    assert_eq!(invent(&mut world, 101..130), 5, "one was the other machine's own first time");
    assert_eq!(refused(&world), Some("too-many-new"));
    assert_eq!(world.netboot(251), ip(1), "known");
    assert_eq!(world.bind(101), ip(2), "its own address");
    world.wait(10);
    assert_eq!(invent(&mut world, 140..150), 1);
}

#[test]
fn a_port_of_a_relay_agent_holds_so_many_until_they_are_known() {
    let mut world = limited(Strangers { per_circuit: Some(2), per_link: Some(3), ..open() });
    let behind =
        |last: u8, port: u8| Message::new(Discover, last).relayed(ip(249)).with(code::RELAY_AGENT, [1, 2, b'p', port]);
    assert!(world.answer(&behind(101, 1)).is_some() && world.answer(&behind(102, 1)).is_some());
    assert_eq!(world.answer(&behind(103, 1)), None);
    assert_eq!(refused(&world), Some("too-many-unknown"));
    assert!(world.answer(&behind(101, 1)).is_some(), "it has its offer");
    assert!(world.answer(&behind(104, 2)).is_some(), "another port");
    assert_eq!(world.answer(&behind(105, 2)), None, "the relay agent is full");
    // An offer that nobody takes gives its place back.
    world.wait(11);
    assert!(world.answer(&behind(103, 1)).is_some());
    // Without a relay agent, option 82 is whatever its sender likes.
    for last in 110..113 {
        let direct = Message::new(Discover, last).with(code::RELAY_AGENT, [1, 2, b'p', last]);
        assert!(world.answer(&direct).is_some());
    }
    let direct = Message::new(Discover, 113).with(code::RELAY_AGENT, [1, 1, b'z']);
    assert_eq!(world.answer(&direct), None, "the link is full, whatever port it says");
}

#[test]
fn an_offer_holds_for_a_known_machine_longer() {
    let mut world = limited(Strangers { offer_hold: Duration::from_secs(3), ..open() });
    make_known(&mut world, 251);
    world.command(Command::Forget { machine: Selector::Mac(mac(251)), release_name: true, force: true }).expect("gone");
    assert_eq!(world.answer(&Message::new(Discover, 101)), Some((Offer, ip(1))));
    assert_eq!(world.answer(&Message::new(Discover, 250)), Some((Offer, ip(2))));
    world.wait(3);
    assert_eq!((world.lease(1), world.lease(2).is_some()), (None, true));
    // It may be late all the same, as long as nobody else took it.
    let request = Message::new(Request, 101).server(SERVER).requested(ip(1));
    assert_eq!(world.answer(&request), Some((Ack, ip(1))));
}

/// A machine that is being written, on a place with two networks: its address.
fn being_written(world: &mut World) -> Ipv4Addr {
    let address = make_known(world, 9);
    let installer = Installer::new(9).at(address);
    for word in ["starting", "downloading"] {
        world.status(&installer, word, None);
    }
    assert_eq!(world.stage(9), "writing");
    // Its ACK is long ago.
    world.now = world.now.after(Duration::from_secs(600));
    address
}

#[test]
fn who_is_being_installed_neither_releases_nor_declines_its_address() {
    let mut world = World::factory(20);
    let address = being_written(&mut world);
    for forged in [
        Message::new(Release, 9).server(SERVER).ciaddr(address),
        Message::new(Decline, 9).server(SERVER).requested(address),
    ] {
        assert_eq!(world.answer(&forged), None);
        assert_eq!(refused(&world), Some("forged"), "{forged:?}");
        assert_eq!(world.lease(1).map(|lease| lease.state), Some(Bound));
    }
    // The installer's system asks for itself, and finds its address taken.
    world.dora(&Message::new(Discover, 9));
    assert_eq!(world.stage(9), "writing", "a plain client is no new start");
    world.answer(&Message::new(Decline, 9).server(SERVER).requested(address));
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(Declined), "just after its ACK it is believed");
}

#[test]
fn a_message_from_another_network_gives_up_nothing() {
    let other = Link {
        pools: vec![Pool::new(Ipv4Addr::new(10, 0, 0, 10), Ipv4Addr::new(10, 0, 0, 20))],
        ..Link::new("eth2", crate::net::Subnet::parse("10.0.0.0/24").expect("a subnet"), Ipv4Addr::new(10, 0, 0, 1))
    };
    let mut world = World::new(vec![link(5), other]);
    world.bind(1);
    let release = Message::new(Release, 1).server(SERVER).ciaddr(ip(1));
    let decline = Message::new(Decline, 1).server(SERVER).requested(ip(1));
    for message in [&release, &decline] {
        let elsewhere = Event::Dhcp { link: LinkId(1), port: 68, bytes: message.bytes() };
        assert!(world.sent_for(elsewhere).is_none());
        assert_eq!((refused(&world), world.lease(1).map(|lease| lease.state)), (Some("forged"), Some(Bound)));
    }
    assert_eq!(world.answer(&release), None);
    assert_ne!(world.lease(1).map(|lease| lease.state), Some(Bound), "from its own network it counts");
}

#[test]
fn a_request_that_comes_again_is_no_new_start() {
    let mut world = World::factory(20);
    world.exchanges = 76;
    let address = being_written(&mut world);
    let mut replayed = Message { options: Vec::new(), xid: 77, ..bios(9) }.with(code::MESSAGE_TYPE, [Request.code()]);
    replayed.options.extend(bios(9).options.into_iter().skip(1));
    let replayed = replayed.server(SERVER).requested(address);
    let before = world.deployments();
    assert_eq!(world.answer(&replayed), Some((Ack, address)), "the answer is the same");
    assert_eq!(world.stage(9), "writing");
    assert_eq!(world.deployments(), before);
    // And the success that follows counts.
    let installer = Installer::new(9).at(address);
    world.status(&installer, "success", None);
    assert_eq!(world.stage(9), "done");
    world.command(Command::Reinstall(Selector::Mac(mac(9)))).expect("it is to be installed again");
    assert_eq!(world.answer(&replayed), Some((Ack, address)));
    assert_eq!(world.stage(9), "address", "of a machine that is not under way it is one");
}

#[test]
fn nobody_speaks_for_a_machine_that_speaks_for_itself() {
    let mut world = World::factory(20);
    let address = being_written(&mut world);
    let before = world.journal.clone();
    let liars = [
        // Who holds no address, who holds another, and who claims by its name alone.
        Installer::new(9).at(ip(240)),
        Installer { serial: None, ..Installer::new(9).at(ip(240)) },
        Installer { mac: None, ..Installer::new(9).at(ip(240)) },
    ];
    for liar in &liars {
        assert_eq!(world.config(liar).map_err(|refusal| refusal.kind()), Err("forged"), "{liar:?}");
        let report = Report::Status { status: "success".to_owned(), hostname: None, message: None };
        assert_eq!(world.told(liar.event(report)).map_err(|refusal| refusal.kind()), Err("forged"), "{liar:?}");
    }
    let name = hostname("KXP2-ARLT-001");
    let nobody = Installer { mac: None, serial: None, ..Installer::new(9).at(ip(240)) };
    let report = Report::Status { status: "success".to_owned(), hostname: Some(name), message: None };
    assert_eq!(world.told(nobody.event(report)).map_err(|refusal| refusal.kind()), Err("forged"));
    assert_eq!((world.stage(9), world.journal == before), ("writing".to_owned(), true));

    // A known machine does not ask for another one, even before that one has spoken.
    let other = make_known(&mut world, 7);
    world.netboot(8);
    assert_eq!(world.config(&Installer::new(8).at(other)).map_err(|refusal| refusal.kind()), Err("forged"));
    // The second port of a machine is unknown: what it says of the machine is heard.
    let second = world.bind(200);
    assert!(world.config(&Installer::new(8).at(second)).is_ok());
    world.status(&Installer::new(9).at(address), "success", None);
    assert_eq!(world.stage(9), "done", "its own word counts");
}

#[test]
fn machines_invented_in_reports_are_counted_like_others() {
    let mut world = limited(Strangers { per_minute: Some(Share::Count(5)), ..open() });
    let told: Vec<bool> = (1..20).map(|last| world.config(&Installer::new(last).at(ip(240))).is_ok()).collect();
    assert_eq!(told.iter().filter(|told| **told).count(), 5, "{told:?}");
    assert_eq!(world.left(), 15, "no name was given beyond that");
    assert!(world.config(&Installer::new(1).at(ip(240))).is_ok(), "who is known is answered");
}

/// A place where two addresses may be declined on behalf of one client, and five of the pool.
fn doubting() -> World {
    let place =
        Site { disuse: Disuse { per_client: 2, of_pool: Share::Count(5) }, strangers: open(), ..site(vec![link(20)]) };
    World::at(place, Vec::new())
}

#[test]
fn a_client_that_declines_everything_is_believed_for_a_while() {
    let mut world = doubting();
    for last in 1..=2 {
        assert_eq!(world.bind(1), ip(last));
        world.answer(&Message::new(Decline, 1).server(SERVER).requested(ip(last)));
    }
    assert_eq!(world.bind(1), ip(3));
    world.answer(&Message::new(Decline, 1).server(SERVER).requested(ip(3)));
    assert_eq!((refused(&world), world.lease(3).map(|lease| lease.state)), (Some("not-believed"), Some(Bound)));
    world.answer(&Message::new(Decline, 1).server(SERVER).requested(ip(1)));
    assert_eq!(refused(&world), Some("forbidden"), "what it declined is not its own any more");
    assert_eq!(world.restarted(), world.remembered());
}

#[test]
fn a_liar_that_answers_for_every_address_takes_a_few() {
    let mut world = doubting();
    // A new name for each lie, so that only the pool's own limit counts.
    for last in 1..=30 {
        if let Some((_, address)) = world.answer(&Message::new(Discover, 100 + last)) {
            world.handle(Event::Conflict { address, mac: mac(last) });
        }
    }
    let state = |last| world.lease(last).map(|lease| lease.state);
    let out = (1..=20).filter(|last| state(*last) == Some(Declined)).count();
    assert_eq!((out, refused(&world)), (5, Some("no-free-address")), "the others are offered");
    let doubted = |notice: &Notice| matches!(notice, Notice::Refused { refusal: Refusal::NotBelieved(_), .. });
    assert_eq!(world.notices.iter().filter(|notice| doubted(notice)).count(), 15);
    assert_eq!(world.bind(120), ip(20), "whose offer was lied about takes it all the same");
}

#[test]
fn what_was_declined_is_given_to_a_known_machine_when_nothing_else_is_left() {
    let mut place = site(vec![link(2)]);
    place.links[0].reservations = vec![reservation(9, None)];
    let mut world = World::at(place, Vec::new());
    for last in 1..=2 {
        world.bind(last);
        world.answer(&Message::new(Decline, last).server(SERVER).requested(ip(last)));
        world.now = world.now.after(Duration::from_secs(1));
    }
    assert_eq!(world.answer(&Message::new(Discover, 5)), None, "unknown");
    assert_eq!(world.bind(9), ip(1), "the one that was declined first");
    assert_eq!(world.restarted(), world.remembered());
}
