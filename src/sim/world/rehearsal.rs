//! The rehearsal: before the first machine is switched on, a machine that no seat has is led through one step of the
//! pipeline, so that a sweep of seeds meets every one of them, however rarely machines take it by themselves.
//!
//! It is a Raspberry Pi whose installer says whatever it likes. All of it happens on the calm morning, in one batch.

use std::net::Ipv4Addr;

use super::World;
use super::odd::{FIRST_STRANGER, MESSAGE_TYPE};
use crate::access::Actor;
use crate::fleet::Event;
use crate::fleet::command::{Command, Declaration, Selector};
use crate::fleet::report::{Level, LogLine, Progress, Report};
use crate::ids::{ProductName, ReplyTo, Serial};
use crate::net::LinkId;
use crate::sim::client::{Identity, Kind};
use crate::sim::place::POOLED;
use crate::time::Timestamp;
use crate::transfer::{Outcome, Via};
use crate::wire::dhcp::{MessageType, code};

/// Apart from those of other strangers.
const NUMBER: u32 = FIRST_STRANGER + 0x2000;

/// Something that may move a machine on.
#[derive(Clone, Copy, Debug)]
enum Act {
    Bind,
    BootFile,
    Image,
    AskConfig,
    Progress,
    Log,
    Say(&'static str),
    Reinstall,
}

const ACTS: [Act; 13] = [
    Act::Bind,
    Act::BootFile,
    Act::Image,
    Act::AskConfig,
    Act::Progress,
    Act::Log,
    Act::Say("starting"),
    Act::Say("downloading"),
    Act::Say("verifying"),
    Act::Say("customizing"),
    Act::Say("success"),
    Act::Say("failed"),
    Act::Reinstall,
];

/// What leads a machine with an address to each of the stages, in their order.
const WAYS: [&[Act]; 9] = [
    &[Act::Reinstall],
    &[],
    &[Act::BootFile],
    &[Act::Say("starting")],
    &[Act::Say("downloading")],
    &[Act::Say("verifying")],
    &[Act::Say("customizing")],
    &[Act::Say("starting"), Act::Say("success")],
    &[Act::Say("failed")],
];

impl World {
    /// One stage and one act by the seed; all of them in `WAYS.len() * ACTS.len()` seeds.
    pub(super) fn rehearse(&mut self) {
        let walk = usize::try_from(self.plan.seed % 1000).unwrap_or(0);
        let way = WAYS[walk % WAYS.len()].iter().copied();
        let act = ACTS[walk / WAYS.len() % ACTS.len()];
        let identity = Identity::numbered(Kind::Pi5, NUMBER, &mut self.rng);
        for act in [Act::Bind].into_iter().chain(way).chain([act]) {
            self.act(act, &identity);
        }
        // A pool of names for a product that is made no more.
        let Command::Declare { venues } = self.place.declaration() else { return };
        let gone = ProductName::parse("GONE").expect("it is a product name");
        let venues = venues.into_iter().map(|each| Declaration { pools: vec![(gone.clone(), vec![1])], ..each });
        let command = Command::Declare { venues: venues.collect() };
        self.tell_server(Event::Command { command, by: Actor::user("the simulator"), reply_to: ReplyTo(0) });
    }

    fn act(&mut self, act: Act, identity: &Identity) {
        let address = self.place.last_of_pool();
        let (mac, serial, reply_to) = (identity.mac, Serial::parse(&identity.serial), ReplyTo(0));
        let says = |report| Event::Report { address, mac: Some(mac), serial, reinstalls: None, report, reply_to };
        match act {
            Act::Bind => {
                let bytes = self.request_of(identity, address);
                self.tell_server(Event::Dhcp { link: LinkId(0), port: 68, bytes: bytes.into() });
            }
            Act::BootFile => self.fetch(address, "config.txt"),
            Act::Image => self.fetch(address, "images/rehearsal.img"),
            Act::AskConfig => {
                self.tell_server(says(Report::Config { product: Some(POOLED.into()), venue: None, hardware: None }))
            }
            Act::Progress => {
                let progress = Progress { stage: "downloading".into(), bytes: 1, total: 2, ..Progress::default() };
                self.tell_server(says(Report::Progress(progress)));
            }
            Act::Log => {
                let line = LogLine { at: Timestamp::default(), level: Level::Info, text: "a line".into() };
                self.tell_server(says(Report::Log(vec![line])));
            }
            Act::Say(word) => {
                self.tell_server(says(Report::Status { status: word.into(), hostname: None, message: None }));
            }
            Act::Reinstall => {
                let command = Command::Reinstall(Selector::Mac(mac));
                self.tell_server(Event::Command { command, by: Actor::user("the simulator"), reply_to });
            }
        }
    }

    fn fetch(&mut self, address: Ipv4Addr, name: &str) {
        let Some(server) = &mut self.server else { return };
        let transfer = server.begin(address, name, 1, Via::Tftp);
        self.tell_server(Event::Fetched { transfer, sent: 1, outcome: Outcome::Complete });
    }

    /// A REQUEST that takes `address` of us.
    fn request_of(&mut self, identity: &Identity, address: Ipv4Addr) -> Vec<u8> {
        let mut bytes = self.first_message(Kind::Pi5, identity.clone()).to_vec();
        bytes[MESSAGE_TYPE] = MessageType::Request.code();
        // Behind its options stands END, and nothing else.
        bytes.pop();
        for (option, value) in [(code::SERVER_ID, self.place.server()), (code::REQUESTED_ADDRESS, address)] {
            bytes.extend_from_slice(&[option, 4]);
            bytes.extend_from_slice(&value.octets());
        }
        bytes.push(255);
        bytes
    }
}
