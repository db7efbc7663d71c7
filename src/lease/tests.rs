//! Who holds which address, row by row.

use super::fixture::{LINK, Message, SERVER, ip, link, mac, reservation, site};
use super::*;
use crate::site::Identifiers;
use crate::wire::dhcp::MessageType::Discover;

fn client(last: u8) -> ClientKey {
    ClientKey::Mac(mac(last))
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(secs * 1000)
}

/// The lease of .`last` by client `who`; bound to the machine of the same number.
fn lease(last: u8, who: u8, state: LeaseState, expires: i64) -> Lease {
    let machine = (state == LeaseState::Bound).then_some(MachineId(who.into()));
    Lease { address: ip(last), client: client(who), machine, state, expires: at(expires) }
}

/// A site with a pool of .1 to .3 and its leases after these puts.
fn leases(puts: &[Lease]) -> (Site, Leases) {
    let site = site(vec![link(3)]);
    let leases = put(&site, puts);
    (site, leases)
}

fn put(site: &Site, puts: &[Lease]) -> Leases {
    let mut leases = Leases::new(site);
    for put in puts {
        leases.put(site, put.clone());
        leases.check().expect("the invariants hold after every put");
    }
    assert!(Leases::load(site, puts.to_vec()) == leases, "at once they make other tables: {puts:?}");
    leases
}

fn chosen(site: &Site, leases: &Leases, who: u8, wish: Option<u8>) -> Option<u8> {
    let identifiers = Identifiers { mac: Some(mac(who)), ..Identifiers::default() };
    let reserved = site.reservation(LINK, &identifiers).and_then(|each| each.address);
    let claim = Claim { link: LINK, client: &client(who), reserved, classes: &[], known: false };
    leases.choose(site, &claim, wish.map(ip)).ok().map(|address| address.octets()[3])
}

use LeaseState::{Bound, Declined, Offered, Released};

#[test]
fn who_a_client_is() {
    let zero = Message::new(Discover, 1).chaddr([0; 6]);
    let hardware_id = [&[1][..], &mac(1).0].concat();
    let table = [
        (Message::new(Discover, 1), Ok(client(1))),
        (Message::new(Discover, 1).id(b"\0abc"), Ok(ClientKey::Id(ClientId(b"\0abc".to_vec())))),
        // An identifier of hardware type 1 is that hardware address, whoever's frame carries it.
        (Message::new(Discover, 1).id(&hardware_id), Ok(client(1))),
        (Message::new(Discover, 2).id(&hardware_id), Ok(client(1))),
        (zero.clone().id(b"\0abc"), Ok(ClientKey::Id(ClientId(b"\0abc".to_vec())))),
        // RFC 2132 §9.14: at least two bytes; a shorter one identifies nobody.
        (Message::new(Discover, 1).id([7]), Ok(client(1))),
        (zero.clone(), Err("forbidden")),
        (zero.id([7]), Err("forbidden")),
    ];
    for (message, expected) in table {
        let found = ClientKey::of(&message.request()).map_err(|refusal| refusal.kind());
        assert_eq!(found, expected, "{message:?}");
    }
}

#[test]
fn section_4_3_1_which_address_is_offered() {
    type Row<'a> = (&'a [Lease], u8, Option<u8>, Option<u8>);
    let table: [Row<'_>; 14] = [
        // what is held; who asks; the wish; the answer
        (&[], 1, None, Some(1)),
        (&[lease(1, 9, Bound, 9)], 1, None, Some(2)),
        (&[lease(1, 9, Offered, 9)], 1, None, Some(2)),
        (&[lease(1, 9, Declined, 9)], 1, None, Some(2)),
        (&[lease(1, 9, Released, 9)], 1, None, Some(1)),
        // Its own address first, bound or given back, before its wish.
        (&[lease(2, 1, Bound, 9)], 1, Some(3), Some(2)),
        (&[lease(2, 1, Released, 9)], 1, Some(3), Some(2)),
        (&[lease(2, 1, Offered, 9)], 1, Some(3), Some(2)),
        // What it declined never again.
        (&[lease(1, 1, Declined, 9)], 1, Some(1), Some(2)),
        // A wish counts where it can be had.
        (&[], 1, Some(3), Some(3)),
        (&[lease(3, 9, Bound, 9)], 1, Some(3), Some(1)),
        (&[], 1, Some(77), Some(1)),
        // Its old address went to another client.
        (&[lease(2, 1, Released, 9), lease(2, 9, Bound, 9)], 1, None, Some(1)),
        (&[lease(1, 7, Bound, 9), lease(2, 8, Offered, 9), lease(3, 9, Declined, 9)], 1, Some(1), None),
    ];
    for (puts, who, wish, expected) in table {
        let (site, leases) = leases(puts);
        assert_eq!(chosen(&site, &leases, who, wish), expected, "{puts:?} {wish:?}");
    }
}

#[test]
fn reserved_addresses_are_for_their_owner() {
    let mut bench = link(3);
    bench.reservations = vec![reservation(1, Some(ip(1))), reservation(2, Some(ip(100))), reservation(3, None)];
    let site = site(vec![bench]);
    let mut leases = Leases::new(&site);
    assert_eq!(leases.free_count(LINK), 2, "a reserved address is not free");
    assert_eq!(chosen(&site, &leases, 1, None), Some(1), "inside the pool");
    assert_eq!(chosen(&site, &leases, 2, Some(3)), Some(100), "outside every pool, before any wish");
    assert_eq!(chosen(&site, &leases, 3, None), Some(2), "a reservation without an address");
    assert_eq!(chosen(&site, &leases, 9, Some(1)), Some(2), "nobody else gets it");
    // Another client has it since before it was reserved: the owner waits, with an address of the pool.
    leases.put(&site, lease(1, 9, Bound, 9));
    assert_eq!(chosen(&site, &leases, 1, None), Some(2));
    leases.put(&site, lease(1, 9, Released, 9));
    assert_eq!(chosen(&site, &leases, 1, None), Some(1));
    assert_eq!(leases.free_count(LINK), 2, "giving it back does not make it free for all");
}

#[test]
fn our_own_address_is_never_given() {
    let mut bench = link(3);
    bench.address = ip(2);
    let site = site(vec![bench]);
    let leases = Leases::new(&site);
    assert_eq!(leases.free_count(LINK), 2);
    assert_eq!(chosen(&site, &leases, 1, Some(2)), Some(1));
}

#[test]
fn an_offer_changes_nothing_the_journal_holds() {
    let table: [(&[Lease], Lease); 3] = [
        // Over a remembered address, of another client and of its own.
        (&[lease(1, 1, Released, 5)], lease(1, 2, Offered, 9)),
        (&[lease(1, 1, Released, 5)], lease(1, 1, Offered, 9)),
        // The bound client is offered the address that was reserved for it since.
        (&[lease(1, 1, Bound, 5)], lease(2, 1, Offered, 9)),
    ];
    for (rows, offer) in table {
        let (site, before) = leases(rows);
        let mut now = before.clone();
        now.put(&site, offer.clone());
        now.check().expect("the invariants hold");
        assert!(!now.is_free_for(offer.address, &client(7)), "{offer:?}");
        assert_eq!(now.offer_to(LINK, &offer.client), Some(&offer));
        assert_eq!(now.iter().collect::<Vec<_>>(), before.iter().collect::<Vec<_>>(), "{offer:?}");
        now.withdraw(&site, offer.address);
        assert_eq!(now, before, "{offer:?}");
    }
}

#[test]
fn a_client_has_one_offer() {
    let (site, leases) = leases(&[lease(1, 1, Offered, 9), lease(2, 1, Offered, 10)]);
    assert_eq!(leases.offers().map(|offer| offer.address).collect::<Vec<_>>(), [ip(2)]);
    assert_eq!(chosen(&site, &leases, 2, None), Some(1));
}

#[test]
fn a_client_has_one_row_whatever_the_order_of_the_journal() {
    let bound = lease(1, 1, Bound, 9);
    let released = lease(2, 1, Released, 5);
    for rows in [[bound.clone(), released.clone()], [released, bound.clone()]] {
        let (_, leases) = leases(&rows);
        assert_eq!(leases.iter().collect::<Vec<_>>(), [&bound], "{rows:?}");
        assert_eq!(leases.free_count(LINK), 2);
    }
    let (_, leases) = leases(&[lease(1, 1, Bound, 9), lease(2, 1, Bound, 10)]);
    assert_eq!(leases.of_machine(MachineId(1)), Some(ip(2)), "the later one counts");
    assert_eq!(leases.holder(ip(1)), None);
}

#[test]
fn all_at_once_they_are_the_same_as_one_by_one() {
    let elsewhere = |state| Lease { address: Ipv4Addr::new(10, 9, 9, 9), ..lease(1, 9, state, 4) };
    let site = site(vec![Link { reservations: vec![reservation(5, Some(ip(2)))], ..link(6) }]);
    let states = [Bound, Declined, Released];
    let mut tried = 0;
    for (first, second, third) in (0..27).map(|n| (states[n / 9], states[n / 3 % 3], states[n % 3])) {
        // Addresses in any order; clients of their own, and one with two rows.
        for (a, b, c, who) in [(1, 2, 3, 3), (3, 1, 7, 3), (6, 5, 1, 3), (1, 2, 3, 1), (5, 1, 2, 2), (2, 2, 4, 3)] {
            let rows = [lease(a, 1, first, 9), lease(b, 2, second, 8), lease(c, who, third, 9), elsewhere(first)];
            put(&site, &rows);
            tried += 1;
        }
    }
    assert_eq!(tried, 27 * 6);
}

#[test]
fn only_a_bound_address_has_a_holder() {
    for (state, expected) in [(Offered, None), (Bound, Some(MachineId(1))), (Declined, None), (Released, None)] {
        let (_, leases) = leases(&[lease(1, 1, state, 9)]);
        assert_eq!(leases.holder(ip(1)), expected, "{state:?}");
        assert_eq!(leases.of_machine(MachineId(1)), expected.map(|_| ip(1)), "{state:?}");
    }
}

#[test]
fn who_may_take_an_address() {
    for (state, own, others) in
        [(Offered, true, false), (Bound, true, false), (Declined, false, false), (Released, true, true)]
    {
        let (_, leases) = leases(&[lease(1, 1, state, 9)]);
        assert_eq!(leases.is_free_for(ip(1), &client(1)), own, "{state:?}");
        assert_eq!(leases.is_free_for(ip(1), &client(2)), others, "{state:?}");
    }
}

#[test]
fn what_ends_by_itself_and_when() {
    let (site, mut leases) = leases(&[
        lease(1, 1, Bound, 30),
        lease(2, 2, Offered, 10),
        lease(3, 3, Declined, 20),
        lease(100, 4, Released, 1),
    ]);
    assert_eq!(leases.next_expiry(), Some(at(10)), "a released lease has nothing to end");
    assert_eq!(leases.expired(at(9)), None);
    assert_eq!(leases.expired(at(10)).map(|lease| lease.address), Some(ip(2)), "at its time, not after it");
    leases.withdraw(&site, ip(2));
    leases.remove(&site, ip(3));
    assert_eq!(leases.next_expiry(), Some(at(30)));
    leases.put(&site, lease(1, 1, Bound, 40));
    assert_eq!(leases.next_expiry(), Some(at(40)), "a renewed lease ends later");
    assert_eq!(leases.free_count(LINK), 2);
}

#[test]
fn an_offer_outlasts_the_row_below_it() {
    let (site, mut leases) = leases(&[lease(1, 1, Released, 9), lease(1, 2, Offered, 9)]);
    leases.remove(&site, ip(1));
    leases.check().expect("the invariants hold");
    assert_eq!((leases.next_expiry(), leases.free_count(LINK)), (Some(at(9)), 2));
}

#[test]
fn leases_of_a_subnet_that_is_not_served_are_not_known() {
    let (site, mut leases) = leases(&[]);
    let foreign = Lease { address: Ipv4Addr::new(10, 0, 0, 1), ..lease(1, 1, Bound, 9) };
    let before = leases.clone();
    leases.put(&site, foreign);
    assert_eq!(leases, before);
    assert_eq!(leases.by_client(LINK, &client(1)), None);
    assert!(!SERVER.is_unspecified() && leases.by_address(SERVER).is_none());
}

#[test]
fn states_and_their_words() {
    for state in [Offered, Bound, Declined, Released] {
        assert_eq!(LeaseState::from_word(state.word()), Some(state));
    }
    assert_eq!(LeaseState::from_word("Bound"), None);
}
