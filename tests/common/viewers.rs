//! People who look at the wall while machines boot: each holds an event stream open and reads what comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::manage::{self, PASSWORD};
use crate::table::{PATIENCE, Table};

/// Where the pages are, on the server's side and on ours.
pub const PAGES: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// How long a viewer waits for news before it looks whether it has seen enough.
const GLANCE: Duration = Duration::from_millis(200);

/// A table whose server has pages and logs so much, with a server that runs; and the cookie of somebody who is logged in.
pub fn table_with_pages(log: &str) -> (Table, String) {
    let mut table = Table::logging(log, "", &format!("[management]\nlisten = [\"{PAGES}\"]"));
    table.configure("numbers = { KXP2 = [\"1-200\"] }", "numbers = { KXP2 = [\"1-400\"] }");
    table.configure("192.168.151.100-192.168.151.250", "192.168.151.10-192.168.151.250");
    table.start();
    table.bench.wait_for_image().expect("an image");
    let listener = TcpListener::bind(PAGES).expect("a port of a network of our own");
    table.bench.network().forward(listener, PAGES).expect("a thread");
    let log = table.log();
    let (_, rest) = log.split_once("/setup?code=").expect("a link in the log");
    let code = rest.split_whitespace().next().expect("a code");
    let form = format!("code={code}&name=anna&password={0}&again={0}", PASSWORD.replace(' ', "+"));
    let headers = [("Host", "127.0.0.1:8080"), ("Content-Type", "application/x-www-form-urlencoded")];
    let answer = manage::send(PAGES.port(), "POST", "/setup", &headers, &form);
    assert_eq!(answer.code, 303, "{answer:?}");
    (table, answer.cookie())
}

/// Whether a wall has this machine done.
pub fn is_done(wall: &str, name: &str) -> bool {
    let tile = wall.split_once(name).and_then(|(_, rest)| rest.split("</li>").next());
    tile.is_some_and(|tile| tile.contains("Done"))
}

/// Viewers who look until they have seen what they came for.
pub struct Viewers {
    all: Vec<JoinHandle<String>>,
    /// The names of machines that they are to see done.
    goal: Arc<OnceLock<Vec<String>>>,
}

impl Viewers {
    /// So many begin to look, and have seen the wall once.
    pub fn come(count: usize, table: &Table, cookie: &str) -> Viewers {
        let goal: Arc<OnceLock<Vec<String>>> = Arc::default();
        let viewer = |_| {
            // From the server's side: what stands between a viewer and the pages costs the processor too.
            let connected = table.bench.network().in_server(|| TcpStream::connect(PAGES));
            let mut stream = Stream::new(connected.expect("a connection"), cookie);
            while stream.wall().is_none() {
                stream.read();
            }
            let goal = goal.clone();
            std::thread::spawn(move || {
                step_aside();
                let end = Instant::now() + 4 * PATIENCE;
                loop {
                    stream.read();
                    // Before that it is not looked at: the page is a browser's business, on another machine.
                    let Some(names) = goal.get() else { continue };
                    let wall = stream.wall().expect("a wall that was seen stays");
                    if names.iter().all(|name| is_done(&wall, name)) || Instant::now() > end {
                        return wall;
                    }
                }
            })
        };
        Viewers { all: (0..count).map(viewer).collect(), goal }
    }

    /// They go when they have seen these machines done, or lose patience; the last wall that each of them saw.
    pub fn go(self, names: &[&str]) -> Vec<String> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.goal.set(names).expect("they go once");
        self.all.into_iter().map(|viewer| viewer.join().expect("a viewer whose stream goes on")).collect()
    }
}

/// This thread runs when nothing else would: a viewer's computer is another one than the server and the machines.
fn step_aside() {
    let lowest = libc::sched_param { sched_priority: 0 };
    // SAFETY: one system call about the calling thread, which reads `lowest`.
    let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &lowest) };
    assert_eq!(set, 0, "a thread may always ask for less");
}

/// The event stream of one viewer.
struct Stream {
    socket: TcpStream,
    /// Everything that has come.
    seen: Vec<u8>,
}

impl Stream {
    fn new(mut socket: TcpStream, cookie: &str) -> Stream {
        socket.set_read_timeout(Some(GLANCE)).expect("a timeout");
        write!(socket, "GET /events?page=wall HTTP/1.1\r\nHost: {PAGES}\r\nCookie: {cookie}\r\n\r\n")
            .expect("a request sent");
        Stream { socket, seen: Vec::new() }
    }

    /// Takes what comes, or nothing if that is long in coming.
    fn read(&mut self) {
        let mut buffer = [0; 64 << 10];
        match self.socket.read(&mut buffer) {
            Ok(0) => panic!("the stream ended: {}", String::from_utf8_lossy(&self.seen)),
            Ok(length) => self.seen.extend_from_slice(&buffer[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("the stream broke: {error}"),
        }
    }

    /// The last wall that has come whole.
    fn wall(&self) -> Option<String> {
        let seen = String::from_utf8_lossy(&self.seen);
        let (whole, _) = seen.rsplit_once("\n\n")?;
        let (_, wall) = whole.rsplit_once("event: page\n")?;
        // Signs of life may have come after it.
        wall.split("\n\n").next().map(str::to_owned)
    }
}
