//! The client's side of DHCP (RFC 2131 §4.4), with the timers and tastes of each firmware.
//!
//! Owns one negotiation: which OFFER is taken, when a message is repeated, when it is given up, when a lease is
//! extended. What an address is used for is the business of the program that asked for it.

mod message;

use std::net::Ipv4Addr;
use std::time::Duration;

use super::hardware::Hardware;
use super::{Input, Kind, Phase};
use crate::time::Instant;
use crate::wire::dhcp::{MessageType, Reply, code, codec};
use message::{Fields, Taken};

pub(super) use message::{
    ARCH_ARM64, ARCH_BIOS, ARCH_HTTP_ARM64, ARCH_HTTP_X64, ARCH_UBOOT, ARCH_X64, ARCH_X64_AS_9, Speaker,
};

/// `DHCP_REQ_TIMEOUT` and `DHCP_TIMEOUT` of the Raspberry Pi EEPROM.
const EEPROM_RETRY: Duration = Duration::from_secs(4);
const EEPROM_LIMIT: Duration = Duration::from_secs(45);
/// The ROM of a Pi 3 sends five DISCOVERs and then nothing any more, all with one xid (firmware#1265).
const ROM_RETRY: Duration = Duration::from_secs(5);
const ROM_TRIES: u32 = 5;
const ROM_XID: u32 = 0x26f3_0339;
/// dhclient: `backoff-cutoff`, `reboot`, `timeout`.
const DHCLIENT_RETRY_MAX: Duration = Duration::from_secs(15);
const DHCLIENT_REBOOT: Duration = Duration::from_secs(10);
const DHCLIENT_LIMIT: Duration = Duration::from_secs(20 * 60);
/// udhcpc: three tries of three seconds, then a pause (`-t 3 -T 3 -A 20`).
const UDHCPC_RETRY: Duration = Duration::from_secs(3);
const UDHCPC_PAUSE: Duration = Duration::from_secs(20);
const UDHCPC_TRIES: u32 = 3;
/// The init scripts of installers do not wait for ever.
const UDHCPC_ROUNDS_MAX: u32 = 20;
/// U-Boot: from a quarter of a second up to two, for a minute.
const UBOOT_RETRY_MILLIS: u64 = 250;
const UBOOT_LIMIT: Duration = Duration::from_secs(60);
/// GRUB: 400 ms, and 20 ms more each time (`GRUB_NET_INTERVAL`).
const GRUB_RETRY_MILLIS: u64 = 400;
const GRUB_TRIES: u32 = 40;
/// After a DECLINE (RFC 2131 §3.1).
const DECLINE_PAUSE: Duration = Duration::from_secs(10);
/// Between two tries to extend a lease.
const EXTEND_RETRY: Duration = Duration::from_secs(10);
const UNICAST_TRIES: u32 = 3;

/// A negotiation, and the lease it ended in.
#[derive(Debug)]
pub(super) struct Dhcp {
    speaker: Speaker,
    xid: u32,
    began: Instant,
    tries: u32,
    deadline: Instant,
    state: State,
}

#[derive(Debug)]
enum State {
    Selecting,
    /// An OFFER is chosen; others may still come.
    Waiting(Box<Reply>),
    Requesting(Box<Reply>),
    /// It asks for the address that it had before.
    Rebooting(Ipv4Addr),
    Bound(Lease),
    Extending(Lease),
    /// An address was declined.
    Pausing,
    Over,
}

/// What was acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub address: Ipv4Addr,
    /// The OFFER's or ACK's other fields.
    pub reply: Box<Reply>,
    server: Ipv4Addr,
    ends: Instant,
}

/// What a negotiation has to say.
#[derive(Debug)]
pub(super) enum Heard {
    Nothing,
    Bound(Lease),
    Extended,
    /// The lease is gone; the negotiation starts over by itself.
    Lost,
    GaveUp(String),
}

impl Lease {
    fn taken(&self) -> Taken {
        Taken { address: self.address, server: Some(self.server), siaddr: self.server }
    }

    /// The server's address: the next server if it names one, else who gave the lease.
    pub fn next_server(&self) -> Ipv4Addr {
        self.named_server().unwrap_or(self.server)
    }

    /// The next server. U-Boot takes no other ("serverip not set").
    pub fn named_server(&self) -> Option<Ipv4Addr> {
        Some(self.reply.siaddr).filter(|address| *address != Ipv4Addr::UNSPECIFIED)
    }

    pub fn boot_file(&self) -> String {
        boot_file(&self.reply)
    }

    /// Option 66, where it is an address.
    pub fn server_name(&self) -> Option<Ipv4Addr> {
        text(self.reply.option(code::TFTP_SERVER_NAME)).parse().ok()
    }

    pub fn hostname(&self) -> String {
        text(self.reply.option(code::HOST_NAME))
    }
}

impl Dhcp {
    pub fn start(speaker: Speaker, now: Instant, hw: &mut Hardware) -> Dhcp {
        hw.clear_address();
        let mut dhcp = Dhcp { speaker, xid: 0, began: now, tries: 0, deadline: now, state: State::Selecting };
        dhcp.restart(now, hw);
        dhcp
    }

    /// Asks for the address that the machine had before (INIT-REBOOT, RFC 2131 §3.2).
    pub fn reboot(speaker: Speaker, address: Ipv4Addr, now: Instant, hw: &mut Hardware) -> Dhcp {
        hw.clear_address();
        let state = State::Rebooting(address);
        let mut dhcp = Dhcp { speaker, xid: hw.rng.u32(..), began: now, tries: 0, deadline: now, state };
        dhcp.ask_again(address, now, hw);
        dhcp
    }

    pub fn deadline(&self) -> Option<Instant> {
        (!matches!(self.state, State::Over)).then_some(self.deadline)
    }

    pub fn handle(&mut self, input: &Input, now: Instant, hw: &mut Hardware) -> Heard {
        match input {
            // rpi-eeprom#84: a PAD among the options makes all of the message unreadable.
            Input::Dhcp(bytes) if hw.kind == Kind::Pi4Early && self.speaker == Speaker::Eeprom && has_pad(bytes) => {
                Heard::Nothing
            }
            Input::Dhcp(bytes) => match codec::decode_reply(bytes) {
                Ok(reply) if reply.xid == self.xid && reply.chaddr[..6] == hw.identity.mac.0 => {
                    self.heard(reply, now, hw)
                }
                _ => Heard::Nothing,
            },
            Input::Timer if now >= self.deadline => self.timed_out(now, hw),
            _ => Heard::Nothing,
        }
    }

    /// Extends the lease now, as `SIGUSR1` makes udhcpc do.
    pub fn extend(&mut self, now: Instant, hw: &mut Hardware) {
        if let State::Bound(lease) = &self.state {
            let lease = lease.clone();
            self.tries = 0;
            self.xid = hw.rng.u32(..);
            self.began = now;
            self.send_extension(&lease, now, hw);
            self.state = State::Extending(lease);
        }
    }

    /// Somebody else uses the address: says so and, after a pause (RFC 2131 §3.1), starts over.
    pub fn decline(&mut self, now: Instant, hw: &mut Hardware) {
        if let State::Bound(lease) = &self.state {
            let taken = lease.taken();
            hw.clear_address();
            self.send(MessageType::Decline, Ipv4Addr::UNSPECIFIED, Some(taken), Ipv4Addr::BROADCAST, now, hw);
            self.deadline = now + DECLINE_PAUSE;
            self.state = State::Pausing;
        }
    }

    /// Asks for further options (RFC 2131 §3.4).
    pub fn inform(&mut self, now: Instant, hw: &mut Hardware) {
        if let State::Bound(Lease { address, .. }) = self.state {
            self.send(MessageType::Inform, address, None, Ipv4Addr::BROADCAST, now, hw);
        }
    }

    /// Gives the address back (RFC 2131 §4.4.6).
    pub fn release(&mut self, now: Instant, hw: &mut Hardware) {
        if let State::Bound(lease) = &self.state {
            let taken = lease.taken();
            let (address, server) = (lease.address, lease.server);
            self.send(MessageType::Release, address, Some(taken), server, now, hw);
            hw.clear_address();
            self.state = State::Over;
        }
    }

    fn restart(&mut self, now: Instant, hw: &mut Hardware) {
        self.xid = match self.speaker {
            // The MAC's last four bytes and the milliseconds since power-on.
            Speaker::UBoot(_) => {
                let [_, _, tail @ ..] = hw.identity.mac.0;
                u32::from_be_bytes(tail).wrapping_add(now.since_start().as_millis() as u32)
            }
            // One 16-bit number twice: it is the xid's end and the `secs`.
            Speaker::PiRom => ROM_XID,
            Speaker::Grub => 0x6b00_0000 | hw.rng.u32(..0x1_0000),
            _ => hw.rng.u32(..),
        };
        self.began = now;
        self.tries = 0;
        self.discover(now, hw);
    }

    fn discover(&mut self, now: Instant, hw: &mut Hardware) {
        self.state = State::Selecting;
        self.send(MessageType::Discover, Ipv4Addr::UNSPECIFIED, None, Ipv4Addr::BROADCAST, now, hw);
        self.deadline = now + self.patience();
    }

    fn request(&mut self, offer: Box<Reply>, now: Instant, hw: &mut Hardware) {
        let server = server_id(&offer).unwrap_or(offer.siaddr);
        let taken = Taken { address: offer.yiaddr, server: Some(server), siaddr: offer.siaddr };
        self.send(MessageType::Request, Ipv4Addr::UNSPECIFIED, Some(taken), Ipv4Addr::BROADCAST, now, hw);
        self.deadline = now + self.patience();
        self.state = State::Requesting(offer);
    }

    fn ask_again(&mut self, address: Ipv4Addr, now: Instant, hw: &mut Hardware) {
        let taken = Taken { address, server: None, siaddr: Ipv4Addr::UNSPECIFIED };
        self.send(MessageType::Request, Ipv4Addr::UNSPECIFIED, Some(taken), Ipv4Addr::BROADCAST, now, hw);
        self.deadline = now + self.patience();
        self.state = State::Rebooting(address);
    }

    /// RENEWING asks the server it knows, REBINDING any (RFC 2131 §4.4.5).
    fn send_extension(&mut self, lease: &Lease, now: Instant, hw: &mut Hardware) {
        let to = if self.tries < UNICAST_TRIES { lease.server } else { Ipv4Addr::BROADCAST };
        self.send(MessageType::Request, lease.address, None, to, now, hw);
        self.deadline = (now + EXTEND_RETRY).min(lease.ends);
    }

    fn send(
        &mut self,
        kind: MessageType,
        ciaddr: Ipv4Addr,
        taken: Option<Taken>,
        to: Ipv4Addr,
        now: Instant,
        hw: &mut Hardware,
    ) {
        let elapsed = u16::try_from(now.since(self.began).as_secs()).unwrap_or(u16::MAX);
        let secs = match self.speaker {
            Speaker::Ipxe(_) | Speaker::Udhcpc | Speaker::Dhclient => elapsed,
            Speaker::Grub => self.xid as u16,
            Speaker::PiRom | Speaker::Eeprom | Speaker::Bios | Speaker::Uefi(_) | Speaker::UBoot(_) => 0,
        };
        let fields = Fields { kind, xid: self.xid, secs, ciaddr, taken };
        let bytes = message::write(self.speaker, &hw.identity, hw.kind, &fields);
        hw.send_dhcp(to, bytes);
    }

    fn heard(&mut self, reply: Reply, now: Instant, hw: &mut Hardware) -> Heard {
        match (&self.state, reply.kind) {
            (State::Selecting, Some(MessageType::Offer)) if self.takes(&reply, hw) => {
                hw.passed(Phase::Offered);
                if self.speaker == Speaker::PiRom {
                    return Heard::Bound(self.bind(reply, now, hw));
                }
                self.tries = 0;
                let offer = Box::new(reply);
                match self.waits_for_others(&offer, hw) {
                    Duration::ZERO => self.request(offer, now, hw),
                    wait => {
                        self.deadline = now + wait;
                        self.state = State::Waiting(offer);
                    }
                }
                Heard::Nothing
            }
            (State::Requesting(offer), Some(MessageType::Ack)) if reply.yiaddr == offer.yiaddr => {
                let lease = self.bind(reply, now, hw);
                Heard::Bound(lease)
            }
            (State::Rebooting(address), Some(MessageType::Ack)) if reply.yiaddr == *address => {
                Heard::Bound(self.bind(reply, now, hw))
            }
            (State::Extending(old), Some(MessageType::Ack)) if reply.yiaddr == old.address => {
                self.bind(reply, now, hw);
                Heard::Extended
            }
            (State::Requesting(_) | State::Rebooting(_), Some(MessageType::Nak)) => {
                self.restart(now, hw);
                Heard::Nothing
            }
            (State::Extending(_), Some(MessageType::Nak)) => self.lose(now, hw),
            _ => Heard::Nothing,
        }
    }

    fn bind(&mut self, reply: Reply, now: Instant, hw: &mut Hardware) -> Lease {
        let secs = number(reply.option(code::LEASE_TIME)).unwrap_or(3600);
        let half = number(reply.option(code::RENEWAL_TIME)).unwrap_or(secs / 2);
        let prefix = number(reply.option(code::SUBNET_MASK)).map_or(24, u32::count_ones);
        let lease = Lease {
            address: reply.yiaddr,
            server: server_id(&reply).unwrap_or(reply.siaddr),
            ends: now + Duration::from_secs(secs.into()),
            reply: Box::new(reply),
        };
        hw.set_address(lease.address, u8::try_from(prefix).unwrap_or(24));
        self.deadline = now + Duration::from_secs(half.into());
        // Firmware is never long enough at work to extend a lease.
        let keeps = matches!(self.speaker, Speaker::Udhcpc | Speaker::Dhclient);
        self.state = if keeps { State::Bound(lease.clone()) } else { State::Over };
        lease
    }

    fn lose(&mut self, now: Instant, hw: &mut Hardware) -> Heard {
        hw.clear_address();
        self.restart(now, hw);
        Heard::Lost
    }

    fn timed_out(&mut self, now: Instant, hw: &mut Hardware) -> Heard {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => Heard::Nothing,
            State::Pausing => {
                self.restart(now, hw);
                Heard::Nothing
            }
            State::Waiting(offer) => {
                self.request(offer, now, hw);
                Heard::Nothing
            }
            State::Bound(lease) => {
                self.state = State::Bound(lease);
                self.extend(now, hw);
                Heard::Nothing
            }
            State::Extending(lease) if now >= lease.ends => self.lose(now, hw),
            State::Extending(lease) => {
                self.tries += 1;
                self.send_extension(&lease, now, hw);
                self.state = State::Extending(lease);
                Heard::Nothing
            }
            State::Rebooting(_) if now.since(self.began) >= DHCLIENT_REBOOT => {
                self.restart(now, hw);
                Heard::Nothing
            }
            asking => {
                self.tries += 1;
                if self.is_tired(now) {
                    let missing = if matches!(asking, State::Selecting) { "OFFER it could use" } else { "ACK" };
                    let secs = now.since(self.began).as_secs();
                    return Heard::GaveUp(format!("no {missing} came within {secs} s"));
                }
                match asking {
                    State::Requesting(_)
                        if self.speaker == Speaker::Udhcpc && self.tries.is_multiple_of(UDHCPC_TRIES) =>
                    {
                        self.discover(now, hw);
                    }
                    State::Requesting(_) if self.speaker == Speaker::Dhclient && self.tries >= UNICAST_TRIES => {
                        self.restart(now, hw);
                    }
                    State::Requesting(offer) => self.request(offer, now, hw),
                    State::Rebooting(address) => self.ask_again(address, now, hw),
                    _ => self.discover(now, hw),
                }
                Heard::Nothing
            }
        }
    }

    fn patience(&self) -> Duration {
        match self.speaker {
            Speaker::PiRom => ROM_RETRY,
            Speaker::Eeprom => EEPROM_RETRY,
            Speaker::Dhclient => Duration::from_secs(3 << self.tries.min(3)).min(DHCLIENT_RETRY_MAX),
            // PXE 2.1: 4, 8, 16, 32 s; iPXE: 1 to 10 s.
            Speaker::Uefi(_) | Speaker::Bios => Duration::from_secs(4 << self.tries.min(3)),
            Speaker::Ipxe(_) => Duration::from_secs((1 << self.tries.min(4)).min(10)),
            Speaker::UBoot(_) => Duration::from_millis(UBOOT_RETRY_MILLIS << self.tries.min(3)),
            Speaker::Grub => Duration::from_millis(GRUB_RETRY_MILLIS + 20 * u64::from(self.tries)),
            Speaker::Udhcpc if self.tries % UDHCPC_TRIES == UDHCPC_TRIES - 1 => UDHCPC_RETRY + UDHCPC_PAUSE,
            Speaker::Udhcpc => UDHCPC_RETRY,
        }
    }

    fn is_tired(&self, now: Instant) -> bool {
        match self.speaker {
            Speaker::PiRom => self.tries >= ROM_TRIES,
            Speaker::Eeprom => now.since(self.began) >= EEPROM_LIMIT,
            Speaker::Dhclient => now.since(self.began) >= DHCLIENT_LIMIT,
            Speaker::Uefi(_) | Speaker::Bios => self.tries >= 4,
            Speaker::Ipxe(_) => self.tries >= 5,
            Speaker::UBoot(_) => now.since(self.began) >= UBOOT_LIMIT,
            Speaker::Grub => self.tries >= GRUB_TRIES,
            Speaker::Udhcpc => self.tries >= UDHCPC_TRIES * UDHCPC_ROUNDS_MAX,
        }
    }

    fn takes(&self, offer: &Reply, hw: &Hardware) -> bool {
        if offer.yiaddr == Ipv4Addr::UNSPECIFIED {
            return false;
        }
        match self.speaker {
            Speaker::PiRom | Speaker::Eeprom => {
                let menu = offer.option(code::VENDOR_ENCAPSULATED);
                menu.is_some_and(|menu| takes_menu(menu, hw.kind, &hw.options.pi_menu_entry))
            }
            // Without the class it repeats its DISCOVER for ever.
            Speaker::Uefi(_) if self.speaker.boots_by_http() => {
                let class = offer.option(code::VENDOR_CLASS).unwrap_or_default();
                class.starts_with(b"HTTPClient") && boot_file(offer).starts_with("http://")
            }
            // PXE passes over what names no boot file; class "PXEClient" would send it to port 4011.
            Speaker::Uefi(_) | Speaker::Bios => {
                !boot_file(offer).is_empty() && offer.option(code::VENDOR_CLASS).is_none()
            }
            Speaker::Ipxe(_) | Speaker::UBoot(_) | Speaker::Grub | Speaker::Udhcpc | Speaker::Dhclient => true,
        }
    }

    /// How long it listens for further OFFERs before it takes this one.
    fn waits_for_others(&self, offer: &Reply, hw: &Hardware) -> Duration {
        match self.speaker {
            Speaker::PiRom | Speaker::Eeprom | Speaker::UBoot(_) => Duration::ZERO,
            Speaker::Grub | Speaker::Udhcpc | Speaker::Dhclient => Duration::ZERO,
            Speaker::Uefi(_) | Speaker::Bios => hw.options.uefi_offer_wait,
            // Option 175.176 = 1 (no-pxedhcp) spares it the wait for a proxy.
            Speaker::Ipxe(_) if offer.option(code::IPXE).is_some_and(|value| value.starts_with(&[176, 1, 1])) => {
                Duration::ZERO
            }
            Speaker::Ipxe(_) => hw.options.ipxe_proxy_wait,
        }
    }
}

/// Whether option 43 lets a Pi boot: its name in a menu or bare or, for the EEPROM of 2026-05, discovery control without
/// any menu. `PXE_OPTION43` gives an EEPROM another name to look for.
fn takes_menu(menu: &[u8], kind: Kind, entry: &str) -> bool {
    let holds = |text: &[u8], name: &[u8]| text.windows(name.len()).any(|window| window == name);
    match kind {
        // The ROM compares with three spaces more (firmware#764).
        Kind::Pi3 => holds(menu, b"Raspberry Pi Boot   "),
        Kind::Pi4Early => holds(first_entry(menu).unwrap_or(menu), entry.as_bytes()),
        _ => holds(menu, entry.as_bytes()) || menu == [6, 1, 3, 255],
    }
}

/// The text of the first entry of a PXE menu (PXE 2.1 §3.2.3, sub-option 9): type, length, text.
fn first_entry(mut menu: &[u8]) -> Option<&[u8]> {
    while let [number, length, rest @ ..] = menu {
        let (value, after) = rest.split_at_checked(usize::from(*length))?;
        if *number == 9 {
            let [_, _, length, entries @ ..] = value else { return None };
            return entries.get(..usize::from(*length));
        }
        menu = after;
    }
    None
}

/// Whether a PAD stands among the options, before END.
fn has_pad(bytes: &[u8]) -> bool {
    let mut options = bytes.get(message::OPTIONS..).unwrap_or_default();
    loop {
        match options {
            [0, ..] => return true,
            [255, ..] | [] | [_] => return false,
            [_, length, rest @ ..] => options = rest.get(usize::from(*length)..).unwrap_or_default(),
        }
    }
}

fn server_id(reply: &Reply) -> Option<Ipv4Addr> {
    number(reply.option(code::SERVER_ID)).map(Ipv4Addr::from)
}

fn number(value: Option<&[u8]>) -> Option<u32> {
    value?.try_into().ok().map(u32::from_be_bytes)
}

fn text(value: Option<&[u8]>) -> String {
    let bytes = value.unwrap_or_default();
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// Option 67 goes before the `file` field.
fn boot_file(reply: &Reply) -> String {
    let option = text(reply.option(code::BOOT_FILE));
    if option.is_empty() { reply.file.clone() } else { option }
}

#[cfg(test)]
mod tests;
