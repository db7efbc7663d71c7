//! "Replace dnsmasq + nginx on VLAN 151 in ten minutes", as the README has it: its configuration and its commands, run in
//! a namespace that looks like that server, and machines that boot afterwards.
//!
//! What belongs to a whole system is stood in for: `apt`, `systemctl`, `sudo` and the paths below /etc, /var, /srv and
//! /opt. A command that the stand-ins do not know ends the test, so the README cannot say what was not tried.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that use the rest")]
mod inside;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use inside::inside;
use serde_json::Value;

const HATCHERY: &str = env!("CARGO_BIN_EXE_hatchery");
const TITLE: &str = "\n## Replace dnsmasq + nginx on VLAN 151 in ten minutes\n";

/// What the old server had in its TFTP directory, where the machines of `hatchery load` look for it.
const BOOT_FILES: [&str; 11] = [
    "pi/kernel_2712.img",
    "pi/kernel8.img",
    "pi/initramfs.img",
    "pi/start4.elf",
    "pi/fixup4.dat",
    "pi/bcm2711-rpi-4-b.dtb",
    "pi/bcm2712-rpi-5-b.dtb",
    "ipxe/x86_64/snponly.efi",
    "ipxe/undionly.kpxe",
    "installer/x86_64/vmlinuz",
    "installer/x86_64/initrd.img",
];

/// The stand-ins; DIR, HATCHERY and the network come before.
const PRELUDE: &str = r#"
set -eu
ip link set lo up
ip link add eth1 type veth peer name vlan151
ip address add 192.168.151.1/24 dev eth1
ip link set eth1 up && ip link set vlan151 up
ip link add eth0 type veth peer name vlan101
ip address add 192.168.101.2/24 dev eth0
ip link set eth0 up && ip link set vlan101 up
export HATCHERY_SOCKET="$DIR/hatchery.sock"
said() { echo "$*" >>"$DIR/said"; }
sudo() { if [ "$1" = -u ]; then shift 2; fi; "$@"; }
apt() { said "apt $*"; }
hatchery() {
  case $1 in
    check) "$HATCHERY" "$@" -c "$DIR/hatchery.toml" ;;
    adopt) "$HATCHERY" "$@" -c "$DIR/hatchery.toml" ;;
    *) "$HATCHERY" "$@" ;;
  esac
}
systemctl() {
  said "systemctl $*"
  case "$*" in
    "disable --now dnsmasq nginx") ;;
    "enable --now hatchery")
      "$HATCHERY" serve -c "$DIR/hatchery.toml" 2>"$DIR/log" &
      server=$!
      trap 'kill $server; wait $server || true' EXIT
      until "$HATCHERY" status >/dev/null 2>&1; do kill -0 $server; sleep 0.05; done ;;
    *) echo "systemctl $*: not tried" >&2; return 1 ;;
  esac
}
"#;

/// After the README's own commands.
const MACHINES: &str = r#"
"$HATCHERY" load --interface vlan151 --clients 8 --venue SPAA --json >"$DIR/load.json"
"$HATCHERY" leases --json >"$DIR/leases.json"
"$HATCHERY" machines --json >"$DIR/machines.json"
"#;

/// The fenced blocks of the README's section in this language, without their indentation.
fn blocks(section: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in section.lines() {
        let line = line.strip_prefix("   ").unwrap_or(line);
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(opened)) => open = Some((opened == language, String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take().filter(|(wanted, _)| *wanted).map(|(_, text)| text)),
            (Some((_, text)), None) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    blocks
}

fn noise(path: &Path, bytes: usize) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("a scratch directory");
    let mut noise = vec![0; bytes];
    fastrand::Rng::with_seed(bytes as u64).fill(&mut noise);
    fs::write(path, noise).expect("a file in a scratch directory");
}

#[test]
fn the_ten_minutes_of_the_readme() {
    if !inside("the_ten_minutes_of_the_readme") {
        return;
    }
    let readme = fs::read_to_string("README.md").expect("the README");
    let (_, section) = readme.split_once(TITLE).expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let directory = scratch.path();
    let config = blocks(section, "toml").concat();
    let paths = "[paths]\ndata = \"data\"\nsocket = \"hatchery.sock\"\n";
    fs::write(directory.join("hatchery.toml"), format!("{paths}{config}")).expect("a configuration");
    fs::create_dir(directory.join("data")).expect("what the package makes");
    for name in BOOT_FILES {
        noise(&directory.join("tftp").join(name), 4096);
    }
    noise(&directory.join("old/images/kxp2_master.img"), 2 << 20);
    let ends = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs() + 3600;
    let leases = format!("{ends} dc:a6:32:01:36:c2 192.168.151.100 old-pi 01:dc:a6:32:01:36:c2\n");
    fs::write(directory.join("dnsmasq.leases"), leases).expect("a lease file");

    let mut commands = blocks(section, "sh").concat();
    let places = [
        ("/var/lib/misc/dnsmasq.leases", "$DIR/dnsmasq.leases"),
        ("/var/lib/hatchery/", "$DIR/data/"),
        ("/srv/tftp", "$DIR/tftp"),
        ("/opt/deployment/", "$DIR/old/"),
    ];
    for (theirs, ours) in places {
        assert!(commands.contains(theirs), "{theirs} is not in\n{commands}");
        commands = commands.replace(theirs, ours);
    }
    let script = format!("{PRELUDE}\nset -x\n{commands}\n{MACHINES}");
    let run = Command::new("sh")
        .args(["-c", &script])
        .env("DIR", directory)
        .env("HATCHERY", HATCHERY)
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
    assert!(run.status.success(), "{}\n{out}\n{err}\n{log}", run.status);

    let said = fs::read_to_string(directory.join("said")).expect("what was said");
    assert!(said.starts_with("apt install ./hatchery_"), "{said}");
    assert!(said.ends_with("systemctl disable --now dnsmasq nginx\nsystemctl enable --now hatchery\n"), "{said}");
    assert!(log.contains("http://192.168.101.2:80/setup?code="), "{log}");
    let json = |name: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(directory.join(name)).expect("an answer")).expect("JSON")
    };
    let load = json("load.json");
    assert_eq!((&load["done"], &load["faulted"]), (&Value::from(8), &Value::from(0)), "{load}");
    let mut names: Vec<&str> = load["names"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    names.sort_unstable();
    let expected: Vec<String> = (1..=8).map(|number| format!("KXP2-SPAA-{number:03}")).collect();
    assert_eq!(names, expected);
    for name in ["leases.json", "machines.json"] {
        let all = json(name);
        let holders: Vec<&Value> =
            all.as_array().expect("a list").iter().filter(|each| each["address"] == "192.168.151.100").collect();
        assert!(
            holders.len() == 1 && holders[0].to_string().contains("dc:a6:32:01:36:c2"),
            "who had it keeps it: {all}"
        );
    }
}
