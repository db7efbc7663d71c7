//! What goes wrong while a machine is installed: the link, the server, the power, the image, the disk. Whatever it is,
//! the disk ends up right to the byte, or it does not boot and the server can say why.
//!
//! By SeaBIOS, which is the quickest; what was installed is compared from outside instead of booted.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hatchery::serve::control::Request;
use serde_json::Value;

use crate::image;
use crate::inside::until;
use crate::install::{disk, machine, site};
use crate::larder::Arch;
use crate::machine::{Firmware, Machine};
use crate::needs::Need::{Installer, X86};
use crate::needs::inside_with;
use crate::site::Site;

const PATIENCE: Duration = Duration::from_secs(240);
const DEADLINE: Duration = Duration::from_secs(500);
/// What the server knows it knows at once.
const SOON: Duration = Duration::from_secs(20);

const MIB: usize = 1 << 20;
const DISK_MIB: u64 = 256;
/// Lets the image take about ten seconds: there is time to be in its middle.
const SLOW: &str = "16mbit";
/// Where that is: past the ends of the disk, before the last byte of the image.
const MIDDLE: u64 = 8 << 20;

const IMAGE: &str = "data/images/kxp2_master.img";
const OLD: u8 = 0xa5;

/// A place, an image in it, and a disk with something old on it; the machine's link is slow.
struct Bench {
    site: Site,
    disk: PathBuf,
    drive: Vec<String>,
}

impl Bench {
    fn new(disk_mib: u64) -> Bench {
        let site = site(Arch::X86_64);
        let drive = disk(&site, disk_mib);
        let path = site.path("disk.img");
        let file = File::options().write(true).open(&path).expect("the disk");
        file.write_all_at(&vec![OLD; 2 * MIB], 0).expect("room");
        site.slow_down(&site.socket(1), SLOW);
        Bench { site, disk: path, drive }
    }

    fn start(&self) -> Machine<'_> {
        Machine::start(&self.site, 1, Firmware::BiosIpxe, &self.drive)
    }

    /// A machine that is in the middle of its download, with a disk that does not boot.
    fn start_writing(&self) -> Machine<'_> {
        let mut pc = self.start();
        pc.wait_until("middle of the download", PATIENCE, |_| {
            let known = machine(&self.site);
            let done = known["progress"]["bytes"].as_u64().unwrap_or(0);
            known["stage"] == "writing" && done >= MIDDLE
        });
        self.assert_does_not_boot(&pc);
        pc
    }

    fn assert_does_not_boot(&self, pc: &Machine<'_>) {
        let bytes = fs::read(&self.disk).expect("the disk");
        assert!(bytes[..MIB].iter().all(|byte| *byte == 0), "the disk's first MiB is not wiped{}", pc.stories());
        assert!(bytes[bytes.len() - MIB..].iter().all(|byte| *byte == 0), "its last one is not{}", pc.stories());
    }

    /// Waits until the machine was installed, and looks at every byte.
    fn assert_installs(&self, pc: &mut Machine<'_>) {
        pc.wait_until("success", PATIENCE, |_| self.site.log().contains("to=\"done\""));
        let image = fs::read(self.site.path(IMAGE)).expect("the image");
        let bytes = fs::read(&self.disk).expect("the disk");
        assert_eq!(&bytes[512..520], b"EFI PART", "{}", pc.stories());
        // The partition table was made to fit the disk; what the image has between its two copies is as it was.
        let between = image::PARTITIONS;
        let differs = between.clone().find(|at| bytes[*at] != image[*at]);
        assert_eq!(differs, None, "the disk differs from the image{}", pc.stories());
        assert!(!self.site.log().contains("machine failed"), "{}", pc.stories());
    }

    /// The lines of the installer's log, and the deployment.
    fn deployment_log(&self, pc: &Machine<'_>) -> (Vec<String>, Value) {
        let log = self.site.ask(&Request::MachineLog { machine: pc.mac().to_owned() }).expect("a log");
        let lines = log["lines"].as_array().into_iter().flatten();
        let lines = lines.map(|line| line["text"].as_str().unwrap_or_default().to_owned()).collect();
        (lines, log["deployment"].clone())
    }

    /// The installer went on where it had stopped: not at the beginning.
    fn assert_resumed(&self, pc: &Machine<'_>) {
        let (lines, _) = self.deployment_log(pc);
        let at = lines.iter().find_map(|line| line.strip_prefix("The download goes on at byte ")?.strip_suffix('.'));
        let at = at.unwrap_or_else(|| panic!("the download was not resumed: {lines:#?}{}", pc.stories()));
        assert!(at.parse::<u64>().is_ok_and(|at| at > 0), "{at}{}", pc.stories());
    }

    /// Waits until the installation was given up; its reason, which the log has too.
    fn assert_fails(&self, pc: &mut Machine<'_>) -> String {
        pc.wait_until("failure", PATIENCE, |_| self.site.log().contains("machine failed"));
        let why = until(SOON, || machine(&self.site)["failure"].as_str().map(str::to_owned));
        let why = why.unwrap_or_else(|| panic!("a failure without a reason{}", pc.stories()));
        let (lines, deployment) = self.deployment_log(pc);
        assert!(lines.iter().any(|line| why.contains(line.as_str())), "{why}: {lines:#?}{}", pc.stories());
        assert_eq!(deployment["status"], "failed", "{deployment}{}", pc.stories());
        assert!(!self.site.log().contains("to=\"first-boot\""), "{}", pc.stories());
        why
    }
}

/// Whether this is the run in the lab.
fn here(test: &str) -> bool {
    inside_with(&[X86, Installer], &format!("faults::{test}"), DEADLINE)
}

#[test]
fn a_cut_link_resumes_the_download() {
    if !here("a_cut_link_resumes_the_download") {
        return;
    }
    let bench = Bench::new(DISK_MIB);
    let mut pc = bench.start_writing();
    bench.site.cut(&bench.site.socket(1));
    // Its screen is the only way by which it can be heard now.
    pc.wait_for("broke off", PATIENCE);
    bench.assert_does_not_boot(&pc);
    // Plugged in again.
    bench.site.socket(1);
    bench.assert_installs(&mut pc);
    bench.assert_resumed(&pc);
}

#[test]
fn a_server_killed_and_restarted_resumes_the_download() {
    if !here("a_server_killed_and_restarted_resumes_the_download") {
        return;
    }
    let bench = Bench::new(DISK_MIB);
    let mut pc = bench.start_writing();
    bench.site.kill();
    pc.wait_for("broke off", PATIENCE);
    bench.assert_does_not_boot(&pc);
    bench.site.start();
    bench.assert_installs(&mut pc);
    bench.assert_resumed(&pc);
}

#[test]
fn a_power_cut_while_writing_begins_anew() {
    if !here("a_power_cut_while_writing_begins_anew") {
        return;
    }
    let bench = Bench::new(DISK_MIB);
    drop(bench.start_writing());
    let mut pc = bench.start();
    bench.assert_does_not_boot(&pc);
    bench.assert_installs(&mut pc);
    assert_eq!(machine(&bench.site)["hostname"], "KXP2-SPAA-001", "{}", pc.stories());
}

#[test]
fn a_damaged_image_is_refused_and_reported() {
    if !here("a_damaged_image_is_refused_and_reported") {
        return;
    }
    let bench = Bench::new(DISK_MIB);
    let image = bench.site.path(IMAGE);
    let is_measured = |images: &Value| images[0]["sha256"].is_string();
    let measured = until(PATIENCE, || bench.site.ask(&Request::Images).ok().filter(is_measured));
    assert!(measured.is_some(), "the server did not measure the image{}", bench.site.story());
    damage(&image);
    let mut pc = bench.start();
    let why = bench.assert_fails(&mut pc);
    assert!(why.contains("The image that arrived is damaged"), "{why}{}", pc.stories());
    bench.assert_does_not_boot(&pc);
}

/// Flips bits of one byte in the middle of the file; its size and its time stay.
fn damage(image: &Path) {
    let file = File::options().read(true).write(true).open(image).expect("the image");
    let before = file.metadata().expect("metadata").modified().expect("a time");
    let place = u64::try_from(image::PARTITIONS.end - 8 * MIB).expect("a place in a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).expect("a byte");
    file.write_all_at(&[byte[0] ^ 0x10], place).expect("the same place");
    file.set_times(FileTimes::new().set_modified(before)).expect("our own file");
}

#[test]
fn a_disk_that_is_too_small_is_refused_untouched() {
    if !here("a_disk_that_is_too_small_is_refused_untouched") {
        return;
    }
    let bench = Bench::new(64);
    let mut pc = bench.start();
    let before = fs::read(&bench.disk).expect("the disk");
    let why = bench.assert_fails(&mut pc);
    // 90 MiB and 64 MiB, as drives are sold.
    assert!(why.contains("94.3 MB") && why.contains("67.1 MB"), "{why}{}", pc.stories());
    assert!(fs::read(&bench.disk).expect("the disk") == before, "the disk was written to{}", pc.stories());
}
