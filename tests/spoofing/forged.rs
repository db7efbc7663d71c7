//! Messages and reports in the name of a machine that is being installed.

use std::net::Ipv4Addr;
use std::time::Duration;

use hatchery::lab::Port;
use hatchery::load::bench::{self, SERVER};
use hatchery::net::Mac;
use hatchery::sim::client::{Client, Kind, Options};
use serde_json::{Value, json};

use crate::inside::{inside, until};
use crate::table::{Station, Table, client, mac, name_of};
use crate::{bind, decline, lease_of, release};

/// `POST path` with that body from a port with an address: status line and body.
fn post(port: &Port, path: &str, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    let request =
        format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    crate::said(port, request.as_bytes())
}

/// What the server knows of that machine once it is being written; its address.
fn wait_until_written(table: &Table, mac: Mac) -> Ipv4Addr {
    table.wait_for("a machine that is being written", || {
        let known = table.machine(mac);
        let busy = matches!(known["stage"].as_str(), Some("installer" | "writing"));
        known["address"].as_str().filter(|_| busy)?.parse().ok()
    })
}

/// Everything that can be said in the name of a machine from where it is not, again and again while it is installed.
#[test]
fn nothing_said_in_its_name_stops_an_installation() {
    if !inside("forged::nothing_said_in_its_name_stops_an_installation") {
        return;
    }
    let table = Table::serving("", "");
    let liar = table.plug_at(mac(66), 20);
    let station = Station::at(liar.interface());
    let identity = client(Kind::LinuxInstaller, 1).identity().clone();
    let victim = identity.mac;
    let options = Options {
        product: bench::PRODUCT.into(),
        venue: Some(bench::VENUE.into()),
        install_work: Duration::from_secs(6),
        ..Options::default()
    };
    let slow = Client::new(Kind::LinuxInstaller, identity, 7, options);
    let records = table.boot(vec![slow], || {
        let address = wait_until_written(&table, victim);
        let before = table.refusals("forged");
        station.send(&release(victim, address));
        table.wait_for("a RELEASE that is refused", || (table.refusals("forged") > before).then_some(()));
        // Right after its ACK it may decline; what is said then is bounded, not refused. So no DECLINE here.
        let mac_address = victim.to_string();
        for body in [
            json!({ "mac_address": mac_address, "status": "success" }),
            json!({ "mac_address": mac_address, "status": "failed", "message": "a lie" }),
            json!({ "mac_address": mac_address, "status": "starting" }),
        ] {
            let said = post(&liar, "/api/status", &body);
            assert!(said.starts_with("HTTP/1.1 403") && said.contains("speaks for itself"), "{said}");
        }
        let said = post(&liar, "/api/config", &json!({ "mac_address": mac_address, "product_type": "KXP2" }));
        assert!(said.starts_with("HTTP/1.1 403") && !said.contains("hostname"), "{said}");
        assert_eq!(lease_of(&table, address), "bound");
        let known = table.machine(victim);
        assert!(
            matches!(known["stage"].as_str(), Some("installer" | "writing" | "verifying" | "first-boot")),
            "{known}"
        );
    });
    name_of(&records[0]);
    assert_eq!(table.machine(victim)["stage"], "done");
}

/// Answers go to who holds the asking address, whatever else it says.
#[test]
fn the_answers_of_one_machine_are_not_told_to_another() {
    if !inside("forged::the_answers_of_one_machine_are_not_told_to_another") {
        return;
    }
    let table = Table::serving("", "");
    let records = table.boot(vec![client(Kind::Pi5, 1), client(Kind::Pi5, 2)], || ());
    let names: Vec<String> = records.iter().map(|record| name_of(record).to_owned()).collect();
    // The second one is switched on again, and asks for what is the first one's.
    // Whatever plug it is behind: the server knows it by its messages.
    let mut port = table.plug(mac(71));
    let address = bind(&table, &Station::at(port.interface()), records[1].mac);
    port.set_address(address, SERVER.1).expect("an address");
    let first = records[0].mac;
    let mut first_port = table.plug(mac(72));
    let own = bind(&table, &Station::at(first_port.interface()), first);
    first_port.set_address(own, SERVER.1).expect("an address");
    let said = post(&port, "/api/config", &json!({ "mac_address": first.to_string(), "product_type": "KXP2" }));
    assert!(said.starts_with("HTTP/1.1 403") && !said.contains(&names[0]), "{said}");
    let said = post(&first_port, "/api/config", &json!({ "mac_address": first.to_string(), "product_type": "KXP2" }));
    assert!(said.starts_with("HTTP/1.1 200") && said.contains(&names[0]), "{said}");
    // A stranger's address gets no answer file at all.
    let stranger = table.plug_at(mac(66), 20);
    let request = "GET /config.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let said = crate::said(&stranger, request.as_bytes());
    assert!(said.starts_with("HTTP/1.1 404") || said.starts_with("HTTP/1.1 403"), "{said}");
}

/// From another network nobody gives up an address of this one.
#[test]
fn a_stranger_gives_up_nobody_elses_address() {
    if !inside("forged::a_stranger_gives_up_nobody_elses_address") {
        return;
    }
    let table = Table::serving("", "");
    let port = table.plug(mac(1));
    let station = Station::at(port.interface());
    let address = bind(&table, &station, mac(1));
    let liar = table.plug(mac(66));
    let lies = Station::at(liar.interface());
    let before = table.refusals("forbidden");
    lies.send(&release(mac(66), address));
    lies.send(&decline(mac(66), address));
    lies.send(&release(mac(1), Ipv4Addr::new(192, 168, 151, 240)));
    table.wait_for("three refusals", || (table.refusals("forbidden") == before + 3).then_some(()));
    assert_eq!(lease_of(&table, address), "bound");
    let quiet = until(Duration::from_millis(50), || station.hear(Duration::from_millis(10)));
    assert!(quiet.is_none(), "nobody is told anything");
}
