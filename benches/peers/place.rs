//! Where the servers run: a lab of our own, a scratch directory, and the peers' programs.
//!
//! ```text
//!  clients, this process                         servers, one address and one control group each
//!  192.168.151.101 … 120 ─ bench0 ── veth ── hatch0 192.168.151.1 (ours), .2 … (peers)
//! ```
//! Owns the processes it starts: they and all their children end with the [`Server`], and with this process however that
//! ends.

use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hatchery::lab::{self, Network};
use hatchery::serve::control::{self, Request};

use crate::measure::{self, Group, Usage};
use crate::programs::Programs;

/// Our address; the peers have those behind it.
pub const OURS: Ipv4Addr = Ipv4Addr::new(192, 168, 151, 1);
/// The prefix length of the link.
pub const PREFIX: u8 = 24;
/// Addresses of servers on the link, ours with them.
const SERVERS: u8 = 11;
/// Clients that have an address of their own.
const CLIENTS: u8 = 20;
/// The servers' end of the link.
pub const INTERFACE: &str = "hatch0";
/// The clients' end of it.
pub const CLIENT_INTERFACE: &str = "bench0";
/// How long a server may take to become ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// The lab and the scratch directory.
pub struct Place {
    network: Network,
    scratch: PathBuf,
    programs: Programs,
    method: &'static str,
    /// How many servers have been started: their control groups are numbered.
    started: u32,
}

impl Place {
    /// Fetches what is missing, and takes this process into a lab; it must have no threads yet.
    ///
    /// # Errors
    /// What is missing, and what to do about it.
    pub fn enter() -> anyhow::Result<Place> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
        let scratch = own.join("run");
        // Left by a run that was killed.
        fs::remove_dir_all(&scratch).ok();
        measure::sweep();
        fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
        let programs = Programs::gather(&own.join("packages"));
        let method = measure::method();
        lab::enter().context("no lab")?;
        let network = Network::new(&[(OURS, PREFIX)]).context("no lab network")?;
        let place = Place { network, scratch, programs, method, started: 0 };
        for last in 2..=SERVERS {
            place.on_server_side(Command::new("ip").args(["address", "add", &with_prefix(last), "dev", INTERFACE]))?;
        }
        for client in 0..CLIENTS {
            let address = with_prefix(client_address(client.into()).octets()[3]);
            complete(Command::new("ip").args(["address", "add", &address, "dev", CLIENT_INTERFACE]))?;
        }
        Ok(place)
    }

    /// The machine, the kernel and how processor time is counted, in a line.
    pub fn description(&self) -> String {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu = text("/proc/cpuinfo");
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
        format!(
            "{}, {cores} cores shared by servers and clients; Linux {}; server CPU by {}; memory: VmHWM, added up over processes",
            model.map_or("unknown processor", |(_, model)| model),
            text("/proc/sys/kernel/osrelease").trim(),
            self.method,
        )
    }

    /// A path in the scratch directory, which is on disk and ends with the run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// Writes a small file of the scratch directory, a configuration mostly; its path.
    ///
    /// # Errors
    /// Of the file system.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path(name);
        let parent = path.parent().unwrap_or(&self.scratch);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// A command that runs the peer's `program`; `None` if there is none, which was said at the beginning.
    pub fn peer(&self, program: &str) -> Option<Command> {
        let peer = self.program(program)?;
        // Some peers fork: in a namespace of their own they all end with the first one.
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--"]).arg(peer.get_program());
        command.envs(peer.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Some(command)
    }

    /// The same for a client, which is a process of its own.
    pub fn program(&self, program: &str) -> Option<Command> {
        self.programs.command(program)
    }

    /// Starts a server on the servers' side, in a control group of its own; its output goes to a log in the scratch
    /// directory.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&mut self, name: &str, mut command: Command) -> anyhow::Result<Server> {
        self.started += 1;
        let log = self.path(&format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).context("cannot open a log")?;
        let errors = output.try_clone().context("cannot open a log")?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors).current_dir(&self.scratch);
        let group = Group::new(&self.started.to_string());
        if let Some(group) = &group {
            let door = File::options().write(true).open(group.door()).context("cannot open a control group")?;
            // SAFETY: one system call on a descriptor and a buffer made before.
            unsafe { command.pre_exec(move || nix::unistd::write(&door, b"0").map(drop).map_err(io::Error::from)) };
        }
        let child = self.network.spawn_server(command)?;
        // Only now does the program run: to take a process into a control group may take longer than its start.
        Ok(Server { name: name.to_owned(), child, group, log, began: Instant::now() })
    }

    /// Starts ours, as it would run in production, with this configuration beside the paths; waits until it is ready.
    /// Its data is in `NAME` of the scratch directory, boot files in `boot` and images in `images` of it.
    ///
    /// # Errors
    /// It cannot be started, or does not become ready.
    pub fn start_ours(&mut self, name: &str, tables: &str) -> anyhow::Result<Server> {
        self.start_build(Path::new(env!("CARGO_BIN_EXE_hatchery")), name, tables)
    }

    /// Starts ours to serve files, and the builds `before` as well: their names, addresses and processes.
    ///
    /// # Errors
    /// As [`Place::start_ours`].
    pub fn start_builds(&mut self, before: &[PathBuf]) -> anyhow::Result<Vec<(String, Ipv4Addr, Server)>> {
        let network = |address| {
            format!("[[network]]\ninterface = \"{INTERFACE}\"\naddress = \"{address}/{PREFIX}\"\npool = []\n")
        };
        let ours = self.start_ours("hatchery", &network(OURS))?;
        let mut all = vec![("hatchery".to_owned(), OURS, ours)];
        // From the last address down: the peers' go up.
        for (program, last) in before.iter().zip((2..=SERVERS).rev()) {
            // Only one of them can have the port of DHCP.
            let address = Ipv4Addr::new(192, 168, 151, last);
            let tables = format!("{}[dhcp]\nenabled = false\n", network(address));
            let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let server = self.start_build(program, &format!("before-{last}-{name}"), &tables)?;
            all.push((format!("{name}, before"), address, server));
        }
        Ok(all)
    }

    fn start_build(&mut self, program: &Path, name: &str, tables: &str) -> anyhow::Result<Server> {
        for directory in ["boot", "images"].map(|directory| self.path(directory)) {
            fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let configuration = format!(
            "[paths]\ndata = \"{name}\"\nboot = \"boot\"\nimages = \"images\"\nsocket = \"{name}.sock\"\n\n{tables}\n"
        );
        self.write(&format!("{name}.toml"), &configuration)?;
        let mut command = Command::new(program);
        command.args(["serve", "--config", &format!("{name}.toml"), "--log", "info"]);
        let mut server = self.start(name, command)?;
        let socket = self.path(&format!("{name}.sock"));
        server.wait_until(|| control::ask(&socket, &Request::Status).is_ok())?;
        Ok(server)
    }

    /// Runs a command on the servers' side until it ends.
    ///
    /// # Errors
    /// It cannot be started, or does not end well.
    pub fn on_server_side(&self, command: &mut Command) -> anyhow::Result<()> {
        let described = format!("{command:?}");
        let mut again = Command::new(command.get_program());
        again.args(command.get_args()).stdin(Stdio::null());
        let output = self.network.in_server(move || again.output());
        ended_well(&described, output)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Servers have ended before: they are dropped first.
        fs::remove_dir_all(&self.scratch).ok();
    }
}

/// A server that runs. Dropping it ends it and all its processes.
pub struct Server {
    name: String,
    child: Child,
    group: Option<Group>,
    log: PathBuf,
    began: Instant,
}

impl Server {
    /// How long it has been running.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// It ended, or takes too long; with the end of its log.
    pub fn wait_until(&mut self, mut ready: impl FnMut() -> bool) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}); its log ends:\n{}", self.name, self.log_tail());
            }
            ensure!(Instant::now() < end, "{} is not ready; its log ends:\n{}", self.name, self.log_tail());
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// It is gone; with the end of its log.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        measure::usage(self.child.id(), self.group.as_ref())
            .with_context(|| format!("{} is gone; its log ends:\n{}", self.name, self.log_tail()))
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            group.kill();
        }
        // Fails only for a process that is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The address of the client with this number, counted from 0; they repeat after the last.
pub fn client_address(client: usize) -> Ipv4Addr {
    let last = 101 + (client % usize::from(CLIENTS)) as u8;
    Ipv4Addr::new(192, 168, 151, last)
}

/// The address of the peer with this number, counted from 0.
pub fn peer_address(peer: usize) -> Ipv4Addr {
    let last = 2 + peer as u8;
    assert!(last < SERVERS, "more peers at once than addresses");
    Ipv4Addr::new(192, 168, 151, last)
}

fn with_prefix(last: u8) -> String {
    format!("192.168.151.{last}/{PREFIX}")
}

/// Runs a command here until it ends.
pub fn complete(command: &mut Command) -> anyhow::Result<()> {
    let described = format!("{command:?}");
    ended_well(&described, command.stdin(Stdio::null()).output())
}

fn ended_well(described: &str, output: io::Result<std::process::Output>) -> anyhow::Result<()> {
    let output = output.with_context(|| format!("cannot run {described}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{described}: {}: {}", output.status, said.trim());
    Ok(())
}
