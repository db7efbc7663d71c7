//! The page of a machine: where it is, what it asked for and was given from its first packet to now, what it would get and
//! why, and what can be done with it.

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
use super::detail::{LogLine, Time, log_line, told};
use super::list::{bytes, look, utc};
use super::program::text;
use super::{Manage, page};
use crate::access::{Actor, Role};
use crate::clock;
use crate::ids::MachineId;
use crate::serve::control::{Desk, Reply, Request};

/// The routes.
pub fn routes(manage: &Arc<Manage>) -> Router<Arc<Manage>> {
    Router::new()
        .route("/machines/{machine}", get(show))
        .route("/machines/{machine}/file", get(file))
        .route_layer(from_fn_with_state(manage.clone(), caller::viewer))
}

/// A step of a machine's trail.
struct Step {
    time: Time,
    /// Since the step before.
    after: String,
    kind: String,
    look: &'static str,
    mark: &'static str,
    what: String,
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

/// What changes of the page while one looks; the same for everybody.
#[derive(Template)]
#[template(path = "machine_part.html", config = "src/serve/manage/askama.toml")]
struct Part {
    label: String,
    stage: String,
    look: &'static str,
    mark: &'static str,
    since: i64,
    heard: Option<i64>,
    failure: String,
    bar: Option<(u64, String)>,
    facts: Vec<(&'static str, String)>,
    gets: Vec<(&'static str, String)>,
    reasons: Vec<String>,
    /// Names of files that are rendered for it, and where they are shown.
    files: Vec<(String, String)>,
    forgotten: u64,
    steps: Vec<Step>,
    runs: Vec<Run>,
    lines: Vec<LogLine>,
}

#[derive(Template)]
#[template(path = "machine.html", config = "src/serve/manage/askama.toml")]
struct MachinePage<'a> {
    caller: &'a Caller,
    here: &'static str,
    id: String,
    label: String,
    hostname: Option<String>,
    held: bool,
    acting: bool,
    part: String,
}

/// Everything about a machine, as the desk tells it.
struct Told {
    explained: Value,
    trail: Value,
    history: Value,
    log: Value,
}

impl Told {
    /// What the desk tells; the refusal if there is no such machine.
    async fn of(desk: &Desk, by: &Actor, name: &str) -> Result<Told, Reply> {
        let machine = || name.to_owned();
        let ask = async |request| match desk.answer(by, request).await {
            Reply::Ok(value) => Ok(value),
            refused => Err(refused),
        };
        Ok(Told {
            explained: ask(Request::Explain { machine: machine() }).await?,
            trail: ask(Request::Trail { machine: machine() }).await?,
            history: ask(Request::History { machine: machine() }).await?,
            log: ask(Request::MachineLog { machine: machine() }).await?,
        })
    }

    fn part(&self) -> Part {
        let Told { explained, trail, history, log } = self;
        let machine = &explained["machine"];
        let stage = shown(&machine["stage"]);
        let held = machine["order"] == "hold";
        let (look, mark) = if held { look("hold") } else { look(&stage) };
        let id = shown(&machine["id"]);
        let hardware = &machine["hardware"];
        let facts = [
            ("Name", shown(&machine["hostname"])),
            ("Address", shown(&machine["address"])),
            ("MAC", shown(&machine["mac"])),
            ("Serial", shown(&machine["serial"])),
            ("Firmware", shown(&machine["firmware"])),
            ("Next boot", shown(&machine["order"])),
            ("First seen", utc(&shown(&machine["first_seen"]))),
            ("Model", shown(&hardware["model"])),
            ("Memory", hardware["ram_bytes"].as_u64().map(bytes).unwrap_or_default()),
            ("Drives", drives(&hardware["drives"])),
            ("Installer", shown(&hardware["version"])),
            ("Note", shown(&machine["notes"])),
        ];
        let boot = &explained["boot"];
        let gets = [
            ("Gets", shown(&boot["what"])),
            ("Profile", shown(&boot["profile"])),
            ("Boot file", shown(&boot["boot_file"])),
            ("Next server", shown(&boot["next_server"])),
            ("Tree", shown(&boot["tree"])),
            ("Image", shown(&explained["facts"]["image_url"])),
        ];
        let some = |all: Vec<(&'static str, String)>| all.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let files = boot["answers"].as_object().into_iter().flatten();
        let link = |name: &String| format!("/machines/{id}/file?name={}", page::escaped(name));
        Part {
            label: shown(&log["machine"]),
            stage: if held { "held".to_owned() } else { stage },
            look,
            mark,
            since: secs(&machine["stage_since"]).unwrap_or_default(),
            heard: secs(&trail["heard_at"]),
            failure: shown(&machine["failure"]),
            bar: bar(&machine["progress"]),
            facts: some(facts.to_vec()),
            gets: some(gets.to_vec()),
            reasons: rows(&explained["reasons"]).map(text).collect(),
            files: files.map(|(name, _)| (name.clone(), link(name))).collect(),
            forgotten: trail["forgotten"].as_u64().unwrap_or_default(),
            steps: rows(&trail["steps"]).rev().map(step).collect(),
            runs: rows(&history["deployments"]).map(run).collect(),
            lines: rows(&log["lines"]).map(log_line).collect(),
        }
    }
}

/// `GET /machines/M`: whatever names a machine will do.
async fn show(asker: Asker, Path(name): Path<String>) -> Response {
    let told = match Told::of(&asker.manage.desk, &asker.caller.name, &name).await {
        Ok(told) => told,
        Err(refused) => {
            let (status, sentence) = super::form::outcome(refused, "").err().unwrap_or_default();
            return page::refused(status, &sentence);
        }
    };
    let machine = &told.explained["machine"];
    let part = told.part();
    page::show(&MachinePage {
        caller: &asker.caller,
        here: "/machines",
        id: shown(&machine["id"]),
        hostname: machine["hostname"].as_str().map(page::escaped),
        held: machine["order"] == "hold",
        acting: asker.caller.role.may(Role::Operator),
        label: part.label.clone(),
        part: page::part(&part).unwrap_or_default(),
    })
}

/// What changes of the page, as it is now.
pub async fn paint(manage: &Manage, id: MachineId) -> Option<String> {
    match Told::of(&manage.desk, &Actor::configuration(), &id.0.to_string()).await {
        Ok(told) => page::part(&told.part()),
        Err(Reply::Error { code, .. }) if code == "not-found" => {
            Some("<p class=\"empty\">This machine was forgotten. <a href=\"/machines\">All machines</a></p>".to_owned())
        }
        Err(_) => None,
    }
}

fn rows(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn shown(value: &Value) -> String {
    if value.is_null() { String::new() } else { text(value) }
}

/// Seconds since the epoch of a time of the API.
fn secs(iso: &Value) -> Option<i64> {
    clock::parse_iso(iso.as_str()?).map(|time| time.millis().div_euclid(1000))
}

fn drives(value: &Value) -> String {
    let drive = |drive: &Value| {
        let size = drive["size"].as_u64().map(bytes).unwrap_or_default();
        format!("{} {} {size}", text(&drive["path"]), text(&drive["model"]))
    };
    rows(value).map(drive).collect::<Vec<_>>().join("; ")
}

/// How far its installer says to be: percent, and the sentence.
fn bar(progress: &Value) -> Option<(u64, String)> {
    let number = |key: &str| progress[key].as_u64().unwrap_or_default();
    let percent = (u128::from(number("bytes")) * 100).checked_div(u128::from(number("total")))?;
    let percent = u64::try_from(percent).unwrap_or(100).min(100);
    let rate = super::wall::rate(number("rate"));
    Some((percent, format!("{} {percent} % of {}, {rate}", text(&progress["stage"]), bytes(number("total")))))
}

fn step(value: &Value) -> Step {
    let kind = shown(&value["kind"]);
    let what = shown(&value["what"]);
    let (look, mark) = match kind.as_str() {
        "stage" => look(&what),
        "refused" => ("held", "!"),
        _ => ("", ""),
    };
    let number = |key: &str| value[key].as_u64().unwrap_or_default();
    let mut detail = vec![shown(&value["detail"])];
    match (number("sent"), number("size")) {
        (0, 0) => {}
        (sent, size) if sent >= size => detail.push(bytes(sent)),
        (sent, size) => detail.push(format!("{} of {}", bytes(sent), bytes(size))),
    }
    if number("times") > 1 {
        detail.push(format!("{} times", number("times")));
    }
    if number("lasted_ms") >= 10 {
        detail.push(format!("in {}", took(number("lasted_ms"))));
    }
    detail.retain(|part| !part.is_empty());
    Step {
        time: Time::of(&value["at"]),
        after: value["after_ms"].as_u64().map(|millis| format!("+{}", took(millis))).unwrap_or_default(),
        kind,
        look,
        mark,
        what,
        detail: detail.join(", "),
    }
}

/// A time that something took.
pub fn took(millis: u64) -> String {
    match millis {
        ..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", millis / 60_000, millis / 1000 % 60),
        _ => format!("{} h {} min", millis / 3_600_000, millis / 60_000 % 60),
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
        image: shown(&value["image"]),
        failure: shown(&value["error_message"]),
    }
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

#[cfg(test)]
mod tests;
