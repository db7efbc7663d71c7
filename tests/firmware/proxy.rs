//! Real firmware in proxy mode: the addresses come from busybox udhcpd, which knows nothing of booting, the rest from us.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::larder::GREETING;
use crate::machine::{Firmware, Machine};
use crate::needs::Need::{Aavmf, Arm, Ovmf, X86};
use crate::needs::{Need, inside_with};
use crate::site::Site;

const PATIENCE: Duration = Duration::from_secs(150);
const DEADLINE: Duration = Duration::from_secs(180);

/// The DHCP server that was there before us; it ends with the test.
struct Udhcpd(Child);

impl Udhcpd {
    fn start(site: &Site) -> Udhcpd {
        site.has_bridge_address("192.168.151.2/24");
        let leases = site.path("udhcpd.leases");
        fs::write(&leases, "").expect("a file");
        let config = format!(
            "interface bridge\nstart 192.168.151.100\nend 192.168.151.150\nmax_leases 20\nlease_file {}\npidfile {}\n\
             option subnet 255.255.255.0\noption lease 3600\n",
            leases.display(),
            site.path("udhcpd.pid").display()
        );
        fs::write(site.path("udhcpd.conf"), config).expect("a file");
        let mut udhcpd = Command::new("busybox");
        udhcpd.args(["udhcpd", "-f"]).arg(site.path("udhcpd.conf")).stdin(Stdio::null());
        let log = fs::File::create(site.path("udhcpd.log")).expect("a file");
        udhcpd.stdout(log.try_clone().expect("a second descriptor")).stderr(log);
        // SAFETY: one system call, no memory touched.
        unsafe {
            udhcpd.pre_exec(|| nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(Into::into));
        }
        Udhcpd(udhcpd.spawn().expect("busybox with udhcpd"))
    }
}

impl Drop for Udhcpd {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Boots a machine whose address is not ours to give; the kinds of client that we answered, and the files they took.
fn boots(test: &str, needs: &[Need], firmware: Firmware) -> Option<(Vec<String>, Vec<String>)> {
    if !Path::new("/usr/bin/busybox").exists() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have busybox");
        eprintln!("SKIPPED {test}: busybox is missing; apt-get install busybox");
        return None;
    }
    if !inside_with(needs, &format!("proxy::{test}"), DEADLINE) {
        return None;
    }
    let site = Site::new("[dhcp]\nmode = \"proxy\"\n");
    let _udhcpd = Udhcpd::start(&site);
    let mut machine = Machine::start(&site, 1, firmware, &[]);
    let said = machine.wait_for(GREETING, PATIENCE);
    assert!(said.contains("hatchery.server=http://192.168.151.1"), "{}", machine.stories());
    let leases = site.ask(&hatchery::serve::control::Request::Leases).expect("an answer");
    assert_eq!(leases.as_array().map(Vec::len), Some(0), "we gave no address: {leases}");
    Some((site.kinds(), site.fetched()))
}

#[test]
fn bios_with_ipxe_in_its_rom() {
    let Some((kinds, files)) = boots("bios_with_ipxe_in_its_rom", &[X86], Firmware::BiosIpxe) else { return };
    assert_eq!((kinds, files[0].as_str()), (vec!["ipxe".to_owned()], "HTTP boot/boot.ipxe"));
}

#[test]
fn uefi_pxe_through_ipxe() {
    let Some((kinds, files)) = boots("uefi_pxe_through_ipxe", &[X86, Ovmf], Firmware::OvmfPxe) else { return };
    assert_eq!(kinds, ["uefi-x64", "ipxe"]);
    assert_eq!(files[..2], ["TFTP ipxe/x86_64/snponly.efi", "HTTP boot/boot.ipxe"]);
}

#[test]
fn uefi_http() {
    let Some((kinds, files)) = boots("uefi_http", &[X86, Ovmf], Firmware::OvmfHttp) else { return };
    assert_eq!(kinds, ["uefi-http-x64", "ipxe"]);
    assert_eq!(files[..2], ["HTTP boot/ipxe/x86_64/snponly.efi", "HTTP boot/boot.ipxe"]);
}

#[test]
fn arm64_pxe() {
    let Some((kinds, files)) = boots("arm64_pxe", &[Arm, Aavmf], Firmware::AavmfPxe) else { return };
    assert_eq!(kinds[0], "uefi-arm64");
    assert!(files[0].starts_with("TFTP grub/arm64/") || files[0].starts_with("TFTP ipxe/arm64/"), "{files:?}");
}
