//! What a packet proves, and which machine it is about.

use super::*;
use crate::wire::dhcp::codec::fixture::{PI4_DISCOVER, PI4_REQUEST, option, request};

const LONG: &str = "10000000e0ff06da";
const SHORT: &str = "e0ff06da";
const OTHER: &str = "100000005b154510";

fn mac(last: u8) -> Mac {
    Mac([0xdc, 0xa6, 0x32, 0, 0, last])
}

fn serial(text: &str) -> Serial {
    Serial::parse(text).expect("the test's serial is well formed")
}

/// Evidence of a MAC (by its last byte) and a serial, either absent.
fn evidence(last: Option<u8>, text: Option<&str>) -> Evidence {
    Evidence { mac: last.map(mac), serial: text.map(serial), ..Evidence::default() }
}

fn machines(rows: &[(Option<u8>, Option<&str>)]) -> Machines {
    let mut machines = Machines::default();
    for (last, text) in rows {
        machines.put(Machine::new(machines.next_id(), &evidence(*last, *text), Timestamp::default()));
    }
    machines
}

fn machine() -> Machine {
    Machine::new(MachineId(1), &Evidence::default(), Timestamp::default())
}

/// Evidence of a DISCOVER of a BIOS PXE client with this option 97.
fn with_guid(class: &[u8], guid: &[u8]) -> Evidence {
    Evidence::from_dhcp(&request(&format!("350101{}{}", option(60, class), option(97, guid))))
}

#[test]
fn a_pi_proves_mac_serial_and_uuid_in_both_messages() {
    for options in [PI4_DISCOVER, PI4_REQUEST] {
        let evidence = Evidence::from_dhcp(&request(options));
        assert_eq!(evidence.mac, Mac::parse("dc:a6:32:ec:fc:3c"));
        assert_eq!(evidence.serial, Some(serial(SHORT)), "little-endian on the wire");
        assert_eq!(evidence.uuid.map(|uuid| uuid.to_string()).as_deref(), Some("525069343031c00032ecfc3cda06ffe0"));
        assert_eq!(evidence.firmware, Some(Firmware::RaspberryPi4));
    }
}

#[test]
fn what_option_97_proves() {
    let bios = b"PXEClient:Arch:00000:UNDI:002001";
    let constant = with_guid(bios, &[&[0][..], &[0x44; 16]].concat());
    assert_eq!((constant.firmware, constant.serial), (Some(Firmware::RaspberryPi3), None), "the Pi 3B's constant");
    let repeated = with_guid(bios, &[&[0][..], &[0xf5, 0x96, 0x86, 0x8d].repeat(4)].concat());
    assert_eq!((repeated.firmware, repeated.serial), (Some(Firmware::RaspberryPi4), Some(serial("8d8696f5"))));
    let unprogrammed = with_guid(bios, b"\0RPi4\x11\x31\xa0\x00\x32\xec\xfc\x3c\0\0\0\0");
    assert_eq!((unprogrammed.firmware, unprogrammed.serial), (Some(Firmware::RaspberryPi4), None));
    let pc = with_guid(bios, b"\0\0bal\0\0\0\x40\x80\0RT\0\xfb\0\x0b");
    assert_eq!((pc.serial, pc.uuid.is_some()), (None, true), "a PC's UUID holds no serial");
    for guid in [&[][..], &[0; 17], &[0; 16], &[1; 17], &[0; 18]] {
        let evidence = with_guid(bios, guid);
        assert_eq!((evidence.serial, evidence.uuid), (None, None), "{guid:?}");
    }
}

#[test]
fn learning_keeps_the_longest_form_of_one_serial() {
    let table: [(&[&str], &str); 5] = [
        (&[SHORT], SHORT),
        (&[SHORT, LONG], LONG),
        (&[LONG, SHORT], LONG),
        (&[SHORT, OTHER], SHORT),
        (&["abc", "abcdef"], "abc"),
    ];
    for (shown, kept) in table {
        let mut machine = machine();
        for text in shown {
            machine.learn(&evidence(None, Some(text)));
        }
        assert_eq!(machine.serial, Some(serial(kept)), "{shown:?}");
    }
}

#[test]
fn learning_says_whether_anything_changed() {
    let mut machine = machine();
    let first = evidence(Some(1), Some(LONG));
    assert!(machine.learn(&first));
    assert!(!machine.learn(&first));
    assert!(!machine.learn(&evidence(Some(1), Some(SHORT))));
    assert!(!machine.learn(&evidence(Some(2), None)), "the MAC it boots by stays");
    assert_eq!(machine.mac, Some(mac(1)));
}

#[test]
fn only_what_netboots_is_the_machines_firmware() {
    let mut machine = machine();
    let shows = |firmware| Evidence { firmware: Some(firmware), ..Evidence::default() };
    assert!(machine.learn(&shows(Firmware::UefiX64)));
    assert!(machine.learn(&shows(Firmware::Ipxe)));
    assert!(!machine.learn(&shows(Firmware::Plain)), "the installer's DHCP client");
    assert_eq!(machine.firmware, Firmware::Ipxe);
}

#[test]
fn contradiction_needs_two_different_boards() {
    let table: [(Option<&str>, Option<&str>, bool); 7] = [
        (None, None, false),
        (None, Some(LONG), false),
        (Some(LONG), None, false),
        (Some(LONG), Some(LONG), false),
        (Some(LONG), Some(SHORT), false),
        (Some(SHORT), Some(LONG), false),
        (Some(LONG), Some(OTHER), true),
    ];
    for (known, shown, expected) in table {
        let mut machine = machine();
        machine.serial = known.map(serial);
        assert_eq!(machine.contradicts(shown.map(serial).as_ref()), expected, "{known:?} {shown:?}");
    }
}

#[test]
fn resolving() {
    // 1: MAC and long serial. 2: MAC alone. 3: serial alone.
    let known = machines(&[(Some(1), Some(LONG)), (Some(2), None), (None, Some("pf3x9k2m"))]);
    // MAC, serial, holder of the source address, answer
    type Row<'a> = (Option<u8>, Option<&'a str>, Option<u64>, Option<u64>);
    let table: [Row<'_>; 17] = [
        (None, None, None, None),
        (Some(1), None, None, Some(1)),
        (Some(9), None, None, None),
        // The hardware address decides, whatever else the packet says.
        (Some(2), Some(LONG), None, Some(2)),
        (Some(2), None, Some(1), Some(2)),
        // A serial finds the board in either form, also behind another network port.
        (None, Some(LONG), None, Some(1)),
        (None, Some(SHORT), None, Some(1)),
        (Some(9), Some(SHORT), None, Some(1)),
        (None, Some("PF3X9K2M "), None, Some(3)),
        (None, Some(OTHER), None, None),
        // Without either, the lease of the asking address does.
        (None, None, Some(1), Some(1)),
        (None, None, Some(7), None),
        (None, Some(SHORT), Some(1), Some(1)),
        (None, Some(OTHER), Some(2), Some(2)),
        // Unless the serial names another board.
        (None, Some(OTHER), Some(1), None),
        (None, Some("pf3x9k2m"), Some(1), Some(3)),
        // An unknown hardware address is a new machine, not the holder of the address.
        (Some(9), None, Some(1), None),
    ];
    for (last, text, holder, expected) in table {
        let found = known.resolve(&evidence(last, text), holder.map(MachineId));
        assert_eq!(found, expected.map(MachineId), "{last:?} {text:?} {holder:?}");
    }
}

#[test]
fn rows_are_found_by_what_identifies_them() {
    let mut known = machines(&[(Some(1), Some(SHORT)), (Some(2), None)]);
    assert_eq!(known.next_id(), MachineId(3));
    assert_eq!(known.by_mac(mac(2)).map(|machine| machine.id), Some(MachineId(2)));
    assert_eq!(known.by_mac(mac(3)), None);

    let mut machine = known.get(MachineId(1)).expect("put above").clone();
    assert!(machine.learn(&evidence(None, Some(LONG))));
    known.put(machine);
    assert_eq!(known.iter().count(), 2, "the same id replaces its row");
    for text in [SHORT, LONG] {
        assert_eq!(known.by_serial(&serial(text)).map(|machine| machine.id), Some(MachineId(1)), "{text}");
    }
    assert_eq!(known.by_serial(&serial("20000000e0ff06da")), None, "another board with the same last digits");
}

#[test]
fn orders_and_their_words() {
    for order in [Order::Install, Order::Reinstall, Order::Disk, Order::Hold] {
        assert_eq!(Order::from_word(order.word()), Some(order));
    }
    assert_eq!(Order::from_word("Install"), None);
}
