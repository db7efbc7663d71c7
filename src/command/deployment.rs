//! The commands that look at what was deployed: lists, one deployment, and everything a machine went through.

use std::process::ExitCode;

use serde_json::Value;

use super::ask::{cell, show, table};
use crate::cli::{Deployment, OneMachine};
use crate::serve::control::Request;

/// The columns of a list of deployments.
const COLUMNS: [&str; 7] = ["id", "started_at", "completed_at", "hostname", "status", "image", "error_message"];

/// `hatchery deployment …`
pub fn deployment(args: &Deployment) -> anyhow::Result<ExitCode> {
    match args {
        Deployment::List(args) => {
            let [product, venue] =
                [&args.product, &args.venue].map(|text| text.as_ref().map(|text| text.to_uppercase()));
            let (limit, offset) = (args.part.limit, args.part.offset);
            let (status, q) = (args.status.clone(), args.find.clone());
            show(&args.ask, &Request::Deployments { limit, offset, product, venue, status, q }, |page| {
                table(&page["items"], &COLUMNS, "nothing of that kind was deployed yet")
            })
        }
        Deployment::Show(one) => show(&one.ask, &Request::Deployment { id: one.id }, run),
    }
}

/// `hatchery machine history`
pub fn history(one: &OneMachine) -> anyhow::Result<ExitCode> {
    show(&one.ask, &Request::History { machine: one.machine.clone() }, |told| {
        let runs = table(&told["deployments"], &COLUMNS, "it was never installed");
        format!("{}\n\n{runs}\n{}", cell(told.get("machine")), stages(&told["stages"]))
    })
}

/// One deployment.
fn run(told: &Value) -> String {
    let at = |key: &str| cell(told.get(key));
    let mut text = format!("deployment {}: {}\n", at("id"), at("status"));
    let facts = ["hostname", "product_type", "venue_code", "image", "installer", "mac_address", "serial_number"];
    for key in facts.into_iter().chain(["ip_address", "started_at", "completed_at", "error_message"]) {
        if told[key].is_string() {
            text += &format!("  {key:<14} {}\n", at(key));
        }
    }
    format!("{text}\n{}\n{}", stages(&told["stages"]), lines(&told["lines"]))
}

/// A line for each stage: when it was entered, how long after the one before, which, why.
fn stages(all: &Value) -> String {
    let (mut text, mut before) = (String::new(), None);
    for stage in all.as_array().into_iter().flatten() {
        let millis = stage["at_millis"].as_i64().unwrap_or_default();
        let after = before.map_or_else(String::new, |before| format!("+{} ms", millis - before));
        let cause = stage["cause"].as_str().map_or_else(String::new, |cause| format!(": {cause}"));
        text += &format!("{}  {after:>12}  {}{cause}\n", cell(stage.get("at")), cell(stage.get("stage")));
        before = Some(millis);
    }
    text
}

/// What an installer wrote down, a line each.
pub(super) fn lines(all: &Value) -> String {
    let line = |line: &Value| {
        format!("{}  {:<7}  {}\n", cell(line.get("at")), cell(line.get("level")), cell(line.get("text")))
    };
    all.as_array().into_iter().flatten().map(line).collect()
}
