//! U-Boot on an arm64 board: either told to look for a pxelinux menu, or as it is shipped (a script, then, as the UEFI
//! that it also is, a boot file).

use std::net::Ipv4Addr;

use super::dhcp::{ARCH_ARM64, ARCH_UBOOT, Dhcp, Heard, Lease, Speaker};
use super::hardware::Hardware;
use super::pxelinux::Pxelinux;
use super::tftp::{Get, Got, Style};
use super::{Input, Kind, Next, Phase};
use crate::time::Instant;

/// U-Boot's boot command at work.
#[derive(Debug)]
pub(super) struct UBoot {
    server: Ipv4Addr,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Address(Dhcp),
    /// `boot.scr.uimg`, which nobody serves here.
    Script(Get),
    AddressAsUefi(Dhcp),
    BootFile(Get),
    /// The directory `dtb/`: what it hopes to find there, it does not say.
    DeviceTree(Get, String),
    Menu(Pxelinux),
}

impl UBoot {
    pub fn start(now: Instant, hw: &mut Hardware) -> UBoot {
        let dhcp = Dhcp::start(Speaker::UBoot(ARCH_UBOOT), now, hw);
        UBoot { server: Ipv4Addr::UNSPECIFIED, step: Step::Address(dhcp) }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match &self.step {
            Step::Address(dhcp) | Step::AddressAsUefi(dhcp) => dhcp.deadline(),
            Step::Script(get) | Step::BootFile(get) | Step::DeviceTree(get, _) => Some(get.deadline()),
            Step::Menu(menu) => menu.deadline(),
        }
    }

    pub fn handle(&mut self, input: &Input, now: Instant, hw: &mut Hardware) -> Next {
        match &mut self.step {
            Step::Menu(menu) => return menu.handle(input, now, hw),
            Step::Address(dhcp) | Step::AddressAsUefi(dhcp) => match dhcp.handle(input, now, hw) {
                Heard::Bound(lease) => return self.bound(&lease, now, hw),
                Heard::GaveUp(why) => return Next::NoBoot(format!("BOOTP: {why}")),
                Heard::Nothing | Heard::Extended | Heard::Lost => {}
            },
            Step::Script(get) => match get.handle(input, now, hw) {
                Some(Got::File(_)) => return Next::NoBoot("boot.scr.uimg: scripts are not simulated here".into()),
                Some(_) => {
                    let dhcp = Dhcp::start(Speaker::UBoot(ARCH_ARM64), now, hw);
                    self.step = Step::AddressAsUefi(dhcp);
                }
                None => {}
            },
            Step::BootFile(get) => {
                let name = get.name().to_owned();
                match get.handle(input, now, hw) {
                    Some(Got::File(_)) => {
                        let get = Get::start(&Style::UBOOT, self.server, "dtb/".into(), now, hw);
                        self.step = Step::DeviceTree(get, name);
                    }
                    Some(got) => return Next::NoBoot(format!("TFTP {name}: {got:?}")),
                    None => {}
                }
            }
            Step::DeviceTree(get, boot_file) => {
                if get.handle(input, now, hw).is_some() {
                    return Next::BootFile { name: std::mem::take(boot_file), server: self.server };
                }
            }
        }
        Next::Stay
    }

    fn bound(&mut self, lease: &Lease, now: Instant, hw: &mut Hardware) -> Next {
        let first = matches!(self.step, Step::Address(_));
        if first {
            hw.passed(Phase::Bound);
        }
        // Options 54 and 66 are not taken for it.
        let Some(server) = lease.named_server() else { return Next::NoBoot("serverip not set".into()) };
        self.server = server;
        self.step = match (hw.kind, first) {
            (Kind::UBoot, _) => Step::Menu(Pxelinux::of_uboot(server, now, hw)),
            (_, true) => Step::Script(Get::start(&Style::UBOOT, server, "boot.scr.uimg".into(), now, hw)),
            (_, false) => Step::BootFile(Get::start(&Style::UBOOT, server, lease.boot_file(), now, hw)),
        };
        Next::Stay
    }
}
