//! What else happens on a bench: a clock that is set, strangers and garbage on the wire, an image that is exchanged.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use bytes::Bytes;

use super::{Happening, World};
use crate::catalog::ImageState;
use crate::fleet::Event;
use crate::fleet::report::Report;
use crate::ids::ReplyTo;
use crate::net::{LinkId, Mac};
use crate::sim::client::{Client, Identity, Input, Kind, Options, Output};

/// Strangers' board numbers, apart from those of the bench.
pub(super) const FIRST_STRANGER: u32 = 0x80_0000;
/// Where the message type stands in what a simulated client writes.
pub(super) const MESSAGE_TYPE: usize = 242;

impl World {
    /// Somebody sets the clock: hours on, or minutes back.
    pub(super) fn set_clock(&mut self) {
        let minutes = if self.rng.bool() { self.rng.i64(60..360) } else { -self.rng.i64(1..30) };
        self.reached.odds.insert(if minutes < 0 { "the clock is set back" } else { "the clock is set on" });
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
                self.tell_server(Event::Report {
                    address,
                    mac: None,
                    serial: None,
                    reinstalls: None,
                    report,
                    reply_to,
                });
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

    /// Whether several machines carry that address.
    pub(super) fn is_cloned(&self, mac: Mac) -> bool {
        self.by_mac.get(&mac).is_some_and(|seats| seats.len() > 1)
    }
}
