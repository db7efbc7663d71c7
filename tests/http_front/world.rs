//! A front over temporary files and a small API, and a client that sees every byte.
//!
//! The count of sendfile bytes is process-wide, so worlds take turns: many shared ones, or one that counts.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Condvar, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use bytes::Bytes;
use hatchery::ids::TransferId;
use hatchery::refusal::Refusal;
use hatchery::serve::content::{Content, FileSource, OpenFile};
use hatchery::serve::http::{Limits, bind, run};
use hatchery::transfer::{Outcome, Via};
use socket2::{Domain, Socket, Type};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long anything in these tests may take.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// Bytes that a client takes without reading, as it asks for them; the system doubles the number.
pub const SMALL_WINDOW: usize = 32 << 10;
/// The rendered answer at `/boot/grub.cfg`.
pub const GRUB: &str = "set timeout=0\nboot\n";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Started { transfer: u64, asker: Ipv4Addr, name: String, size: u64 },
    Finished { transfer: u64, sent: u64, outcome: Outcome },
}

/// Files below a scratch directory.
pub struct Files {
    pub root: tempfile::TempDir,
    events: Mutex<Vec<Event>>,
    changed: Condvar,
}

impl Files {
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("a scratch directory");
        for below in ["images", "boot"] {
            fs::create_dir(root.path().join(below)).expect("a directory in it");
        }
        Files { root, events: Mutex::default(), changed: Condvar::new() }
    }

    pub fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.root.path().join(name), content).expect("a file in the scratch directory");
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().expect("no test panics with it").clone()
    }

    /// The ends of the first `count` transfers, as soon as there are that many.
    pub fn wait_finished(&self, count: usize) -> Vec<(u64, Outcome)> {
        let finished = |events: &Vec<Event>| -> Vec<(u64, Outcome)> {
            let ends = events.iter().filter_map(|event| match event {
                Event::Finished { sent, outcome, .. } => Some((*sent, outcome.clone())),
                Event::Started { .. } => None,
            });
            ends.collect()
        };
        let events = self.events.lock().expect("no test panics with it");
        let (events, waited) = self
            .changed
            .wait_timeout_while(events, DEADLINE, |events| finished(events).len() < count)
            .expect("no test panics with it");
        assert!(!waited.timed_out(), "{count} transfers should have ended: {events:?}");
        finished(&events)
    }

    fn tell(&self, event: Event) {
        self.events.lock().expect("no test panics with it").push(event);
        self.changed.notify_all();
    }
}

impl FileSource for Files {
    fn open(&self, _asker: Ipv4Addr, name: &str, via: Via) -> Result<Content, Refusal> {
        assert_eq!(via, Via::Http);
        if name == "boot/grub.cfg" {
            return Ok(Content::Text(Bytes::from_static(GRUB.as_bytes())));
        }
        if name == "boot/busy" {
            return Err(Refusal::Busy("files"));
        }
        let refused = || Refusal::NoSuchFile(name.to_owned());
        if name.contains("..") {
            return Err(Refusal::OutsideTree(name.to_owned()));
        }
        let file = fs::File::open(self.root.path().join(name)).map_err(|_| refused())?;
        let known = file.metadata().map_err(|_| refused())?;
        if !known.is_file() {
            return Err(refused());
        }
        // A file that loses its tail between being opened and being sent.
        let size = if name.ends_with("shrinks.img") { known.size() + 1000 } else { known.size() };
        let etag = format!("{:x}-{:x}-{:x}", known.ino(), size, known.mtime_nsec());
        Ok(Content::File(OpenFile { file: Arc::new(file), size, modified_secs: known.mtime(), etag: etag.into() }))
    }

    fn started(&self, asker: Ipv4Addr, name: &str, size: u64, via: Via) -> TransferId {
        assert_eq!(via, Via::Http);
        let mut events = self.events.lock().expect("no test panics with it");
        let transfer = events.len() as u64;
        events.push(Event::Started { transfer, asker, name: name.to_owned(), size });
        TransferId(transfer)
    }

    fn progress(&self, transfer: TransferId, _sent: u64) {
        let events = self.events();
        assert!(events.iter().any(|event| matches!(event, Event::Started { transfer: id, .. } if *id == transfer.0)));
        assert!(!events.iter().any(|event| matches!(event, Event::Finished { transfer: id, .. } if *id == transfer.0)));
    }

    fn finished(&self, transfer: TransferId, sent: u64, outcome: Outcome) {
        self.tell(Event::Finished { transfer: transfer.0, sent, outcome });
    }
}

/// An API that echoes, tells who asks, and ignores bodies.
pub fn api() -> Router {
    Router::new()
        .route("/api/config", post(|body: String| async move { format!("got {body}") }))
        .route("/api/peer", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
        .route("/api/ignore", post(|| async { "ignored" }))
        .route("/api/boom", get(boom))
}

async fn boom() -> &'static str {
    panic!("this route panics, as a test of the front")
}

static TURNS: RwLock<()> = RwLock::new(());

/// What a world holds while it may send files.
#[expect(dead_code, reason = "held for its drop")]
pub enum Turn {
    Shared(RwLockReadGuard<'static, ()>),
    Counting(RwLockWriteGuard<'static, ()>),
}

/// A running front.
pub struct World {
    pub address: SocketAddr,
    pub files: Arc<Files>,
    pub stop: watch::Sender<bool>,
    served: Option<JoinHandle<std::io::Result<()>>>,
    runtime: Option<Runtime>,
    _turn: Turn,
}

impl World {
    pub fn new(limits: Limits) -> Self {
        Self::taking(Turn::Shared(TURNS.read().unwrap_or_else(|poisoned| poisoned.into_inner())), limits)
    }

    /// The only world in this process while it lives.
    pub fn counting() -> Self {
        Self::taking(Turn::Counting(TURNS.write().unwrap_or_else(|poisoned| poisoned.into_inner())), Limits::default())
    }

    fn taking(turn: Turn, limits: Limits) -> Self {
        let files = Arc::new(Files::new());
        let listeners = bind(&["127.0.0.1:0".parse().expect("an address")]).expect("a free port");
        let address = listeners[0].local_addr().expect("bound");
        let (stop, stopped) = watch::channel(false);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let served = runtime.spawn(run(listeners, files.clone(), api(), limits, stopped));
        World { address, files, stop, served: Some(served), runtime: Some(runtime), _turn: turn }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Waits for the front to end by itself, after `stop`.
    pub fn wait_served(&mut self) {
        let (served, runtime) = (self.served.take().expect("once"), self.runtime.as_ref().expect("running"));
        let served = runtime.block_on(async { tokio::time::timeout(DEADLINE, served).await });
        served.expect("the front ends after its grace period").expect("no panic").expect("no error");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub struct Response {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// One connection, used by hand.
pub struct Client(BufReader<TcpStream>);

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("the front listens"))
    }

    /// A connection from another address of ours.
    pub fn connect_from(own: Ipv4Addr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((own, 0)).into()).expect("an address of the loopback");
        socket.connect(&address.into()).expect("the front listens");
        Self::over(socket.into())
    }

    /// A connection whose far end can have no more than about [`SMALL_WINDOW`] bytes on the way to us.
    pub fn with_small_window(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(SMALL_WINDOW).expect("SO_RCVBUF");
        socket.connect(&address.into()).expect("the front listens");
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        Client(BufReader::new(stream))
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.0.get_ref().local_addr().expect("connected")
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).expect("the front reads");
    }

    /// Whether the connection still took the bytes.
    pub fn try_send(&mut self, bytes: &str) -> bool {
        self.0.get_mut().write_all(bytes.as_bytes()).is_ok()
    }

    /// A request of HTTP/1.1 with `fields`, each with its line end.
    pub fn ask(&mut self, method: &str, target: &str, fields: &str) -> Response {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        if method == "HEAD" { self.head() } else { self.response() }
    }

    pub fn get(&mut self, target: &str) -> Response {
        self.ask("GET", target, "")
    }

    /// A response without its body.
    pub fn head(&mut self) -> Response {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("the front answers in time");
            assert!(!line.is_empty(), "the connection ended inside a head: {lines:?}");
            match line.trim_end_matches("\r\n") {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let status = lines[0].strip_prefix("HTTP/1.1 ").or(lines[0].strip_prefix("HTTP/1.0 "));
        let status = status.expect("a status line")[..3].parse().expect("a status");
        let field = |line: &String| {
            let (name, value) = line.split_once(": ").expect("a field");
            assert!(!value.is_empty(), "an empty field value: {line}");
            (name.to_owned(), value.to_owned())
        };
        let fields: Vec<_> = lines[1..].iter().map(field).collect();
        Response { status, fields, body: Vec::new() }
    }

    pub fn response(&mut self) -> Response {
        let mut response = self.head();
        let length = response.field("content-length").map_or(0, |length| length.parse().expect("a length"));
        response.body.resize(length, 0);
        self.0.read_exact(&mut response.body).expect("the whole body");
        response
    }

    /// The status of a GET, if the connection lives to see it.
    pub fn response_to(&mut self, target: &str) -> Option<u16> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        self.try_send(&request).then_some(())?;
        let answer = String::from_utf8_lossy(&self.rest()).into_owned();
        answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }

    /// Reads that many bytes and forgets them.
    pub fn read_exactly(&mut self, count: usize) -> usize {
        self.0.read_exact(&mut vec![0; count]).expect("bytes in time");
        count
    }

    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        self.0.read(buffer).expect("bytes in time")
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => rest,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => rest,
            Err(error) => panic!("the connection should have ended: {error}"),
        }
    }

    pub fn assert_ended(&mut self) {
        assert_eq!(self.rest(), b"", "nothing more comes");
    }

    /// Bytes that the front's socket of this connection still has in its send queue; none if no process holds it.
    pub fn queued_at_the_front(&self) -> Option<u64> {
        let port_of = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
        let peer = self.0.get_ref().peer_addr().expect("connected");
        let table = fs::read_to_string("/proc/net/tcp").expect("the connections of this system");
        table.lines().find_map(|line| {
            // "sl local_address rem_address st tx_queue:rx_queue tr tm->when retrnsmt uid timeout inode", proc(5)
            let fields: Vec<&str> = line.split_whitespace().collect();
            let ours = port_of(fields[1])? == peer.port() && port_of(fields[2])? == self.local_addr().port();
            let held = ours && *fields.get(9)? != "0";
            held.then(|| u64::from_str_radix(fields[4].split_once(':')?.0, 16).ok())?
        })
    }

    pub fn finish_sending(&self) {
        self.0.get_ref().shutdown(Shutdown::Write).expect("connected");
    }
}

/// Asks `question` until it has an answer.
pub fn until<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}
