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

use hatchery::machine::Evidence;
use hatchery::machine::firmware::Firmware;
use hatchery::wire::dhcp::{Request, code, codec};
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
