//! The management side: pages and API for the people who run the room, on addresses of its own.
//!
//! Owns the listeners, who is let in ([`caller`], `login`) and the headers of every answer. What is done is done by the
//! [`Desk`], the same for the command line; no rule of the room lives here.

pub mod caller;
mod action;
mod assets;
mod detail;
mod form;
mod legacy;
mod list;
mod listener;
mod login;
pub mod page;
mod program;
mod room;
mod said;
mod v1;
mod wall;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::sync::watch::Receiver;

pub use self::listener::{Listeners, bind};
use self::said::Said;
use self::wall::Painter;
use super::control::Desk;
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
}

/// What the routes work with.
pub struct Manage {
    desk: Desk,
    people: Arc<People>,
    attempts: Mutex<Attempts>,
    session: Duration,
    painter: Painter,
    said: Said,
}

impl fmt::Debug for Manage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manage").finish_non_exhaustive()
    }
}

impl Manage {
    /// Lets in these people.
    pub fn new(desk: Desk, people: Arc<People>, session: Duration) -> Manage {
        let (attempts, painter, said) = (Mutex::default(), Painter::new(), Said::default());
        Manage { desk, people, attempts, session, painter, said }
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

    fn cookie_name(&self) -> &'static str {
        "hatchery_session"
    }

    fn set_cookie(&self, value: &str) -> String {
        let (name, secs) = (self.cookie_name(), self.session.as_secs());
        format!("{name}={value}; Path=/; Max-Age={secs}; HttpOnly; SameSite=Strict")
    }

    fn forget_cookie(&self) -> String {
        format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict", self.cookie_name())
    }
}

/// Says in the log where the pages are, and where there is no user yet, the one-time link that makes the first one.
///
/// # Errors
/// The users cannot be read or written.
pub fn announce(listeners: &Listeners, manage: &Manage) -> Result<(), AccessError> {
    let invitation = manage.invite()?;
    for address in listeners.addresses() {
        match &invitation {
            Some(path) => tracing::warn!("no user yet: make the first one at http://{address}{path}"),
            None => tracing::info!("pages at http://{address}/"),
        }
    }
    Ok(())
}

/// Serves until `stopped` says so, then ends connections that have nothing under way.
///
/// # Errors
/// None once it runs.
pub async fn run(listeners: Listeners, manage: Arc<Manage>, stopped: Receiver<bool>) -> io::Result<()> {
    let painting = manage.painter.run(&manage.desk.library.board, stopped.clone());
    tokio::join!(painting, listener::serve(listeners, routes(manage.clone()), stopped));
    Ok(())
}

/// Everything there is.
pub fn routes(manage: Arc<Manage>) -> Router {
    let known = Router::new()
        .route("/", get(wall::show))
        .route("/events", get(wall::events))
        .route("/logout", post(login::leave))
        .route_layer(from_fn_with_state(manage.clone(), caller::viewer));
    Router::new()
        .merge(known)
        .merge(room::routes(&manage))
        .merge(detail::routes(&manage))
        .merge(action::routes(&manage))
        .merge(v1::routes(&manage))
        .merge(legacy::routes(&manage))
        .route("/login", get(login::form).post(login::enter))
        .route("/setup", get(login::setup_form).post(login::set_up))
        .route("/assets/{name}", get(assets::file))
        .fallback(async |request: Request| page::refusal(&request, StatusCode::NOT_FOUND, "There is no such page"))
        .layer(from_fn(headers))
        .with_state(manage)
}

/// What no answer of ours goes without.
async fn headers(request: Request, next: Next) -> Response {
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
    // What was shown to one user is not to be found by the next one at the same bench.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
