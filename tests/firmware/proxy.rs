//! Real firmware in proxy mode: the addresses come from busybox udhcpd, which knows nothing of booting, the rest from us.

use std::time::Duration;

use hatchery::serve::control::Request;

use crate::larder::GREETING;
use crate::machine::{Firmware, Machine};
use crate::needs::Need::{Aavmf, Arm, Ovmf, X86};
use crate::needs::{Need, inside_with};
use crate::rival::udhcpd;
use crate::site::Site;

const PATIENCE: Duration = Duration::from_secs(150);
const DEADLINE: Duration = Duration::from_secs(180);

/// Boots a machine whose address is not ours to give; the kinds of client that we answered, and the files they took.
fn boots(test: &str, needs: &[Need], firmware: Firmware) -> Option<(Vec<String>, Vec<String>)> {
    if !inside_with(needs, &format!("proxy::{test}"), DEADLINE) {
        return None;
    }
    let site = Site::new("[dhcp]\nmode = \"proxy\"\n");
    site.has_bridge_address("192.168.151.2/24");
    let _udhcpd = udhcpd(&site.path(""), "bridge")?;
    let mut machine = Machine::start(&site, 1, firmware, &[]);
    let said = machine.wait_for(GREETING, PATIENCE);
    assert!(said.contains("hatchery.server=http://192.168.151.1"), "{}", machine.stories());
    let leases = site.ask(&Request::Leases).expect("an answer");
    let address = leases[0]["address"].as_str().and_then(|address| address.rsplit_once('.')?.1.parse().ok());
    assert!(address.is_some_and(|last: u8| (20..=30).contains(&last)), "udhcpd gave the address: {leases}");
    let (kinds, mut files) = (site.kinds(), site.fetched());
    let kernel = files.split_off(files.len() - 2);
    assert!(kernel[0].ends_with("/vmlinuz") && kernel[1].ends_with("/initrd.img"), "{kernel:?}");
    Some((kinds, files))
}

#[test]
fn bios_with_ipxe_in_its_rom() {
    let Some((kinds, files)) = boots("bios_with_ipxe_in_its_rom", &[X86], Firmware::BiosIpxe) else { return };
    assert_eq!((kinds, files), (vec!["ipxe".to_owned()], vec!["HTTP boot/boot.ipxe".to_owned()]));
}

#[test]
fn uefi_pxe_through_ipxe() {
    let Some((kinds, files)) = boots("uefi_pxe_through_ipxe", &[X86, Ovmf], Firmware::OvmfPxe) else { return };
    assert_eq!(kinds, ["uefi-x64", "ipxe"]);
    assert_eq!(files, ["TFTP ipxe/x86_64/snponly.efi", "HTTP boot/boot.ipxe"]);
}

#[test]
fn uefi_http() {
    let Some((kinds, files)) = boots("uefi_http", &[X86, Ovmf], Firmware::OvmfHttp) else { return };
    assert_eq!(kinds, ["uefi-http-x64", "ipxe"]);
    assert_eq!(files, ["HTTP boot/ipxe/x86_64/snponly.efi", "HTTP boot/boot.ipxe"]);
}

#[test]
fn arm64_pxe() {
    let Some((kinds, files)) = boots("arm64_pxe", &[Arm, Aavmf], Firmware::AavmfPxe) else { return };
    assert_eq!(kinds, ["uefi-arm64"]);
    // GRUB sees the other server's answers only, and goes by the address that is built in.
    assert_eq!(files, ["TFTP grub/arm64/grub.efi", "HTTP boot/grub/grub.cfg"]);
}
