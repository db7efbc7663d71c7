//! The wall: one tile for each machine that is being made, what it does now, what went wrong, and what to do about it.
//!
//! Reads the board and decides nothing but what to show.

mod remedy;

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;

use self::remedy::{Remedy, remedy};
use super::caller::Caller;
use super::chart::Chart;
use super::live::Rates;
use super::{Manage, page};
use crate::boot::View;
use crate::clock;
use crate::fleet::board::{Board, Running};
use crate::fleet::tally::{Ends, SLOT};
use crate::machine::Order;
use crate::machine::stage::Stage;
use crate::serve::core;
use crate::serve::preflight::{Finding, Level};
use crate::time::Timestamp;

/// A finished machine has a tile for so long, and a line in the history below for a day.
const FADES_AFTER: Duration = Duration::from_secs(10 * 60);
const GONE_AFTER: Duration = Duration::from_secs(24 * 3600);

/// So many finished machines are in the history.
const HISTORY_MAX: usize = 24;

/// What there is to see.
#[derive(Template)]
#[template(path = "wall_tiles.html", config = "src/serve/manage/askama.toml")]
struct Wall {
    running: usize,
    today: Ends,
    /// Bytes a second of all transfers together, for people.
    throughput: String,
    chart: Chart,
    findings: Vec<Finding>,
    tiles: Tiles,
    history: Vec<Finished>,
}

/// Tiles of machines, in the order in which they were first seen.
#[derive(Template)]
#[template(path = "tiles.html", config = "src/serve/manage/askama.toml")]
pub struct Tiles(Vec<Tile>);

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
    next: Option<Remedy>,
    /// When it last gave a sign of life, for the browser to count from; seconds since the epoch.
    heard: i64,
}

/// Bytes under way.
struct Bar {
    percent: u64,
    rate: String,
    left: String,
}

/// A machine that was finished a while ago.
struct Finished {
    id: u64,
    label: String,
    at: String,
}

#[derive(Template)]
#[template(path = "wall.html", config = "src/serve/manage/askama.toml")]
struct WallPage {
    caller: Caller,
    here: &'static str,
    tiles: String,
    /// For a monitor on the wall: nothing but the tiles.
    screen: bool,
}

/// `GET /`; with `?screen`, for a monitor.
pub async fn show(
    State(manage): State<Arc<Manage>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    let screen = query.is_some_and(|query| query.split('&').any(|part| part == "screen" || part == "screen="));
    page::show(&WallPage { caller, here: "/", tiles: paint(&manage).unwrap_or_default(), screen })
}

/// The tiles as they are now.
pub fn paint(manage: &Manage) -> Option<String> {
    let findings = manage.desk.doctor.last();
    let wall = {
        let board = core::read(&manage.desk.library.board);
        Wall::of(&board, &mut manage.painters.rates(), findings, clock::now().timestamp)
    };
    page::part(&wall)
}

impl Wall {
    /// The wall at `now`. Machines are in the order in which they were first seen, so that no tile jumps.
    fn of(board: &Board, rates: &mut Rates, findings: Vec<Finding>, now: Timestamp) -> Wall {
        rates.look(board.transfers(), now);
        let shown = |view: &&Arc<View>| {
            let machine = &view.machine;
            match machine.stage {
                Stage::Done => now.since(machine.stage_since) < FADES_AFTER,
                Stage::Waiting => machine.order == Order::Hold,
                _ => true,
            }
        };
        let faded = |view: &&Arc<View>| {
            let age = now.since(view.machine.stage_since);
            view.machine.stage == Stage::Done && age >= FADES_AFTER && age < GONE_AFTER
        };
        let views: Vec<&Arc<View>> = board.machines().filter(shown).collect();
        let mut history: Vec<&Arc<View>> = board.machines().filter(faded).collect();
        history.sort_by_key(|view| std::cmp::Reverse((view.machine.stage_since, view.machine.id)));
        Wall {
            running: views.iter().filter(|view| view.machine.stage.is_running()).count(),
            today: board.tally().today(now),
            throughput: rate(rates.total()),
            chart: throughput(board, now),
            findings: findings.into_iter().filter(|finding| finding.level == Level::Red).collect(),
            tiles: Tiles::of(views, board, rates, now),
            history: history.into_iter().take(HISTORY_MAX).map(|view| finished(view)).collect(),
        }
    }
}

impl Tiles {
    /// Of the machines that are being made.
    pub fn running(board: &Board, rates: &Rates, now: Timestamp) -> Tiles {
        Tiles::of(board.machines().filter(|view| view.machine.stage.is_running()).collect(), board, rates, now)
    }

    /// No tile jumps while one looks.
    fn of(mut views: Vec<&Arc<View>>, board: &Board, rates: &Rates, now: Timestamp) -> Tiles {
        views.sort_by_key(|view| (view.machine.first_seen, view.machine.id));
        Tiles(views.into_iter().map(|view| tile(view, board, rates, now)).collect())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What was sent in the last ten minutes.
pub fn throughput(board: &Board, now: Timestamp) -> Chart {
    let sent = board.tally().sent(now);
    let most = sent.iter().max().copied().unwrap_or_default() * 1000 / SLOT.unsigned_abs();
    let most = if most == 0 { "nothing was sent".to_owned() } else { format!("at most {}", rate(most)) };
    let bars: Vec<_> = sent.into_iter().map(|bytes| vec![(bytes, "")]).collect();
    Chart::new(format!("Throughput of the last 10 minutes: {most}"), &bars, &[])
}

fn finished(view: &View) -> Finished {
    Finished { id: view.machine.id.0, label: view.label(), at: clock::iso(view.machine.stage_since) }
}

fn tile(view: &View, board: &Board, rates: &Rates, now: Timestamp) -> Tile {
    let machine = &view.machine;
    let held = machine.order == Order::Hold;
    let (mut look, mut mark, word) = match machine.stage {
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
    let moving = machine.stage.is_running() && !held;
    let heard = board.trail(machine.id).and_then(|trail| trail.heard()).unwrap_or(machine.stage_since);
    let next = remedy(view, board, now.since(heard));
    if moving && next.is_some() {
        (look, mark) = ("held", "!");
    }
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
    Tile {
        id: machine.id.0,
        label: view.label(),
        look,
        mark,
        word,
        bar: moving.then(|| told.or_else(|| largest.map(|running| sent(running, rates)))).flatten(),
        sentence,
        next,
        heard: heard.millis().div_euclid(1000),
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
pub fn rate(bytes: u64) -> String {
    match bytes {
        0 => String::new(),
        1..100_000 => format!("{} kB/s", bytes.div_ceil(1000)),
        100_000..100_000_000 => format!("{}.{} MB/s", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
        _ => format!("{} MB/s", bytes / 1_000_000),
    }
}

/// A time to go, as one would say it.
fn left(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs} s left"),
        60..3600 => format!("{} min left", secs.div_ceil(60)),
        _ => format!("{} h {} min left", secs / 3600, secs % 3600 / 60),
    }
}

#[cfg(test)]
mod tests;
