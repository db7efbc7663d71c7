//! A room that is switched on: 20 machines at once, each from its first DISCOVER over a configuration and a kernel by TFTP
//! to the last byte of its image by HTTP. Against dnsmasq for addresses and boot files with nginx for images.
//!
//! The files come to addresses that the clients had before: what a lease says is compared with nothing but its being there.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::Plan;
use crate::dhcp::servers::TABLES;
use crate::dhcp::{Client, Ground};
use crate::http;
use crate::measure::{Better, Contest, Turn};
use crate::pattern::Pattern;
use crate::place::{CLIENT_INTERFACE, INTERFACE, OURS, PREFIX, Place, Server};
use crate::tftp;

const CLIENTS: usize = 20;
const CONFIGURATION: u64 = 2000;
const KERNEL: u64 = 10 << 20;
const IMAGE: u64 = 256 << 20;
/// How long a machine waits for an address: dnsmasq pings one for three seconds before it offers it, one after another.
const PATIENCE: Duration = Duration::from_secs(120);

/// A way to serve the room: what runs, and where it is reached.
struct Room {
    servers: Vec<Server>,
    tftp: Ipv4Addr,
    http: Ipv4Addr,
}

/// All set-ups.
pub fn run(place: &mut Place, plan: &Plan) -> anyhow::Result<Vec<Contest>> {
    let ground = Ground::new(place)?;
    let pattern = Arc::new(Pattern::new());
    let (kernel, image) = (plan.size(KERNEL, 1 << 20), plan.size(IMAGE, 4 << 20));
    for (name, size) in [
        (format!("boot/{CONFIGURATION}"), CONFIGURATION),
        (format!("boot/{kernel}"), kernel),
        ("images/pipeline.img".to_owned(), image),
    ] {
        pattern.write(&place.path(&name), size).context("cannot write a file to serve")?;
    }
    let names =
        [("hatchery", true), ("dnsmasq, no-ping, with nginx", false), ("dnsmasq as it comes, with nginx", false)];
    let there = place.peer("dnsmasq").is_some() && place.peer("nginx").is_some();
    let names: Vec<(String, bool)> =
        names.into_iter().take(if there { 3 } else { 1 }).map(|(name, ours)| (name.to_owned(), ours)).collect();
    let words = format!(
        "{CLIENTS} machines at once: address, {} MiB kernel by TFTP, {} MiB image by HTTP",
        kernel >> 20,
        image >> 20
    );
    let contest = Contest::new(words, "s", "CPU-s", Better::Lower).run(&names, plan.rounds, |index| {
        let room = match index {
            0 => ours(place)?,
            1 => theirs(place, true)?,
            _ => theirs(place, false)?,
        };
        turn(&room, (kernel, image), &pattern)
    })?;
    drop(ground);
    let (quick, slow) = (contest.without(2), contest.without(1));
    Ok(if there { vec![quick, slow] } else { vec![contest] })
}

fn turn(room: &Room, (kernel, image): (u64, u64), pattern: &Arc<Pattern>) -> anyhow::Result<Turn> {
    let used = || -> anyhow::Result<(Duration, u64)> {
        let mut sum = (Duration::ZERO, 0);
        for server in &room.servers {
            let usage = server.usage()?;
            sum = (sum.0 + usage.cpu, sum.1 + usage.peak_bytes);
        }
        Ok(sum)
    };
    let before = used()?;
    let start = Arc::new(Barrier::new(CLIENTS + 1));
    let (tftp, http) = (room.tftp, room.http);
    let threads: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (start, pattern) = (start.clone(), pattern.clone());
            std::thread::spawn(move || -> anyhow::Result<Duration> {
                let socket = Client::open(CLIENT_INTERFACE);
                start.wait();
                let began = Instant::now();
                let machine = 1 + client as u32;
                socket.context("no socket")?.lease(machine, PATIENCE)?.context("no address")?;
                let leased = began.elapsed();
                for size in [CONFIGURATION, kernel] {
                    tftp::fetch(client, SocketAddrV4::new(tftp, 69), size, 1468, 1, &pattern)?;
                }
                let request = format!("GET /images/pipeline.img HTTP/1.1\r\nHost: {http}\r\n\r\n");
                http::fetch(http::connect(client, http)?, &request, image, &pattern)?;
                Ok(leased)
            })
        })
        .collect();
    start.wait();
    let began = Instant::now();
    let mut last_lease = Duration::ZERO;
    for (client, thread) in threads.into_iter().enumerate() {
        match thread.join() {
            Ok(leased) => last_lease = last_lease.max(leased.with_context(|| format!("client {client}"))?),
            Err(_) => bail!("a client panicked"),
        }
    }
    let took = began.elapsed();
    let after = used()?;
    Ok(Turn {
        value: took.as_secs_f64(),
        cpu: (after.0 - before.0).as_secs_f64(),
        peak_bytes: after.1,
        more: vec![("last lease s", last_lease.as_secs_f64())],
    })
}

/// A new journal each time: every machine is new.
fn ours(place: &mut Place) -> anyhow::Result<Room> {
    std::fs::remove_dir_all(place.path("pipeline")).ok();
    let tables = format!(
        "[[network]]\ninterface = \"{INTERFACE}\"\nname = \"files\"\naddress = \"{OURS}/{PREFIX}\"\npool = []\n\n{TABLES}"
    );
    let server = place.start_ours("pipeline", &tables)?;
    Ok(Room { servers: vec![server], tftp: OURS, http: OURS })
}

fn theirs(place: &mut Place, no_ping: bool) -> anyhow::Result<Room> {
    let leases = place.path("pipeline-leases");
    std::fs::remove_file(&leases).ok();
    let (_, http, nginx) = http::start_nginx(place, 1)?.context("there is no nginx")?;
    let mut command = place.peer("dnsmasq").context("there is no dnsmasq")?;
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file"]);
    command.args(["--interface=hatch0", "--dhcp-authoritative", "--quiet-dhcp", "--log-facility=-", "--enable-tftp"]);
    command.args(["--dhcp-range=10.0.1.0,10.0.255.250,255.255.0.0,12h", "--dhcp-option=3,10.0.0.1"]);
    command.arg(format!("--tftp-root={}", place.path("boot").display()));
    command.arg(format!("--dhcp-leasefile={}", leases.display()));
    if no_ping {
        command.arg("--no-ping");
    }
    let mut dnsmasq = place.start("pipeline-dnsmasq", command)?;
    dnsmasq.wait_until(|| tftp::answers(OURS))?;
    Ok(Room { servers: vec![dnsmasq, nginx], tftp: OURS, http })
}
