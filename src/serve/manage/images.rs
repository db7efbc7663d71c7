//! The list of images, and the form by which they come: with scripts in pieces that survive a reload, without them in one
//! go.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request as HttpRequest;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde_json::Value;

use super::caller::{self, Asker};
use super::form::{Field, Form, Typed};
use super::list::{Act, Kind, List, bytes};
use super::program::{self, text};
use super::room::forms::{may, products};
use super::room::{ask, column, exports};
use super::upload::{Texts, Trouble};
use super::{Manage, page};
use crate::access::Role;
use crate::serve::control::Request;

static IMAGES: List = List {
    path: "/images",
    title: "Images",
    request: |_, _, _| Request::Images,
    columns: &[
        column("product_type", "Product", Kind::Text),
        column("version", "Version", Kind::Text),
        column("file", "File", Kind::Text),
        column("active", "State", Kind::Made(state)),
        column("size", "Size", Kind::Bytes),
        column("raw_size", "On the drive", Kind::Made(raw)),
        column("description", "Description", Kind::Text),
        column("machines", "Machines", Kind::Made(machines)),
        column("added_at", "Added", Kind::Time),
        column("sha256", "SHA-256", Kind::Short),
        column("warnings", "Warnings", Kind::Made(warnings)),
    ],
    filters: &[("product", "product_type", "Product")],
    acts,
    empty: "There is no image yet. Drop a file on this page.",
    things: ("image", "images"),
    ..List::PLAIN
};

fn state(row: &Value) -> String {
    let active = (row["active"] == true).then_some("✓ active");
    let measuring = (row["sha256"].is_null() && !row["added_at"].is_null()).then_some("being checked");
    let missing = (row["sha256"].is_null() && row["added_at"].is_null()).then_some("no file yet");
    let deprecated = (!row["deprecated_since"].is_null()).then_some("‖ deprecated");
    [active, measuring, missing, deprecated].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// How much it writes, and how it is packed.
fn raw(row: &Value) -> String {
    let Some(size) = row["raw_size"].as_u64() else { return String::new() };
    match row["compression"].as_str() {
        None | Some("none") => bytes(size),
        Some(word) => format!("{} ({word})", bytes(size)),
    }
}

fn machines(row: &Value) -> String {
    let count = |key: &str| row[key].as_u64().unwrap_or_default();
    match (count("machines"), count("writing")) {
        (0, 0) => String::new(),
        (done, 0) => done.to_string(),
        (done, writing) => format!("{done}, {writing} being written"),
    }
}

fn warnings(row: &Value) -> String {
    row["warnings"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join("; ")
}

fn acts(row: &Value) -> Vec<Act> {
    let [product, file] = ["product_type", "file"].map(|key| page::escaped(&text(&row[key])));
    let to = |act: &str| format!("/images/{product}/{file}/{act}");
    let active = row["active"] == true;
    let known = !row["added_at"].is_null() || !row["sha256"].is_null();
    let activate = (!active && !row["sha256"].is_null()).then(|| ask("Activate", to("activate")));
    let describe = known.then(|| ask("Describe", to("describe")));
    let deprecate = known.then(|| match row["deprecated_since"].is_null() {
        true => ask("Deprecate", to("deprecate")),
        false => ask("Undeprecate", to("undeprecate")),
    });
    let remove = (known && !active).then(|| ask("Remove", to("remove")));
    [activate, describe, deprecate, remove].into_iter().flatten().collect()
}

/// The routes.
pub fn routes(manage: &Arc<Manage>) -> Router<Arc<Manage>> {
    let seen = exports(Router::new(), &IMAGES)
        .route("/images", get(show))
        .route_layer(from_fn_with_state(manage.clone(), caller::viewer));
    let done =
        Router::new().route("/images", post(upload)).route_layer(from_fn_with_state(manage.clone(), caller::operator));
    seen.merge(done)
}

fn form(asker: &Asker) -> Form {
    let fields = vec![
        Field::new("file", "image", "File").hint(
            "A disk image or an ISO file, as it is or compressed by gzip, xz or zstd. It can be dropped anywhere here.",
        ),
        Field::choice("product_type", "Product", products(asker)),
        Field::new("text", "version", "Version").optional(),
        Field::new("text", "description", "Description").optional(),
        Field::new("check", "activate", "Give it to the product's machines as soon as it is checked"),
    ];
    Form::new("/images", "Upload an image", "Upload", fields)
}

async fn show(asker: Asker, uri: Uri) -> Response {
    let forms = may(&asker, Role::Operator, vec![form(&asker)]);
    IMAGES.show(&asker, &uri, forms, StatusCode::OK).await
}

async fn upload(asker: Asker, uri: Uri, headers: HeaderMap, request: HttpRequest) -> Response {
    let mut texts = Texts::default();
    let body = request.into_body();
    match asker.manage.uploads.take_form(&asker.caller.name, &headers, body, &mut texts).await {
        Ok(_) => Redirect::to("/images").into_response(),
        Err(Trouble { code, sentence }) => {
            let Texts { product, version, description, activate } = &texts;
            let activate = if *activate { "yes" } else { "" };
            let typed = Typed::new(&[
                ("product_type", product),
                ("version", version),
                ("description", description),
                ("activate", activate),
            ]);
            let form = form(&asker).refused(&typed, &sentence);
            IMAGES.show(&asker, &uri, vec![form], program::status(code)).await
        }
    }
}
