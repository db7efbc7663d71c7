//! A server with a management side: the real binary on loopback, and what a browser or a program sends to it.

// Each test that includes this uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

/// The binary.
pub const HATCHERY: &str = env!("CARGO_BIN_EXE_hatchery");
/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Of the first user, `anna`.
pub const PASSWORD: &str = "pit lane umbrella";

/// A server process with its files in a directory of its own; killed when dropped.
pub struct Server {
    /// Where its files are.
    pub directory: TempDir,
    process: Child,
    arguments: Vec<String>,
    /// Port of the management side.
    pub pages: u16,
    /// Port of the deployment side.
    pub machines: u16,
    /// The link of the log that makes the first user.
    pub link: String,
    /// The lines of the log since it was ready.
    pub lines: Arc<Mutex<Vec<String>>>,
}

/// What a request got.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The session cookie that it sets, as a browser sends it back.
    pub fn cookie(&self) -> String {
        let set = self.header("set-cookie").unwrap_or_else(|| panic!("no cookie in {}", self.head));
        set.split(';').next().expect("a pair").to_owned()
    }

    pub fn form_key(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"form_key\" value=\"").expect("a form with a key");
        rest.split('"').next().expect("its value").to_owned()
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

impl Server {
    pub fn start() -> Server {
        Server::start_with("")
    }

    /// With more lines below `[management]`; relative paths are below the server's directory.
    pub fn start_with(management: &str) -> Server {
        Server::arrange("", management, &[])
    }

    /// With more at the end of the configuration, below `[management]`, and arguments of `serve`.
    pub fn arrange(rest: &str, management: &str, arguments: &[&str]) -> Server {
        let directory = tempfile::tempdir().expect("a directory");
        let (pages, machines) = (free_port(), free_port());
        let config = format!(
            r#"
[paths]
data = "data"
socket = "socket"
[http]
ports = [{machines}]
[tftp]
enabled = false
[dhcp]
enabled = false
[management]
listen = ["127.0.0.1:{pages}"]
{management}
[[network]]
interface = "lo"
address = "127.0.0.1/24"
pool = ["127.0.0.100-127.0.0.110"]
[[venue]]
code = "ARLT"
name = "Arlington"
numbers = {{ KXP2 = ["1-6"] }}
{rest}
"#
        );
        fs::write(directory.path().join("hatchery.toml"), config).expect("a file");
        Server::start_in(directory, pages, machines, arguments)
    }

    /// With the configuration that is in the directory already, and says these ports.
    pub fn start_in(directory: TempDir, pages: u16, machines: u16, arguments: &[&str]) -> Server {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Server::launch(directory, pages, machines, arguments)
    }

    /// Kills it, and starts it anew with what it has left on disk.
    pub fn restart(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir().expect("a directory"));
        *self = Server::launch(directory, self.pages, self.machines, self.arguments.clone());
    }

    fn launch(directory: TempDir, pages: u16, machines: u16, arguments: Vec<String>) -> Server {
        let mut command = Command::new(HATCHERY);
        command.args(["serve", "-c", "hatchery.toml"]).args(&arguments);
        let (process, link, lines) = launch(command, directory.path(), pages);
        Server { directory, process, pages, machines, link, lines, arguments }
    }

    /// Killed, as by a power cut.
    pub fn kill(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }

    /// Killed, and started anew with the same files; the program and its arguments may be others.
    pub fn start_again(&mut self, program: &[&str]) {
        self.kill();
        let mut command = Command::new(program[0]);
        command.args(&program[1..]);
        (self.process, self.link, self.lines) = launch(command, self.directory.path(), self.pages);
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        send(self.pages, method, path, headers, body)
    }

    pub fn get(&self, path: &str, cookie: &str) -> Answer {
        self.send("GET", path, &[("Cookie", cookie)], "")
    }

    pub fn post(&self, path: &str, cookie: &str, form: &[(&str, &str)]) -> Answer {
        let form: Vec<String> = form.iter().map(|(key, value)| format!("{key}={}", value.replace(' ', "+"))).collect();
        let headers = [("Cookie", cookie), ("Content-Type", "application/x-www-form-urlencoded")];
        self.send("POST", path, &headers, &form.join("&"))
    }

    /// Makes the first user; the cookie of their session.
    pub fn set_up(&self) -> String {
        let code = self.link.split_once("code=").expect("a link with a code").1;
        let form = [("code", code), ("name", "Anna"), ("password", PASSWORD), ("again", PASSWORD)];
        let answer = self.post("/setup", "", &form);
        assert_eq!((answer.code, answer.header("location")), (303, Some("/")), "{answer:?}");
        answer.cookie()
    }

    pub fn log_in(&self, name: &str, password: &str) -> Answer {
        self.post("/login", "", &[("name", name), ("password", password)])
    }
}

impl Server {
    /// Ends it; its files stay until what is returned is dropped.
    pub fn stop(mut self) -> TempDir {
        self.process.kill().expect("it ran");
        self.process.wait().expect("it ends");
        std::mem::replace(&mut self.directory, tempfile::tempdir().expect("a directory"))
    }
}

/// Starts it, and waits until it serves: the process, the link of its log, and the lines after that.
fn launch(mut command: Command, directory: &Path, pages: u16) -> (Child, String, Arc<Mutex<Vec<String>>>) {
    command.current_dir(directory).stderr(Stdio::piped());
    let mut process = command.spawn().expect("the binary starts");
    let mut log = BufReader::new(process.stderr.take().expect("a pipe"));
    let mut link = String::new();
    let lines = Arc::<Mutex<Vec<String>>>::default();
    loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).expect("text") > 0, "the server ended");
        if let Some((_, place)) = line.split_once(&format!("://127.0.0.1:{pages}")) {
            link = place.trim().split('"').next().unwrap_or_default().to_owned();
        }
        if line.contains("ready") {
            break;
        }
    }
    // A full pipe must not hold the server up.
    let kept = lines.clone();
    std::thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            kept.lock().expect("nobody panics with it").push(line);
        }
    });
    (process, link, lines)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already, if it was stopped.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// One request on a connection of its own.
pub fn send(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut head = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "Host") {
        head += "Host: hatchery.test\r\n";
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n" + body).as_bytes()).expect("a request sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code");
    Answer { code, head: head.to_owned(), body: body.to_owned() }
}

/// A token as the command line makes it, ready to be sent as `Authorization`.
pub fn token(server: &Server, role: &str, more: &[&str]) -> String {
    let output = Command::new(HATCHERY)
        .args(["token", "add", "test", "--role", role, "--socket", "socket", "--json"])
        .args(more)
        .current_dir(server.directory.path())
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    format!("Bearer {}", made["token"].as_str().expect("a token"))
}
