use super::*;

const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

#[test]
fn one_client_leaves_room_for_others_and_dropped_places_are_free() {
    let places = Arc::new(Places::new(3, 2));
    let take = |client| places.take(client).map_err(|full| (full.limit, full.of_client));
    let (first, second) = (take(A).ok(), take(A).ok());
    assert!(first.is_some() && second.is_some());
    assert_eq!(take(A).err(), Some((2, true)));
    let other = take(B).ok();
    assert_eq!(take(B).err(), Some((3, false)), "the total holds for everyone");
    drop(first);
    let again = take(A).ok();
    assert!(again.is_some());
    drop((second, other, again));
    assert!(places.taken().by_client.is_empty(), "clients without connections are forgotten");
    assert_eq!(places.taken().total, 0);
}
