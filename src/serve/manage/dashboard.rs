//! The dashboard: what is made now, what came of it today and lately, and what is left to give.

use askama::Template;
use axum::response::Response;
use serde_json::Value;

use super::caller::{Asker, Caller};
use super::chart::Chart;
use super::detail::Time;
use super::list::look;
use super::program::text;
use super::wall::{self, Tiles};
use super::{Manage, page};
use crate::access::Actor;
use crate::clock;
use crate::fleet::tally::{Ends, Tally};
use crate::serve::control::{Reply, Request};
use crate::serve::core;
use crate::time::Timestamp;

/// So many runs are listed.
const RUNS: u64 = 10;

const HOUR: i64 = 3_600_000;

#[derive(Template)]
#[template(path = "dashboard.html", config = "src/serve/manage/askama.toml")]
struct DashboardPage<'a> {
    caller: &'a Caller,
    here: &'static str,
    part: String,
}

/// What changes of it; the same for everybody.
#[derive(Template)]
#[template(path = "dashboard_part.html", config = "src/serve/manage/askama.toml")]
struct Part {
    running: usize,
    today: Ends,
    machines: usize,
    throughput: String,
    chart: Chart,
    tiles: Tiles,
    stock: Vec<Stock>,
    batches: Vec<Batch>,
    hours: Chart,
    days: Chart,
    runs: Vec<Run>,
}

/// The names of a product.
struct Stock {
    product: String,
    assigned: u64,
    available: u64,
    retired: u64,
}

/// A batch that gives names.
struct Batch {
    id: String,
    product: String,
    venue: String,
    named: u64,
    total: u64,
}

/// A run of a deployment.
struct Run {
    hostname: String,
    status: String,
    look: &'static str,
    mark: &'static str,
    began: Time,
    machine: Option<String>,
    failure: String,
}

/// `GET /dashboard`.
pub async fn show(asker: Asker) -> Response {
    let part = paint(&asker.manage).await.unwrap_or_default();
    page::show(&DashboardPage { caller: &asker.caller, here: "/dashboard", part })
}

/// What changes of it, as it is now.
pub async fn paint(manage: &Manage) -> Option<String> {
    let ask = async |request| match manage.desk.answer(&Actor::configuration(), request).await {
        Reply::Ok(value) => Some(value),
        Reply::Error { sentence, .. } => {
            tracing::warn!(sentence, "the dashboard lacks something");
            None
        }
        Reply::Problems(_) => None,
    };
    let venues = ask(Request::Venues).await?;
    let batches = ask(Request::ActiveBatches).await;
    let latest = Request::Deployments { limit: RUNS, offset: 0, product: None, venue: None, status: None, q: None };
    let runs = ask(latest).await?;
    let now = clock::now().timestamp;
    let part = {
        let board = core::read(&manage.desk.library.board);
        let mut rates = manage.painters.rates();
        rates.look(board.transfers(), now);
        let tiles = Tiles::running(&board, &rates, now);
        Part {
            running: tiles.len(),
            today: board.tally().today(now),
            machines: board.machines().count(),
            throughput: wall::rate(rates.total()),
            chart: wall::throughput(&board, now),
            tiles,
            stock: stock(&venues),
            batches: rows(&batches.unwrap_or_default()).map(batch).collect(),
            hours: ends(board.tally(), 1, 24, "hour", now),
            days: ends(board.tally(), 24, 14, "day", now),
            runs: rows(&runs["items"]).map(run).collect(),
        }
    };
    page::part(&part)
}

fn rows(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

/// The names of each product at all venues together.
fn stock(venues: &Value) -> Vec<Stock> {
    let mut stock: Vec<Stock> = Vec::new();
    for (product, count) in rows(venues).filter_map(|venue| venue["names"].as_object()).flatten() {
        let at = |key: &str| count[key].as_u64().unwrap_or_default();
        let known = stock.iter().position(|each| each.product == *product).unwrap_or_else(|| {
            stock.push(Stock { product: product.clone(), assigned: 0, available: 0, retired: 0 });
            stock.len() - 1
        });
        stock[known].assigned += at("assigned");
        stock[known].available += at("available");
        stock[known].retired += at("retired");
    }
    stock.sort_by(|a, b| a.product.cmp(&b.product));
    stock
}

fn batch(row: &Value) -> Batch {
    let count = |key: &str| row[key].as_u64().unwrap_or_default();
    Batch {
        id: text(&row["id"]),
        product: text(&row["product_type"]),
        venue: text(&row["venue_code"]),
        named: count("total_count").saturating_sub(count("remaining_count")),
        total: count("total_count"),
    }
}

fn run(row: &Value) -> Run {
    let status = text(&row["status"]);
    let (look, mark) = look(&status);
    let known = |key: &str| row[key].as_str().map(str::to_owned);
    Run {
        hostname: known("hostname").or(known("serial_number")).or(known("mac_address")).unwrap_or_default(),
        look,
        mark,
        status,
        began: Time::of(&row["started_at"]),
        machine: known("mac_address").map(|mac| page::escaped(&mac)),
        failure: known("error_message").unwrap_or_default(),
    }
}

/// Machines that were finished and that failed, by spans of so many hours.
fn ends(tally: &Tally, hours: i64, spans: i64, span: &str, now: Timestamp) -> Chart {
    let ends = tally.ends(hours, spans, now);
    let sum = |of: fn(&Ends) -> u64| ends.iter().map(of).sum::<u64>();
    let title = format!(
        "By the {span}, in UTC: {} done and {} failed in {spans} {span}s",
        sum(|each| each.done),
        sum(|each| each.failed)
    );
    let bars: Vec<_> = ends.iter().map(|each| vec![(each.done, "good"), (each.failed, "bad")]).collect();
    let titles: Vec<String> = (1 - spans..)
        .zip(&ends)
        .map(|(before, each)| {
            let begins = (now.millis().div_euclid(HOUR * hours) + before) * HOUR * hours;
            let begins = clock::iso(Timestamp::from_millis(begins));
            let shown = if hours == 24 { &begins[..10] } else { &begins[..16] };
            format!("{}: {} done, {} failed", shown.replace('T', " "), each.done, each.failed)
        })
        .collect();
    Chart::new(title, &bars, &titles)
}

#[cfg(test)]
mod tests;
