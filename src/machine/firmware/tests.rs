//! Which firmware wrote which message: one row per client seen in the field or described by its vendor.

use super::*;
use crate::wire::dhcp::codec::fixture::{PI4_DISCOVER, PI4_REQUEST, option, request};

const DISCOVER: &str = "350101";
const PI4_GUID: &str = "00 52506934 3031c000 32ecfc3c da06ffe0";

/// A DISCOVER with these options.
fn discover(options: &[(u8, &[u8])]) -> String {
    options.iter().fold(DISCOVER.to_owned(), |text, (code, value)| text + &option(*code, value))
}

/// A DISCOVER with a vendor class and an option 97 in hex.
fn pxe_with_guid(class: &str, guid: &str) -> String {
    format!("{}6111{guid}", discover(&[(60, class.as_bytes()), (93, &[0, 0])]))
}

fn check(options: &str, expected: Firmware) {
    assert_eq!(Firmware::recognise(&request(options)), expected, "{options}");
}

#[test]
fn raspberry_pi_eeproms() {
    use Firmware::{RaspberryPi4, RaspberryPi5};
    check(PI4_DISCOVER, RaspberryPi4);
    check(PI4_REQUEST, RaspberryPi4);
    // November 2019: option 60 last (rpi-eeprom#58).
    let class = option(60, b"PXEClient:Arch:00000:UNDI:002001");
    check(&format!("350101 370101 5d020000 5e03010201 6111{PI4_GUID} {class} ff"), RaspberryPi4);
    // January 2020: a REQUEST without option 60 (rpi-eeprom#82).
    check(&format!("350103 3204c0a89740 3604c0a89701 6111{PI4_GUID} ff"), RaspberryPi4);

    let bios = "PXEClient:Arch:00000:UNDI:002001";
    let table = [
        // fourcc, board revision
        ("52506934", "1131a000", RaspberryPi4),
        ("34695052", "1131a000", RaspberryPi4),
        ("52506935", "7041d000", RaspberryPi5),
        ("35695052", "7041d000", RaspberryPi5),
        // A Pi 5, CM5 and Pi 500 before 2023-10-30 still said RPi4.
        ("52506934", "7041d000", RaspberryPi5),
        ("52506934", "8041d000", RaspberryPi5),
        ("52506934", "9041d000", RaspberryPi5),
        // CM4 and Pi 400.
        ("52506934", "4031a000", RaspberryPi4),
        ("52506934", "3031c000", RaspberryPi4),
    ];
    for (fourcc, revision, expected) in table {
        let guid = format!("00{fourcc}{revision}32ecfc3cda06ffe0");
        check(&pxe_with_guid(bios, &guid), expected);
        check(&format!("350103 6111{guid} ff"), expected);
    }
}

#[test]
fn what_a_pi_started_is_no_longer_the_pi() {
    let guid = format!("6111{PI4_GUID}");
    check(
        &format!("{}{guid}", discover(&[(60, b"PXEClient:Arch:00011:UNDI:003000"), (93, &[0, 11])])),
        Firmware::UefiArm64,
    );
    check(&format!("{}{guid}", discover(&[(60, b"PXEClient:Arch:00011:UNDI:003010"), (77, b"iPXE")])), Firmware::Ipxe);
    check(&format!("{}{guid}", discover(&[(60, b"U-Boot.armv8"), (93, &[0, 22])])), Firmware::UBoot);
    // rpiboot is the Pi's own loader again.
    check(&format!("{}{guid}", discover(&[(93, &[0, 41])])), Firmware::RaspberryPi4);
}

#[test]
fn raspberry_pi_3_roms() {
    let bios = "PXEClient:Arch:00000:UNDI:002001";
    check(&pxe_with_guid(bios, &format!("00{}", "44".repeat(16))), Firmware::RaspberryPi3);
    let repeated = request(&pxe_with_guid(bios, &format!("00{}", "f596868d".repeat(4))));
    let rom = Request { xid: 0x26f3_0339, ..repeated.clone() };
    assert_eq!(Firmware::recognise(&rom), Firmware::RaspberryPi3);
    // `DHCP_OPTION97=0` on a Pi 4 or 5; and no Pi 3 ROM ever sent a REQUEST.
    assert_eq!(Firmware::recognise(&repeated), Firmware::RaspberryPi4);
    let asking = Request { kind: Some(MessageType::Request), ..rom };
    assert_eq!(Firmware::recognise(&asking), Firmware::RaspberryPi4);
    // A zero GUID and an ordinary one are a PC's.
    check(&pxe_with_guid(bios, &"00".repeat(17)), Firmware::BiosPxe);
    check(&pxe_with_guid(bios, "000062616c000000408000525400fb000b"), Firmware::BiosPxe);
    // One repeated word elsewhere proves nothing.
    check(&pxe_with_guid("PXEClient:Arch:00007:UNDI:003000", &format!("00{}", "44".repeat(16))), Firmware::BiosPxe);
    check(&format!("350101 6111 00{}", "44".repeat(16)), Firmware::Plain);
}

/// `DHCP_OPTION97` of the EEPROM takes any word for the first one; the board revision, the MAC's tail and the serial follow
/// as ever.
#[test]
fn a_pi_with_a_first_word_of_its_own() {
    let bios = "PXEClient:Arch:00000:UNDI:002001";
    let mut chaddr = [0; 16];
    chaddr[..6].copy_from_slice(&[0xdc, 0xa6, 0x32, 0x01, 0x36, 0xc2]);
    let of = |revision: &str, tail: &str, class: &str| {
        let request = request(&pxe_with_guid(class, &format!("00 11223344 {revision} {tail} da06ffe0")));
        Firmware::recognise(&Request { chaddr, ..request })
    };
    assert_eq!(of("3031c000", "3201 36c2", bios), Firmware::RaspberryPi4);
    assert_eq!(of("7041d000", "3201 36c2", bios), Firmware::RaspberryPi5);
    assert_eq!(of("7041d000", "3201 36c3", bios), Firmware::BiosPxe, "not its own MAC");
    assert_eq!(of("7041d000", "3201 36c2", "PXEClient:Arch:00007:UNDI:003000"), Firmware::BiosPxe, "not its class");
}

#[test]
fn architectures_of_option_93() {
    use Firmware::*;
    let table: [(&[u8], Firmware); 19] = [
        (&[0, 0], BiosPxe),
        (&[0, 7], UefiX64),
        (&[0, 9], UefiX64),
        (&[0, 11], UefiArm64),
        (&[0, 16], UefiHttpX64),
        (&[0, 19], UefiHttpArm64),
        (&[0, 21], UBoot),
        (&[0, 22], UBoot),
        // Lists: the first that we know.
        (&[0, 6, 0, 7], UefiX64),
        (&[0, 7, 0, 0], UefiX64),
        (&[255, 255, 0, 16, 0, 7], UefiHttpX64),
        // An odd length: the last byte says nothing.
        (&[0, 11, 0], UefiArm64),
        (&[7], Unknown),
        (&[], Unknown),
        // Known to IANA, and we have no boot file for it.
        (&[0, 6], Unknown),
        (&[0, 10], Unknown),
        (&[0, 27], Unknown),
        (&[0, 41], Unknown),
        (&[7, 0], Unknown),
    ];
    for (list, expected) in table {
        check(&discover(&[(93, list)]), expected);
    }
}

#[test]
fn the_vendor_class_speaks_where_option_93_is_missing() {
    use Firmware::*;
    let table: [(&[u8], Firmware); 14] = [
        (b"PXEClient:Arch:00000:UNDI:002001", BiosPxe),
        (b"PXEClient:Arch:00007:UNDI:003000", UefiX64),
        (b"PXEClient:Arch:00011:UNDI:003000", UefiArm64),
        (b"HTTPClient:Arch:00016:UNDI:003000", UefiHttpX64),
        (b"HTTPClient:Arch:00019:UNDI:003000", UefiHttpArm64),
        (b"PXEClient:Arch:00011", UefiArm64),
        (b"PXEClient", Unknown),
        (b"PXEClient:Arch:99999:UNDI:003000", Unknown),
        (b"PXEClient:Arch:\xff\xfe", Unknown),
        (b"U-Boot.armv8", UBoot),
        (b"U-Boot", UBoot),
        (b"udhcp 1.35.0", Plain),
        (b"MSFT 5.0", Plain),
        (b"", Plain),
    ];
    for (class, expected) in table {
        check(&discover(&[(60, class)]), expected);
    }
}

#[test]
fn ipxe_by_either_mark() {
    let bios: (u8, &[u8]) = (60, b"PXEClient:Arch:00000:UNDI:002001");
    check(&discover(&[bios, (93, &[0, 0]), (77, b"iPXE")]), Firmware::Ipxe);
    // With the length bytes of RFC 3004, and among others.
    check(&discover(&[bios, (77, b"\x04iPXE")]), Firmware::Ipxe);
    check(&discover(&[bios, (77, b"\x03lab\x04iPXE")]), Firmware::Ipxe);
    // FlexBoot: option 175 alone.
    check(&discover(&[bios, (93, &[0, 0]), (175, &[0xb1, 5, 1])]), Firmware::Ipxe);
    check(&discover(&[bios, (93, &[0, 7]), (175, &[])]), Firmware::Ipxe);
    check(&discover(&[bios, (93, &[0, 0]), (77, b"ipxe-like")]), Firmware::BiosPxe);
}

#[test]
fn option_97_of_odd_form_changes_nothing() {
    for guid in [&[][..], &[0], &[0; 17], &[1; 17], b"\x00RPi4", b"\x01RPi4............"] {
        check(&discover(&[(60, b"PXEClient:Arch:00007:UNDI:003000"), (93, &[0, 7]), (97, guid)]), Firmware::UefiX64);
        check(&discover(&[(97, guid)]), Firmware::Plain);
    }
}

#[test]
fn a_bare_discover_only_wants_an_address() {
    // GRUB's net_dhcp sends option 53 and nothing else.
    check("350101ff", Firmware::Plain);
    check("", Firmware::Plain);
}

#[test]
fn names_read_back() {
    for firmware in Firmware::ALL {
        assert_eq!(Firmware::parse(firmware.name()), Some(firmware));
        assert_eq!(firmware.to_string(), firmware.name());
        assert!(!firmware.is_raspberry_pi() || firmware.netboots());
    }
    assert_eq!(Firmware::parse("raspberry-pi"), None);
}
