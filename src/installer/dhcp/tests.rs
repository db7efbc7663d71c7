//! The client against our own server, in bytes: it gets the firmware's address, keeps it, and starts over when refused.

use std::sync::Arc;

use super::*;
use crate::catalog::Catalog;
use crate::fleet::{Action, Event, Fleet};
use crate::lease::fixture::{LINK, Message, SERVER, ip, link, mac, site};
use crate::time::Now;

/// The server and one client, with one clock.
struct World {
    fleet: Fleet,
    client: Client,
    now: Now,
    heard: Vec<Output>,
}

impl World {
    fn new() -> World {
        let now = Now::default().after(Duration::from_secs(1_000_000));
        let fleet = Fleet::load(Arc::new(site(vec![link(20)])), Catalog::new(Vec::new()), Vec::new(), [], now);
        World { fleet, client: Client::new(mac(1), 0x1234, now.instant), now, heard: Vec::new() }
    }

    /// The server's answers to a message.
    fn ask(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let event = Event::Dhcp { link: LINK, port: 68, bytes: bytes.to_vec().into() };
        let actions = self.fleet.handle(event, self.now);
        let sent = actions.into_iter().filter_map(|action| match action {
            Action::Send { bytes, .. } => Some(bytes.to_vec()),
            _ => None,
        });
        sent.collect()
    }

    /// Carries messages to and fro until both are silent; the server hears them unless it is `away`.
    fn talk(&mut self, mut outputs: Vec<Output>, away: bool) {
        while !outputs.is_empty() {
            let mut next = Vec::new();
            for output in outputs {
                if let Output::Broadcast(bytes) | Output::Unicast(_, bytes) = &output
                    && !away
                {
                    for reply in self.ask(bytes) {
                        next.extend(self.client.on_message(&reply, self.now.instant));
                    }
                }
                self.heard.push(output);
            }
            outputs = next;
        }
    }

    /// The client's next deadline comes.
    fn step(&mut self, away: bool) {
        self.now = self.now.after(self.client.deadline().since(self.now.instant));
        let outputs = self.client.on_time(self.now.instant);
        self.talk(outputs, away);
    }

    fn bound(&self) -> Option<&Lease> {
        self.heard.iter().rev().find_map(|output| match output {
            Output::Bound(lease) => Some(lease),
            _ => None,
        })
    }
}

#[test]
fn one_exchange_gives_an_address_a_mask_and_the_server() {
    let mut world = World::new();
    world.step(false);
    let lease = world.bound().expect("a lease").clone();
    assert_eq!((lease.address, lease.server), (ip(1), SERVER));
    assert_eq!(lease.subnet, link(20).subnet);
    assert!(world.client.deadline() > world.now.instant, "it rests until T1");
}

#[test]
fn it_gets_the_address_that_the_firmware_had() {
    let mut world = World::new();
    let firmware = Message::new(MessageType::Discover, 2);
    let offer = world.ask(&firmware.bytes()).remove(0);
    let offered = codec::decode_reply(&offer).expect("an offer").yiaddr;
    let request = Message::new(MessageType::Request, 2).requested(offered).server(SERVER);
    assert_eq!(world.ask(&request.bytes()).len(), 1);
    world.client = Client::new(mac(2), 7, world.now.instant);
    world.step(false);
    assert_eq!(world.bound().map(|lease| lease.address), Some(offered));
}

#[test]
fn silence_is_answered_by_asking_again_ever_more_slowly() {
    let mut world = World::new();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        world.step(true);
        pauses.push(world.client.deadline().since(world.now.instant));
    }
    assert!(pauses[0] >= Duration::from_millis(800) && pauses[0] <= Duration::from_secs(1), "{pauses:?}");
    assert!(pauses[7] >= Duration::from_millis(12_800) && pauses[7] <= Duration::from_secs(16), "{pauses:?}");
    world.step(false);
    assert!(world.bound().is_some());
}

#[test]
fn a_server_that_falls_silent_after_its_offer_is_forgotten() {
    let mut world = World::new();
    let discover = world.client.on_time(world.now.instant);
    let [Output::Broadcast(bytes)] = &discover[..] else { panic!("{discover:?}") };
    let offer = world.ask(bytes).remove(0);
    world.client.on_message(&offer, world.now.instant);
    for _ in 0..=REQUESTS_MAX {
        world.step(true);
    }
    let Some(Output::Broadcast(last)) = world.heard.last() else { panic!("{:?}", world.heard) };
    assert_eq!(codec::decode(last).expect("our own message").kind, Some(MessageType::Discover));
}

#[test]
fn section_4_4_5_renews_with_its_server_rebinds_with_any_and_then_starts_over() {
    let mut world = World::new();
    world.step(false);
    let lease = world.bound().expect("a lease").clone();
    // T1: its own server, and that is all.
    world.step(false);
    assert!(matches!(world.heard.last(), Some(Output::Unicast(to, _)) if *to == SERVER), "{:?}", world.heard);
    assert!(!world.heard.contains(&Output::Lost));
    // From now on nobody answers.
    world.heard.clear();
    while !world.heard.contains(&Output::Lost) {
        world.step(true);
        assert!(world.heard.len() < 2000, "the lease never ends");
    }
    let asked = |to: Ipv4Addr| world.heard.iter().any(|each| matches!(each, Output::Unicast(at, _) if *at == to));
    assert!(asked(SERVER) && asked(Ipv4Addr::BROADCAST));
    assert!(world.now.instant >= lease.ends);
    assert!(matches!(world.heard.last(), Some(Output::Broadcast(_))), "it asks anew");
}

#[test]
fn a_nak_starts_over_after_a_pause() {
    let mut world = World::new();
    world.step(false);
    let address = world.bound().expect("a lease").address;
    // The server forgets everything: what is renewed now, nobody knows.
    world.fleet = World::new().fleet;
    let taken = Message::new(MessageType::Discover, 9);
    assert_eq!(world.ask(&taken.bytes()).len(), 1);
    world.heard.clear();
    while world.bound().is_none() {
        world.step(false);
        assert!(world.heard.len() < 2000, "it never gets an address again");
    }
    assert!(world.bound().is_some_and(|lease| lease.subnet.contains(address)));
}

#[test]
fn others_answers_and_noise_change_nothing() {
    let mut world = World::new();
    let discover = world.client.on_time(world.now.instant);
    let [Output::Broadcast(bytes)] = &discover[..] else { panic!("{discover:?}") };
    let offer = world.ask(bytes).remove(0);
    for at in [4, 28, 33] {
        let mut other = offer.clone();
        other[at] ^= 1;
        assert_eq!(world.client.on_message(&other, world.now.instant), []);
    }
    // Cut off before option 54 ends: then nobody knows who offers.
    for end in 0..249 {
        assert_eq!(world.client.on_message(&offer[..end], world.now.instant), []);
    }
    assert_eq!(world.client.on_message(&offer, world.now.instant).len(), 1);
}
