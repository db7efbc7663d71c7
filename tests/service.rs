//! The server under a service manager: what it says on the notify socket, as whom it can run, and what the unit allows.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const HATCHERY: &str = env!("CARGO_BIN_EXE_hatchery");
const DEADLINE: Duration = Duration::from_secs(30);

/// A server process; killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// What the service manager hears next, without waiting longer than the deadline.
fn heard(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    let length = manager.recv(&mut buffer).expect("a word before the deadline");
    String::from_utf8(buffer[..length].to_vec()).expect("text")
}

fn config(directory: &Path) {
    let text = r#"
[paths]
data = "data"
socket = "socket"
[http]
ports = [0]
[tftp]
enabled = false
[dhcp]
enabled = false
[[network]]
interface = "lo"
address = "127.0.0.1/24"
pool = ["127.0.0.100-127.0.0.110"]
"#;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address");
    let text = text.replace("[0]", &format!("[{}]", free.port()));
    fs::write(directory.join("hatchery.toml"), text).expect("a file in a scratch directory");
}

#[test]
fn the_service_manager_hears_ready_alive_and_stopping() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    config(directory.path());
    let manager = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
    manager.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut command = Command::new(HATCHERY);
    command.args(["serve", "-c", "hatchery.toml"]).current_dir(directory.path()).stderr(Stdio::null());
    command.env("NOTIFY_SOCKET", directory.path().join("notify")).env("WATCHDOG_USEC", "200000");
    let server = Server(command.spawn().expect("the binary starts"));

    let words = [heard(&manager), heard(&manager)];
    assert!(words.iter().any(|word| word.contains("READY=1")), "{words:?}");
    assert!(words.iter().any(|word| word.contains("WATCHDOG=1")), "{words:?}");

    kill(Pid::from_raw(server.0.id().cast_signed()), Signal::SIGTERM).expect("it runs");
    let mut last = heard(&manager);
    while last.contains("WATCHDOG=1") {
        last = heard(&manager);
    }
    assert!(last.contains("STOPPING=1"), "{last}");
}

#[test]
fn the_two_capabilities_of_the_unit_are_enough() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can give capabilities away");
        return;
    }
    let unit = fs::read_to_string("packaging/hatchery.service").expect("the unit");
    let line = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).expect("a key of the unit").to_owned();
    assert_eq!(line("AmbientCapabilities="), line("CapabilityBoundingSet="));
    let capabilities: Vec<String> =
        line("AmbientCapabilities=").split(' ').map(|name| format!("+{}", name[4..].to_lowercase())).collect();
    let directory = tempfile::tempdir().expect("a scratch directory");
    let text = r#"
[paths]
data = "data"
socket = "socket"
[[network]]
interface = "eth1"
"#;
    fs::write(directory.path().join("hatchery.toml"), text).expect("a file in a scratch directory");
    let manager = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
    manager.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let everyone = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o777);
    fs::set_permissions(directory.path(), everyone.clone()).expect("ours");
    fs::set_permissions(directory.path().join("notify"), everyone).expect("ours");
    // A network of its own with the interface of the sample; then nobody, with what the unit gives and no more.
    let script = format!(
        "ip link set lo up && ip link add eth1 type veth peer name other && ip addr add 192.168.151.1/24 dev eth1 && \
         ip link set eth1 up && ip link set other up && exec setpriv --reuid=65534 --regid=65534 --clear-groups \
         --inh-caps=-all,{all} --ambient-caps=-all,{all} --bounding-set=-all,{all} --no-new-privs \
         {HATCHERY} serve -c hatchery.toml",
        all = capabilities.join(",")
    );
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", &script]).current_dir(directory.path());
    command.env("NOTIFY_SOCKET", directory.path().join("notify")).stderr(Stdio::piped()).process_group(0);
    let server = Server(command.spawn().expect("unshare (util-linux) starts"));
    let word = heard(&manager);
    assert!(word.contains("READY=1"), "{word}");
    let status = fs::read_to_string(format!("/proc/{}/status", server.0.id())).expect("it runs");
    let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).expect("a field").trim().to_owned();
    assert!(field("Uid:").starts_with("65534"), "{status}");
    // They were needed to open the ports, and are gone. CAP_NET_BIND_SERVICE is 10, CAP_NET_RAW is 13.
    for set in ["CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("CapBnd:"), "0000000000002400");
}

#[test]
fn the_unit_is_exposed_as_little_as_promised() {
    let Ok(output) = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "packaging/hatchery.service"])
        .output()
    else {
        eprintln!("SKIPPED: systemd-analyze is not here (apt install systemd)");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "exposure over 2.0:\n{text}");
}
