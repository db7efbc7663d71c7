//! The TFTP shell: hears requests on one port and runs a transfer for each.
//!
//! Owns the sockets, the limits on simultaneous transfers, and what a repeated request means. Which bytes a name
//! stands for is the [`FileSource`]'s; how a transfer goes is [`crate::tftp`]'s.
//!
//! Invariants: one transfer per client port; every answer leaves from the address the request was sent to, and from a
//! port of its own unless the configuration says otherwise; nothing a client sends ends the service.

mod socket;
mod transfer;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, Sender};
use tokio::task::{self, AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

use self::socket::{Heard, ListenSocket, TransferSocket};
use self::transfer::{Asked, Phase, Shared};
use super::content::FileSource;
use crate::refusal::Refusal;
use crate::tftp::Limits;
use crate::wire::tftp::{ErrorCode, MAX_BLKSIZE, Mode, Packet, Request};

/// The longest request we read. RFC 2347 allows 512; firmware with long names goes beyond.
const REQUEST_PACKET: usize = 2048;

/// The same request within this time of the first one, of a client that already acknowledges, was doubled by the
/// network. No machine restarts that fast.
const DOUBLED: Duration = Duration::from_millis(250);

/// Datagrams of one client that wait for its transfer where all share a port; more are lost, as in a full socket.
const WAITING: usize = 32;

/// What the TFTP server listens on, and its limits.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where requests arrive. With 0.0.0.0 every address of ours is served, each from itself.
    pub listen: SocketAddrV4,
    /// The only interface to hear and answer on.
    pub interface: Option<String>,
    /// Transfers at one time.
    pub max_transfers: usize,
    /// Transfers at one time to one client address.
    pub max_per_client: usize,
    /// The largest block granted, in bytes; the MTU towards the client limits it further.
    pub max_blksize: u16,
    /// The largest window granted, in blocks.
    pub max_windowsize: u16,
    /// Whether everything leaves from the port that requests come to, for clients behind address translation. Else
    /// each transfer has a port of its own (RFC 1350 §4).
    pub single_port: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 69),
            interface: None,
            max_transfers: 512,
            max_per_client: 16,
            max_blksize: MAX_BLKSIZE,
            max_windowsize: Limits::MAX_WINDOWSIZE,
            single_port: false,
        }
    }
}

/// The port could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open UDP port {listen} for TFTP: {advice}")]
pub struct BindError {
    listen: SocketAddrV4,
    advice: &'static str,
    source: io::Error,
}

impl BindError {
    fn new(listen: SocketAddrV4, source: io::Error) -> Self {
        let advice = match source.raw_os_error() {
            Some(libc::EADDRINUSE) => "another program has it; `ss -lunp` names it",
            Some(libc::EACCES | libc::EPERM) => "start as root, or grant CAP_NET_BIND_SERVICE and CAP_NET_RAW",
            Some(libc::EADDRNOTAVAIL) => "no interface has this address; check the listen address",
            Some(libc::ENODEV) => "the interface does not exist; `ip link` lists those that do",
            _ => "the system refused",
        };
        BindError { listen, advice, source }
    }
}

/// A TFTP server whose port is open.
pub struct Server {
    config: Config,
    socket: ListenSocket,
    listen: SocketAddrV4,
}

impl Server {
    /// Opens the port. Call within a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`], with the address and what to do about it.
    pub fn bind(config: Config) -> Result<Self, BindError> {
        let failed = |source| BindError::new(config.listen, source);
        let socket = ListenSocket::bind(config.listen, config.interface.as_deref()).map_err(failed)?;
        let listen = socket.local_addr().map_err(failed)?;
        Ok(Server { config, socket, listen })
    }

    /// The address and port that are open.
    pub fn local_addr(&self) -> SocketAddrV4 {
        self.listen
    }

    /// Serves until `shutdown` is ready, then ends every transfer and returns.
    ///
    /// # Errors
    /// The listening socket failed, which no packet can bring about.
    pub async fn run(self, files: Arc<dyn FileSource>, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let mut transfers = Transfers {
            config: self.config,
            files,
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            crowd: Arc::default(),
        };
        let mut buffer = vec![0; REQUEST_PACKET];
        tokio::pin!(shutdown);
        let result = loop {
            tokio::select! {
                () = &mut shutdown => break Ok(()),
                heard = self.socket.hear(&mut buffer) => match heard {
                    Ok(heard) => transfers.answer(&self.socket, &heard, &buffer[..heard.length]),
                    Err(error) => break Err(error),
                },
                Some(ended) = transfers.tasks.join_next_with_id() => transfers.forget(ended),
            }
        };
        transfers.tasks.shutdown().await;
        result
    }
}

/// A transfer as the listener sees it.
struct Running {
    /// The datagram that began it.
    request: Box<[u8]>,
    began: Instant,
    shared: Arc<Shared>,
    task: AbortHandle,
    /// The way to a transfer that shares our port.
    datagrams: Option<Sender<Box<[u8]>>>,
}

/// Every running transfer, by the client's address and port: its transfer identifier (RFC 1350 §4).
struct Transfers {
    config: Config,
    files: Arc<dyn FileSource>,
    tasks: JoinSet<()>,
    running: BTreeMap<SocketAddrV4, Running>,
    /// Tells each how many there are.
    crowd: Arc<()>,
}

impl Transfers {
    fn answer(&mut self, socket: &ListenSocket, heard: &Heard, datagram: &[u8]) {
        let client = heard.client;
        // RFC 1123 §4.2.3.5: a request to a broadcast address is not answered.
        let Some(local) = heard.local else {
            tracing::debug!(%client, "TFTP request to a broadcast address left alone");
            return;
        };
        if let Err(refusal) = self.admit(socket, client, local, datagram) {
            tracing::debug!(%client, kind = refusal.kind(), ?refusal, "TFTP request refused");
            self.files.refused(&refusal);
            if let Some(packet) = error_packet(&refusal) {
                socket.say(&packet, local, client);
            }
        }
    }

    fn admit(
        &mut self,
        socket: &ListenSocket,
        client: SocketAddrV4,
        local: Ipv4Addr,
        datagram: &[u8],
    ) -> Result<(), Refusal> {
        let request = match read_request(datagram) {
            Err(Refusal::NotOurs(_)) if self.pass_on(client, datagram) => return Ok(()),
            read => read?,
        };
        if let Entry::Occupied(known) = self.running.entry(client) {
            let running = known.get();
            let same = *running.request == *datagram;
            match running.shared.phase() {
                // The answer is on its way; a second OACK upsets a Pi 3 (raspberrypi/firmware#1041).
                Phase::Opening if same => return Ok(()),
                Phase::Unanswered if same => {
                    running.shared.ask_again();
                    return Ok(());
                }
                Phase::Running if same && running.began.elapsed() < DOUBLED => return Ok(()),
                // Besides ends not yet noticed: a restarted machine, or a ROM with one port for everything (Pi 3: 49152).
                _ => {
                    running.shared.enter(Phase::Superseded);
                    running.task.abort();
                    known.remove();
                }
            }
        }
        let own = self.running.range(ports(*client.ip())).count();
        if own >= self.config.max_per_client {
            return Err(Refusal::Busy("TFTP transfers to one client"));
        }
        if self.running.len() >= self.config.max_transfers {
            if !self.give_up_for(own) {
                return Err(Refusal::Busy("TFTP transfers at one time"));
            }
            self.files.refused(&Refusal::Busy("TFTP transfers of who has most"));
        }
        self.begin(socket, client, local, request, datagram)
    }

    /// Ends a transfer of the client that has most, if that leaves it more than one who has `own` will have: the oldest
    /// of those that nobody ever acknowledged, else the oldest of all.
    fn give_up_for(&mut self, own: usize) -> bool {
        let mut counts: BTreeMap<Ipv4Addr, usize> = BTreeMap::new();
        self.running.keys().for_each(|client| *counts.entry(*client.ip()).or_default() += 1);
        let Some((greediest, _)) = counts.into_iter().filter(|(_, count)| *count > own + 1).max_by_key(|each| each.1)
        else {
            return false;
        };
        let unheard = |running: &Running| matches!(running.shared.phase(), Phase::Opening | Phase::Unanswered);
        let of_it = self.running.range(ports(greediest));
        let victim = of_it.min_by_key(|(_, running)| (!unheard(running), running.began)).map(|(client, _)| *client);
        let given_up = victim.and_then(|client| self.running.remove(&client));
        if let Some(running) = &given_up {
            running.shared.enter(Phase::GivenUp);
            running.task.abort();
        }
        given_up.is_some()
    }

    /// Gives a packet to the transfer it belongs to, if that shares our port.
    fn pass_on(&self, client: SocketAddrV4, datagram: &[u8]) -> bool {
        let Some(datagrams) = self.running.get(&client).and_then(|running| running.datagrams.as_ref()) else {
            return false;
        };
        // What finds no room is a lost datagram.
        let _ = datagrams.try_send(datagram.into());
        true
    }

    fn begin(
        &mut self,
        socket: &ListenSocket,
        client: SocketAddrV4,
        local: Ipv4Addr,
        request: Request,
        datagram: &[u8],
    ) -> Result<(), Refusal> {
        tracing::debug!(%client, name = ?request.name, options = ?request.options, "TFTP request");
        let interface = self.config.interface.as_deref();
        let (datagrams, opened) = if self.config.single_port {
            let (datagrams, heard) = mpsc::channel(WAITING);
            (Some(datagrams), TransferSocket::share(socket, local, client, interface, heard))
        } else {
            (None, TransferSocket::connect(local, client, interface))
        };
        let opened = opened.map_err(|error| {
            tracing::warn!(%client, %error, "cannot open a socket for a TFTP transfer");
            Refusal::Busy("sockets")
        })?;
        let asked = Asked {
            client,
            name: request.name,
            options: request.options,
            max_blksize: self.config.max_blksize,
            max_windowsize: self.config.max_windowsize,
        };
        let shared = Arc::new(Shared::new(&self.crowd));
        let task = self.tasks.spawn(transfer::run(asked, opened, Arc::clone(&self.files), Arc::clone(&shared)));
        let running = Running { request: datagram.into(), began: Instant::now(), shared, task, datagrams };
        self.running.insert(client, running);
        Ok(())
    }

    fn forget(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(%error, "a TFTP transfer panicked");
                }
                error.id()
            }
        };
        self.running.retain(|_, running| running.task.id() != id);
    }
}

/// The transfer identifiers of a client.
fn ports(client: Ipv4Addr) -> RangeInclusive<SocketAddrV4> {
    SocketAddrV4::new(client, 0)..=SocketAddrV4::new(client, u16::MAX)
}

/// The request in a datagram that we serve.
fn read_request(datagram: &[u8]) -> Result<Request, Refusal> {
    match Packet::parse(datagram)? {
        Packet::Read(request) if request.mode == Mode::Octet => Ok(request),
        Packet::Read(request) => {
            Err(Refusal::Invalid(format!("mode {} is not served; use octet mode", request.mode.as_str())))
        }
        Packet::Write(_) => Err(Refusal::Forbidden("this server does not take files")),
        // Late packets of a transfer that is over, sent to the wrong port.
        _ => Err(Refusal::NotOurs("a packet of a transfer on the request port")),
    }
}

/// The ERROR packet that tells a client of a refusal; none where an answer would be wrong.
fn error_packet(refusal: &Refusal) -> Option<Vec<u8>> {
    let code = match refusal {
        Refusal::NotOurs(_) => return None,
        Refusal::NoSuchFile(_)
        | Refusal::NothingToBoot(_)
        | Refusal::UnknownMachine
        | Refusal::NoImage(_)
        | Refusal::NotFound(_) => ErrorCode::FILE_NOT_FOUND,
        Refusal::OutsideTree(_) | Refusal::Forbidden(_) => ErrorCode::ACCESS_VIOLATION,
        Refusal::Unparsable(_) => ErrorCode::ILLEGAL_OPERATION,
        _ => ErrorCode::NOT_DEFINED,
    };
    Some(Packet::Error { code, message: refusal.to_string() }.encode())
}
