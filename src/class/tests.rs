//! Who belongs to which class.

use super::*;
use crate::lease::fixture::{Message, reservation};
use crate::wire::dhcp::MessageType::Discover;

fn class() -> Class {
    Class { name: "c".to_owned(), ..Class::default() }
}

#[test]
fn each_test_looks_at_its_own_option() {
    let plain = Message::new(Discover, 1);
    let guid = [&[0][..], b"RPi4", &[7; 12]].concat();
    let table: [(Class, Message); 8] = [
        (Class { firmware: vec![Firmware::UBoot], ..class() }, plain.clone().with(code::VENDOR_CLASS, "U-Boot.armv8")),
        (Class { arch: vec![9, 7], ..class() }, plain.clone().with(code::CLIENT_ARCH, [0, 0, 0, 7])),
        (Class { vendor_class: b"udhcp".to_vec(), ..class() }, plain.clone().with(code::VENDOR_CLASS, "udhcp 1.36")),
        (Class { user_class: b"iPXE".to_vec(), ..class() }, plain.clone().with(code::USER_CLASS, "iPXE")),
        (Class { user_class: b"two".to_vec(), ..class() }, plain.clone().with(code::USER_CLASS, b"\x03one\x04two2")),
        (Class { uuid: b"RPi".to_vec(), ..class() }, plain.clone().with(code::CLIENT_UUID, guid)),
        (Class { mac: vec![0xdc, 0xa6, 0x32], ..class() }, plain.clone().chaddr([0xdc, 0xa6, 0x32, 1, 2, 3])),
        (Class { option: Some((12, b"x".to_vec())), ..class() }, plain.clone().with(12, "x")),
    ];
    for (class, member) in &table {
        for (_, message) in &table {
            let request = message.request();
            let taken = class.takes(&request, Firmware::recognise(&request));
            assert_eq!(taken, message.bytes() == member.bytes(), "{class:?}");
        }
        assert!(!class.takes(&plain.request(), Firmware::Plain), "{class:?}");
    }
}

#[test]
fn every_test_of_a_class_must_pass() {
    let both = Class { vendor_class: b"A".to_vec(), mac: vec![0x52, 0x54], ..class() };
    let member = Message::new(Discover, 1).with(code::VENDOR_CLASS, "Abc");
    assert!(both.takes(&member.request(), Firmware::Plain));
    assert!(!both.takes(&member.clone().chaddr([2; 6]).request(), Firmware::Plain));
}

#[test]
fn reserved_and_bootp_clients_have_classes_of_their_own() {
    let tagged = Class { name: "vip".to_owned(), ..Class::default() };
    let mut fixed = reservation(1, None);
    fixed.classes = vec!["vip".to_owned()];
    let request = Message::new(Discover, 1).request();
    let found = |request: &Request, fixed| of(std::slice::from_ref(&tagged), request, Firmware::Plain, fixed);
    assert_eq!(found(&request, None), Vec::<String>::new(), "a class without a test takes nobody");
    assert_eq!(found(&request, Some(&fixed)), ["KNOWN", "vip"]);
    let bootp = Request { kind: None, ..request };
    assert_eq!(found(&bootp, None), ["BOOTP"]);
}
