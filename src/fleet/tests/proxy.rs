//! Beside another DHCP server: who is answered, what is learnt, and that no address is ever given or refused.

use std::net::SocketAddrV4;

use super::*;
use crate::site::Role;

/// The DHCP server that gives the addresses.
const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 1);
const UEFI: &str = "PXEClient:Arch:00007:UNDI:003000";

fn world() -> World {
    let firmware = [Firmware::BiosPxe, Firmware::UefiX64, Firmware::RaspberryPi4];
    let bench = Link { pools: Vec::new(), ..link(9) };
    let place = Site { role: Role::Proxy, ..site(vec![bench]) };
    World::of(place, Catalog::new(vec![profile("pc", &firmware, Some("x.efi"))]))
}

fn uefi(kind: MessageType, last: u8) -> Message {
    Message::new(kind, last).with(code::VENDOR_CLASS, UEFI).with(code::CLIENT_ARCH, [0, 7])
}

/// The REQUEST that takes the other server's OFFER.
fn takes(last: u8, address: Ipv4Addr) -> Message {
    uefi(Request, last).server(OTHER).requested(address)
}

impl World {
    /// The reply to a message on port 4011.
    fn asked(&mut self, message: &Message, from: Ipv4Addr) -> Option<(Reply, Destination)> {
        let from = SocketAddrV4::new(from, 4011);
        self.sent_for(Event::BootServer { link: LINK, from, bytes: message.bytes() })
    }

    fn holder(&self, last: u8) -> Option<Mac> {
        let id = self.fleet.tables().leases.holder(ip(last))?;
        self.fleet.tables().machines.get(id)?.mac
    }
}

#[test]
fn a_discover_is_answered_by_broadcast_and_costs_nothing() {
    let mut world = world();
    let (reply, destination) = world.sent(&uefi(Discover, 1)).expect("an OFFER");
    assert_eq!((reply.kind, reply.yiaddr, reply.siaddr), (Some(Offer), NONE, SERVER));
    assert_eq!((destination, reply.flags), (Destination::Broadcast, 0x8000));
    assert_eq!(world.journal, [], "nothing is remembered of who only asks");
    assert_eq!(world.sent(&Message::new(Discover, 2)), None, "an office PC is none of our business");
}

#[test]
fn the_address_is_learnt_from_the_request_to_the_other_server() {
    let mut world = world();
    assert_eq!(world.sent(&takes(1, ip(60))), None, "the other server acknowledges it");
    assert_eq!((world.holder(60), world.stage(1).as_str()), (Some(mac(1)), "address"));
    // The installer that runs later is the same machine, whatever it says of itself.
    world.sent(&Message::new(Request, 1).server(OTHER).requested(ip(61)));
    assert_eq!((world.holder(60), world.holder(61)), (None, Some(mac(1))), "one address at a time");
    // The other server gives an address to the next one when its own lease has ended.
    world.sent(&takes(2, ip(61)));
    assert_eq!(world.holder(61), Some(mac(2)));
    world.wait(4001);
    assert_eq!(world.holder(61), None, "and it is not believed for ever");
}

#[test]
fn what_proves_no_address_teaches_nothing() {
    for (why, message) in [
        ("a plain client that we do not know", Message::new(Request, 1).server(OTHER).requested(ip(60))),
        ("an address that it had before", uefi(Request, 1).requested(ip(60))),
        ("our own address", takes(1, SERVER)),
        ("an address of another network", takes(1, Ipv4Addr::new(10, 0, 0, 5))),
        ("the broadcast address", takes(1, ip(255))),
        ("it chose us, who offered none", uefi(Request, 1).server(SERVER).requested(ip(60))),
        ("INFORM", uefi(Inform, 1).ciaddr(ip(60))),
    ] {
        let mut world = world();
        assert_eq!(world.sent(&message), None, "{why}");
        assert_eq!(world.journal, [], "{why}");
    }
}

#[test]
fn a_declined_address_is_the_machines_no_more() {
    let mut world = world();
    world.sent(&takes(1, ip(60)));
    world.sent(&uefi(Decline, 2).server(OTHER).requested(ip(60)));
    assert_eq!(world.holder(60), Some(mac(1)), "not by somebody else's word");
    assert_eq!(world.sent(&uefi(Decline, 1).server(OTHER).requested(ip(60))), None);
    assert_eq!(world.holder(60), None);
}

#[test]
fn port_4011_answers_who_asks_from_its_own_address() {
    let mut world = world();
    for kind in [Request, Inform] {
        let (reply, destination) = world.asked(&uefi(kind, 1).ciaddr(ip(60)), ip(60)).expect("an ACK");
        assert_eq!((reply.kind, reply.file.as_str(), reply.siaddr), (Some(Ack), "x.efi", SERVER));
        assert_eq!(destination, Destination::BootServerClient(SocketAddrV4::new(ip(60), 4011)));
        assert_eq!(world.holder(60), Some(mac(1)));
    }
    let written = world.journal.clone();
    assert_eq!(world.asked(&uefi(Request, 2).ciaddr(ip(60)), ip(61)), None, "ciaddr of another");
    assert_eq!(world.asked(&uefi(Request, 2), SERVER), None, "from our own address");
    assert_eq!(world.asked(&uefi(Discover, 2), ip(62)), None, "a DISCOVER");
    assert_eq!(world.asked(&Message::new(Request, 2), ip(62)), None, "a plain client");
    assert_eq!(world.journal, written);
    let nonsense =
        Event::BootServer { link: LINK, from: SocketAddrV4::new(ip(62), 68), bytes: b"\x01".to_vec().into() };
    assert!(world.handle(nonsense).iter().all(|action| matches!(action, Action::Publish(_))));
}

#[test]
fn a_machine_on_hold_is_left_to_the_other_server() {
    let mut world = world();
    world.sent(&takes(1, ip(60)));
    world.command(Command::Hold(Selector::Mac(mac(1)))).expect("it is known");
    assert_eq!(world.sent(&uefi(Discover, 1)), None);
    assert_eq!(world.asked(&uefi(Request, 1).ciaddr(ip(60)), ip(60)), None);
}
