//! Which network a message belongs to.

use super::*;
use crate::lease::fixture::{LINK, Message, ip, link};
use crate::net::Subnet;
use crate::wire::dhcp::MessageType::{Discover, Request};

/// Link 0 is .50.0/24 on an interface, link 1 is 10.1.0.0/24 behind relays, one of which has a foreign address.
fn place() -> Site {
    let mut far = link(0);
    far.subnet = Subnet::parse("10.1.0.0/24").expect("a subnet");
    (far.interface, far.segment) = (None, "far".to_owned());
    far.relays = vec![Ipv4Addr::new(172, 16, 0, 9)];
    Site::new(vec![link(9), far])
}

#[test]
fn the_network_of_a_message() {
    let [far, named, unknown] = [[10, 1, 0, 1], [172, 16, 0, 9], [10, 9, 0, 1]].map(Ipv4Addr::from);
    let discover = || Message::new(Discover, 1);
    let selecting = |subnet: Ipv4Addr| [&[1, 1, 7, 5, 4][..], &subnet.octets()].concat();
    let table = [
        (discover(), Some(0)),
        (discover().relayed(ip(249)), Some(0)),
        (discover().relayed(far), Some(1)),
        (discover().relayed(named), Some(1)),
        (discover().relayed(unknown), None),
        (discover().relayed(unknown).with(code::RELAY_AGENT, selecting(far)), Some(1)),
        (discover().relayed(far).with(code::RELAY_AGENT, selecting(ip(1))), Some(0)),
        (discover().relayed(far).with(code::RELAY_AGENT, selecting(unknown)), None),
        (discover().with(code::SUBNET_SELECTION, far.octets()), Some(1)),
        (discover().relayed(far).with(code::SUBNET_SELECTION, ip(0).octets()), Some(0)),
        (discover().with(code::SUBNET_SELECTION, ip(0).octets()).with(code::RELAY_AGENT, selecting(far)), Some(1)),
        // RFC 3527 §3: what is no address selects nothing.
        (discover().relayed(far).with(code::RELAY_AGENT, [5, 2, 1, 2]), Some(1)),
        (discover().relayed(far).with(code::RELAY_AGENT, [5, 4, 1, 2]), Some(1)),
        // Renewing, past the relay; a machine moved here from our other cable is not believed its address.
        (Message::new(Request, 1).ciaddr(Ipv4Addr::new(10, 1, 0, 7)), Some(1)),
        (Message::new(Request, 1).ciaddr(ip(7)), Some(0)),
    ];
    for (message, expected) in table {
        let found = network(&place(), LINK, &message.request()).ok().map(|id| id.0);
        assert_eq!(found, expected, "{message:?}");
    }
    let mut site = place();
    site.leniency.ignore_link_selection = true;
    let message = discover().relayed(far).with(code::RELAY_AGENT, selecting(ip(1)));
    assert_eq!(network(&site, LINK, &message.request()), Ok(LinkId(1)));
}

#[test]
fn sub_options_are_found_behind_others() {
    let request =
        Message::new(Discover, 1).with(code::RELAY_AGENT, [2, 1, 9, 1, 3, b'g', b'e', b'1', 11, 4, 1, 2, 3, 4]);
    let request = request.request();
    assert_eq!(circuit_id(&request), Some(&b"ge1"[..]));
    assert_eq!(server_override(&request), Some(Ipv4Addr::new(1, 2, 3, 4)));
    let cut = Message::new(Discover, 1).with(code::RELAY_AGENT, [2, 9, 1, 1, 1, 7]).request();
    assert_eq!((circuit_id(&cut), server_override(&cut)), (None, None));
}
