//! From an empty disk to a named machine: network boot, the installer, a real image, its first boot.

use std::fs::File;

use std::time::Duration;

use hatchery::serve::control::Request;
use serde_json::Value;

use crate::image::{self, FIRST_BOOT};
use crate::larder::{self, Arch};
use crate::machine::{Firmware, Machine};
use crate::needs::Need::{Aavmf, Arm, Installer, Ovmf, X86};
use crate::needs::{Need, inside_with};
use crate::site::Site;

/// How long a whole installation may take; alone and emulated it takes one to two minutes.
const PATIENCE: Duration = Duration::from_secs(400);
const DEADLINE: Duration = Duration::from_secs(500);

const MIB: u64 = 1 << 20;

/// What a user writes: what is made, where it goes, and a serial console.
const TABLES: &str = r#"
[[venue]]
code = "SPAA"
numbers = { KXP2 = ["1-9"] }

[[profile]]
name = "arm"
firmware = ["uefi-arm64"]
product = "KXP2"
venue = "SPAA"
boot_file = "grub/arm64/grub.efi"
kernel_args = "console=ttyAMA0"
[profile.answers]
"grub/grub.cfg" = "grub/grub.cfg"

[[profile]]
name = "pc"
firmware = ["uefi-x64"]
product = "KXP2"
venue = "SPAA"
boot_file = "ipxe/x86_64/snponly.efi"

[[profile]]
name = "ipxe"
firmware = ["ipxe"]
product = "KXP2"
venue = "SPAA"
boot_file = "boot.ipxe"
kernel_args = "console=ttyS0"
[profile.answers]
"boot.ipxe" = "ipxe/boot.ipxe"
"#;

/// A place with an image to install.
pub fn site(arch: Arch) -> Site {
    Site::prepare(TABLES, &larder::installer(), |directory| {
        image::make(&directory.join("data/images/kxp2_master.img"), arch);
    })
}

/// An empty disk of that many MiB in the place, as arguments of QEMU.
pub fn disk(site: &Site, mib: u64) -> Vec<String> {
    let path = site.path("disk.img");
    if !path.exists() {
        File::create(&path).and_then(|file| file.set_len(mib * MIB)).expect("a sparse file");
    }
    let drive = format!("if=none,id=disk,format=raw,cache=unsafe,file={}", path.display());
    let device = "virtio-blk-pci,drive=disk,serial=EMPTY-1,bootindex=3".to_owned();
    vec!["-drive".into(), drive, "-device".into(), device]
}

/// What the server knows of its only machine.
pub fn machine(site: &Site) -> Value {
    let machines = site.ask(&Request::Machines).expect("machines");
    machines.as_array().and_then(|all| all.first()).cloned().unwrap_or_default()
}

/// How often a file went out.
fn times_fetched(site: &Site, name: &str) -> usize {
    let of_file = |line: &&str| line.contains(" transfer ") && line.contains(&format!(" file={name} "));
    site.log().lines().filter(of_file).count()
}

fn installs(test: &str, needs: &[Need], firmware: Firmware, arch: Arch) {
    if !inside_with(needs, &format!("install::{test}"), DEADLINE) {
        return;
    }
    let site = site(arch);
    let drive = disk(&site, 256);
    let mut pc = Machine::start(&site, 1, firmware, &drive);
    let said = pc.wait_for(FIRST_BOOT, PATIENCE);
    let line = said.lines().find(|line| line.contains(FIRST_BOOT)).expect("it was said");
    assert!(line.contains("hostname=KXP2-SPAA-001 root=sound"), "{line}{}", pc.stories());
    let known = machine(&site);
    assert_eq!((&known["hostname"], &known["stage"]), (&"KXP2-SPAA-001".into(), &"done".into()), "{known}");
    // Every stage was seen, in order.
    let stages = ["address", "loader", "installer", "writing", "verifying", "first-boot", "done"];
    let log = site.log();
    let mut from = 0;
    for stage in stages {
        let place = log[from..].find(&format!("to=\"{stage}\""));
        from += place.unwrap_or_else(|| panic!("no stage {stage} in its turn{}", pc.stories()));
    }
    drop(pc);
    // Another power cycle goes straight to the disk.
    let kernel = format!("boot/installer/{}/vmlinuz", arch.word());
    let fetched = times_fetched(&site, &kernel);
    let mut pc = Machine::start(&site, 1, firmware, &drive);
    pc.wait_for(FIRST_BOOT, PATIENCE);
    assert_eq!(times_fetched(&site, &kernel), fetched, "{}", pc.stories());
}

#[test]
fn a_pc_from_an_empty_disk_to_its_name() {
    installs("a_pc_from_an_empty_disk_to_its_name", &[X86, Ovmf, Installer], Firmware::OvmfPxe, Arch::X86_64);
}

#[test]
fn an_arm64_server_from_an_empty_disk_to_its_name() {
    let needs = [Arm, Aavmf, Installer];
    installs("an_arm64_server_from_an_empty_disk_to_its_name", &needs, Firmware::AavmfPxe, Arch::Arm64);
}
