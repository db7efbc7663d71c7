//! The wall: one tile for each machine that is being made, what it does now, and what went wrong.
//!
//! [`Wall::of`] reads the board and decides nothing but what to show; [`Painter`] repaints it when the board has changed
//! and somebody looks, once for everybody.

mod live;
mod rate;

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;

pub use self::live::{Painter, events};
use self::rate::Rates;
use super::caller::Caller;
use super::{Manage, page};
use crate::boot::View;
use crate::fleet::board::{Board, Running};
use crate::machine::Order;
use crate::machine::stage::Stage;
use crate::time::Timestamp;

/// A finished machine stays on the wall for so long.
const FADES_AFTER: Duration = Duration::from_secs(10 * 60);

/// What there is to see.
#[derive(Template)]
#[template(path = "wall_tiles.html", config = "src/serve/manage/askama.toml")]
pub struct Wall {
    running: usize,
    done: usize,
    failed: usize,
    /// Bytes a second of all transfers together, for people.
    throughput: String,
    tiles: Vec<Tile>,
}

/// One machine.
struct Tile {
    id: u64,
    label: String,
    /// For the eye: `moving`, `good`, `bad`, `held`, `idle`; the word says the same.
    look: &'static str,
    mark: &'static str,
    word: &'static str,
    bar: Option<Bar>,
    sentence: String,
    /// When its stage began, for the browser to count from; seconds since the epoch.
    since: i64,
}

/// Bytes under way.
struct Bar {
    percent: u64,
    rate: String,
    left: String,
}

#[derive(Template)]
#[template(path = "wall.html", config = "src/serve/manage/askama.toml")]
struct WallPage {
    caller: Caller,
    here: &'static str,
    tiles: String,
}

/// `GET /`.
pub async fn show(State(manage): State<Arc<Manage>>, Extension(caller): Extension<Caller>) -> Response {
    page::show(&WallPage { caller, here: "/", tiles: manage.painter.paint(&manage.desk.library.board).to_string() })
}

impl Wall {
    /// The wall at `now`. Machines are in the order in which they were first seen, so that no tile jumps.
    fn of(board: &Board, rates: &mut Rates, now: Timestamp) -> Wall {
        rates.look(board.transfers(), now);
        let shown = |view: &&Arc<View>| {
            let machine = &view.machine;
            match machine.stage {
                Stage::Done => now.since(machine.stage_since) < FADES_AFTER,
                Stage::Waiting => machine.order == Order::Hold,
                _ => true,
            }
        };
        let mut views: Vec<&Arc<View>> = board.machines().filter(shown).collect();
        views.sort_by_key(|view| (view.machine.first_seen, view.machine.id));
        let count = |fits: fn(&Stage) -> bool| views.iter().filter(|view| fits(&view.machine.stage)).count();
        Wall {
            running: count(Stage::is_running),
            done: count(|stage| *stage == Stage::Done),
            failed: count(|stage| matches!(stage, Stage::Failed(_))),
            throughput: rate(rates.total()),
            tiles: views.iter().map(|view| tile(view, board, rates)).collect(),
        }
    }
}

fn tile(view: &View, board: &Board, rates: &Rates) -> Tile {
    let machine = &view.machine;
    let held = machine.order == Order::Hold;
    let (look, mark, word) = match machine.stage {
        Stage::Failed(_) => ("bad", "✗", "Failed"),
        _ if held => ("held", "‖", "Held"),
        Stage::Done => ("good", "✓", "Done"),
        Stage::Waiting => ("idle", "…", "Waiting"),
        Stage::Address => ("moving", "→", "Address"),
        Stage::Loader => ("moving", "→", "Loader"),
        Stage::Installer => ("moving", "→", "Installer"),
        Stage::Writing => ("moving", "→", "Writing"),
        Stage::Verifying => ("moving", "→", "Verifying"),
        Stage::FirstBoot => ("moving", "→", "First boot"),
    };
    // Several files may be under way; the largest is what it waits for.
    let largest = board.transfers().filter(|each| each.machine == Some(machine.id)).max_by_key(|each| each.size);
    // What the installer says is about the drive; what was sent is ahead of it.
    let told = board.progress(machine.id).filter(|told| told.total > 0).map(|told| {
        let left = told.eta_secs.map(left).unwrap_or_default();
        bar(told.bytes, told.total, rate(told.rate), left)
    });
    let sentence = match &machine.stage {
        Stage::Failed(cause) => cause.clone(),
        _ if held => "An operator holds it".to_owned(),
        _ => largest.map(|running| running.name.to_string()).unwrap_or_default(),
    };
    let moving = machine.stage.is_running() && !held;
    Tile {
        id: machine.id.0,
        label: view.label(),
        look,
        mark,
        word,
        bar: moving.then(|| told.or_else(|| largest.map(|running| sent(running, rates)))).flatten(),
        sentence,
        since: machine.stage_since.millis().div_euclid(1000),
    }
}

fn sent(running: &Running, rates: &Rates) -> Bar {
    let of_it = rates.of(running.transfer);
    let missing = running.size.saturating_sub(running.sent);
    let left = missing.checked_div(of_it).map(left).unwrap_or_default();
    bar(running.sent, running.size, rate(of_it), left)
}

fn bar(done: u64, all: u64, rate: String, left: String) -> Bar {
    let percent = u128::from(done) * 100 / u128::from(all.max(1));
    Bar { percent: u64::try_from(percent).unwrap_or(100).min(100), rate, left }
}

/// Bytes a second in MB/s, as the figure on a cable's plug would be counted.
fn rate(bytes: u64) -> String {
    match bytes {
        0 => String::new(),
        1..100_000 => format!("{} kB/s", bytes.div_ceil(1000)),
        _ => format!("{}.{} MB/s", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// A time to go, as one would say it.
fn left(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs} s left"),
        60..3600 => format!("{} min {} s left", secs / 60, secs % 60),
        _ => format!("{} h {} min left", secs / 3600, secs % 3600 / 60),
    }
}

#[cfg(test)]
mod tests;
