use super::*;

const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
const C: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 3));

fn take(places: &Arc<Places>, client: IpAddr) -> Result<Place, (usize, bool)> {
    places.take(client).map(|(place, _)| place).map_err(|full| (full.limit, full.of_client))
}

fn is_given_up(place: &Place) -> bool {
    let polled = std::pin::pin!(place.given_up()).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    polled.is_ready()
}

#[test]
fn one_client_leaves_room_for_others_and_dropped_places_are_free() {
    let places = Arc::new(Places::new(3, 2));
    let (first, second) = (take(&places, A).ok(), take(&places, A).ok());
    assert!(first.is_some() && second.is_some());
    assert_eq!(take(&places, A).err(), Some((2, true)));
    let other = take(&places, B).ok();
    assert_eq!(take(&places, B).err(), Some((3, false)), "nobody has more than B would have");
    drop(first);
    let again = take(&places, A).ok();
    assert!(again.is_some());
    drop((second, other, again));
    assert!(places.taken().by_client.is_empty(), "clients without connections are forgotten");
    assert_eq!(places.taken().total, 0);
}

#[test]
fn who_has_most_gives_up_a_place_where_nothing_is_asked() {
    let places = Arc::new(Places::new(4, 4));
    let held: Vec<Place> = (0..4).map(|_| take(&places, A).unwrap_or_else(|_| panic!("a place"))).collect();
    held[2].waits(true);
    let (second, gave) = places.take(B).unwrap_or_else(|_| panic!("a place that A gives up"));
    assert!(gave && is_given_up(&held[2]), "the one that waits");
    assert!(!is_given_up(&held[0]));
    let third = take(&places, C).unwrap_or_else(|_| panic!("another one"));
    assert!(is_given_up(&held[0]), "the oldest, where none waits");
    assert_eq!(take(&places, C).err(), Some((4, false)), "A has two, and C would have as many");
    assert_eq!(places.taken().total, 4);
    drop(held);
    assert_eq!(places.taken().total, 2, "what was given up is not given back twice");
    drop((second, third));
    assert_eq!(places.taken().total, 0);
}
