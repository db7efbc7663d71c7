//! The servers that give addresses: ours, Kea and dnsmasq, each with the same pool and lease time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hatchery::lab::Network;

use super::client::{Client, Order};

/// Machines that only knock to hear whether a server is up.
const KNOCKERS: u32 = 0xf000_0000;

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Hatchery,
    /// memfile, one thread: with several it is slower on two cores.
    Kea,
    /// `no-ping`: with its ping check it gives an address in three seconds.
    Dnsmasq,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Hatchery => "hatchery",
            Kind::Kea => "Kea memfile",
            Kind::Dnsmasq => "dnsmasq no-ping",
        }
    }
}

/// How its clients reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Direct,
    Relayed,
}

/// A server under way; it ends when this is dropped.
pub struct Server {
    child: Child,
    kind: Kind,
    directory: PathBuf,
}

impl Server {
    /// Starts one with no lease, in a directory of its own, and waits until it answers.
    pub fn start(kind: Kind, way: Way, network: &Network, scratch: &Path, knock: &mut Client) -> anyhow::Result<Server> {
        let directory = scratch.join(kind.name().replace(' ', "-"));
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        let server = Server { child: spawn(kind, way, network, &directory)?, kind, directory };
        server.wait(knock)?;
        Ok(server)
    }

    /// Ends it and starts it again with the leases that it has.
    pub fn restart(mut self, way: Way, network: &Network, knock: &mut Client) -> anyhow::Result<(Server, Duration)> {
        // SAFETY: our child, not yet waited for.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
        self.child.wait()?;
        let began = Instant::now();
        self.child = spawn(self.kind, way, network, &self.directory)?;
        self.wait(knock)?;
        Ok((self, began.elapsed()))
    }

    fn wait(&self, knock: &mut Client) -> anyhow::Result<()> {
        let patience = Instant::now() + Duration::from_secs(20);
        let order = Order { rate: 100.0, time: Duration::from_millis(20), first: KNOCKERS, machines: 1 };
        while knock.knock(order)? == 0 {
            let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            anyhow::ensure!(Instant::now() < patience, "{} does not answer:\n{log}", self.kind.name());
        }
        Ok(())
    }

    /// The processor time that all its threads have used.
    pub fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let of_task = |path: PathBuf| -> Option<u64> {
            fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
        };
        Duration::from_nanos(tasks.filter_map(|task| of_task(task.path())).sum())
    }

    /// MiB of memory in use, and the most that ever were.
    pub fn memory(&self) -> (f64, f64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let of = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()
        };
        (of("VmRSS:").unwrap_or_default() / 1024.0, of("VmHWM:").unwrap_or_default() / 1024.0)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(kind: Kind, way: Way, network: &Network, directory: &Path) -> anyhow::Result<Child> {
    let at = |name: &str| directory.join(name);
    let mut command = match kind {
        Kind::Hatchery => {
            let config = format!(
                "[paths]\ndata = \"{0}\"\nsocket = \"{0}/hatchery.sock\"\n\n[[network]]\ninterface = \"hatch0\"\n\
                 address = \"10.0.0.1/16\"\npool = [\"10.0.1.0-10.0.255.250\"]\nlease = \"12h\"\n",
                directory.display()
            );
            fs::write(at("hatchery.toml"), config)?;
            let mut command = Command::new(hatchery_binary());
            command.arg("serve").arg("-c").arg(at("hatchery.toml"));
            command
        }
        Kind::Kea => {
            // Relayed messages come to an ordinary socket, which is cheaper for it.
            let socket = if way == Way::Direct { "raw" } else { "udp" };
            let config = serde_json::json!({ "Dhcp4": {
                "interfaces-config": { "interfaces": ["hatch0"], "dhcp-socket-type": socket },
                "lease-database": { "type": "memfile", "persist": true, "name": at("leases.csv") },
                "multi-threading": { "enable-multi-threading": false },
                "valid-lifetime": 43200,
                "option-data": [
                    { "name": "routers", "data": "10.0.0.1" },
                    { "name": "domain-name-servers", "data": "8.8.8.8, 8.8.4.4" }
                ],
                "subnet4": [{ "id": 1, "subnet": "10.0.0.0/16", "pools": [{ "pool": "10.0.1.0 - 10.0.255.250" }] }],
                "loggers": [{ "name": "kea-dhcp4", "severity": "WARN", "output_options": [{ "output": "stderr" }] }]
            } });
            fs::write(at("kea.json"), config.to_string())?;
            let mut command = Command::new("kea-dhcp4");
            command.arg("-c").arg(at("kea.json"));
            command.env("KEA_PIDFILE_DIR", directory).env("KEA_LOCKFILE_DIR", directory);
            command
        }
        Kind::Dnsmasq => {
            let mut command = Command::new("dnsmasq");
            command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--no-ping"]);
            command.args(["--interface=hatch0", "--bind-interfaces", "--dhcp-authoritative", "--quiet-dhcp"]);
            command.args(["--dhcp-range=10.0.1.0,10.0.255.250,255.255.0.0,12h", "--dhcp-lease-max=100000"]);
            command.args(["--dhcp-option=3,10.0.0.1", "--dhcp-option=6,8.8.8.8,8.8.4.4", "--log-facility=-"]);
            command.arg(format!("--dhcp-leasefile={}", at("leases").display()));
            command.arg(format!("--pid-file={}", at("pid").display()));
            command
        }
    };
    let log = fs::File::create(at("log"))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    network.spawn_server(command).with_context(|| format!("cannot start {}", kind.name()))
}

/// The server under test: the one that is built beside this harness, unless another is named.
fn hatchery_binary() -> PathBuf {
    std::env::var_os("HATCHERY").map_or_else(|| env!("CARGO_BIN_EXE_hatchery").into(), PathBuf::from)
}
