//! The lists of the room: machines, deployments, names, batches, venues, leases, the audit, and who may do what.
//!
//! Only says what each list shows and what can be done to its rows; the forms below them are in `forms`. What is done is
//! done by the desk, for pages as for programs.

pub mod forms;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use serde_json::Value;

pub use self::forms::venue_form;
use self::forms::{add_token, add_user, add_venue, assign, batches, import, names, order, tokens, users, venues};
use super::caller::{self, Asker};
use super::form::Field;
use super::list::{Act, Asks, Column, Kind, List, Several};
use super::program::text;
use super::{Manage, page};
use crate::access::Role;
use crate::serve::control::Request;

pub(super) const fn column(key: &'static str, title: &'static str, kind: Kind) -> Column {
    Column { key, title, kind }
}

pub fn force() -> Field {
    Field::new("check", "force", "Even while a machine is being installed")
}

/// A page that asks first.
pub(super) fn ask(label: &'static str, place: String) -> Act {
    Act { label, place, at_once: false }
}

static MACHINES: List = List {
    path: "/machines",
    title: "Machines",
    request: |_, _, _| Request::Machines,
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
        column("notes", "Note", Kind::Text),
    ],
    filters: &[("stage", "stage", "Stage"), ("order", "order", "Next boot"), ("firmware", "firmware", "Firmware")],
    empty: "No machine was seen yet. Switch one on that boots from the network, and it shows up here.",
    things: ("machine", "machines"),
    several: &[
        Several {
            word: "reinstall",
            label: "Reinstall",
            sentence: "They are installed anew at their next network boot; their disks are overwritten then. They keep \
                       their names.",
            fields: Vec::new,
            fits: |_| true,
            asks: Asks::Each(|machine, _| Request::Reinstall { machine }),
            done: "to be reinstalled",
        },
        Several {
            word: "hold",
            label: "Hold",
            sentence: "They get an address and nothing to boot, until somebody reinstalls them.",
            fields: Vec::new,
            fits: |row| row["order"] != "hold",
            asks: Asks::Each(|machine, _| Request::Hold { machine }),
            done: "held",
        },
        Several {
            word: "forget",
            label: "Forget",
            sentence: "They are removed with their leases, and are new machines if they boot again. What was deployed \
                       to them stays on record. Their names are retired, because the units may be out there under them.",
            fields: || vec![Field::new("check", "release_name", "Their names may be given again instead"), force()],
            fits: |_| true,
            asks: Asks::Each(|machine, typed| Request::Forget {
                machine,
                release_name: typed.is_ticked("release_name"),
                force: typed.is_ticked("force"),
            }),
            done: "forgotten",
        },
    ],
    ..List::PLAIN
};

static DEPLOYMENTS: List = List {
    path: "/deployments",
    title: "Deployments",
    request: |given, limit, offset| {
        let [product, venue] = ["product", "venue"].map(|name| given.text(name).map(|text| text.to_uppercase()));
        let (limit, offset) = (limit as u64, offset as u64);
        Request::Deployments { limit, offset, product, venue, status: given.text("status"), q: given.text("q") }
    },
    paged: true,
    columns: &[
        column("id", "No.", Kind::Link("/deployments/")),
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
    empty: "Nothing was deployed yet. Order a batch, start it, and switch machines on.",
    things: ("deployment", "deployments"),
    choices: &[("status", &["starting", "downloading", "verifying", "customizing", "success", "failed"])],
    ways: &[("Order a batch", "/batches#form-1")],
    ..List::PLAIN
};

static NAMES: List = List {
    path: "/names",
    title: "Names",
    request: |_, _, _| Request::Names { product: None, venue: None, state: None },
    columns: &[
        column("hostname", "Name", Kind::Text),
        column("status", "State", Kind::Word),
        column("product_type", "Product", Kind::Text),
        column("venue_code", "Venue", Kind::Link("/venues/")),
        column("number", "Number", Kind::Text),
        column("mac_address", "Held by", Kind::Link("/machines/")),
        column("serial_number", "Serial", Kind::Text),
        column("batch", "Batch", Kind::Link("/batches/")),
        column("notes", "Note", Kind::Text),
    ],
    filters: &[("product", "product_type", "Product"), ("venue", "venue_code", "Venue"), ("state", "status", "State")],
    acts: |row| {
        let to = |act: &str| format!("/names/{}/{act}", page::escaped(&text(&row["hostname"])));
        let change = match row["status"].as_str() {
            Some("assigned") => ask("Release", to("release")),
            Some("available") => ask("Retire", to("retire")),
            _ => ask("Reinstate", to("reinstate")),
        };
        vec![change, ask("Note", to("note"))]
    },
    empty: "There is no name yet. Import the numbers of a venue below.",
    things: ("name", "names"),
    choices: &[("state", &["available", "assigned", "retired"])],
    key: "hostname",
    several: &[
        Several {
            word: "release",
            label: "Release",
            sentence: "The machines that have them lose them, and the next ones may get them. The batches under which \
                       they were given have those units to make again.",
            fields: || vec![force()],
            fits: |row| row["status"] == "assigned",
            asks: Asks::Together(|hostnames, typed| Request::NamesRelease {
                hostnames,
                force: typed.is_ticked("force"),
            }),
            done: "released",
        },
        Several {
            word: "retire",
            label: "Retire",
            sentence: "They are never given again, unless they are reinstated.",
            fields: Vec::new,
            fits: |row| row["status"] == "available",
            asks: Asks::Together(|hostnames, _| Request::NamesRetire { hostnames }),
            done: "retired",
        },
        Several {
            word: "reinstate",
            label: "Reinstate",
            sentence: "They can be given again.",
            fields: Vec::new,
            fits: |row| row["status"] == "retired",
            asks: Asks::Together(|hostnames, _| Request::NamesReinstate { hostnames }),
            done: "reinstated",
        },
    ],
    ways: &[("Import names", "#form-1"), ("Give a machine its name", "#form-2")],
    ..List::PLAIN
};

static BATCHES: List = List {
    path: "/batches",
    title: "Batches",
    request: |_, _, _| Request::Batches,
    columns: &[
        column("id", "Batch", Kind::Link("/batches/")),
        column("status", "Status", Kind::Word),
        column("progress", "Units", Kind::Parts(units)),
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
    empty: "No batch was ordered yet. Order one below.",
    things: ("batch", "batches"),
    choices: &[("status", &["pending", "active", "paused", "completed", "cancelled"])],
    ways: &[("Order a batch", "#form-1")],
    ..List::PLAIN
};

/// How many units of a batch are done, under way, failed, and not begun.
pub fn units(row: &Value) -> [u64; 4] {
    ["done_count", "running_count", "failed_count", "remaining_count"].map(|key| row[key].as_u64().unwrap_or_default())
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
    columns: &[
        column("code", "Code", Kind::Link("/venues/")),
        column("name", "Name", Kind::Text),
        column("location", "Where", Kind::Text),
        column("contact_email", "Contact", Kind::Text),
        column("names", "Names left", Kind::Made(names_left)),
    ],
    filters: &[],
    acts: |row| vec![ask("Remove", format!("/venues/{}/remove", page::escaped(&text(&row["code"]))))],
    empty: "There is no venue yet. Add one below.",
    things: ("venue", "venues"),
    ways: &[("Add a venue", "#form-1")],
    ..List::PLAIN
};

/// `KXP2: 3 free, 2 given`.
fn names_left(row: &Value) -> String {
    let of_product = |(product, count): (&String, &Value)| {
        format!("{product}: {} free, {} given", count["available"], count["assigned"])
    };
    row["names"].as_object().into_iter().flatten().map(of_product).collect::<Vec<_>>().join("; ")
}

static LEASES: List = List {
    path: "/leases",
    title: "Leases",
    request: |_, _, _| Request::Leases,
    columns: &[
        column("address", "Address", Kind::Text),
        column("state", "State", Kind::Word),
        column("machine", "Machine", Kind::Text),
        column("client", "Client", Kind::Text),
        column("expires", "Until", Kind::Time),
    ],
    filters: &[("state", "state", "State")],
    empty: "No address was given yet.",
    things: ("lease", "leases"),
    within: Some("/network"),
    ..List::PLAIN
};

static FINDINGS: List = List {
    path: "/findings",
    title: "Every check",
    request: |_, _, _| Request::Doctor,
    columns: &[
        column("level", "Level", Kind::Word),
        column("what", "What was found", Kind::Text),
        column("hint", "What to do", Kind::Text),
    ],
    filters: &[("level", "level", "Level")],
    empty: "Nothing was looked at yet.",
    things: ("finding", "findings"),
    ways: &[("Leases", "/leases")],
    ..List::PLAIN
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
    empty: "Nothing was changed yet.",
    things: ("change", "changes"),
    ..List::PLAIN
};

static USERS: List = List {
    path: "/users",
    title: "Users",
    request: |_, _, _| Request::Users,
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
    things: ("user", "users"),
    ways: &[("Add a user", "#form-1"), ("Tokens for programs", "/tokens")],
    ..List::PLAIN
};

static TOKENS: List = List {
    path: "/tokens",
    title: "Tokens",
    request: |_, _, _| Request::Tokens,
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
    things: ("token", "tokens"),
    within: Some("/users"),
    ways: &[("Make a token", "#form-1")],
    ..List::PLAIN
};

fn scopes(row: &Value) -> String {
    row["scopes"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ")
}

/// The lists, each with its exports, and what their forms are sent to.
pub fn routes(manage: &Arc<Manage>) -> Router<Arc<Manage>> {
    let seen = [&MACHINES, &DEPLOYMENTS, &NAMES, &BATCHES, &VENUES, &LEASES, &FINDINGS, &AUDIT];
    let seen = seen.into_iter().fold(Router::new(), exports);
    let seen = seen
        .route("/machines", get(async |asker: Asker, uri: Uri| MACHINES.show(&asker, &uri, Vec::new(), OK).await))
        .route("/deployments", get(async |asker: Asker, uri: Uri| DEPLOYMENTS.show(&asker, &uri, Vec::new(), OK).await))
        .route("/leases", get(async |asker: Asker, uri: Uri| LEASES.show(&asker, &uri, Vec::new(), OK).await))
        .route("/findings", get(async |asker: Asker, uri: Uri| FINDINGS.show(&asker, &uri, Vec::new(), OK).await))
        .route("/audit", get(async |asker: Asker, uri: Uri| AUDIT.show(&asker, &uri, Vec::new(), OK).await))
        .route("/names", get(names))
        .route("/batches", get(batches))
        .route("/venues", get(venues))
        .route_layer(from_fn_with_state(manage.clone(), caller::viewer));
    let done = Router::new()
        .route("/names", post(import))
        .route("/names/assign", post(assign))
        .route("/batches", post(order))
        .route("/venues", post(add_venue))
        .merge(MACHINES.acts_on_several())
        .merge(NAMES.acts_on_several())
        .route_layer(from_fn_with_state(manage.clone(), caller::operator));
    let people = [&USERS, &TOKENS].into_iter().fold(Router::new(), exports);
    let people = people
        .route("/users", get(users).post(add_user))
        .route("/tokens", get(tokens).post(add_token))
        .route_layer(from_fn_with_state(manage.clone(), caller::admin));
    seen.merge(done).merge(people)
}

const OK: StatusCode = StatusCode::OK;

pub(super) fn exports(router: Router<Arc<Manage>>, list: &'static List) -> Router<Arc<Manage>> {
    router
        .route(&format!("{}.csv", list.path), get(async move |asker: Asker, uri: Uri| list.csv(&asker, &uri).await))
        .route(&format!("{}.json", list.path), get(async move |asker: Asker, uri: Uri| list.json(&asker, &uri).await))
}
