//! UEFI firmware (EDK2) booting by HTTP: the OFFER names a URL, HEAD says how large it is, GET brings it.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::dhcp::{ARCH_HTTP_ARM64, ARCH_HTTP_X64, Dhcp, Heard, Speaker};
use super::hardware::Hardware;
use super::{Input, Kind, Next, Phase};
use crate::time::Instant;

/// An HTTP server that says nothing for this long is not there.
const HTTP_PATIENCE: Duration = Duration::from_secs(30);

/// The HTTP boot driver at work.
#[derive(Debug)]
pub(super) struct UefiHttp {
    dhcp: Dhcp,
    /// Once there is an address.
    reading: Option<Reading>,
}

/// The boot file on its way.
#[derive(Debug)]
struct Reading {
    url: String,
    server: Ipv4Addr,
    exchange: u32,
    deadline: Instant,
}

impl UefiHttp {
    pub fn start(now: Instant, hw: &mut Hardware) -> UefiHttp {
        let arch = if hw.kind == Kind::UefiHttpArm64 { ARCH_HTTP_ARM64 } else { ARCH_HTTP_X64 };
        UefiHttp { dhcp: Dhcp::start(Speaker::Uefi(arch), now, hw), reading: None }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.reading.as_ref().map(|reading| reading.deadline).or(self.dhcp.deadline())
    }

    pub fn handle(&mut self, input: &Input, now: Instant, hw: &mut Hardware) -> Next {
        let Some(reading) = &mut self.reading else { return self.address(input, now, hw) };
        let failed = |why: &str| Next::NoBoot(format!("{}: {why}", reading.url));
        match input {
            Input::Timer if now >= reading.deadline => failed("could not retrieve the NBP file size in time"),
            Input::Http { exchange, response } if *exchange == reading.exchange => match response {
                Ok((200, _)) => {
                    reading.exchange = hw.download(reading.url.clone());
                    reading.deadline = now + HTTP_PATIENCE;
                    Next::Stay
                }
                Ok((status, _)) => failed(&format!("HTTP {status}")),
                Err(why) => failed(why),
            },
            Input::Downloading { exchange, .. } if *exchange == reading.exchange => {
                reading.deadline = now + HTTP_PATIENCE;
                Next::Stay
            }
            Input::Downloaded { exchange, result } if *exchange == reading.exchange => match result {
                Ok(_) => {
                    let name = reading.url.rsplit('/').next().unwrap_or_default().to_owned();
                    Next::BootFile { name, server: reading.server }
                }
                Err(why) => failed(why),
            },
            _ => Next::Stay,
        }
    }

    fn address(&mut self, input: &Input, now: Instant, hw: &mut Hardware) -> Next {
        match self.dhcp.handle(input, now, hw) {
            Heard::Bound(lease) => {
                hw.passed(Phase::Bound);
                let url = lease.boot_file();
                let exchange = hw.head(url.clone());
                let deadline = now + HTTP_PATIENCE;
                self.reading = Some(Reading { url, server: lease.next_server(), exchange, deadline });
                Next::Stay
            }
            Heard::GaveUp(why) => Next::NoBoot(format!("HTTP boot: {why}")),
            Heard::Nothing | Heard::Extended | Heard::Lost => Next::Stay,
        }
    }
}
