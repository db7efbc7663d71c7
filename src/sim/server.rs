//! The server's shells in memory: what turns packets into events, and names into bytes, around a real fleet.
//!
//! Owns the fleet, its board, the TFTP transfers and the HTTP exchanges under way: everything that a crash takes away.
//! Decides nothing that the rules decide; when to commit, and what to break, is the world's business.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;

use super::json::{field, optional, quoted};
use super::place::Place;
use crate::access::Actor;
use crate::boot::file::{self, Source};
use crate::catalog::{Image, ImageState};
use crate::fleet::board::Board;
use crate::fleet::report::Report;
use crate::fleet::{Action, Change, Event, Fleet, Measured, Notice, Told};
use crate::ids::{Hostname, ReplyTo, Serial, TransferId, VenueCode};
use crate::lease::LeaseState;
use crate::net::Mac;
use crate::refusal::Refusal;
use crate::tftp::{Limits, Step, Transfer};
use crate::time::{Instant, Now};
use crate::transfer::{Outcome, Via};
use crate::wire::tftp::{ErrorCode, Packet};

/// As many events as one transaction may hold.
const BATCH_MAX: usize = 64;
const FIRST_PORT: u16 = 32_768;
/// The only reply nobody waits for.
const NOBODY: ReplyTo = ReplyTo(0);

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    place: Rc<Place>,
    pub fleet: Fleet,
    board: Board,
    inbox: Vec<Event>,
    sessions: BTreeMap<u16, Session>,
    session_of: BTreeMap<SocketAddrV4, u16>,
    asking: BTreeMap<ReplyTo, Asker>,
    next_port: u16,
    next_transfer: u64,
    next_reply: u64,
    refused: Vec<Refusal>,
}

/// Who waits for an HTTP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    pub client: usize,
    /// Of that client's addresses, which; with another one the connection is gone.
    pub session: u32,
    pub exchange: u32,
}

/// A TFTP transfer with its bytes.
#[derive(Debug)]
struct Session {
    client: SocketAddrV4,
    request: crate::wire::tftp::Request,
    id: TransferId,
    content: Arc<[u8]>,
    transfer: Transfer,
}

/// A datagram of the TFTP server.
#[derive(Debug)]
pub(super) struct Datagram {
    pub port: u16,
    pub to: SocketAddrV4,
    pub bytes: Vec<u8>,
}

/// What a name means.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Bytes(Arc<[u8]>),
    Image(Image),
}

/// An HTTP response: status and body.
pub(super) type Response = (u16, Vec<u8>);

impl Server {
    /// A server that finds these rows in its journal.
    pub fn start(place: Rc<Place>, rows: Vec<Change>, now: Now) -> Server {
        let fleet = Fleet::load(place.site.clone(), place.catalog.clone(), place.products.clone(), rows, now);
        let board = Board::new(place.site.clone(), place.catalog.clone());
        let mut inbox =
            vec![Event::Command { command: place.declaration(), by: Actor::user("the simulator"), reply_to: NOBODY }];
        for product in &place.products {
            let Some(image) = place.images.get(&product.image_file()).cloned() else { continue };
            let measured = Measured { image: image.clone(), modified_nanos: 0, inode: 0 };
            let state = ImageState::Ready(image);
            inbox.push(Event::Image { product: product.name.clone(), state, measured: Some(measured) });
        }
        let mut server = Server {
            place,
            fleet,
            board,
            inbox,
            sessions: BTreeMap::new(),
            session_of: BTreeMap::new(),
            asking: BTreeMap::new(),
            next_port: FIRST_PORT,
            next_transfer: 1,
            next_reply: 1,
            refused: Vec::new(),
        };
        server.board.reset(server.fleet.views(server.fleet.ids()), server.fleet.notices());
        server
    }

    /// Starts over from the journal, after a commit failed.
    pub fn reload(&mut self, rows: Vec<Change>, now: Now) {
        self.fleet.reload(rows, now);
        self.board.reset(self.fleet.views(self.fleet.ids()), self.fleet.notices());
    }

    pub fn receive(&mut self, event: Event) {
        self.inbox.push(event);
    }

    pub fn has_work(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Takes one batch from the inbox through the fleet.
    pub fn handle_batch(&mut self, now: Now) -> Vec<Action> {
        let count = self.inbox.len().min(BATCH_MAX);
        let batch: Vec<Event> = self.inbox.drain(..count).collect();
        batch.into_iter().flat_map(|event| self.fleet.handle(event, now)).collect()
    }

    pub fn publish(&mut self, notice: &Notice) {
        self.board.apply(notice);
    }

    /// Readers see what the fleet knows, as if they had just begun to read.
    ///
    /// # Errors
    /// What they see instead.
    pub fn compare_board(&self) -> Result<(), String> {
        let mut fresh = Board::new(self.place.site.clone(), self.place.catalog.clone());
        fresh.reset(self.fleet.views(self.fleet.ids()), self.fleet.notices());
        if let Some((seen, known)) = self.board.machines().zip(fresh.machines()).find(|(seen, known)| seen != known) {
            return Err(format!("readers see {seen:?}, the fleet knows {known:?}"));
        }
        let counts = (self.board.machines().count(), fresh.machines().count());
        if counts.0 != counts.1 {
            return Err(format!("readers see {} machines, the fleet knows {}", counts.0, counts.1));
        }
        let bound = |board: &Board| -> Vec<_> {
            board.leases().filter(|lease| lease.state == LeaseState::Bound).cloned().collect()
        };
        if bound(&self.board) != bound(&fresh) {
            return Err("readers see other leases than the fleet knows".into());
        }
        let transfers = |board: &Board| -> Vec<_> {
            board
                .transfers()
                .map(|running| (running.machine, running.name.clone(), running.via, running.size))
                .collect()
        };
        if transfers(&self.board) != transfers(&fresh) {
            let (seen, known) = (transfers(&self.board), transfers(&fresh));
            return Err(format!("readers see the transfers {seen:?}, the fleet knows {known:?}"));
        }
        if self.board.catalog() != self.fleet.catalog() {
            return Err("readers see other images than the fleet knows".into());
        }
        Ok(())
    }

    /// Whoever waits for this reply.
    pub fn asker(&mut self, reply_to: ReplyTo) -> Option<Asker> {
        self.asking.remove(&reply_to)
    }

    /// A request arrives; one for the fleet is answered later.
    pub fn request(
        &mut self,
        asker: Asker,
        address: Ipv4Addr,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Option<Response> {
        let Some(body) = body else {
            return Some(match self.open_url(address, path) {
                Ok(_) if method == "HEAD" => (200, Vec::new()),
                Ok(Content::Bytes(content)) => {
                    let size = content.len() as u64;
                    let transfer = self.begin(address, path, size, Via::Http);
                    self.receive(Event::Fetched { transfer, sent: size, outcome: Outcome::Complete });
                    (200, content.to_vec())
                }
                Ok(Content::Image(_)) => (400, b"{\"error\":\"too large for an exchange\"}\n".to_vec()),
                Err(refusal) => self.refuse(refusal),
            });
        };
        let report = match path {
            "/api/config" => Report::Config {
                product: field(body, "product_type"),
                venue: field(body, "venue_code").as_deref().and_then(VenueCode::parse),
                hardware: None,
            },
            "/api/status" => Report::Status {
                status: field(body, "status").unwrap_or_default(),
                hostname: field(body, "hostname").as_deref().and_then(Hostname::parse),
                message: field(body, "message"),
            },
            _ => return Some(refused(&Refusal::NotFound("Not found".into()))),
        };
        let mac = field(body, "mac_address").as_deref().and_then(Mac::parse);
        let serial = field(body, "serial_number").as_deref().and_then(Serial::parse);
        let reply_to = ReplyTo(self.next_reply);
        self.next_reply += 1;
        self.asking.insert(reply_to, asker);
        self.receive(Event::Report { address, mac, serial, reinstalls: None, report, reply_to });
        None
    }

    /// What was refused here since the last call, without asking the fleet.
    pub fn take_refused(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.refused)
    }

    fn refuse(&mut self, refusal: Refusal) -> Response {
        let response = refused(&refusal);
        self.refused.push(refusal);
        response
    }

    /// What the path of a URL means to the machine at `address`: `/boot/NAME` is what TFTP calls `NAME`.
    pub fn open_url(&self, address: Ipv4Addr, path: &str) -> Result<Content, Refusal> {
        let image = Some(path).filter(|path| path.starts_with("/images/"));
        let name = path.strip_prefix("/boot/").or(image);
        self.open(address, name.ok_or_else(|| Refusal::NoSuchFile(path.to_owned()))?)
    }

    /// What `name` means to the machine at `address`.
    fn open(&self, address: Ipv4Addr, name: &str) -> Result<Content, Refusal> {
        let view = self.board.at(address);
        let missing = || Refusal::NoSuchFile(name.to_owned());
        match file::resolve(view.map(|view| &**view), name)? {
            Source::Answer(template) => {
                let facts = view.and_then(|view| self.board.facts(view)).ok_or(Refusal::UnknownMachine)?;
                let text = self.place.answers.render(&template, &facts);
                let text = text.map_err(|error| Refusal::NothingToBoot(error.to_string()))?;
                Ok(Content::Bytes(Arc::from(text.into_bytes())))
            }
            Source::BootFiles(paths) => {
                let found = paths.iter().find_map(|path| self.place.boot_files.get(path.as_str()));
                found.cloned().map(Content::Bytes).ok_or_else(missing)
            }
            Source::Program(bytes) => Ok(Content::Bytes(Arc::from(bytes))),
            Source::Image(path) => {
                self.place.images.get(path.as_str()).cloned().map(Content::Image).ok_or_else(missing)
            }
        }
    }

    /// Notes that a file begins to go out.
    pub fn begin(&mut self, address: Ipv4Addr, name: &str, size: u64, via: Via) -> TransferId {
        let transfer = TransferId(self.next_transfer);
        self.next_transfer += 1;
        self.receive(Event::FetchStarted { transfer, address, name: name.to_owned(), size, via });
        transfer
    }

    /// A datagram arrives at a TFTP port; `Some` port is that of a transfer whose timer must be armed.
    pub fn tftp(&mut self, from: SocketAddrV4, port: u16, bytes: &[u8], now: Instant) -> (Vec<Datagram>, Option<u16>) {
        let Ok(packet) = Packet::parse(bytes) else { return (Vec::new(), None) };
        if port == 69 {
            return match packet {
                Packet::Read(request) => self.tftp_read(from, &request, now),
                _ => (Vec::new(), None),
            };
        }
        match self.sessions.get_mut(&port).filter(|session| session.client == from) {
            Some(session) => {
                let step = session.transfer.handle(&packet, now);
                (self.carry_out(port, step), None)
            }
            None => (Vec::new(), None),
        }
    }

    fn tftp_read(
        &mut self,
        from: SocketAddrV4,
        request: &crate::wire::tftp::Request,
        now: Instant,
    ) -> (Vec<Datagram>, Option<u16>) {
        // One transfer per client port: the same request again means that the first answer was lost, another one that
        // the client has gone on.
        if let Some(port) = self.session_of.get(&from).copied()
            && let Some(session) = self.sessions.get_mut(&port)
        {
            if session.request == *request {
                let step = session.transfer.asked_again(now);
                return (self.carry_out(port, step), None);
            }
            let outcome = Outcome::Abandoned("the client asked for another file".into());
            self.carry_out(port, Step::End(outcome));
        }
        let port = self.free_port();
        let content = match self.open(*from.ip(), &request.name) {
            Ok(Content::Bytes(content)) => content,
            refused @ (Ok(Content::Image(_)) | Err(_)) => {
                self.refused.extend(refused.err());
                let error = Packet::Error { code: ErrorCode::FILE_NOT_FOUND, message: "File not found".into() };
                return (vec![Datagram { port, to: from, bytes: error.encode() }], None);
            }
        };
        let size = content.len() as u64;
        let id = self.begin(*from.ip(), &request.name, size, Via::Tftp);
        let (transfer, step) = Transfer::start(&request.options, size, Limits::for_mtu(1500), now);
        self.sessions.insert(port, Session { client: from, request: request.clone(), id, content, transfer });
        self.session_of.insert(from, port);
        (self.carry_out(port, step), Some(port))
    }

    /// The timer of a transfer goes off; says when it must again.
    pub fn tftp_timer(&mut self, port: u16, now: Instant) -> (Vec<Datagram>, Option<Instant>) {
        let Some(session) = self.sessions.get_mut(&port) else { return (Vec::new(), None) };
        let step = session.transfer.timed_out(now);
        let datagrams = self.carry_out(port, step);
        (datagrams, self.tftp_deadline(port))
    }

    pub fn tftp_deadline(&self, port: u16) -> Option<Instant> {
        self.sessions.get(&port).map(|session| session.transfer.next_deadline())
    }

    fn carry_out(&mut self, port: u16, step: Step) -> Vec<Datagram> {
        let Some(Session { client: to, content, transfer, id, .. }) = self.sessions.get(&port) else {
            return Vec::new();
        };
        let to = *to;
        match step {
            Step::Wait => Vec::new(),
            Step::Offer(options) => vec![Datagram { port, to, bytes: Packet::Oack(options).encode() }],
            Step::Send(run) => {
                let data = run.blocks().map(|block| {
                    let begin = usize::try_from(block.offset).unwrap_or(usize::MAX).min(content.len());
                    let content = &content[begin..begin + usize::from(block.length)];
                    Datagram { port, to, bytes: Packet::Data { block: block.number, content }.encode() }
                });
                data.collect()
            }
            Step::End(outcome) => {
                let event = Event::Fetched { transfer: *id, sent: transfer.sent_bytes(), outcome };
                self.sessions.remove(&port);
                self.session_of.remove(&to);
                self.receive(event);
                Vec::new()
            }
        }
    }

    fn free_port(&mut self) -> u16 {
        loop {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            if !self.sessions.contains_key(&port) {
                return port;
            }
        }
    }
}

/// A result of the fleet as the deployment API writes it.
pub(super) fn response(result: &Result<Told, Refusal>) -> Response {
    let config = match result {
        Ok(Told::Config(config)) => config,
        Ok(Told::Received(hostname)) => {
            let hostname = optional(hostname.as_ref().map(Hostname::as_str));
            return (200, format!("{{\"hostname\":{hostname},\"received\":true}}\n").into_bytes());
        }
        Ok(_) => return (200, b"{}\n".to_vec()),
        Err(refusal) => return refused(refusal),
    };
    let body = format!(
        concat!(
            r#"{{"hostname":{},"image_checksum":"{}","image_size":{},"image_url":{},"product_type":"{}","#,
            r#""server_ip":"{}","venue_code":{},"version":"3.0"}}"#,
            "\n"
        ),
        quoted(config.hostname.as_ref().map_or("unknown", Hostname::as_str)),
        config.image.digest,
        config.image.size,
        quoted(&config.image_url),
        config.product,
        config.server,
        optional(config.venue.as_ref().map(VenueCode::as_str)),
    );
    (200, body.into_bytes())
}

fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::NoImage(_) | Refusal::NoSuchFile(_) | Refusal::NotFound(_) | Refusal::UnknownMachine => 404,
        Refusal::ImageNotReady(_) | Refusal::NotStored | Refusal::Busy(_) | Refusal::TooManyNew => 503,
        Refusal::Forged(_) => 403,
        _ => 400,
    };
    (status, format!("{{\"error\":{}}}\n", quoted(&refusal.to_string())).into_bytes())
}
