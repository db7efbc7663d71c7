//! The whole server on loopback, without DHCP and TFTP: for tests of what it says over HTTP and on its control socket.
//!
//! Owns the server's files, its port and its thread; all of it ends with the test.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hatchery::answer::Answers;
use hatchery::serve::control::{self, Reply, Request};
use hatchery::serve::{self, Settings, http};
use hatchery::site::{Link, Site};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// How long anything may take: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a port of loopback, with its files in a directory of its own.
pub struct Server {
    directory: TempDir,
    pub port: u16,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What a request got.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    /// In lower case.
    pub head: String,
    pub body: String,
}

impl Server {
    /// The directories of a server that does not run yet.
    pub fn new() -> Server {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["boot", "images"] {
            fs::create_dir(directory.path().join(name)).expect("a directory");
        }
        Server { directory, port: 0, running: None }
    }

    /// A path below the server's directory: `boot`, `images`, `hatchery.db`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the server, or starts it anew over the same files, on `link`, which has its address on loopback; `arrange`
    /// says what else it serves. Comes back when every port is open.
    pub fn run(&mut self, link: Link, arrange: impl FnOnce(Settings) -> Settings) {
        self.port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let settings = arrange(self.settings(link));
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let thread = std::thread::spawn(move || {
            let ended = runtime.block_on(serve::run(settings, async { _ = stopped.await }));
            ended.expect("the server starts");
        });
        self.running = Some((stop, thread));
        // It answers there only when every port is open.
        wait_for("the server", || control::ask(&self.path("socket"), &Request::Status).is_ok());
    }

    fn settings(&self, link: Link) -> Settings {
        Settings {
            site: Site { http_port: self.port, silence_limit: Duration::from_secs(600), ..Site::new(vec![link]) },
            profiles: Vec::new(),
            classes: Vec::new(),
            venues: Vec::new(),
            products: Vec::new(),
            answers: Answers::compile(&BTreeMap::new()).0,
            journal: self.path("hatchery.db"),
            boot: self.path("boot"),
            ignore_case: false,
            images: self.path("images"),
            socket: self.path("socket"),
            confinement: hatchery::confine::Wish { user: None, sandbox: false },
            dhcp: false,
            tftp: None,
            retention: hatchery::store::retention::Retention::default(),
            management: None,
            http_ports: vec![self.port],
            http: http::Limits { grace: Duration::from_secs(1), ..http::Limits::default() },
        }
    }

    /// Ends the server as an operator would.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            thread.join().expect("the server ends in peace");
        }
    }

    /// Sends a request from that address of loopback.
    pub fn send(&self, from: Ipv4Addr, method: &str, path: &str, body: &str) -> Answer {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("all of 127.0.0.0/8 is ours");
        socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)).into()).expect("a connection");
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all((head + body).as_bytes()).expect("a request sent");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("a reply");
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code");
        Answer { code, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// Asks on the control socket, as the command line does.
    pub fn ask(&self, request: &Request) -> Reply {
        control::ask(&self.path("socket"), request).expect("the control socket answers")
    }

    /// What `hatchery explain` knows of a machine.
    pub fn explain(&self, machine: &str) -> Value {
        match self.ask(&Request::Explain { machine: machine.into() }) {
            Reply::Ok(mut explained) => explained["machine"].take(),
            other => panic!("{machine}: {other:?}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some((stop, thread)) = self.running.take() else { return };
        drop(stop);
        if thread.join().is_err() {
            eprintln!("the server ended in a panic");
        }
    }
}

/// Looks again and again until it holds.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::yield_now();
    }
}
