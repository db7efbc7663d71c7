//! The management routes of the system that hatchery replaces, in its shapes, for the programs that use them.
//!
//! Only spells: what the [`Desk`](crate::serve::control::Desk) says, in other keys, with times as `2026-11-21 09:30:00`
//! (UTC). A refusal of the desk is `{"error":…}`. Of what was not remembered when it happened, there is
//! `null`.

mod table;

use axum::extract::Path;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use nix::sys::statvfs::statvfs;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use self::table::routes;
use super::Manage;
use super::caller::Asker;
use super::program::{self, Json, Parameters};
use super::v1::of_batch;
use crate::clock;
use crate::fleet::command::NameFilter;
use crate::refusal::Refusal;
use crate::serve::api::reply;
use crate::serve::control::{Reply, Request};
use crate::serve::core;

/// The products that the old shapes have keys for.
const PRODUCTS: [&str; 2] = ["KXP2", "RXP2"];

/// Rows of a list of deployments without a `limit`, and the most that there are.
const DEPLOYMENTS: usize = 20;
const DEPLOYMENTS_MAX: usize = 100;

/// What is said of a name and its holder.
const HOLDER: [&str; 6] = ["hostname", "mac_address", "product_type", "serial_number", "status", "venue_code"];

/// Why there is no answer.
struct Refused {
    code: String,
    sentence: String,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused { code: refusal.kind().into(), sentence: refusal.to_string() }
    }
}

/// What was asked for, or the refusal in the old shape: 404 for what is not there, 503 for later, 400 for the rest.
fn spell(done: StatusCode, said: Result<Value, Refused>) -> Response {
    let Refused { code, sentence } = match said {
        Ok(value) => return reply(done, &value),
        Err(refused) => refused,
    };
    let status = match program::status(&code) {
        StatusCode::CONFLICT => StatusCode::BAD_REQUEST,
        status => status,
    };
    reply(status, &json!({ "error": sentence }))
}

/// What the desk says to a question.
async fn said(asker: &Asker, question: Request) -> Result<Value, Refused> {
    value(asker.answer(question).await)
}

fn value(reply: Reply) -> Result<Value, Refused> {
    match reply {
        Reply::Ok(value) => Ok(value),
        Reply::Error { code, sentence } => Err(Refused { code, sentence }),
        Reply::Problems(problems) => Err(Refusal::Invalid(problems.join("\n")).into()),
    }
}

/// `2026-11-21T09:30:00Z` as the old tables have it.
fn time(iso: &Value) -> Value {
    match iso.as_str() {
        Some(iso) => json!(iso.trim_end_matches('Z').replace('T', " ")),
        None => Value::Null,
    }
}

/// These keys of a row, those that end in `_at` as the old tables have times.
fn row(from: &Value, keys: &[&str]) -> Value {
    let spelled = |key: &&str| {
        let value = if key.ends_with("_at") { time(&from[*key]) } else { from[*key].clone() };
        ((*key).to_owned(), value)
    };
    Value::Object(keys.iter().map(spelled).collect())
}

fn rows(all: &Value) -> &[Value] {
    all.as_array().map(Vec::as_slice).unwrap_or_default()
}

async fn stats(asker: Asker) -> Response {
    let found = async {
        let names = said(&asker, Request::Names { product: None, venue: None, state: None }).await?;
        let venues = said(&asker, Request::Venues).await?;
        let (limit, offset) = (10, 0);
        let deployments = Request::Deployments { limit, offset, product: None, venue: None, status: None, q: None };
        let deployments = said(&asker, deployments).await?;
        let count = |product: Option<&str>, status: &str| {
            let of_product = |name: &&Value| product.is_none_or(|product| name["product_type"] == product);
            rows(&names).iter().filter(of_product).filter(|name| name["status"] == status).count()
        };
        let keys = ["completed_at", "hostname", "started_at", "status"];
        let recent: Vec<Value> = rows(&deployments["items"]).iter().map(|each| row(each, &keys)).collect();
        let mut found = json!({
            "assigned_hostnames": count(None, "assigned"),
            "available_hostnames": count(None, "available"),
            "recent_deployments_count": recent.len(),
            "recent_deployments": recent,
            "successful_deployments": deployments["successful"],
            "timestamp": clock::iso(clock::now().timestamp),
            "total_hostnames": rows(&names).len(),
            "total_venues": rows(&venues).len(),
        });
        for (product, status) in PRODUCTS.iter().flat_map(|product| [(product, "assigned"), (product, "available")]) {
            found[format!("{status}_{}", product.to_ascii_lowercase())] = json!(count(Some(product), status));
        }
        Ok::<_, Refused>(found)
    };
    spell(StatusCode::OK, found.await)
}

/// A venue of the desk in the old shape.
fn venue(from: &Value) -> Value {
    let mut venue = row(from, &["code", "contact_email", "created_at", "location", "name"]);
    for (product, state) in PRODUCTS.iter().flat_map(|product| [(product, "assigned"), (product, "available")]) {
        let count = from["names"][*product][state].as_u64().unwrap_or(0);
        venue[format!("{}_{state}", product.to_ascii_lowercase())] = json!(count);
    }
    venue
}

async fn venues(asker: Asker) -> Response {
    let found = said(&asker, Request::Venues).await;
    spell(StatusCode::OK, found.map(|all| rows(&all).iter().map(venue).collect()))
}

async fn venue_stats(asker: Asker, Path(code): Path<String>) -> Response {
    let found = async {
        let all = said(&asker, Request::Venues).await?;
        let known = rows(&all).iter().find(|venue| venue["code"].as_str() == Some(&code.to_ascii_uppercase()));
        let known = known.ok_or_else(|| Refusal::NotFound("Venue not found".into()))?;
        let names = known["names"].as_object().into_iter().flat_map(Map::values);
        let [mut assigned, mut available, mut retired] = [0; 3];
        for count in names {
            let number = |key: &str| count[key].as_u64().unwrap_or(0);
            assigned += number("assigned");
            available += number("available");
            retired += number("retired");
        }
        Ok::<_, Refused>(json!({
            "assigned_hostnames": assigned,
            "available_hostnames": available,
            "retired_hostnames": retired,
            "total_hostnames": assigned + available + retired,
            "venue_code": known["code"],
        }))
    };
    spell(StatusCode::OK, found.await)
}

async fn deployments(asker: Asker, uri: Uri) -> Response {
    let keys = [
        "completed_at",
        "error_message",
        "hostname",
        "id",
        "ip_address",
        "mac_address",
        "product_type",
        "serial_number",
        "started_at",
        "status",
        "venue_code",
    ];
    let found = async {
        let limit = Parameters::read(&uri, &["limit"])?.number("limit", DEPLOYMENTS, usize::MAX)?;
        let limit = limit.min(DEPLOYMENTS_MAX) as u64;
        let request = Request::Deployments { limit, offset: 0, product: None, venue: None, status: None, q: None };
        let found = said(&asker, request).await?;
        Ok::<_, Refused>(rows(&found["items"]).iter().map(|each| row(each, &keys)).collect())
    };
    spell(StatusCode::OK, found.await)
}

/// `disk` in bytes, where the images are; `network` the address on each interface; `services` what the doctor says of
/// each thing: green, amber or red.
async fn system(asker: Asker) -> Response {
    let found = async {
        let findings = said(&asker, Request::Doctor).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let services = rows(&findings).iter().map(|each| (text(&each["check"]), each["level"].clone()));
        let services: Map<String, Value> = services.collect();
        let board = core::read(&asker.manage.desk.library.board);
        let links = board.site().links.iter().filter_map(|link| {
            Some((
                link.interface.clone()?,
                json!({ "address": link.address.to_string(), "subnet": link.subnet.to_string() }),
            ))
        });
        let network: Map<String, Value> = links.collect();
        let disk = match statvfs(&asker.manage.desk.images) {
            Ok(system) => {
                let (block, blocks, free) = (system.fragment_size(), system.blocks(), system.blocks_available());
                json!({ "free": free * block, "total": blocks * block, "used": (blocks - free.min(blocks)) * block })
            }
            Err(_) => Value::Null,
        };
        let timestamp = clock::iso(clock::now().timestamp);
        Ok::<_, Refused>(json!({ "disk": disk, "network": network, "services": services, "timestamp": timestamp }))
    };
    spell(StatusCode::OK, found.await)
}

/// A batch of the desk in the old shape.
fn batch(from: &Value) -> Value {
    let keys = [
        "completed_at",
        "created_at",
        "id",
        "priority",
        "product_type",
        "remaining_count",
        "started_at",
        "status",
        "total_count",
        "venue_code",
    ];
    row(from, &keys)
}

async fn batches(asker: Asker, uri: Uri) -> Response {
    let found = async {
        let wanted = Parameters::read(&uri, &["venue", "status"])?;
        // A venue that cannot be one is said to be wrong, as it is when names are listed.
        NameFilter::parse(None, wanted.get("venue"), None)?;
        let all = said(&asker, Request::Batches).await?;
        let equal = |batch: &Value, name: &str, key: &str| {
            let is = |wanted: &str| batch[key].as_str().is_some_and(|text| text.eq_ignore_ascii_case(wanted));
            wanted.get(name).is_none_or(is)
        };
        let fits = |each: &&Value| equal(each, "venue", "venue_code") && equal(each, "status", "status");
        Ok::<_, Refused>(rows(&all).iter().filter(fits).map(batch).collect())
    };
    spell(StatusCode::OK, found.await)
}

/// The batch that names the next machine.
async fn active(asker: Asker) -> Response {
    match said(&asker, Request::ActiveBatches).await.map(|all| rows(&all).first().map(batch)) {
        Ok(None) => reply(StatusCode::NOT_FOUND, &json!({ "message": "No active batches" })),
        Ok(Some(first)) => reply(StatusCode::OK, &first),
        Err(refused) => spell(StatusCode::OK, Err(refused)),
    }
}

async fn one_batch(asker: Asker, Path(id): Path<String>) -> Response {
    spelled_batch(StatusCode::OK, of_batch(&asker, &id, |id| Request::Batch { id }).await)
}

fn spelled_batch(done: StatusCode, said: Reply) -> Response {
    spell(done, value(said).map(|found| batch(&found)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Order {
    venue_code: String,
    product_type: String,
    total_count: i64,
    #[serde(default)]
    priority: i64,
}

async fn order(asker: Asker, Json(order): Json<Order>) -> Response {
    let Order { venue_code: venue, product_type: product, total_count: count, priority } = order;
    let made = asker.answer(Request::BatchCreate { venue, product, count, priority }).await;
    spelled_batch(StatusCode::CREATED, made)
}

async fn start(asker: Asker, Path(id): Path<String>) -> Response {
    spelled_batch(StatusCode::OK, of_batch(&asker, &id, |id| Request::BatchStart { id }).await)
}

async fn pause(asker: Asker, Path(id): Path<String>) -> Response {
    spelled_batch(StatusCode::OK, of_batch(&asker, &id, |id| Request::BatchPause { id }).await)
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Priority {
    priority: i64,
}

async fn priority(asker: Asker, Path(id): Path<String>, Json(to): Json<Priority>) -> Response {
    let question = |id| Request::BatchPriority { id, priority: to.priority };
    spelled_batch(StatusCode::OK, of_batch(&asker, &id, question).await)
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Venue {
    code: String,
    name: String,
    location: Option<String>,
    contact_email: Option<String>,
}

async fn add_venue(asker: Asker, Json(new): Json<Venue>) -> Response {
    let Venue { code, name, location, contact_email } = new;
    let made = said(&asker, Request::VenueAdd { code, name, location, contact_email }).await;
    spell(StatusCode::CREATED, made.map(|made| row(&made, &["code", "contact_email", "location", "name"])))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Numbers {
    venue_code: String,
    numbers: Vec<u32>,
}

async fn add_numbers(asker: Asker, Json(new): Json<Numbers>) -> Response {
    let Numbers { venue_code: venue, numbers } = new;
    // Karts are what this product is for; the old route has no other.
    let product = PRODUCTS[0].to_owned();
    let done = said(&asker, Request::NamesImport { product, venue, numbers, text: None }).await;
    let spelled = done.map(|done| {
        let added = &done["added"];
        json!({ "added": added, "message": format!("Added {added} kart numbers"), "success": true })
    });
    spell(StatusCode::OK, spelled)
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Assign {
    product_type: String,
    venue_code: String,
    mac_address: Option<String>,
    serial_number: Option<String>,
}

async fn assign(asker: Asker, Json(whom): Json<Assign>) -> Response {
    let Assign { product_type: product, venue_code: venue, mac_address: mac, serial_number: serial } = whom;
    let done = said(&asker, Request::NameAssign { product, venue, mac, serial }).await;
    spell(StatusCode::OK, done.map(|name| row(&name, &HOLDER)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Release {
    hostname: String,
}

async fn release(asker: Asker, Json(which): Json<Release>) -> Response {
    let done = said(&asker, Request::NameRelease { hostname: which.hostname, force: false }).await;
    spell(StatusCode::OK, done.map(|name| row(&name, &HOLDER)))
}
