//! The packets of real clients, answered by a fleet: what each client insists on (wire facts and firmware lab) is there.
//!
//! Every capture of `tests/captures` is played packet by packet. The address a REQUEST names was given by another server
//! and is free here, so it is acknowledged.

#![allow(clippy::disallowed_methods, reason = "a test reads its fixtures")]

#[path = "common/pcap.rs"]
mod pcap;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use hatchery::catalog::{Catalog, Profile};
use hatchery::fleet::{Action, Event, Fleet};
use hatchery::machine::firmware::Firmware;
use hatchery::net::{Destination, LinkId, Subnet};
use hatchery::site::{DhcpOption, Link, Pool, Site};
use hatchery::time::Now;
use hatchery::wire::dhcp::{MessageType, Reply, Request, code, codec};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 151, 1);

/// `pxe-service=0,"Raspberry Pi Boot"` of the server in the field: every EEPROM takes these 32 bytes.
const PI_MENU: &[u8] = b"\x06\x01\x03\x0a\x04\x00PXE\x09\x14\x00\x00\x11Raspberry Pi Boot\xff";

fn site() -> Site {
    let link = Link {
        name: "deployment".into(),
        pools: vec![Pool::new(Ipv4Addr::new(192, 168, 151, 60), Ipv4Addr::new(192, 168, 151, 240))],
        options: vec![
            DhcpOption::new(code::ROUTERS, SERVER.octets()),
            DhcpOption::new(code::DNS_SERVERS, [8, 8, 8, 8, 8, 8, 4, 4]),
        ],
        ..Link::new("eth1", Subnet::parse("192.168.151.0/24").expect("a subnet"), SERVER)
    };
    Site::new(vec![link])
}

/// A profile for every kind of client, each boot file the one the lab booted that client with.
fn catalog() -> Catalog {
    use Firmware::*;
    let boot_files = [
        (BiosPxe, "undionly.kpxe"),
        (UefiX64, "snponly.efi"),
        (UefiArm64, "grubaa64.efi"),
        (UefiHttpX64, "ipxe.efi"),
        (UefiHttpArm64, "grubaa64.efi"),
        (Ipxe, "boot.ipxe"),
        (UBoot, "pxelinux.cfg/default"),
    ];
    let profile = |name: &str, firmware: &[Firmware]| Profile {
        name: name.into(),
        firmware: firmware.to_vec(),
        boot_files: boot_files.iter().map(|(kind, file)| (*kind, (*file).to_owned())).collect(),
        ..Profile::default()
    };
    let pc: Vec<Firmware> = boot_files.iter().map(|(kind, _)| *kind).collect();
    Catalog::new(vec![profile("pi", &[RaspberryPi3, RaspberryPi4, RaspberryPi5]), profile("pc", &pc)])
}

/// A client's message and what it was answered.
struct Exchange {
    name: String,
    firmware: Firmware,
    request: Request,
    reply: Reply,
    bytes: usize,
    destination: Destination,
}

/// Every exchange of every capture.
fn exchanges() -> Vec<Exchange> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let entries = std::fs::read_dir(directory).expect("the fixtures are there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the fixtures are there").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    paths.sort();
    paths.iter().flat_map(|path| played(path)).collect()
}

fn played(path: &Path) -> Vec<Exchange> {
    let name = path.file_stem().expect("fixtures have names").to_string_lossy().into_owned();
    let mut fleet = Fleet::load(Arc::new(site()), catalog(), Vec::new(), [], Now::default());
    let mut exchanges = Vec::new();
    for packet in pcap::udp_packets(path).into_iter().filter(|packet| packet.dst.port() == 67) {
        let request = codec::decode(&packet.payload).expect("real clients write well formed messages");
        let firmware = Firmware::recognise(&request);
        let now = Now::default().after(packet.time);
        let actions = fleet.handle(Event::Dhcp { link: LinkId(0), port: 68, bytes: packet.payload.into() }, now);
        fleet.check().expect("the invariants hold");
        let name =
            format!("{name} at {:?}: {firmware} {}", packet.time, request.kind.map_or("BOOTP", MessageType::name));
        let sent = actions.into_iter().find_map(|action| match action {
            Action::Send { bytes, destination, .. } => Some((bytes, destination)),
            _ => None,
        });
        let (bytes, destination) = sent.unwrap_or_else(|| panic!("{name}: no answer"));
        let reply = codec::decode_reply(&bytes).expect("our own reply");
        exchanges.push(Exchange { name, firmware, request, reply, bytes: bytes.len(), destination });
    }
    exchanges
}

/// Every exchange with that kind of client; there is at least one DISCOVER and, unless it is inferred, one REQUEST.
fn exchanges_of(firmware: Firmware) -> Vec<Exchange> {
    let found: Vec<Exchange> = exchanges().into_iter().filter(|each| each.firmware == firmware).collect();
    assert!(!found.is_empty(), "no capture of {firmware}");
    found
}

#[test]
fn every_message_is_answered_in_kind_and_whole() {
    for Exchange { name, request, reply, bytes, .. } in exchanges() {
        let expected = match request.kind {
            Some(MessageType::Discover) => MessageType::Offer,
            _ => MessageType::Ack,
        };
        assert_eq!(reply.kind, Some(expected), "{name}");
        assert_eq!((reply.xid, reply.chaddr, reply.flags), (request.xid, request.chaddr, request.flags), "{name}");
        assert_eq!(reply.ciaddr, Ipv4Addr::UNSPECIFIED, "{name}");
        if let Some(requested) = request.address_option(code::REQUESTED_ADDRESS) {
            assert_eq!(reply.yiaddr, requested, "{name}");
        }
        // RFC 1542 §2.1 and RFC 2131 §2: 300 bytes at least; with IP and UDP headers no more than the client takes.
        let max = request
            .option(code::MAX_MESSAGE_SIZE)
            .map_or(576, |size| usize::from(u16::from_be_bytes([size[0], size[1]])));
        assert!(bytes >= 300 && bytes + 28 <= max.min(1500), "{name}: {bytes} bytes");
        // Options 1 and 3 in OFFER and ACK alike, asked for or not: a Pi's REQUEST has no option 55 (rpi-eeprom#376).
        for number in [code::SERVER_ID, code::LEASE_TIME, code::SUBNET_MASK, code::ROUTERS] {
            assert!(reply.option(number).is_some(), "{name}: option {number}");
        }
        for number in [code::CLIENT_ID, code::CLIENT_UUID] {
            assert_eq!(reply.option(number), request.option(number), "{name}: option {number} is echoed");
        }
        // Old PXE ROMs stumble over options in `sname` and `file`.
        assert_eq!(reply.option(code::OVERLOAD), None, "{name}");
        let mut codes: Vec<u8> = reply.options.iter().map(|(code, _)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), reply.options.len(), "{name}: no option stands twice");
    }
}

#[test]
fn replies_go_where_the_client_listens() {
    for Exchange { name, request, reply, destination, .. } in exchanges() {
        let mac = request.mac().expect("all of them are on Ethernet");
        let expected = match request.broadcast() {
            true => Destination::Broadcast,
            false => Destination::Layer2 { mac, address: reply.yiaddr },
        };
        assert_eq!(destination, expected, "{name}");
    }
}

#[test]
fn a_pi_gets_its_menu_its_server_three_times_and_no_more_than_it_takes() {
    for firmware in [Firmware::RaspberryPi4, Firmware::RaspberryPi5] {
        for Exchange { name, reply, bytes, .. } in exchanges_of(firmware) {
            assert_eq!(reply.option(code::VENDOR_ENCAPSULATED), Some(PI_MENU), "{name}");
            assert_eq!(reply.option(code::VENDOR_CLASS), Some(&b"PXEClient"[..]), "{name}");
            assert_eq!(reply.option(code::TFTP_SERVER_NAME), Some(&b"192.168.151.1"[..]), "{name}: a dotted quad");
            assert_eq!((reply.siaddr, reply.file.as_str()), (SERVER, ""), "{name}");
            assert!(reply.option(code::CLIENT_UUID).is_some(), "{name}");
            assert!(bytes + 28 <= 576, "{name}: {bytes}");
        }
    }
}

#[test]
fn uefi_pxe_gets_its_file_without_being_sent_to_port_4011() {
    for (firmware, file) in [(Firmware::UefiX64, "snponly.efi"), (Firmware::UefiArm64, "grubaa64.efi")] {
        for Exchange { name, reply, .. } in exchanges_of(firmware) {
            assert_eq!(reply.option(code::VENDOR_CLASS), None, "{name}: PXEClient means port 4011");
            assert_eq!(reply.option(code::VENDOR_ENCAPSULATED), None, "{name}");
            assert_eq!((reply.file.as_str(), reply.siaddr), (file, SERVER), "{name}");
        }
    }
}

#[test]
fn uefi_http_boot_gets_its_class_and_a_url() {
    let table = [
        (Firmware::UefiHttpX64, "http://192.168.151.1/boot/ipxe.efi"),
        (Firmware::UefiHttpArm64, "http://192.168.151.1/boot/grubaa64.efi"),
    ];
    for (firmware, url) in table {
        for Exchange { name, reply, .. } in exchanges_of(firmware) {
            assert_eq!(reply.option(code::VENDOR_CLASS), Some(&b"HTTPClient"[..]), "{name}");
            assert_eq!(reply.file, url, "{name}");
        }
    }
}

#[test]
fn ipxe_gets_a_url_and_waits_for_no_proxy() {
    for Exchange { name, reply, .. } in exchanges_of(Firmware::Ipxe) {
        assert_eq!(reply.file, "http://192.168.151.1/boot/boot.ipxe", "{name}: never its own loader again");
        assert_eq!(reply.option(code::IPXE), Some(&[0xb0, 1, 1][..]), "{name}: no-pxedhcp");
        assert_eq!(reply.siaddr, SERVER, "{name}");
        assert_eq!(reply.option(code::VENDOR_CLASS), None, "{name}");
    }
}

#[test]
fn u_boot_gets_server_and_file() {
    for Exchange { name, reply, .. } in exchanges_of(Firmware::UBoot) {
        assert_eq!((reply.siaddr, reply.file.as_str()), (SERVER, "pxelinux.cfg/default"), "{name}");
    }
}

#[test]
fn the_init_stage_gets_an_address_and_nothing_to_boot() {
    for Exchange { name, reply, .. } in exchanges_of(Firmware::Plain) {
        assert_eq!((reply.siaddr, reply.file.as_str()), (Ipv4Addr::UNSPECIFIED, ""), "{name}");
        for number in
            [code::VENDOR_CLASS, code::VENDOR_ENCAPSULATED, code::TFTP_SERVER_NAME, code::BOOT_FILE, code::IPXE]
        {
            assert_eq!(reply.option(number), None, "{name}: option {number}");
        }
    }
}

/// A board keeps its address from the ROM over its boot loader to the installer, with and without a client identifier.
#[test]
fn a_machine_keeps_its_address_through_all_its_programs() {
    let mut by_capture: BTreeMap<String, Vec<Ipv4Addr>> = BTreeMap::new();
    for Exchange { name, request, reply, .. } in exchanges() {
        if request.kind == Some(MessageType::Request) {
            let capture = name.split(' ').next().expect("a name").to_owned();
            by_capture.entry(capture).or_default().push(reply.yiaddr);
        }
    }
    assert!(by_capture.len() >= 10, "{by_capture:?}");
    for (capture, addresses) in by_capture {
        assert!(addresses.iter().all(|address| *address == addresses[0]), "{capture}: {addresses:?}");
    }
    for Exchange { name, request, reply, .. } in exchanges() {
        // After the first ACK an OFFER is of the bound address, too.
        let later = request.kind == Some(MessageType::Discover) && Firmware::recognise(&request) == Firmware::Plain;
        assert!(!later || reply.yiaddr != Ipv4Addr::new(192, 168, 151, 60), "{name}: a second address was offered");
    }
}
