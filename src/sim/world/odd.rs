//! What else happens on a bench: an operator who changes his mind, a clock that is set, strangers and garbage on the
//! wire, an image that is exchanged.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use bytes::Bytes;

use super::{Happening, World};
use crate::catalog::ImageState;
use crate::fleet::Event;
use crate::fleet::command::{Command, Selector};
use crate::fleet::report::Report;
use crate::ids::{BatchId, ReplyTo, Serial};
use crate::net::{LinkId, Mac};
use crate::refusal::Refusal;
use crate::sim::client::{Client, Identity, Input, Kind, Options, Output};
use crate::sim::place::{BY_SERIAL, POOLED, VENUE};

/// Replies to the operator, apart from those to machines.
const FIRST_ORDER: u64 = 1 << 32;
/// Strangers' board numbers, apart from those of the bench.
pub(super) const FIRST_STRANGER: u32 = 0x80_0000;
/// Where the message type stands in what a simulated client writes.
pub(super) const MESSAGE_TYPE: usize = 242;

impl World {
    /// An operator does something, sensible or not.
    pub(super) fn operate(&mut self) {
        let seat = self.rng.usize(..self.seats.len());
        let identity = self.seats[seat].client.identity().clone();
        let selector = match (self.rng.u8(..3), self.seats[seat].address, Serial::parse(&identity.serial)) {
            (0, Some(address), _) => Selector::Address(address),
            (1, _, Some(serial)) => Selector::Serial(serial),
            _ => Selector::Mac(identity.mac),
        };
        let batch = BatchId(self.rng.u64(1..4));
        let command = match self.rng.u8(..9) {
            0 | 1 => Command::Reinstall(selector),
            2 => {
                // Whoever is held is let go again, or it would never reach its end.
                let held_for = Duration::from_secs(self.rng.u64(20..120));
                let release = Command::Reinstall(Selector::Mac(identity.mac));
                self.later(held_for, Happening::Order(Box::new(release)));
                Command::Hold(Selector::Mac(identity.mac))
            }
            3 => Command::BatchCreate {
                venue: if self.rng.u8(..4) == 0 { "NOWHERE" } else { VENUE }.into(),
                product: [POOLED, BY_SERIAL, "NOTHING"][self.rng.usize(..3)].into(),
                total: self.rng.i64(-1..2 * i64::from(u16::try_from(self.seats.len()).unwrap_or(u16::MAX))),
                priority: self.rng.i64(0..3),
            },
            4 => Command::BatchStart(batch),
            5 => Command::BatchPause(batch),
            6 => Command::BatchCancel(batch),
            7 => Command::BatchPriority { id: batch, priority: self.rng.i64(0..3) },
            _ => Command::BatchList,
        };
        self.order(command);
    }

    /// Gives an order; it is given again until it is known what became of it.
    pub(super) fn order(&mut self, command: Command) {
        // Whoever is meddled with may end in any stage.
        if let Command::Reinstall(_) | Command::Hold(_) = command {
            self.meddled = true;
        }
        let reply_to = ReplyTo(FIRST_ORDER + self.sequence);
        self.sequence += 1;
        self.orders.insert(reply_to, command.clone());
        self.story.line(self.now, || format!("operator  {command:?}"));
        self.tell_server(Event::Command { command, reply_to });
    }

    /// Orders of which nobody knows what became.
    pub(super) fn repeat_orders(&mut self) {
        for (reply_to, command) in self.orders.clone() {
            self.tell_server(Event::Command { command, reply_to });
        }
    }

    /// Somebody sets the clock: hours on, or minutes back.
    pub(super) fn set_clock(&mut self) {
        let minutes = if self.rng.bool() { self.rng.i64(60..360) } else { -self.rng.i64(1..30) };
        self.story.line(self.now, || format!("the clock is set by {minutes} minutes"));
        self.skew_millis += minutes * 60_000;
        if minutes < 0 {
            // To a client a lease lasts as long as it was told, whatever the server's clock says.
            self.promises.moved_back(Duration::from_secs(60 * minutes.unsigned_abs()));
        }
        self.deadline_armed = None;
        self.tell_server(Event::Deadline);
    }

    /// Something arrives that no machine of the bench sent.
    pub(super) fn disturb(&mut self) {
        match self.rng.u8(..9) {
            0 => {
                let length = self.rng.usize(..400);
                let garbage = (0..length).map(|_| self.rng.u8(..)).collect::<Vec<_>>();
                self.tell_server(Event::Dhcp { link: LinkId(0), port: 68, bytes: garbage.into() });
            }
            1 => {
                for _ in 0..self.rng.u8(1..12) {
                    let bytes = self.stranger();
                    self.tell_server(Event::Dhcp { link: LinkId(0), port: 68, bytes });
                }
            }
            // Its DISCOVER, with a byte changed, or claiming to be another message.
            2 => self.disturbed_message(None),
            3 => {
                let kind = self.rng.u8(1..=9);
                self.disturbed_message(Some(kind));
            }
            4 => {
                let report = Report::Status { status: "starting".into(), hostname: None, message: None };
                let (address, reply_to) = (Ipv4Addr::new(192, 168, 151, 250), ReplyTo(0));
                self.tell_server(Event::Report { address, mac: None, serial: None, report, reply_to });
            }
            5 => {
                let from = SocketAddrV4::new(Ipv4Addr::new(192, 168, 151, 250), 2000);
                self.tftp_arrives(from, 69, b"\0\x01../../etc/shadow\0octet\0");
            }
            6 => {
                // An answer whose template does not fit the machine.
                let seat = self.rng.usize(..self.seats.len());
                if let Some(address) = self.seats[seat].address {
                    self.tftp_arrives(SocketAddrV4::new(address, 2000), 69, b"\0\x01unit.txt\0octet\0");
                }
            }
            _ => self.exchange_image(),
        }
    }

    fn disturbed_message(&mut self, kind: Option<u8>) {
        let mut bytes = self.stranger().to_vec();
        match kind {
            Some(kind) => bytes[MESSAGE_TYPE] = kind,
            None => {
                let at = self.rng.usize(..bytes.len());
                bytes[at] = self.rng.u8(..);
            }
        }
        self.tell_server(Event::Dhcp { link: LinkId(0), port: 68, bytes: bytes.into() });
    }

    /// The DISCOVER of a machine that is never heard of again.
    fn stranger(&mut self) -> Bytes {
        let kind = Kind::ALL[self.rng.usize(..Kind::ALL.len())];
        let number = FIRST_STRANGER + self.rng.u32(..0x1000);
        let identity = Identity::numbered(kind, number, &mut self.rng);
        self.first_message(kind, identity)
    }

    /// What a machine says when it is switched on.
    pub(super) fn first_message(&mut self, kind: Kind, identity: Identity) -> Bytes {
        let mut client = Client::new(kind, identity, self.rng.u64(..), Options::default());
        let outputs = client.handle(Input::PowerOn, self.now);
        let sent = |output| if let Output::SendDhcp { bytes, .. } = output { Some(bytes) } else { None };
        outputs.into_iter().find_map(sent).map_or_else(Bytes::new, Bytes::from)
    }

    /// An image is taken away, or replaced and being hashed; soon it is there.
    fn exchange_image(&mut self) {
        let index = self.rng.usize(..self.place.products.len());
        let product = self.place.products[index].name.clone();
        let state = if self.rng.bool() { ImageState::Missing } else { ImageState::Measuring };
        self.story.line(self.now, || format!("the image of {product} is exchanged"));
        self.tell_server(Event::Image { product, state, measured: None });
        let gone_for = Duration::from_secs(self.rng.u64(5..30));
        self.later(gone_for, Happening::ImageBack(index));
    }

    pub(super) fn image_back(&mut self, index: usize) {
        let product = &self.place.products[index];
        let Some(image) = self.place.images.get(&product.image_file()).cloned() else { return };
        let (product, state) = (product.name.clone(), ImageState::Ready(image));
        self.tell_server(Event::Image { product, state, measured: None });
    }

    /// Whether the reply was to the operator, and what becomes of the order.
    pub(super) fn is_order(&mut self, reply_to: ReplyTo, refusal: Option<&Refusal>) -> bool {
        if refusal == Some(&Refusal::NotStored) {
            return self.orders.contains_key(&reply_to);
        }
        self.orders.remove(&reply_to).is_some()
    }

    /// Whether several machines carry that address.
    pub(super) fn is_cloned(&self, mac: Mac) -> bool {
        self.by_mac.get(&mac).is_some_and(|seats| seats.len() > 1)
    }
}
