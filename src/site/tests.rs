use super::*;
use crate::lease::fixture::{ip, link, mac, reservation};

fn three() -> Site {
    let mut second = link(0);
    second.subnet = Subnet::parse("10.1.0.0/24").expect("a subnet");
    let mut far = second.clone();
    far.subnet = Subnet::parse("10.2.0.0/24").expect("a subnet");
    (far.interface, far.segment) = (None, "far".to_owned());
    second.reservations = vec![reservation(1, None)];
    Site::new(vec![link(9), far, second])
}

#[test]
fn links_of_one_interface_share_their_clients() {
    let site = three();
    let segment = |id| site.segment(LinkId(id)).map(|(id, _)| id.0).collect::<Vec<_>>();
    assert_eq!([segment(0), segment(1), segment(2), segment(3)], [vec![0, 2], vec![1], vec![2, 0], vec![]]);
    let one = Identifiers { mac: Some(mac(1)), ..Identifiers::default() };
    let found = |id| site.reservation(LinkId(id), &one).is_some();
    assert_eq!([found(0), found(1), found(2)], [true, false, true]);
}

#[test]
fn a_pool_is_for_everyone_or_for_its_classes() {
    let classes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut pool = Pool::new(ip(1), ip(2));
    assert!(pool.takes(&[]));
    pool.classes = classes(&["a", "b"]);
    assert!(pool.takes(&classes(&["x", "b"])) && !pool.takes(&classes(&["x"])) && !pool.takes(&[]));
}

#[test]
fn what_a_link_gives() {
    let mut bench = link(9);
    bench.pools.push(Pool::new(ip(20), ip(29)));
    bench.reservations = vec![reservation(1, Some(ip(3))), reservation(2, Some(ip(100)))];
    let given = |last| bench.gives(ip(last));
    assert_eq!([1, 3, 9, 10, 20, 29, 100].map(given), [true, false, true, false, true, true, false]);
    assert_eq!(bench.pool_of(ip(21)).map(|(index, _)| index), Some(1));
}
