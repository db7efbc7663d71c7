//! Where each reply goes: RFC 2131 §4.1 row by row.

use super::*;
use crate::dhcp::{Terms, inform_ack, nak};
use crate::lease::fixture::{Message, ip, link, mac};
use crate::net::Mac;

#[test]
fn section_4_1_where_a_reply_goes() {
    use MessageType::{Ack, Discover, Inform, Nak, Offer, Request};
    let relay = ip(249);
    let unicast = |address| Destination::Unicast(SocketAddrV4::new(address, 68));
    let frame = |mac| Destination::Layer2 { mac, address: ip(1) };
    let message = |kind| Message::new(kind, 1);
    let table = [
        (message(Discover), Offer, frame(mac(1))),
        (message(Discover).flags(0x8000), Offer, Destination::Broadcast),
        (message(Discover).flags(0x7fff), Offer, frame(mac(1))),
        (message(Discover).relayed(relay), Offer, Destination::Relay(relay)),
        (message(Discover).relayed(relay).flags(0x8000), Offer, Destination::Relay(relay)),
        // A ciaddr in a DISCOVER means nothing.
        (message(Discover).ciaddr(ip(9)), Offer, frame(mac(1))),
        (message(Discover).ciaddr(ip(9)).flags(0x8000), Offer, Destination::Broadcast),
        (message(Request), Ack, frame(mac(1))),
        (message(Request).flags(0x8000), Ack, Destination::Broadcast),
        // Renewing and rebinding: the client hears its address, so the flag does not matter.
        (message(Request).ciaddr(ip(1)), Ack, unicast(ip(1))),
        (message(Request).ciaddr(ip(1)).flags(0x8000), Ack, unicast(ip(1))),
        (message(Request).ciaddr(ip(1)).relayed(relay), Ack, Destination::Relay(relay)),
        (message(Inform).ciaddr(ip(9)), Ack, unicast(ip(9))),
        (message(Inform).relayed(relay), Ack, Destination::Relay(relay)),
        // A NAK goes to everyone: the client's idea of its address is wrong.
        (message(Request), Nak, Destination::Broadcast),
        (message(Request).ciaddr(ip(1)), Nak, Destination::Broadcast),
        (message(Request).relayed(relay), Nak, Destination::Relay(relay)),
        // No frame can be built for no address; a group address is as good as another.
        (message(Discover).chaddr([0; 6]), Offer, Destination::Broadcast),
        (message(Discover).chaddr([0xff, 1, 2, 3, 0xff, 4]), Offer, frame(Mac([0xff, 1, 2, 3, 0xff, 4]))),
    ];
    for (message, kind, expected) in table {
        let request = message.request();
        let reply = match kind {
            Nak => nak(&request, "no", &Terms::of(&link(9))),
            _ => Reply { kind: Some(kind), yiaddr: ip(1), ..inform_ack(&request, &Terms::of(&link(9))) },
        };
        assert_eq!(destination(&request, &reply, 68), expected, "{kind:?} to {message:?}");
    }
}

#[test]
fn other_hardware_than_ethernet_is_answered_by_broadcast() {
    let mut request = Message::new(MessageType::Discover, 1).request();
    request.htype = 32;
    let reply = Reply { kind: Some(MessageType::Offer), ..inform_ack(&request, &Terms::of(&link(9))) };
    assert_eq!(destination(&request, &reply, 68), Destination::Broadcast);
}

/// RFC 8357 §5.2: with sub-option 19 the reply goes to the port that the relay asked from, whatever it is.
#[test]
fn a_relay_with_a_port_of_its_own_is_answered_there() {
    use crate::wire::dhcp::code::RELAY_AGENT;
    let relayed = Message::new(MessageType::Discover, 1).relayed(ip(249));
    let own_port = Destination::Unicast(SocketAddrV4::new(ip(249), 40000));
    let table: [(&[u8], Destination); 4] = [
        (&[19, 0], own_port),
        (&[1, 1, 7, 19, 0], own_port),
        (&[1, 1, 7], Destination::Relay(ip(249))),
        // It has no value; this is something else.
        (&[19, 1, 7], Destination::Relay(ip(249))),
    ];
    for (agent, expected) in table {
        let request = relayed.clone().with(RELAY_AGENT, agent).request();
        let reply = nak(&request, "no", &Terms::of(&link(9)));
        assert_eq!(destination(&request, &reply, 40000), expected, "{agent:?}");
        assert_eq!(reply.relay_agent.as_deref(), Some(agent), "echoed");
    }
    let direct = Message::new(MessageType::Discover, 1).with(RELAY_AGENT, [19, 0]).request();
    assert_eq!(destination(&direct, &nak(&direct, "no", &Terms::of(&link(9))), 40000), Destination::Broadcast);
}
