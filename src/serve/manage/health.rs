//! `/health`, `/ready` and `/metrics`: what a supervisor and a monitoring system ask.
//!
//! The first two say nothing about the room, so they take no login. Neither touches the core nor writes anything: being
//! asked often costs nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};
use serde_json::json;
use tokio::sync::watch::Receiver;

use super::{Manage, caller};
use crate::clock;
use crate::serve::api::reply;
use crate::serve::core;
use crate::serve::meter::{self, Meter, process};
use crate::serve::service::Beat;

/// Space that the journal's file system must have left to be written, bytes.
const ROOM: u64 = 4 << 20;

/// By what one sees that the server lives.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// What it counts.
    pub meter: Meter,
    /// That the core turns.
    pub beat: Beat,
    /// The journal.
    pub journal: PathBuf,
    /// Whether it is about to end.
    pub stopped: Receiver<bool>,
    /// What listens, and where.
    pub listening: Vec<(&'static str, String)>,
}

/// The routes.
pub fn routes(manage: &Arc<Manage>) -> Router<Arc<Manage>> {
    let metrics = Router::new().route("/metrics", get(metrics));
    let metrics = if manage.open_metrics {
        metrics
    } else {
        metrics.route_layer(from_fn_with_state(manage.clone(), caller::viewer))
    };
    metrics.route("/health", get(health)).route("/ready", get(ready))
}

async fn metrics(State(manage): State<Arc<Manage>>) -> Response {
    let Vitals { meter, beat, .. } = &manage.vitals;
    let text = meter.text(&core::read(&manage.desk.library.board), &manage.desk.inbox, beat);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// Whether the process lives: it answers, and the core's loop turns.
async fn health(State(manage): State<Arc<Manage>>) -> Response {
    let turns = meter::turns(&manage.vitals.beat);
    let code = if turns { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let status = if turns { "healthy" } else { "stuck" };
    let up = process::uptime().as_secs();
    let version = env!("CARGO_PKG_VERSION");
    let now = clock::iso(clock::now().timestamp);
    reply(code, &json!({ "status": status, "timestamp": now, "uptime_secs": up, "version": version }))
}

/// Whether machines can be served: the sockets have been open since before these pages were, so what is left is that
/// nothing ends, the core turns, and the journal can be written.
async fn ready(State(manage): State<Arc<Manage>>) -> Response {
    let problems = problems(&manage.vitals);
    let code = if problems.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    reply(code, &json!({ "problems": problems, "ready": problems.is_empty() }))
}

fn problems(vitals: &Vitals) -> Vec<String> {
    let mut problems = Vec::new();
    if *vitals.stopped.borrow() {
        problems.push("the server is stopping".to_owned());
    }
    if !meter::turns(&vitals.beat) {
        problems.push("the core does not turn".to_owned());
    }
    if vitals.meter.is_failing() {
        problems.push("the journal could not be written the last time".to_owned());
    }
    problems.extend(unwritable(&vitals.journal));
    problems
}

/// Why the journal could not be written now, as far as one sees without writing.
fn unwritable(journal: &Path) -> Option<String> {
    let directory = journal.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for place in [journal, directory] {
        if access(place, AccessFlags::W_OK).is_err() {
            return Some("the journal is not writable".to_owned());
        }
    }
    let left = statvfs(directory).ok().map(|at| at.blocks_available() * at.fragment_size());
    left.filter(|left| *left < ROOM).map(|_| "the journal's disk is full".to_owned())
}

#[cfg(test)]
mod tests;
