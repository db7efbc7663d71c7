//! TFTP requests by the thousand, of clients that acknowledge nothing.

use std::net::{SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hatchery::load::bench::SERVER;

use crate::crowd::Crowd;
use crate::inside::inside;
use crate::table::udp;

const STATIONS: u8 = 80;
/// More than one client may have.
const EACH: usize = 25;

#[test]
fn twenty_machines_finish_beside_two_thousand_tftp_requests_at_once() {
    if !inside("tftp::twenty_machines_finish_beside_two_thousand_tftp_requests_at_once") {
        return;
    }
    let crowd = Crowd::new("");
    let stations = crowd.stations(STATIONS);
    let sockets: Vec<UdpSocket> = stations.iter().flat_map(|port| (0..EACH).map(|_| udp(port))).collect();
    assert_eq!(sockets.len(), 2000);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // All at once, and then again and again.
            let mut pause = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                for socket in &sockets {
                    let request = b"\0\x01pi/kernel8.img\0octet\0blksize\x001468\0windowsize\x0016\0";
                    // A full queue loses datagrams as a wire does.
                    let _ = socket.send_to(request, SocketAddrV4::new(SERVER.0, 69));
                    thread::sleep(pause);
                }
                pause = Duration::from_micros(300);
            }
        });
        crowd.table.wait_for("requests that are turned away", || {
            (crowd.counted("hatchery_shed_total{limit=\"TFTP transfers") > 0.0).then_some(())
        });
        crowd.boot();
        over.store(true, Ordering::Relaxed);
    });
    let metrics = crowd.metrics();
    let shed: Vec<_> = metrics.iter().filter(|(key, _)| key.contains("TFTP")).collect();
    println!("{shed:?}");
    for limit in ["TFTP transfers to one client", "TFTP transfers of who has most"] {
        let key = format!("hatchery_shed_total{{limit=\"{limit}\"}}");
        assert!(metrics.get(&key).is_some_and(|count| *count > 0.0), "{key} in {shed:?}");
    }
    crowd.is_well();
}
