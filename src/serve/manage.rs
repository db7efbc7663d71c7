//! The management side: pages and API for the people who run the room, on addresses of its own.
//!
//! Owns the listeners, who is let in ([`caller`], `login`) and the headers of every answer. What is done is done by the
//! [`Desk`], the same for the command line; no rule of the room lives here.

pub mod caller;
mod action;
mod assets;
mod chart;
mod dashboard;
mod detail;
mod form;
mod images;
mod health;
mod legacy;
mod live;
mod machine;
mod network;
mod list;
mod listener;
mod login;
pub mod openapi;
pub mod page;
mod plot;
mod program;
mod repeat;
mod report;
pub mod tls;
mod room;
mod system;
pub mod stream;
mod said;
mod upload;
mod v1;
mod wall;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::sync::watch::Receiver;

pub use self::health::Vitals;
pub use self::listener::{Listeners, bind};
use self::live::Painters;
use self::openapi::Document;
use self::said::Said;
use self::stream::Stream;
use self::tls::Tls;
use self::upload::Uploads;
use super::control::Desk;
use super::core;
use super::people::People;
use super::secret;
use crate::access::Attempts;
use crate::clock;
use crate::store::access::AccessError;

/// What the management side is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// How long a login lasts at most.
    pub session: Duration,
    /// The file that knows who may use it.
    pub users: PathBuf,
    /// Its certificate; `None` for plain HTTP.
    pub tls: Option<tls::Origin>,
    /// The host names by which it is called, if it is to be called by no others.
    pub names: Vec<String>,
    /// Whether counters are shown to whoever asks, not only to those who log in or bring a token.
    pub open_metrics: bool,
}

/// What the routes work with.
pub struct Manage {
    desk: Desk,
    people: Arc<People>,
    attempts: Mutex<Attempts>,
    session: Duration,
    tls: Option<Arc<Tls>>,
    names: Vec<String>,
    painters: Painters,
    stream: Stream,
    said: Said,
    document: OnceLock<Document>,
    open_metrics: bool,
    vitals: Vitals,
    uploads: Arc<Uploads>,
}

impl fmt::Debug for Manage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manage").finish_non_exhaustive()
    }
}

impl Manage {
    /// Lets in these people.
    pub fn new(
        desk: Desk,
        people: Arc<People>,
        settings: Settings,
        tls: Option<Arc<Tls>>,
        stream: Stream,
        vitals: Vitals,
    ) -> Manage {
        let Settings { session, names, open_metrics, .. } = settings;
        let (attempts, painters, document) = (Mutex::default(), Painters::default(), OnceLock::new());
        let (said, uploads) = (Said::default(), Arc::new(Uploads::new(desk.clone())));
        Manage {
            desk,
            people,
            attempts,
            session,
            tls,
            names,
            painters,
            said,
            stream,
            document,
            open_metrics,
            vitals,
            uploads,
        }
    }

    /// Another number whenever the board has changed.
    fn revision(&self) -> u64 {
        core::read(&self.desk.library.board).revision()
    }

    /// Where there is no user yet: a new one-time link, good for a day; its path.
    ///
    /// # Errors
    /// The users cannot be read or written.
    pub fn invite(&self) -> Result<Option<String>, AccessError> {
        let access = self.people.access();
        if !access.users()?.is_empty() {
            return Ok(None);
        }
        let code = secret::new();
        access.put_setup(&secret::digest(&code), clock::now().timestamp + login::SETUP_TIME)?;
        Ok(Some(format!("/setup?code={code}")))
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// With TLS the browser itself sees to it that nobody else has set it (RFC 6265bis §4.1.3.2).
    fn cookie_name(&self) -> &'static str {
        if self.tls.is_some() { "__Host-hatchery_session" } else { "hatchery_session" }
    }

    fn set_cookie(&self, value: &str) -> String {
        self.cookie(value, self.session.as_secs())
    }

    fn forget_cookie(&self) -> String {
        self.cookie("", 0)
    }

    fn cookie(&self, value: &str, secs: u64) -> String {
        let secure = if self.tls.is_some() { "; Secure" } else { "" };
        format!("{}={value}; Path=/; Max-Age={secs}; HttpOnly; SameSite=Strict{secure}", self.cookie_name())
    }

    /// Whether a request may call us by that Host. Numbers are always ours: a stranger's page that a name server sends to
    /// our address (DNS rebinding) has a name. Where no names are configured any is taken: nothing here follows it, and
    /// the session's cookie belongs to the name by which one logged in.
    fn is_called(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(_) => return true,
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let known = |each: &String| each.eq_ignore_ascii_case(name);
        self.names.is_empty() || name.parse::<IpAddr>().is_ok() || name == "localhost" || self.names.iter().any(known)
    }
}

/// Its certificate, if it is to have one: for its addresses, the machine's name and the names by which it is called.
///
/// # Errors
/// Names the file, and what is wrong with it.
pub fn open_tls(settings: &Settings) -> Result<Option<Arc<Tls>>, tls::TlsError> {
    let Some(origin) = &settings.tls else { return Ok(None) };
    let mut addresses: Vec<IpAddr> = settings.listen.iter().map(SocketAddr::ip).collect();
    addresses.dedup();
    let mut names = settings.names.clone();
    names.extend(nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()));
    names.push("localhost".to_owned());
    names.sort();
    names.dedup();
    Tls::open(origin.clone(), &addresses, &names).map(|tls| Some(Arc::new(tls)))
}

/// Says in the log where the pages are, and where there is no user yet, the one-time link that makes the first one.
///
/// # Errors
/// The users cannot be read or written.
pub fn announce(listeners: &Listeners, manage: &Manage) -> Result<(), AccessError> {
    let invitation = manage.invite()?;
    let scheme = if manage.tls.is_some() { "https" } else { "http" };
    for address in listeners.addresses() {
        match &invitation {
            Some(path) => tracing::warn!("no user yet: make the first one at {scheme}://{address}{path}"),
            None => tracing::info!("pages at {scheme}://{address}/"),
        }
    }
    if let Some(tls) = &manage.tls {
        tracing::info!(sha256 = tls.fingerprint(), "the certificate of the pages");
    }
    Ok(())
}

/// Serves until `stopped` says so, then ends connections that have nothing under way.
///
/// # Errors
/// None once it runs.
pub async fn run(listeners: Listeners, manage: Arc<Manage>, stopped: Receiver<bool>) -> io::Result<()> {
    // Before anybody asks for one of them.
    manage.uploads.restore().await;
    let painting = manage.painters.run(&manage, stopped.clone());
    let telling = manage.stream.run(&manage.desk.library.board, stopped.clone());
    let (routes, tls) = (routes(manage.clone()), manage.tls.clone());
    tokio::join!(
        painting,
        telling,
        renew(tls.clone(), stopped.clone()),
        listener::serve(listeners, routes, tls, manage.desk.library.board.clone(), stopped)
    );
    Ok(())
}

/// Makes a certificate of ours anew before its end, however long we run.
async fn renew(tls: Option<Arc<Tls>>, mut stopped: Receiver<bool>) {
    let Some(tls) = tls else { return };
    let mut daily = tokio::time::interval(Duration::from_secs(24 * 3600));
    loop {
        tokio::select! {
            _ = daily.tick() => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        match tls.fresh() {
            Ok(fresh) => tls.take(fresh),
            Err(error) => tracing::error!(%error, "the certificate of the pages stays as it is"),
        }
    }
}

/// Everything there is.
pub fn routes(manage: Arc<Manage>) -> Router {
    let mut described = v1::routes(&manage);
    described.merge(legacy::routes(&manage));
    described.merge(stream::routes(&manage));
    described.merge(openapi::read::routes(&manage));
    let (api, document) = described.finish(manage.cookie_name());
    manage.document.get_or_init(|| document);
    let known = Router::new()
        .route("/", get(wall::show))
        .route("/dashboard", get(dashboard::show))
        .route("/network", get(network::show))
        .route("/api", get(openapi::read::show))
        .route("/events", get(live::events))
        .route("/logout", post(login::leave))
        .route_layer(from_fn_with_state(manage.clone(), caller::viewer));
    Router::new()
        .merge(known)
        .merge(api)
        .merge(room::routes(&manage))
        .merge(images::routes(&manage))
        .merge(detail::routes(&manage))
        .merge(machine::routes(&manage))
        .merge(system::routes(&manage))
        .merge(action::routes(&manage))
        .merge(health::routes(&manage))
        .merge(report::routes(&manage))
        .route("/login", get(login::form).post(login::enter))
        .route("/setup", get(login::setup_form).post(login::set_up))
        .route("/assets/{name}", get(assets::file))
        .fallback(async |request: Request| page::refusal(&request, StatusCode::NOT_FOUND, "There is no such page"))
        .layer(from_fn_with_state(manage.clone(), called))
        .layer(from_fn_with_state(manage.clone(), headers))
        .with_state(manage)
}

/// Turns away who calls us by a name that is not ours.
async fn called(State(manage): State<Arc<Manage>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    match host {
        Some(host) if !manage.is_called(host) => {
            let sentence = "This server is not called by that name: see management.names in its configuration";
            page::refusal(&request, StatusCode::MISDIRECTED_REQUEST, sentence)
        }
        _ => next.run(request).await,
    }
}

/// What no answer of ours goes without.
async fn headers(State(manage): State<Arc<Manage>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if manage.tls.is_some() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    // What was shown to one user is not to be found by the next one at the same bench.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
