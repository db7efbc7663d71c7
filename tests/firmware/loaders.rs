//! From power on to the installer's kernel, for each kind of firmware: by the default profiles and fetched assets.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use hatchery::serve::control::Request;

use crate::larder::GREETING;
use crate::machine::{Firmware, Machine};
use crate::needs::Need::{Aavmf, Arm, Ovmf, UBoot, X86};
use crate::needs::{Need, inside_with};
use crate::site::Site;

/// How long a boot may take; alone and emulated it takes 6 to 33 seconds.
const PATIENCE: Duration = Duration::from_secs(150);
const DEADLINE: Duration = Duration::from_secs(180);

/// Boots a machine to the initramfs, and returns what the server saw of it.
fn boots(test: &str, needs: &[Need], firmware: Firmware, tables: &str) -> Option<Site> {
    boots_with(test, needs, firmware, tables, |_| Vec::new())
}

/// The same with further arguments of QEMU.
fn boots_with(
    test: &str,
    needs: &[Need],
    firmware: Firmware,
    tables: &str,
    further: fn(&Site) -> Vec<String>,
) -> Option<Site> {
    if !inside_with(needs, &format!("loaders::{test}"), DEADLINE) {
        return None;
    }
    let site = Site::new(tables);
    let mut machine = Machine::start(&site, 1, firmware, &further(&site));
    let said = machine.wait_for(GREETING, PATIENCE);
    let greeting = said.lines().find(|line| line.contains(GREETING)).expect("it was said");
    assert!(greeting.contains("hatchery.server=http://192.168.151.1"), "{greeting}{}", machine.stories());
    drop(machine);
    Some(site)
}

/// The kernel and initramfs of an architecture, by HTTP.
fn installer(arch: &str) -> [String; 2] {
    ["vmlinuz", "initrd.img"].map(|file| format!("HTTP boot/installer/{arch}/{file}"))
}

/// Checks which kinds of client a boot shows, and which files it takes before the kernel.
fn check(site: Option<Site>, kinds: &[&str], loaders: &[&str], arch: &str) {
    let Some(site) = site else { return };
    let expected: Vec<String> = loaders.iter().map(|file| (*file).to_owned()).chain(installer(arch)).collect();
    assert_eq!((site.kinds(), site.fetched()), (kinds.iter().map(|kind| (*kind).to_owned()).collect(), expected));
}

#[test]
fn bios_with_ipxe_in_its_rom() {
    let site = boots("bios_with_ipxe_in_its_rom", &[X86], Firmware::BiosIpxe, "");
    check(site, &["ipxe"], &["HTTP boot/boot.ipxe"], "x86_64");
}

#[test]
fn uefi_pxe_through_ipxe() {
    let site = boots("uefi_pxe_through_ipxe", &[X86, Ovmf], Firmware::OvmfPxe, "");
    check(site, &["uefi-x64", "ipxe"], &["TFTP ipxe/x86_64/snponly.efi", "HTTP boot/boot.ipxe"], "x86_64");
}

#[test]
fn uefi_http_through_ipxe() {
    let site = boots("uefi_http_through_ipxe", &[X86, Ovmf], Firmware::OvmfHttp, "");
    check(site, &["uefi-http-x64", "ipxe"], &["HTTP boot/ipxe/x86_64/snponly.efi", "HTTP boot/boot.ipxe"], "x86_64");
}

/// What a user writes who prefers pxelinux. The ROM of QEMU's card is iPXE, which loads it by HTTP, and the menu as well.
const PXELINUX: &str = "[[profile]]
name = \"pxelinux\"
firmware = [\"bios\", \"ipxe\"]
tree = \"pxelinux\"
boot_file = \"lpxelinux.0\"
[profile.answers]
\"pxelinux.cfg/default\" = \"pxelinux/default\"
";

#[test]
fn bios_through_pxelinux() {
    let site = boots("bios_through_pxelinux", &[X86], Firmware::BiosIpxe, PXELINUX);
    let Some(site) = site else { return };
    let expected = [
        "HTTP boot/lpxelinux.0",
        "HTTP boot/ldlinux.c32",
        "HTTP boot/pxelinux.cfg/01-52-54-00-00-00-01",
        // It puts its directory before absolute names, too.
        "HTTP boot//installer/x86_64/vmlinuz",
        "HTTP boot//installer/x86_64/initrd.img",
    ];
    assert_eq!(site.fetched(), expected);
}

/// What a user writes who prefers GRUB on PCs.
const GRUB: &str = "[[profile]]
name = \"pc\"
firmware = [\"uefi-x64\", \"uefi-http-x64\"]
boot_file = \"grub/x86_64/grub.efi\"
[profile.answers]
\"grub/grub.cfg\" = \"grub/grub.cfg\"
";

#[test]
fn uefi_pxe_through_grub() {
    let site = boots("uefi_pxe_through_grub", &[X86, Ovmf], Firmware::OvmfPxe, GRUB);
    check(site, &["uefi-x64"], &["TFTP grub/x86_64/grub.efi", "HTTP boot/grub/grub.cfg"], "x86_64");
}

#[test]
fn uefi_http_through_grub() {
    let site = boots("uefi_http_through_grub", &[X86, Ovmf], Firmware::OvmfHttp, GRUB);
    // GRUB asks DHCP itself, and does not say what it is.
    let kinds = ["uefi-http-x64", "plain"];
    check(site, &kinds, &["HTTP boot/grub/x86_64/grub.efi", "HTTP boot/grub/grub.cfg"], "x86_64");
}

#[test]
fn arm64_uefi_pxe() {
    let site = boots("arm64_uefi_pxe", &[Arm, Aavmf], Firmware::AavmfPxe, "");
    check(site, &["uefi-arm64"], &["TFTP grub/arm64/grub.efi", "HTTP boot/grub/grub.cfg"], "arm64");
}

#[test]
fn arm64_uefi_http() {
    let site = boots("arm64_uefi_http", &[Arm, Aavmf], Firmware::AavmfHttp, "");
    let kinds = ["uefi-http-arm64", "plain"];
    check(site, &kinds, &["HTTP boot/grub/arm64/grub.efi", "HTTP boot/grub/grub.cfg"], "arm64");
}

#[test]
fn arm64_u_boot() {
    let site = boots("arm64_u_boot", &[Arm, UBoot], Firmware::UBoot, "");
    // Its stock boot command looks for a script first, then for a UEFI program.
    let kinds = ["u-boot", "uefi-arm64"];
    check(site, &kinds, &["TFTP grub/arm64/grub.efi", "HTTP boot/grub/grub.cfg"], "arm64");
}

#[test]
fn arm64_u_boot_by_its_menu() {
    let site = boots_with("arm64_u_boot_by_its_menu", &[Arm, UBoot], Firmware::UBoot, "", pxe_environment);
    let Some(site) = site else { return };
    assert_eq!(site.kinds(), ["u-boot"]);
    let expected = [
        // Its dhcp command loads the boot file in any case.
        "TFTP grub.efi",
        "TFTP pxelinux.cfg/01-52-54-00-00-00-01",
        "TFTP /installer/arm64/initrd.img",
        "TFTP /installer/arm64/vmlinuz",
    ];
    assert_eq!(site.fetched(), expected);
}

/// A UEFI that gets no boot file asks for one for a minute, by each of its ways; a finished one must not.
fn leaves(test: &str, needs: &[Need], firmwares: [Firmware; 2], kinds: [&str; 2]) {
    if !inside_with(needs, &format!("loaders::{test}"), DEADLINE) {
        return;
    }
    let site = Site::new("");
    for (number, firmware) in (1..).zip(firmwares) {
        site.finish(&format!("52:54:00:00:00:{number:02x}"));
        let mut machine = Machine::start(&site, number, firmware, &[]);
        // What comes after it would be the disk.
        machine.wait_for("BdsDxe: failed to start", PATIENCE);
        assert!(machine.said().contains("Not Found"), "{}", machine.stories());
    }
    // The next device is another network boot where there is no disk, so only the first way counts.
    for (number, kind) in (1..).zip(kinds) {
        let (mac, firmware) = (format!("mac=52:54:00:00:00:{number:02x} "), format!("firmware=\"{kind}\""));
        let words = ["asked=\"DISCOVER\" answered=\"OFFER\"", &mac, &firmware];
        let asked = |line: &&str| words.iter().all(|word| line.contains(word));
        assert_eq!(site.log().lines().filter(asked).count(), 1, "{kind}{}", site.story());
    }
    assert!(
        site.ask(&Request::Machines)
            .expect("machines")
            .as_array()
            .expect("a list")
            .iter()
            .all(|one| one["stage"] == "done")
    );
}

#[test]
fn finished_pcs_go_on_to_their_disks() {
    let firmwares = [Firmware::OvmfPxe, Firmware::OvmfHttp];
    leaves("finished_pcs_go_on_to_their_disks", &[X86, Ovmf], firmwares, ["uefi-x64", "uefi-http-x64"]);
}

#[test]
fn finished_arm64_servers_go_on_to_their_disks() {
    let firmwares = [Firmware::AavmfPxe, Firmware::AavmfHttp];
    let kinds = ["uefi-arm64", "uefi-http-arm64"];
    leaves("finished_arm64_servers_go_on_to_their_disks", &[Arm, Aavmf], firmwares, kinds);
}

/// A flash for U-Boot whose environment boots by `pxe`, which the stock one of this board does not.
fn pxe_environment(site: &Site) -> Vec<String> {
    // Addresses as in the stock environment; the first four bytes are the CRC of the others (U-Boot env/flash.c).
    const SIZE: usize = 0x40000;
    let variables = [
        "bootcmd=dhcp; pxe get; pxe boot",
        "bootdelay=0",
        "kernel_addr_r=0x40400000",
        "pxefile_addr_r=0x40300000",
        "ramdisk_addr_r=0x44000000",
        "fdt_high=0xffffffff",
        "initrd_high=0xffffffff",
    ];
    let mut content = variables.join("\0").into_bytes();
    content.resize(SIZE - 4, 0);
    let mut crc = flate2::Crc::new();
    crc.update(&content);
    let path = site.path("environment.flash");
    let file = File::create(&path).expect("a file");
    file.write_all_at(&[&crc.sum().to_le_bytes()[..], &content].concat(), 0).expect("a file in memory");
    file.set_len(64 << 20).expect("a file in memory");
    vec!["-drive".into(), format!("if=pflash,unit=1,format=raw,file={}", path.display())]
}
