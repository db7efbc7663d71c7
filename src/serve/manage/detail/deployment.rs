//! A deployment: how it went stage by stage, and what its installer wrote down.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::{LogLine, Time, log_line, told};
use crate::serve::control::Request;
use crate::serve::manage::caller::{Asker, Caller};
use crate::serve::manage::list::look;
use crate::serve::manage::machine::took;
use crate::serve::manage::page;
use crate::serve::manage::program::text;

/// A stage that the machine entered.
struct Step {
    at: Time,
    /// Since the stage before.
    after: String,
    what: String,
    look: &'static str,
    mark: &'static str,
    detail: String,
}

#[derive(Template)]
#[template(path = "deployment.html", config = "src/serve/manage/askama.toml")]
struct DeploymentPage<'a> {
    caller: &'a Caller,
    here: &'static str,
    id: String,
    status: String,
    look: &'static str,
    mark: &'static str,
    failure: String,
    began: Time,
    ended: Option<Time>,
    facts: Vec<(&'static str, String)>,
    /// Whether the machine is still known, and which it is.
    machine: Option<String>,
    steps: Vec<Step>,
    lines: Vec<LogLine>,
}

/// `GET /deployments/N`.
pub async fn show(asker: Asker, Path(id): Path<String>) -> Response {
    let Ok(number) = id.parse() else { return page::refused(StatusCode::NOT_FOUND, "There is no such deployment") };
    let run = match told(&asker, Request::Deployment { id: number }).await {
        Ok(run) => run,
        Err(response) => return response,
    };
    let at = |key: &str| run[key].as_str().unwrap_or_default().to_owned();
    let known = run["mac_address"].is_string() || run["serial_number"].is_string();
    let facts = [
        ("Name", at("hostname")),
        ("Product", at("product_type")),
        ("Venue", at("venue_code")),
        ("Image", at("image")),
        ("Installer", at("installer")),
        ("Address", at("ip_address")),
        ("MAC", at("mac_address")),
        ("Serial", at("serial_number")),
    ];
    let status = at("status");
    let (look, mark) = look(&status);
    page::show(&DeploymentPage {
        caller: &asker.caller,
        here: "/deployments",
        look,
        mark,
        status,
        failure: at("error_message"),
        began: Time::of(&run["started_at"]),
        ended: run["completed_at"].is_string().then(|| Time::of(&run["completed_at"])),
        facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        machine: known.then(|| text(&run["machine"])),
        steps: steps(&run["stages"]),
        lines: run["lines"].as_array().into_iter().flatten().map(log_line).collect(),
        id,
    })
}

/// In their order, with the time that each took to come after the one before it.
fn steps(stages: &Value) -> Vec<Step> {
    let millis = |stage: &Value| stage["at_millis"].as_i64().unwrap_or_default();
    let mut steps: Vec<Step> = Vec::new();
    let mut before = None;
    for stage in stages.as_array().into_iter().flatten() {
        let word = text(&stage["stage"]);
        let (look, mark) = look(&word);
        let since = before.map(|before| u64::try_from(millis(stage) - before).unwrap_or_default());
        let detail = stage["cause"].as_str().unwrap_or_default().to_owned();
        let after = since.map(took).unwrap_or_default();
        steps.push(Step { at: Time::of(&stage["at"]), after, what: word, look, mark, detail });
        before = Some(millis(stage));
    }
    steps
}
