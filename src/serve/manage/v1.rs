//! `/api/v1`: every operation for programs. Viewers look, operators act, admins manage users and tokens.
//!
//! Turns requests into those of the [`Desk`](crate::serve::control::Desk) and its replies into JSON; no rule is here.

mod images;
mod table;

use axum::extract::Path;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

pub use self::table::routes;
use super::Manage;
use super::caller::Asker;
use super::program::{self, Json, Parameters, ask, refuse};
use crate::refusal::Refusal;
use crate::serve::api::reply;
use crate::serve::control::{Password, Reply, Request};
use crate::serve::report::Asked;

/// A list in parts. `limit`, `offset`, `q` and `sort` are known of every list, the parameters of `filters` besides.
async fn list(asker: Asker, uri: Uri, request: Request, filters: &[(&str, &str)]) -> Response {
    let known: Vec<&str> =
        ["limit", "offset", "q", "sort"].into_iter().chain(filters.iter().map(|(name, _)| *name)).collect();
    let parameters = match Parameters::read(&uri, &known) {
        Ok(parameters) => parameters,
        Err(refusal) => return refuse(&refusal),
    };
    match asker.answer(request).await {
        Reply::Ok(rows) => match program::page(rows, &parameters, filters) {
            Ok(page) => reply(StatusCode::OK, &page),
            Err(refusal) => refuse(&refusal),
        },
        other => program::answer(StatusCode::OK, other),
    }
}

async fn machines(asker: Asker, uri: Uri) -> Response {
    list(asker, uri, Request::Machines, &[("stage", "stage"), ("order", "order"), ("firmware", "firmware")]).await
}

async fn leases(asker: Asker, uri: Uri) -> Response {
    list(asker, uri, Request::Leases, &[("state", "state")]).await
}

async fn doctor(asker: Asker, uri: Uri) -> Response {
    list(asker, uri, Request::Doctor, &[("level", "level")]).await
}

async fn venues(asker: Asker, uri: Uri) -> Response {
    list(asker, uri, Request::Venues, &[]).await
}

/// The fleet filters names itself, and says so if a filter makes no sense.
async fn names(asker: Asker, uri: Uri) -> Response {
    let filters = [("product", "product_type"), ("venue", "venue_code"), ("state", "status")];
    let known = ["limit", "offset", "q", "sort", "product", "venue", "state"];
    match Parameters::read(&uri, &known) {
        Ok(given) => {
            let [product, venue, state_word] = ["product", "venue", "state"].map(|name| given.text(name));
            list(asker, uri, Request::Names { product, venue, state: state_word }, &filters).await
        }
        Err(refusal) => refuse(&refusal),
    }
}

async fn batches(asker: Asker, uri: Uri) -> Response {
    let filters = [("product", "product_type"), ("venue", "venue_code"), ("status", "status")];
    list(asker, uri, Request::Batches, &filters).await
}

/// What the journal pages by itself: it may hold years. `ask` makes the question of the parameters and the window.
async fn journal(
    asker: Asker,
    uri: Uri,
    known: &[&str],
    ask: impl FnOnce(&Parameters, u64, u64) -> Request,
) -> Response {
    let known: Vec<&str> = ["limit", "offset"].into_iter().chain(known.iter().copied()).collect();
    let read = Parameters::read(&uri, &known).and_then(|given| given.window().map(|window| (given, window)));
    let (given, (limit, offset)) = match read {
        Ok(read) => read,
        Err(refusal) => return refuse(&refusal),
    };
    match asker.answer(ask(&given, limit as u64, offset as u64)).await {
        Reply::Ok(mut page) => {
            page["limit"] = json!(limit);
            page["offset"] = json!(offset);
            reply(StatusCode::OK, &page)
        }
        other => program::answer(StatusCode::OK, other),
    }
}

async fn deployments(asker: Asker, uri: Uri) -> Response {
    let question = |given: &Parameters, limit, offset| {
        let [product, venue] = ["product", "venue"].map(|name| given.text(name).map(|text| text.to_uppercase()));
        Request::Deployments { limit, offset, product, venue, status: given.text("status"), q: given.text("q") }
    };
    journal(asker, uri, &["product", "venue", "status", "q"], question).await
}

async fn deployment(asker: Asker, Path(id): Path<String>) -> Response {
    match id.parse() {
        Ok(id) => ask(&asker, StatusCode::OK, Request::Deployment { id }).await,
        Err(_) => refuse(&Refusal::NotFound(format!("There is no deployment {id}"))),
    }
}

/// The parameters of a report.
pub fn asked(uri: &Uri) -> Result<Asked, Refusal> {
    let given = Parameters::read(uri, &["from", "to", "product", "venue", "image"])?;
    let [from, to, product, venue, image] = ["from", "to", "product", "venue", "image"].map(|name| given.text(name));
    Ok(Asked { from, to, product, venue, image })
}

async fn report(asker: Asker, uri: Uri) -> Response {
    match asked(&uri) {
        Ok(asked) => ask(&asker, StatusCode::OK, Request::Report(asked)).await,
        Err(refusal) => refuse(&refusal),
    }
}

async fn audit(asker: Asker, uri: Uri) -> Response {
    let question = |given: &Parameters, limit, offset| {
        let [by, operation, q] = ["by", "operation", "q"].map(|name| given.text(name));
        Request::Audit { limit, offset, by, operation, q }
    };
    journal(asker, uri, &["by", "operation", "q"], question).await
}

async fn explain(asker: Asker, Path(machine): Path<String>) -> Response {
    ask(&asker, StatusCode::OK, Request::Explain { machine }).await
}

async fn trail(asker: Asker, Path(machine): Path<String>) -> Response {
    ask(&asker, StatusCode::OK, Request::Trail { machine }).await
}

async fn log(asker: Asker, Path(machine): Path<String>) -> Response {
    ask(&asker, StatusCode::OK, Request::MachineLog { machine }).await
}

async fn history(asker: Asker, Path(machine): Path<String>) -> Response {
    ask(&asker, StatusCode::OK, Request::History { machine }).await
}

/// No field at all.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn reload(asker: Asker, _: Json<Nothing>) -> Response {
    ask(&asker, StatusCode::OK, Request::Reload).await
}

async fn reinstall(asker: Asker, Path(machine): Path<String>, _: Json<Nothing>) -> Response {
    ask(&asker, StatusCode::OK, Request::Reinstall { machine }).await
}

async fn hold(asker: Asker, Path(machine): Path<String>, _: Json<Nothing>) -> Response {
    ask(&asker, StatusCode::OK, Request::Hold { machine }).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Forget {
    #[serde(default)]
    release_name: bool,
    #[serde(default)]
    force: bool,
}

async fn forget(asker: Asker, Path(machine): Path<String>, Json(how): Json<Forget>) -> Response {
    let Forget { release_name, force } = how;
    ask(&asker, StatusCode::OK, Request::Forget { machine, release_name, force }).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Venue {
    code: String,
    name: String,
    location: Option<String>,
    contact_email: Option<String>,
}

async fn add_venue(asker: Asker, Json(venue): Json<Venue>) -> Response {
    let Venue { code, name, location, contact_email } = venue;
    ask(&asker, StatusCode::CREATED, Request::VenueAdd { code, name, location, contact_email }).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Import {
    product_type: String,
    venue_code: String,
    numbers: Vec<u32>,
}

async fn import(asker: Asker, Json(import): Json<Import>) -> Response {
    let Import { product_type: product, venue_code: venue, numbers } = import;
    ask(&asker, StatusCode::OK, Request::NamesImport { product, venue, numbers }).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Release {
    #[serde(default)]
    force: bool,
}

async fn release(asker: Asker, Path(hostname): Path<String>, Json(how): Json<Release>) -> Response {
    ask(&asker, StatusCode::OK, Request::NameRelease { hostname, force: how.force }).await
}

async fn retire(asker: Asker, Path(hostname): Path<String>, _: Json<Nothing>) -> Response {
    ask(&asker, StatusCode::OK, Request::NameRetire { hostname }).await
}

async fn reinstate(asker: Asker, Path(hostname): Path<String>, _: Json<Nothing>) -> Response {
    ask(&asker, StatusCode::OK, Request::NameReinstate { hostname }).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    venue_code: String,
    product_type: String,
    total_count: i64,
    #[serde(default)]
    priority: i64,
}

async fn order(asker: Asker, Json(order): Json<Order>) -> Response {
    let Order { venue_code: venue, product_type: product, total_count: count, priority } = order;
    ask(&asker, StatusCode::CREATED, Request::BatchCreate { venue, product, count, priority }).await
}

/// Asks about the batch of a number.
pub async fn of_batch(asker: &Asker, id: &str, question: impl FnOnce(u64) -> Request) -> Reply {
    match id.parse() {
        Ok(id) => asker.answer(question(id)).await,
        Err(_) => Refusal::NotFound("Batch not found".into()).into(),
    }
}

async fn batch(asker: Asker, Path(id): Path<String>) -> Response {
    program::answer(StatusCode::OK, of_batch(&asker, &id, |id| Request::Batch { id }).await)
}

async fn start(asker: Asker, Path(id): Path<String>, _: Json<Nothing>) -> Response {
    program::answer(StatusCode::OK, of_batch(&asker, &id, |id| Request::BatchStart { id }).await)
}

async fn pause(asker: Asker, Path(id): Path<String>, _: Json<Nothing>) -> Response {
    program::answer(StatusCode::OK, of_batch(&asker, &id, |id| Request::BatchPause { id }).await)
}

async fn cancel(asker: Asker, Path(id): Path<String>, _: Json<Nothing>) -> Response {
    program::answer(StatusCode::OK, of_batch(&asker, &id, |id| Request::BatchCancel { id }).await)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Priority {
    priority: i64,
}

async fn priority(asker: Asker, Path(id): Path<String>, Json(to): Json<Priority>) -> Response {
    let question = |id| Request::BatchPriority { id, priority: to.priority };
    program::answer(StatusCode::OK, of_batch(&asker, &id, question).await)
}

async fn users(asker: Asker, uri: Uri) -> Response {
    list(asker, uri, Request::Users, &[("role", "role")]).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: String,
    role: String,
    password: Password,
}

async fn add_user(asker: Asker, Json(user): Json<NewUser>) -> Response {
    let NewUser { name, role, password } = user;
    ask(&asker, StatusCode::CREATED, Request::UserAdd { name, role, password }).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangedUser {
    role: Option<String>,
    password: Option<Password>,
}

async fn change_user(asker: Asker, Path(name): Path<String>, Json(to): Json<ChangedUser>) -> Response {
    let ChangedUser { role, password } = to;
    ask(&asker, StatusCode::OK, Request::UserChange { name, role, password }).await
}

async fn remove_user(asker: Asker, Path(name): Path<String>, _: Json<Nothing>) -> Response {
    ask(&asker, StatusCode::OK, Request::UserRemove { name }).await
}

async fn tokens(asker: Asker, uri: Uri) -> Response {
    list(asker, uri, Request::Tokens, &[("role", "role")]).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    name: String,
    role: String,
    #[serde(default)]
    scopes: Vec<String>,
    days: Option<u32>,
}

async fn add_token(asker: Asker, Json(token): Json<NewToken>) -> Response {
    let NewToken { name, role, scopes, days } = token;
    ask(&asker, StatusCode::CREATED, Request::TokenAdd { name, role, scopes, days }).await
}

async fn remove_token(asker: Asker, Path(id): Path<String>, _: Json<Nothing>) -> Response {
    match id.parse() {
        Ok(id) => ask(&asker, StatusCode::OK, Request::TokenRemove { id }).await,
        Err(_) => refuse(&Refusal::NotFound(format!("There is no token {id}"))),
    }
}
