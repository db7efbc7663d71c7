//! The fields and options of each kind of reply (RFC 2131 §4.3, table 3).

use super::*;
use crate::boot::{Boot, BootPlan};
use crate::lease::fixture::{Message, SERVER, ip, link};
use crate::machine::Order;
use crate::wire::dhcp::codec;

fn plan() -> BootPlan {
    BootPlan { boot: Boot::AddressOnly, profile: None, order: Order::Install, reasons: Vec::new() }
}

fn grant(plan: &BootPlan) -> Grant<'_> {
    let lease_time = Duration::from_secs(43200);
    Grant { address: ip(1), lease_time, firmware: Firmware::Plain, plan }
}

fn codes(reply: &Reply) -> Vec<u8> {
    reply.options.iter().map(|(code, _)| *code).collect()
}

fn message(kind: MessageType) -> Message {
    Message::new(kind, 1).siaddr(ip(77)).id(b"\0one").asking_for([code::NTP_SERVERS]).flags(0x0001)
}

#[test]
fn table_3_what_each_reply_holds() {
    use MessageType::{Ack, Discover, Inform, Nak, Offer, Request};
    let plan = plan();
    let bench = link(9);
    let bench = Terms::of(&bench);
    let address_and_network = vec![54, 51, 58, 59, 1, 28, 3, 6, 61, 42];
    let ask = |kind| message(kind).ciaddr(ip(5)).request();
    let table = [
        (
            offer(&ask(Discover), &grant(&plan), &bench),
            Offer,
            Ipv4Addr::UNSPECIFIED,
            ip(1),
            address_and_network.clone(),
        ),
        (ack(&ask(Request), &grant(&plan), &bench), Ack, ip(5), ip(1), address_and_network),
        (inform_ack(&ask(Inform), &bench), Ack, ip(5), Ipv4Addr::UNSPECIFIED, vec![54, 1, 28, 3, 6, 61, 42]),
        (nak(&ask(Request), "no", &bench), Nak, Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED, vec![54, 56, 61]),
    ];
    for (reply, kind, ciaddr, yiaddr, options) in table {
        assert_eq!((reply.kind, reply.ciaddr, reply.yiaddr), (Some(kind), ciaddr, yiaddr));
        assert_eq!((reply.siaddr, reply.giaddr, reply.hops), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED, 0));
        assert_eq!((reply.xid, reply.flags, &reply.chaddr[..6]), (0x1234_5678, 1, &[0x52, 0x54, 0, 0xfb, 0, 1][..]));
        assert_eq!(codes(&reply), options, "{kind:?}");
        assert_eq!(reply.option(code::SERVER_ID), Some(&SERVER.octets()[..]));
        assert_eq!(reply.option(code::CLIENT_ID), Some(&b"\0one"[..]));
        assert!((300..=548).contains(&codec::encode(&reply).len()), "{kind:?}");
    }
}

#[test]
fn section_4_4_5_times_of_a_lease() {
    let plan = plan();
    let seconds =
        |reply: &Reply, code| reply.option(code).and_then(|value| value.try_into().ok()).map(u32::from_be_bytes);
    for (lease, t1, t2) in [(43200, 21600, 37800), (3, 1, 2), (1, 0, 0), (u64::MAX, u32::MAX, u32::MAX)] {
        let grant = Grant { lease_time: Duration::from_secs(lease), ..grant(&plan) };
        let offer = offer(&message(MessageType::Discover).request(), &grant, &Terms::of(&link(9)));
        let lease = u32::try_from(lease).unwrap_or(u32::MAX);
        let found = [code::LEASE_TIME, code::RENEWAL_TIME, code::REBINDING_TIME].map(|code| seconds(&offer, code));
        assert_eq!(found, [Some(lease), Some(t1), Some(t2)]);
    }
}

#[test]
fn the_largest_reply_a_client_takes() {
    let table: [(&[u8], u16); 6] =
        [(&[], 576), (&[0, 0], 576), (&[1, 0], 576), (&[2, 0x40], 576), (&[5, 0xc0], 1472), (&[0xff, 0], 1500)];
    for (value, expected) in table {
        let mut asking = Message::new(MessageType::Discover, 1);
        if !value.is_empty() {
            asking = asking.with(code::MAX_MESSAGE_SIZE, value);
        }
        let reply = inform_ack(&asking.request(), &Terms::of(&link(9)));
        assert_eq!(reply.max_size, expected, "{value:?}");
    }
}

#[test]
fn option_82_comes_back_last_and_whole() {
    let relayed =
        message(MessageType::Discover).relayed(ip(249)).with(code::RELAY_AGENT, [1, 2, b'a', b'b', 9, 0]).request();
    let plan = plan();
    for reply in [
        offer(&relayed, &grant(&plan), &Terms::of(&link(9))),
        nak(&relayed, "no", &Terms::of(&link(9))),
        inform_ack(&relayed, &Terms::of(&link(9))),
    ] {
        let bytes = codec::encode(&reply);
        let end = bytes.iter().rposition(|byte| *byte == 255).expect("END");
        assert_eq!(bytes[end - 8..end], [82, 6, 1, 2, b'a', b'b', 9, 0]);
        assert_eq!((reply.giaddr, reply.hops), (ip(249), 1));
    }
}

#[test]
fn section_4_3_2_a_relayed_nak_is_to_be_broadcast() {
    let request = message(MessageType::Request);
    assert_eq!(nak(&request.request(), "no", &Terms::of(&link(9))).flags, 1, "copied");
    assert_eq!(nak(&request.relayed(ip(249)).request(), "no", &Terms::of(&link(9))).flags, 0x8001);
}
