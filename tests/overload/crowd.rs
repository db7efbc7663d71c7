//! A table with pages in a crowd: what its server counts, what it takes, and the machines that boot nevertheless.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::time::Duration;

use hatchery::lab::Port;
use hatchery::load::{Load, Run};
use hatchery::net::Mac;
use hatchery::sim::client::{Client, Kind};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::table::{PATIENCE, Table, client, name_of};

/// Of the whole process at its largest, in a debug build.
const MEMORY_MAX_KIB: u64 = 200 << 10;
/// The machines live so much faster than real ones, so that what they have to repeat costs no minutes.
const PACE: u32 = 4;
const MACHINES: u32 = 20;
const KINDS: [Kind; 5] = [Kind::Pi5, Kind::UefiX64, Kind::Pi4, Kind::LinuxInstaller, Kind::Pi5];
/// Where the pages are, on the server's side.
pub const PAGES: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8100);

pub struct Crowd {
    pub table: Table,
    /// The way to the pages from here.
    pub pages: SocketAddr,
    process: u32,
}

impl Crowd {
    /// With further tables of the configuration.
    pub fn new(tables: &str) -> Crowd {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        assert!(hard > 8000, "this test needs 8,000 open sockets, and may have {hard}: ulimit -Hn");
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("up to the hard limit is free");
        let pages = format!("[management]\nlisten = [\"{PAGES}\"]\nmetrics = \"open\"\n{tables}");
        // A line for each datagram of a flood would measure the log.
        let mut table = Table::logging("info", "", &pages);
        table.start();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let pages = listener.local_addr().expect("its address");
        table.bench.network().forward(listener, PAGES.into()).expect("a way to the pages");
        let process = table.bench.server_id().expect("a server that runs");
        Crowd { table, pages, process }
    }

    /// Machines with addresses of the operator's choice, outside of the pool.
    pub fn stations(&self, count: u8) -> Vec<Port> {
        (0..count).map(|n| self.table.plug_at(Mac([0x52, 0x54, 0, 1, 0, n]), 10 + n)).collect()
    }

    /// What the server counts.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let mut stream = TcpStream::connect(self.pages).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {PAGES}\r\nConnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let samples = answer.lines().filter(|line| line.starts_with("hatchery_"));
        samples
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(key, value)| (key.to_owned(), value.parse().unwrap_or(0.0)))
            .collect()
    }

    /// The sum of all samples whose names begin so.
    pub fn counted(&self, key: &str) -> f64 {
        self.metrics().iter().filter(|(sample, _)| sample.starts_with(key)).map(|(_, value)| value).sum()
    }

    /// Boots twenty machines to their ends.
    pub fn boot(&self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let _context = runtime.enter();
        let clients: Vec<Client> = (1..=MACHINES).map(|n| client(KINDS[n as usize % KINDS.len()], n)).collect();
        let bench = &self.table.bench;
        let load = Load { clients, link: 0, known: Some(bench.image().clone()), pace: PACE, rate: None };
        let mut run = Run::start(load, bench.network()).expect("machines plugged in");
        let finished = runtime.block_on(async { tokio::time::timeout(2 * PATIENCE, run.finished()).await });
        let records = run.records();
        assert!(finished.is_ok(), "machines still run: {records:#?}\n{}", bench.log_tail(40));
        let names: BTreeSet<&str> = records.iter().map(name_of).collect();
        assert_eq!(names.len(), MACHINES as usize, "each has a name of its own");
    }

    /// The same server still runs, took no more memory than it may, and nothing in it broke.
    pub fn is_well(&self) {
        assert_eq!(self.table.bench.server_id(), Some(self.process));
        let status = fs::read_to_string(format!("/proc/{}/status", self.process)).expect("the server's status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
        let peak: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        println!("the server took {peak} KiB at most");
        assert!(peak < MEMORY_MAX_KIB, "{peak} KiB at most in memory");
        let log = self.table.log();
        assert!(!log.contains("panic"), "{}", log.lines().filter(|line| line.contains("panic")).collect::<String>());
        assert!(!log.contains("ended by itself"), "a server within the server ended");
    }

    /// Connections to the pages from these addresses of the server's side, so many from each.
    pub fn connect_pages(&self, hosts: RangeInclusive<u8>, each: usize) -> Vec<TcpStream> {
        self.table.bench.network().in_server(move || {
            let from = hosts.map(|n| Ipv4Addr::new(127, 0, 1, n));
            from.flat_map(|from| (0..each).filter_map(move |_| connect(from, None, PAGES).ok())).collect()
        })
    }
}

/// A connection from that address, by that interface.
pub fn connect(from: Ipv4Addr, interface: Option<&str>, to: SocketAddrV4) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if let Some(interface) = interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    socket.bind(&SocketAddrV4::new(from, 0).into())?;
    socket.connect_timeout(&to.into(), Duration::from_secs(5))?;
    Ok(socket.into())
}
