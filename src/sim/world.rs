//! The world: one queue of things that happen, ordered by time, around real rules and simulated everything else.
//!
//! Owns virtual time, the machines, the store, and what goes wrong. After every batch the fleet's invariants are
//! checked, and every packet that leaves the server is held against what was promised before. Once the faults have
//! stopped, every machine must reach its end before [`PATIENCE`] has passed.

mod bench;
mod cast;
mod hands;
mod judge;
mod malice;
mod meddling;
mod network;
mod odd;
mod operator;
mod rehearsal;
mod serving;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;

use super::client::{Input, Kind};
pub use super::link::Faults;
use super::pcap::Capture;
use super::place::{POOLED, Place, VENUE};
use super::promise::Promises;
use super::reach::Reached;
use super::rival::Rival;
use super::server::{Asker, Content, Server};
use super::store::Store;
pub use super::store::{Sabotage, StoreFault};
use super::story::Story;
use super::tape::Tape;
use super::wiring::Segment;
use crate::access::Actor;
use crate::fleet::Event;
use crate::fleet::command::Command;
use crate::ids::{BatchId, ReplyTo, TransferId};
use crate::net::{LinkId, Mac};
use crate::time::{Instant, Now, Timestamp};
use cast::Seat;
use malice::Malice;

/// After the last fault, every machine must have reached its end within this time.
pub const PATIENCE: Duration = Duration::from_secs(3 * 3600);
/// Lines of the story that a violation shows.
const TAIL: usize = 40;
/// The world begins at this wall-clock time.
const EPOCH: Timestamp = Timestamp::from_millis(1_750_000_000_000);
/// How fast images arrive, in bytes per second, and how often that is noted.
const BANDWIDTH: u64 = 110_000_000;
const PROGRESS: Duration = Duration::from_secs(5);
/// Machines are switched on one after another within this time.
const SWITCH_ON: Duration = Duration::from_secs(10);
/// A finished machine that is to be switched off and on again waits this long.
const REBOOT_PAUSE: Duration = Duration::from_secs(60);

/// What is to be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many machines.
    pub clients: usize,
    /// All luck comes from here.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Faults,
    /// Every machine is of this kind; `None` mixes them.
    pub only: Option<Kind>,
    /// Every so manyth machine is switched off and on again once it is finished, and every other of those is to be
    /// installed again; 0 for none.
    pub reboot_every: usize,
    /// Whether the story is told.
    pub story: bool,
    /// Whether the packets are kept.
    pub capture: bool,
    /// The fleet's invariants are checked after every so manyth batch.
    pub check_every: u64,
    /// Whether two of the machines carry the same hardware address.
    pub clones: bool,
    /// Whether there are more networks than the bench: another one, and two behind relay agents. Without them everyone
    /// is at the bench.
    pub networks: bool,
    /// The network in which the machines of one kind are plugged in: 0 is the bench, 2 and 3 are behind relay agents.
    pub starts_in: usize,
    /// Whether those that are switched off and on again are plugged into another network in between.
    pub reboots_elsewhere: bool,
    /// Whether a machine that is not there is led through one step of the pipeline first.
    pub rehearsal: bool,
    /// What becomes of certain transactions.
    pub store_fault: Option<StoreFault>,
    /// A defect that must be noticed.
    pub sabotage: Option<Sabotage>,
}

impl Plan {
    /// Mixed machines on a bad day.
    pub fn new(clients: usize, seed: u64) -> Plan {
        Plan {
            clients,
            seed,
            faults: Faults::drawn(seed, clients),
            only: None,
            reboot_every: 4,
            story: false,
            capture: false,
            // A check looks at every machine, so its cost per machine stays the same; of very many it is a quarter.
            check_every: 1 + clients as u64 / if clients > 1000 { 8 } else { 32 },
            clones: clients >= 8 && seed % 16 == 3,
            networks: clients >= 4,
            starts_in: 0,
            reboots_elsewhere: false,
            rehearsal: true,
            store_fault: None,
            sabotage: None,
        }
    }

    /// One machine on a good day, with its story.
    pub fn story_of(kind: Kind) -> Plan {
        let faults = Faults::none();
        Plan { faults, only: Some(kind), reboot_every: 0, story: true, rehearsal: false, ..Plan::new(1, 1) }
    }
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Machines that reached their end.
    pub done: usize,
    /// Machines that gave up, by label, and why.
    pub faulted: Vec<(String, String)>,
    /// SHA-256 over every action of the fleet with its time, in hex.
    pub hash: String,
    /// Things that happened.
    pub events: u64,
    /// Transactions that machines brought about.
    pub transactions: u64,
    /// Virtual time from the first power-on to the last end.
    pub virtual_duration: Duration,
    /// What the run got to see.
    pub reached: Reached,
    /// The story, if it was wanted.
    pub story: Vec<String>,
    /// The UDP packets as a libpcap file, if they were wanted; else empty.
    pub capture: Vec<u8>,
}

/// A promise was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What happened.
    pub what: String,
    /// The command line that shows it again.
    pub replay: String,
    /// The last lines of the story before it.
    pub story: Vec<String>,
    /// Every UDP packet before it, as a libpcap file.
    pub capture: Vec<u8>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        writeln!(f, "replay: {}", self.replay)?;
        self.story.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl std::error::Error for Violation {}

/// Plays a plan to its end.
///
/// # Errors
/// The first promise that was broken, with the story that led to it.
pub fn run(plan: &Plan) -> Result<Report, Box<Violation>> {
    let mut world = World::new(plan);
    let Err(what) = world.play() else { return Ok(world.into_report()) };
    let mut replay = format!("hatchery sim --clients {} --seed {}", plan.clients, plan.seed);
    if (Plan { story: plan.story, capture: plan.capture, ..Plan::new(plan.clients, plan.seed) }) != *plan {
        replay += &format!(" # but with {plan:?}");
    }
    // The same seed breaks the same promise: this time with every word written down.
    let mut again = World::new(&Plan { story: true, capture: true, ..plan.clone() });
    let _ = again.play();
    let mut story = again.story.into_lines();
    // A sentence that begins with a machine's label or hardware address is about that machine.
    let first = what.split(' ').next().unwrap_or_default();
    let is_about = |seat: &&Seat| seat.label == first || seat.client.identity().mac.to_string() == first;
    if let Some(seat) = world.seats.iter().find(is_about) {
        story.retain(|line| ["the server", "operator", &seat.label].iter().any(|word| line.contains(word)));
    }
    story.drain(..story.len().saturating_sub(TAIL));
    Err(Box::new(Violation { what, replay, story, capture: again.capture.into_bytes() }))
}

/// Something that will happen.
#[derive(Debug)]
enum Happening {
    PowerOn(usize),
    PowerCut(usize),
    ClientTimer(usize),
    /// Input for a client, if it still has the power (epoch) it had when this was sent.
    ToClient {
        client: usize,
        epoch: u32,
        input: Input,
    },
    /// Input for a client, if it still has the address it had.
    ToSession {
        client: usize,
        session: u32,
        input: Input,
    },
    ServerDhcp {
        link: LinkId,
        port: u16,
        bytes: Bytes,
    },
    /// A machine's message reaches the other server.
    RivalDhcp {
        client: usize,
        bytes: Bytes,
    },
    ServerTftp {
        from: SocketAddrV4,
        port: u16,
        bytes: Vec<u8>,
    },
    ServerHttp {
        asker: Asker,
        from: Ipv4Addr,
        method: &'static str,
        path: String,
        body: Option<String>,
    },
    ServerDownload {
        asker: Asker,
        from: Ipv4Addr,
        path: String,
    },
    Downloading {
        server: u32,
        asker: Asker,
        transfer: TransferId,
        sent: u64,
        content: Content,
    },
    ServerBatch {
        server: u32,
    },
    ServerDeadline {
        server: u32,
    },
    TftpTimer {
        server: u32,
        port: u16,
    },
    ServerCrash,
    ServerStart,
    /// An operator does something.
    Operator,
    Order(Box<Command>),
    RepeatOrders,
    ClockSet,
    Disturbance,
    ImageBack(usize),
    /// Some machine is plugged in elsewhere.
    Move,
    /// That machine is, after it was switched off.
    MoveOff(usize),
    PullCard,
    /// Some network is cut off, or its relay agent fails; that one is connected again.
    Cut,
    Mended(usize),
    /// Another DHCP server is plugged in, or taken away.
    Rival,
    Malice,
    /// Somebody claims an address that the server asked about.
    Claim {
        address: Ipv4Addr,
        mac: Mac,
    },
    /// The server stands still for a while.
    Stall,
    /// The server reads its configuration again.
    Reload,
}

struct World {
    plan: Plan,
    place: Rc<Place>,
    rng: Rng,
    now: Instant,
    queue: BTreeMap<(Instant, u64), Happening>,
    sequence: u64,
    events: u64,
    batches: u64,
    seats: Vec<Seat>,
    by_mac: BTreeMap<Mac, Vec<usize>>,
    by_address: BTreeMap<Ipv4Addr, BTreeSet<usize>>,
    store: Store,
    server: Option<Server>,
    /// Counts starts of the server.
    server_epoch: u32,
    batch_due: bool,
    deadline_armed: Option<Instant>,
    /// Machines and servers that are still to be switched on or off.
    pending: usize,
    /// Machines that have reached no end.
    unfinished: usize,
    promises: Promises,
    tape: Tape,
    story: Story,
    capture: Capture,
    reached: Reached,
    /// How far the wall clock was set on since the world began.
    skew_millis: i64,
    /// Orders that are not answered yet.
    orders: BTreeMap<ReplyTo, Command>,
    segments: Vec<Segment>,
    /// Another DHCP server at the bench.
    rival: Option<Rival>,
    malice: Malice,
    /// Until then the server stands still.
    stalled_until: Instant,
    /// How long it stood still so far: its monotonic clock did, too.
    asleep: Duration,
    ended_at: Instant,
}

impl World {
    fn new(plan: &Plan) -> World {
        let mut rng = Rng::with_seed(plan.seed);
        let clients = cast::cast(plan, &mut rng);
        let lease_secs = if plan.faults == Faults::none() { 12 * 3600 } else { rng.u64(120..1800) };
        let lease_time = Duration::from_secs(lease_secs);
        let segments = if plan.networks { Place::segments(clients.len()) } else { vec![Place::bench()] };
        let relayed: Vec<bool> = segments.iter().map(|segment| segment.relay.is_some()).collect();
        let plugs = cast::plugged_in(plan, &clients, &relayed, &mut rng);
        let place = Rc::new(Place::new(&clients, &plugs, segments.len(), lease_time, cast::pi_menu(plan)));
        let mut by_mac: BTreeMap<Mac, Vec<usize>> = BTreeMap::new();
        for (index, client) in clients.iter().enumerate() {
            by_mac.entry(client.identity().mac).or_default().push(index);
        }
        let seats = clients.into_iter().zip(plugs).enumerate();
        let seats = seats.map(|(index, (client, segment))| Seat::new(index, client, segment)).collect();
        World {
            plan: plan.clone(),
            place,
            rng,
            now: Instant::START,
            queue: BTreeMap::new(),
            sequence: 0,
            events: 0,
            batches: 0,
            seats,
            by_mac,
            by_address: BTreeMap::new(),
            store: Store::new(plan.sabotage),
            server: None,
            server_epoch: 0,
            batch_due: false,
            deadline_armed: None,
            pending: 0,
            unfinished: plan.clients,
            promises: Promises::default(),
            tape: Tape::default(),
            story: Story::new(plan.story),
            capture: Capture::new(plan.capture),
            reached: Reached::default(),
            skew_millis: 0,
            orders: BTreeMap::new(),
            segments,
            rival: None,
            malice: Malice::default(),
            stalled_until: Instant::START,
            asleep: Duration::ZERO,
            ended_at: Instant::START,
        }
    }

    fn play(&mut self) -> Result<(), String> {
        self.set_the_scene();
        let limit = self.plan.faults.until + PATIENCE;
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if at.since_start() > limit {
                break;
            }
            self.now = at;
            self.events += 1;
            self.happen(happening)?;
            if self.is_over() {
                return self.judge();
            }
        }
        let waiting: Vec<&str> =
            self.seats.iter().filter(|seat| seat.end.is_none()).map(|seat| seat.label.as_str()).collect();
        Err(format!("{} s after the last fault these reached no end: {}", PATIENCE.as_secs(), waiting.join(", ")))
    }

    fn set_the_scene(&mut self) {
        self.start_server();
        let orders = [
            Command::BatchCreate {
                venue: VENUE.into(),
                product: POOLED.into(),
                total: i64::try_from(self.plan.clients / 3 + 1).unwrap_or(i64::MAX),
                priority: 1,
            },
            Command::BatchStart(BatchId(1)),
        ];
        for command in orders {
            self.tell_server(Event::Command { command, by: Actor::user("the simulator"), reply_to: ReplyTo(0) });
        }
        if self.plan.rehearsal {
            self.rehearse();
        }
        let spread = u64::try_from(SWITCH_ON.as_millis()).unwrap_or(u64::MAX);
        for index in 0..self.seats.len() {
            // The server has begun before the first machine asks.
            let at = if self.plan.clients == 1 { 0 } else { self.rng.u64(..spread) };
            self.later(Duration::from_millis(100 + at), Happening::PowerOn(index));
        }
        let until = u64::try_from(self.plan.faults.until.as_millis()).unwrap_or(u64::MAX);
        for _ in 0..self.plan.faults.power_cuts {
            let victim = self.rng.usize(..self.seats.len());
            let at = self.rng.u64(1000..until);
            self.later(Duration::from_millis(at), Happening::PowerCut(victim));
        }
        let faults = &self.plan.faults;
        let oddities: [(u32, fn() -> Happening); 11] = [
            (faults.crashes, || Happening::ServerCrash),
            (faults.orders, || Happening::Operator),
            (faults.clock_sets, || Happening::ClockSet),
            (faults.disturbances, || Happening::Disturbance),
            (faults.moves, || Happening::Move),
            (faults.pulled_cards, || Happening::PullCard),
            (faults.cuts, || Happening::Cut),
            (faults.rivals, || Happening::Rival),
            (faults.malice, || Happening::Malice),
            (faults.stalls, || Happening::Stall),
            (faults.reloads, || Happening::Reload),
        ];
        for (count, happening) in oddities {
            for _ in 0..count {
                let at = self.rng.u64(1000..until);
                self.later(Duration::from_millis(at), happening());
            }
        }
    }

    fn later(&mut self, delay: Duration, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    fn at(&mut self, at: Instant, happening: Happening) {
        use Happening::{MoveOff, Order, PowerCut, PowerOn, ServerCrash, ServerStart};
        if matches!(happening, PowerOn(_) | PowerCut(_) | MoveOff(_) | ServerCrash | ServerStart | Order(_)) {
            self.pending += 1;
        }
        self.sequence += 1;
        self.queue.insert((at, self.sequence), happening);
    }

    fn wall_clock(&self) -> Now {
        let millis = (EPOCH + self.now.since_start()).millis() + self.skew_millis;
        let instant = Instant::from_start(self.now.since_start().saturating_sub(self.asleep));
        Now { instant, timestamp: Timestamp::from_millis(millis) }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::PowerOn(index) => {
                self.pending -= 1;
                self.power_on(index);
            }
            Happening::PowerCut(index) => {
                self.pending -= 1;
                self.power_cut(index);
            }
            Happening::ClientTimer(index) => {
                self.seats[index].armed = None;
                self.input(index, Input::Timer);
            }
            Happening::ToClient { client, epoch, input } => {
                if self.seats[client].epoch == epoch {
                    self.input(client, input);
                }
            }
            Happening::ToSession { client, session, input } => {
                if self.seats[client].session == session {
                    self.input(client, input);
                }
            }
            Happening::ServerDhcp { link, port, bytes } => self.tell_server(Event::Dhcp { link, port, bytes }),
            Happening::RivalDhcp { client, bytes } => self.rival_dhcp(client, &bytes),
            Happening::ServerTftp { from, port, bytes } => self.tftp_arrives(from, port, &bytes),
            Happening::ServerHttp { asker, from, method, path, body } => {
                self.http_arrives(asker, from, method, &path, body.as_deref());
            }
            Happening::ServerDownload { asker, from, path } => self.download_begins(asker, from, &path),
            Happening::Downloading { server, asker, transfer, sent, content } if server == self.server_epoch => {
                self.download_goes_on(asker, transfer, sent, content);
            }
            Happening::ServerBatch { server } if server == self.server_epoch => return self.server_batch(),
            Happening::ServerDeadline { server } if server == self.server_epoch => {
                self.deadline_armed = None;
                self.tell_server(Event::Deadline);
            }
            Happening::TftpTimer { server, port } if server == self.server_epoch => self.tftp_timer(port),
            Happening::ServerCrash => {
                self.pending -= 1;
                self.crash("the server is killed");
            }
            Happening::ServerStart => {
                self.pending -= 1;
                self.start_server();
            }
            Happening::Operator => self.operate(),
            Happening::Order(command) => {
                self.pending -= 1;
                self.order(*command);
            }
            Happening::RepeatOrders => self.repeat_orders(),
            Happening::ClockSet => self.set_clock(),
            Happening::Disturbance => self.disturb(),
            Happening::ImageBack(index) => self.image_back(index),
            Happening::Move => {
                let index = self.rng.usize(..self.seats.len());
                self.move_machine(index);
            }
            Happening::MoveOff(index) => {
                self.pending -= 1;
                self.power_cut(index);
                self.plug_elsewhere(index);
            }
            Happening::PullCard => {
                let index = self.rng.usize(..self.seats.len());
                self.pull_card(index);
            }
            Happening::Cut => self.cut(),
            Happening::Mended(index) => self.mended(index),
            Happening::Rival => self.plug_in_rival(),
            Happening::Malice => self.do_harm(),
            Happening::Claim { address, mac } => self.tell_server(Event::Conflict { address, mac }),
            Happening::Stall => self.stand_still(),
            Happening::Reload => self.reload_configuration(),
            // Of a server that is no more.
            Happening::Downloading { .. }
            | Happening::ServerBatch { .. }
            | Happening::ServerDeadline { .. }
            | Happening::TftpTimer { .. } => {}
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.pending == 0 && self.unfinished == 0 && self.orders.is_empty()
    }

    fn into_report(mut self) -> Report {
        self.note_refusals();
        let mut faulted = Vec::new();
        for seat in &self.seats {
            if let Some(Err(why)) = &seat.end {
                faulted.push((seat.label.clone(), why.clone()));
            }
        }
        Report {
            done: self.seats.len() - faulted.len(),
            faulted,
            hash: self.tape.into_hex(),
            events: self.events,
            transactions: self.store.begun,
            virtual_duration: self.ended_at.since_start(),
            reached: self.reached,
            story: self.story.into_lines(),
            capture: self.capture.into_bytes(),
        }
    }
}
