//! A machine in QEMU, by its firmware; it ends with the test, however that ends.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hatchery::serve::control::Request;
use nix::sys::signal::Signal;

use crate::inside::until;
use crate::site::Site;

/// How a machine boots from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS with the iPXE in the ROM of QEMU's network card.
    BiosIpxe,
    OvmfPxe,
    OvmfHttp,
    AavmfPxe,
    AavmfHttp,
    UBoot,
}

impl Firmware {
    fn is_arm(self) -> bool {
        matches!(self, Firmware::AavmfPxe | Firmware::AavmfHttp | Firmware::UBoot)
    }
}

/// What the serial line says when nothing good will follow; waiting for the limit would only take time. A network boot
/// by IPv6 that finds nothing is none of them: the disk may come after it.
const LOST: [&str; 11] = [
    "PXE-E",
    "Kernel panic",
    "No bootable device",
    "Boot Failed",
    "Server response timeout",
    "could not be loaded",
    "No more network devices",
    "Nothing to boot",
    "UEFI Interactive Shell",
    "grub>",
    "going on with the next boot device",
];

/// A machine that runs.
pub struct Machine<'a> {
    site: &'a Site,
    name: String,
    mac: String,
    child: Child,
    serial: PathBuf,
}

impl<'a> Machine<'a> {
    /// Plugs a machine in and switches it on. `number` makes its MAC and its socket; `further` are arguments of QEMU.
    pub fn start(site: &'a Site, number: u8, firmware: Firmware, further: &[String]) -> Machine<'a> {
        let name = format!("{firmware:?}-{number}");
        let mac = format!("52:54:00:00:00:{number:02x}");
        let serial = site.path(&format!("{name}.serial"));
        let mut qemu = command(site, firmware, &name);
        let tap = site.socket(number);
        qemu.args(["-display", "none", "-monitor", "none", "-m", "1024", "-accel", "tcg"]);
        qemu.arg("-serial").arg(format!("file:{}", serial.display()));
        qemu.arg("-netdev").arg(format!("tap,id=net,ifname={tap},script=no,downscript=no"));
        // A UEFI brings a driver of its own; the ROM's would be iPXE. U-Boot 2023.01 misreads a transitional card's MAC.
        let rom = if firmware == Firmware::BiosIpxe { "" } else { ",romfile=,disable-legacy=on" };
        qemu.arg("-device").arg(format!("virtio-net-pci,netdev=net,mac={mac},bootindex=2{rom}"));
        qemu.args(["-device", "virtio-rng-pci"]).args(further);
        let log = fs::File::create(site.path(&format!("{name}.qemu"))).expect("a file");
        qemu.stdin(Stdio::null()).stdout(log.try_clone().expect("a second descriptor")).stderr(log);
        // SAFETY: one system call, no memory touched.
        unsafe {
            qemu.pre_exec(|| nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(Into::into));
        }
        let child = qemu.spawn().unwrap_or_else(|error| panic!("{qemu:?}: {error}"));
        Machine { site, name, mac, child, serial }
    }

    /// What it said so far, without what moves the cursor.
    pub fn said(&self) -> String {
        let bytes = fs::read(&self.serial).unwrap_or_default();
        let mut text = String::new();
        let mut in_escape = false;
        for char in String::from_utf8_lossy(&bytes).chars() {
            match char {
                '\u{1b}' => in_escape = true,
                _ if in_escape => in_escape = !char.is_ascii_alphabetic(),
                '\n' => text.push(char),
                _ if char.is_control() => {}
                _ => text.push(char),
            }
        }
        text
    }

    /// Waits until it has said this; ends the test with everybody's story if it cannot any more.
    pub fn wait_for(&mut self, text: &str, patience: Duration) -> String {
        let mut lost = None;
        let heard = until(patience, || {
            let ended = self.child.try_wait().expect("a child of ours");
            let said = self.said();
            if said.contains(text) {
                return Some(Some(said));
            }
            lost = LOST.iter().find(|sign| said.contains(**sign)).map(|sign| format!("it said {sign:?}"));
            let failed = self.site.log().contains("to=\"failed\"").then(|| "its installer failed".to_owned());
            lost = lost.take().or(failed).or(ended.map(|status| format!("QEMU ended: {status}")));
            // Looking is cheap beside the emulation; too often it is not.
            std::thread::sleep(Duration::from_millis(50));
            lost.is_some().then_some(None)
        });
        match heard {
            Some(Some(said)) => said,
            _ => panic!("{}: no {text:?}: {}{}", self.name, lost.unwrap_or_else(|| "too late".into()), self.stories()),
        }
    }

    /// What all sides said.
    pub fn stories(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let tail = lines[lines.len().saturating_sub(60)..].join("\n");
        let qemu = fs::read_to_string(self.site.path(&format!("{}.qemu", self.name))).unwrap_or_default();
        let plan = self.site.ask(&Request::Explain { machine: self.mac.clone() });
        let story = self.site.story();
        format!("\n== the machine\n{tail}\n== QEMU\n{qemu}\n== the server\n{story}\n== what it would get now\n{plan:?}")
    }
}

fn command(site: &Site, firmware: Firmware, name: &str) -> Command {
    let mut qemu = Command::new(if firmware.is_arm() { "qemu-system-aarch64" } else { "qemu-system-x86_64" });
    if firmware.is_arm() {
        qemu.args(["-machine", "virt", "-cpu", "cortex-a57"]);
    }
    let mut flash = |code: &str, variables: &str| {
        // The firmware writes its variables, each machine its own; they outlast a power cycle.
        let own = site.path(&format!("{name}.vars"));
        if !own.exists() {
            fs::copy(variables, &own).expect("the firmware's variables");
        }
        qemu.arg("-drive").arg(format!("if=pflash,unit=0,format=raw,readonly=on,file={code}"));
        qemu.arg("-drive").arg(format!("if=pflash,unit=1,format=raw,file={}", own.display()));
    };
    match firmware {
        // Without graphics SeaBIOS and iPXE speak to the serial line.
        Firmware::BiosIpxe => drop(qemu.args(["-machine", "pc,graphics=off"])),
        Firmware::OvmfPxe | Firmware::OvmfHttp => {
            flash("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd");
            qemu.args(["-machine", "q35"]);
        }
        Firmware::AavmfPxe | Firmware::AavmfHttp => {
            flash("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd");
        }
        Firmware::UBoot => drop(qemu.args(["-bios", "/usr/lib/u-boot/qemu_arm64/u-boot.bin"])),
    }
    let mut off: Vec<&str> = Vec::new();
    if !matches!(firmware, Firmware::BiosIpxe | Firmware::UBoot) {
        // What is not tested would be tried for a minute before.
        off.extend(["IPv6Support", "IPv6PXESupport"]);
    }
    if matches!(firmware, Firmware::OvmfHttp | Firmware::AavmfHttp) {
        off.push("IPv4PXESupport");
    }
    for what in off {
        qemu.arg("-fw_cfg").arg(format!("name=opt/org.tianocore/{what},string=no"));
    }
    qemu
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
