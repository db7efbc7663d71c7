//! UEFI firmware of a PC (EDK2): PXE with a size probe before the boot file, which is iPXE.

use std::net::Ipv4Addr;

use super::dhcp::{Dhcp, Heard, Speaker};
use super::hardware::Hardware;
use super::tftp::{Get, Got, Style};
use super::{Input, Next, Phase};
use crate::time::Instant;

/// The PXE base code at work.
#[derive(Debug)]
pub(super) struct Uefi {
    dhcp: Dhcp,
    server: Ipv4Addr,
    get: Option<Get>,
}

impl Uefi {
    pub fn start(now: Instant, hw: &mut Hardware) -> Uefi {
        Uefi { dhcp: Dhcp::start(Speaker::Uefi, now, hw), server: Ipv4Addr::UNSPECIFIED, get: None }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.get.as_ref().map(Get::deadline).or(self.dhcp.deadline())
    }

    pub fn handle(&mut self, input: &Input, now: Instant, hw: &mut Hardware) -> Next {
        if let Some(get) = &mut self.get {
            let name = get.name().to_owned();
            return match get.handle(input, now, hw) {
                None => Next::Stay,
                Some(Got::Exists) => {
                    self.get = Some(Get::start(&Style::UEFI, self.server, name, now, hw));
                    Next::Stay
                }
                Some(Got::File(_)) => Next::Ipxe,
                Some(Got::Missing) => Next::NoBoot(format!("PXE-E23: TFTP {name}: the server has no such file")),
                Some(Got::Broken(why)) => Next::NoBoot(format!("PXE-E18: TFTP {name}: {why}")),
            };
        }
        match self.dhcp.handle(input, now, hw) {
            Heard::Bound(lease) => {
                hw.passed(Phase::Bound);
                self.server = lease.next_server();
                self.get = Some(Get::start(&Style::UEFI_PROBE, self.server, lease.boot_file(), now, hw));
                Next::Stay
            }
            Heard::GaveUp(why) => Next::NoBoot(format!("PXE-E16: {why}")),
            Heard::Nothing | Heard::Extended | Heard::Lost => Next::Stay,
        }
    }
}
