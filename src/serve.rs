//! The shells: sockets, files and timers around the pure core, and the server that they make together.
//!
//! Owns start and shutdown. The order of the start is the promise behind the "ready" line: journal first, then every
//! socket, and only then the first event.

pub mod content;
pub mod packet;
pub mod udp;
pub mod image;
pub mod log;
pub mod inbox;
pub mod preflight;
pub mod arp;
pub mod advertise;
pub mod broom;
pub mod dhcp;
pub mod service;
pub mod meter;
pub mod tap;
pub mod core;
pub mod tftp;
pub mod http;
pub mod library;
pub mod images;
pub mod api;
pub mod proxmox;
pub mod reload;
pub mod secret;
pub mod people;
pub mod show;
pub mod report;
pub mod control;
pub mod manage;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread;

use tokio::sync::watch;

use self::advertise::Advertiser;
use self::arp::Arp;
use self::broom::Broom;
use self::core::Core;
use self::inbox::Inbox;
use self::library::{Library, Templates, Tree};
use self::manage::stream::Stream;
use self::manage::{Manage, Vitals};
use self::meter::Meter;
use self::people::People;
use self::preflight::Preflight;
use self::preflight::place::Place;
use self::preflight::rival::Rivals;
use self::reload::{Reloader, Reread};
use self::service::Beat;
use self::tap::Tap;
use crate::access::Actor;
use crate::answer::Answers;
use crate::catalog::{Catalog, Profile};
use crate::class::Class;
use crate::clock;
use crate::confine::{ConfineError, Entered, Wish};
use crate::fleet::board::Board;
use crate::fleet::command::{Command, Declaration};
use crate::fleet::{Action, Event, Fleet};
use crate::ids::ReplyTo;
use crate::naming::Product;
use crate::site::{Link, Site};
use crate::store::access::{Access, AccessError};
use crate::store::retention::Retention;
use crate::store::{Records, Store, StoreError};
use crate::time::Timestamp;

/// Everything the server is told.
#[derive(Debug)]
pub struct Settings {
    /// This place.
    pub site: Site,
    /// What machines become.
    pub profiles: Vec<Profile>,
    /// The classes of clients.
    pub classes: Vec<Class>,
    /// What is made.
    pub products: Vec<Product>,
    /// Where it goes, with the names loaded beforehand.
    pub venues: Vec<Declaration>,
    /// Compiled answer templates.
    pub answers: Answers,
    /// The journal.
    pub journal: PathBuf,
    /// How long what is kept in it.
    pub retention: Retention,
    /// The boot directory.
    pub boot: PathBuf,
    /// Whether boot files are found whatever the case of their names.
    pub ignore_case: bool,
    /// The image directory.
    pub images: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// What the process was told to give up.
    pub confinement: Wish,
    /// Whether we answer DHCP.
    pub dhcp: bool,
    /// What TFTP allows, on our address of every link; `None` turns it off.
    pub tftp: Option<tftp::Config>,
    /// HTTP ports, on our address of every link.
    pub http_ports: Vec<u16>,
    /// What HTTP allows.
    pub http: http::Limits,
    /// The pages and the API of those who run the room; `None` turns them off.
    pub management: Option<manage::Settings>,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The journal.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A directory that is served.
    #[error("cannot open the directory {}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Port 67.
    #[error(transparent)]
    Dhcp(#[from] dhcp::DhcpError),
    /// Port 69.
    #[error(transparent)]
    Tftp(#[from] tftp::BindError),
    /// An HTTP port.
    #[error("cannot serve HTTP")]
    Http(#[source] io::Error),
    /// The control socket.
    #[error("cannot open the control socket {}", path.display())]
    Control {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The addresses of the management side.
    #[error("cannot serve the management pages")]
    Management(#[source] io::Error),
    /// Who may use it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Its certificate.
    #[error("cannot speak TLS on the management side")]
    Tls(#[from] manage::tls::TlsError),
    /// Privileges.
    #[error(transparent)]
    Confine(#[from] ConfineError),
    /// SIGHUP.
    #[error("cannot listen for SIGHUP")]
    Signal(#[source] io::Error),
    /// What wakes the core.
    #[error("cannot open what wakes the core")]
    Inbox(#[source] io::Error),
    /// A thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// Serves until `stop` completes, then lets transfers under way finish.
///
/// # Errors
/// What kept it from starting; once it runs, nothing does.
pub async fn run(settings: Settings, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    run_reloadable(settings, None, None, stop).await
}

/// As [`run`]; with `reread`, takes over what it reads at SIGHUP and when the control socket asks; with `confined`, gives
/// up what is left to give up once every socket is open.
///
/// # Errors
/// As [`run`].
pub async fn run_reloadable(
    settings: Settings,
    reread: Option<Reread>,
    confined: Option<Entered>,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let hangup = reread.is_some().then(reload::hangup).transpose().map_err(ServeError::Signal)?;
    let fixed = reload::fixed(&settings);
    let (place, looked_at) = watch::channel(Arc::new(Place::new(&settings)));
    let site = Arc::new(settings.site);
    let catalog = Catalog::new(settings.profiles).with_classes(settings.classes);
    let (mut store, tables) = Store::start(&settings.journal, &site, &settings.products)?;
    let mut fleet = Fleet::new(site.clone(), catalog.clone(), settings.products.clone(), tables, clock::now());
    let records = Records::new(&settings.journal);
    declare(&mut fleet, &mut store, settings.venues)?;
    let mut board = Board::new(site.clone(), catalog);
    board.reset(core::views(&fleet), fleet.notices());
    let month_ago = Timestamp::from_millis(clock::now().timestamp.millis() - 31 * 24 * 3_600_000);
    for (stage, at) in records.ends(month_ago)? {
        board.remember(&stage, at);
    }
    let board = Arc::new(RwLock::new(board));
    let known = images::Known::new(fleet.tables().measured.clone());
    let removed = fleet.removed_images();

    let outlets = if settings.dhcp { dhcp::bind(&site)? } else { dhcp::Outlets::none() };
    let mut tftp_servers = Vec::new();
    // A network where we have no address of our own has that of another one, which is listened on there.
    let home: Vec<&Link> =
        site.links.iter().filter(|link| link.interface.is_some() && link.subnet.contains(link.address)).collect();
    for (config, link) in settings.tftp.iter().flat_map(|config| home.iter().map(move |link| (config, link))) {
        let listen = SocketAddrV4::new(link.address, config.listen.port());
        let interface = link.interface.clone();
        tftp_servers.push(tftp::Server::bind(tftp::Config { listen, interface, ..config.clone() })?);
    }
    let control = control::bind(&settings.socket)
        .map_err(|source| ServeError::Control { path: settings.socket.clone(), source })?;
    let addresses: Vec<SocketAddr> = home
        .iter()
        .flat_map(|link| settings.http_ports.iter().map(|port| SocketAddr::from((link.address, *port))))
        .collect();
    let listeners = http::bind(&addresses).map_err(ServeError::Http)?;
    let management = settings.management.as_ref();
    let on = |port: u16| home.iter().map(|link| SocketAddr::from((link.address, port))).collect::<Vec<_>>();
    let listening = [
        ("DHCP", if settings.dhcp { on(67) } else { Vec::new() }),
        ("TFTP", settings.tftp.as_ref().map_or_else(Vec::new, |config| on(config.listen.port()))),
        ("HTTP", addresses.clone()),
        ("Pages and API", management.map_or_else(Vec::new, |management| management.listen.clone())),
    ]
    .map(listening);
    let pages = management.map(|management| manage::bind(&management.listen)).transpose();
    let pages = pages.map_err(ServeError::Management)?;
    let tls = management.map(manage::open_tls).transpose()?.flatten();
    let access = management.map(|management| Access::open(&management.users)).transpose()?;
    let people = access.map(|access| Arc::new(People::new(access)));
    let arp = Arp::open(&site);
    let rivals = if settings.dhcp { Rivals::open(&site) } else { Rivals::none() };

    let advertiser = if settings.dhcp { Advertiser::open(&site) } else { Advertiser::none() };
    // Nothing below opens a port, and every thread that is started below has what this one has.
    confined.map(Entered::close).transpose()?;
    store.fold_beside()?;

    let (inbox, outlet) = Inbox::new().map_err(ServeError::Inbox)?;
    let tree = |path: PathBuf| Tree::new(&path).map_err(|source| ServeError::Directory { path, source });
    let library = Arc::new(Library {
        board: board.clone(),
        answers: Templates::new(settings.answers),
        boot: tree(settings.boot)?,
        ignore_case: settings.ignore_case,
        images: tree(settings.images.clone())?,
        inbox: inbox.clone(),
        next_transfer: AtomicU64::new(1),
    });
    let beat = Beat::default();
    let meter = Meter::default();
    let (tap, happenings) = Tap::new();
    let core = Core {
        fleet,
        store,
        board: board.clone(),
        ears: dhcp::Ears::open(&outlets, &inbox, &rivals),
        outlets,
        arp: arp.clone(),
        beat: beat.clone(),
        meter: meter.clone(),
        tap: tap.clone(),
        broom: Broom::new(settings.retention),
    };
    let core = spawn("core", move || {
        let _guard = AbortOnPanic;
        core.run(outlet);
    })?;
    // The command line stands in another directory than we.
    let images = std::path::absolute(&settings.images).unwrap_or_else(|_| settings.images.clone());
    let watch =
        images::Watch { directory: settings.images, board: board.clone(), known: known.clone(), inbox: inbox.clone() };
    let stop_watching = Arc::new(AtomicBool::new(false));
    let watcher = spawn("images", {
        let stop = stop_watching.clone();
        move || watch.run(&stop)
    })?;

    let (stopping, stopped) = watch::channel(false);
    let mut endless = tokio::task::JoinSet::new();
    let (preflight, doctor) = Preflight::new(looked_at, board.clone(), arp.clone(), rivals.clone());
    endless.spawn(arp.run(inbox.clone(), preflight.news()));
    endless.spawn(rivals.run(preflight.news()));
    endless.spawn(preflight.run());
    endless.spawn(advertiser.run());
    endless.spawn(service::watchdog(beat.clone()));
    endless.spawn(library.clone().close_unused());
    let api = api::Api { inbox: inbox.clone(), board, library: library.clone() };
    let reloader =
        reread.map(|reread| Arc::new(Reloader::new(reread, fixed, inbox.clone(), library.clone(), place, tls.clone())));
    if let (Some(reloader), Some(hangup)) = (&reloader, hangup) {
        endless.spawn(reloader.clone().at_hangup(hangup));
    }
    let desk = control::Desk {
        inbox: inbox.clone(),
        library: library.clone(),
        doctor,
        images,
        known,
        reloader,
        records,
        people: people.clone(),
    };
    endless.spawn(control::run(control, desk.clone()));
    let remover = desk.clone();
    endless.spawn(async move { remover.finish_removals(removed).await });
    let mut ending = tokio::task::JoinSet::new();
    if let (Some(listeners), Some(people), Some(management)) = (pages, people, settings.management) {
        let vitals =
            Vitals { meter, beat, journal: settings.journal, stopped: stopped.clone(), listening: listening.to_vec() };
        let manage = Manage::new(desk, people, management, tls, Stream::new((tap, happenings)), vitals);
        manage::announce(&listeners, &manage)?;
        ending.spawn(manage::run(listeners, Arc::new(manage), stopped.clone()));
    }
    for server in tftp_servers {
        let mut stopped = stopped.clone();
        let shutdown = async move {
            // A sender that is gone is a stop, too.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        ending.spawn(server.run(library.clone(), shutdown));
    }
    let routes = api::routes(api.clone()).merge(proxmox::routes(api));
    ending.spawn(http::run(listeners, library, routes, settings.http, stopped));

    tracing::info!(links = site.links.len(), "ready");
    service::ready();
    tokio::select! {
        () = stop => tracing::info!("stopping; transfers under way may finish"),
        Some(ended) = ending.join_next() => tracing::error!(?ended, "a server ended by itself; stopping"),
    }
    service::stopping();
    // Nobody listens any more once everything has ended; then there is no one to tell.
    let _ = stopping.send(true);
    inbox.deafen();
    endless.shutdown().await;
    while ending.join_next().await.is_some() {}
    stop_watching.store(true, Ordering::Relaxed);
    watcher.thread().unpark();
    inbox.stop();
    for thread in [watcher, core] {
        if thread.join().is_err() {
            tracing::error!("a thread ended in a panic");
        }
    }
    if let Err(error) = std::fs::remove_file(&settings.socket) {
        tracing::debug!(%error, "control socket not removed");
    }
    Ok(())
}

/// What listens where, for the people who run the room.
fn listening((what, addresses): (&'static str, Vec<SocketAddr>)) -> (&'static str, String) {
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    (what, if addresses.is_empty() { "off".to_owned() } else { addresses.join(", ") })
}

/// A panic of a thread that all service hangs on is a broken invariant. Everything promised is in the journal: the
/// process ends, and the supervisor starts it anew.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

/// The venues and pools of the configuration: what is new is in the journal before the first machine is served.
fn declare(fleet: &mut Fleet, store: &mut Store, venues: Vec<Declaration>) -> Result<(), StoreError> {
    let event = Event::Command {
        command: Command::Declare { venues },
        by: Actor::configuration(),
        reply_to: ReplyTo::default(),
    };
    let actions = fleet.handle(event, clock::now());
    let changes = actions.into_iter().filter_map(|action| match action {
        Action::Commit(change) => Some(change),
        _ => None,
    });
    let changes: Vec<_> = changes.collect();
    if changes.is_empty() { Ok(()) } else { store.commit(&changes) }
}

fn spawn(name: &str, job: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>, ServeError> {
    thread::Builder::new().name(name.into()).spawn(job).map_err(ServeError::Thread)
}
