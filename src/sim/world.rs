//! The world: one queue of things that happen, ordered by time, around real rules and simulated everything else.
//!
//! Owns virtual time, the machines, the store, and what goes wrong. After every batch the fleet's invariants are
//! checked, and every packet that leaves the server is held against what was promised before. Once the faults have
//! stopped, every machine must reach its end before [`PATIENCE`] has passed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use sha2::{Digest as _, Sha256};

use super::client::{Client, Identity, Input, Kind, Options, Output, Phase, mixed};
pub use super::link::Faults;
use super::place::{BY_SERIAL, POOLED, Place, VENUE};
use super::promise::Promises;
use super::server::{Asker, Content, Datagram, Response, Server, response};
pub use super::store::Sabotage;
use super::store::Store;
use super::story::{self, Story};
use crate::fleet::command::Command;
use crate::fleet::{Action, Change, Event, Fleet, Notice};
use crate::ids::{BatchId, Hostname, ReplyTo, TransferId};
use crate::lease::LeaseState;
use crate::machine::stage::Stage;
use crate::net::{Destination, LinkId, Mac};
use crate::refusal::Refusal;
use crate::time::{Instant, Now, Timestamp};
use crate::transfer::{Outcome, Via};
use crate::wire::dhcp::codec;

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
    /// Every so manyth machine is switched off and on again once it is finished; 0 for none.
    pub reboot_every: usize,
    /// Whether the story is told.
    pub story: bool,
    /// The fleet's invariants are checked after every so manyth batch.
    pub check_every: u64,
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
            // A check looks at every machine, so its cost per machine stays the same.
            check_every: 1 + clients as u64 / 16,
            sabotage: None,
        }
    }

    /// One machine on a good day, with its story.
    pub fn story_of(kind: Kind) -> Plan {
        let faults = Faults::none();
        Plan { faults, only: Some(kind), reboot_every: 0, story: true, ..Plan::new(1, 1) }
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
    /// Virtual time from the first power-on to the last end.
    pub virtual_duration: Duration,
    /// The story, if it was wanted.
    pub story: Vec<String>,
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
    let replay = format!("hatchery sim --clients {} --seed {}", plan.clients, plan.seed);
    // The same seed breaks the same promise: this time with every word written down.
    let mut again = World::new(&Plan { story: true, ..plan.clone() });
    let _ = again.play();
    let mut story = again.story.into_lines();
    // A sentence that begins with a machine's label is about that machine.
    let about = what.split(' ').next().filter(|word| world.seats.iter().any(|seat| seat.label == *word));
    if let Some(label) = about {
        story.retain(|line| line.contains(label) || line.contains("the server"));
    }
    story.drain(..story.len().saturating_sub(TAIL));
    Err(Box::new(Violation { what, replay, story }))
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
    ServerDhcp(Bytes),
    ServerTftp {
        from: SocketAddrV4,
        port: u16,
        bytes: Vec<u8>,
    },
    ServerHttp {
        asker: Asker,
        from: Ipv4Addr,
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
}

/// A machine and its place on the bench.
#[derive(Debug)]
struct Seat {
    client: Client,
    label: String,
    powered: bool,
    /// Counts power-ons.
    epoch: u32,
    /// Counts addresses, for the connections that end with them.
    session: u32,
    address: Option<Ipv4Addr>,
    /// The earliest timer in the queue.
    armed: Option<Instant>,
    end: Option<Result<String, String>>,
    /// Switched off and on again after it was finished.
    rebooted: bool,
    /// Its success was reported, and it knows.
    reported: bool,
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
    by_mac: BTreeMap<Mac, usize>,
    by_address: BTreeMap<Ipv4Addr, BTreeSet<usize>>,
    store: Store,
    server: Option<Server>,
    /// Counts starts of the server.
    server_epoch: u32,
    batch_due: bool,
    deadline_armed: Option<Instant>,
    /// Power-ons and starts that are still to come.
    pending: usize,
    promises: Promises,
    tape: Tape,
    story: Story,
    ended_at: Instant,
}

impl World {
    fn new(plan: &Plan) -> World {
        let mut rng = Rng::with_seed(plan.seed);
        let clients = cast(plan, &mut rng);
        let lease_secs = if plan.faults == Faults::none() { 12 * 3600 } else { rng.u64(120..1800) };
        let place = Rc::new(Place::new(&clients, Duration::from_secs(lease_secs)));
        let by_mac = clients.iter().enumerate().map(|(index, client)| (client.identity().mac, index)).collect();
        let seats = clients.into_iter().enumerate().map(|(index, client)| Seat::new(index, client)).collect();
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
            promises: Promises::default(),
            tape: Tape::default(),
            story: Story::new(plan.story),
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
            self.tell_server(Event::Command { command, reply_to: ReplyTo(0) });
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
        for _ in 0..self.plan.faults.crashes {
            let at = self.rng.u64(1000..until);
            self.later(Duration::from_millis(at), Happening::ServerCrash);
        }
    }

    fn later(&mut self, delay: Duration, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    fn at(&mut self, at: Instant, happening: Happening) {
        if matches!(happening, Happening::PowerOn(_) | Happening::PowerCut(_) | Happening::ServerStart) {
            self.pending += 1;
        }
        self.sequence += 1;
        self.queue.insert((at, self.sequence), happening);
    }

    fn wall_clock(&self) -> Now {
        Now { instant: self.now, timestamp: EPOCH + self.now.since_start() }
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
            Happening::ServerDhcp(bytes) => self.tell_server(Event::Dhcp { link: LinkId(0), bytes }),
            Happening::ServerTftp { from, port, bytes } => self.tftp_arrives(from, port, &bytes),
            Happening::ServerHttp { asker, from, path, body } => self.http_arrives(asker, from, &path, body.as_deref()),
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
            Happening::ServerCrash => self.crash("the server is killed"),
            Happening::ServerStart => {
                self.pending -= 1;
                self.start_server();
            }
            // Of a server that is no more.
            Happening::Downloading { .. }
            | Happening::ServerBatch { .. }
            | Happening::ServerDeadline { .. }
            | Happening::TftpTimer { .. } => {}
        }
        Ok(())
    }

    // Machines.

    fn power_on(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        if seat.powered {
            return;
        }
        seat.powered = true;
        seat.end = None;
        self.story.line(self.now, || format!("{} is switched on", seat.label));
        self.input(index, Input::PowerOn);
    }

    fn power_cut(&mut self, index: usize) {
        self.forget_address(index);
        let seat = &mut self.seats[index];
        if !seat.powered {
            return;
        }
        seat.powered = false;
        seat.epoch += 1;
        seat.armed = None;
        self.story.line(self.now, || format!("{} loses power", seat.label));
        let off = Duration::from_millis(self.rng.u64(500..20_000));
        self.later(off, Happening::PowerOn(index));
    }

    fn forget_address(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        seat.session += 1;
        if let Some(address) = seat.address.take()
            && let Some(seats) = self.by_address.get_mut(&address)
        {
            seats.remove(&index);
        }
    }

    fn input(&mut self, index: usize, input: Input) {
        let seat = &mut self.seats[index];
        if !seat.powered {
            return;
        }
        for output in seat.client.handle(input, self.now) {
            self.output(index, output);
        }
        let seat = &mut self.seats[index];
        if let Some(deadline) = seat.client.next_deadline()
            && seat.armed.is_none_or(|armed| deadline < armed)
        {
            seat.armed = Some(deadline);
            let deadline = deadline.max(self.now);
            self.at(deadline, Happening::ClientTimer(index));
        }
    }

    fn output(&mut self, index: usize, output: Output) {
        let label = || &self.seats[index].label;
        match output {
            Output::SendDhcp { to, bytes, .. } => {
                let place = if to == Ipv4Addr::BROADCAST { "broadcast" } else { "server" };
                self.story.line(self.now, || format!("{} → {place}  {}", label(), story::dhcp_request(&bytes)));
                let bytes = Bytes::from(bytes);
                for delay in self.plan.faults.arrivals(self.now, &mut self.rng).into_iter().flatten() {
                    self.later(delay, Happening::ServerDhcp(bytes.clone()));
                }
            }
            Output::SendTftp { port, to, bytes } => {
                self.story
                    .line(self.now, || format!("{}:{port} → server:{}  {}", label(), to.port(), story::tftp(&bytes)));
                let Some(address) = self.seats[index].address else { return };
                let from = SocketAddrV4::new(address, port);
                for delay in self.plan.faults.arrivals(self.now, &mut self.rng).into_iter().flatten() {
                    let bytes = bytes.clone();
                    self.later(delay, Happening::ServerTftp { from, port: to.port(), bytes });
                }
            }
            Output::Passed(phase) => self.seats[index].reported |= phase == Phase::Reported,
            Output::CloseTftp { .. } => {}
            Output::SetAddress { address, .. } => {
                self.seats[index].address = Some(address);
                self.by_address.entry(address).or_default().insert(index);
            }
            Output::ClearAddress => self.forget_address(index),
            Output::Http { exchange, method, url, body } => {
                self.story
                    .line(self.now, || format!("{} → server  {method} {}", label(), with_body(&url, body.as_deref())));
                self.connect(index, exchange, &url, |asker, from, path| Happening::ServerHttp {
                    asker,
                    from,
                    path,
                    body,
                });
            }
            Output::Download { exchange, url } => {
                self.story.line(self.now, || format!("{} → server  GET {url}", label()));
                self.connect(index, exchange, &url, |asker, from, path| Happening::ServerDownload {
                    asker,
                    from,
                    path,
                });
            }
            Output::Done { hostname } => {
                self.story.line(self.now, || format!("{} is done: {hostname:?}", label()));
                self.ended(index, Ok(hostname));
            }
            Output::Faulted(why) => {
                self.story.line(self.now, || format!("{} gives up: {why}", label()));
                self.ended(index, Err(why));
            }
        }
    }

    /// TCP repeats what is lost, so a bad link means a late request, or none and no answer.
    fn connect(
        &mut self,
        index: usize,
        exchange: u32,
        url: &str,
        happening: impl FnOnce(Asker, Ipv4Addr, String) -> Happening,
    ) {
        let seat = &self.seats[index];
        let asker = Asker { client: index, session: seat.session, exchange };
        let server = format!("http://{}", self.place.server());
        let path = url.strip_prefix(&server).filter(|path| path.starts_with('/'));
        let (Some(from), Some(path)) = (seat.address, path.map(str::to_owned)) else {
            let refused = Input::Http { exchange, response: Err("connection refused".into()) };
            let session = seat.session;
            self.later(Duration::from_millis(1), Happening::ToSession { client: index, session, input: refused });
            return;
        };
        if let Some(delay) = self.plan.faults.arrivals(self.now, &mut self.rng)[0] {
            self.later(delay, happening(asker, from, path));
        }
    }

    fn ended(&mut self, index: usize, end: Result<String, String>) {
        self.ended_at = self.now;
        let every = self.plan.reboot_every;
        let seat = &mut self.seats[index];
        let reboots = end.is_ok() && every > 0 && index.is_multiple_of(every) && !seat.rebooted;
        seat.end = Some(end);
        if reboots {
            seat.rebooted = true;
            self.later(REBOOT_PAUSE, Happening::PowerCut(index));
        }
    }

    // The server.

    fn start_server(&mut self) {
        self.server_epoch += 1;
        self.store.reopen();
        let now = self.wall_clock();
        self.server = Some(Server::start(self.place.clone(), self.store.rows(), now));
        self.batch_due = false;
        self.deadline_armed = None;
        if self.now > Instant::START {
            self.story.line(self.now, || "the server is back".into());
        }
        self.wake_server();
    }

    fn crash(&mut self, why: &str) {
        if self.server.take().is_none() {
            return;
        }
        self.story.line(self.now, || why.to_owned());
        self.server_epoch += 1;
        let down = Duration::from_millis(self.rng.u64(500..10_000));
        self.later(down, Happening::ServerStart);
    }

    fn tell_server(&mut self, event: Event) {
        if let Some(server) = &mut self.server {
            server.receive(event);
            self.wake_server();
        }
    }

    /// What arrives while the server is busy ends up in the same batch.
    fn wake_server(&mut self) {
        if !self.batch_due && self.server.as_ref().is_some_and(Server::has_work) {
            self.batch_due = true;
            let busy = Duration::from_micros(self.rng.u64(50..2000));
            self.later(busy, Happening::ServerBatch { server: self.server_epoch });
        }
    }

    /// Commit, then answer: the contract between fleet and shell, with the store's faults between the two.
    fn server_batch(&mut self) -> Result<(), String> {
        self.batch_due = false;
        let now = self.wall_clock();
        let Some(server) = &mut self.server else { return Ok(()) };
        let actions = server.handle_batch(now);
        for action in &actions {
            self.tape.write(self.now, action);
        }
        let changes = || {
            actions.iter().filter_map(|action| match action {
                Action::Commit(change) => Some(change),
                _ => None,
            })
        };
        if changes().next().is_some() {
            let faults = &self.plan.faults;
            // The operator's first orders are given on a calm day.
            let calm = self.now.since_start() < Duration::from_millis(50);
            if !calm && faults.strikes(faults.failed_commits, self.now, &mut self.rng) {
                self.commit_fails(&actions, now);
                return self.after_batch();
            }
            self.store.commit(changes());
            if !calm && faults.strikes(faults.crashes_after_commit, self.now, &mut self.rng) {
                self.crash("the server dies between a commit and its answers");
                return Ok(());
            }
        }
        for action in actions {
            match action {
                Action::Commit(_) => {}
                Action::Send { bytes, destination, .. } => self.dhcp_leaves(&bytes, destination, now.timestamp)?,
                Action::Tell { reply_to, result } => {
                    let Some(asker) = self.server.as_mut().and_then(|server| server.asker(reply_to)) else { continue };
                    if let Ok(told) = &result {
                        let mac = self.seats[asker.client].client.identity().mac;
                        self.promises.answered(mac, told, &self.store)?;
                    }
                    self.answer(asker, response(&result));
                }
                Action::Publish(notice) => {
                    if let Some(text) = story::notice(&notice) {
                        self.story.line(self.now, || format!("fleet  {text}"));
                    }
                    if let Some(server) = &mut self.server {
                        server.publish(&notice);
                    }
                }
            }
        }
        self.after_batch()
    }

    fn commit_fails(&mut self, actions: &[Action], now: Now) {
        self.story.line(self.now, || "a commit fails; nothing was promised".into());
        let rows = self.store.rows();
        let Some(server) = &mut self.server else { return };
        server.reload(rows, now);
        for action in actions {
            if let Action::Tell { reply_to, .. } = action
                && let Some(asker) = self.server.as_mut().and_then(|server| server.asker(*reply_to))
            {
                self.answer(asker, response(&Err(Refusal::NotStored)));
            }
        }
    }

    fn after_batch(&mut self) -> Result<(), String> {
        self.batches += 1;
        let Some(server) = &self.server else { return Ok(()) };
        if self.batches.is_multiple_of(self.plan.check_every) {
            server.fleet.check()?;
        }
        if let Some(deadline) = server.fleet.next_deadline() {
            let at = Instant::from_start(deadline.since(EPOCH)).max(self.now + Duration::from_millis(1));
            if self.deadline_armed.is_none_or(|armed| at < armed) {
                self.deadline_armed = Some(at);
                self.at(at, Happening::ServerDeadline { server: self.server_epoch });
            }
        }
        self.wake_server();
        Ok(())
    }

    fn dhcp_leaves(&mut self, bytes: &Bytes, destination: Destination, now: Timestamp) -> Result<(), String> {
        let reply = codec::decode_reply(bytes).map_err(|refusal| format!("the server wrote a reply that {refusal}"))?;
        self.promises.replied(&reply, &self.store, now)?;
        let [a, b, c, d, e, f, ..] = reply.chaddr;
        let addressee = self.by_mac.get(&Mac([a, b, c, d, e, f])).copied();
        let to: Vec<usize> = match destination {
            Destination::Unicast(address) => self.at_address(*address.ip()),
            Destination::Layer2 { mac, .. } => self.by_mac.get(&mac).copied().into_iter().collect(),
            // A broadcast reaches everyone; one bystander shows as well as all of them that it disturbs nobody.
            Destination::Broadcast => {
                let bystander = self.rng.usize(..self.seats.len());
                addressee.into_iter().chain(Some(bystander).filter(|index| Some(*index) != addressee)).collect()
            }
            Destination::Relay(_) => Vec::new(),
        };
        let name = addressee.map_or("nobody", |index| &self.seats[index].label);
        self.story.line(self.now, || format!("server → {name}  {}", story::dhcp_reply(bytes)));
        for client in to {
            self.deliver(client, Input::Dhcp(bytes.to_vec()));
        }
        Ok(())
    }

    fn at_address(&self, address: Ipv4Addr) -> Vec<usize> {
        self.by_address.get(&address).map_or_else(Vec::new, |seats| seats.iter().copied().collect())
    }

    fn deliver(&mut self, client: usize, input: Input) {
        let epoch = self.seats[client].epoch;
        for delay in self.plan.faults.arrivals(self.now, &mut self.rng).into_iter().flatten() {
            self.later(delay, Happening::ToClient { client, epoch, input: input.clone() });
        }
    }

    fn tftp_arrives(&mut self, from: SocketAddrV4, port: u16, bytes: &[u8]) {
        let Some(server) = &mut self.server else { return };
        let (datagrams, begun) = server.tftp(from, port, bytes, self.now);
        if let Some(port) = begun {
            self.arm_tftp(port);
        }
        self.tftp_leaves(datagrams);
    }

    fn tftp_timer(&mut self, port: u16) {
        let Some(server) = &mut self.server else { return };
        let (datagrams, again) = server.tftp_timer(port, self.now);
        if again.is_some() {
            self.arm_tftp(port);
        }
        self.tftp_leaves(datagrams);
    }

    fn arm_tftp(&mut self, port: u16) {
        if let Some(deadline) = self.server.as_ref().and_then(|server| server.tftp_deadline(port)) {
            self.at(deadline, Happening::TftpTimer { server: self.server_epoch, port });
        }
    }

    fn tftp_leaves(&mut self, datagrams: Vec<Datagram>) {
        let server = self.place.server();
        for Datagram { port, to, bytes } in datagrams {
            for client in self.at_address(*to.ip()) {
                let label = &self.seats[client].label;
                self.story.line(self.now, || format!("server:{port} → {label}:{}  {}", to.port(), story::tftp(&bytes)));
                let from = SocketAddrV4::new(server, port);
                self.deliver(client, Input::Tftp { port: to.port(), from, bytes: bytes.clone() });
            }
        }
        self.wake_server();
    }

    fn http_arrives(&mut self, asker: Asker, from: Ipv4Addr, path: &str, body: Option<&str>) {
        let Some(server) = &mut self.server else { return };
        let answer = server.request(asker, from, path, body);
        self.wake_server();
        if let Some(answer) = answer {
            self.answer(asker, answer);
        }
    }

    fn answer(&mut self, asker: Asker, (status, body): Response) {
        let label = &self.seats[asker.client].label;
        self.story.line(self.now, || {
            format!("server → {label}  HTTP {status} {}", String::from_utf8_lossy(&body).trim_end().replace('\n', "⏎"))
        });
        let input = Input::Http { exchange: asker.exchange, response: Ok((status, body)) };
        self.to_session(asker, input);
    }

    fn to_session(&mut self, asker: Asker, input: Input) {
        let Asker { client, session, .. } = asker;
        if let Some(delay) = self.plan.faults.arrivals(self.now, &mut self.rng)[0] {
            self.later(delay, Happening::ToSession { client, session, input });
        }
    }

    fn download_begins(&mut self, asker: Asker, from: Ipv4Addr, path: &str) {
        let Some(server) = &mut self.server else { return };
        match server.open(from, path) {
            Ok(content) => {
                let transfer = server.begin(from, path, size(&content), Via::Http);
                self.wake_server();
                self.download_goes_on(asker, transfer, 0, content);
            }
            Err(refusal) => {
                let result = Err(format!("HTTP 404 {refusal}"));
                self.to_session(asker, Input::Downloaded { exchange: asker.exchange, result });
            }
        }
    }

    /// The next piece of a download, or its end.
    fn download_goes_on(&mut self, asker: Asker, transfer: TransferId, sent: u64, content: Content) {
        let size = size(&content);
        let Asker { client, session, exchange } = asker;
        if self.seats[client].session != session {
            let outcome = Outcome::Abandoned("the connection is gone".into());
            return self.tell_server(Event::Fetched { transfer, sent, outcome });
        }
        if sent < size {
            if sent > 0 {
                self.tell_server(Event::FetchProgress { transfer, sent });
                self.later(
                    Duration::ZERO,
                    Happening::ToSession { client, session, input: Input::Downloading { exchange, received: sent } },
                );
            }
            let piece = (size - sent).min(BANDWIDTH * PROGRESS.as_secs());
            let time = Duration::from_micros(piece * 1_000_000 / BANDWIDTH);
            let server = self.server_epoch;
            return self.later(time, Happening::Downloading { server, asker, transfer, sent: sent + piece, content });
        }
        self.tell_server(Event::Fetched { transfer, sent, outcome: Outcome::Complete });
        let label = &self.seats[client].label;
        self.story.line(self.now, || format!("server → {label}  {size} bytes are down"));
        let digest = match content {
            Content::Image(image) => image.digest,
            Content::Bytes(bytes) => crate::ids::Digest(Sha256::digest(&bytes).into()),
        };
        self.to_session(asker, Input::Downloaded { exchange, result: Ok((size, digest)) });
    }

    // The end.

    fn is_over(&self) -> bool {
        self.pending == 0 && !self.plan.faults.hold(self.now) && self.seats.iter().all(|seat| seat.end.is_some())
    }

    /// What must hold once every machine has reached its end.
    fn judge(&mut self) -> Result<(), String> {
        let Some(server) = &self.server else { return Err("the server is down at the end".into()) };
        server.fleet.check()?;
        for seat in self.seats.iter().filter(|seat| seat.client.kind().installs()) {
            let Some(Ok(hostname)) = &seat.end else { continue };
            let mac = seat.client.identity().mac;
            let told = self.promises.name_of(mac).map(Hostname::as_str);
            if told != Some(hostname) {
                return Err(format!("{} calls itself {hostname} and was told {told:?}", seat.label));
            }
            let stage = server.fleet.tables().machines.by_mac(mac).map(|machine| &machine.stage);
            // A machine whose power failed just before its last word boots a finished disk, and nobody knows.
            if seat.reported && stage != Some(&Stage::Done) {
                return Err(format!("{} is done, and its stage is {stage:?}", seat.label));
            }
        }
        self.compare_with_journal(&server.fleet)
    }

    /// Loading the journal gives the tables that the running server has; what is only offered or was given back aside.
    fn compare_with_journal(&self, live: &Fleet) -> Result<(), String> {
        let rows: Vec<Change> = self.store.rows();
        let place = &self.place;
        let loaded =
            Fleet::load(place.site.clone(), place.catalog.clone(), place.products.clone(), rows, self.wall_clock());
        let (live, loaded) = (live.tables(), loaded.tables());
        let equal = [
            ("machines", live.machines == loaded.machines),
            ("names", live.naming == loaded.naming),
            ("deployments", live.open == loaded.open && live.next_deployment_id() == loaded.next_deployment_id()),
            ("images", live.measured == loaded.measured),
        ];
        if let Some((table, _)) = equal.iter().find(|(_, equal)| !equal) {
            return Err(format!("the journal's {table} are not those of the running server"));
        }
        let held = |state| matches!(state, LeaseState::Bound | LeaseState::Declined);
        let mut of_live = live.leases.iter().filter(|lease| held(lease.state));
        let mut of_loaded = loaded.leases.iter().filter(|lease| held(lease.state));
        loop {
            match (of_live.next(), of_loaded.next()) {
                (None, None) => return Ok(()),
                (a, b) if a == b => {}
                (a, b) => return Err(format!("the running server has the lease {a:?}, its journal {b:?}")),
            }
        }
    }

    fn into_report(self) -> Report {
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
            virtual_duration: self.ended_at.since_start(),
            story: self.story.into_lines(),
        }
    }
}

impl Seat {
    fn new(index: usize, client: Client) -> Seat {
        Seat {
            label: format!("{}-{:02}", client.kind().word(), index + 1),
            client,
            powered: false,
            epoch: 0,
            session: 0,
            address: None,
            armed: None,
            end: None,
            rebooted: false,
            reported: false,
        }
    }
}

/// The machines of a plan: half of them go for each product, and most know their venue.
fn cast(plan: &Plan, rng: &mut Rng) -> Vec<Client> {
    if let Some(kind) = plan.only {
        let options = Options { venue: Some(VENUE.into()), ..Options::default() };
        let numbers = 1..=u32::try_from(plan.clients).unwrap_or(u32::MAX);
        let client = |index| Client::new(kind, Identity::numbered(kind, index, rng), u64::from(index), options.clone());
        return numbers.map(client).collect();
    }
    let clients = mixed(plan.clients, plan.seed, &Options::default());
    let with_wishes = |client: Client| {
        let product = if rng.bool() { POOLED } else { BY_SERIAL };
        let venue = (rng.u8(..4) > 0).then(|| VENUE.to_owned());
        let options = Options { product: product.into(), venue, ..Options::default() };
        Client::new(client.kind(), client.identity().clone(), rng.u64(..), options)
    };
    clients.into_iter().map(with_wishes).collect()
}

fn size(content: &Content) -> u64 {
    match content {
        Content::Bytes(bytes) => bytes.len() as u64,
        Content::Image(image) => image.size,
    }
}

fn with_body(url: &str, body: Option<&str>) -> String {
    body.map_or_else(|| url.to_owned(), |body| format!("{url} {body}"))
}

/// A running hash over everything the fleet ever did.
#[derive(Default)]
struct Tape(Sha256);

impl Tape {
    fn write(&mut self, now: Instant, action: &Action) {
        self.0.update(now.since_start().as_nanos().to_be_bytes());
        match action {
            Action::Send { bytes, destination, .. } => {
                self.0.update(bytes);
                self.put(format_args!("{destination}"));
            }
            // A view repeats what the changes around it say, at length.
            Action::Publish(Notice::Machine(view)) => {
                self.put(format_args!(
                    "{} {} {:?} {:?}",
                    view.machine.id,
                    view.label(),
                    view.address,
                    view.machine.stage
                ));
            }
            other => self.put(format_args!("{other:?}")),
        }
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        let _ = self.write_fmt(text);
    }

    fn into_hex(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Write for Tape {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}
