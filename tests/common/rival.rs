//! Another DHCP server on the same wire: busybox's udhcpd.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program that ends with the test.
pub struct Ends(Child);

impl Ends {
    /// Starts a program that says nothing.
    pub fn start(command: &mut Command) -> Ends {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ends(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// busybox's DHCP server, which gives 192.168.151.20 to .30; nothing, said loudly, where there is none.
pub fn udhcpd(directory: &Path, interface: &str) -> Option<Ends> {
    let applets = Command::new("busybox").arg("--list").output();
    if !applets.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).lines().any(|line| line == "udhcpd")) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have a busybox with udhcpd");
        eprintln!("SKIPPED: there is no busybox with udhcpd here; apt-get install busybox");
        return None;
    }
    let path = |name: &str| directory.join(name).display().to_string();
    let (leases, process) = (path("rival.leases"), path("rival.pid"));
    fs::write(&leases, "").expect("a lease file");
    let text = format!(
        "start 192.168.151.20\nend 192.168.151.30\ninterface {interface}\nlease_file {leases}\npidfile {process}\n\
         option subnet 255.255.255.0\noption lease 600\n",
    );
    fs::write(path("rival.conf"), text).expect("a configuration");
    Some(Ends::start(Command::new("busybox").args(["udhcpd", "-f", &path("rival.conf")])))
}
