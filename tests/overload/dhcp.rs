//! DHCP messages as fast as two senders can: of clients that shout, and of clients that are invented.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use hatchery::net::Mac;
use hatchery::wire::dhcp::MessageType;

use crate::crowd::Crowd;
use crate::inside::inside;
use crate::table::{Station, message};

/// Clients that repeat themselves without a pause; there are addresses for them and for the machines.
const SHOUTING: u8 = 100;
/// Messages before the first machine is switched on.
const SENT_MIN: u64 = 20_000;

/// A message of a plain client that has that address.
fn message_from(address: [u8; 4], mac: Mac, kind: MessageType) -> Vec<u8> {
    let mut bytes = message(mac, kind, &[]);
    bytes[12..16].copy_from_slice(&address);
    bytes
}

#[test]
fn twenty_machines_finish_beside_a_flood_of_dhcp_messages() {
    if !inside("dhcp::twenty_machines_finish_beside_a_flood_of_dhcp_messages") {
        return;
    }
    let crowd = Crowd::new("");
    let ports = crowd.stations(2);
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let flood = |station: &Station, mut next: Box<dyn FnMut(u64) -> Vec<u8> + Send>| {
        let mut count = 0;
        while !over.load(Ordering::Relaxed) {
            station.send(&next(count));
            count += 1;
            sent.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let station = Station::at(ports[0].interface());
            let shouted: Vec<Vec<u8>> =
                (0..SHOUTING).map(|n| message(Mac([0x52, 0x54, 0, 2, 0, n]), MessageType::Discover, &[])).collect();
            flood(&station, Box::new(move |count| shouted[count as usize % shouted.len()].clone()));
        });
        scope.spawn(|| {
            let station = Station::at(ports[1].interface());
            let (address, _) = ports[1].address().expect("an address");
            let invented = move |count: u64| {
                let [.., a, b, c] = count.to_be_bytes();
                message_from(address.octets(), Mac([0x52, 0x54, 3, a, b, c]), MessageType::Inform)
            };
            flood(&station, Box::new(invented));
        });
        crowd.table.wait_for("a flood", || (sent.load(Ordering::Relaxed) >= SENT_MIN).then_some(()));
        crowd.boot();
        over.store(true, Ordering::Relaxed);
    });
    let metrics = crowd.metrics();
    let sum = |key: &str| -> f64 {
        metrics.iter().filter(|(sample, _)| sample.starts_with(key)).map(|(_, value)| value).sum()
    };
    let (sent, answered) = (sent.into_inner(), sum("hatchery_dhcp_answers_total"));
    let shed = sum("hatchery_inbox_shed_total") + sum("hatchery_udp_drops_total{port=\"67\"}");
    println!("{sent} messages, {answered} answered, {shed} shed: {:.1} times what was served", sent as f64 / answered);
    assert!(shed > 0.0, "a flood that is served is none: {metrics:#?}");
    crowd.is_well();
}
