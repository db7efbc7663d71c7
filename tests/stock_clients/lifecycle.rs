//! A machine's whole life at the table: installed, finished, and installed again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use hatchery::serve::control::Request;
use hatchery::sim::client::Kind;
use hatchery::wire::dhcp::MessageType;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::table::{IMAGE_MIB, Station, Table, boots_a_pi, client, mac, message, name_of};
use crate::tools::{inside_with, program, run};

#[test]
fn a_finished_machine_boots_its_disk_until_it_is_to_be_installed_again() {
    if !inside_with(&["busybox"], "lifecycle::a_finished_machine_boots_its_disk_until_it_is_to_be_installed_again") {
        return;
    }
    let table = Table::serving("", "");
    let pi = || client(Kind::Pi5, 1);
    let mac = pi().identity().mac;
    let records = table.boot(vec![pi()], || ());
    let name = name_of(&records[0]).to_owned();
    let known = table.machine(mac);
    assert_eq!((&known["stage"], &known["hostname"]), (&"done".into(), &name.as_str().into()));

    let interface = format!("m{}", mac.to_string().replace(':', ""));
    let power_cycled = Station::at(&interface).offer(pi()).expect("an OFFER");
    assert!(!boots_a_pi(&power_cycled) && power_cycled.siaddr.is_unspecified(), "{power_cycled:?}");
    assert_eq!(power_cycled.yiaddr, records[0].addresses[0], "and it keeps its address");

    table.ask(&Request::Reinstall { machine: name.clone() });
    let again = Station::at(&interface).offer(pi()).expect("an OFFER");
    assert!(boots_a_pi(&again), "{again:?}");

    // Out of its port and in again, with a new disk.
    run(program(&table, "busybox").args(["ip", "link", "del", &interface]));
    let records = table.boot(vec![pi()], || ());
    assert_eq!(name_of(&records[0]), name, "a name is for life");
    assert_eq!(table.machine(mac)["stage"], "done");
}

#[test]
fn an_interface_that_goes_down_and_comes_back_is_served_again() {
    if !inside_with(&["busybox"], "lifecycle::an_interface_that_goes_down_and_comes_back_is_served_again") {
        return;
    }
    let table = Table::serving("", "");
    let set = |state: &str| {
        let mut command = program(&table, "busybox");
        command.args(["ip", "link", "set", "hatch0", state]);
        let status = table.bench.network().spawn_server(command).expect("busybox").wait();
        assert!(status.is_ok_and(|status| status.success()), "hatch0 {state}");
    };
    set("down");
    table.wait_for_log("DHCP socket");
    set("up");
    let records = table.boot(vec![client(Kind::Pi5, 1)], || ());
    assert_eq!(table.machine(client(Kind::Pi5, 1).identity().mac)["hostname"], name_of(&records[0]));
    let complaints = table.log().matches("DHCP socket").count();
    assert!(complaints < 10, "an interface that is down is left alone: {complaints} complaints");
}

#[test]
fn a_server_that_stops_ends_its_downloads_and_begins_no_boot() {
    if !inside_with(&[], "lifecycle::a_server_that_stops_ends_its_downloads_and_begins_no_boot") {
        return;
    }
    let mut table = Table::serving("", "");
    let port = table.plug(mac(1));
    let station = Station::at(port.interface());
    let answered = |patience| {
        station.send(&message(mac(1), MessageType::Discover, &[]));
        station.hear(Duration::from_secs(patience)).is_some()
    };
    assert!(answered(20));
    let mut download = table.bench.network().in_server(|| {
        let mut stream = TcpStream::connect("192.168.151.1:80").expect("the image server");
        let head = "GET /images/kxp2_master.img HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("a request");
        stream.read_exact(&mut [0]).expect("a download that began");
        stream
    });
    let server = table.bench.server_id().expect("it runs").cast_signed();
    kill(Pid::from_raw(server), Signal::SIGTERM).expect("it runs");
    table.wait_for_log("stopping; transfers under way may finish");
    assert!(!answered(2), "who is served now would find no boot file");
    assert!(table.bench.server_ended().is_none(), "the download is under way");

    let mut rest = Vec::new();
    download.read_to_end(&mut rest).expect("the whole image");
    assert!(rest.len() > (IMAGE_MIB as usize) << 20, "{} bytes", rest.len());
    let ended = table.bench.stop_server().expect("it ends").expect("it ran");
    assert!(ended.success(), "{ended}");
}
