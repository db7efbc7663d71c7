//! The real server among liars: somebody invents machines, forges messages and reports, and claims every address. Known
//! machines get what is theirs, and nothing is lost.
//!
//! Each test runs in network namespaces of its own.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that start the lab by themselves")]
mod inside;
#[path = "common/table.rs"]
#[allow(dead_code, reason = "shared with the stock clients")]
mod table;

#[path = "spoofing/claims.rs"]
mod claims;
#[path = "spoofing/forged.rs"]
mod forged;
#[path = "spoofing/invented.rs"]
mod invented;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use hatchery::lab::Port;
use hatchery::load::bench::SERVER;
use hatchery::net::Mac;
use hatchery::wire::dhcp::{MessageType, Reply, codec};
use inside::until;
use socket2::{Domain, Socket, Type};
use table::{PATIENCE, Station, Table};

/// A DHCP message of a plain client with these options, which asks to be answered by broadcast.
fn message(mac: Mac, kind: MessageType, options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = table::message(mac, kind, options);
    bytes[10] = 0x80;
    bytes
}

/// A RELEASE of that address.
fn release(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    let mut bytes = message(mac, MessageType::Release, &[(54, &SERVER.0.octets())]);
    bytes[12..16].copy_from_slice(&address.octets());
    bytes
}

fn decline(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    message(mac, MessageType::Decline, &[(54, &SERVER.0.octets()), (50, &address.octets())])
}

/// What comes for that machine in time.
fn heard(station: &Station, mac: Mac, patience: Duration) -> Option<Reply> {
    until(patience, || {
        let reply = codec::decode_reply(&station.hear(patience)?).expect("a well-formed reply");
        (reply.chaddr[..6] == mac.0).then_some(reply)
    })
}

/// Asks until an answer of this kind comes.
fn asked(station: &Station, mac: Mac, payload: &[u8], kind: MessageType) -> Option<Reply> {
    until(PATIENCE, || {
        station.send(payload);
        heard(station, mac, Duration::from_millis(300)).filter(|reply| reply.kind == Some(kind))
    })
}

/// The whole exchange; the address.
fn bind(table: &Table, station: &Station, mac: Mac) -> Ipv4Addr {
    let discover = message(mac, MessageType::Discover, &[]);
    let offer = asked(station, mac, &discover, MessageType::Offer)
        .unwrap_or_else(|| panic!("no OFFER for {mac}\n{}", table.bench.log_tail(30)));
    let taking = message(mac, MessageType::Request, &[(50, &offer.yiaddr.octets()), (54, &SERVER.0.octets())]);
    let ack = asked(station, mac, &taking, MessageType::Ack);
    ack.unwrap_or_else(|| panic!("no ACK for {mac}\n{}", table.bench.log_tail(30))).yiaddr
}

/// What the server answers by HTTP to these bytes from a port with an address, until it closes.
fn said(port: &Port, request: &[u8]) -> String {
    let (address, _) = port.address().expect("a machine with an address");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind_device(Some(port.interface().as_bytes())).expect("a port");
    socket.bind(&SocketAddr::from((address, 0)).into()).expect("its address");
    socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
    socket.connect_timeout(&SocketAddr::from((SERVER.0, 80)).into(), PATIENCE).expect("a connection");
    let mut stream = TcpStream::from(socket);
    stream.write_all(request).expect("a request that is sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The state of the lease of an address.
fn lease_of(table: &Table, address: Ipv4Addr) -> String {
    let leases = table.ask(&hatchery::serve::control::Request::Leases);
    let mut leases = leases.as_array().expect("a list").iter();
    let lease = leases.find(|lease| lease["address"] == address.to_string());
    lease.map_or_else(|| "none".to_owned(), |lease| lease["state"].as_str().expect("a word").to_owned())
}
