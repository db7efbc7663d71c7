//! The fixed fields of replies, INFORM, host names, and where replies go.

use super::*;

fn discover(last: u8) -> Message {
    Message::new(Discover, last)
}

const CI: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 240);

#[test]
fn siaddr_is_ours_for_who_netboots_and_never_in_a_nak() {
    let mut world = World::factory(0);
    assert_eq!(world.reply(&bios(1)).siaddr, SERVER);
    world.netboot(1);
    let nak = world.reply(&Message { options: bios(2).options, ..bios(2) }.requested(ip(1)).server(SERVER));
    assert_eq!(nak.kind, Some(Offer), "a DISCOVER that names a server is a DISCOVER");
    let request = Message::new(Request, 2).with(code::CLIENT_ARCH, [0, 0]).requested(ip(1)).server(SERVER);
    let nak = world.reply(&request);
    assert_eq!((nak.kind, nak.siaddr, nak.file.as_str()), (Some(Nak), NONE, ""));
}

#[test]
fn what_every_reply_copies() {
    let mut world = World::pool(9);
    let message = discover(1).id(b"\0one").flags(0x8000);
    let (offer, to) = world.sent(&message).expect("an OFFER");
    assert_eq!((offer.xid, offer.flags, offer.giaddr, offer.hlen), (message.xid, 0x8000, NONE, 6));
    assert_eq!(offer.option(code::CLIENT_ID), Some(&b"\0one"[..]), "RFC 6842 §3");
    assert_eq!(to, Destination::Broadcast);
    let nak = world.reply(&Message::new(Request, 1).id(b"\0one").requested(ip(200)).server(SERVER));
    assert_eq!((nak.kind, nak.option(code::CLIENT_ID)), (Some(Nak), Some(&b"\0one"[..])));
}

#[test]
fn section_4_1_a_relayed_message_is_answered_to_its_relay() {
    let relay = ip(249);
    let mut world = World::pool(1);
    let (offer, to) = world.sent(&discover(1).relayed(relay).with(code::RELAY_AGENT, b"\x01\x02ab")).expect("an OFFER");
    assert_eq!((offer.giaddr, offer.hops, to), (relay, 1, Destination::Relay(relay)));
    assert_eq!(offer.relay_agent.as_deref(), Some(&b"\x01\x02ab"[..]), "RFC 3046 §2.2");
    world.dora(&discover(1).relayed(relay));
    let (nak, to) =
        world.sent(&Message::new(Request, 2).requested(ip(1)).server(SERVER).relayed(relay)).expect("a NAK");
    assert_eq!((nak.flags, to), (0x8000, Destination::Relay(relay)), "RFC 2131 §4.3.2: the relay broadcasts it");
}

#[test]
fn options_1_3_6_go_out_unasked_others_when_asked_for() {
    let mut world = World::pool(9);
    let plain = world.reply(&discover(1));
    for (number, value) in [
        (code::SUBNET_MASK, &[255, 255, 255, 0][..]),
        (code::BROADCAST_ADDRESS, &[192, 168, 50, 255]),
        (code::ROUTERS, &[192, 168, 50, 254]),
        (code::DNS_SERVERS, &[8, 8, 8, 8, 8, 8, 4, 4]),
    ] {
        assert_eq!(plain.option(number), Some(value), "option {number}");
    }
    assert_eq!(plain.option(code::NTP_SERVERS), None);
    let asking = world.reply(&discover(1).asking_for([code::NTP_SERVERS, 99, 0, 255]));
    assert_eq!(asking.option(code::NTP_SERVERS), Some(&[192, 168, 50, 253][..]));
}

/// INFORM of `CI`.
fn inform() -> Message {
    Message::new(Inform, 1).ciaddr(CI)
}

#[test]
fn section_4_3_5_inform_gets_options_and_no_lease() {
    for message in [inform().asking_for([code::NTP_SERVERS]), inform().asking_for([code::NTP_SERVERS]).server(SERVER)] {
        let mut world = World::pool(0);
        let (ack, to) = world.sent(&message).expect("an ACK");
        assert_eq!((ack.kind, ack.yiaddr, ack.ciaddr), (Some(Ack), NONE, CI));
        assert_eq!(to.to_string(), "192.168.50.240:68");
        for time in [code::LEASE_TIME, code::RENEWAL_TIME, code::REBINDING_TIME] {
            assert_eq!(ack.option(time), None, "option {time}");
        }
        for number in [code::SUBNET_MASK, code::ROUTERS, code::DNS_SERVERS, code::NTP_SERVERS, code::SERVER_ID] {
            assert!(ack.option(number).is_some(), "option {number}");
        }
        assert_eq!(world.journal, []);
    }
}

/// A link where client 1 has the reserved name `kart-7`, and perhaps a reserved address.
fn named(address: Option<Ipv4Addr>) -> World {
    let mut bench = link(9);
    bench.reservations = vec![reservation(1, address), reservation(2, None)];
    bench.reservations[0].hostname = Some(hostname("kart-7"));
    World::new(vec![bench])
}

#[test]
fn a_reserved_host_name_wins_over_the_clients() {
    for address in [None, Some(ip(5)), Some(ip(100))] {
        let mut world = named(address);
        // Said, asked for, or both: whoever cares about host names is told its own.
        for discover in [
            discover(1).with(code::HOST_NAME, "client-name"),
            discover(1).asking_for([code::HOST_NAME]),
            discover(1).with(code::HOST_NAME, "client-name").asking_for([code::HOST_NAME]),
        ] {
            let offer = world.reply(&discover);
            assert_eq!(offer.option(code::HOST_NAME), Some(&b"kart-7"[..]), "{discover:?}");
            let given = world.dora(&discover);
            assert_eq!(given, address.unwrap_or(ip(1)));
        }
        assert_eq!(world.reply(&discover(1)).option(code::HOST_NAME), None, "not for who did not ask");
        assert_eq!(world.reply(&discover(2).with(code::HOST_NAME, "x")).option(code::HOST_NAME), None);
    }
}

/// Its machine was forgotten and may be out there under that name: the next one is told another, or none.
#[test]
fn a_reserved_host_name_that_is_retired_is_told_to_nobody() {
    let mut world = named(Some(ip(5)));
    let asking = discover(1).asking_for([code::HOST_NAME]);
    world.dora(&asking);
    let forget = Command::Forget { machine: Selector::Hostname(hostname("kart-7")), release_name: false, force: true };
    world.command(forget).expect("it is known by that name");
    assert_eq!(world.reply(&asking).option(code::HOST_NAME), None);
}
