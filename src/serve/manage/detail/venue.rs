//! A venue: its names by product, its batches, and the form that changes it.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::told;
use crate::access::Role;
use crate::serve::control::Request;
use crate::serve::manage::caller::{Asker, Caller};
use crate::serve::manage::form::Form;
use crate::serve::manage::list::{in_words, look, shares};
use crate::serve::manage::page;
use crate::serve::manage::program::text;
use crate::serve::manage::room::{units, venue_form};

/// A page shows at most so many batches; their list has them all.
const BATCHES_MAX: usize = 50;

struct Order {
    id: String,
    product: String,
    status: String,
    look: &'static str,
    mark: &'static str,
    parts: [u64; 3],
    progress: String,
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
    orders: Vec<Order>,
    forms: Vec<Form>,
}

/// `GET /venues/CODE`.
pub async fn show(asker: Asker, Path(code): Path<String>) -> Response {
    let found = async {
        let venues = told(&asker, Request::Venues).await?;
        let batches = told(&asker, Request::Batches).await?;
        Ok::<_, Response>((venues, batches))
    };
    let (venues, batches) = match found.await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let known = venues.as_array().into_iter().flatten().find(|row| text(&row["code"]).eq_ignore_ascii_case(&code));
    let Some(known) = known else { return page::refused(StatusCode::NOT_FOUND, "There is no such venue") };
    let pool = |(product, count): (&String, &Value)| {
        (product.clone(), text(&count["available"]), text(&count["assigned"]), text(&count["retired"]))
    };
    let at = |key: &str| known[key].as_str().unwrap_or_default().to_owned();
    let its = batches.as_array().into_iter().flatten().filter(|batch| batch["venue_code"] == known["code"]);
    page::show(&VenuePage {
        caller: &asker.caller,
        here: "/venues",
        code: at("code"),
        name: at("name"),
        location: at("location"),
        contact: at("contact_email"),
        pools: known["names"].as_object().into_iter().flatten().map(pool).collect(),
        orders: its.rev().take(BATCHES_MAX).map(order).collect(),
        forms: if asker.caller.role.may(Role::Operator) { vec![venue_form(Some(known))] } else { Vec::new() },
    })
}

fn order(batch: &Value) -> Order {
    let status = text(&batch["status"]);
    let (look, mark) = look(&status);
    Order {
        id: text(&batch["id"]),
        product: text(&batch["product_type"]),
        status,
        look,
        mark,
        parts: shares(units(batch)),
        progress: in_words(units(batch)),
    }
}
