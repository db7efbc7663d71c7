//! The vendor options of every firmware, byte by byte.

use super::*;
use crate::boot::{BootPlan, NetBoot};
use crate::lease::fixture::{Message, SERVER, ip, link};
use crate::machine::Order;
use crate::site::DhcpOption;
use crate::site::Link;
use crate::wire::dhcp::MessageType;

fn net(boot_file: &str) -> BootPlan {
    plan(Boot::Net(NetBoot { next_server: SERVER, boot_file: boot_file.into(), pi_menu: PiMenu::default() }))
}

fn plan(boot: Boot) -> BootPlan {
    BootPlan { boot, profile: None, order: Order::Install, reasons: Vec::new() }
}

fn pushed_on(link: &Link, request: &Message, firmware: Firmware, plan: &BootPlan) -> Reply {
    let request = request.request();
    let terms = Terms::of(link);
    let mut reply = crate::dhcp::nak(&request, "", &terms);
    reply.options.clear();
    let grant = Grant { address: ip(1), lease_time: link.lease_time, firmware, plan };
    push(&mut reply, &request, &grant, &terms);
    push_long_boot_file(&mut reply, &grant);
    reply
}

fn pushed(request: &Message, firmware: Firmware, plan: &BootPlan) -> Reply {
    pushed_on(&link(9), request, firmware, plan)
}

fn discover() -> Message {
    Message::new(MessageType::Discover, 1)
}

/// siaddr, `file`, and the options in order, as text.
fn line(reply: &Reply) -> String {
    let option = |(code, value): &(u8, Vec<u8>)| format!(" {code}={}", value.escape_ascii());
    let options: String = reply.options.iter().map(option).collect();
    format!("{} {:?}{options}", reply.siaddr, reply.file)
}

const MENU: &str = r"\x06\x01\x03\n\x04\x00PXE\t\x14\x00\x00\x11Raspberry Pi Boot\xff";
const MENU_PI3: &str = r"\x06\x01\x03\n\x04\x00PXE\t\x17\x00\x00\x14Raspberry Pi Boot   \xff";

#[test]
fn what_each_firmware_is_told() {
    use Firmware::*;
    let file = "192.168.50.252 \"ipxe.efi\"";
    let table = [
        (RaspberryPi3, format!("192.168.50.252 \"\" 60=PXEClient 43={MENU_PI3} 66=192.168.50.252")),
        (RaspberryPi4, format!("192.168.50.252 \"\" 60=PXEClient 43={MENU} 66=192.168.50.252")),
        (RaspberryPi5, format!("192.168.50.252 \"\" 60=PXEClient 43={MENU} 66=192.168.50.252")),
        (BiosPxe, format!("{file} 66=192.168.50.252")),
        (UefiX64, format!("{file} 66=192.168.50.252")),
        (UefiArm64, format!("{file} 66=192.168.50.252")),
        (UBoot, format!("{file} 66=192.168.50.252")),
        (UefiHttpX64, format!("{file} 60=HTTPClient")),
        (UefiHttpArm64, format!("{file} 60=HTTPClient")),
        (Ipxe, format!(r"{file} 175=\xb0\x01\x01")),
        (Unknown, file.to_owned()),
    ];
    for (firmware, expected) in table {
        let boot_file = if firmware.is_raspberry_pi() { "" } else { "ipxe.efi" };
        assert_eq!(line(&pushed(&discover(), firmware, &net(boot_file))), expected, "{firmware}");
    }
}

#[test]
fn who_is_not_to_boot_is_told_nothing() {
    for boot in [Boot::Disk(None), Boot::AddressOnly] {
        for firmware in Firmware::ALL {
            let plan = plan(boot.clone());
            assert_eq!(line(&pushed(&discover(), firmware, &plan)), "0.0.0.0 \"\"", "{firmware}");
        }
    }
}

#[test]
fn option_97_is_echoed_to_what_netboots() {
    let guid = [&[0][..], &[7; 16]].concat();
    let asking = discover().with(code::CLIENT_UUID, &guid);
    for firmware in Firmware::ALL {
        let reply = pushed(&asking, firmware, &plan(Boot::Disk(None)));
        assert_eq!(reply.option(code::CLIENT_UUID).is_some(), firmware.netboots(), "{firmware}");
    }
    // Legal in the field: empty, and of zeros.
    for guid in [&[][..], &[0; 17]] {
        let reply = pushed(&discover().with(code::CLIENT_UUID, guid), Firmware::UefiX64, &net("x"));
        assert_eq!(reply.option(code::CLIENT_UUID), Some(guid).filter(|guid| !guid.is_empty()));
    }
}

#[test]
fn a_long_boot_file_goes_into_option_67_last() {
    for (length, in_field) in [(1, true), (127, true), (128, false), (300, false)] {
        let name = "x".repeat(length);
        let reply = pushed(&discover(), Firmware::UefiX64, &net(&name));
        assert_eq!(reply.file == name, in_field, "{length}");
        let last = reply.options.last().filter(|(code, _)| *code == code::BOOT_FILE);
        assert_eq!(last.map(|(_, value)| value.len()), (!in_field).then_some(length));
    }
}

#[test]
fn the_operators_own_option_175_is_not_doubled() {
    let mut bench = link(9);
    bench.options.push(DhcpOption::new(code::IPXE, [1, 1, 5]));
    let reply = pushed_on(&bench, &discover(), Firmware::Ipxe, &net("boot.ipxe"));
    assert_eq!(reply.options, []);
}

/// wire.md §1.4: raw strings reach TFTP as well, and `PXE_OPTION43` renames the entry.
#[test]
fn option_43_of_a_pi_as_its_profile_says() {
    let table = [
        (Firmware::RaspberryPi4, "Raspberry Pi Boot", true, "Raspberry Pi Boot"),
        (Firmware::RaspberryPi3, "Raspberry Pi Boot", true, "Raspberry Pi Boot   "),
        (Firmware::RaspberryPi5, "Kart", false, r"\x06\x01\x03\n\x04\x00PXE\t\x07\x00\x00\x04Kart\xff"),
    ];
    for (firmware, entry, raw, expected) in table {
        let pi_menu = PiMenu { entry: entry.to_owned(), raw };
        let plan = plan(Boot::Net(NetBoot { next_server: SERVER, boot_file: String::new(), pi_menu }));
        let reply = pushed(&discover(), firmware, &plan);
        let value = reply.option(code::VENDOR_ENCAPSULATED).map(|value| value.escape_ascii().to_string());
        assert_eq!(value.as_deref(), Some(expected), "{firmware}");
    }
}
