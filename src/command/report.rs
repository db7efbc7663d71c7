//! `hatchery report`: what was deployed in a period, in numbers.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::ask::{cell, reply, show, table};
use super::print;
use crate::cli;
use crate::serve::control::Request;
use crate::serve::report::{Asked, csv};

/// Asks the server, and prints tables, CSV or JSON.
pub fn run(args: &cli::Report) -> anyhow::Result<ExitCode> {
    let cli::Report { ask, from, to, product, venue, image, csv: as_csv } = args;
    let (from, to, product) = (from.clone(), to.clone(), product.clone());
    let request = Request::Report(Asked { from, to, product, venue: venue.clone(), image: image.clone() });
    if !as_csv {
        return show(ask, &request, words);
    }
    match reply(ask, &request)? {
        Ok(value) => print(&csv(&value))?,
        Err(code) => return Ok(code),
    }
    Ok(ExitCode::SUCCESS)
}

fn words(report: &Value) -> String {
    let at = |path: &str| cell(report.pointer(path));
    let mut text = format!("{} to {}\n\n", at("/period/from"), at("/period/to"));
    if report["total"]["started"] == 0 {
        return text + "nothing was deployed then\n";
    }
    let numbers = ["started", "successful", "failed", "running", "success", "median", "p95"];
    let parts = [
        ("all", json!([report["total"]])),
        ("day", report["days"].clone()),
        ("product_type", report["products"].clone()),
        ("venue_code", report["venues"].clone()),
        ("image", report["images"].clone()),
    ];
    for (key, rows) in parts {
        text += &table(&spelled(&rows), &[&[key], &numbers[..]].concat(), "");
        text.push('\n');
    }
    text += "How long the stages took in deployments that ended well:\n";
    text += &table(&spelled(&report["stages"]), &["stage", "count", "median", "p95"], "");
    if report["failures"].as_array().is_some_and(|all| !all.is_empty()) {
        text += "\nWhy deployments failed:\n";
        text += &table(&report["failures"], &["count", "last_at", "cause"], "");
    }
    text + "\nDays are those of UTC. Percentiles are by the nearest rank: each is a time that was measured.\n"
}

/// The rows with rates and durations as people read them.
fn spelled(rows: &Value) -> Value {
    let mut rows = rows.clone();
    for row in rows.as_array_mut().into_iter().flatten() {
        row["success"] = json!(row["success_rate"].as_f64().map(|rate| format!("{:.1} %", rate * 100.0)));
        for (key, from) in [("median", "median_secs"), ("p95", "p95_secs")] {
            row[key] = json!(row[from].as_f64().map(crate::serve::report::duration));
        }
    }
    rows
}
