//! hatchery's HTTP/1.1 front: one port, two paths. `/images/…` and `/boot/…` go out by sendfile (a small file in
//! one piece with its head), everything else is handed to hyper and the API, request by request, on the same kept-alive
//! connection.
//!
//! Owns the listeners, the connections and their limits. Decides nothing about content: names are the
//! [`FileSource`]'s, routes are the [`Router`]'s. A file is never answered by way of hyper.

mod connection;
mod file;
mod handoff;
pub(super) mod places;
mod reply;
mod shares;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use hyper::StatusCode;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{debug, error, warn};

use self::places::Places;
use self::reply::{Persistence, Reply};
use self::shares::Shares;
use crate::refusal::Refusal;
use crate::serve::content::FileSource;

/// Connections the kernel may complete ahead of us.
const BACKLOG: i32 = 1024;
/// Connections over the limit that are told so at the same time; more are closed without a word.
const TURNED_AWAY: usize = 64;
/// The pause after the system refused to give us a connection (out of descriptors, usually).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What one front allows.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at the same time, over all listeners; one more gets 503.
    pub max_connections: usize,
    /// Connections at the same time from one address; one more gets 503.
    pub max_connections_per_client: usize,
    /// The longest body of an API request, in bytes; more gets 413.
    pub max_body: u64,
    /// From the first byte of a head (or from the accept) to its last.
    pub head_timeout: Duration,
    /// From one answer, once it has been acknowledged, to the next request.
    pub idle_timeout: Duration,
    /// The longest pause inside the body of an API request.
    pub body_timeout: Duration,
    /// How long a client may take no byte of an answer before it counts as gone, up to the last byte's acknowledgement.
    pub stall_timeout: Duration,
    /// How long answers under way may go on after the stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 1024,
            max_connections_per_client: 64,
            max_body: 1024 * 1024,
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            // A machine that writes to a slow card stalls for minutes and comes back.
            stall_timeout: Duration::from_secs(600),
            grace: Duration::from_secs(30),
        }
    }
}

/// A bound port, not yet served.
#[derive(Debug)]
pub struct Listener(std::net::TcpListener);

impl Listener {
    /// The address it is bound to; the port is the real one when 0 was asked for.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// The socket, for an accept loop of tokio.
    ///
    /// # Errors
    /// Outside of a runtime.
    pub fn into_tokio(self) -> io::Result<TcpListener> {
        TcpListener::from_std(self.0)
    }
}

/// Listens on every address; needs no runtime, so it can happen before privileges are given up.
///
/// # Errors
/// The first address that cannot be had, by name, with what to do about it.
pub fn bind(addresses: &[SocketAddr]) -> io::Result<Vec<Listener>> {
    let listen = |address: &SocketAddr| {
        listen(*address).map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "another server holds this port; `ss -ltnp` names it: stop it, or configure another port"
                }
                io::ErrorKind::AddrNotAvailable => {
                    "no interface of this machine has the address; add it, or correct the configuration"
                }
                io::ErrorKind::PermissionDenied => "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE",
                _ => "check the address in the configuration",
            };
            io::Error::new(error.kind(), format!("cannot listen for HTTP on {address}: {error}; {hint}"))
        })
    };
    addresses.iter().map(listen).collect()
}

fn listen(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the last run to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    // Its connections inherit it. Over one hop of wire BBR, the default of some systems, sets a timer for every burst and
    // brings nothing for it. A kernel without CUBIC, or that does not allow it, keeps its own.
    if let Err(error) = socket.set_tcp_congestion(b"cubic") {
        debug!(%address, %error, "the system's TCP congestion control stays");
    }
    Ok(Listener(socket.into()))
}

/// What every connection shares.
struct Front {
    files: Arc<dyn FileSource>,
    api: Router,
    limits: Limits,
    places: Arc<Places>,
    shares: Shares,
    turned_away: Arc<Semaphore>,
}

/// Serves `listeners` until `stop` turns true (or its sender is gone), then lets answers under way finish for
/// [`Limits::grace`]. Dropping the future ends everything at once. Needs the multi-thread runtime: a sendfile call may
/// wait for the disk.
///
/// # Errors
/// A listener that the runtime does not take.
pub async fn run(
    listeners: Vec<Listener>,
    files: Arc<dyn FileSource>,
    api: Router,
    limits: Limits,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let body_limit = usize::try_from(limits.max_body).unwrap_or(usize::MAX);
    let front = Arc::new(Front {
        files,
        api: api.layer(DefaultBodyLimit::max(body_limit)),
        places: Arc::new(Places::new(limits.max_connections, limits.max_connections_per_client)),
        shares: Shares::default(),
        turned_away: Arc::new(Semaphore::new(TURNED_AWAY)),
        limits,
    });
    let mut listening = JoinSet::new();
    for listener in listeners {
        listening.spawn(accept(TcpListener::from_std(listener.0)?, front.clone(), stop.clone()));
    }
    let finished = async {
        while let Some(ended) = listening.join_next().await {
            report_panic(ended);
        }
    };
    tokio::select! {
        () = finished => Ok(()),
        never = front.shares.keep_level() => match never {},
    }
}

async fn accept(listener: TcpListener, front: Arc<Front>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                report_panic(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => admit(stream, peer, &front, &stop, &mut connections),
            // The client gave up before we came to it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                warn!("cannot accept an HTTP connection: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let finished = async {
        while let Some(ended) = connections.join_next().await {
            report_panic(ended);
        }
    };
    if timeout(front.limits.grace, finished).await.is_err() {
        warn!(connections = connections.len(), "HTTP connections cut off at the end of the grace period");
        connections.shutdown().await;
    }
}

/// Starts a connection, or tells the client that there are too many.
fn admit(
    stream: TcpStream,
    peer: SocketAddr,
    front: &Arc<Front>,
    stop: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, "HTTP connection lost at once: {error}");
        return;
    }
    let full = match front.places.take(peer.ip()) {
        Ok((place, given_up)) => {
            if given_up {
                front.files.refused(&Refusal::Busy("HTTP connections of who has most"));
            }
            let (front, stop) = (front.clone(), stop.clone());
            connections.spawn(async move {
                tokio::select! {
                    () = connection::serve(stream, peer, &front, &place, stop) => {}
                    () = place.given_up() => debug!(%peer, "HTTP connection ended: others have none"),
                }
            });
            return;
        }
        Err(full) => full,
    };
    warn!(%peer, limit = full.limit, "HTTP connection turned away: {full}");
    front.files.refused(&Refusal::Busy("HTTP connections"));
    if let Ok(permit) = front.turned_away.clone().try_acquire_owned() {
        let reply = Reply::new(StatusCode::SERVICE_UNAVAILABLE, Persistence::Close)
            .field("Retry-After", 5)
            .error(&full.to_string(), None);
        connections.spawn(async move {
            let _permit = permit;
            // The queue of a new connection is empty: this takes all or the client is gone.
            if SockRef::from(&stream).send_with_flags(&reply, libc::MSG_NOSIGNAL).is_ok() {
                connection::close(stream).await;
            }
        });
    }
}

fn report_panic(ended: Result<(), JoinError>) {
    if let Err(failed) = ended
        && failed.is_panic()
    {
        error!("an HTTP task panicked: {failed}");
    }
}
