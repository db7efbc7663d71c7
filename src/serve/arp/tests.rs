use super::*;

const CLIENT: Mac = Mac([2, 0, 0, 0, 0, 1]);
const STRANGER: Mac = Mac([2, 0, 0, 0, 0, 2]);

fn at(secs: u64) -> Instant {
    Instant::from_start(Duration::from_secs(secs))
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 151, last)
}

/// Address 100 was promised to [`CLIENT`] at 10 s.
fn probing() -> Probing {
    let mut probing = Probing::default();
    probing.begin(address(100), Asked { client: CLIENT, at: at(10) });
    probing
}

#[test]
fn a_stranger_who_answers_in_time_is_a_conflict_once() {
    let mut probing = probing();
    assert!(probing.is_conflict(address(100), STRANGER, at(15)));
    assert!(!probing.is_conflict(address(100), STRANGER, at(15)), "it was said already");
}

#[test]
fn the_client_itself_other_addresses_and_late_answers_are_none() {
    let mut probing = probing();
    assert!(!probing.is_conflict(address(100), CLIENT, at(11)));
    assert!(!probing.is_conflict(address(101), STRANGER, at(11)), "nobody asked for it");
    assert!(!probing.is_conflict(address(100), STRANGER, at(16)));
}

#[test]
fn questions_are_forgotten() {
    let mut probing = probing();
    probing.begin(address(101), Asked { client: CLIENT, at: at(16) });
    assert_eq!(probing.asked.keys().copied().collect::<Vec<_>>(), [address(101)]);
}

#[test]
fn the_same_is_not_asked_twice_in_a_moment_and_a_flood_asks_little() {
    let mut probing = probing();
    assert!(!probing.begin(address(100), Asked { client: CLIENT, at: at(10) }));
    assert!(probing.begin(address(100), Asked { client: STRANGER, at: at(10) }), "it is promised to another");
    assert!(probing.begin(address(100), Asked { client: STRANGER, at: at(11) }), "that is a while ago");
    let flood = |n: u32| Ipv4Addr::from(0x0a00_0000 + n);
    let asked = (0..10_000).filter(|n| probing.begin(flood(*n), Asked { client: CLIENT, at: at(12) })).count();
    assert!((2000..=ASKED_MAX).contains(&asked), "{asked}");
    assert!(probing.is_conflict(flood(7), STRANGER, at(13)));
    assert!(probing.begin(flood(9_999), Asked { client: CLIENT, at: at(20) }), "it is over");
}

#[test]
fn one_station_cannot_empty_the_pool() {
    let mut probing = Probing::default();
    let believed = (100..150).filter(|last| {
        probing.begin(address(*last), Asked { client: CLIENT, at: at(10) });
        probing.is_conflict(address(*last), STRANGER, at(10))
    });
    assert_eq!(believed.count(), HOLDINGS_MAX);
    assert_eq!(probing.proxies(), [STRANGER]);
    let later = at(10) + COUNT_TIME;
    probing.begin(address(150), Asked { client: CLIENT, at: later });
    assert!(probing.is_conflict(address(150), STRANGER, later + Duration::from_secs(1)), "proxy ARP was switched off");
}
