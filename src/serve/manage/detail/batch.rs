//! A batch: how far it is, who is next, and its units.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::{Time, told};
use crate::access::Role;
use crate::serve::control::Request;
use crate::serve::manage::caller::{Asker, Caller};
use crate::serve::manage::list::{in_words, look, shares};
use crate::serve::manage::page;
use crate::serve::manage::program::text;
use crate::serve::manage::room::units;

/// A page shows at most so many units; the list of names has them all.
const UNITS_MAX: usize = 200;

struct Unit {
    hostname: String,
    machine: Option<String>,
    serial: String,
    stage: String,
    look: &'static str,
    mark: &'static str,
    since: Option<Time>,
    failure: String,
}

#[derive(Template)]
#[template(path = "batch.html", config = "src/serve/manage/askama.toml")]
struct BatchPage<'a> {
    caller: &'a Caller,
    here: &'static str,
    said: Option<String>,
    id: String,
    status: String,
    look: &'static str,
    mark: &'static str,
    product: String,
    venue: String,
    priority: String,
    parts: [u64; 3],
    progress: String,
    total: u64,
    times: Vec<(&'static str, Time)>,
    /// The names that the next machines get.
    next: Vec<String>,
    units: Vec<Unit>,
    /// Units that are not shown.
    more: usize,
    acting: bool,
}

/// `GET /batches/N`.
pub async fn show(asker: Asker, Path(id): Path<String>) -> Response {
    let Ok(number) = id.parse::<u64>() else { return page::refused(StatusCode::NOT_FOUND, "There is no such batch") };
    let found = async {
        let batch = told(&asker, Request::Batch { id: number }).await?;
        let [product, venue] = ["product_type", "venue_code"].map(|key| batch[key].as_str().map(str::to_owned));
        let names = told(&asker, Request::Names { product, venue, state: None }).await?;
        let machines = told(&asker, Request::Machines).await?;
        Ok::<_, Response>((batch, names, machines))
    };
    let (batch, names, machines) = match found.await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let names: Vec<&Value> = names.as_array().into_iter().flatten().collect();
    let machines: Vec<&Value> = machines.as_array().into_iter().flatten().collect();
    let status = text(&batch["status"]);
    let open = !matches!(status.as_str(), "completed" | "cancelled");
    let left = batch["remaining_count"].as_u64().unwrap_or_default();
    let free = names.iter().filter(|name| open && name["status"] == "available");
    let next = free.take(usize::try_from(left.min(5)).unwrap_or(5)).map(|name| text(&name["hostname"])).collect();
    let of_batch: Vec<&&Value> = names.iter().filter(|name| name["batch"].as_u64() == Some(number)).collect();
    let unit = |name: &&&Value| unit(name, machines.iter().find(|machine| machine["hostname"] == name["hostname"]));
    let (look, mark) = look(&status);
    let times = [("Ordered", "created_at"), ("Started", "started_at"), ("Ended", "completed_at")];
    let times = times.into_iter().filter(|(_, key)| batch[key].is_string());
    page::show(&BatchPage {
        caller: &asker.caller,
        here: "/batches",
        said: asker.manage.said.take(&asker.caller),
        look,
        mark,
        product: text(&batch["product_type"]),
        venue: text(&batch["venue_code"]),
        priority: text(&batch["priority"]),
        parts: shares(units(&batch)),
        progress: in_words(units(&batch)),
        total: batch["total_count"].as_u64().unwrap_or_default(),
        times: times.map(|(label, key)| (label, Time::of(&batch[key]))).collect(),
        next,
        units: of_batch.iter().take(UNITS_MAX).map(unit).collect(),
        more: of_batch.len().saturating_sub(UNITS_MAX),
        acting: asker.caller.role.may(Role::Operator) && open,
        status,
        id,
    })
}

/// A name of the batch, and what became of the machine that has it.
fn unit(name: &Value, machine: Option<&&Value>) -> Unit {
    let stage = machine.map_or_else(|| text(&name["status"]), |machine| text(&machine["stage"]));
    let (look, mark) = look(&stage);
    Unit {
        hostname: text(&name["hostname"]),
        machine: machine.map(|machine| text(&machine["id"])),
        serial: name["serial_number"].as_str().unwrap_or_default().to_owned(),
        stage,
        look,
        mark,
        since: machine.map(|machine| Time::of(&machine["stage_since"])),
        failure: machine.and_then(|machine| machine["failure"].as_str()).unwrap_or_default().to_owned(),
    }
}
