use super::*;
use crate::ids::MachineId;
use crate::lease::fixture::{LINK, ip, link, mac, site};
use crate::lease::{ClientKey, LeaseState};
use crate::site::{Disuse, Share};

fn client(last: u8) -> ClientKey {
    ClientKey::Mac(mac(last))
}

fn declined(last: u8, who: u8, expires: i64) -> Lease {
    let state = LeaseState::Declined;
    Lease { address: ip(last), client: client(who), machine: None, state, expires: Timestamp::from_millis(expires) }
}

/// A pool of .1 to .`pool`, of which client `who` declined .`last`, for each of these.
fn pool(pool: u8, pairs: &[(u8, u8)]) -> (Site, Leases) {
    let site = Site { disuse: Disuse { per_client: 2, of_pool: Share::Count(4) }, ..site(vec![link(pool)]) };
    let mut leases = Leases::new(&site);
    for (index, (last, who)) in pairs.iter().enumerate() {
        leases.put(&site, declined(*last, *who, 1000 - index as i64));
        leases.check().expect("the invariants hold after every put");
    }
    (site, leases)
}

#[test]
fn a_client_is_believed_twice_and_a_pool_loses_four() {
    let believed = |pairs: &[(u8, u8)], last, who| {
        let (site, leases) = pool(20, pairs);
        leases.may_fall_out_of_use(&site, &declined(last, who, 0)).is_ok()
    };
    assert!(believed(&[], 1, 1) && believed(&[(1, 1)], 2, 1));
    assert!(!believed(&[(1, 1), (2, 1)], 3, 1), "its third");
    assert!(believed(&[(1, 1), (2, 1)], 3, 2), "another's first");
    assert!(!believed(&[(1, 1), (2, 2), (3, 3), (4, 4)], 5, 5), "the fifth of the pool");
    let (site, mut leases) = pool(20, &[(1, 1), (2, 2), (3, 3), (4, 4)]);
    leases.remove(&site, ip(2));
    leases.check().expect("the invariants hold");
    assert_eq!(leases.declined_count(LINK, 0), 3);
    assert!(leases.may_fall_out_of_use(&site, &declined(5, 5, 0)).is_ok(), "one came back");
}

#[test]
fn a_known_client_gets_the_oldest_of_them_when_nothing_else_is_left() {
    let (site, leases) = pool(3, &[(1, 1), (2, 2), (3, 3)]);
    let chosen = |who: u8, known| {
        let claim = Claim { link: LINK, client: &client(who), reserved: None, classes: &[], known };
        leases.choose(&site, &claim, None).map_err(|refusal| refusal.kind())
    };
    assert_eq!(chosen(9, true), Ok(ip(3)));
    assert_eq!(chosen(3, true), Ok(ip(2)), "not what it found taken itself");
    assert_eq!(chosen(9, false), Err("no-free-address"));
}

#[test]
fn unknown_clients_leave_a_reserve_and_keep_what_they_have() {
    let mut site = site(vec![link(6)]);
    site.strangers.reserve = Share::Count(2);
    let mut leases = Leases::new(&site);
    let chosen = |leases: &Leases, who: u8, known, wish| {
        let claim = Claim { link: LINK, client: &client(who), reserved: None, classes: &[], known };
        leases.choose(&site, &claim, wish).map_err(|refusal| refusal.kind())
    };
    for last in 1..=4 {
        assert_eq!(chosen(&leases, last, false, None), Ok(ip(last)));
        let (state, machine) = (LeaseState::Bound, Some(MachineId(last.into())));
        leases.put(&site, Lease { state, machine, ..declined(last, last, 5000) });
    }
    assert_eq!(chosen(&leases, 5, false, None), Err("kept-for-known"));
    assert_eq!(chosen(&leases, 5, false, Some(ip(6))), Err("kept-for-known"), "nor by asking for it");
    assert_eq!(chosen(&leases, 4, false, None), Ok(ip(4)), "its own");
    assert_eq!(chosen(&leases, 5, true, None), Ok(ip(5)));
    let claim = |who: &ClientKey, known| {
        leases.may_have(&site, &Claim { link: LINK, client: who, reserved: None, classes: &[], known }, ip(5))
    };
    assert!(!claim(&client(5), false) && claim(&client(5), true));
}
