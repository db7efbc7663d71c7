use std::sync::Arc;

use super::*;
use crate::catalog::Catalog;
use crate::fleet::Notice;
use crate::ids::MachineId;
use crate::lease::{ClientKey, Lease};
use crate::net::{Mac, Subnet};
use crate::site::Site;
use crate::time::Timestamp;

#[test]
fn a_pool_says_how_full_it_is_and_a_class_whom_it_takes() {
    let ip = |n| Ipv4Addr::new(10, 0, 0, n);
    let subnet = Subnet::parse("10.0.0.0/24").expect("a subnet");
    let mut link = Link::new("eth1", subnet, ip(254));
    link.pools = vec![Pool::new(ip(1), ip(10))];
    let mut board = Board::new(Arc::new(Site::new(vec![link])), Catalog::new(Vec::new()));
    let lease = |n, state| {
        let client = ClientKey::Mac(Mac([2, 0, 0, 0, 0, n]));
        let expires = Timestamp::from_millis(0);
        Notice::Lease(Lease { address: ip(n), client, machine: Some(MachineId(1)), state, expires })
    };
    for n in 1..=8 {
        board.apply(&lease(n, LeaseState::Bound));
    }
    board.apply(&lease(9, LeaseState::Released));
    board.apply(&lease(200, LeaseState::Bound));
    let look = |board: &Board| {
        let part = Part::of(board, vec![Finding::green("x", "well"), Finding::amber("y", "odd", "look")]);
        let pool = &part.links[0].pools[0];
        (pool.used, pool.size, pool.look, part.findings.len(), part.all_well)
    };
    assert_eq!(look(&board), (8, 10, "", 1, 1));
    board.apply(&lease(9, LeaseState::Declined));
    assert_eq!(look(&board), (9, 10, "held", 1, 1));
    board.apply(&lease(10, LeaseState::Bound));
    assert_eq!(look(&board), (10, 10, "bad", 1, 1));
    let class = Class { name: "pi".into(), mac: vec![0xdc, 0xa6], arch: vec![0, 11], ..Class::default() };
    assert_eq!(tests_of(&class), "architecture 0 or 11, MAC begins with dc:a6");
    assert_eq!(tests_of(&Class::default()), "by reservation only");
}
