//! What a proxy says to each kind of client, option by option, and what it learns from theirs.

use super::*;
use crate::catalog::PiMenu;
use crate::lease::fixture::{Message, SERVER, ip, link};
use crate::wire::dhcp::codec;

/// The DHCP server that is not us.
const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 1);

fn net(next_server: Ipv4Addr, boot_file: &str) -> NetBoot {
    NetBoot { next_server, boot_file: boot_file.into(), pi_menu: PiMenu::default() }
}

fn guid() -> Vec<u8> {
    [&[0][..], b"RPi4", &[7; 12]].concat()
}

/// A DISCOVER without a word about who sends it.
fn bare() -> Message {
    Message::new(MessageType::Discover, 1).with(code::CLIENT_UUID, guid()).asking_for([1, 3, 43, 60, 66, 67])
}

fn discover() -> Message {
    bare().with(code::VENDOR_CLASS, *b"PXEClient")
}

fn offered(firmware: Firmware, net: &NetBoot) -> Option<Reply> {
    offer(&discover().ciaddr(ip(9)).request(), firmware, net, &Terms::of(&link(9)))
}

/// siaddr, sname, `file`, and the options behind 54, in order, as text; 97 only by its number.
fn line(reply: &Reply) -> String {
    let option = |(code, value): &(u8, Vec<u8>)| match *code {
        code::SERVER_ID => String::new(),
        code::CLIENT_UUID => " 97".to_owned(),
        code => format!(" {code}={}", value.escape_ascii()),
    };
    let options: String = reply.options.iter().map(option).collect();
    format!("{} {:?} {:?}{options}", reply.siaddr, reply.sname, reply.file)
}

const MENU: &str = r"\x06\x01\x03\n\x04\x00PXE\t\x14\x00\x00\x11Raspberry Pi Boot\xff";

#[test]
fn what_each_firmware_is_offered() {
    use Firmware::*;
    let net = net(SERVER, "x.efi");
    let uefi = Some("192.168.50.252 \"\" \"\" 60=PXEClient 97".to_owned());
    let table = [
        (RaspberryPi4, Some(format!("0.0.0.0 \"\" \"\" 60=PXEClient 97 43={MENU}"))),
        (RaspberryPi5, Some(format!("0.0.0.0 \"\" \"\" 60=PXEClient 97 43={MENU}"))),
        (BiosPxe, Some(r#"192.168.50.252 "" "x.efi" 60=PXEClient 97 43=\x06\x01\x08\xff"#.to_owned())),
        (UefiX64, uefi.clone()),
        (UefiArm64, uefi.clone()),
        (Unknown, uefi),
        (UefiHttpX64, Some("192.168.50.252 \"\" \"x.efi\" 60=HTTPClient 97".to_owned())),
        (UefiHttpArm64, Some("192.168.50.252 \"\" \"x.efi\" 60=HTTPClient 97".to_owned())),
        (Ipxe, Some("192.168.50.252 \"\" \"x.efi\" 60=PXEClient 97".to_owned())),
        (UBoot, None),
        (Plain, None),
    ];
    for (firmware, expected) in table {
        let reply = offered(firmware, &net);
        assert_eq!(reply.as_ref().map(line), expected, "{firmware}");
        let Some(reply) = reply else { continue };
        let none = Ipv4Addr::UNSPECIFIED;
        assert_eq!((reply.kind, reply.yiaddr, reply.ciaddr), (Some(MessageType::Offer), none, none), "{firmware}");
        assert_eq!(reply.flags, BROADCAST_FLAG, "{firmware}");
        assert_eq!(reply.options[0], (code::SERVER_ID, SERVER.octets().to_vec()), "{firmware}");
        assert_eq!(reply.option(code::CLIENT_UUID), Some(&guid()[..]), "{firmware}");
        for of_an_address in [code::LEASE_TIME, code::SUBNET_MASK, code::ROUTERS, code::IPXE] {
            assert_eq!(reply.option(of_an_address), None, "{firmware}");
        }
    }
}

/// GRUB 2.06 takes the first OFFER, even one without an address, and never gets one then.
#[test]
fn who_does_not_say_that_it_looks_for_a_boot_server_is_left_to_the_dhcp_server() {
    let net = net(SERVER, "x.efi");
    for firmware in Firmware::ALL {
        assert_eq!(offer(&bare().request(), firmware, &net, &Terms::of(&link(9))), None, "{firmware}");
    }
}

#[test]
fn the_bytes_of_the_offer_to_a_bios() {
    let reply = offered(Firmware::BiosPxe, &net(SERVER, "pxelinux.0")).expect("an OFFER");
    let bytes = codec::encode(&reply);
    assert_eq!(bytes[..12], [2, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0x80, 0]);
    assert_eq!(bytes[12..28], [0, 0, 0, 0, 0, 0, 0, 0, 192, 168, 50, 252, 0, 0, 0, 0]);
    assert_eq!(bytes[108..119], *b"pxelinux.0\0");
    let options = [&[53, 1, 2, 54, 4, 192, 168, 50, 252, 60, 9][..], b"PXEClient", &[97, 17], &guid()].concat();
    let options = [&options[..], &[43, 4, 6, 1, 8, 255, 255]].concat();
    assert_eq!(bytes[240..240 + options.len()], options);
    assert_eq!(bytes.len(), 300, "as short a message as relays let through");
}

#[test]
fn another_boot_server_is_named_in_siaddr_to_a_pi_too() {
    let reply = offered(Firmware::RaspberryPi5, &net(ip(77), "")).expect("an OFFER");
    assert_eq!(reply.siaddr, ip(77));
}

#[test]
fn what_is_said_on_port_4011() {
    use Firmware::*;
    let net = net(SERVER, "x.efi");
    let ask = |kind, firmware, menu: &[u8]| {
        let request = Message::new(kind, 1).ciaddr(ip(5)).with(code::CLIENT_UUID, guid());
        let request = if menu.is_empty() { request } else { request.with(code::VENDOR_ENCAPSULATED, menu) };
        boot_server_ack(&request.request(), firmware, &net, &Terms::of(&link(9)))
    };
    let plain = "192.168.50.252 \"192.168.50.252\" \"x.efi\" 60=PXEClient 97";
    for kind in [MessageType::Request, MessageType::Inform] {
        for firmware in [BiosPxe, UefiX64, UefiArm64, Ipxe, Unknown] {
            let reply = ask(kind, firmware, &[]).expect("an ACK");
            assert_eq!((line(&reply).as_str(), reply.kind), (plain, Some(MessageType::Ack)), "{firmware}");
            assert_eq!((reply.ciaddr, reply.yiaddr), (ip(5), Ipv4Addr::UNSPECIFIED), "no address is given");
        }
        for firmware in [RaspberryPi3, RaspberryPi4, RaspberryPi5, UefiHttpX64, UefiHttpArm64, UBoot, Plain] {
            assert_eq!(ask(kind, firmware, &[]), None, "{firmware}");
        }
    }
    // The second REQUEST of a ROM names the boot item it wants, and gets it back (pixiecore#21).
    let reply = ask(MessageType::Request, BiosPxe, &[6, 1, 3, 71, 4, 0, 0, 0, 0, 255]).expect("an ACK");
    assert_eq!(line(&reply), format!(r"{plain} 43=G\x04\x00\x00\x00\x00\xff"));
    for broken in [&[71][..], &[71, 9, 0], &[6, 200, 71, 0], &[255]] {
        assert_eq!(ask(MessageType::Request, BiosPxe, broken).as_ref().map(line).as_deref(), Some(plain), "{broken:?}");
    }
}

#[test]
fn a_long_file_name_is_the_last_option() {
    let net = net(SERVER, &"x".repeat(200));
    for reply in [
        offered(Firmware::Ipxe, &net),
        boot_server_ack(&discover().request(), Firmware::UefiX64, &net, &Terms::of(&link(9))),
    ] {
        let reply = reply.expect("a reply");
        assert_eq!((reply.file.as_str(), reply.options.last().map(|(code, _)| *code)), ("", Some(code::BOOT_FILE)));
    }
}

#[test]
fn which_messages_prove_an_address() {
    let request = || Message::new(MessageType::Request, 1);
    let table = [
        ("SELECTING", request().server(OTHER).requested(ip(5)), Some(ip(5))),
        ("SELECTING without option 50", request().server(OTHER), None),
        ("RENEWING or REBINDING", request().ciaddr(ip(6)), Some(ip(6))),
        ("INIT-REBOOT: it may be refused", request().requested(ip(7)), None),
        ("nothing", request(), None),
    ];
    for (what, message, address) in table {
        assert_eq!(taken(&message.request()), address, "{what}");
    }
}
