//! The pages of one thing: a machine with its story, a batch with its units, a venue with its names, a deployment with
//! its log.

mod batch;
mod deployment;
mod venue;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::Value;

use super::caller::{self, Asker, Caller};
use super::form::outcome;
use super::list::{bytes, look, utc};
use super::program::text;
use super::{Manage, page};
use crate::access::Role;
use crate::serve::control::Request;

/// The routes.
pub fn routes(manage: &Arc<Manage>) -> Router<Arc<Manage>> {
    Router::new()
        .route("/machines/{machine}", get(machine))
        .route("/machines/{machine}/file", get(file))
        .route("/batches/{id}", get(batch::show))
        .route("/venues/{code}", get(venue::show))
        .route("/deployments/{id}", get(deployment::show))
        .route_layer(from_fn_with_state(manage.clone(), caller::viewer))
}

/// What the desk says, or the page that says why not.
async fn told(asker: &Asker, request: Request) -> Result<Value, Response> {
    let reply = asker.answer(request).await;
    match reply {
        crate::serve::control::Reply::Ok(value) => Ok(value),
        refused => {
            let (status, sentence) = outcome(refused, "").err().unwrap_or_default();
            Err(page::refused(status, &sentence))
        }
    }
}

/// A time: as the API has it, and for people.
struct Time {
    iso: String,
    shown: String,
}

impl Time {
    fn of(value: &Value) -> Time {
        let iso = value.as_str().unwrap_or_default().to_owned();
        Time { shown: utc(&iso), iso }
    }
}

/// A step of a machine's story.
struct Step {
    at: Time,
    /// Since the step before.
    after: String,
    what: String,
    look: &'static str,
    mark: &'static str,
    detail: String,
}

struct Run {
    id: String,
    status: String,
    look: &'static str,
    mark: &'static str,
    began: Time,
    ended: Option<Time>,
    image: String,
    failure: String,
}

struct LogLine {
    at: Time,
    level: String,
    text: String,
}

#[derive(Template)]
#[template(path = "machine.html", config = "src/serve/manage/askama.toml")]
struct MachinePage<'a> {
    caller: &'a Caller,
    here: &'static str,
    id: String,
    label: String,
    stage: String,
    look: &'static str,
    mark: &'static str,
    since: Time,
    failure: String,
    progress: String,
    acting: bool,
    hostname: Option<String>,
    facts: Vec<(&'static str, String)>,
    gets: Vec<(&'static str, String)>,
    reasons: Vec<String>,
    /// Names of files that are rendered for it.
    files: Vec<(String, String)>,
    steps: Vec<Step>,
    runs: Vec<Run>,
    lines: Vec<LogLine>,
}

/// `GET /machines/M`: whatever names a machine will do.
async fn machine(asker: Asker, Path(name): Path<String>) -> Response {
    let found = async {
        let explained = told(&asker, Request::Explain { machine: name.clone() }).await?;
        let history = told(&asker, Request::History { machine: name.clone() }).await?;
        let log = told(&asker, Request::MachineLog { machine: name }).await?;
        Ok::<_, Response>((explained, history, log))
    };
    let (explained, history, log) = match found.await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let machine = &explained["machine"];
    let at = |value: &Value| if value.is_null() { String::new() } else { text(value) };
    let stage = at(&machine["stage"]);
    let held = machine["order"] == "hold";
    let (look_of, mark) = if held { look("hold") } else { look(&stage) };
    let id = at(&machine["id"]);
    let facts = [
        ("Address", at(&machine["address"])),
        ("MAC", at(&machine["mac"])),
        ("Serial", at(&machine["serial"])),
        ("Firmware", at(&machine["firmware"])),
        ("Next boot", at(&machine["order"])),
        ("First seen", utc(&at(&machine["first_seen"]))),
        ("Model", at(&machine["hardware"]["model"])),
        ("Memory", machine["hardware"]["ram_bytes"].as_u64().map(bytes).unwrap_or_default()),
        ("Drives", drives(&machine["hardware"]["drives"])),
        ("Installer", at(&machine["hardware"]["version"])),
    ];
    let boot = &explained["boot"];
    let gets = [
        ("Gets", at(&boot["what"])),
        ("Profile", at(&boot["profile"])),
        ("Boot file", at(&boot["boot_file"])),
        ("Next server", at(&boot["next_server"])),
        ("Tree", at(&boot["tree"])),
        ("Image", at(&explained["facts"]["image_url"])),
    ];
    let some = |all: Vec<(&'static str, String)>| all.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let files = boot["answers"].as_object().into_iter().flatten();
    let link = |name: &String| format!("/machines/{id}/file?name={}", page::escaped(name));
    page::show(&MachinePage {
        caller: &asker.caller,
        here: "/machines",
        label: at(&log["machine"]),
        stage: if held { "held".to_owned() } else { stage },
        look: look_of,
        mark,
        since: Time::of(&machine["stage_since"]),
        failure: at(&machine["failure"]),
        progress: progress(&machine["progress"]),
        acting: asker.caller.role.may(Role::Operator),
        hostname: machine["hostname"].as_str().map(page::escaped),
        facts: some(facts.to_vec()),
        gets: some(gets.to_vec()),
        reasons: explained["reasons"].as_array().into_iter().flatten().map(text).collect(),
        files: files.map(|(name, _)| (name.clone(), link(name))).collect(),
        steps: steps(&history["stages"]),
        runs: history["deployments"].as_array().into_iter().flatten().map(run).collect(),
        lines: log["lines"].as_array().into_iter().flatten().map(log_line).collect(),
        id,
    })
}

fn drives(value: &Value) -> String {
    let drive = |drive: &Value| {
        let size = drive["size"].as_u64().map(bytes).unwrap_or_default();
        format!("{} {} {size}", text(&drive["path"]), text(&drive["model"]))
    };
    value.as_array().into_iter().flatten().map(drive).collect::<Vec<_>>().join("; ")
}

fn progress(value: &Value) -> String {
    let number = |key: &str| value[key].as_u64().unwrap_or_default();
    if value.is_null() || number("total") == 0 {
        return String::new();
    }
    let percent = u128::from(number("bytes")) * 100 / u128::from(number("total"));
    let rate = number("rate") / 1_000_000;
    format!("{} {percent} % of {}, {rate} MB/s", text(&value["stage"]), bytes(number("total")))
}

/// The latest first, with the time that each took to come after the one before it.
fn steps(stages: &Value) -> Vec<Step> {
    let stages: Vec<&Value> = stages.as_array().into_iter().flatten().collect();
    let millis = |value: &Value| value["at_millis"].as_i64().unwrap_or_default();
    let mut steps: Vec<Step> = Vec::with_capacity(stages.len());
    for (index, stage) in stages.iter().enumerate() {
        let word = text(&stage["stage"]);
        let (look, mark) = look(&word);
        let after = index.checked_sub(1).map(|before| took(millis(stage) - millis(stages[before]))).unwrap_or_default();
        let detail = stage["cause"].as_str().unwrap_or_default().to_owned();
        steps.push(Step { at: Time::of(&stage["at"]), after, what: word, look, mark, detail });
    }
    steps.reverse();
    steps
}

/// A time that something took.
fn took(millis: i64) -> String {
    match millis {
        ..1000 => format!("+{} ms", millis.max(0)),
        1000..60_000 => format!("+{}.{} s", millis / 1000, millis % 1000 / 100),
        60_000..3_600_000 => format!("+{} min {} s", millis / 60_000, millis / 1000 % 60),
        _ => format!("+{} h {} min", millis / 3_600_000, millis / 60_000 % 60),
    }
}

fn run(value: &Value) -> Run {
    let status = text(&value["status"]);
    let (look, mark) = look(&status);
    Run {
        id: text(&value["id"]),
        look,
        mark,
        status,
        began: Time::of(&value["started_at"]),
        ended: value["completed_at"].is_string().then(|| Time::of(&value["completed_at"])),
        image: value["image"].as_str().unwrap_or_default().to_owned(),
        failure: value["error_message"].as_str().unwrap_or_default().to_owned(),
    }
}

fn log_line(value: &Value) -> LogLine {
    LogLine { at: Time::of(&value["at"]), level: text(&value["level"]), text: text(&value["text"]) }
}

#[derive(Debug, Deserialize)]
struct WhichFile {
    name: String,
}

#[derive(Template)]
#[template(path = "file.html", config = "src/serve/manage/askama.toml")]
struct FilePage<'a> {
    caller: &'a Caller,
    here: &'static str,
    name: String,
    machine: String,
    text: String,
}

/// `GET /machines/M/file?name=…`: a file exactly as the machine would get it now. It may hold secrets of answer files.
async fn file(asker: Asker, Path(machine): Path<String>, Query(WhichFile { name }): Query<WhichFile>) -> Response {
    if !asker.caller.role.may(Role::Operator) {
        return page::refused(StatusCode::FORBIDDEN, "Rendered files may hold secrets: this takes the role operator");
    }
    match told(&asker, Request::Render { machine: machine.clone(), name: name.clone() }).await {
        Ok(rendered) => {
            page::show(&FilePage { caller: &asker.caller, here: "/machines", name, machine, text: text(&rendered) })
        }
        Err(response) => response,
    }
}
