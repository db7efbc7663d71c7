//! What those do at the bench who mean harm, or are broken: machines are invented, messages are forged and played back,
//! every address is claimed.
//!
//! Only what a server can tell from the truth is played here. Who writes another's hardware address into a RELEASE on
//! the same wire, of a machine that only sits there, is that machine to everybody.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;

use super::odd::MESSAGE_TYPE;
use super::{Happening, World};
use crate::fleet::Event;
use crate::fleet::report::Report;
use crate::ids::ReplyTo;
use crate::net::{LinkId, Mac};
use crate::sim::client::{Identity, Kind};
use crate::time::Instant;
use crate::wire::dhcp::{MessageType, code};

/// Invented machines, apart from the strangers of [`super::odd`].
const FIRST_INVENTED: u32 = 0x90_0000;
/// Who answers for addresses that are not its own.
const LIAR: Mac = Mac([2, 0, 0, 0, 0, 0x66]);

/// What is known of those who mean harm.
#[derive(Debug, Default)]
pub(super) struct Malice {
    /// The last REQUEST of each machine, by which link and port it came, and to which run of the server.
    overheard: std::collections::BTreeMap<usize, (u32, LinkId, u16, Bytes)>,
    /// So long somebody answers for every address at the bench.
    lies_until: Option<Instant>,
    invented: u32,
}

impl World {
    /// Somebody does harm.
    pub(super) fn do_harm(&mut self) {
        match self.rng.u8(..7) {
            0 => self.invent_machines(),
            1 => self.invent_behind_relay(),
            2 => self.invent_reports(),
            3 => self.forge_message(),
            4 => self.forge_report(),
            5 => self.play_back(),
            _ => {
                let lasts = Duration::from_secs(self.rng.u64(5..60));
                self.malice.lies_until = Some(self.now + lasts);
                self.odd("somebody answers for every address");
            }
        }
    }

    fn odd(&mut self, what: &'static str) {
        self.reached.odds.insert(what);
        self.story.line(self.now, || what.to_owned());
    }

    /// Takes note of a machine's message as it reaches the server.
    pub(super) fn overhear(&mut self, index: usize, link: LinkId, port: u16, bytes: &Bytes) {
        if self.plan.faults.malice > 0 && bytes.get(MESSAGE_TYPE) == Some(&MessageType::Request.code()) {
            self.malice.overheard.insert(index, (self.server_epoch, link, port, bytes.clone()));
        }
    }

    fn invented(&mut self) -> Identity {
        self.malice.invented += 1;
        Identity::numbered(Kind::PlainLinux, FIRST_INVENTED + self.malice.invented, &mut self.rng)
    }

    fn invent_machines(&mut self) {
        self.odd("machines are invented");
        for _ in 0..self.rng.u8(10..80) {
            let identity = self.invented();
            let bytes = self.first_message(Kind::PlainLinux, identity);
            self.tell_server(Event::Dhcp { link: LinkId(0), port: 68, bytes });
        }
    }

    /// Behind one port of a relay agent, the same one for all of them.
    fn invent_behind_relay(&mut self) {
        let relay = self.segments.iter().find_map(|segment| segment.relay.clone());
        let Some(relay) = relay else { return };
        self.odd("machines are invented behind a relay agent");
        for _ in 0..self.rng.u8(4..20) {
            let identity = self.invented();
            let bytes = relay.forward_from(*b"eth9", &self.first_message(Kind::PlainLinux, identity));
            self.tell_server(Event::Dhcp { link: LinkId(0), port: 67, bytes: bytes.into() });
        }
    }

    fn invent_reports(&mut self) {
        self.odd("machines are invented in reports");
        for _ in 0..self.rng.u8(10..60) {
            let mac = self.invented().mac;
            self.report_of(mac, "starting");
        }
    }

    /// A report about that machine from an address that is nobody's.
    fn report_of(&mut self, mac: Mac, word: &str) {
        let report = Report::Status { status: word.into(), hostname: None, message: None };
        let address = self.place.nobodys();
        let (serial, reinstalls, reply_to) = (None, None, ReplyTo(0));
        self.tell_server(Event::Report { address, mac: Some(mac), serial, reinstalls, report, reply_to });
    }

    /// A RELEASE or DECLINE in the name of some machine: from another network, or while it is being installed.
    fn forge_message(&mut self) {
        let Some((index, address)) = self.somebody() else { return };
        let mac = self.seats[index].client.identity().mac;
        let segment = self.seats[index].segment;
        let kind = if self.rng.bool() { MessageType::Decline } else { MessageType::Release };
        let elsewhere = if segment == 0 { 1 } else { 0 };
        let at_home = !self.segments.iter().any(|segment| segment.link == LinkId(elsewhere)) || self.rng.bool();
        // A RELEASE needs no relay agent, wherever it comes from.
        let routed = kind == MessageType::Release && self.segments[segment].relay.is_some();
        // What is to be refused because of how far the machine is must not come behind its own news.
        let is_busy = self.is_being_installed(mac) && self.segments[segment].relay.is_none();
        let link = match at_home || routed {
            true if is_busy && kind == MessageType::Release => self.segments[segment].link,
            true => return,
            false => LinkId(elsewhere),
        };
        self.odd("a message is forged");
        let bytes = forged(kind, mac, address, self.place.server());
        self.tell_server(Event::Dhcp { link, port: 68, bytes });
    }

    /// A report in the name of a machine that speaks for itself.
    fn forge_report(&mut self) {
        let Some((index, address)) = self.somebody() else { return };
        let mac = self.seats[index].client.identity().mac;
        let Some(server) = &self.server else { return };
        let tables = server.fleet.tables();
        let machine = tables.machines.by_mac(mac).map(|machine| machine.id);
        let speaks = machine.and_then(|id| tables.open.get(&id)).is_some_and(|open| open.address == address);
        if !speaks || machine.and_then(|id| tables.leases.of_machine(id)) != Some(address) || server.has_work() {
            return;
        }
        self.odd("a report is forged");
        self.report_of(mac, "success");
    }

    /// A machine's REQUEST comes once more, long after it was answered.
    fn play_back(&mut self) {
        let index = self.rng.usize(..self.seats.len());
        let Some((epoch, link, port, bytes)) = self.malice.overheard.get(&index).cloned() else { return };
        // A server that was started since cannot tell it from a new one.
        if epoch != self.server_epoch || self.server.is_none() {
            return;
        }
        self.odd("a REQUEST is played back");
        self.tell_server(Event::Dhcp { link, port, bytes });
    }

    /// Whether the server knows that the machine is being installed, and has heard nothing new.
    fn is_being_installed(&self, mac: Mac) -> bool {
        let Some(server) = self.server.as_ref().filter(|server| !server.has_work()) else { return false };
        server.fleet.tables().machines.by_mac(mac).is_some_and(|machine| machine.stage.is_past_address())
    }

    fn somebody(&mut self) -> Option<(usize, Ipv4Addr)> {
        let index = self.rng.usize(..self.seats.len());
        Some((index, self.seats[index].address?))
    }

    /// The server asks whether anyone uses an address.
    pub(super) fn probed(&mut self, link: LinkId, address: Ipv4Addr) {
        if link != LinkId(0) || self.malice.lies_until.is_none_or(|until| until < self.now) {
            return;
        }
        // It may invent a hardware address for each lie.
        let mac = if self.rng.bool() { LIAR } else { Mac([2, 0x66, self.rng.u8(..), self.rng.u8(..), 0, 1]) };
        self.later(Duration::from_millis(1), Happening::Claim { address, mac });
    }
}

fn forged(kind: MessageType, mac: Mac, address: Ipv4Addr, server: Ipv4Addr) -> Bytes {
    let mut bytes = vec![1, 1, 6, 0, 0xf0, 0x6e, 0xd0, 0];
    bytes.resize(236, 0);
    bytes[28..34].copy_from_slice(&mac.0);
    bytes.extend_from_slice(&[99, 130, 83, 99, code::MESSAGE_TYPE, 1, kind.code(), code::SERVER_ID, 4]);
    bytes.extend_from_slice(&server.octets());
    if kind == MessageType::Release {
        bytes[12..16].copy_from_slice(&address.octets());
    } else {
        bytes.extend_from_slice(&[code::REQUESTED_ADDRESS, 4]);
        bytes.extend_from_slice(&address.octets());
    }
    bytes.push(255);
    bytes.into()
}
