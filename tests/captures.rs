//! What hatchery understands of the packets that real clients sent.
//!
//! Beside each `tests/captures/*.pcap` stands a `.txt` with one line per DHCP packet; a difference fails the test and
//! is printed. `UPDATE_GOLDEN=1` writes the lines anew and keeps the remarks (`#`) at the top of the file.
#![allow(clippy::disallowed_methods, reason = "a test reads its fixtures and its switch")]

#[path = "common/mutate.rs"]
mod mutate;
#[path = "common/pcap.rs"]
mod pcap;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hatchery::ids::hex;
use hatchery::machine::Evidence;
use hatchery::machine::firmware::Firmware;
use hatchery::net::Mac;
use hatchery::sim::client::{Client, Identity, Input, Kind, Options, Output};
use hatchery::time::Instant;
use hatchery::wire::dhcp::{MessageType, Reply, Request, code, codec};
use mutate::mutate;
use pcap::UdpPacket;

/// Every capture and who speaks in it, each program once per DHCP round.
const CAPTURES: [(&str, &[Firmware]); 11] = {
    use Firmware::*;
    [
        ("a-bios-ipxe-http", &[Ipxe, Plain]),
        ("b-bios-pxelinux-tftp", &[Ipxe, Plain]),
        ("c-uefi-pxe-ipxe", &[UefiX64, Ipxe, Plain]),
        ("c2-uefi-pxe-grub", &[UefiX64, Plain]),
        ("d-uefi-http", &[UefiHttpX64, Ipxe, Plain]),
        ("e-arm64-uefi-pxe-grub", &[UefiArm64, Plain]),
        ("f-arm64-uboot-efi", &[UBoot, UefiArm64, Plain]),
        ("f2-arm64-uboot-pxe", &[UBoot, Plain]),
        // Firmware, GRUB's bare net_dhcp, the installer's udhcpc.
        ("g-arm64-uefi-http", &[UefiHttpArm64, Plain]),
        ("pi4-eeprom", &[RaspberryPi4]),
        ("pi5-eeprom-inferred", &[RaspberryPi5]),
    ]
};

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

/// The client's DHCP packets of a capture.
fn dhcp_packets(name: &str) -> Vec<UdpPacket> {
    let mut packets = pcap::udp_packets(&captures().join(name).with_extension("pcap"));
    packets.retain(|packet| packet.dst.port() == 67);
    assert!(!packets.is_empty(), "{name}: no DHCP packet");
    packets
}

fn decoded(name: &str, packet: &UdpPacket) -> Request {
    codec::decode(&packet.payload).unwrap_or_else(|refusal| panic!("{name} at {:?}: {refusal}", packet.time))
}

/// One line: when, what, and every field that changes an answer. Absent fields are left out.
fn line(packet: &UdpPacket, request: &Request) -> String {
    let evidence = Evidence::from_dhcp(request);
    let kind = request.kind.map_or("BOOTP", |kind| kind.name());
    let mut line = format!("{:.3} {kind} xid={:08x}", packet.time.as_secs_f64(), request.xid);
    let mut field = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            write!(line, " {name}={value}").expect("a String takes what it is given");
        }
    };
    field("mac", evidence.mac.map(|mac| mac.to_string()));
    field("firmware", evidence.firmware.map(|firmware| firmware.to_string()));
    field("serial", evidence.serial.map(|serial| serial.to_string()));
    field("uuid", evidence.uuid.map(|uuid| uuid.to_string()));
    field("class", request.text_option(code::VENDOR_CLASS).map(|class| format!("{class:?}")));
    field("arch", request.option(code::CLIENT_ARCH).map(hex));
    field("ndi", request.option(code::CLIENT_NDI).map(hex));
    field("user-class", request.text_option(code::USER_CLASS).map(|class| format!("{class:?}")));
    field("ipxe", request.option(code::IPXE).map(|features| format!("{} bytes", features.len())));
    field("client-id", request.option(code::CLIENT_ID).map(hex));
    field("host-name", request.text_option(code::HOST_NAME).map(|name| format!("{name:?}")));
    field("requested", request.address_option(code::REQUESTED_ADDRESS).map(|address| address.to_string()));
    field("server", request.address_option(code::SERVER_ID).map(|address| address.to_string()));
    field("siaddr", Some(request.siaddr.to_string()).filter(|_| !request.siaddr.is_unspecified()));
    field("file", Some(String::from_utf8_lossy(&request.file).into_owned()).filter(|file| !file.is_empty()));
    field("flags", request.broadcast().then(|| "broadcast".to_owned()));
    let max = request.option(code::MAX_MESSAGE_SIZE).and_then(|value| value.try_into().ok());
    field("max", max.map(|size| u16::from_be_bytes(size).to_string()));
    field("asks", request.option(code::PARAMETER_REQUEST_LIST).map(numbers));
    field("options", Some(numbers(&request.options.keys().copied().collect::<Vec<_>>())));
    line
}

fn numbers(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
}

/// The lines that differ, `-` expected and `+` found; empty if none does.
fn difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let mut text = String::new();
    for index in 0..expected.len().max(found.len()) {
        let (old, new) = (expected.get(index), found.get(index));
        if old != new {
            text.extend(old.map(|line| format!("-{line}\n")));
            text.extend(new.map(|line| format!("+{line}\n")));
        }
    }
    text
}

#[test]
fn packets_are_understood_as_their_text_says() {
    let update = std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1");
    let mut differences = String::new();
    for (name, _) in CAPTURES {
        let path = captures().join(name).with_extension("txt");
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        let (remarks, expected): (Vec<_>, Vec<_>) = golden.lines().partition(|line| line.starts_with('#'));
        let packets = dhcp_packets(name);
        let found: Vec<String> = packets.iter().map(|packet| line(packet, &decoded(name, packet))).collect();
        if update {
            let lines = remarks.into_iter().chain(found.iter().map(String::as_str));
            let text: String = lines.map(|line| format!("{line}\n")).collect();
            std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            continue;
        }
        let difference = difference(&expected.join("\n"), &found.join("\n"));
        if !difference.is_empty() {
            writeln!(differences, "{}:\n{difference}", path.display()).expect("a String takes what it is given");
        }
    }
    assert!(differences.is_empty(), "{differences}UPDATE_GOLDEN=1 accepts what was found");
}

#[test]
fn every_program_is_recognised() {
    for (name, expected) in CAPTURES {
        let packets = dhcp_packets(name);
        let mut found: Vec<Firmware> =
            packets.iter().map(|packet| Firmware::recognise(&decoded(name, packet))).collect();
        found.dedup();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn every_capture_is_listed() {
    let listed: Vec<&str> = CAPTURES.iter().map(|(name, _)| *name).collect();
    for entry in std::fs::read_dir(captures()).expect("the fixtures are there") {
        let path = entry.expect("the fixtures are there").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("fixtures have plain names");
        assert!(listed.contains(&name), "{} is tested by nothing", path.display());
    }
}

#[test]
fn mutated_packets_never_panic_and_many_get_through() {
    let packets: Vec<Vec<u8>> =
        CAPTURES.iter().flat_map(|(name, _)| dhcp_packets(name)).map(|packet| packet.payload).collect();
    let mut rng = fastrand::Rng::with_seed(0x6e65_7374);
    let (mut understood, mut refused) = (0_u32, 0_u32);
    for _ in 0..100_000 {
        let mut bytes = packets[rng.usize(..packets.len())].clone();
        mutate(&mut bytes, &mut rng);
        match codec::decode(&bytes) {
            Ok(request) => {
                Evidence::from_dhcp(&request);
                understood += 1;
            }
            Err(_) => refused += 1,
        }
        let _ = codec::decode_reply(&bytes);
    }
    assert!(understood > 30_000 && refused > 10_000, "{understood} understood, {refused} refused");
}

/// The simulated client of a capture writes its first DISCOVER and REQUEST to the byte: xid, `secs` and padding apart.
#[test]
fn simulated_clients_write_what_was_captured() {
    let clients = [
        ("a-bios-ipxe-http", Kind::BiosIpxe),
        ("c-uefi-pxe-ipxe", Kind::UefiX64),
        ("d-uefi-http", Kind::UefiHttpX64),
        ("e-arm64-uefi-pxe-grub", Kind::UefiArm64),
        ("f-arm64-uboot-efi", Kind::UBootEfi),
        ("f2-arm64-uboot-pxe", Kind::UBoot),
        ("g-arm64-uefi-http", Kind::UefiHttpArm64),
    ];
    for (name, kind) in clients {
        let packets = dhcp_packets(name);
        let of_kind = |kind| packets.iter().find(|packet| packet.payload[242] == kind).map(|packet| &packet.payload);
        let (discover, request) = (of_kind(1).expect("a DISCOVER"), of_kind(3).expect("a REQUEST"));
        let mac = Mac(discover[28..34].try_into().expect("six bytes"));
        let options =
            Options { uefi_offer_wait: Duration::ZERO, ipxe_proxy_wait: Duration::ZERO, ..Options::default() };
        let mut client = Client::new(kind, Identity { mac, serial: "PC".into(), uuid: None }, 1, options);
        let mut said = |input| {
            let mut now = Instant::START;
            let mut outputs = client.handle(input, now);
            while !outputs.iter().any(|output| matches!(output, Output::SendDhcp { .. })) {
                now = client.next_deadline().expect("it waits for something");
                outputs.extend(client.handle(Input::Timer, now));
            }
            let sent = |output| if let Output::SendDhcp { bytes, .. } = output { Some(bytes) } else { None };
            outputs.into_iter().find_map(sent).expect("it was seen above")
        };
        let first = said(Input::PowerOn);
        assert_eq!(comparable(&first), comparable(discover), "{name}: DISCOVER");
        let offer = offer(&first, &codec::decode(request).expect("it was decoded above"));
        assert_eq!(comparable(&said(Input::Dhcp(offer))), comparable(request), "{name}: REQUEST");
    }
}

/// The OFFER to `discover` that `request` takes, with all that any client insists on.
fn offer(discover: &[u8], request: &Request) -> Vec<u8> {
    let discover = codec::decode(discover).expect("a client's message");
    let address = |option| request.address_option(option).expect("a REQUEST names server and address");
    let server = address(code::SERVER_ID);
    let http = discover.text_option(code::VENDOR_CLASS).filter(|class| class.starts_with("HTTPClient"));
    let mut options = vec![(code::SERVER_ID, server.octets().to_vec()), (code::LEASE_TIME, vec![0, 0, 2, 88])];
    options.extend(http.is_some().then(|| (code::VENDOR_CLASS, b"HTTPClient".to_vec())));
    let reply = Reply {
        kind: Some(MessageType::Offer),
        xid: discover.xid,
        flags: discover.flags,
        hops: 0,
        htype: discover.htype,
        hlen: discover.hlen,
        chaddr: discover.chaddr,
        ciaddr: discover.ciaddr,
        yiaddr: address(code::REQUESTED_ADDRESS),
        siaddr: server,
        giaddr: discover.giaddr,
        sname: String::new(),
        file: "http://192.168.151.1/boot".into(),
        options,
        relay_agent: None,
        max_size: 576,
    };
    codec::encode(&reply).to_vec()
}

/// A message in hex, without what differs from run to run.
fn comparable(message: &[u8]) -> String {
    let mut message = message.to_vec();
    message[4..10].fill(0);
    let end = message.iter().rposition(|byte| *byte != 0).expect("every message has an END");
    hex(&message[..=end])
}
