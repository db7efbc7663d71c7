//! A place with the real server in it, and sockets in the wall: one bridge that machines are plugged into.
//!
//! ```text
//!  the test's namespace                              the server's namespace
//!  tap0 ─┐
//!  tap1 ─┴─ bridge ─ bench0 ──────── veth ────────── hatch0 192.168.151.1/24
//! ```

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hatchery::lab::{self, Network};
use hatchery::load::bench::SERVER;
use hatchery::serve::control::{self, Reply, Request};
use serde_json::{Value, json};

use crate::inside::until;
use crate::larder;

/// How long the server may take to become ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// MiB of memory for journals, logs, disks and images of one test.
const SCRATCH_MIB: u32 = 2048;

/// The place.
pub struct Site {
    directory: PathBuf,
    server: RefCell<Option<Child>>,
    network: Network,
}

impl Site {
    /// A place whose server runs with its default profiles, or with these further tables of the configuration.
    pub fn new(tables: &str) -> Site {
        Site::prepare(tables, &larder::boot(), |_| ())
    }

    /// The same with a boot directory, and with what `fill` puts into the place before the server sees it.
    pub fn prepare(tables: &str, boot: &Path, fill: impl FnOnce(&Path)) -> Site {
        let directory = lab::private_tmpfs(SCRATCH_MIB).expect("scratch space");
        let network = Network::new(&[SERVER]).expect("a network");
        ip("link add bridge type bridge");
        ip("link set bench0 master bridge");
        ip("link set bridge up");
        fs::create_dir_all(directory.join("data/images")).expect("a directory");
        let config = format!(
            "[paths]\ndata = \"data\"\nboot = \"{}\"\nsocket = \"socket\"\n\n[[network]]\ninterface = \"hatch0\"\n\n{tables}",
            boot.display()
        );
        fs::write(directory.join("hatchery.toml"), config).expect("a file");
        fill(&directory);
        let site = Site { directory, server: RefCell::default(), network };
        site.start();
        site
    }

    /// Starts the server and waits until it answers.
    pub fn start(&self) {
        let log = File::options().create(true).append(true).open(self.path("server.log")).expect("a file");
        let mut serve = Command::new(env!("CARGO_BIN_EXE_hatchery"));
        serve.args(["serve", "-c", "hatchery.toml", "--log", "debug"]).current_dir(&self.directory);
        serve.env("NO_COLOR", "1").stdin(Stdio::null());
        serve.stdout(log.try_clone().expect("a second descriptor")).stderr(log);
        self.server.replace(Some(self.network.spawn_server(serve).expect("the server")));
        let answers = || control::ask(&self.path("socket"), &Request::Status).ok();
        assert!(until(PATIENCE, answers).is_some(), "the server does not answer:\n{}", self.log());
    }

    /// Gives the test's own side of the wire an address, for another server that is to answer there.
    pub fn has_bridge_address(&self, address: &str) {
        ip(&format!("address add {address} dev bridge"));
    }

    /// Ends the server as a loss of power does.
    pub fn kill(&self) {
        if let Some(mut server) = self.server.take() {
            // Both fail only for a process that is gone already.
            server.kill().ok();
            server.wait().ok();
        }
    }

    /// A path below the place's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A new socket in the wall: the name of a tap interface.
    pub fn socket(&self, number: u8) -> String {
        let name = format!("tap{number}");
        // A machine that was here before left it behind.
        if nix::net::if_::if_nametoindex(name.as_str()).is_err() {
            ip(&format!("tuntap add {name} mode tap"));
            ip(&format!("link set {name} master bridge"));
        }
        ip(&format!("link set {name} up"));
        name
    }

    /// Unplugs a socket; asking for it again plugs it in.
    pub fn cut(&self, socket: &str) {
        ip(&format!("link set {socket} down"));
    }

    /// Lets a socket give its machine no more than that.
    pub fn slow_down(&self, socket: &str, rate: &str) {
        run("tc", &format!("qdisc replace dev {socket} root tbf rate {rate} burst 64kb latency 400ms"));
    }

    /// Asks the server; its refusal in its words.
    pub fn ask(&self, request: &Request) -> Result<Value, String> {
        match control::ask(&self.path("socket"), request) {
            Ok(Reply::Ok(value)) => Ok(value),
            other => Err(format!("{request:?}: {other:?}")),
        }
    }

    /// Reports a machine's installation from its first word to its success, as an installer does; the server must take it.
    pub fn finish(&self, mac: &str) {
        for status in ["starting", "success"] {
            self.report(mac, status);
        }
        let machine = self.ask(&Request::Explain { machine: mac.to_owned() }).expect("it is known");
        assert_eq!(machine["machine"]["stage"], "done", "{machine}");
    }

    fn report(&self, mac: &str, status: &str) {
        let body = json!({ "status": status, "serial_number": mac.replace(':', ""), "mac_address": mac }).to_string();
        let head = "POST /api/status HTTP/1.1\r\nHost: hatchery\r\nConnection: close\r\nContent-Type: application/json";
        let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let reply = self.network.in_server(move || -> io::Result<String> {
            let mut stream = TcpStream::connect((SERVER.0, 80))?;
            stream.write_all(request.as_bytes())?;
            io::read_to_string(stream)
        });
        let reply = reply.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    }

    /// The server's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("server.log")).unwrap_or_default()
    }

    /// The log without what does not concern machines.
    pub fn story(&self) -> String {
        let log = self.log();
        let lines = log.lines().filter(|line| !line.contains("preflight") && !line.contains("lease address"));
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// The kinds of client that were answered, in order, each once.
    pub fn kinds(&self) -> Vec<String> {
        self.words("DHCP answered", "firmware=")
    }

    /// The files that were fetched, in order, each once, with the protocol: `HTTP boot/boot.ipxe`.
    pub fn fetched(&self) -> Vec<String> {
        let files: Vec<String> = self.words("transfer ", "file=");
        let log = self.log();
        let via = |name: &str| {
            let line =
                log.lines().find(|line| line.contains("transfer ") && line.contains(&format!(" file={name} ")))?;
            word(line, "via=")
        };
        files.iter().map(|name| format!("{} {name}", via(name).unwrap_or_default())).collect()
    }

    /// The values behind `key` in the lines with `text`, in order, each once.
    fn words(&self, text: &str, key: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for value in self.log().lines().filter(|line| line.contains(text)).filter_map(|line| word(line, key)) {
            if !found.contains(&value) {
                found.push(value);
            }
        }
        found
    }
}

/// The value behind `key` in a log line, without its quotes.
fn word(line: &str, key: &str) -> Option<String> {
    let value = line.split(' ').find_map(|word| word.strip_prefix(key))?;
    Some(value.trim_matches('"').to_owned())
}

fn ip(arguments: &str) {
    run("ip", arguments);
}

/// Runs a program of iproute2 in the test's namespace.
fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split(' ')).output().expect("iproute2");
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Drop for Site {
    fn drop(&mut self) {
        self.kill();
    }
}
