//! `/reports`: what was deployed in a period, as plots with a table under each, and as CSV and JSON.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::civil::Date;
use serde_json::Value;

use super::caller::{self, Asker, Caller};
use super::plot::{self, Days, Plot, WIDTH};
use super::{Manage, page, program, v1};
use crate::serve::control::{Reply, Request};
use crate::serve::report::{Asked, csv, duration};

/// The routes.
pub fn routes(manage: &Arc<Manage>) -> Router<Arc<Manage>> {
    Router::new()
        .route("/reports", get(show))
        .route("/reports.csv", get(export))
        .route("/reports.json", get(export))
        .route_layer(from_fn_with_state(manage.clone(), caller::viewer))
}

#[derive(Template)]
#[template(path = "reports.html", config = "src/serve/manage/askama.toml")]
struct Reports {
    caller: Caller,
    here: &'static str,
    asked: Asked,
    wrong: String,
    period: String,
    query: String,
    figures: Vec<(&'static str, String)>,
    plots: Vec<Plot>,
    stages: Vec<Plot>,
    width: f64,
}

async fn show(asker: Asker, uri: Uri) -> Response {
    let asked = match v1::asked(&uri) {
        Ok(asked) => asked,
        Err(refusal) => return page::refused(StatusCode::BAD_REQUEST, &refusal.to_string()),
    };
    let reply = asker.answer(Request::Report(asked.clone())).await;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let caller = asker.caller;
    let mut reports = Reports {
        caller,
        here: "/reports",
        asked,
        wrong: String::new(),
        period: String::new(),
        query,
        figures: Vec::new(),
        plots: Vec::new(),
        stages: Vec::new(),
        width: WIDTH,
    };
    let code = match reply {
        Reply::Ok(report) => {
            reports.fill(&report);
            StatusCode::OK
        }
        Reply::Error { code, sentence } => {
            reports.wrong = sentence;
            program::status(&code)
        }
        Reply::Problems(problems) => {
            reports.wrong = problems.join("\n");
            StatusCode::UNPROCESSABLE_ENTITY
        }
    };
    (code, page::show(&reports)).into_response()
}

async fn export(asker: Asker, uri: Uri) -> Response {
    let asked = match v1::asked(&uri) {
        Ok(asked) => asked,
        Err(refusal) => return page::refused(StatusCode::BAD_REQUEST, &refusal.to_string()),
    };
    let (kind, name, text) = match asker.answer(Request::Report(asked)).await {
        Reply::Ok(report) if uri.path().ends_with(".csv") => ("text/csv; charset=utf-8", "report.csv", csv(&report)),
        Reply::Ok(report) => ("application/json", "report.json", format!("{report}\n")),
        other => return program::answer(StatusCode::OK, other),
    };
    let attached = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, attached)], text).into_response()
}

impl Reports {
    fn fill(&mut self, report: &Value) {
        let total = &report["total"];
        let (from, to) = (day_of(&report["period"]["from"], 0), day_of(&report["period"]["to"], -1));
        self.period = format!("{from} to {to}");
        self.asked.from.get_or_insert_with(|| from.to_string());
        self.asked.to.get_or_insert_with(|| to.to_string());
        if total["started"] == 0 {
            return;
        }
        self.figures = vec![
            ("began", number(&total["started"])),
            ("ended well", number(&total["successful"])),
            ("failed", number(&total["failed"])),
            ("still running", number(&total["running"])),
            ("success", per_cent(&total["success_rate"])),
            ("median", time(&total["median_secs"])),
            ("95th percentile", time(&total["p95_secs"])),
        ];
        let days = Days { first: from.to_string(), last: to.to_string(), count: (between(from, to) + 1).max(1) };
        let index = |row: &Value| between(from, day_of(&row["day"], 0));
        self.plots =
            vec![ends(report, &days, &index), times("How long a deployment took", &report["days"], &days, &index)];
        for (list, key, title) in [
            ("products", "product_type", "By product"),
            ("venues", "venue_code", "By venue"),
            ("images", "image", "By image"),
        ] {
            self.plots.push(groups(&report[list], key, title));
        }
        if rows(&report["failures"]).next().is_some() {
            self.plots.push(failures(report));
        }
        for stage in rows(&report["stages"]) {
            let word = stage["stage"].as_str().unwrap_or_default();
            let title = format!(
                "Stage {word}: median {}, 95th percentile {}",
                time(&stage["median_secs"]),
                time(&stage["p95_secs"])
            );
            self.stages.push(times(&title, &stage["days"], &days, &index));
        }
    }
}

fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn number(value: &Value) -> String {
    if value.is_null() { "–".to_owned() } else { value.to_string() }
}

fn per_cent(rate: &Value) -> String {
    rate.as_f64().map_or_else(|| "–".to_owned(), |rate| format!("{:.1} %", rate * 100.0))
}

fn time(secs: &Value) -> String {
    secs.as_f64().map_or_else(|| "–".to_owned(), duration)
}

/// The day of a time, or the one before if the time is a midnight and `before` is -1: a period ends before its end.
fn day_of(value: &Value, before: i64) -> Date {
    let text = value.as_str().unwrap_or_default();
    let day: Date = text.get(..10).and_then(|day| day.parse().ok()).unwrap_or_default();
    let is_midnight = text.get(10..).is_some_and(|rest| rest.starts_with("T00:00:00"));
    if before < 0 && is_midnight { day.yesterday().unwrap_or(day) } else { day }
}

fn between(from: Date, to: Date) -> usize {
    let days = from.duration_until(to).as_hours() / 24;
    usize::try_from(days).unwrap_or(0)
}

fn ends(report: &Value, days: &Days, index: &impl Fn(&Value) -> usize) -> Plot {
    let counts = |row: &Value| ["successful", "failed", "running"].map(|key| row[key].as_u64().unwrap_or(0)).to_vec();
    let values: Vec<(usize, Vec<u64>)> = rows(&report["days"]).map(|row| (index(row), counts(row))).collect();
    let row = |row: &Value| {
        let numbers = ["successful", "failed", "running"].map(|key| number(&row[key]));
        let day = row["day"].as_str().unwrap_or_default().to_owned();
        [vec![day], numbers.to_vec(), vec![per_cent(&row["success_rate"])]].concat()
    };
    Plot {
        title: "Deployments by day".into(),
        summary: format!("Deployments on {} days, from {} to {}", values.len(), days.first, days.last),
        legend: vec![("good", "ended well"), ("bad", "failed"), ("moving", "still running")],
        heads: vec!["Day", "Ended well", "Failed", "Still running", "Success"],
        rows: rows(&report["days"]).map(row).collect(),
        ..plot::stacked(days, &values, &["good", "bad", "moving"])
    }
}

fn times(title: &str, list: &Value, days: &Days, index: &impl Fn(&Value) -> usize) -> Plot {
    let of = |key: &str| -> Vec<(usize, f64)> {
        rows(list).filter_map(|row| Some((index(row), row[key].as_f64()?))).collect()
    };
    let row = |row: &Value| {
        let count = if row["successful"].is_null() { &row["count"] } else { &row["successful"] };
        let day = row["day"].as_str().unwrap_or_default().to_owned();
        vec![day, number(count), time(&row["median_secs"]), time(&row["p95_secs"])]
    };
    Plot {
        title: title.to_owned(),
        summary: format!("Median and 95th percentile by day, from {} to {}", days.first, days.last),
        legend: vec![("median", "median (round marks)"), ("p95", "95th percentile (dashed)")],
        heads: vec!["Day", "Ended well", "Median", "95th percentile"],
        rows: rows(list).map(row).collect(),
        ..plot::lines(days, &[("median", of("median_secs")), ("p95", of("p95_secs"))], duration)
    }
}

fn groups(list: &Value, key: &str, title: &str) -> Plot {
    let name = |row: &Value| row[key].as_str().unwrap_or("none").to_owned();
    let count = |row: &Value| row["started"].as_u64().unwrap_or(0);
    let bars: Vec<(String, f64, String)> = rows(list)
        .take(12)
        .map(|row| (name(row), count(row) as f64, format!("{} ({})", count(row), per_cent(&row["success_rate"]))))
        .collect();
    let row = |row: &Value| {
        let numbers = ["started", "successful", "failed", "running"].map(|key| number(&row[key]));
        let measured = vec![per_cent(&row["success_rate"]), time(&row["median_secs"]), time(&row["p95_secs"])];
        [vec![name(row)], numbers.to_vec(), measured].concat()
    };
    Plot {
        title: title.to_owned(),
        summary: "How many began, and which part of those that ended did so well".into(),
        heads: vec!["", "Began", "Ended well", "Failed", "Still running", "Success", "Median", "95th percentile"],
        rows: rows(list).map(row).collect(),
        ..plot::named(&bars, "plain")
    }
}

fn failures(report: &Value) -> Plot {
    let cause = |row: &Value| row["cause"].as_str().unwrap_or_default().to_owned();
    let count = |row: &Value| row["count"].as_u64().unwrap_or(0);
    let bars: Vec<(String, f64, String)> =
        rows(&report["failures"]).take(12).map(|row| (cause(row), count(row) as f64, count(row).to_string())).collect();
    let row = |row: &Value| {
        let last = row["last_at"].as_str().unwrap_or_default().replace('T', " ");
        vec![cause(row), count(row).to_string(), last]
    };
    let mut all: Vec<Vec<String>> = rows(&report["failures"]).map(row).collect();
    if report["other_failures"].as_u64().is_some_and(|count| count > 0) {
        all.push(vec!["others".into(), number(&report["other_failures"]), String::new()]);
    }
    Plot {
        title: "Why deployments failed".into(),
        summary: "The most common causes; those that differ in numbers only are one".into(),
        heads: vec!["Cause", "How often", "Last"],
        rows: all,
        ..plot::named(&bars, "bad")
    }
}
