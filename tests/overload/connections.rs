//! Connections by the thousand that ask for nothing, or for much and take none of it.

use std::io::{self, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hatchery::lab::Port;
use hatchery::load::bench::SERVER;

use crate::crowd::{Crowd, connect};
use crate::inside::inside;

const STATIONS: u8 = 60;
/// Of each station; fewer than one client may have.
const EACH: usize = 42;
/// Addresses that hold connections to the pages, and how many each.
const VISITORS: (u8, usize) = (50, 50);
const SLOW: usize = 150;
const HTTP: SocketAddrV4 = SocketAddrV4::new(SERVER.0, 80);

fn by(port: &Port) -> io::Result<TcpStream> {
    let (address, _) = port.address().expect("an address");
    let stream = connect(address, Some(port.interface()), HTTP)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Asks for the image and never takes a byte of it.
fn slow_reader(port: &Port) -> io::Result<TcpStream> {
    let mut stream = by(port)?;
    stream.write_all(b"GET /images/kxp2_master.img HTTP/1.1\r\nHost: h\r\n\r\n")?;
    Ok(stream)
}

fn is_closed(stream: &TcpStream) -> bool {
    match stream.peek(&mut [0]) {
        // Bytes of an image that nobody takes, or of a refusal before the end.
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

#[test]
fn twenty_machines_finish_beside_five_thousand_idle_connections_and_slow_readers() {
    if !inside("connections::twenty_machines_finish_beside_five_thousand_idle_connections_and_slow_readers") {
        return;
    }
    let crowd = Crowd::new("");
    let stations = crowd.stations(STATIONS);
    let visitors = crowd.connect_pages(1..=VISITORS.0, VISITORS.1);
    assert!(visitors.len() >= 2000, "{} connections to the pages", visitors.len());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let open = |index: usize| match index {
                ..SLOW => slow_reader(&stations[index % stations.len()]),
                _ => by(&stations[index % stations.len()]),
            };
            let all = SLOW + EACH * stations.len();
            let mut held: Vec<Option<TcpStream>> = (0..all).map(|index| open(index).ok()).collect();
            // Whoever is turned away comes again.
            while !over.load(Ordering::Relaxed) {
                for (index, each) in held.iter_mut().enumerate() {
                    if each.as_ref().is_none_or(is_closed) {
                        *each = open(index).ok();
                        thread::sleep(Duration::from_micros(300));
                    }
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        crowd.table.wait_for("connections that are turned away", || {
            (crowd.counted("hatchery_shed_total{limit=\"HTTP connections\"}") > 0.0).then_some(())
        });
        crowd.boot();
        over.store(true, Ordering::Relaxed);
    });
    let metrics = crowd.metrics();
    let shed: Vec<_> = metrics.iter().filter(|(key, _)| key.contains("connections")).collect();
    println!("{shed:?}");
    for limit in
        ["HTTP connections of who has most", "management connections of who has most", "management connections"]
    {
        let key = format!("hatchery_shed_total{{limit=\"{limit}\"}}");
        assert!(metrics.get(&key).is_some_and(|count| *count > 0.0), "{key} in {shed:?}");
    }
    crowd.is_well();
    drop(visitors);
}
