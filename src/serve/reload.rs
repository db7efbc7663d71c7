//! Another configuration without a restart: by `hatchery reload` or SIGHUP.
//!
//! Owns what cannot change while we run: sockets, directories and limits made at the start. The invariant: a
//! configuration is taken over as a whole or not at all; the old one serves until the new one is in force.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, watch};

use super::Settings;
use super::inbox::Inbox;
use super::library::Library;
use super::manage::tls::Tls;
use super::preflight::place::Place;
use crate::fleet::{Configuration, Event, Told};

/// Reads the configuration again; every problem at once.
#[derive(Clone)]
pub struct Reread(Arc<dyn Fn() -> Result<Settings, Vec<String>> + Send + Sync>);

impl Reread {
    /// Reads by this function, which may block.
    pub fn new(read: impl Fn() -> Result<Settings, Vec<String>> + Send + Sync + 'static) -> Reread {
        Reread(Arc::new(read))
    }
}

impl fmt::Debug for Reread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reread")
    }
}

/// Takes configurations over, one at a time.
#[derive(Debug)]
pub struct Reloader {
    reread: Reread,
    fixed: Fixed,
    inbox: Inbox,
    library: Arc<Library>,
    place: watch::Sender<Arc<Place>>,
    tls: Option<Arc<Tls>>,
    turn: Mutex<()>,
}

/// What a restart is needed for: keys of the configuration, and how they read.
pub type Fixed = Vec<(&'static str, String)>;

/// The part of the settings that cannot change while we run.
pub fn fixed(settings: &Settings) -> Fixed {
    // Every field is named, so that a new one is thought about here.
    let Settings {
        site,
        profiles: _,
        classes: _,
        products: _,
        venues: _,
        answers: _,
        journal,
        retention,
        boot,
        ignore_case,
        images,
        socket,
        confinement,
        dhcp,
        tftp,
        http_ports,
        http,
        management,
    } = settings;
    let links = site.links.iter().map(|link| (&link.name, &link.interface, link.subnet, link.address));
    let switched = site.links.iter().map(|link| link.router_advertisement);
    vec![
        ("network.interface and network.address", format!("{:?}", links.collect::<Vec<_>>())),
        ("network.router_advertisement", format!("{:?}", switched.collect::<Vec<_>>())),
        ("paths.data", format!("{journal:?}")),
        ("retention", format!("{retention:?}")),
        ("paths.boot", format!("{boot:?}")),
        ("tftp.ignore_case", format!("{ignore_case:?}")),
        ("paths.images", format!("{images:?}")),
        ("paths.socket", format!("{socket:?}")),
        ("server", format!("{confinement:?}")),
        ("dhcp.enabled", format!("{dhcp:?}")),
        ("dhcp.mode", format!("{:?}", site.role)),
        ("tftp", format!("{tftp:?}")),
        ("http.ports", format!("{http_ports:?}")),
        ("limits", format!("{http:?}")),
        ("management", format!("{management:?}")),
    ]
}

impl Reloader {
    /// For the server that was started with settings of which `fixed` was the fixed part.
    /// The preflight looks at what it finds in `place`; the certificate of `tls` is read again, too.
    pub fn new(
        reread: Reread,
        fixed: Fixed,
        inbox: Inbox,
        library: Arc<Library>,
        place: watch::Sender<Arc<Place>>,
        tls: Option<Arc<Tls>>,
    ) -> Reloader {
        Reloader { reread, fixed, inbox, library, place, tls, turn: Mutex::new(()) }
    }

    /// Reads the configuration and takes it over.
    ///
    /// # Errors
    /// Every problem with it; nothing has changed then.
    pub async fn reload(&self) -> Result<String, Vec<String>> {
        let result = self.take_over().await;
        if let Err(problems) = &result {
            for problem in problems {
                tracing::error!("{problem}");
            }
            tracing::error!(problems = problems.len(), "the new configuration is refused; the old one stays in force");
        }
        result
    }

    async fn take_over(&self) -> Result<String, Vec<String>> {
        let _turn = self.turn.lock().await;
        let Reread(read) = self.reread.clone();
        let read = tokio::task::spawn_blocking(move || read()).await;
        let settings = read.map_err(|error| vec![format!("the configuration could not be read: {error}")])??;
        let now = fixed(&settings);
        let differs = |(old, new): &(&(&str, String), &(&str, String))| old.1 != new.1;
        let changed: Vec<&str> = self.fixed.iter().zip(&now).filter(differs).map(|((key, _), _)| *key).collect();
        if !changed.is_empty() {
            return Err(vec![format!("{} cannot change while the server runs: restart it", changed.join(", "))]);
        }
        let fresh = self.tls.as_ref().map(|tls| tls.fresh()).transpose();
        let fresh = fresh.map_err(|error| vec![format!("management.tls: {error}")])?;
        let place = self.place.borrow().renewed(&settings);
        let Settings { site, profiles, classes, products, venues, answers, .. } = settings;
        let configuration = Box::new(Configuration { site: Arc::new(site), profiles, classes, products, venues });
        let told = self.inbox.ask(|reply_to| Event::Configure { configuration, reply_to }).await;
        match told.map_err(|refusal| vec![refusal.to_string()])? {
            Told::Done(sentence) => {
                self.library.answers.replace(answers);
                self.place.send_replace(Arc::new(place));
                if let (Some(tls), Some(fresh)) = (&self.tls, fresh) {
                    tls.take(fresh);
                }
                Ok(sentence)
            }
            other => unreachable!("a configuration is told that it is in force, not {other:?}"),
        }
    }

    /// Takes the configuration over at every hangup, for ever.
    pub async fn at_hangup(self: Arc<Self>, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            // Its problems are in the log.
            let _ = self.reload().await;
        }
    }
}

/// SIGHUP from now on; without a listener it would end the process.
///
/// # Errors
/// Of sigaction(2).
pub fn hangup() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}
