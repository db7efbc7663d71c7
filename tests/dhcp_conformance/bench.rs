//! A server made from TOML, and one client in front of it whose header fields stay as they are set.
//!
//! Owns the time of the test, the xid that all its messages share, and the leases that a store would hold. Checks of
//! every reply what every reply must copy.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use hatchery::catalog::Catalog;
use hatchery::config::Config;
use hatchery::fleet::{Action, Change, Event, Fleet, Rows};
use hatchery::lease::{Lease, LeaseState};
use hatchery::net::{Destination, LinkId};
use hatchery::time::Now;
pub use hatchery::wire::dhcp::MessageType::{self, Ack, Decline, Discover, Inform, Nak, Offer, Release, Request};
use hatchery::wire::dhcp::codec;
pub use hatchery::wire::dhcp::{Reply, code};

/// The server.
pub const SRV: Ipv4Addr = at(252);
/// The relay agent.
pub const GI: Ipv4Addr = at(249);
/// A client that has an address by other means.
pub const CI: Ipv4Addr = at(240);
/// No address.
pub const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
/// Option 1 of every reply.
pub const MASK: &[u8] = &[255, 255, 255, 0];

/// A pool of .1 alone.
pub const POOL_1: &str = r#"pool = ["192.168.50.1"]"#;

const XID: u32 = 0x1234_5678;

/// 192.168.50.`last`.
pub const fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 50, last)
}

/// The hardware address of client number `last`.
pub const fn mac(last: u8) -> [u8; 6] {
    [0x52, 0x54, 0, 0xfb, 0, last]
}

/// An option of a message.
pub type Opt = (u8, Vec<u8>);

/// Any option.
pub fn opt(code: u8, value: impl AsRef<[u8]>) -> Opt {
    (code, value.as_ref().to_vec())
}

/// Option 54 with our address.
pub fn srv() -> Opt {
    opt(code::SERVER_ID, SRV.octets())
}

/// Option 50.
pub fn want(address: Ipv4Addr) -> Opt {
    opt(code::REQUESTED_ADDRESS, address.octets())
}

/// Option 61, of type 0.
pub fn id(text: &str) -> Opt {
    opt(code::CLIENT_ID, format!("\0{text}"))
}

/// Option 55.
pub fn prl(codes: &[u8]) -> Opt {
    opt(code::PARAMETER_REQUEST_LIST, codes)
}

/// The server and its client.
pub struct Bench {
    fleet: Fleet,
    now: Now,
    journal: Vec<Change>,
    stored: BTreeMap<Ipv4Addr, Lease>,
    /// The fields that stay set for the later messages.
    pub chaddr: [u8; 6],
    pub ciaddr: Ipv4Addr,
    pub siaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    /// The server that a BOOTP client names.
    pub sname: &'static str,
    /// The flags word.
    pub flags: u16,
    /// The UDP port it speaks from.
    pub port: u16,
    /// By which link the client is heard.
    pub link: LinkId,
    hops: u8,
}

/// A configuration whose only network is 192.168.50.0/24; `keys` are those of the network, then other tables.
pub fn config(keys: &str) -> String {
    format!("[[network]]\ninterface = \"eth1\"\naddress = \"192.168.50.252/24\"\nlease = \"4000s\"\n{keys}\n")
}

impl Bench {
    /// That server, and client 1 on the same cable.
    pub fn direct(keys: &str) -> Bench {
        Bench::of(&config(keys))
    }

    /// That server, and client 1 behind the relay agent.
    pub fn relayed(keys: &str) -> Bench {
        Bench { giaddr: GI, hops: 1, ..Bench::direct(keys) }
    }

    /// The server of a whole configuration.
    pub fn of(toml: &str) -> Bench {
        let now = Now::default().after(Duration::from_secs(1_000_000));
        let fleet = fleet(toml, [], now);
        let (journal, stored) = (Vec::new(), BTreeMap::new());
        Bench {
            fleet,
            now,
            journal,
            stored,
            chaddr: mac(1),
            ciaddr: NONE,
            siaddr: NONE,
            giaddr: NONE,
            sname: "",
            flags: 0,
            port: 68,
            link: LinkId(0),
            hops: 0,
        }
    }

    /// The server starts again, with another configuration and what it stored.
    pub fn restart(&mut self, keys: &str) {
        self.fleet = fleet(&config(keys), self.journal.clone(), self.now);
    }

    /// From now on the client with that number asks.
    pub fn client(&mut self, last: u8) -> &mut Bench {
        self.chaddr = mac(last);
        self
    }

    /// Time goes by; whatever is due in it happens when it is due.
    pub fn wait(&mut self, secs: u64) {
        let end = self.now.after(Duration::from_secs(secs));
        while let Some(due) = self.fleet.next_deadline().filter(|due| *due <= end.timestamp) {
            self.now = self.now.after(due.since(self.now.timestamp));
            self.handle(Event::Deadline);
        }
        self.now = end;
    }

    /// The lease of .`last` in the store: its client, and its seconds left.
    pub fn stored(&self, last: u8) -> Option<(String, u64)> {
        let lease = self.stored.get(&at(last)).filter(|lease| lease.state == LeaseState::Bound)?;
        Some((lease.client.to_string(), lease.expires.since(self.now.timestamp).as_secs()))
    }

    /// How many addresses are leased in the store.
    pub fn stored_count(&self) -> usize {
        self.stored.values().filter(|lease| lease.state == LeaseState::Bound).count()
    }

    /// DISCOVER.
    #[must_use]
    pub fn discover(&mut self, options: &[Opt]) -> Answer {
        self.send(Some(Discover), options)
    }

    /// REQUEST.
    #[must_use]
    pub fn request(&mut self, options: &[Opt]) -> Answer {
        self.send(Some(Request), options)
    }

    /// INFORM.
    #[must_use]
    pub fn inform(&mut self, options: &[Opt]) -> Answer {
        self.send(Some(Inform), options)
    }

    /// BOOTREQUEST without option 53.
    #[must_use]
    pub fn bootp(&mut self, options: &[Opt]) -> Answer {
        self.send(None, options)
    }

    /// RELEASE of .`last`, to which nobody answers; ciaddr is what it was afterwards.
    #[track_caller]
    pub fn release(&mut self, last: u8, options: &[Opt]) {
        let before = std::mem::replace(&mut self.ciaddr, at(last));
        self.send(Some(Release), &[&[srv()], options].concat()).silent();
        self.ciaddr = before;
    }

    /// DECLINE with these options, to which nobody answers.
    #[track_caller]
    pub fn decline(&mut self, options: &[Opt]) {
        self.send(Some(Decline), options).silent();
    }

    /// The client takes what it is offered: D→O, R→K, both of .`last`.
    #[track_caller]
    pub fn lease(&mut self, last: u8, options: &[Opt]) {
        self.discover(options).offers(at(last));
        self.request(&[&[srv(), want(at(last))], options].concat()).acks(at(last));
    }

    fn send(&mut self, kind: Option<MessageType>, options: &[Opt]) -> Answer {
        let kind_option = kind.map(|kind| opt(code::MESSAGE_TYPE, [kind.code()]));
        let bytes = self.bytes(kind_option.iter().chain(options));
        let message = format!("{} {options:?}", kind.map_or("BOOTREQUEST", MessageType::name));
        let actions = self.handle(Event::Dhcp { link: self.link, port: self.port, bytes: bytes.into() });
        let mut sent = actions.into_iter().filter_map(|action| match action {
            Action::Send { bytes, destination, .. } => Some((bytes, destination)),
            _ => None,
        });
        let reply = sent.next().map(|(bytes, destination)| {
            assert!(bytes.len() >= 300, "RFC 1542 §2.1: {} bytes", bytes.len());
            let reply = codec::decode_reply(&bytes).expect("our own reply");
            // RFC 2131 §4.3.1, table 3: what every reply copies.
            assert_eq!((reply.xid, reply.giaddr, reply.hops), (XID, self.giaddr, self.hops), "{message}");
            assert_eq!(reply.chaddr[..6], self.chaddr, "{message}");
            // What else stands in the flags of a NAK is looked at where it is one.
            assert_eq!(reply.flags & self.flags, self.flags, "pyke369/pdhcp#3: UEFI ignores a reply without its flag");
            let own_port = Destination::Unicast(SocketAddrV4::new(self.giaddr, self.port));
            if self.giaddr != NONE && destination != own_port {
                assert_eq!(destination, Destination::Relay(self.giaddr), "RFC 2131 §4.1: port 67 of giaddr");
            }
            (reply, destination)
        });
        assert!(sent.next().is_none(), "one message has one reply");
        Answer { message, reply }
    }

    fn bytes<'a>(&self, options: impl Iterator<Item = &'a Opt>) -> Vec<u8> {
        let mut bytes = vec![1, 1, 6, self.hops];
        bytes.extend(XID.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.flags.to_be_bytes());
        for address in [self.ciaddr, NONE, self.siaddr, self.giaddr] {
            bytes.extend(address.octets());
        }
        bytes.extend(self.chaddr);
        bytes.resize(44, 0);
        bytes.extend(self.sname.as_bytes());
        bytes.resize(236, 0);
        bytes.extend([99, 130, 83, 99]);
        for (code, value) in options {
            bytes.extend([*code, u8::try_from(value.len()).expect("a short option")]);
            bytes.extend(value);
        }
        bytes.push(255);
        bytes
    }

    fn handle(&mut self, event: Event) -> Vec<Action> {
        let actions = self.fleet.handle(event, self.now);
        self.fleet.check().expect("the invariants hold");
        for action in &actions {
            let Action::Commit(change) = action else { continue };
            self.journal.push(change.clone());
            match change {
                Change::Lease(lease) => _ = self.stored.insert(lease.address, lease.clone()),
                Change::LeaseFreed(address) => _ = self.stored.remove(address),
                _ => {}
            }
        }
        actions
    }
}

fn fleet(toml: &str, rows: impl IntoIterator<Item = Change>, now: Now) -> Fleet {
    let config = Config::parse(toml, "hatchery.toml").unwrap_or_else(|problems| panic!("{problems}"));
    let catalog = Catalog::new(config.profiles).with_classes(config.classes);
    Fleet::load(Arc::new(config.site), catalog, config.products, rows.into_iter().collect::<Rows>(), now)
}

/// What came back.
pub struct Answer {
    message: String,
    reply: Option<(Reply, Destination)>,
}

impl Answer {
    #[track_caller]
    fn kind(self, kind: Option<MessageType>, address: Ipv4Addr) -> (Reply, Destination) {
        let Some((reply, to)) = self.reply else { panic!("no answer to {}", self.message) };
        assert_eq!((reply.kind, reply.yiaddr), (kind, address), "to {}", self.message);
        (reply, to)
    }

    /// An OFFER of that address.
    #[track_caller]
    pub fn offers(self, address: Ipv4Addr) -> Reply {
        self.kind(Some(Offer), address).0
    }

    /// The same, with where it went.
    #[track_caller]
    pub fn offers_to(self, address: Ipv4Addr) -> (Reply, Destination) {
        self.kind(Some(Offer), address)
    }

    /// An ACK of that address; [`NONE`] for an INFORM.
    #[track_caller]
    pub fn acks(self, address: Ipv4Addr) -> Reply {
        self.kind(Some(Ack), address).0
    }

    /// A NAK, which names us, gives no address (RFC 2131 §4.3.1, table 3), and is broadcast by whoever delivers it.
    #[track_caller]
    pub fn naks(self) -> Reply {
        let (reply, to) = self.kind(Some(Nak), NONE);
        assert_eq!(reply.option(code::SERVER_ID), Some(&SRV.octets()[..]));
        assert_eq!((reply.ciaddr, reply.siaddr), (NONE, NONE));
        match to {
            Destination::Relay(_) => assert_eq!(reply.flags & 0x8000, 0x8000, "RFC 2131 §4.3.2"),
            to => assert_eq!(to, Destination::Broadcast, "RFC 2131 §4.1"),
        }
        reply
    }

    /// A BOOTREPLY.
    #[track_caller]
    pub fn bootp_replies(self, address: Ipv4Addr) -> Reply {
        self.kind(None, address).0
    }

    /// No answer. The fleet answers at once or never, so there is nothing to wait for.
    #[track_caller]
    pub fn silent(self) {
        assert_eq!(self.reply, None, "to {}", self.message);
    }
}
