//! Rules beyond RFC 2131 that relays and firmwares of the field hold a server to; each names who does.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::bench::*;
use hatchery::net::Destination;

const POOL_9: &str = r#"pool = ["192.168.50.1-192.168.50.9"]"#;

/// Option 82 with one sub-option.
fn agent(number: u8, value: &[u8]) -> Opt {
    opt(code::RELAY_AGENT, [&[number, u8::try_from(value.len()).expect("a short value")], value].concat())
}

/// What a PXE ROM of that architecture says of itself.
fn pxe(arch: u8) -> [Opt; 2] {
    [opt(code::VENDOR_CLASS, format!("PXEClient:Arch:000{arch:02}:UNDI:003016")), opt(code::CLIENT_ARCH, [0, arch])]
}

/// The DISCOVER of a Pi 4 EEPROM (rpi-eeprom capture): architecture 0, as an x86 BIOS.
fn pi4() -> [Opt; 4] {
    let guid = b"\0RPi4\x30\x31\xc0\0\x32\xec\xfc\x3c\xda\x06\xff\xe0";
    let list = prl(&[1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135]);
    let [class, arch] = pxe(0);
    [list, class, arch, opt(code::CLIENT_UUID, guid)]
}

/// RFC 8357 §5.2: a relay with sub-option 19 is answered at the port it asked from, and its option comes back.
#[test]
fn rfc_8357_a_relay_with_a_port_of_its_own() {
    let mut bench = Bench::relayed(POOL_1);
    bench.port = 40_000;
    let option = agent(19, &[]);
    let (offer, to) = bench.discover(std::slice::from_ref(&option)).offers_to(at(1));
    assert_eq!(to, Destination::Unicast(SocketAddrV4::new(GI, 40_000)));
    assert_eq!(offer.relay_agent, Some(option.1));
    assert_eq!(bench.discover(&[]).offers_to(at(1)).1, Destination::Relay(GI), "without it: port 67");
}

/// RFC 5010 §4: a unicast REQUEST through a relay is RENEWING, so it is meant for us: we may say no though another
/// server works on the network.
#[test]
fn rfc_5010_a_relayed_renewal_is_told_from_rebinding() {
    let mut bench = Bench::relayed("pool = [\"192.168.50.1\"]\nauthoritative = false");
    bench.ciaddr = Ipv4Addr::new(10, 9, 8, 7);
    bench.request(&[]).silent();
    bench.request(&[agent(10, &[0])]).silent();
    bench.request(&[agent(10, &[0x80])]).naks();
}

/// RFC 3011 §2: the subnet of option 118 is the client's, and the option comes back unasked.
#[test]
fn rfc_3011_subnet_selection_is_echoed() {
    let mut bench = Bench::direct(
        "pool = []\n[[network]]\nrelayed = true\nname = \"far\"\nsubnet = \"10.2.0.0/24\"\npool = [\"10.2.0.10\"]",
    );
    let selection = opt(code::SUBNET_SELECTION, [10, 2, 0, 0]);
    let offer = bench.discover(std::slice::from_ref(&selection)).offers(Ipv4Addr::new(10, 2, 0, 10));
    assert_eq!(offer.option(code::SUBNET_SELECTION), Some(&selection.1[..]));
}

/// RFC 951 §7.3: a BOOTP client that names its server means that one; we are known by our addresses.
#[test]
fn rfc_951_sname_of_another_server() {
    let mut bench = Bench::direct("pool = [\"192.168.50.1\"]\nbootp = true");
    bench.sname = "elsewhere";
    bench.bootp(&[]).silent();
    bench.discover(&[]).offers(at(1));
    bench.sname = "192.168.50.252";
    bench.bootp(&[]).bootp_replies(at(1));
}

/// RFC 3397, RFC 3442: search list and routes as configured, to who asks.
#[test]
fn rfc_3397_and_3442_options() {
    let mut bench = Bench::direct(
        "pool = [\"192.168.50.1\"]\n[network.options]\n\
         119 = { type = \"domains\", value = [\"eng.apple.com\", \"marketing.apple.com\"] }\n\
         121 = { type = \"routes\", value = [\"10.0.0.0/8 via 192.168.50.9\", \"0.0.0.0/0 via 192.168.50.8\"] }",
    );
    let offer = bench.discover(&[prl(&[119, 121])]).offers(at(1));
    assert_eq!(offer.option(119), Some(&b"\x03eng\x05apple\x03com\0\x09marketing\xc0\x04"[..]));
    assert_eq!(offer.option(121), Some(&[8, 10, 192, 168, 50, 9, 0, 192, 168, 50, 8][..]));
}

/// RFC 3396 §4: what is over 255 bytes goes out in pieces that mean one option.
#[test]
fn rfc_3396_long_lists_are_split() {
    let routes: Vec<String> = (0..40).map(|n| format!("\"10.{n}.0.0/16 via 192.168.50.9\"")).collect();
    let mut bench = Bench::direct(&format!(
        "pool = [\"192.168.50.1\"]\n[network.options]\n121 = {{ type = \"routes\", value = [{}] }}",
        routes.join(", ")
    ));
    let offer = bench.discover(&[prl(&[121]), opt(code::MAX_MESSAGE_SIZE, [5, 220])]).offers(at(1));
    assert_eq!(offer.option(121).map(<[u8]>::len), Some(40 * 7));
}

/// pyke369/pdhcp#3, tinkerbell/smee#382, systemd#2743: a relayed reply keeps the broadcast flag, and goes to port 67 of
/// giaddr all the same (every reply of these tests is checked for both).
#[test]
fn relayed_replies_keep_their_flag() {
    let mut bench = Bench::relayed(POOL_1);
    bench.flags = 0x8000;
    let (offer, to) = bench.discover(&pxe(7)).offers_to(at(1));
    assert_eq!((offer.flags, to), (0x8000, Destination::Relay(GI)));
    assert_eq!(bench.request(&[srv(), want(at(1))]).acks(at(1)).flags, 0x8000);
}

/// RFC 4578 §2.1 as printed and its erratum; lists; what we know no file for: `uefi` 7 and 9, the first known of a list.
#[test]
fn rfc_4578_architectures() {
    let table: [(&[u8], &str); 8] = [
        (&[0, 0], "bios.0"),
        (&[0, 7], "x64.efi"),
        (&[0, 9], "x64.efi"),
        (&[0, 11], "arm64.efi"),
        (&[0, 6, 0, 7], "x64.efi"),
        // IA32 and ARM32 UEFI, RISC-V: no file of ours, and an address all the same.
        (&[0, 6], ""),
        (&[0, 10], ""),
        (&[0, 27], ""),
    ];
    let profile = "[[profile]]\nname = \"pc\"\nfirmware = [\"bios\", \"uefi-x64\", \"uefi-arm64\"]\n\
                   boot_files = { bios = \"bios.0\", uefi-x64 = \"x64.efi\", uefi-arm64 = \"arm64.efi\" }";
    for (architectures, file) in table {
        let mut bench = Bench::direct(&format!("{POOL_1}\n{profile}"));
        let class = opt(code::VENDOR_CLASS, "PXEClient");
        let offer = bench.discover(&[class, opt(code::CLIENT_ARCH, architectures)]).offers(at(1));
        assert_eq!(offer.file, file, "{architectures:?}");
        assert_eq!(offer.siaddr, if file.is_empty() { NONE } else { SRV });
    }
}

/// xcat2/xcat-core#7743: UEFI HTTP boot takes no OFFER without class HTTPClient and a URL, also where a reservation
/// chooses the profile.
#[test]
fn uefi_http_boot_behind_a_reservation() {
    let mut bench = Bench::of(&config(&format!(
        "{POOL_9}\n[[network.reservation]]\nmac = \"52:54:00:fb:00:01\"\nprofile = \"own\"\n\
         [[profile]]\nname = \"own\"\nfirmware = []\nboot_file = \"own.efi\""
    )));
    let asks = [opt(code::VENDOR_CLASS, "HTTPClient:Arch:00016:UNDI:003001"), opt(code::CLIENT_ARCH, [0, 16])];
    let offer = bench.discover(&asks).offers(at(1));
    assert_eq!(offer.option(code::VENDOR_CLASS), Some(&b"HTTPClient"[..]));
    assert_eq!(offer.file, "http://192.168.50.252/boot/own.efi");
}

/// danderson/pixiecore#21: option 97 may be missing or zero; it comes back as it is, and identifies nobody.
#[test]
fn option_97_may_be_missing_or_zero() {
    let mut bench = Bench::direct(POOL_9);
    let zero = opt(code::CLIENT_UUID, [0; 17]);
    for (client, uuid) in [(1, None), (2, Some(&zero)), (3, Some(&zero))] {
        let options: Vec<Opt> = pxe(0).into_iter().chain(uuid.cloned()).collect();
        bench.client(client).lease(client, &options);
        let offer = bench.discover(&options).offers(at(client));
        assert_eq!(offer.option(code::CLIENT_UUID), uuid.map(|(_, value)| &value[..]));
    }
}

/// rpi-eeprom#58, #60, #182, #376: a Pi behind a relay gets its menu with one entry, options 1 and 3 in OFFER and ACK,
/// and is no BIOS, whatever option 93 says. Its REQUEST has neither 55 nor 93, that of an early EEPROM not even 60
/// (rpi-eeprom#82).
#[test]
fn a_pi_behind_a_relay() {
    let mut bench = Bench::relayed(POOL_1);
    let offer = bench.discover(&pi4()).offers(at(1));
    let [_, class, _, uuid] = pi4();
    let ack = bench.request(&[want(at(1)), srv(), class, uuid.clone()]).acks(at(1));
    let early = bench.request(&[want(at(1)), srv(), uuid]).acks(at(1));
    for reply in [offer, ack, early] {
        let menu = b"\x06\x01\x03\x0a\x04\0PXE\x09\x14\0\0\x11Raspberry Pi Boot\xff";
        assert_eq!(reply.option(code::VENDOR_ENCAPSULATED), Some(&menu[..]));
        assert_eq!(reply.option(code::TFTP_SERVER_NAME), Some(&b"192.168.50.252"[..]));
        assert_eq!((reply.siaddr, reply.file.as_str()), (SRV, ""));
        assert!(reply.option(code::SUBNET_MASK).is_some() && reply.option(code::ROUTERS).is_some());
    }
}

/// tianocore/edk2#8149, PxeBcDhcp4.c: class PXEClient in the OFFER would send UEFI to port 4011 for its file.
#[test]
fn uefi_is_not_sent_to_port_4011() {
    let offer = Bench::direct(POOL_1).discover(&pxe(7)).offers(at(1));
    for number in [code::VENDOR_CLASS, code::VENDOR_ENCAPSULATED, code::OVERLOAD] {
        assert_eq!(offer.option(number), None, "option {number}");
    }
}

/// RFC 2132 §9.10, RFC 2131 §2: a reply is never larger than the client takes, whatever was configured.
#[test]
fn option_57_is_never_exceeded() {
    let text = "x".repeat(250);
    let mut bench = Bench::direct(&format!(
        "pool = [\"192.168.50.1\"]\n[network.options]\n17 = {{ type = \"text\", value = \"{text}\", always = true }}\n\
         18 = {{ type = \"text\", value = \"{text}\", always = true }}"
    ));
    let small = bench.discover(&[]).offers(at(1));
    assert_eq!((small.option(17).is_some(), small.option(18).is_some()), (true, false));
    let large = bench.discover(&[opt(code::MAX_MESSAGE_SIZE, [5, 220])]).offers(at(1));
    assert!(large.option(17).is_some() && large.option(18).is_some());
}
