//! Against the bytes of real clients: `captures/c-uefi-pxe-ipxe` (QEMU), and the hex dumps of a Pi 4B in the field.

use super::*;
use crate::ids::hex;
use crate::net::Mac;

const PC: Mac = Mac([0x52, 0x54, 0x00, 0xfb, 0x00, 0x0c]);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 151, 1);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 151, 195);

/// The options as the speaker writes them, in hex, and the whole length.
fn written(speaker: Speaker, mac: Mac, serial: &str, kind: MessageType, board: Kind) -> (String, usize) {
    let identity = Identity { mac, serial: serial.into(), uuid: None };
    let taken = Taken { address: ADDRESS, server: Some(SERVER), siaddr: SERVER };
    let taken = (kind == MessageType::Request).then_some(taken);
    let fields = Fields { kind, xid: 0x335c_1176, secs: 0, ciaddr: Ipv4Addr::UNSPECIFIED, taken };
    let bytes = write(speaker, &identity, board, &fields);
    let end = bytes.iter().rposition(|byte| *byte == END).expect("every message has an END");
    (hex(&bytes[240..=end]), bytes.len())
}

fn check(speaker: Speaker, kind: MessageType, length: usize, options: &str) {
    let board = if speaker == Speaker::Eeprom { Kind::Pi4 } else { Kind::UefiX64 };
    assert_eq!(written(speaker, PC, "PC-1", kind, board), (options.to_owned(), length), "{speaker:?} {kind:?}");
}

#[test]
fn uefi_discover_is_the_captured_one() {
    check(
        Speaker::Uefi(ARCH_X64),
        MessageType::Discover,
        347,
        "350101390205c037230102030405060c0d0f111216171c28292a2b3233363a3b3c424361808182838485868761110000\
         62616c000000408000525400fb000c5e030103005d0200073c20505845436c69656e743a417263683a30303030373a55\
         4e44493a303033303030ff",
    );
}

#[test]
fn uefi_request_is_the_captured_one() {
    check(
        Speaker::Uefi(ARCH_X64),
        MessageType::Request,
        359,
        "3501033604c0a897013204c0a897c33902ff0037230102030405060c0d0f111216171c28292a2b3233363a3b3c424361\
         80818283848586876111000062616c000000408000525400fb000c5e030103005d0200073c20505845436c69656e743a\
         417263683a30303030373a554e44493a303033303030ff",
    );
}

#[test]
fn ipxe_discover_is_the_captured_one() {
    check(
        Speaker::Ipxe(ARCH_X64),
        MessageType::Discover,
        388,
        "350101390205c05d0200075e0301030a3c20505845436c69656e743a417263683a30303030373a554e44493a30303330\
         31304d04695058453717010306070c0f111a2b3c4243778081828384858687afcbaf24b105011af41000eb0301000017\
         01012401011301011101012701012901011501011201013d0701525400fb000c6111000062616c000000408000525400\
         fb000cff",
    );
}

#[test]
fn ipxe_request_is_the_captured_one() {
    check(
        Speaker::Ipxe(ARCH_X64),
        MessageType::Request,
        400,
        "350103390205c05d0200075e0301030a3c20505845436c69656e743a417263683a30303030373a554e44493a30303330\
         31304d04695058453717010306070c0f111a2b3c4243778081828384858687afcbaf24b105011af41000eb0301000017\
         01012401011301011101012701012901011501011201013d0701525400fb000c6111000062616c000000408000525400\
         fb000c3604c0a897013204c0a897c3ff",
    );
}

#[test]
fn udhcpc_discover_is_the_captured_one() {
    check(
        Speaker::Udhcpc,
        MessageType::Discover,
        300,
        "3501013902024037070103060c0f1c2a3c0c756468637020312e33352e303d0701525400fb000cff",
    );
}

#[test]
fn udhcpc_request_is_the_captured_one() {
    check(
        Speaker::Udhcpc,
        MessageType::Request,
        300,
        "3501033204c0a897c33604c0a897013902024037070103060c0f1c2a3c0c756468637020312e33352e303d0701525400\
         fb000cff",
    );
}

/// `captures/g-arm64-uefi-http`: the bare DISCOVER of `net_dhcp`.
#[test]
fn grub_messages_are_the_captured_ones() {
    check(Speaker::Grub, MessageType::Discover, 300, "350101ff");
    check(Speaker::Grub, MessageType::Request, 300, "3501033604c0a897013204c0a897c337080103060f0c11123cff");
}

#[test]
fn a_whole_uefi_discover_is_the_captured_one() {
    let identity = Identity { mac: PC, serial: "PC-1".into(), uuid: None };
    let ciaddr = Ipv4Addr::UNSPECIFIED;
    let fields = Fields { kind: MessageType::Discover, xid: 0x335c_1176, secs: 0, ciaddr, taken: None };
    let header = hex(&write(Speaker::Uefi(ARCH_X64), &identity, Kind::UefiX64, &fields)[..34]);
    assert_eq!(header, "01010600335c11760000800000000000000000000000000000000000525400fb000c");
}

/// The Pi 4B of the field dump: MAC dc:a6:32:ec:fc:3c, serial …e0ff06da.
#[test]
fn a_pi_4_discover_is_the_one_of_the_field() {
    let mac = Mac([0xdc, 0xa6, 0x32, 0xec, 0xfc, 0x3c]);
    let (options, length) = written(Speaker::Eeprom, mac, "10000000e0ff06da", MessageType::Discover, Kind::Pi4);
    let expected = concat!(
        "350101",
        "370e01032b3c42438081828384858687",
        "3c20505845436c69656e743a417263683a30303030303a554e44493a303032303031",
        "5d020000",
        "5e03010201",
        "61110052506934",
        "3031c000",
        "32ecfc3c",
        "da06ffe0",
        "ff"
    );
    assert_eq!((options.as_str(), length), (expected, 322));
}

#[test]
fn a_pi_request_copies_siaddr_and_says_no_architecture() {
    let mac = Mac([0xdc, 0xa6, 0x32, 0xec, 0xfc, 0x3c]);
    let (options, _) = written(Speaker::Eeprom, mac, "10000000e0ff06da", MessageType::Request, Kind::Pi4);
    let class = "3c20505845436c69656e743a417263683a30303030303a554e44493a303032303031";
    let guid = "611100525069343031c00032ecfc3cda06ffe0";
    assert_eq!(options, format!("3501033204c0a897c33604c0a89701{class}{guid}ff"));
    let identity = Identity { mac, serial: "10000000e0ff06da".into(), uuid: None };
    let taken = Some(Taken { address: ADDRESS, server: Some(SERVER), siaddr: SERVER });
    let fields = Fields { kind: MessageType::Request, xid: 1, secs: 0, ciaddr: Ipv4Addr::UNSPECIFIED, taken };
    let bytes = write(Speaker::Eeprom, &identity, Kind::Pi4, &fields);
    assert_eq!(bytes[20..24], SERVER.octets(), "siaddr");
}

const PI_CLASS_HEX: &str = "3c20505845436c69656e743a417263683a30303030303a554e44493a303032303031";

#[test]
fn an_early_eeprom_says_its_class_last_in_the_discover_and_not_at_all_in_the_request() {
    let mac = Mac([0xdc, 0xa6, 0x32, 0xec, 0xfc, 0x3c]);
    let of = |kind| written(Speaker::Eeprom, mac, "10000000e0ff06da", kind, Kind::Pi4Early).0;
    let guid = "611100525069343031c00032ecfc3cda06ffe0";
    let discover = of(MessageType::Discover);
    assert!(discover.ends_with(&format!("5d0200005e03010201{guid}{PI_CLASS_HEX}ff")), "{discover}");
    assert_eq!(of(MessageType::Request), format!("3501033204c0a897c33604c0a89701{guid}ff"));
}

#[test]
fn a_pi_3_rom_has_a_guid_of_one_byte_repeated_and_asks_for_neither_mask_nor_router() {
    let (discover, _) = written(Speaker::PiRom, PC, "0000000012345678", MessageType::Discover, Kind::Pi3);
    let guid = "44".repeat(16);
    let asks_for = "370c2b3c42438081828384858687";
    assert_eq!(discover, format!("350101{asks_for}5d0200005e03010201{PI_CLASS_HEX}611100{guid}ff"));
}

#[test]
fn flexboot_is_an_ipxe_that_does_not_say_so() {
    let of = |board| written(Speaker::Ipxe(ARCH_BIOS), PC, "PC-1", MessageType::Discover, board).0;
    let user_class = "4d0469505845";
    assert!(of(Kind::BiosIpxe).contains(user_class) && !of(Kind::FlexBoot).contains(user_class));
    assert!(of(Kind::FlexBoot).contains("af30b10501"), "it has the encapsulated options of iPXE all the same");
}

#[test]
fn x64_may_stand_second_in_the_list_and_as_9() {
    let (discover, _) = written(Speaker::Uefi(ARCH_X64_AS_9), PC, "PC-1", MessageType::Discover, Kind::UefiX64As9);
    assert!(discover.contains("5d0400060009"), "{discover}");
}

#[test]
fn who_asks_for_the_address_it_had_names_no_server() {
    let identity = Identity { mac: PC, serial: "PC-1".into(), uuid: None };
    let taken = Some(Taken { address: ADDRESS, server: None, siaddr: Ipv4Addr::UNSPECIFIED });
    let fields = Fields { kind: MessageType::Request, xid: 1, secs: 0, ciaddr: Ipv4Addr::UNSPECIFIED, taken };
    let bytes = write(Speaker::Dhclient, &identity, Kind::RememberingLinux, &fields);
    assert_eq!(hex(&bytes[240..252]), "3501033204c0a897c3370d01");
}
