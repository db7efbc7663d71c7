//! The lists of the room: machines, deployments, names, batches, venues, images, leases, the audit, and who may do what.
//!
//! Only says what each list shows and which forms stand below it. What is done is done by the desk, for pages as for
//! programs.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;

use super::caller::{self, Asker, Caller};
use super::form::{Field, Form, Typed, outcome};
use super::list::{Act, Column, Kind, List};
use super::program::text;
use super::{Manage, page};
use crate::access::Role;
use crate::naming::numbers::{self, Numbers};
use crate::refusal::Refusal;
use crate::serve::control::{Password, Reply, Request};
use crate::serve::core;

const fn column(key: &'static str, title: &'static str, kind: Kind) -> Column {
    Column { key, title, kind }
}

fn no_acts(_: &Value) -> Vec<Act> {
    Vec::new()
}

/// A page that asks first.
fn ask(label: &'static str, place: String) -> Act {
    Act { label, place, at_once: false }
}

static MACHINES: List = List {
    path: "/machines",
    title: "Machines",
    request: |_, _, _| Request::Machines,
    paged: false,
    columns: &[
        column("id", "Machine", Kind::Link("/machines/")),
        column("hostname", "Name", Kind::Text),
        column("stage", "Stage", Kind::Word),
        column("stage_since", "Since", Kind::Time),
        column("failure", "What went wrong", Kind::Text),
        column("order", "Next boot", Kind::Word),
        column("address", "Address", Kind::Text),
        column("mac", "MAC", Kind::Text),
        column("serial", "Serial", Kind::Text),
        column("firmware", "Firmware", Kind::Text),
    ],
    filters: &[("stage", "stage", "Stage"), ("order", "order", "Next boot"), ("firmware", "firmware", "Firmware")],
    acts: no_acts,
    role: Role::Operator,
    empty: "No machine was seen yet. Switch one on that boots from the network, and it shows up here.",
};

static DEPLOYMENTS: List = List {
    path: "/deployments",
    title: "Deployments",
    request: |given, limit, offset| {
        let [product, venue] = ["product", "venue"].map(|name| given.text(name).map(|text| text.to_uppercase()));
        let (limit, offset) = (limit as u64, offset as u64);
        Request::Deployments { limit, offset, product, venue, status: given.text("status") }
    },
    paged: true,
    columns: &[
        column("id", "No.", Kind::Text),
        column("hostname", "Name", Kind::Text),
        column("status", "Status", Kind::Word),
        column("started_at", "Began", Kind::Time),
        column("completed_at", "Ended", Kind::Time),
        column("error_message", "What went wrong", Kind::Text),
        column("product_type", "Product", Kind::Text),
        column("venue_code", "Venue", Kind::Text),
        column("image", "Image", Kind::Text),
        column("mac_address", "Machine", Kind::Link("/machines/")),
        column("ip_address", "Address", Kind::Text),
    ],
    filters: &[
        ("product", "product_type", "Product"),
        ("venue", "venue_code", "Venue"),
        ("status", "status", "Status"),
    ],
    acts: no_acts,
    role: Role::Operator,
    empty: "Nothing was deployed yet. Order a batch, start it, and switch machines on.",
};

static NAMES: List = List {
    path: "/names",
    title: "Names",
    request: |_, _, _| Request::Names { product: None, venue: None, state: None },
    paged: false,
    columns: &[
        column("hostname", "Name", Kind::Text),
        column("status", "State", Kind::Word),
        column("product_type", "Product", Kind::Text),
        column("venue_code", "Venue", Kind::Link("/venues/")),
        column("number", "Number", Kind::Text),
        column("mac_address", "Held by", Kind::Link("/machines/")),
        column("serial_number", "Serial", Kind::Text),
        column("batch", "Batch", Kind::Link("/batches/")),
    ],
    filters: &[("product", "product_type", "Product"), ("venue", "venue_code", "Venue"), ("state", "status", "State")],
    acts: |row| {
        let to = |act: &str| format!("/names/{}/{act}", page::escaped(&text(&row["hostname"])));
        match row["status"].as_str() {
            Some("assigned") => vec![ask("Release", to("release"))],
            Some("available") => vec![ask("Retire", to("retire"))],
            _ => vec![ask("Reinstate", to("reinstate"))],
        }
    },
    role: Role::Operator,
    empty: "There is no name yet. Import the numbers of a venue below.",
};

static BATCHES: List = List {
    path: "/batches",
    title: "Batches",
    request: |_, _, _| Request::Batches,
    paged: false,
    columns: &[
        column("id", "Batch", Kind::Link("/batches/")),
        column("status", "Status", Kind::Word),
        column("progress", "Named", Kind::Bar(named)),
        column("product_type", "Product", Kind::Text),
        column("venue_code", "Venue", Kind::Link("/venues/")),
        column("priority", "Priority", Kind::Text),
        column("created_at", "Ordered", Kind::Time),
        column("started_at", "Started", Kind::Time),
        column("completed_at", "Ended", Kind::Time),
    ],
    filters: &[
        ("product", "product_type", "Product"),
        ("venue", "venue_code", "Venue"),
        ("status", "status", "Status"),
    ],
    acts: batch_acts,
    role: Role::Operator,
    empty: "No batch was ordered yet. Order one below.",
};

/// How many of a batch have their names.
fn named(row: &Value) -> (u64, u64) {
    let number = |key: &str| row[key].as_u64().unwrap_or_default();
    (number("total_count").saturating_sub(number("remaining_count")), number("total_count"))
}

fn batch_acts(row: &Value) -> Vec<Act> {
    let to = |act: &str| format!("/batches/{}/{act}", row["id"]);
    let at_once = |label, act| Act { label, place: to(act), at_once: true };
    match row["status"].as_str() {
        Some("active") => vec![at_once("Pause", "pause"), ask("Cancel", to("cancel"))],
        Some("pending" | "paused") => vec![at_once("Start", "start"), ask("Cancel", to("cancel"))],
        _ => Vec::new(),
    }
}

static VENUES: List = List {
    path: "/venues",
    title: "Venues",
    request: |_, _, _| Request::Venues,
    paged: false,
    columns: &[
        column("code", "Code", Kind::Link("/venues/")),
        column("name", "Name", Kind::Text),
        column("location", "Where", Kind::Text),
        column("contact_email", "Contact", Kind::Text),
        column("names", "Names left", Kind::Made(names_left)),
    ],
    filters: &[],
    acts: no_acts,
    role: Role::Operator,
    empty: "There is no venue yet. Add one below.",
};

/// `KXP2: 3 free, 2 given`.
fn names_left(row: &Value) -> String {
    let of_product = |(product, count): (&String, &Value)| {
        format!("{product}: {} free, {} given", count["available"], count["assigned"])
    };
    row["names"].as_object().into_iter().flatten().map(of_product).collect::<Vec<_>>().join("; ")
}

static IMAGES: List = List {
    path: "/images",
    title: "Images",
    request: |_, _, _| Request::Images,
    paged: false,
    columns: &[
        column("product_type", "Product", Kind::Text),
        column("version", "Version", Kind::Text),
        column("file", "File", Kind::Text),
        column(
            "active",
            "In use",
            Kind::Made(|row| if row["active"] == true { "✓ active".into() } else { String::new() }),
        ),
        column("size", "Size", Kind::Bytes),
        column("raw_size", "On the drive", Kind::Bytes),
        column("compression", "Compression", Kind::Text),
        column("added_at", "Added", Kind::Time),
        column("sha256", "SHA-256", Kind::Short),
        column("warnings", "Warnings", Kind::Made(warnings)),
    ],
    filters: &[("product", "product_type", "Product")],
    acts: |row| match row["active"] == true || row["sha256"].is_null() {
        true => Vec::new(),
        false => {
            let [product, file] = ["product_type", "file"].map(|key| page::escaped(&text(&row[key])));
            vec![ask("Activate", format!("/images/{product}/{file}/activate"))]
        }
    },
    role: Role::Operator,
    empty: "There is no image yet. On the server: hatchery image add FILE --product KXP2 --activate.",
};

fn warnings(row: &Value) -> String {
    row["warnings"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join("; ")
}

static LEASES: List = List {
    path: "/leases",
    title: "Leases",
    request: |_, _, _| Request::Leases,
    paged: false,
    columns: &[
        column("address", "Address", Kind::Text),
        column("state", "State", Kind::Word),
        column("machine", "Machine", Kind::Text),
        column("client", "Client", Kind::Text),
        column("expires", "Until", Kind::Time),
    ],
    filters: &[("state", "state", "State")],
    acts: no_acts,
    role: Role::Operator,
    empty: "No address was given yet.",
};

static FINDINGS: List = List {
    path: "/network",
    title: "Network",
    request: |_, _, _| Request::Doctor,
    paged: false,
    columns: &[
        column("level", "Level", Kind::Word),
        column("what", "What was found", Kind::Text),
        column("hint", "What to do", Kind::Text),
    ],
    filters: &[("level", "level", "Level")],
    acts: no_acts,
    role: Role::Operator,
    empty: "Nothing was looked at yet.",
};

static AUDIT: List = List {
    path: "/audit",
    title: "Audit",
    request: |given, limit, offset| {
        let [by, operation, q] = ["by", "operation", "q"].map(|name| given.text(name));
        Request::Audit { limit: limit as u64, offset: offset as u64, by, operation, q }
    },
    paged: true,
    columns: &[
        column("at", "When", Kind::Time),
        column("by", "Who", Kind::Text),
        column("operation", "What", Kind::Text),
        column("subject", "To what", Kind::Text),
        column("details", "Before → after", Kind::Text),
    ],
    filters: &[("by", "by", "Who"), ("operation", "operation", "What")],
    acts: no_acts,
    role: Role::Operator,
    empty: "Nothing was changed yet.",
};

static USERS: List = List {
    path: "/users",
    title: "Users",
    request: |_, _, _| Request::Users,
    paged: false,
    columns: &[
        column("name", "Name", Kind::Text),
        column("role", "Role", Kind::Text),
        column("created_at", "Since", Kind::Time),
        column("last_seen_at", "Last login", Kind::Time),
    ],
    filters: &[("role", "role", "Role")],
    acts: |row| {
        let to = |act: &str| format!("/users/{}/{act}", page::escaped(&text(&row["name"])));
        vec![ask("Change", to("change")), ask("Remove", to("remove"))]
    },
    role: Role::Admin,
    empty: "There is no user.",
};

static TOKENS: List = List {
    path: "/tokens",
    title: "Tokens",
    request: |_, _, _| Request::Tokens,
    paged: false,
    columns: &[
        column("id", "No.", Kind::Text),
        column("name", "For", Kind::Text),
        column("role", "Role", Kind::Text),
        column("scopes", "Only for", Kind::Made(scopes)),
        column("created_by", "Made by", Kind::Text),
        column("created_at", "Since", Kind::Time),
        column("ends_at", "Until", Kind::Time),
        column("last_used_at", "Last used", Kind::Time),
    ],
    filters: &[("role", "role", "Role")],
    acts: |row| vec![ask("Remove", format!("/tokens/{}/remove", row["id"]))],
    role: Role::Admin,
    empty: "No program has a token yet. Make one below.",
};

fn scopes(row: &Value) -> String {
    row["scopes"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ")
}

/// The lists, each with its exports, and what their forms are sent to.
pub fn routes(manage: &Arc<Manage>) -> Router<Arc<Manage>> {
    let seen = [&MACHINES, &DEPLOYMENTS, &NAMES, &BATCHES, &VENUES, &IMAGES, &LEASES, &FINDINGS, &AUDIT];
    let seen = seen.into_iter().fold(Router::new(), exports);
    let seen = seen
        .route("/machines", get(async |asker: Asker, uri: Uri| MACHINES.show(&asker, &uri, Vec::new(), OK).await))
        .route("/deployments", get(async |asker: Asker, uri: Uri| DEPLOYMENTS.show(&asker, &uri, Vec::new(), OK).await))
        .route("/images", get(async |asker: Asker, uri: Uri| IMAGES.show(&asker, &uri, Vec::new(), OK).await))
        .route("/leases", get(async |asker: Asker, uri: Uri| LEASES.show(&asker, &uri, Vec::new(), OK).await))
        .route("/network", get(async |asker: Asker, uri: Uri| FINDINGS.show(&asker, &uri, Vec::new(), OK).await))
        .route("/audit", get(async |asker: Asker, uri: Uri| AUDIT.show(&asker, &uri, Vec::new(), OK).await))
        .route("/names", get(names))
        .route("/batches", get(batches))
        .route("/venues", get(venues))
        .route_layer(from_fn_with_state(manage.clone(), caller::viewer));
    let done = Router::new()
        .route("/names", post(import))
        .route("/batches", post(order))
        .route("/venues", post(add_venue))
        .route_layer(from_fn_with_state(manage.clone(), caller::operator));
    let people = [&USERS, &TOKENS].into_iter().fold(Router::new(), exports);
    let people = people
        .route("/users", get(users).post(add_user))
        .route("/tokens", get(tokens).post(add_token))
        .route_layer(from_fn_with_state(manage.clone(), caller::admin));
    seen.merge(done).merge(people)
}

const OK: StatusCode = StatusCode::OK;

fn exports(router: Router<Arc<Manage>>, list: &'static List) -> Router<Arc<Manage>> {
    router
        .route(&format!("{}.csv", list.path), get(async move |asker: Asker, uri: Uri| list.csv(&asker, &uri).await))
        .route(&format!("{}.json", list.path), get(async move |asker: Asker, uri: Uri| list.json(&asker, &uri).await))
}

/// A form below its list; who may not send it does not see it.
fn may(asker: &Asker, needed: Role, forms: Vec<Form>) -> Vec<Form> {
    if asker.caller.role.may(needed) { forms } else { Vec::new() }
}

/// The products there are.
fn products(asker: &Asker) -> Vec<String> {
    let board = core::read(&asker.manage.desk.library.board);
    board.image_files().active.keys().map(ToString::to_string).collect()
}

/// The codes of the venues there are.
async fn codes(asker: &Asker) -> Vec<String> {
    match asker.answer(Request::Venues).await {
        Reply::Ok(rows) => rows.as_array().into_iter().flatten().map(|row| text(&row["code"])).collect(),
        _ => Vec::new(),
    }
}

async fn import_form(asker: &Asker) -> Form {
    let fields = vec![
        Field::choice("venue", "Venue", codes(asker).await),
        Field::choice("product", "Product", products(asker)),
        Field::new("area", "numbers", "Numbers")
            .hint("A range, a list, or one a line: 1-40, 77. What is there already stays as it is."),
    ];
    Form::new("/names", "Import names", "Import", fields)
}

async fn names(asker: Asker, uri: Uri) -> Response {
    let forms = may(&asker, Role::Operator, vec![import_form(&asker).await]);
    NAMES.show(&asker, &uri, forms, OK).await
}

async fn import(asker: Asker, uri: Uri, typed: Typed) -> Response {
    let (venue, product) = (typed.text("venue"), typed.text("product"));
    let Numbers { numbers, duplicates, invalid } = numbers::read(&typed.text("numbers"), false);
    let problems: Vec<String> =
        invalid.iter().map(|each| format!("line {}: '{}' {}", each.line, each.text, each.why)).collect();
    let said = match (problems.is_empty(), numbers.is_empty()) {
        (false, _) => Refusal::Invalid(problems.join("; ")).into(),
        (true, true) => Refusal::Invalid("There is no number to import".into()).into(),
        (true, false) => {
            asker.answer(Request::NamesImport { product: product.clone(), venue: venue.clone(), numbers }).await
        }
    };
    match said {
        Reply::Ok(done) => {
            let sentence = format!(
                "{} names added; {} were there already; {duplicates} were listed more than once",
                done["added"], done["already_there"]
            );
            let next = format!("/names?venue={}&product={}", page::escaped(&venue), page::escaped(&product));
            page::show(&DonePage { caller: &asker.caller, here: "/names", title: "Imported", sentence, next })
        }
        refused => {
            let (status, sentence) = outcome(refused, "").err().unwrap_or_default();
            NAMES.show(&asker, &uri, vec![import_form(&asker).await.refused(&typed, &sentence)], status).await
        }
    }
}

#[derive(Template)]
#[template(path = "done.html", config = "src/serve/manage/askama.toml")]
struct DonePage<'a> {
    caller: &'a Caller,
    here: &'static str,
    title: &'static str,
    sentence: String,
    next: String,
}

async fn order_form(asker: &Asker) -> Form {
    let fields = vec![
        Field::choice("venue", "Venue", codes(asker).await),
        Field::choice("product", "Product", products(asker)),
        Field::new("number", "count", "How many"),
        Field::new("number", "priority", "Priority")
            .holding("0")
            .hint("The batch of the highest priority gives names first."),
        Field::new("check", "start", "Start it at once").optional(),
    ];
    Form::new("/batches", "Order a batch", "Order", fields)
}

async fn batches(asker: Asker, uri: Uri) -> Response {
    let forms = may(&asker, Role::Operator, vec![order_form(&asker).await]);
    BATCHES.show(&asker, &uri, forms, OK).await
}

async fn order(asker: Asker, uri: Uri, typed: Typed) -> Response {
    let whole = |name: &str| typed.text(name).parse::<i64>().map_err(|_| format!("{name} must be a whole number"));
    let done = match whole("count").and_then(|count| Ok((count, whole("priority")?))) {
        Ok((count, priority)) => {
            let (venue, product) = (typed.text("venue"), typed.text("product"));
            let made = asker.answer(Request::BatchCreate { venue, product, count, priority }).await;
            let id = if let Reply::Ok(batch) = &made { batch["id"].as_u64() } else { None };
            match id.filter(|_| typed.is_ticked("start")) {
                Some(id) => outcome(asker.answer(Request::BatchStart { id }).await, "/batches"),
                None => outcome(made, "/batches"),
            }
        }
        Err(sentence) => Err((StatusCode::BAD_REQUEST, sentence)),
    };
    match done {
        Ok(response) => response,
        Err((status, sentence)) => {
            let form = order_form(&asker).await.refused(&typed, &sentence);
            BATCHES.show(&asker, &uri, vec![form], status).await
        }
    }
}

/// Also for changing one: then `known` is the venue as it is.
pub fn venue_form(known: Option<&Value>) -> Form {
    let at = |key: &str| known.map(|known| known[key].as_str().unwrap_or_default().to_owned()).unwrap_or_default();
    let mut fields = vec![
        Field::new("text", "code", "Code").hint("Four letters or digits.").holding(at("code")),
        Field::new("text", "name", "Name").holding(at("name")),
        Field::new("text", "location", "Where it is").optional().holding(at("location")),
        Field::new("email", "contact_email", "Whom to write to").optional().holding(at("contact_email")),
    ];
    if known.is_none() {
        return Form::new("/venues", "Add a venue", "Add", fields);
    }
    fields[0].kind = "hidden";
    Form::new("/venues", "Change it", "Save", fields)
}

async fn venues(asker: Asker, uri: Uri) -> Response {
    let forms = may(&asker, Role::Operator, vec![venue_form(None)]);
    VENUES.show(&asker, &uri, forms, OK).await
}

async fn add_venue(asker: Asker, uri: Uri, typed: Typed) -> Response {
    let (code, name) = (typed.text("code"), typed.text("name"));
    let (location, contact_email) = (typed.maybe("location"), typed.maybe("contact_email"));
    let done = asker.answer(Request::VenueAdd { code, name, location, contact_email }).await;
    match outcome(done, "/venues") {
        Ok(response) => response,
        Err((status, sentence)) => {
            let form = venue_form(None).refused(&typed, &sentence);
            VENUES.show(&asker, &uri, vec![form], status).await
        }
    }
}

fn roles() -> Vec<String> {
    Role::ALL.iter().map(ToString::to_string).collect()
}

fn user_form() -> Form {
    let fields = vec![
        Field::new("text", "name", "Name").hint("a-z, 0-9, dot, hyphen and underscore; a letter first."),
        Field::choice("role", "Role", roles())
            .hint("A viewer looks, an operator acts, an admin manages users and tokens."),
        Field::new("password", "password", "Password").hint("At least 10 characters."),
    ];
    Form::new("/users", "Add a user", "Add", fields)
}

async fn users(asker: Asker, uri: Uri) -> Response {
    USERS.show(&asker, &uri, vec![user_form()], OK).await
}

async fn add_user(asker: Asker, uri: Uri, typed: Typed) -> Response {
    let (name, role, password) = (typed.text("name"), typed.text("role"), Password(typed.secret("password")));
    match outcome(asker.answer(Request::UserAdd { name, role, password }).await, "/users") {
        Ok(response) => response,
        Err((status, sentence)) => USERS.show(&asker, &uri, vec![user_form().refused(&typed, &sentence)], status).await,
    }
}

fn token_form() -> Form {
    let fields = vec![
        Field::new("text", "name", "What it is for"),
        Field::choice("role", "Role", roles()),
        Field::new("text", "scopes", "Scopes").optional().hint(
            "Only for these of what the role allows: read, machines, names, batches, images, server, people. Without \
             any, all of it.",
        ),
        Field::new("number", "days", "Good for how many days").optional().hint("Without a number it does not end."),
    ];
    Form::new("/tokens", "Make a token", "Make", fields)
}

async fn tokens(asker: Asker, uri: Uri) -> Response {
    TOKENS.show(&asker, &uri, vec![token_form()], OK).await
}

#[derive(Template)]
#[template(path = "token.html", config = "src/serve/manage/askama.toml")]
struct TokenPage<'a> {
    caller: &'a Caller,
    here: &'static str,
    name: String,
    token: String,
}

/// The token is on this page and nowhere else ever again, so there is nothing to go on to.
async fn add_token(asker: Asker, uri: Uri, typed: Typed) -> Response {
    let days = typed.get("days").map(|text| text.parse::<u32>().map_err(|_| "Days are a whole number".to_owned()));
    let made = match days.transpose() {
        Ok(days) => {
            let [name, role, scopes] = ["name", "role", "scopes"].map(|key| typed.text(key));
            asker.answer(Request::TokenAdd { name, role, scopes: vec![scopes], days }).await
        }
        Err(sentence) => Reply::Error { code: "invalid".into(), sentence },
    };
    let made = match made {
        Reply::Ok(made) => made,
        other => {
            let (status, sentence) = outcome(other, "").err().unwrap_or_default();
            return TOKENS.show(&asker, &uri, vec![token_form().refused(&typed, &sentence)], status).await;
        }
    };
    let (name, token) = (text(&made["name"]), text(&made["token"]));
    (StatusCode::CREATED, page::show(&TokenPage { caller: &asker.caller, here: "/tokens", name, token }))
        .into_response()
}
