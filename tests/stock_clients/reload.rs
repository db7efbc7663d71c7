//! Another configuration while stock clients hold leases and are in the middle of their downloads.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::thread;

use hatchery::load::bench::Bench;
use hatchery::serve::control::Request;
use hatchery::sim::client::Kind;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::table::{Table, client, mac};
use crate::tools::{Dhcp, inside_with, program};
use crate::udhcpc::udhcpc;

/// More than the sockets of both sides hold, and a last block that is not whole.
const LARGE: u64 = (33 << 20) + 77;
/// What is read of a download before the server is disturbed.
const BEGINNING: usize = 1 << 10;

/// A client that writes its file into a pipe. Nobody reads there for now, so its download cannot end.
struct Download {
    what: &'static str,
    child: Child,
    beginning: Vec<u8>,
}

impl Download {
    fn start(what: &'static str, command: &mut Command) -> Download {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
        let mut beginning = vec![0; BEGINNING];
        let pipe = child.stdout.as_mut().expect("a pipe");
        pipe.read_exact(&mut beginning).unwrap_or_else(|error| panic!("{what} begins: {error}"));
        Download { what, child, beginning }
    }

    /// Reads to the end: everything that came.
    fn whole(mut self) -> Vec<u8> {
        let mut pipe = self.child.stdout.take().expect("a pipe");
        pipe.read_to_end(&mut self.beginning).expect("the rest");
        let status = self.child.wait().expect("a child of ours");
        assert!(status.success(), "{}: {status}", self.what);
        self.beginning
    }
}

fn hang_up(bench: &Bench) {
    let id = bench.server_id().expect("a running server");
    kill(Pid::from_raw(id.try_into().expect("process ids fit")), Signal::SIGHUP).expect("it runs");
}

/// Who holds what; when a lease ends is left out, for renewing moves it.
fn holders(table: &Table) -> Vec<[Value; 3]> {
    let leases = table.ask(&Request::Leases);
    let leases = leases.as_array().expect("leases").iter();
    leases.map(|lease| ["address", "mac", "state"].map(|key| lease[key].clone())).collect()
}

#[test]
fn leases_and_downloads_under_way_outlive_a_refused_and_an_accepted_configuration() {
    let test = "reload::leases_and_downloads_under_way_outlive_a_refused_and_an_accepted_configuration";
    if !inside_with(&["busybox", "curl", "tftp", "atftp"], test) {
        return;
    }
    let table = Table::serving("lease = \"1h\"\ndomain = \"old.example.com\"", "");
    let large = File::create(table.path("data/boot/large.img")).expect("a file");
    large.set_len(LARGE).expect("a long file");
    // A mark in every 512 bytes tells a lost or doubled block.
    for mark in (0..LARGE).step_by(512) {
        large.write_all_at(&mark.to_be_bytes()[..(LARGE - mark).min(8) as usize], mark).expect("a mark");
    }
    let firmware = table.plug_booting(client(Kind::Pi5, 9));
    let port = table.plug(mac(1));
    let held = Dhcp::start(&table, "held", udhcpc(&table, port.interface(), &[]));
    let bound = held.wait_for(&table, "bound");
    assert_eq!(bound.get("domain"), "old.example.com");
    let before = holders(&table);
    assert_eq!(before.len(), 2, "{before:?}");

    let interface = format!("if!{}", firmware.interface());
    let url = "http://192.168.151.1/boot/large.img";
    let curl = ["--silent", "--show-error", "--max-time", "60", "--noproxy", "*", "--interface", &interface, url];
    let atftp = ["--get", "--option", "blksize 1468", "--option", "windowsize 16"];
    let files = ["--remote-file", "large.img", "--local-file", "/dev/stdout", "192.168.151.1"];
    let tftp = ["-m", "binary", "192.168.151.1", "-c", "get", "large.img", "/dev/stdout"];
    let downloads = [
        Download::start("curl", program(&table, "curl").args(curl)),
        Download::start("atftp", program(&table, "atftp").args(atftp).args(files)),
        Download::start("tftp", program(&table, "tftp").args(tftp)),
    ];
    let running = || table.ask(&Request::Status)["running_transfers"].as_u64();
    // A beginning may arrive before the board has been told of its transfer.
    table.wait_for("three transfers are under way", || (running() == Some(3)).then_some(()));

    // Refused: the key is none of ours, so the new domain beside it is not taken over either.
    let good = fs::read_to_string(table.path("hatchery.toml")).expect("the configuration");
    let good = good.replace("old.example.com", "new.example.com");
    fs::write(table.path("hatchery.toml"), format!("{good}\n[nonsense]\n")).expect("a configuration");
    hang_up(&table.bench);
    table.wait_for_log("the old one stays in force");
    held.signal(Signal::SIGUSR1);
    let renewed = held.wait_for(&table, "renew");
    assert_eq!((renewed.get("ip"), renewed.get("domain")), (bound.get("ip"), "old.example.com"));

    fs::write(table.path("hatchery.toml"), good).expect("a configuration");
    hang_up(&table.bench);
    table.wait_for_log("another configuration is in force");
    held.signal(Signal::SIGUSR1);
    let renewed = held.wait_for_nth(&table, "renew", 2);
    assert_eq!((renewed.get("ip"), renewed.get("domain")), (bound.get("ip"), "new.example.com"));
    assert_eq!(holders(&table), before, "no lease is lost");
    assert!(held.all("deconfig").len() <= 1, "its address was never taken from it");

    assert_eq!(running(), Some(3), "all of them were under way all the time");
    let there = fs::read(table.path("data/boot/large.img")).expect("the file");
    let readers = downloads.map(|download| (download.what, thread::spawn(|| download.whole())));
    for (what, reader) in readers {
        let here = reader.join().unwrap_or_else(|_| panic!("{what} did not finish\n{}", table.bench.log_tail(40)));
        assert!(here == there, "{what}: {} of {} bytes, or other ones", here.len(), there.len());
    }
    table.wait_for("the transfers end", || (running() == Some(0)).then_some(()));
}
