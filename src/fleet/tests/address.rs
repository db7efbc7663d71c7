//! How addresses come back: RELEASE, DECLINE, expiry; and addresses an operator reserved.

use super::*;

fn release(last: u8, address: Ipv4Addr) -> Message {
    Message::new(Release, last).server(SERVER).ciaddr(address)
}

fn decline(last: u8, address: Ipv4Addr) -> Message {
    Message::new(Decline, last).server(SERVER).requested(address)
}

fn discover(last: u8) -> Message {
    Message::new(Discover, last)
}

/// A pool of one, held by client 1 under the identifier `one`.
fn held_by_id() -> World {
    let mut world = World::pool(1);
    world.dora(&discover(1).id(b"\0one"));
    world
}

#[test]
fn a_release_counts_for_the_address_and_server_it_names() {
    let table = [
        (release(1, ip(2)), false),
        (release(1, NONE), false),
        (Message::new(Release, 1).server(ip(7)).ciaddr(ip(1)), false),
        // Contested: RFC 2131 table 5 says MUST for option 54; clients that leave it out mean it all the same.
        (Message::new(Release, 1).ciaddr(ip(1)), true),
    ];
    for (message, counts) in table {
        let mut world = World::pool(1);
        world.bind(1);
        assert_eq!(world.answer(&message), None);
        assert_eq!(world.lease(1).map(|lease| lease.state == LeaseState::Released), Some(counts), "{message:?}");
    }
}

#[test]
fn an_offer_is_not_released_or_declined_by_others() {
    let mut world = World::pool(1);
    world.reply(&discover(1));
    world.answer(&release(2, ip(1)));
    world.answer(&decline(2, ip(1)));
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(LeaseState::Offered));
    assert_eq!(world.journal, []);
}

#[test]
fn a_declined_address_returns_after_its_probation() {
    let mut world = World::pool(1);
    world.bind(1);
    assert_eq!(world.answer(&decline(1, ip(1))), None);
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(LeaseState::Declined));
    assert_eq!(world.answer(&discover(2)), None, "the address is out");
    world.wait(3599);
    assert_eq!(world.answer(&discover(1)), None);
    world.wait(1);
    assert_eq!(world.answer(&discover(3)), Some((Offer, ip(1))));
    assert_eq!(world.restarted(), world.remembered());
}

/// Contested: others take the address out on the word of any client. RFC 2131 §4.3.3 is about a client that was given it.
#[test]
fn declines_that_have_no_effect() {
    let table = [
        ("fail_without_requested_ip_address", Message::new(Decline, 1).server(SERVER).id(b"\0one")),
        ("fail_different_client_id", decline(1, ip(1)).id(b"\0two")),
        ("fail_different_chaddr", decline(2, ip(1))),
        ("another server", Message::new(Decline, 1).server(ip(7)).requested(ip(1)).id(b"\0one")),
        ("another address", decline(1, ip(2)).id(b"\0one")),
    ];
    for (name, message) in table {
        let mut world = held_by_id();
        assert_eq!(world.answer(&message), None, "{name}");
        assert_eq!(world.lease(1).map(|lease| lease.state), Some(LeaseState::Bound), "{name}");
    }
}

#[test]
fn whoever_declines_gets_another_address() {
    let mut world = World::pool(2);
    world.bind(1);
    world.answer(&decline(1, ip(1)));
    assert_eq!(world.bind(1), ip(2));
}

#[test]
fn leases_survive_a_restart() {
    let mut world = World::pool(3);
    world.bind(1);
    world.bind(2);
    world.answer(&release(2, ip(2)));
    let journal = world.journal.clone();
    world.fleet.reload(journal, world.now);
    assert_eq!(world.answer(&discover(2)), Some((Offer, ip(2))), "its old address");
    assert_eq!(world.answer(&discover(3)), Some((Offer, ip(3))));
    world.wait(4000);
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(LeaseState::Released), "expiry goes on");
}

/// A pool of .1 to .`pool` with these reservations.
fn reserving(pool: u8, reservations: &[(u8, u8)]) -> World {
    let mut bench = link(pool);
    bench.reservations = reservations.iter().map(|(who, last)| reservation(*who, Some(ip(*last)))).collect();
    World::new(vec![bench])
}

#[test]
fn a_reserved_address_is_its_boards_under_any_identity() {
    let mut world = reserving(50, &[(1, 10)]);
    let offer = world.reply(&discover(1));
    assert_eq!(offer.yiaddr, ip(10));
    assert_eq!(offer.option(code::SUBNET_MASK), Some(&[255, 255, 255, 0][..]), "unasked");
    assert_eq!(world.bind(1), ip(10));
    assert_eq!(world.dora(&discover(1).id(b"\xff a system's own")), ip(10), "under whatever identity");
}

#[test]
fn a_reserved_address_outlives_its_release() {
    let mut world = reserving(50, &[(1, 100)]);
    assert_eq!(world.bind(1), ip(100));
    assert_eq!(world.answer(&Message::new(Request, 1).ciaddr(ip(100))), Some((Ack, ip(100))));
    world.answer(&release(1, ip(100)));
    assert_eq!(world.bind(1), ip(100));
}

#[test]
fn a_reserved_address_still_leased_to_another_is_not_offered() {
    let mut before = World::pool(3);
    before.bind(9);
    let mut world = reserving(3, &[(1, 1)]);
    world.fleet.reload(before.journal, world.now);
    assert_eq!(world.bind(1), ip(2), "it waits in the pool");
    world.answer(&release(9, ip(1)));
    assert_eq!(world.bind(1), ip(1));
    assert_eq!(world.lease(2), None, "a client has one address");
    assert_eq!(world.bind(9), ip(2));
}

/// The offer of the reserved address must not cost the client the address it works with.
#[test]
fn an_offer_does_not_end_a_running_lease() {
    let mut before = World::pool(3);
    before.bind(1);
    let mut world = reserving(3, &[(1, 3)]);
    world.fleet.reload(before.journal, world.now);
    assert_eq!(world.answer(&discover(1)), Some((Offer, ip(3))));
    assert_eq!(world.answer(&discover(2)), Some((Offer, ip(2))), ".1 is in use");
    world.wait(10);
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(LeaseState::Bound));
    assert_eq!(world.bind(1), ip(3));
    assert_eq!(world.answer(&discover(4)), Some((Offer, ip(1))));
}

/// The address of a remembered client was offered to others meanwhile: no row of it may outlive its new lease.
#[test]
fn a_client_that_moved_on_has_one_row_in_the_journal() {
    let mut world = World::pool(3);
    world.bind(9);
    world.bind(1);
    world.answer(&release(1, ip(2)));
    world.answer(&release(9, ip(1)));
    assert_eq!(world.answer(&discover(2).requested(ip(2))), Some((Offer, ip(2))));
    assert_eq!(world.bind(1), ip(1));
    assert!(world.journal.contains(&Change::LeaseFreed(ip(2))), "{:?}", world.journal);
    assert_eq!(world.lease(2).map(|lease| lease.state), Some(LeaseState::Offered), "the offer stands");
    assert_eq!(world.restarted(), world.remembered());
}

#[test]
fn a_lease_from_before_a_reservation_ends_and_is_not_extended() {
    let mut before = World::pool(3);
    before.bind(9);
    let mut world = reserving(3, &[(1, 1)]);
    world.fleet.reload(before.journal, world.now);
    assert_eq!(world.answer(&Message::new(Request, 9).ciaddr(ip(1))), None, "no NAK: it may go on");
    world.wait(3999);
    assert_eq!(world.bind(1), ip(2));
    world.wait(1);
    assert_eq!(world.bind(1), ip(1));
}

/// A station that is no client of ours.
const STRANGER: u8 = 99;

fn conflict(address: Ipv4Addr, last: u8) -> Event {
    Event::Conflict { address, mac: mac(last) }
}

/// The addresses that the actions have probed, each with its place among them.
fn probes(actions: &[Action]) -> Vec<(usize, Ipv4Addr, Mac)> {
    let probe = |(index, action): (usize, &Action)| match action {
        Action::Probe { address, client, .. } => Some((index, *address, *client)),
        _ => None,
    };
    actions.iter().enumerate().filter_map(probe).collect()
}

fn offer(world: &mut World, last: u8) -> Vec<Action> {
    world.handle(Event::Dhcp { link: LINK, port: 68, bytes: discover(last).bytes() })
}

#[test]
fn an_offer_is_sent_before_its_address_is_probed() {
    let mut world = World::pool(2);
    let actions = offer(&mut world, 1);
    let sent = actions.iter().position(|action| matches!(action, Action::Send { .. })).expect("an OFFER");
    assert_eq!(probes(&actions), [(sent + 1, ip(1), mac(1))]);
}

#[test]
fn a_relayed_client_is_beyond_the_reach_of_arp() {
    let mut world = World::pool(2);
    let relayed = Message { giaddr: ip(249), ..discover(1) };
    let actions = world.handle(Event::Dhcp { link: LINK, port: 68, bytes: relayed.bytes() });
    assert!(actions.iter().any(|action| matches!(action, Action::Send { .. })), "it is offered an address");
    assert_eq!(probes(&actions), []);
}

#[test]
fn an_offered_address_in_use_is_withdrawn_and_the_client_gets_another() {
    let mut world = World::pool(2);
    world.reply(&discover(1));
    world.handle(conflict(ip(1), STRANGER));
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(LeaseState::Declined));
    let request = Message::new(Request, 1).server(SERVER).requested(ip(1));
    assert_eq!(world.answer(&request), Some((Nak, NONE)), "it took the offer before it could know");
    assert_eq!(world.bind(1), ip(2));
    assert_eq!(world.restarted().leases.by_address(ip(1)).map(|lease| lease.state), Some(LeaseState::Declined));
    let hold = world.fleet.site().decline_hold.as_secs();
    world.wait(hold + 1);
    assert_eq!(world.answer(&discover(3)), Some((Offer, ip(1))), "after its probation");
}

#[test]
fn a_bound_address_in_use_stays_with_its_client_and_is_told() {
    let mut world = World::pool(2);
    world.bind(1);
    world.handle(conflict(ip(1), STRANGER));
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(LeaseState::Bound));
    let told = world.notices.iter().any(|notice| {
        matches!(notice, Notice::Conflict { address, mac: other, withdrawn: false, .. }
            if (*address, *other) == (ip(1), mac(STRANGER)))
    });
    assert!(told, "{:?}", world.notices.last());
}

#[test]
fn what_the_client_says_itself_or_of_no_lease_is_no_conflict() {
    let mut world = World::pool(2);
    world.reply(&discover(1));
    world.dora(&discover(2).id(b"\0two"));
    let before = (world.journal.clone(), world.notices.clone());
    for event in [conflict(ip(1), 1), conflict(ip(2), 2), conflict(ip(77), STRANGER)] {
        world.handle(event);
    }
    assert_eq!((world.journal, world.notices), before);
}
