//! The servers that give addresses: ours, Kea and dnsmasq, each with the same pool and lease time, each with the network
//! to itself.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use anyhow::Context as _;

use super::client::{self, Client, Order};
use super::perfdhcp::Threads;
use super::{floor, perfdhcp};
use crate::place::{INTERFACE, Place, Server};

/// Machines that only knock to hear whether a server is up.
const KNOCKERS: u32 = 0xf000_0000;

/// Our tables: a network of 65,000 addresses.
pub const TABLES: &str = "[[network]]\ninterface = \"hatch0\"\naddress = \"10.0.0.1/16\"\n\
                      pool = [\"10.0.1.0-10.0.255.250\"]\nlease = \"12h\"\n";

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ours.
    Hatchery,
    /// memfile, one thread: with several it is slower on two cores.
    Kea,
    /// `no-ping`: with its ping check it gives an address in three seconds.
    Dnsmasq,
    /// None, but what every ACK costs that is synced to disk before it is sent.
    Floor,
}

impl Kind {
    /// As the table names it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Hatchery => "hatchery",
            Kind::Kea => "Kea, memfile",
            Kind::Dnsmasq => "dnsmasq, no-ping",
            Kind::Floor => "one write, synced, and no rules",
        }
    }

    /// Its directory in the scratch directory.
    pub fn directory(self) -> &'static str {
        match self {
            Kind::Hatchery => "dhcp-hatchery",
            Kind::Kea => "dhcp-kea",
            Kind::Dnsmasq => "dhcp-dnsmasq",
            Kind::Floor => "dhcp-floor",
        }
    }

    /// Whether it can be run here.
    pub fn is_there(self, place: &Place) -> bool {
        match self {
            Kind::Hatchery | Kind::Floor => true,
            Kind::Kea => place.peer("kea-dhcp4").is_some(),
            Kind::Dnsmasq => place.peer("dnsmasq").is_some(),
        }
    }

    /// Starts it without any lease and waits until it answers.
    ///
    /// # Errors
    /// It cannot be started, or answers nobody; with the end of its log.
    pub fn start(self, way: Way, place: &mut Place, client: &mut Client) -> anyhow::Result<Server> {
        let directory = place.path(self.directory());
        if directory.exists() {
            fs::remove_dir_all(&directory).context("cannot remove old leases")?;
        }
        fs::create_dir_all(&directory).context("cannot make a directory")?;
        self.resume(way, place, client).map(|(server, _)| server)
    }

    /// Starts it with the leases that it has; how long it took until it was ready.
    ///
    /// # Errors
    /// As [`Kind::start`].
    pub fn resume(self, way: Way, place: &mut Place, client: &mut Client) -> anyhow::Result<(Server, Duration)> {
        let mut server = match self {
            Kind::Hatchery => place.start_ours(self.directory(), TABLES)?,
            Kind::Kea => start_kea(way, place)?,
            Kind::Dnsmasq => start_dnsmasq(place)?,
            Kind::Floor => place.start("floor", floor::command(&place.path(self.directory()))?)?,
        };
        let ready = server.age();
        let order = Order { rate: 100.0, time: Duration::from_millis(20), first: KNOCKERS, machines: 1 };
        let mut failed = None;
        // A server that listens to relay agents alone hears no broadcast.
        let knock = |client: &mut Client| match way {
            Way::Direct => client.knock(order).map(|acks| acks > 0),
            Way::Relayed(_) => relay_knock(),
        };
        server.wait_until(|| match knock(client) {
            Ok(answered) => answered,
            Err(error) => {
                failed = Some(error);
                true
            }
        })?;
        match failed {
            None => {
                // Ours says itself when it is ready.
                let ready = if self == Kind::Hatchery { ready } else { server.age() };
                Ok((server, ready))
            }
            Some(error) => Err(error).context("cannot knock"),
        }
    }
}

/// How clients reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By broadcast.
    Direct,
    /// By a relay agent.
    Relayed(Threads),
}

/// Whether the server answers a relay agent.
fn relay_knock() -> io::Result<bool> {
    let socket = UdpSocket::bind((perfdhcp::ADDRESS, 67))?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    socket.send_to(&client::relayed(KNOCKERS, perfdhcp::ADDRESS), ("10.0.0.1", 67))?;
    Ok(socket.recv(&mut [0; 1024]).is_ok())
}

fn start_kea(way: Way, place: &mut Place) -> anyhow::Result<Server> {
    let directory = place.path(Kind::Kea.directory());
    // Relayed messages come to an ordinary socket, which is cheaper for it.
    let socket = if way == Way::Direct { "raw" } else { "udp" };
    let configuration = serde_json::json!({ "Dhcp4": {
        "interfaces-config": { "interfaces": [format!("{INTERFACE}/10.0.0.1")], "dhcp-socket-type": socket },
        "lease-database": { "type": "memfile", "persist": true, "name": directory.join("leases.csv") },
        "multi-threading": { "enable-multi-threading": false },
        "valid-lifetime": 43200,
        "option-data": [
            { "name": "routers", "data": "10.0.0.1" },
            { "name": "domain-name-servers", "data": "8.8.8.8, 8.8.4.4" }
        ],
        // Of an interface with several addresses it would look at the first one alone.
        "subnet4": [{ "id": 1, "interface": INTERFACE, "subnet": "10.0.0.0/16", "pools": [{ "pool": "10.0.1.0 - 10.0.255.250" }] }],
        "loggers": [{ "name": "kea-dhcp4", "severity": "WARN", "output_options": [{ "output": "stderr" }] }]
    } });
    let path = place.write("dhcp-kea/kea.json", &configuration.to_string())?;
    // One that was killed leaves it, and every one is number 1 of its namespace.
    fs::remove_file(directory.join("kea.kea-dhcp4.pid")).ok();
    let mut command = place.peer("kea-dhcp4").context("there is no Kea")?;
    command.arg("-c").arg(path).env("KEA_PIDFILE_DIR", &directory).env("KEA_LOCKFILE_DIR", &directory);
    // What tidies its leases now and then must be there; it looks for it where it would be installed.
    let tidier = place.program("kea-lfc").context("the package of Kea has no kea-lfc")?;
    command.env("KEA_LFC_EXECUTABLE", tidier.get_program());
    place.start("kea", command)
}

fn start_dnsmasq(place: &mut Place) -> anyhow::Result<Server> {
    let leases = place.path(Kind::Dnsmasq.directory()).join("leases");
    let mut command = place.peer("dnsmasq").context("there is no dnsmasq")?;
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--no-ping"]);
    command.args(["--interface=hatch0", "--dhcp-authoritative", "--quiet-dhcp", "--pid-file", "--log-facility=-"]);
    command.args(["--dhcp-range=10.0.1.0,10.0.255.250,255.255.0.0,12h", "--dhcp-lease-max=100000"]);
    command.args(["--dhcp-option=3,10.0.0.1", "--dhcp-option=6,8.8.8.8,8.8.4.4"]);
    command.arg(format!("--dhcp-leasefile={}", leases.display()));
    place.start("dnsmasq-dhcp", command)
}
