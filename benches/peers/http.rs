//! Images and small files by HTTP, against nginx in three set-ups: which of them is the best differs from load to load.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};

use crate::Plan;
use crate::measure::{Better, Contest, Turn};
use crate::pattern::{PIECE, Pattern};
use crate::place::{INTERFACE, Place, Server, client_address, peer_address};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// Bytes of the small file.
const SMALL: u64 = 4096;
const CLIENTS: usize = 20;
/// How long a client waits for the next bytes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What differs between the set-ups of nginx: their name, and lines of the main, `http` and `listen` parts.
const NGINX: [(&str, &str, &str, &str); 3] = [
    ("nginx, 1 worker, chunk 2m, nopush", "worker_processes 1;", "sendfile_max_chunk 2m; tcp_nopush on;", ""),
    ("nginx, workers auto, chunk 2m, nopush", "worker_processes auto;", "sendfile_max_chunk 2m; tcp_nopush on;", ""),
    (
        "nginx, auto, reuseport, affinity, chunk 1m",
        "worker_processes auto; worker_cpu_affinity auto;",
        "sendfile_max_chunk 1m;",
        " reuseport",
    ),
];

/// Ours first, then every nginx.
struct Servers {
    all: Vec<(String, Ipv4Addr, Server)>,
    /// How many are ours.
    ours: usize,
}

impl Servers {
    fn start(place: &mut Place, plan: &Plan) -> anyhow::Result<Servers> {
        let mut all = place.start_builds(&plan.before)?;
        let ours = all.len();
        for index in 0..NGINX.len() {
            let Some(server) = start_nginx(place, index)? else { break };
            all.push(server);
        }
        ensure!(all.len() > ours, "there is no nginx to compare with: apt-get install nginx-light");
        Ok(Servers { all, ours })
    }

    fn names(&self) -> Vec<(String, bool)> {
        self.all.iter().enumerate().map(|(index, (name, ..))| (name.clone(), index < self.ours)).collect()
    }

    /// Runs `load` against the server at `index`; what it brought, the processor time it took, and the peak of memory.
    fn measured<T>(
        &self,
        index: usize,
        load: impl FnOnce(Ipv4Addr) -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Duration, u64)> {
        let (name, address, server) = &self.all[index];
        let before = server.usage()?;
        let brought = load(*address).with_context(|| name.clone())?;
        let after = server.usage()?;
        Ok((brought, after.cpu - before.cpu, after.peak_bytes))
    }
}

/// Starts nginx in its set-up of that index: its name, its address, and the server; `None` if there is no nginx.
pub fn start_nginx(place: &mut Place, index: usize) -> anyhow::Result<Option<(String, Ipv4Addr, Server)>> {
    let Some(mut command) = place.peer("nginx") else { return Ok(None) };
    let (name, main, http, listen) = NGINX[index];
    let address = peer_address(index);
    let prefix = place.path(&format!("nginx-{index}"));
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {kind};"));
    let configuration = format!(
        "daemon off;\nuser root;\npid nginx.pid;\nerror_log error.log;\n{main}\nevents {{ worker_connections 4096; }}\n\
         http {{\n access_log off;\n sendfile on;\n {http}\n keepalive_requests 100000000;\n {}\n \
         server {{ listen {address}:80{listen}; root {}; }}\n}}\n",
        temporary.join(" "),
        place.path("").display(),
    );
    let path = place.write(&format!("nginx-{index}/nginx.conf"), &configuration)?;
    command.arg("-p").arg(&prefix).arg("-c").arg(path).args(["-e", "error.log"]);
    let mut server = place.start(&format!("nginx-{index}-output"), command)?;
    server.wait_until(|| TcpStream::connect((address, 80)).is_ok())?;
    Ok(Some((name.to_owned(), address, server)))
}

/// Large images to 20 clients and to one, and small files.
pub fn run(place: &mut Place, plan: &Plan) -> anyhow::Result<Vec<Contest>> {
    let pattern = Arc::new(Pattern::new());
    let size = plan.size(GIB, 256 * MIB);
    pattern.write(&place.path("images/large.img"), size).context("cannot write the image")?;
    pattern.write(&place.path("images/small.bin"), SMALL).context("cannot write the small file")?;
    let servers = Servers::start(place, plan)?;
    let mut contests = Vec::new();
    for clients in [CLIENTS, 1] {
        let load = format!("HTTP, {clients} x {} MiB from the page cache", size / MIB);
        let contest = Contest::new(load, "Gb/s", "CPU-s/GiB", Better::Higher);
        contests.push(contest.run(&servers.names(), plan.rounds, |index| {
            let (times, cpu, peak_bytes) =
                servers.measured(index, |address| download(address, clients, size, &pattern))?;
            let bytes = (clients as u64 * size) as f64;
            let more = if clients > 1 { vec![("first/last", times.first_to_last())] } else { Vec::new() };
            Ok(Turn {
                value: bytes * 8.0 / times.last().as_secs_f64() / 1e9,
                cpu: cpu.as_secs_f64() / (bytes / GIB as f64),
                peak_bytes,
                more,
            })
        })?);
    }
    let requests = plan.size(100_000, 40_000);
    let load = format!("HTTP, {SMALL} bytes, keep-alive, {CLIENTS} connections");
    let contest = Contest::new(load, "requests/CPU-s", "µs/request", Better::Higher);
    contests.push(contest.run(&servers.names(), plan.rounds, |index| {
        let (time, cpu, peak_bytes) = servers.measured(index, |address| small_files(address, requests, &pattern))?;
        let requests = requests as f64;
        Ok(Turn {
            value: requests / cpu.as_secs_f64(),
            cpu: cpu.as_secs_f64() * 1e6 / requests,
            peak_bytes,
            more: vec![("requests/s", requests / time.as_secs_f64())],
        })
    })?);
    Ok(contests)
}

/// Who is done when, of 20 clients that begin together on a link of 1 Gbit/s.
pub fn fairness(place: &mut Place, plan: &Plan) -> anyhow::Result<Vec<Contest>> {
    /// Of an Ethernet frame of 1514 bytes, as the shaper counts it, TCP with timestamps carries so many.
    const PAYLOAD: f64 = 1448.0 / 1514.0;
    let pattern = Arc::new(Pattern::new());
    let size = plan.size(58 * MIB, 4 * MIB);
    pattern.write(&place.path("images/shared.img"), size).context("cannot write the image")?;
    let servers = Servers::start(place, plan)?;
    // As much in the queue as a switch has for a port; TCP's acknowledgements come back unhindered.
    let shape =
        ["qdisc", "replace", "dev", INTERFACE, "root", "tbf", "rate", "1gbit", "burst", "128kb", "limit", "4mb"];
    place.on_server_side(Command::new("tc").args(shape))?;
    let load = format!("HTTP, {CLIENTS} x {} MiB on a link of 1 Gbit/s", size / MIB);
    let contest = Contest::new(load, "first/last", "CPU-s/GiB", Better::Higher);
    let contest = contest.run(&servers.names(), plan.rounds, |index| {
        let path_of_download = |address| download_of(address, "shared.img", CLIENTS, size, &pattern);
        let (times, cpu, peak_bytes) = servers.measured(index, path_of_download)?;
        let bytes = (CLIENTS as u64 * size) as f64;
        let limit = bytes * 8.0 / (1e9 * PAYLOAD);
        Ok(Turn {
            value: times.first_to_last(),
            cpu: cpu.as_secs_f64() / (bytes / GIB as f64),
            peak_bytes,
            more: vec![
                ("time/wire limit", times.last().as_secs_f64() / limit),
                ("seconds", times.last().as_secs_f64()),
            ],
        })
    });
    place.on_server_side(Command::new("tc").args(["qdisc", "del", "dev", INTERFACE, "root"]))?;
    let contest = contest?;
    let time = contest.by("time/wire limit", Better::Lower);
    Ok(vec![contest, time])
}

/// When each client was done, after all began.
struct Times(Vec<Duration>);

impl Times {
    fn last(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }

    fn first_to_last(&self) -> f64 {
        let first = self.0.iter().min().copied().unwrap_or_default();
        first.as_secs_f64() / self.last().as_secs_f64()
    }
}

fn download(server: Ipv4Addr, clients: usize, size: u64, pattern: &Arc<Pattern>) -> anyhow::Result<Times> {
    download_of(server, "large.img", clients, size, pattern)
}

/// Lets that many clients, each from an address of its own, download the image at once.
fn download_of(
    server: Ipv4Addr,
    image: &str,
    clients: usize,
    size: u64,
    pattern: &Arc<Pattern>,
) -> anyhow::Result<Times> {
    let start = Arc::new(Barrier::new(clients + 1));
    let threads: Vec<_> = (0..clients)
        .map(|client| {
            let (start, pattern) = (start.clone(), pattern.clone());
            let request = format!("GET /images/{image} HTTP/1.1\r\nHost: {server}\r\n\r\n");
            std::thread::spawn(move || {
                start.wait();
                let fetched = connect(client, server).and_then(|stream| fetch(stream, &request, size, &pattern));
                fetched.map(|()| Instant::now()).with_context(|| format!("client {client}"))
            })
        })
        .collect();
    start.wait();
    let began = Instant::now();
    let ends = threads.into_iter().map(|thread| match thread.join() {
        Ok(end) => end.map(|end| end - began),
        Err(_) => bail!("a client panicked"),
    });
    Ok(Times(ends.collect::<anyhow::Result<_>>()?))
}

/// Connects from the address of a client.
pub fn connect(client: usize, server: Ipv4Addr) -> anyhow::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).context("no socket")?;
    socket.bind(&SocketAddr::from((client_address(client), 0)).into()).context("cannot bind")?;
    socket.connect(&SocketAddr::from((server, 80)).into()).context("cannot connect")?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).context("a socket option")?;
    stream.set_nodelay(true).context("a socket option")?;
    Ok(stream)
}

/// One download, compared while it arrives.
pub fn fetch(mut stream: TcpStream, request: &str, size: u64, pattern: &Pattern) -> anyhow::Result<()> {
    stream.write_all(request.as_bytes()).context("cannot send the request")?;
    let mut buffer = vec![0; PIECE];
    let (mut received, body) = head(&mut stream, &mut buffer, size)?;
    ensure!(pattern.holds(0, &buffer[body..body + received as usize]), "wrong bytes at the beginning");
    while received < size {
        let length = stream.read(&mut buffer).context("no more bytes")?;
        ensure!(length > 0, "the connection ended after {received} bytes");
        ensure!(pattern.holds(received, &buffer[..length]), "wrong bytes after {received}");
        received += length as u64;
    }
    ensure!(received == size, "{received} bytes instead of {size}");
    Ok(())
}

/// Reads a response head; how many bytes of the body came with it, and where they begin.
fn head(stream: &mut TcpStream, buffer: &mut [u8], size: u64) -> anyhow::Result<(u64, usize)> {
    let mut filled = 0;
    loop {
        let length = stream.read(&mut buffer[filled..]).context("no answer")?;
        ensure!(length > 0, "the connection ended before an answer");
        filled += length;
        let Some(end) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = &buffer[..end + 2];
        ensure!(head.starts_with(b"HTTP/1.1 200 "), "not 200: {}", String::from_utf8_lossy(head));
        let length = format!("Content-Length: {size}\r\n");
        let said = head.windows(length.len()).any(|part| part.eq_ignore_ascii_case(length.as_bytes()));
        ensure!(said, "another length than {size}: {}", String::from_utf8_lossy(head));
        return Ok(((filled - end - 4) as u64, end + 4));
    }
}

/// So many requests over 20 connections from one thread, each with a request under way at all times.
fn small_files(server: Ipv4Addr, requests: usize, pattern: &Pattern) -> anyhow::Result<Duration> {
    let request = format!("GET /images/small.bin HTTP/1.1\r\nHost: {server}\r\n\r\n");
    let mut streams = (0..CLIENTS).map(|client| connect(client, server)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut buffer = vec![0; 16 * 1024];
    let began = Instant::now();
    for stream in &mut streams {
        stream.write_all(request.as_bytes()).context("cannot send a request")?;
    }
    for index in 0..requests {
        let stream = &mut streams[index % CLIENTS];
        let (mut received, body) = head(stream, &mut buffer, SMALL)?;
        while received < SMALL {
            let length = stream.read(&mut buffer[body + received as usize..]).context("no more bytes")?;
            ensure!(length > 0, "the connection ended within an answer");
            received += length as u64;
        }
        ensure!(received == SMALL && pattern.holds(0, &buffer[body..body + SMALL as usize]), "wrong bytes");
        if index + CLIENTS < requests {
            stream.write_all(request.as_bytes()).context("cannot send a request")?;
        }
    }
    Ok(began.elapsed())
}
