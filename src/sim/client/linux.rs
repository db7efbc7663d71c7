//! Linux on the machine: udhcpc gets and keeps an address, and the installer, if there is one, does its work.

use super::dhcp::{Dhcp, Heard, Speaker};
use super::hardware::Hardware;
use super::installer::{Installer, Progress};
use super::{Input, Kind, Next, Phase};
use crate::time::Instant;

/// A running kernel with its first program.
#[derive(Debug)]
pub(super) struct Linux {
    dhcp: Dhcp,
    job: Job,
}

#[derive(Debug)]
enum Job {
    /// Install; where the server is may be known only from the lease.
    Install { base_url: Option<String>, installer: Option<Installer> },
    /// Get an address, extend it once at this time, and be content.
    Address { extend_at: Option<Instant>, declined: u32 },
}

impl Linux {
    pub fn installing(base_url: Option<String>, now: Instant, hw: &mut Hardware) -> Linux {
        let job = Job::Install { base_url, installer: None };
        Linux { dhcp: Dhcp::start(Speaker::Udhcpc, now, hw), job }
    }

    pub fn plain(now: Instant, hw: &mut Hardware) -> Linux {
        Linux { dhcp: negotiation(now, hw), job: Job::Address { extend_at: None, declined: 0 } }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let of_job = match &self.job {
            Job::Install { installer, .. } => installer.as_ref().and_then(Installer::deadline),
            Job::Address { extend_at, .. } => *extend_at,
        };
        [self.dhcp.deadline(), of_job].into_iter().flatten().min()
    }

    pub fn handle(&mut self, input: &Input, now: Instant, hw: &mut Hardware) -> Next {
        let heard = match input {
            Input::Replugged => self.replugged(now, hw),
            _ => self.dhcp.handle(input, now, hw),
        };
        match &mut self.job {
            Job::Address { extend_at, declined } => match heard {
                Heard::Bound(_) if *declined < hw.options.plain_declines => {
                    *declined += 1;
                    self.dhcp.decline(now, hw);
                    Next::Stay
                }
                Heard::Bound(lease) => {
                    hw.passed(Phase::Bound);
                    if hw.options.plain_informs {
                        self.dhcp.inform(now, hw);
                    }
                    hw.disk = Some(lease.hostname());
                    hw.remembered = Some(lease.address);
                    *extend_at = Some(now + hw.options.plain_extends_after);
                    Next::Stay
                }
                Heard::Extended => {
                    if hw.options.plain_releases {
                        self.dhcp.release(now, hw);
                        hw.remembered = None;
                    }
                    Next::Done(hw.disk.clone().unwrap_or_default())
                }
                Heard::Lost => {
                    *extend_at = None;
                    Next::Stay
                }
                Heard::GaveUp(why) => Next::Fault(format!("udhcpc: {why}")),
                Heard::Nothing => {
                    if extend_at.is_some_and(|at| now >= at) {
                        *extend_at = None;
                        self.dhcp.extend(now, hw);
                    }
                    Next::Stay
                }
            },
            Job::Install { base_url, installer } => {
                match heard {
                    Heard::Bound(lease) => {
                        hw.passed(Phase::Bound);
                        let installer = installer.get_or_insert_with(|| {
                            let server = || format!("http://{}", lease.next_server());
                            Installer::new(base_url.clone().unwrap_or_else(server))
                        });
                        installer.go_on(now, hw);
                        return Next::Stay;
                    }
                    Heard::Lost => {
                        if let Some(installer) = installer {
                            installer.interrupted();
                        }
                        return Next::Stay;
                    }
                    Heard::GaveUp(why) => return Next::Fault(format!("udhcpc: {why}")),
                    Heard::Nothing | Heard::Extended => {}
                }
                match installer.as_mut().map(|installer| installer.handle(input, now, hw)) {
                    Some(Progress::Done(hostname)) => Next::Done(hostname),
                    Some(Progress::Failed(why)) => Next::Fault(why),
                    Some(Progress::Working) | None => Next::Stay,
                }
            }
        }
    }

    /// It may be on another network now: whoever remembers an address asks whether it holds here, others start over.
    fn replugged(&mut self, now: Instant, hw: &mut Hardware) -> Heard {
        self.dhcp = negotiation(now, hw);
        Heard::Lost
    }
}

fn negotiation(now: Instant, hw: &mut Hardware) -> Dhcp {
    match (hw.kind, hw.remembered) {
        (Kind::RememberingLinux, Some(address)) => Dhcp::reboot(Speaker::Dhclient, address, now, hw),
        (Kind::RememberingLinux, None) => Dhcp::start(Speaker::Dhclient, now, hw),
        _ => Dhcp::start(Speaker::Udhcpc, now, hw),
    }
}
