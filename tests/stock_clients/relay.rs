//! What comes in otherwise than by broadcast from 0.0.0.0: from a relay agent, and by unicast from a client that has no
//! address. Frames are broadcast, as some relays write them; the answer to a relay goes to its port 67.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use hatchery::load::bench::SERVER;
use hatchery::wire::dhcp::{MessageType, code, codec};
use socket2::{Domain, Socket, Type};

use crate::table::{PATIENCE, Station, Table, mac};
use crate::tools::inside_with;

/// A DISCOVER of `last` by way of `giaddr`.
fn discover(last: u8, giaddr: Ipv4Addr) -> Vec<u8> {
    let mut bytes = vec![0; 240];
    (bytes[0], bytes[1], bytes[2]) = (1, 1, 6);
    bytes[3] = u8::from(!giaddr.is_unspecified());
    bytes[24..28].copy_from_slice(&giaddr.octets());
    bytes[28..34].copy_from_slice(&mac(last).0);
    bytes[236..240].copy_from_slice(&[99, 130, 83, 99]);
    bytes.extend([code::MESSAGE_TYPE, 1, MessageType::Discover.code(), 255]);
    bytes
}

#[test]
fn a_relay_and_an_unaddressed_unicast_are_answered() {
    if !inside_with(&[], "relay::a_relay_and_an_unaddressed_unicast_are_answered") {
        return;
    }
    let far = "[[network]]\nrelayed = true\nname = \"far\"\nsubnet = \"10.9.0.0/24\"\nrelays = [\"192.168.151.9\"]\n\
               pool = [\"10.9.0.10-10.9.0.20\"]";
    let table = Table::serving("", far);

    let client = table.plug(mac(1));
    let station = Station::at(client.interface());
    station.send_to(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68), SERVER.0, &discover(1, Ipv4Addr::UNSPECIFIED));
    let offer = station.hear(PATIENCE).expect("an OFFER to a unicast from 0.0.0.0");
    assert_eq!(codec::decode_reply(&offer).expect("a reply").kind, Some(MessageType::Offer));

    let relay = table.plug_at(mac(2), 9);
    let address = Ipv4Addr::new(192, 168, 151, 9);
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    socket.bind_device(Some(relay.interface().as_bytes())).expect("SO_BINDTODEVICE");
    socket.bind(&SocketAddrV4::new(address, 67).into()).expect("port 67 of the relay");
    socket.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    let socket: UdpSocket = socket.into();
    let station = Station::at(relay.interface());
    station.send_to(SocketAddrV4::new(address, 67), SERVER.0, &discover(3, address));
    let mut buffer = [0; 1500];
    let (length, from) = socket.recv_from(&mut buffer).expect("an OFFER to the relay");
    let offer = codec::decode_reply(&buffer[..length]).expect("a reply");
    assert_eq!((offer.kind, offer.yiaddr), (Some(MessageType::Offer), Ipv4Addr::new(10, 9, 0, 10)));
    assert_eq!((offer.giaddr, from.to_string()), (address, format!("{}:67", SERVER.0)));

    // RFC 8357: another relay asks from a port of its own, and says so in sub-option 19.
    let own_port = UdpSocket::bind(SocketAddrV4::new(address, 40_000)).expect("a port of the relay");
    own_port.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    let mut message = discover(4, address);
    message.truncate(message.len() - 1);
    message.extend([code::RELAY_AGENT, 2, 19, 0, 255]);
    station.send_to(SocketAddrV4::new(address, 40_000), SERVER.0, &message);
    let (length, _) = own_port.recv_from(&mut buffer).expect("an OFFER to the relay's own port");
    let offer = codec::decode_reply(&buffer[..length]).expect("a reply");
    assert_eq!((offer.kind, offer.relay_agent), (Some(MessageType::Offer), Some(vec![19, 0])));
}
