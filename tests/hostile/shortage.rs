//! Shortage: no free address, no image, no room on the disk, no connection left.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use hatchery::lab::{self, Port};
use hatchery::load::bench::SERVER;
use hatchery::net::Mac;
use hatchery::serve::control::Request;
use hatchery::sim::client::Kind;
use hatchery::wire::dhcp::{MessageType, Reply, codec};
use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::inside::{inside, until};
use crate::table::{PATIENCE, Station, Table, client, mac, message, name_of};

/// Asks until an answer of this kind comes to that machine.
fn asked(station: &Station, payload: &[u8], mac: Mac, kind: MessageType) -> Option<Reply> {
    until(PATIENCE, || {
        station.send(payload);
        let reply = codec::decode_reply(&station.hear(Duration::from_millis(500))?).expect("a well-formed reply");
        (reply.kind == Some(kind) && reply.chaddr[..6] == mac.0).then_some(reply)
    })
}

/// Takes an OFFER: the REQUEST for it.
fn taking(offer: &Reply, mac: Mac) -> Vec<u8> {
    message(mac, MessageType::Request, &[(50, &offer.yiaddr.octets()), (54, &SERVER.0.octets())])
}

/// The whole exchange; the address.
fn bind(table: &Table, station: &Station, mac: Mac) -> std::net::Ipv4Addr {
    let offer = asked(station, &message(mac, MessageType::Discover, &[]), mac, MessageType::Offer).expect("an OFFER");
    let ack = asked(station, &taking(&offer, mac), mac, MessageType::Ack);
    ack.unwrap_or_else(|| panic!("no ACK for {mac}\n{}", table.bench.log_tail(30))).yiaddr
}

/// A connection of that machine, which stands on its own address.
pub fn connect(port: &Port, tcp: u16) -> io::Result<TcpStream> {
    let (address, _) = port.address().expect("a machine with an address");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind_device(Some(port.interface().as_bytes()))?;
    socket.bind(&SocketAddr::from((address, 0)).into())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect_timeout(&SocketAddr::from((SERVER.0, tcp)).into(), PATIENCE)?;
    Ok(socket.into())
}

/// What the server answers to these bytes, until it closes.
pub fn answer(port: &Port, tcp: u16, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connect(port, tcp)?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same as text, for requests that must be answered.
pub fn answer_text(port: &Port, request: &str) -> String {
    String::from_utf8_lossy(&answer(port, 80, request.as_bytes()).expect("an answer")).into_owned()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: 192.168.151.1\r\nConnection: close\r\n\r\n")
}

#[test]
fn a_full_pool_is_silence_and_a_warning_until_an_address_comes_back() {
    if !inside("shortage::a_full_pool_is_silence_and_a_warning_until_an_address_comes_back") {
        return;
    }
    let mut table = Table::new("", "");
    table.configure("192.168.151.100-192.168.151.250", "192.168.151.100-192.168.151.102");
    table.start();
    let ports: Vec<Port> = (1..=4).map(|n| table.plug(mac(n))).collect();
    let stations: Vec<Station> = ports.iter().map(|port| Station::at(port.interface())).collect();
    let addresses: Vec<_> = (0..3).map(|n| bind(&table, &stations[n], mac(n as u8 + 1))).collect();

    let discover = message(mac(4), MessageType::Discover, &[]);
    stations[3].send(&discover);
    table.wait_for("a refusal", || (table.refusals("no-free-address") == 1).then_some(()));
    table.wait_for_log("no free address: the pool is used up; enlarge the pool or shorten the lease time");
    assert!(stations[3].hear(Duration::ZERO).is_none(), "silence: another server may have an address");
    assert!(table.machine(mac(4)).is_null(), "nothing is remembered of it");

    let release = message(mac(2), MessageType::Release, &[(54, &SERVER.0.octets())]);
    let mut with_address = release.clone();
    with_address[12..16].copy_from_slice(&addresses[1].octets());
    stations[1].send(&with_address);
    assert_eq!(bind(&table, &stations[3], mac(4)), addresses[1]);
}

#[test]
fn without_its_image_no_machine_gets_a_name_and_with_it_all_finish() {
    if !inside("shortage::without_its_image_no_machine_gets_a_name_and_with_it_all_finish") {
        return;
    }
    let mut table = Table::new("", "");
    let [there, away] = ["data/images/kxp2_master.img", "away.img"].map(|name| table.path(name));
    fs::rename(&there, &away).expect("the image taken away");
    table.bench.start_server().expect("a server that starts");
    let port = table.plug_at(mac(200), 20);
    let clients = vec![client(Kind::LinuxInstaller, 1), client(Kind::Pi5, 2), client(Kind::LinuxInstaller, 3)];
    let macs: Vec<Mac> = clients.iter().map(|client| client.identity().mac).collect();
    let records = table.boot(clients, || {
        for mac in &macs {
            let asked = table.wait_for("machines that ask for their image", || {
                let known = table.machine(*mac);
                (table.refusals("no-image") >= 3 && known["stage"] == "installer").then_some(known)
            });
            assert!(asked["hostname"].is_null(), "a name given away for nothing: {asked}");
        }
        let body = json!({ "product_type": "KXP2", "mac_address": mac(200).to_string() }).to_string();
        let question = format!(
            "POST /api/config HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let said = answer_text(&port, &question);
        assert!(said.starts_with("HTTP/1.1 404") && said.contains("No active image for KXP2"), "{said}");
        table.wait_for_log("WARN config question refused: No active image for KXP2");
        fs::rename(&away, &there).expect("the image put back");
    });
    let mut names: Vec<&str> = records.iter().map(name_of).collect();
    names.sort_unstable();
    assert_eq!(names, ["KXP2-DEMO-001", "KXP2-DEMO-002", "KXP2-DEMO-003"], "no number was lost");
}

#[test]
fn a_full_disk_promises_nothing_and_is_over_when_there_is_room() {
    if !inside("shortage::a_full_disk_promises_nothing_and_is_over_when_there_is_room") {
        return;
    }
    let mut table = Table::new("", "");
    let disk = lab::private_tmpfs(2).expect("a tiny disk");
    let data = table.path("data");
    let paths = ["boot", "images"].map(|name| format!("{name} = \"{}\"", data.join(name).display()));
    table.configure("data = \"data\"", &format!("data = \"{}\"\n{}", disk.display(), paths.join("\n")));
    table.start();
    let mut known = table.plug(mac(1));
    let address = bind(&table, &Station::at(known.interface()), mac(1));
    known.set_address(address, SERVER.1).expect("an address");

    let filler = disk.join("filler");
    let mut file = fs::File::create(&filler).expect("a file");
    let full = loop {
        if let Err(error) = file.write_all(&[0xaa; 4096]) {
            break error;
        }
    };
    assert_eq!(full.raw_os_error(), Some(libc::ENOSPC));
    // A file that is open keeps its room when it is removed.
    drop(file);

    let stranger = table.plug(mac(2));
    let station = Station::at(stranger.interface());
    let discover = message(mac(2), MessageType::Discover, &[]);
    let offer = asked(&station, &discover, mac(2), MessageType::Offer).expect("an OFFER, which needs no journal");
    station.send(&taking(&offer, mac(2)));
    table.wait_for_log("the journal could not be written; nothing was promised");
    // What answers a later message is behind what would have answered the REQUEST.
    let next = asked(&station, &discover, mac(2), MessageType::Offer);
    assert!(next.is_some(), "the table goes on");
    assert!(!table.log().contains(&format!("answered=\"ACK\" mac=\"{}\"", mac(2))), "an ACK that no journal holds");
    assert!(table.machine(mac(2)).is_null() && table.machine(mac(1))["address"] == address.to_string());
    let file = answer_text(&known, &get("/boot/pi/fixup4.dat"));
    assert!(file.starts_with("HTTP/1.1 200"), "files are served all the same: {file}");

    fs::remove_file(&filler).expect("room");
    assert_eq!(bind(&table, &station, mac(2)), offer.yiaddr, "the retry succeeds");
    assert_eq!(table.machine(mac(2))["address"], offer.yiaddr.to_string());
    // The promise outlives a power failure.
    table.bench.kill_server();
    table.start();
    assert_eq!(table.machine(mac(2))["address"], offer.yiaddr.to_string());
}

#[test]
fn over_the_limit_of_connections_a_client_is_told_to_come_back() {
    if !inside("shortage::over_the_limit_of_connections_a_client_is_told_to_come_back") {
        return;
    }
    let table = Table::serving("", "[limits]\nmax_connections = 8");
    let port = table.plug_at(mac(1), 20);
    let mut held: Vec<TcpStream> = (0..8).map(|_| connect(&port, 80).expect("a connection")).collect();
    let said = answer_text(&port, &get("/health"));
    assert!(said.starts_with("HTTP/1.1 503") && said.to_lowercase().contains("retry-after"), "{said}");
    held.pop();
    let served = || answer_text(&port, &get("/health")).starts_with("HTTP/1.1 200").then_some(());
    table.wait_for("a place", served);
    drop(held);
}

#[test]
fn a_machine_that_was_only_offered_an_address_is_not_remembered() {
    if !inside("shortage::a_machine_that_was_only_offered_an_address_is_not_remembered") {
        return;
    }
    let table = Table::serving("", "[dhcp]\noffer_hold = \"1s\"");
    let port = table.plug(mac(1));
    let station = Station::at(port.interface());
    // More strangers than addresses: offers run out of time, and nothing of them stays.
    let mut offered = 0;
    for n in 0..600_u32 {
        let [_, _, y, z] = n.to_be_bytes();
        let stranger = Mac([0x52, 0x54, 0, 9, y, z]);
        let mut discover = message(stranger, MessageType::Discover, &[]);
        // Answers by broadcast: those to the stranger's MAC would not reach us.
        discover[10] = 0x80;
        station.send(&discover);
        offered += usize::from(station.hear(Duration::from_millis(5)).is_some());
    }
    assert!(offered > 100, "{offered} OFFERs");
    table.wait_for("offers run out", || {
        let leases = table.ask(&Request::Leases);
        leases.as_array().is_some_and(Vec::is_empty).then_some(())
    });
    assert_eq!(table.ask(&Request::Status)["machines"], 0);
    table.plug_booting(client(Kind::Pi5, 1));
}
