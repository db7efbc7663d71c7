//! Beside a DHCP server of others, which knows nothing of booting: busybox udhcpd gives the addresses, we the rest.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use hatchery::lab::Port;
use hatchery::load::bench::SERVER;
use hatchery::sim::client::Kind;
use hatchery::wire::dhcp::{MessageType, Reply, code, codec};
use socket2::{Domain, Socket, Type};

use crate::dhclient;
use crate::rival::{Ends, udhcpd};
use crate::table::{PATIENCE, Station, Table, client, mac};
use crate::tools::{inside_with, program, run, text};

const UEFI: &str = "PXEClient:Arch:00007:UNDI:003000";

/// The table in proxy mode, and the other server once it is heard; nothing where there is none to be had.
fn beside() -> Option<(Table, Ends)> {
    let mut table = Table::new("", "[dhcp]\nmode = \"proxy\"");
    table.configure("pool = [\"192.168.151.100-192.168.151.250\"]\n", "");
    table.start();
    let level = |table: &Table| {
        let findings = table.ask(&hatchery::serve::control::Request::Doctor);
        let findings = findings.as_array().expect("findings").clone();
        findings.into_iter().find(|each| each["check"] == "rivals hatch0").expect("looked for")["level"].take()
    };
    assert_eq!(level(&table), "red", "nobody gives addresses");
    let mut port = table.plug(mac(99));
    port.set_address(Ipv4Addr::new(192, 168, 151, 9), SERVER.1).expect("an address");
    let server = udhcpd(table.bench.directory(), port.interface())?;
    table.wait_for("the other server is found", || (level(&table) == "green").then_some(()));
    Some((table, server))
}

fn is_theirs(address: &Ipv4Addr) -> bool {
    (20..=30).contains(&address.octets()[3])
}

/// A socket of that machine, on its own address.
fn udp(port: &Port, address: Ipv4Addr) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    socket.bind_device(Some(port.interface().as_bytes())).expect("SO_BINDTODEVICE");
    socket.bind(&SocketAddrV4::new(address, 4011).into()).expect("the machine's own address");
    socket.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    socket.into()
}

/// What port 4011 says to a PXE client at `address` that sends these options, too.
fn asked(port: &Port, address: Ipv4Addr, more: &[u8]) -> Reply {
    let mut bytes = vec![0; 240];
    (bytes[0], bytes[1], bytes[2]) = (1, 1, 6);
    bytes[12..16].copy_from_slice(&address.octets());
    bytes[28..34].copy_from_slice(&port.mac().0);
    bytes[236..240].copy_from_slice(&[99, 130, 83, 99]);
    bytes.extend([code::MESSAGE_TYPE, 1, MessageType::Request.code(), code::VENDOR_CLASS, UEFI.len() as u8]);
    bytes.extend(UEFI.bytes().chain(more.iter().copied()).chain([255]));
    let socket = udp(port, address);
    socket.send_to(&bytes, SocketAddrV4::new(SERVER.0, 4011)).expect("a question");
    let mut buffer = [0; 1500];
    let (length, from) = socket.recv_from(&mut buffer).expect("an answer");
    assert_eq!(from.to_string(), format!("{}:4011", SERVER.0));
    codec::decode_reply(&buffer[..length]).expect("a reply")
}

#[test]
fn uefi_asks_port_4011_from_the_address_that_the_other_server_gave() {
    let tools = ["busybox", "curl", "dhclient"];
    if !inside_with(&tools, "proxy::uefi_asks_port_4011_from_the_address_that_the_other_server_gave") {
        return;
    }
    let Some((table, _server)) = beside() else { return };
    let firmware = client(Kind::UefiX64, 1);
    let port = table.plug(firmware.identity().mac);
    let offer = Station::at(port.interface()).offer(firmware).expect("an OFFER");
    assert_eq!((offer.yiaddr, offer.siaddr, offer.file.as_str()), (Ipv4Addr::UNSPECIFIED, SERVER.0, ""));
    assert_eq!(offer.option(code::VENDOR_CLASS), Some(&b"PXEClient"[..]));
    assert_eq!((offer.flags, offer.option(code::VENDOR_ENCAPSULATED)), (0x8000, None));

    // What stands for the firmware passes over OFFERs without an address, as ours is.
    let config = format!("reject 192.168.151.1;\nsend vendor-class-identifier \"{UEFI}\";\n");
    let bound = dhclient::start(&table, "uefi", &port, &config).wait_for(&table, "BOUND");
    let address: Ipv4Addr = bound.get("ip").parse().expect("an address");
    assert!(is_theirs(&address), "{bound:?}");
    table.wait_for("the address is known", || {
        (table.machine(port.mac())["address"] == address.to_string()).then_some(())
    });

    for (more, menu) in [(&[][..], None), (&[43, 6, 71, 4, 0, 0, 0, 0][..], Some(&[71, 4, 0, 0, 0, 0, 255][..]))] {
        let reply = asked(&port, address, more);
        assert_eq!((reply.kind, reply.siaddr), (Some(MessageType::Ack), SERVER.0));
        assert_eq!((reply.file.as_str(), reply.sname.as_str()), ("ipxe/x86_64/snponly.efi", "192.168.151.1"));
        assert_eq!(reply.option(code::VENDOR_ENCAPSULATED), menu);
    }
    let image = run(program(&table, "curl").args([
        "--silent",
        "--show-error",
        "--fail",
        "--noproxy",
        "*",
        "--interface",
        &format!("if!{}", port.interface()),
        "http://192.168.151.1/images/kxp2_master.img",
    ]));
    assert!(image.status.success(), "{}", text(&image));
    assert_eq!(image.stdout.len(), (crate::table::IMAGE_MIB as usize) << 20);
    table.wait_for("the machine is known to read it", || {
        (table.machine(port.mac())["stage"] == "writing").then_some(())
    });
}
