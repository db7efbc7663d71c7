//! Boot files by TFTP, against dnsmasq, tftpd-hpa, atftpd and async-tftp; those that know no window option take part in
//! loads without windows only. Beside them what a server without rules does, in two ways.

pub mod floor;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hatchery::wire::tftp::{DATA_HEADER, Mode, Options, Packet, Request};

use crate::measure::{Better, Contest, Turn};
use crate::pattern::Pattern;
use crate::place::{Place, Server, client_address, peer_address};
use crate::{Plan, async_tftp_peer};

const MIB: u64 = 1 << 20;
const GIB: f64 = (1 << 30) as f64;
/// How long a client waits for the next packet before the run counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Datagrams that a client takes from the kernel in one call.
const AT_ONCE: usize = 64;

const PEERS: [&str; 4] = ["dnsmasq", "in.tftpd", "atftpd", "async-tftp"];

/// One way to load a server.
struct Load {
    clients: usize,
    mib: u64,
    blksize: u16,
    windowsize: u16,
}

const LOADS: [Load; 5] = [
    Load { clients: 1, mib: 64, blksize: 1468, windowsize: 1 },
    Load { clients: 1, mib: 64, blksize: 1468, windowsize: 16 },
    Load { clients: 20, mib: 10, blksize: 1468, windowsize: 1 },
    Load { clients: 20, mib: 64, blksize: 1468, windowsize: 16 },
    Load { clients: 1, mib: 64, blksize: 512, windowsize: 1 },
];

/// A server that runs.
struct Contender {
    name: String,
    address: Ipv4Addr,
    server: Server,
    ours: bool,
    windows: bool,
}

/// All loads.
pub fn run(place: &mut Place, plan: &Plan) -> anyhow::Result<Vec<Contest>> {
    let pattern = Arc::new(Pattern::new());
    let size_of = |load: &Load| plan.size(load.mib * MIB, 4 * MIB);
    for load in &LOADS {
        let size = size_of(load);
        pattern.write(&place.path(&format!("boot/{size}")), size).context("cannot write a boot file")?;
    }
    let contenders = start(place, &plan.before)?;
    let mut contests = Vec::new();
    for load in &LOADS {
        let size = size_of(load);
        let taking_part: Vec<&Contender> =
            contenders.iter().filter(|one| one.windows || load.windowsize == 1).collect();
        let names: Vec<(String, bool)> = taking_part.iter().map(|one| (one.name.clone(), one.ours)).collect();
        let words = format!(
            "TFTP, {} client(s), {} MiB each, blocks of {}, window {}",
            load.clients,
            size / MIB,
            load.blksize,
            load.windowsize
        );
        let contest = Contest::new(words, "MB/s", "CPU-s/GiB", Better::Higher);
        contests.push(contest.run(&names, plan.rounds, |index| {
            let one = taking_part[index];
            let before = one.server.usage()?;
            let time = fetch_all(one.address, load, size, &pattern).with_context(|| one.name.clone())?;
            let after = one.server.usage()?;
            let bytes = (load.clients as u64 * size) as f64;
            Ok(Turn {
                value: bytes / time.as_secs_f64() / 1e6,
                cpu: (after.cpu - before.cpu).as_secs_f64() / (bytes / GIB),
                peak_bytes: after.peak_bytes,
                more: Vec::new(),
            })
        })?);
    }
    Ok(contests)
}

/// Ours first.
fn start(place: &mut Place, before: &[PathBuf]) -> anyhow::Result<Vec<Contender>> {
    let builds = place.start_builds(before)?;
    let mut all: Vec<Contender> = builds
        .into_iter()
        .map(|(name, address, server)| Contender { name, address, server, ours: true, windows: true })
        .collect();
    let directory = place.path("boot");
    for (index, waits) in floor::Waits::ALL.into_iter().enumerate() {
        let address = peer_address(PEERS.len() + index);
        let mut server = place.start(&format!("tftp-floor-{index}"), floor::command(waits, &directory, address)?)?;
        if let Err(error) = server.wait_until(|| answers(address)) {
            // A container may forbid io_uring.
            eprintln!("left out: {}: {error:#}", waits.name());
            continue;
        }
        all.push(Contender { name: waits.name().to_owned(), address, server, ours: true, windows: false });
    }
    let directory_text = directory.to_string_lossy().into_owned();
    for (index, program) in PEERS.into_iter().enumerate() {
        let address = peer_address(index);
        let command = match program {
            "async-tftp" => Some(async_tftp_peer::command(&directory, SocketAddr::from((address, 69)))?),
            program => place.peer(program),
        };
        let Some(mut command) = command else { continue };
        let listen = address.to_string();
        let (name, windows) = match program {
            "dnsmasq" => {
                let root = format!("--tftp-root={directory_text}");
                let listen = format!("--listen-address={listen}");
                command.args([
                    "--keep-in-foreground",
                    "--port=0",
                    "--enable-tftp",
                    &root,
                    &listen,
                    "--bind-interfaces",
                ]);
                command.args(["--user=root", "--conf-file=/dev/null", "--pid-file", "--log-facility=-"]);
                ("dnsmasq", false)
            }
            "in.tftpd" => {
                let listen = format!("{listen}:69");
                command.args(["--foreground", "--user", "root", "--address", &listen, "--secure", &directory_text]);
                ("tftpd-hpa", false)
            }
            "atftpd" => {
                command.args(["--daemon", "--no-fork", "--user", "root", "--group", "root", "--port", "69"]);
                command.args(["--logfile", "/dev/null", "--bind-address", &listen, &directory_text]);
                ("atftpd", true)
            }
            name => (name, true),
        };
        let mut server = place.start(name, command)?;
        server.wait_until(|| answers(address))?;
        all.push(Contender { name: name.to_owned(), address, server, ours: false, windows });
    }
    ensure!(all.iter().any(|one| !one.ours), "there is no TFTP server to compare with");
    Ok(all)
}

/// Whether a server says anything to a request for a file that is not there.
pub fn answers(server: Ipv4Addr) -> bool {
    let Ok(socket) = UdpSocket::bind((client_address(0), 0)) else { return false };
    let request =
        Packet::Read(Request { name: "not-there".to_owned(), mode: Mode::Octet, options: Options::default() });
    let asked = socket.set_read_timeout(Some(Duration::from_millis(200)));
    asked.and_then(|()| socket.send_to(&request.encode(), (server, 69))).is_ok() && socket.recv(&mut [0; 600]).is_ok()
}

/// How long it takes until every client has the file.
fn fetch_all(server: Ipv4Addr, load: &Load, size: u64, pattern: &Arc<Pattern>) -> anyhow::Result<Duration> {
    let start = Arc::new(Barrier::new(load.clients + 1));
    let (blksize, windowsize) = (load.blksize, load.windowsize);
    let threads: Vec<_> = (0..load.clients)
        .map(|client| {
            let (start, pattern) = (start.clone(), pattern.clone());
            std::thread::spawn(move || {
                start.wait();
                fetch(client, SocketAddrV4::new(server, 69), size, blksize, windowsize, &pattern)
                    .with_context(|| format!("client {client}"))
            })
        })
        .collect();
    start.wait();
    let began = Instant::now();
    for thread in threads {
        match thread.join() {
            Ok(fetched) => fetched?,
            Err(_) => bail!("a client panicked"),
        }
    }
    Ok(began.elapsed())
}

/// Reads a file by the book and compares it on the way.
pub fn fetch(
    client: usize,
    server: SocketAddrV4,
    size: u64,
    blksize: u16,
    windowsize: u16,
    pattern: &Pattern,
) -> anyhow::Result<()> {
    let socket = UdpSocket::bind((client_address(client), 0)).context("no socket")?;
    socket.set_read_timeout(Some(PATIENCE)).context("a socket option")?;
    let options = Options {
        blksize: (blksize != 512).then_some(blksize),
        windowsize: (windowsize > 1).then_some(windowsize),
        tsize: Some(0),
        ..Options::default()
    };
    let request = Packet::Read(Request { name: size.to_string(), mode: Mode::Octet, options });
    socket.send_to(&request.encode(), server).context("cannot ask")?;
    let mut inbox = Inbox::new();
    let (length, transfer) = socket.recv_from(&mut inbox.buffers[0]).context("no answer")?;
    let answer = inbox.buffers[0][..length].to_vec();
    match Packet::parse(&answer) {
        Ok(Packet::Oack(granted)) => {
            ensure!(granted.blksize == options.blksize, "another block size: {granted:?}");
            ensure!(granted.windowsize == options.windowsize, "another window: {granted:?}");
        }
        other => bail!("no OACK but {other:?}"),
    }
    socket.connect(transfer).context("cannot connect")?;
    let acknowledge = |block: u64| socket.send(&Packet::Ack { block: block as u16 }.encode()).context("cannot answer");
    acknowledge(0)?;
    let (mut received, mut arrived, mut unacknowledged) = (0, 0_u64, 0);
    loop {
        let count = if windowsize == 1 { inbox.receive_one(&socket)? } else { inbox.receive_many(&socket)? };
        for index in 0..count {
            let datagram = inbox.datagram(index);
            ensure!(datagram.len() >= DATA_HEADER && datagram[..2] == [0, 3], "not DATA: {datagram:?}");
            let block = u16::from_be_bytes([datagram[2], datagram[3]]);
            if block != (arrived + 1) as u16 {
                unacknowledged = 0;
                acknowledge(arrived)?;
                continue;
            }
            let content = &datagram[DATA_HEADER..];
            ensure!(pattern.holds(received, content), "wrong bytes in block {}", arrived + 1);
            arrived += 1;
            unacknowledged += 1;
            received += content.len() as u64;
            let last = content.len() < usize::from(blksize);
            if last || unacknowledged == windowsize {
                unacknowledged = 0;
                acknowledge(arrived)?;
            }
            if last {
                ensure!(received == size, "{received} bytes instead of {size}");
                return Ok(());
            }
        }
    }
}

/// Datagrams, as many as there are.
struct Inbox {
    buffers: Vec<[u8; 2048]>,
    lengths: [usize; AT_ONCE],
}

impl Inbox {
    fn new() -> Inbox {
        Inbox { buffers: vec![[0; 2048]; AT_ONCE], lengths: [0; AT_ONCE] }
    }

    fn datagram(&self, index: usize) -> &[u8] {
        &self.buffers[index][..self.lengths[index]]
    }

    fn receive_one(&mut self, socket: &UdpSocket) -> anyhow::Result<usize> {
        self.lengths[0] = socket.recv(&mut self.buffers[0]).context("no more packets")?;
        Ok(1)
    }

    /// Waits for the first and takes those that are there already: clients of windows are not to be the limit.
    fn receive_many(&mut self, socket: &UdpSocket) -> anyhow::Result<usize> {
        let mut parts = [const { libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 } }; AT_ONCE];
        // SAFETY: all zeroes is the empty value of this plain structure of the kernel.
        let mut messages: [libc::mmsghdr; AT_ONCE] = unsafe { std::mem::zeroed() };
        for ((part, message), buffer) in parts.iter_mut().zip(&mut messages).zip(&mut self.buffers) {
            part.iov_base = buffer.as_mut_ptr().cast();
            part.iov_len = buffer.len();
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: every message points to a part and every part to a buffer, all alive until the call returns.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                AT_ONCE as u32,
                libc::MSG_WAITFORONE,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| std::io::Error::last_os_error()).context("no more packets")?;
        for (length, message) in self.lengths.iter_mut().zip(&messages[..count]) {
            *length = message.msg_len as usize;
        }
        Ok(count)
    }
}
