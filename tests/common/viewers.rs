//! People who look at the wall while machines boot: each holds an event stream open and reads what comes.

use std::io::{BufRead, BufReader, Write};
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

/// A table whose server has pages, with a server that runs; and the cookie of somebody who is logged in.
pub fn table_with_pages() -> (Table, String) {
    let mut table = Table::new("", &format!("[management]\nlisten = [\"{PAGES}\"]"));
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
    pub fn come(count: usize, cookie: &str) -> Viewers {
        let goal: Arc<OnceLock<Vec<String>>> = Arc::default();
        let viewer = |_| {
            let mut stream = TcpStream::connect(PAGES).expect("a connection");
            write!(stream, "GET /events?page=wall HTTP/1.1\r\nHost: {PAGES}\r\nCookie: {cookie}\r\n\r\n")
                .expect("a request sent");
            let mut lines = Lines::new(stream);
            let mut wall = loop {
                if let Some(wall) = lines.wall() {
                    break wall;
                }
            };
            let goal = goal.clone();
            std::thread::spawn(move || {
                let end = Instant::now() + 4 * PATIENCE;
                loop {
                    wall = lines.wall().unwrap_or(wall);
                    let seen = goal.get().is_some_and(|names| names.iter().all(|name| is_done(&wall, name)));
                    if seen || Instant::now() > end {
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

/// The event stream, line by line.
struct Lines {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
    /// What has come of a wall so far.
    wall: String,
    inside: bool,
}

impl Lines {
    fn new(stream: TcpStream) -> Lines {
        stream.set_read_timeout(Some(GLANCE)).expect("a timeout");
        Lines { stream: BufReader::new(stream), line: Vec::new(), wall: String::new(), inside: false }
    }

    /// The next wall; nothing if none comes for a moment.
    fn wall(&mut self) -> Option<String> {
        loop {
            match self.stream.read_until(b'\n', &mut self.line) {
                Ok(0) => panic!("the stream ended"),
                Ok(_) => {
                    let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
                    self.inside |= line == "event: page";
                    match line.strip_prefix("data:") {
                        Some(data) if self.inside => self.wall += data,
                        None if self.inside && line.is_empty() => {
                            self.inside = false;
                            return Some(std::mem::take(&mut self.wall));
                        }
                        _ => {}
                    }
                }
                // What has come of a line so far stays.
                Err(_) => return None,
            }
        }
    }
}
