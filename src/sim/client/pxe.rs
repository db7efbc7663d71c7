//! The PXE base code of a BIOS or of UEFI firmware (EDK2): a size probe, then the boot file, which takes over.

use std::net::Ipv4Addr;

use super::dhcp::{ARCH_ARM64, ARCH_X64, ARCH_X64_AS_9, Dhcp, Heard, Speaker};
use super::hardware::Hardware;
use super::tftp::{Get, Got, Style};
use super::{Input, Kind, Next, Phase};
use crate::time::Instant;

/// The PXE base code at work.
#[derive(Debug)]
pub(super) struct Pxe {
    dhcp: Dhcp,
    probe: &'static Style,
    read: &'static Style,
    server: Ipv4Addr,
    get: Option<Get>,
}

impl Pxe {
    pub fn start(now: Instant, hw: &mut Hardware) -> Pxe {
        let (speaker, probe, read) = match hw.kind {
            Kind::BiosPxe => (Speaker::Bios, &Style::BIOS_PROBE, &Style::BIOS),
            Kind::UefiArm64 => (Speaker::Uefi(ARCH_ARM64), &Style::UEFI_PROBE, &Style::UEFI),
            Kind::UefiX64As9 => (Speaker::Uefi(ARCH_X64_AS_9), &Style::UEFI_PROBE, &Style::UEFI),
            _ => (Speaker::Uefi(ARCH_X64), &Style::UEFI_PROBE, &Style::UEFI),
        };
        Pxe { dhcp: Dhcp::start(speaker, now, hw), probe, read, server: Ipv4Addr::UNSPECIFIED, get: None }
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
                    self.get = Some(Get::start(self.read, self.server, name, now, hw));
                    Next::Stay
                }
                Some(Got::File(_)) => Next::BootFile { name, server: self.server },
                Some(Got::Missing) => Next::NoBoot(format!("PXE-E23: TFTP {name}: the server has no such file")),
                Some(Got::Broken(why)) => Next::NoBoot(format!("PXE-E18: TFTP {name}: {why}")),
            };
        }
        match self.dhcp.handle(input, now, hw) {
            Heard::Bound(lease) => {
                hw.passed(Phase::Bound);
                self.server = lease.next_server();
                self.get = Some(Get::start(self.probe, self.server, lease.boot_file(), now, hw));
                Next::Stay
            }
            Heard::GaveUp(why) => Next::NoBoot(format!("PXE-E16: {why}")),
            Heard::Nothing | Heard::Extended | Heard::Lost => Next::Stay,
        }
    }
}
