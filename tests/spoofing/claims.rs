//! Somebody answers ARP for every address, or declines each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hatchery::net::Mac;
use hatchery::serve::control::Request;
use hatchery::serve::packet::{EtherType, PacketSocket};
use hatchery::sim::client::Kind;
use hatchery::wire::arp::{Operation, Packet};
use hatchery::wire::dhcp::MessageType;
use serde_json::Value;

use crate::inside::inside;
use crate::table::{Station, Table, client, mac};
use crate::{asked, bind, decline, lease_of, message};

/// Answers every probe, each time with another hardware address, until told to stop.
fn lie(interface: &str, stop: Arc<AtomicBool>) -> thread::JoinHandle<usize> {
    let socket = PacketSocket::open(interface, EtherType::Arp, true).expect("a packet socket");
    thread::spawn(move || {
        let (mut lies, mut buffer) = (0, [0; 128]);
        while !stop.load(Ordering::SeqCst) {
            let Ok((length, _)) = socket.receive(&mut buffer) else {
                thread::yield_now();
                continue;
            };
            let probe = Packet::decode(&buffer[..length]).filter(|packet| packet.claim().is_none());
            let Some(asked) = probe else { continue };
            // Not for the server's own address.
            if asked.target.octets()[3] >= 100 {
                lies += 1;
                let liar = Mac([2, 0x66, 0, 0, (lies >> 8) as u8, lies as u8]);
                let answer = Packet {
                    operation: Operation::Reply,
                    sender_mac: liar,
                    sender: asked.target,
                    target_mac: asked.sender_mac,
                    target: asked.sender,
                };
                socket.send(&answer.encode(), asked.sender_mac).expect("a lie that is sent");
            }
        }
        lies
    })
}

/// A pool of 20, with further tables.
fn small(tables: &str) -> Table {
    let mut table = Table::new("", tables);
    table.configure("192.168.151.100-192.168.151.250", "192.168.151.100-192.168.151.119");
    table.start();
    table
}

/// How many addresses are out of use.
fn declined(table: &Table) -> usize {
    let leases = table.ask(&Request::Leases);
    leases.as_array().expect("a list").iter().filter(|lease| lease["state"] == "declined").count()
}

/// What the doctor says of the pool.
fn red_finding(table: &Table) -> String {
    let findings = table.ask(&Request::Doctor);
    let of_pool = |each: &&Value| each["check"].as_str().is_some_and(|check| check.starts_with("emptied"));
    let found = findings.as_array().expect("a list").iter().find(of_pool).cloned();
    let found = found.unwrap_or_else(|| panic!("no finding: {findings}"));
    assert_eq!(found["level"], "red");
    found["what"].as_str().expect("a sentence").to_owned()
}

#[test]
fn who_answers_for_every_address_takes_a_quarter_and_is_red() {
    if !inside("claims::who_answers_for_every_address_takes_a_quarter_and_is_red") {
        return;
    }
    let table = small("");
    let port = table.plug(mac(66));
    let stop = Arc::new(AtomicBool::new(false));
    let liar = lie(port.interface(), stop.clone());
    let station = Station::at(port.interface());
    for n in 1..=8 {
        let discover = message(mac(n), MessageType::Discover, &[]);
        let doubted = table.refusals("not-believed");
        let offer = asked(&station, mac(n), &discover, MessageType::Offer).expect("an OFFER");
        table.wait_for("a lie that is heard", || {
            let heard = lease_of(&table, offer.yiaddr) == "declined" || table.refusals("not-believed") > doubted;
            heard.then_some(())
        });
    }
    assert_eq!(declined(&table), 5, "a quarter of 20");
    // The lies go on, and everyone gets an address.
    for n in 1..=8 {
        bind(&table, &station, mac(n));
    }
    assert!(red_finding(&table).starts_with("5 of the 20 addresses of 192.168.151.100-192.168.151.119 on hatch0"));
    stop.store(true, Ordering::SeqCst);
    assert!(liar.join().expect("a liar that ends") >= 16);
    crate::table::name_of(&table.boot(vec![client(Kind::Pi5, 1)], || ())[0]);
}

#[test]
fn who_declines_everything_is_believed_four_times() {
    if !inside("claims::who_declines_everything_is_believed_four_times") {
        return;
    }
    let table = small("[dhcp]\ndeclines_of_pool = 6");
    let port = table.plug(mac(66));
    let station = Station::at(port.interface());
    for who in [66, 67] {
        for _ in 0..6 {
            let address = bind(&table, &station, mac(who));
            let before = table.refusals("not-believed");
            station.send(&decline(mac(who), address));
            table.wait_for("a DECLINE", || {
                let done = lease_of(&table, address) == "declined" || table.refusals("not-believed") > before;
                done.then_some(())
            });
        }
    }
    // Four of the first one, and two more of the pool.
    assert_eq!((declined(&table), table.refusals("not-believed")), (6, 6));
    table.wait_for_log("not believed that the address is taken");
    assert!(red_finding(&table).starts_with("6 of the 20 addresses"));
    crate::table::name_of(&table.boot(vec![client(Kind::Pi5, 1)], || ())[0]);
}
