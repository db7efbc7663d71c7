use super::*;
use crate::lease::fixture::{LINK, ip, link, site};
use crate::site::Share;

/// A place with a pool of 100 and these limits, and nobody there yet.
fn place(limits: Strangers) -> (Site, Arrivals) {
    (Site { strangers: limits, ..site(vec![link(100)]) }, Arrivals::default())
}

fn unlimited() -> Strangers {
    Strangers { per_minute: None, per_link: None, per_circuit: None, ..Strangers::default() }
}

fn direct() -> Origin {
    Origin { link: LINK, relay: None, circuit: None }
}

fn behind(relay: u8, circuit: &str) -> Origin {
    Origin { link: LINK, relay: Some(ip(relay)), circuit: Some(circuit.as_bytes().to_vec()) }
}

fn at(secs: u64) -> Instant {
    Instant::from_start(Duration::from_secs(secs))
}

#[test]
fn so_many_come_in_a_minute_and_more_as_time_goes_by() {
    let (site, mut arrivals) = place(Strangers { per_minute: Some(Share::Count(6)), ..unlimited() });
    let mut come = |secs| arrivals.arrive(&site, LINK, at(secs)).is_ok();
    let all: Vec<bool> = (0..8).map(|_| come(100)).collect();
    assert_eq!(all.iter().filter(|admitted| **admitted).count(), 6);
    assert!(!come(109), "six in a minute are one in ten seconds");
    assert!(come(110) && !come(110));
    assert_eq!((0..20).filter(|_| come(10_000)).count(), 6, "who stays away for hours saves nothing up");
    assert!(!come(9000), "a clock that runs backwards gives nothing");
}

#[test]
fn a_percentage_is_of_the_addresses_and_never_stingy() {
    let strangers = Strangers { per_minute: Some(Share::Percent(50)), ..unlimited() };
    assert_eq!([10, 100, 400].map(|addresses| strangers.in_a_minute(addresses)), [Some(60), Some(60), Some(200)]);
    assert_eq!(unlimited().in_a_minute(10), None);
    assert_eq!([Share::Percent(5).of(151), Share::Percent(5).of(19), Share::Count(9).of(3)], [7, 0, 9]);
}

#[test]
fn a_link_a_relay_agent_and_its_port_hold_so_many_at_once() {
    let (site, mut arrivals) = place(Strangers { per_link: Some(3), per_circuit: Some(2), ..unlimited() });
    let mut admit = |origin: &Origin, last| {
        let admitted = arrivals.admit(&site, origin, ip(last), at(1), |_| true);
        admitted.map_err(|refusal| refusal.to_string())
    };
    for last in 1..=3 {
        admit(&direct(), last).expect("there is room");
    }
    assert!(admit(&direct(), 4).expect_err("full").contains("too many of them on this network"));
    admit(&behind(200, "port 1"), 11).expect("another place");
    admit(&behind(200, "port 1"), 12).expect("there is room");
    assert!(admit(&behind(200, "port 1"), 13).expect_err("full").contains("behind this port of the relay agent"));
    admit(&behind(200, "port 2"), 14).expect("another port");
    assert!(admit(&behind(200, "port 2"), 15).expect_err("full").contains("behind this relay agent"));
    admit(&behind(201, "port 1"), 16).expect("another relay agent");
}

#[test]
fn who_is_known_by_now_or_gone_makes_room() {
    let (site, mut arrivals) = place(Strangers { per_link: Some(40), ..unlimited() });
    for last in 1..=40 {
        arrivals.admit(&site, &direct(), ip(last), at(1), |_| true).expect("there is room");
    }
    // Only .30 is gone. It is found within a few looks, however many others are there.
    let looked = (0..4).find(|_| arrivals.admit(&site, &direct(), ip(50), at(1), |each| each != ip(30)).is_ok());
    assert!(looked.is_some(), "{arrivals:?}");
    assert!(arrivals.admit(&site, &direct(), ip(51), at(1), |_| true).is_err(), "only one place was free");
}

/// Whatever is invented, an address is remembered once.
#[test]
fn inventing_ports_and_relay_agents_costs_no_memory() {
    let (site, mut arrivals) = place(Strangers { per_link: Some(1000), per_circuit: Some(1000), ..unlimited() });
    for n in 0..5000_u32 {
        let origin = behind((n % 250) as u8, &n.to_string());
        arrivals.admit(&site, &origin, ip((n % 100) as u8), at(1), |_| true).expect("there is room");
    }
    assert!(arrivals.places.len() <= 200 && arrivals.of_address.len() == 100, "{}", arrivals.places.len());
}
