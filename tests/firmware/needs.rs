//! What the tests need of this machine: emulators and firmware, by Debian package; and how many run at once.

use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use hatchery::lab;

use crate::inside::inside_within;
use crate::larder;

/// The installers that `packaging/build-installer` makes.
pub const INSTALLER_X86: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/installer/x86_64/hatchery-installer");
pub const INSTALLER_ARM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/installer/arm64/hatchery-installer");

/// Something of this machine, with the package that brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    X86,
    Ovmf,
    Arm,
    Aavmf,
    UBoot,
    /// Our own installer; the larder builds it.
    Installer,
}

impl Need {
    fn package(self) -> &'static str {
        match self {
            Need::X86 => "qemu-system-x86",
            Need::Ovmf => "ovmf",
            Need::Arm => "qemu-system-arm",
            Need::Aavmf => "qemu-efi-aarch64",
            Need::UBoot => "u-boot-qemu",
            Need::Installer => "cargo",
        }
    }

    fn files(self) -> &'static [&'static str] {
        match self {
            Need::X86 => &["/usr/bin/qemu-system-x86_64", "/usr/lib/ipxe/qemu/pxe-virtio.rom"],
            Need::Ovmf => &["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"],
            Need::Arm => &["/usr/bin/qemu-system-aarch64"],
            Need::Aavmf => &["/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"],
            Need::UBoot => &["/usr/lib/u-boot/qemu_arm64/u-boot.bin"],
            Need::Installer => &[],
        }
    }

    /// What every test needs besides.
    const OTHERS: [(&'static str, &'static str); 3] = [
        ("/dev/net/tun", "a kernel with tun, and the right to use it"),
        ("/usr/bin/grub-mkimage", "grub-common"),
        ("/usr/bin/apt-get", "a Debian or Ubuntu, for its packages"),
    ];
}

/// Whether this is the run inside of the lab with everything at hand. If not, makes everything ready, waits for its turn
/// and runs `test` (its full name) there, for at most `deadline`.
pub fn inside_with(needs: &[Need], test: &str, deadline: Duration) -> bool {
    if lab::inside() {
        return true;
    }
    let absent = |path: &str| !Path::new(path).exists();
    let firmware = needs.iter().filter(|need| need.files().iter().any(|path| absent(path))).map(|need| need.package());
    let others = Need::OTHERS.into_iter().filter(|(path, _)| absent(path)).map(|(_, what)| what);
    let mut missing: Vec<String> = firmware.chain(others).map(|what| format!("{what} is missing")).collect();
    if missing.is_empty()
        && let Err(problem) = larder::stock(needs.contains(&Need::Installer))
    {
        missing.push(problem);
    }
    for what in &missing {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have everything: {what}");
        eprintln!(
            "SKIPPED {test}: {what}; apt-get install qemu-system-x86 qemu-system-arm ipxe-qemu ovmf qemu-efi-aarch64 u-boot-qemu grub-common"
        );
    }
    if !missing.is_empty() {
        return false;
    }
    let _turn = Turn::wait();
    inside_within(test, deadline)
}

/// Emulated machines keep a processor busy each.
static FREE: (Mutex<usize>, Condvar) = (Mutex::new(2), Condvar::new());

/// The right to run one test.
struct Turn;

impl Turn {
    fn wait() -> Turn {
        let free = FREE.0.lock().expect("nobody panics with it");
        *FREE.1.wait_while(free, |free| *free == 0).expect("nobody panics with it") -= 1;
        Turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *FREE.0.lock().expect("nobody panics with it") += 1;
        FREE.1.notify_one();
    }
}
