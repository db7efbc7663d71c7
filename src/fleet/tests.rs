//! The fleet as its clients, installers and operators see it: events in, decoded replies and changes out.

mod address;
mod audit;
mod bootp;
mod deployment;
mod fields;
mod images;
mod installer;
mod journal;
mod kinds;
mod name;
mod operator;
mod proxy;
mod reload;
mod relay;
mod request;
mod scope;
mod stage;
mod trust;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::command::{Command, Declaration, Selector};
use super::report::{Config, Report};
use super::*;
use crate::catalog::{Image, ImageState, Profile};
use crate::class::Class;
use crate::ids::{BatchId, Digest, Hostname, ProductName, ReplyTo, Serial, VenueCode};
use crate::lease::fixture::{LINK, Message, SERVER, ip, link, mac, reservation, site};
use crate::machine::firmware::Firmware;
use crate::naming::{Batch, NameState, Scheme, Venue};
use crate::net::{Destination, Mac};
use crate::site::{DhcpOption, Identifier, Link, Pool, Reservation, Site};
use crate::wire::dhcp::MessageType::{self, Ack, Decline, Discover, Inform, Nak, Offer, Release, Request};
use crate::wire::dhcp::{Reply, code, codec};

/// The `unknown` that stands for no address.
const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// A fleet with a clock, and the journal that a shell would have written.
struct World {
    fleet: Fleet,
    now: Now,
    journal: Vec<Change>,
    /// What happened since the last look.
    notices: Vec<Notice>,
    /// Each exchange has a transaction id of its own.
    exchanges: u32,
}

fn product(text: &str) -> ProductName {
    ProductName::parse(text).expect("a product name")
}

fn venue(text: &str) -> VenueCode {
    VenueCode::parse(text).expect("a venue code")
}

fn serial(text: &str) -> Serial {
    Serial::parse(text).expect("a serial")
}

fn hostname(text: &str) -> Hostname {
    Hostname::parse(text).expect("a host name")
}

fn products() -> Vec<Product> {
    vec![
        Product { name: product("KXP2"), scheme: Scheme::Pooled { width: 3 }, image: None },
        Product { name: product("RXP2"), scheme: Scheme::Serial { digits: 8 }, image: None },
    ]
}

fn profile(name: &str, firmware: &[Firmware], boot_file: Option<&str>) -> Profile {
    Profile {
        name: name.to_owned(),
        firmware: firmware.to_vec(),
        boot_file: boot_file.map(str::to_owned),
        ..Profile::default()
    }
}

/// One profile: BIOS machines boot `pxelinux.0`.
fn profiles() -> Vec<Profile> {
    vec![profile("pc", &[Firmware::BiosPxe], Some("pxelinux.0"))]
}

fn image(file: &str) -> Image {
    Image::raw(file.to_owned(), 27_000_000_000, Digest([7; 32]))
}

impl World {
    /// A place with these links, without profiles, names and images.
    fn new(links: Vec<Link>) -> World {
        World::with(links, Vec::new())
    }

    /// One authoritative link whose pool is .1 to .`pool`.
    fn pool(pool: u8) -> World {
        World::new(vec![link(pool)])
    }

    fn with(links: Vec<Link>, profiles: Vec<Profile>) -> World {
        World::of(site(links), Catalog::new(profiles))
    }

    /// That place, where nothing is booted, with these classes of clients.
    fn at(place: Site, classes: Vec<Class>) -> World {
        World::of(place, Catalog::new(Vec::new()).with_classes(classes))
    }

    fn of(place: Site, catalog: Catalog) -> World {
        let now = Now::default().after(Duration::from_secs(1_000_000));
        let fleet = Fleet::load(Arc::new(place), catalog, products(), [], now);
        World { fleet, now, journal: Vec::new(), notices: Vec::new(), exchanges: 0 }
    }

    /// A factory: a large pool, images of both products, the venue ARLT with the KXP2 numbers 1 to `numbers`.
    fn factory(numbers: u32) -> World {
        let mut world = World::with(vec![link(200)], profiles());
        for (name, file) in [("KXP2", "kxp2_master.img"), ("RXP2", "rxp2_master.img")] {
            world.image(name, ImageState::Ready(image(file)));
        }
        world.declare("ARLT", numbers);
        world
    }

    fn image(&mut self, name: &str, state: ImageState) {
        self.handle(Event::Image { product: product(name), state, measured: None });
    }

    fn declare(&mut self, code: &str, numbers: u32) {
        let code = venue(code);
        let venue = Venue { code, name: "Venue".to_owned(), location: None, contact_email: None, created_at: None };
        let pools = vec![(product("KXP2"), (1..=numbers).rev().collect())];
        self.command(Command::Declare { venues: vec![Declaration { venue, pools }] }).expect("it is declared");
    }

    /// Handles an event, checks every invariant, writes the journal.
    fn handle(&mut self, event: Event) -> Vec<Action> {
        let actions = self.fleet.handle(event, self.now);
        self.fleet.check().expect("the invariants hold after every event");
        for action in &actions {
            match action {
                Action::Commit(change) => self.journal.push(change.clone()),
                Action::Publish(notice) => self.notices.push(notice.clone()),
                Action::Send { .. } | Action::Tell { .. } | Action::Probe { .. } => {}
            }
        }
        actions
    }

    /// Time goes by; whatever is due in it happens when it is due.
    fn wait(&mut self, secs: u64) {
        let end = self.now.after(Duration::from_secs(secs));
        while let Some(due) = self.fleet.next_deadline().filter(|due| *due <= end.timestamp) {
            self.now = self.now.after(due.since(self.now.timestamp));
            self.handle(Event::Deadline);
        }
        self.now = end;
    }

    /// The reply to a message, with where it goes.
    fn sent(&mut self, message: &Message) -> Option<(Reply, Destination)> {
        self.sent_for(Event::Dhcp { link: LINK, port: 68, bytes: message.bytes() })
    }

    /// The reply that an event brings about.
    fn sent_for(&mut self, event: Event) -> Option<(Reply, Destination)> {
        let actions = self.handle(event);
        let mut sent = actions.into_iter().filter_map(|action| match action {
            Action::Send { bytes, destination, .. } => Some((bytes, destination)),
            _ => None,
        });
        let reply = sent.next();
        assert!(sent.next().is_none(), "one message has one reply");
        reply.map(|(bytes, destination)| (codec::decode_reply(&bytes).expect("our own reply"), destination))
    }

    /// The reply to a message that is answered.
    fn reply(&mut self, message: &Message) -> Reply {
        self.sent(message).unwrap_or_else(|| panic!("no answer to {message:?}: {:?}", self.notices.last())).0
    }

    /// Kind and yiaddr of the reply; `None` is silence.
    fn answer(&mut self, message: &Message) -> Option<(MessageType, Ipv4Addr)> {
        self.sent(message).map(|(reply, _)| (reply.kind.expect("a DHCP reply"), reply.yiaddr))
    }

    /// The client takes what it is offered: DISCOVER, OFFER, REQUEST, ACK.
    fn dora(&mut self, discover: &Message) -> Ipv4Addr {
        self.exchanges += 1;
        let discover = &Message { xid: self.exchanges, ..discover.clone() };
        let offer = self.reply(discover);
        assert_eq!(offer.kind, Some(Offer));
        let mut request = Message { options: Vec::new(), ..discover.clone() };
        request.options.push((code::MESSAGE_TYPE, vec![Request.code()]));
        request.options.extend(discover.options.iter().skip(1).cloned());
        let request = request.requested(offer.yiaddr).server(SERVER);
        let ack = self.reply(&request);
        assert_eq!((ack.kind, ack.yiaddr), (Some(Ack), offer.yiaddr));
        ack.yiaddr
    }

    /// Client `last` gets an address as an operating system does.
    fn bind(&mut self, last: u8) -> Ipv4Addr {
        self.dora(&Message::new(Discover, last))
    }

    /// Client `last` netboots: a BIOS, which the profile of [`profiles`] is for.
    fn netboot(&mut self, last: u8) -> Ipv4Addr {
        self.dora(&bios(last))
    }

    fn lease(&self, last: u8) -> Option<&Lease> {
        self.fleet.tables().leases.by_address(ip(last))
    }

    fn command(&mut self, command: Command) -> Result<Told, Refusal> {
        self.told(Event::Command { command, by: Actor::user("anna"), reply_to: ReplyTo(1) })
    }

    fn told(&mut self, event: Event) -> Result<Told, Refusal> {
        let told = self.handle(event).into_iter().find_map(|action| match action {
            Action::Tell { result, .. } => Some(result),
            _ => None,
        });
        told.expect("it is told something")
    }

    /// `POST /api/config` from client `last`, which speaks from an address of ours only if it has one.
    fn config(&mut self, from: &Installer) -> Result<Config, Refusal> {
        let report = Report::Config { product: from.product.clone(), venue: from.venue.clone(), hardware: None };
        match self.told(from.event(report))? {
            Told::Config(config) => Ok(*config),
            other => panic!("{other:?}"),
        }
    }

    /// The name that `/api/config` gives.
    fn named(&mut self, from: &Installer) -> Option<String> {
        self.config(from).expect("it is configured").hostname.map(|hostname| hostname.to_string())
    }

    /// `POST /api/status`.
    fn status(&mut self, from: &Installer, word: &str, message: Option<&str>) {
        let message = message.map(str::to_owned);
        let report = Report::Status { status: word.to_owned(), hostname: None, message };
        self.told(from.event(report)).expect("it is received");
    }

    /// A file begins to go out to that address.
    fn fetch(&mut self, address: Ipv4Addr, name: &str) {
        let (transfer, name) = (TransferId(1), name.to_owned());
        self.handle(Event::FetchStarted { transfer, address, name, size: 100, via: Via::Http });
        self.handle(Event::Fetched { transfer, sent: 100, outcome: Outcome::Complete });
    }

    fn machine(&self, last: u8) -> &Machine {
        self.fleet.tables().machines.by_mac(mac(last)).expect("the machine is known")
    }

    fn stage(&self, last: u8) -> String {
        self.machine(last).stage.to_string()
    }

    /// How many KXP2 names are left at ARLT.
    fn left(&self) -> u64 {
        self.fleet.tables().naming.available(&product("KXP2"), &venue("ARLT"))
    }

    /// Orders and starts a batch.
    fn batch(&mut self, place: &str, name: &str, total: i64, priority: i64) -> BatchId {
        let (venue, product) = (place.to_owned(), name.to_owned());
        let made = self.command(Command::BatchCreate { venue, product, total, priority });
        let Ok(Told::Batch(Batch { id, .. })) = made else { panic!("{made:?}") };
        self.command(Command::BatchStart(id)).expect("it starts");
        id
    }

    /// What the tables are after a restart: the journal replayed.
    fn restarted(&self) -> Tables {
        let mut tables = Tables::new(&self.fleet.site, &self.fleet.products);
        for change in &self.journal {
            tables.apply(&self.fleet.site, change);
        }
        tables
    }

    /// What the tables are now, without the offers, which no journal holds.
    fn remembered(&self) -> Tables {
        let mut tables = self.fleet.tables().clone();
        let offered: Vec<Ipv4Addr> = tables.leases.offers().map(|offer| offer.address).collect();
        for address in offered {
            tables.leases.withdraw(&self.fleet.site, address);
        }
        tables
    }

    /// The last state of every deployment, by id.
    fn deployments(&self) -> Vec<Deployment> {
        let mut rows = BTreeMap::new();
        for change in &self.journal {
            if let Change::Deployment(deployment) = change {
                rows.insert(deployment.id, deployment.clone());
            }
        }
        rows.into_values().collect()
    }
}

/// The DISCOVER of a BIOS.
fn bios(last: u8) -> Message {
    Message::new(Discover, last)
        .with(code::VENDOR_CLASS, "PXEClient:Arch:00000:UNDI:002001")
        .with(code::CLIENT_ARCH, [0, 0])
}

/// An installer and what it says of itself.
#[derive(Clone, Debug)]
struct Installer {
    address: Ipv4Addr,
    mac: Option<Mac>,
    serial: Option<Serial>,
    product: Option<String>,
    venue: Option<VenueCode>,
}

impl Installer {
    /// The installer of client `last`, made for KXP2 at ARLT; its serial ends in its number.
    fn new(last: u8) -> Installer {
        Installer {
            address: NONE,
            mac: Some(mac(last)),
            serial: Some(serial(&format!("10000000abcdef{last:02x}"))),
            product: Some("KXP2".to_owned()),
            venue: Some(venue("ARLT")),
        }
    }

    fn product(self, name: &str) -> Installer {
        Installer { product: Some(name.to_owned()), ..self }
    }

    fn at(self, address: Ipv4Addr) -> Installer {
        Installer { address, ..self }
    }

    fn event(&self, report: Report) -> Event {
        let Installer { address, mac, serial, .. } = self.clone();
        Event::Report { address, mac, serial, reinstalls: None, report, reply_to: ReplyTo(1) }
    }
}
