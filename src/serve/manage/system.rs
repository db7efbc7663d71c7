//! The system: which version runs since when and where it listens, how much room is left, and the last lines of its log.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use nix::sys::statvfs::statvfs;
use serde::Deserialize;

use super::caller::{self, Asker, Caller};
use super::list::bytes;
use super::{Manage, page};
use crate::access::Role;
use crate::clock;
use crate::serve::control::{Reply, Request};
use crate::serve::log::tail::{self, Level};
use crate::time::Instant;

/// So many log lines are shown.
const LINES: usize = 200;

/// The routes.
pub fn routes(manage: &Arc<Manage>) -> Router<Arc<Manage>> {
    let seen =
        Router::new().route("/system", get(show)).route_layer(from_fn_with_state(manage.clone(), caller::viewer));
    let done = Router::new()
        .route("/system/reload", post(reload))
        .route_layer(from_fn_with_state(manage.clone(), caller::operator));
    seen.merge(done)
}

#[derive(Template)]
#[template(path = "system.html", config = "src/serve/manage/askama.toml")]
struct SystemPage<'a> {
    caller: &'a Caller,
    here: &'static str,
    level: &'static str,
    levels: Vec<&'static str>,
    acting: bool,
    /// Why the configuration was not taken over.
    problems: Vec<String>,
    reloaded: bool,
    part: String,
}

/// What changes of it; the same for everybody.
#[derive(Template)]
#[template(path = "system_part.html", config = "src/serve/manage/askama.toml")]
struct Part {
    facts: Vec<(&'static str, String)>,
    services: Vec<(&'static str, String)>,
    disks: Vec<Disk>,
    level: &'static str,
    lines: Vec<Line>,
}

struct Disk {
    what: &'static str,
    path: String,
    free: String,
    total: String,
    percent: u64,
}

struct Line {
    at: String,
    level: &'static str,
    look: &'static str,
    text: String,
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    level: String,
    reloaded: Option<String>,
}

/// `GET /system`; `?level=warn` shows warnings and errors only.
async fn show(asker: Asker, Query(asked): Query<Asked>) -> Response {
    let level = Level::from_word(&asked.level).unwrap_or(Level::Info);
    page::show(&SystemPage { reloaded: asked.reloaded.is_some(), ..of(&asker, level) })
}

fn of(asker: &Asker, level: Level) -> SystemPage<'_> {
    SystemPage {
        caller: &asker.caller,
        here: "/system",
        level: level.word(),
        levels: Level::ALL.map(Level::word).to_vec(),
        acting: asker.caller.role.may(Role::Operator),
        problems: Vec::new(),
        reloaded: false,
        part: paint(&asker.manage, level).unwrap_or_default(),
    }
}

/// `POST /system/reload`
async fn reload(asker: Asker) -> Response {
    let problems = match asker.answer(Request::Reload).await {
        Reply::Ok(_) => return Redirect::to("/system?reloaded").into_response(),
        Reply::Error { sentence, .. } => vec![sentence],
        Reply::Problems(problems) => problems,
    };
    let page = SystemPage { problems, ..of(&asker, Level::Info) };
    (StatusCode::UNPROCESSABLE_ENTITY, page::show(&page)).into_response()
}

/// What changes of it, as it is now.
pub fn paint(manage: &Manage, level: Level) -> Option<String> {
    let desk = &manage.desk;
    let now = clock::now();
    let facts = [
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("Running for", lasted(now.instant.since(Instant::START).as_secs())),
        ("Time here", super::list::utc(&clock::iso(now.timestamp))),
        ("Journal", bytes(desk.records.size())),
    ];
    let journal = desk.records.path().to_path_buf();
    let disks = [("Journal", journal), ("Images", desk.images.clone())];
    let line = |line: tail::Line| Line {
        at: clock::iso(line.at),
        level: line.level.word(),
        look: match line.level {
            Level::Error => "bad",
            Level::Warn => "held",
            Level::Info | Level::Debug => "",
        },
        text: line.text,
    };
    page::part(&Part {
        facts: facts.to_vec(),
        services: manage.vitals.listening.clone(),
        disks: disks.iter().filter_map(|(what, path)| disk(what, path)).collect(),
        level: level.word(),
        lines: tail::lines(level, LINES).into_iter().map(line).collect(),
    })
}

fn disk(what: &'static str, path: &std::path::Path) -> Option<Disk> {
    let system = statvfs(path).ok()?;
    let block = system.fragment_size();
    let (total, free) = (system.blocks().saturating_mul(block), system.blocks_available().saturating_mul(block));
    let used = total.saturating_sub(free);
    let percent = (u128::from(used) * 100).checked_div(u128::from(total))?;
    let percent = u64::try_from(percent).unwrap_or(100);
    Some(Disk { what, path: path.display().to_string(), free: bytes(free), total: bytes(total), percent })
}

/// How long, to the minute once it is minutes.
fn lasted(secs: u64) -> String {
    match secs {
        0..60 => "less than a minute".to_owned(),
        60..3600 => format!("{} min", secs / 60),
        3600..86_400 => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
        86_400..172_800 => format!("1 day {} h", (secs - 86_400) / 3600),
        _ => format!("{} days {} h", secs / 86_400, secs % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests;
