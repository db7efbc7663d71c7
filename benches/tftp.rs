//! Our TFTP server against async-tftp over loopback, by turns in one run, and the cost of one step of a transfer.
//!
//! Run with `cargo bench --bench tftp`. Every byte that arrives is compared. Both servers share the machine with the
//! clients, so read the ratios rather than the rates.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

#[path = "../tests/tftp_engine/peer.rs"]
mod peer;

use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use hatchery::ids::TransferId;
use hatchery::refusal::Refusal;
use hatchery::serve::content::{Content, FileSource, OpenFile};
use hatchery::serve::tftp::{Config, Server};
use hatchery::tftp::{Limits, Transfer};
use hatchery::time;
use hatchery::transfer::{Outcome, Via};
use hatchery::wire::tftp::{Mode, Options, Packet, Request};
use peer::{InMemory, content};

const MIB: usize = 1024 * 1024;
const BLKSIZE: u16 = 1468;
const ROUNDS: usize = 3;

/// One way to load a server: clients at a time, bytes for each, blocks per acknowledgement.
const LOADS: [(usize, usize, u16); 4] = [(1, 64 * MIB, 1), (1, 64 * MIB, 16), (20, 8 * MIB, 1), (20, 8 * MIB, 16)];

fn main() {
    // Without it this is `cargo test`, which only asks whether the bench still runs.
    if std::env::args().any(|argument| argument == "--bench") {
        compare();
    }
    let mut criterion = Criterion::default().configure_from_args();
    one_step(&mut criterion);
    criterion.final_summary();
}

/// What one ACK costs: parsing it, moving the window, naming the next blocks.
fn one_step(criterion: &mut Criterion) {
    for windowsize in [1, 16] {
        let asked = Options { blksize: Some(BLKSIZE), windowsize: Some(windowsize), ..Options::default() };
        let now = time::Instant::START;
        let (mut transfer, _) = Transfer::start(&asked, u64::MAX / 2, Limits::for_mtu(1500), now);
        transfer.handle(&Packet::Ack { block: 0 }, now);
        let mut block = 0_u16;
        criterion.bench_function(&format!("transfer step, window {windowsize}"), |bencher| {
            bencher.iter(|| {
                block = block.wrapping_add(windowsize);
                let bytes = Packet::Ack { block }.encode();
                let packet = Packet::parse(black_box(&bytes)).expect("an ACK");
                black_box(transfer.handle(&packet, now))
            });
        });
    }
}

fn compare() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let bytes: Arc<[u8]> = content(64 * MIB).into();
    for size in [8 * MIB, 64 * MIB] {
        std::fs::write(directory.path().join(size.to_string()), &bytes[..size]).expect("a scratch file");
    }
    let peer_memory =
        BTreeMap::from([8, 64].map(|mib| ((mib * MIB).to_string(), &*bytes[..mib * MIB].to_vec().leak())));
    let servers = [
        ("ours, from disk", start_ours(directory.path())),
        ("async-tftp, from disk", start_peer_dir(directory.path())),
        ("async-tftp, in memory", start_peer_memory(peer_memory)),
    ];
    println!("TFTP over loopback, blksize {BLKSIZE}, MB/s, median of {ROUNDS} rounds by turns; every byte compared");
    for (clients, size, windowsize) in LOADS {
        let mut rates = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            for (rates, (_, address)) in rates.iter_mut().zip(servers) {
                rates.push(rate(address, clients, &bytes[..size], windowsize));
            }
        }
        let medians = rates.map(|mut rates: Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            (rates[ROUNDS / 2], rates[0], rates[ROUNDS - 1])
        });
        println!("{clients} client(s), {} MiB each, window {windowsize}", size / MIB);
        for ((name, _), (median, least, most)) in servers.iter().zip(medians) {
            let ratio = medians[0].0 / median;
            println!("  {name:<22} {median:>7.1}  [{least:.1}-{most:.1}]  ours is {ratio:.2}x");
        }
    }
}

/// MB/s of all clients together, each reading the file named after its size.
fn rate(server: SocketAddrV4, clients: usize, expected: &[u8], windowsize: u16) -> f64 {
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| fetch(server, expected, windowsize));
        }
    });
    (clients * expected.len()) as f64 / began.elapsed().as_secs_f64() / 1e6
}

/// Reads a file by the book and compares it on the way.
fn fetch(server: SocketAddrV4, expected: &[u8], windowsize: u16) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port of loopback");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket option");
    let options =
        Options { blksize: Some(BLKSIZE), windowsize: (windowsize > 1).then_some(windowsize), ..Options::default() };
    let request = Packet::Read(Request { name: expected.len().to_string(), mode: Mode::Octet, options });
    socket.send_to(&request.encode(), server).expect("loopback takes it");
    let mut buffer = [0; 2048];
    let (length, transfer) = socket.recv_from(&mut buffer).expect("an answer");
    assert_eq!(Packet::parse(&buffer[..length]), Ok(Packet::Oack(options)));
    socket.connect(transfer).expect("a datagram socket connects to anything");
    let acknowledge = |block: u64| {
        let packet = Packet::Ack { block: block as u16 };
        socket.send(&packet.encode()).expect("the transfer goes on");
    };
    acknowledge(0);
    let (mut received, mut arrived, mut unacknowledged) = (0, 0_u64, 0);
    loop {
        let length = socket.recv(&mut buffer).expect("the transfer goes on");
        let Ok(Packet::Data { block, content }) = Packet::parse(&buffer[..length]) else { panic!("no DATA") };
        if block != (arrived + 1) as u16 {
            unacknowledged = 0;
            acknowledge(arrived);
            continue;
        }
        arrived += 1;
        unacknowledged += 1;
        assert!(expected.get(received..received + content.len()) == Some(content), "wrong bytes in block {arrived}");
        received += content.len();
        let last = content.len() < usize::from(BLKSIZE);
        if last || unacknowledged == windowsize {
            unacknowledged = 0;
            acknowledge(arrived);
        }
        if last {
            assert_eq!(received, expected.len());
            return;
        }
    }
}

/// The files of a directory, and nobody to tell.
struct Directory(std::path::PathBuf);

impl FileSource for Directory {
    fn open(&self, _asker: Ipv4Addr, name: &str, _via: Via) -> Result<Content, Refusal> {
        let missing = |_| Refusal::NoSuchFile(name.to_owned());
        let file = File::open(self.0.join(name)).map_err(missing)?;
        let size = file.metadata().map_err(missing)?.len();
        Ok(Content::File(OpenFile { file: Arc::new(file), size, modified_secs: 0, etag: "".into() }))
    }

    fn started(&self, _asker: Ipv4Addr, _name: &str, _size: u64, _via: Via) -> TransferId {
        TransferId(0)
    }

    fn progress(&self, _transfer: TransferId, _sent: u64) {}

    fn finished(&self, _transfer: TransferId, _sent: u64, outcome: Outcome) {
        assert_eq!(outcome, Outcome::Complete);
    }
}

/// Each server lives on threads of its own until the process ends.
fn start_ours(directory: &Path) -> SocketAddrV4 {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let listen = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let config = Config { listen, max_per_client: 100, ..Config::default() };
    let files = Arc::new(Directory(directory.to_owned()));
    let server = runtime.block_on(async { Server::bind(config) }).expect("a free port of loopback");
    let address = server.local_addr();
    thread::spawn(move || runtime.block_on(server.run(files, std::future::pending())));
    address
}

fn start_peer_dir(directory: &Path) -> SocketAddrV4 {
    start_peer(async_tftp::server::TftpServerBuilder::with_dir_ro(directory).expect("a directory"))
}

/// async-tftp at its fastest.
fn start_peer_memory(files: BTreeMap<String, &'static [u8]>) -> SocketAddrV4 {
    start_peer(async_tftp::server::TftpServerBuilder::with_handler(InMemory(files)))
}

fn start_peer<H>(builder: async_tftp::server::TftpServerBuilder<H>) -> SocketAddrV4
where
    H: async_tftp::server::Handler + 'static,
{
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port of loopback");
    let SocketAddr::V4(address) = socket.local_addr().expect("it is bound") else { panic!("not IPv4") };
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let server = builder.std_socket(socket).expect("a socket").build().await.expect("a server");
            server.serve().await
        })
    });
    address
}
