//! The pages of one thing: a batch with its units, a venue with its names.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;

use super::caller::{self, Asker, Caller};
use super::form::{Form, outcome};
use super::list::{look, utc};
use super::program::text;
use super::{Manage, page, room};
use crate::access::Role;
use crate::serve::control::Request;

/// The routes.
pub fn routes(manage: &Arc<Manage>) -> Router<Arc<Manage>> {
    Router::new()
        .route("/batches/{id}", get(batch))
        .route("/venues/{code}", get(venue))
        .route_layer(from_fn_with_state(manage.clone(), caller::viewer))
}

/// What the desk says, or the page that says why not.
pub async fn told(asker: &Asker, request: Request) -> Result<Value, Response> {
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
pub struct Time {
    /// For the browser.
    pub iso: String,
    /// Without it.
    pub shown: String,
}

impl Time {
    /// Of a time of the API.
    pub fn of(value: &Value) -> Time {
        let iso = value.as_str().unwrap_or_default().to_owned();
        Time { shown: utc(&iso), iso }
    }
}

struct Unit {
    hostname: String,
    machine: Option<String>,
    serial: String,
}

#[derive(Template)]
#[template(path = "batch.html", config = "src/serve/manage/askama.toml")]
struct BatchPage<'a> {
    caller: &'a Caller,
    here: &'static str,
    id: String,
    status: String,
    look: &'static str,
    mark: &'static str,
    product: String,
    venue: String,
    priority: String,
    named: u64,
    total: u64,
    times: Vec<(&'static str, Time)>,
    next: String,
    units: Vec<Unit>,
    acting: bool,
}

/// `GET /batches/N`.
async fn batch(asker: Asker, Path(id): Path<String>) -> Response {
    let Ok(number) = id.parse() else { return page::refused(StatusCode::NOT_FOUND, "There is no such batch") };
    let found = async {
        let batch = told(&asker, Request::Batch { id: number }).await?;
        let [product, venue] = ["product_type", "venue_code"].map(|key| batch[key].as_str().map(str::to_owned));
        let names = told(&asker, Request::Names { product, venue, state: None }).await?;
        Ok::<_, Response>((batch, names))
    };
    let (batch, names) = match found.await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let names: Vec<&Value> = names.as_array().into_iter().flatten().collect();
    let of_batch = names.iter().filter(|name| name["batch"].as_u64() == Some(number));
    let free = names.iter().find(|name| name["status"] == "available").map(|name| text(&name["hostname"]));
    let unit = |name: &&Value| Unit {
        hostname: text(&name["hostname"]),
        machine: name["mac_address"].as_str().map(str::to_owned),
        serial: name["serial_number"].as_str().unwrap_or_default().to_owned(),
    };
    let status = text(&batch["status"]);
    let (look, mark) = look(&status);
    let count = |key: &str| batch[key].as_u64().unwrap_or_default();
    let times = [("Ordered", "created_at"), ("Started", "started_at"), ("Ended", "completed_at")];
    let open = !matches!(status.as_str(), "completed" | "cancelled");
    page::show(&BatchPage {
        caller: &asker.caller,
        here: "/batches",
        look,
        mark,
        product: text(&batch["product_type"]),
        venue: text(&batch["venue_code"]),
        priority: text(&batch["priority"]),
        named: count("total_count").saturating_sub(count("remaining_count")),
        total: count("total_count"),
        times: times
            .into_iter()
            .filter(|(_, key)| batch[key].is_string())
            .map(|(label, key)| (label, Time::of(&batch[key])))
            .collect(),
        next: free.filter(|_| open).unwrap_or_default(),
        units: of_batch.map(unit).collect(),
        acting: asker.caller.role.may(Role::Operator) && open,
        status,
        id,
    })
}

#[derive(Template)]
#[template(path = "venue.html", config = "src/serve/manage/askama.toml")]
struct VenuePage<'a> {
    caller: &'a Caller,
    here: &'static str,
    code: String,
    name: String,
    location: String,
    contact: String,
    pools: Vec<(String, String, String, String)>,
    forms: Vec<Form>,
}

/// `GET /venues/CODE`.
async fn venue(asker: Asker, Path(code): Path<String>) -> Response {
    let rows = match told(&asker, Request::Venues).await {
        Ok(rows) => rows,
        Err(response) => return response,
    };
    let known = rows.as_array().into_iter().flatten().find(|row| text(&row["code"]).eq_ignore_ascii_case(&code));
    let Some(known) = known else { return page::refused(StatusCode::NOT_FOUND, "There is no such venue") };
    let pool = |(product, count): (&String, &Value)| {
        (product.clone(), text(&count["available"]), text(&count["assigned"]), text(&count["retired"]))
    };
    let at = |key: &str| known[key].as_str().unwrap_or_default().to_owned();
    page::show(&VenuePage {
        caller: &asker.caller,
        here: "/venues",
        code: at("code"),
        name: at("name"),
        location: at("location"),
        contact: at("contact_email"),
        pools: known["names"].as_object().into_iter().flatten().map(pool).collect(),
        forms: if asker.caller.role.may(Role::Operator) { vec![room::venue_form(Some(known))] } else { Vec::new() },
    })
}
