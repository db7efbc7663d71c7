//! One port invents machines by the hundred.

use std::time::Duration;

use hatchery::load::bench::SERVER;
use hatchery::net::Mac;
use hatchery::sim::client::Kind;
use hatchery::wire::dhcp::MessageType;

use crate::inside::inside;
use crate::table::{Station, Table, client, mac};
use crate::{asked, bind, heard, lease_of, message};

/// The `n`th machine that was never there.
fn invented(n: u32) -> Mac {
    let [_, b, c, d] = n.to_be_bytes();
    Mac([0x52, 0x54, 9, b, c, d])
}

/// Takes addresses for invented machines until `refusal` is counted; how many were had.
fn drain(table: &Table, station: &Station, refusal: &str) -> usize {
    let mut had = 0;
    for n in 0..400 {
        let mac = invented(n);
        station.send(&message(mac, MessageType::Discover, &[]));
        match heard(station, mac, Duration::from_millis(500)) {
            Some(offer) => {
                let wish = [(50, &offer.yiaddr.octets()[..]), (54, &SERVER.0.octets()[..])];
                let ack = asked(station, mac, &message(mac, MessageType::Request, &wish), MessageType::Ack);
                had += usize::from(ack.is_some());
            }
            None if table.refusals(refusal) >= 3 => return had,
            None => {}
        }
    }
    panic!("{had} addresses for invented machines, and no end of it\n{}", table.bench.log_tail(20));
}

#[test]
fn one_port_that_invents_machines_leaves_room_for_known_ones() {
    if !inside("invented::one_port_that_invents_machines_leaves_room_for_known_ones") {
        return;
    }
    let mut table = Table::new("", "[dhcp.unknown]\nreserve = 4\nper_minute = \"off\"");
    table.configure("192.168.151.100-192.168.151.250", "192.168.151.100-192.168.151.119");
    table.start();
    // Two machines become known, by their installations, and are switched off: their addresses are given back.
    let known = table.boot(vec![client(Kind::Pi5, 1), client(Kind::LinuxInstaller, 2)], || ());
    let addresses: Vec<_> = known.iter().map(|record| table.machine(record.mac)["address"].clone()).collect();
    let port = table.plug(mac(66));
    let station = Station::at(port.interface());
    let had = drain(&table, &station, "kept-for-known");
    assert!((12..=16).contains(&had), "{had} of 20 addresses");
    table.wait_for_log("no address for an unknown machine: those left are kept for known ones");

    // The others are installed again, while the flood goes on.
    for (record, address) in known.iter().zip(addresses) {
        let again = bind(&table, &station, record.mac);
        assert!(address.is_null() || address == again.to_string(), "{address} and {again}");
        assert_eq!(lease_of(&table, again), "bound");
    }
}

#[test]
fn machines_invented_in_a_hurry_are_counted_by_the_minute() {
    if !inside("invented::machines_invented_in_a_hurry_are_counted_by_the_minute") {
        return;
    }
    let table = Table::serving("", "[dhcp.unknown]\nper_minute = 12");
    let port = table.plug(mac(66));
    let station = Station::at(port.interface());
    let had = drain(&table, &station, "too-many-new");
    // A slow machine may take a minute for all this.
    assert!((12..=24).contains(&had), "{had}");
    assert_eq!(
        table.ask(&hatchery::serve::control::Request::Status)["machines"].as_u64(),
        Some(had as u64),
        "nothing is remembered of more"
    );
    table.wait_for_log("too many new ones within a minute");
    // Who has an address keeps it.
    let first = bind(&table, &station, invented(0));
    assert_eq!(lease_of(&table, first), "bound");
}

#[test]
fn one_port_of_a_relay_agent_holds_its_number() {
    if !inside("invented::one_port_of_a_relay_agent_holds_its_number") {
        return;
    }
    let table = Table::serving("", "[dhcp.unknown]\nper_circuit = 3");
    let mut agent = table.plug(mac(67));
    agent.set_address(std::net::Ipv4Addr::new(192, 168, 151, 20), SERVER.1).expect("an address");
    let station = Station::at(agent.interface());
    let relayed = |n: u32, circuit: u8| {
        let mut bytes = message(invented(n), MessageType::Discover, &[(82, &[1, 1, circuit])]);
        bytes[3] = 1;
        bytes[24..28].copy_from_slice(&[192, 168, 151, 20]);
        let from = std::net::SocketAddrV4::new(std::net::Ipv4Addr::new(192, 168, 151, 20), 67);
        station.send_to(from, SERVER.0, &bytes);
    };
    let answered = || table.log().matches("answered=\"OFFER\"").count();
    for n in 0..8 {
        relayed(n, 1);
    }
    table.wait_for("refusals", || (table.refusals("too-many-unknown") == 5).then_some(()));
    assert_eq!(answered(), 3, "{}", table.bench.log_tail(20));
    relayed(20, 2);
    table.wait_for("an OFFER to another port", || (answered() == 4).then_some(()));
}
