//! The forms below the lists of the room, and what becomes of what is typed into them.

use askama::Template;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::Value;

use super::{BATCHES, NAMES, OK, TOKENS, USERS, VENUES};
use crate::access::Role;
use crate::serve::control::{Password, Reply, Request};
use crate::serve::core;
use crate::serve::manage::caller::{Asker, Caller};
use crate::serve::manage::form::{Field, Form, Typed, outcome};
use crate::serve::manage::page;
use crate::serve::manage::program::text;

/// A form below its list; who may not send it does not see it.
pub fn may(asker: &Asker, needed: Role, forms: Vec<Form>) -> Vec<Form> {
    if asker.caller.role.may(needed) { forms } else { Vec::new() }
}

/// The products there are.
pub fn products(asker: &Asker) -> Vec<String> {
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
        Field::choice("venue", "Venue", codes(asker).await).about(&["venue"]),
        Field::choice("product", "Product", products(asker)).about(&["product"]),
        Field::new("area", "numbers", "Numbers")
            .hint("Ranges and numbers, or a table whose first column they are: 1-40, 77. What is there already stays.")
            .about(&["line ", "number", "serial"]),
    ];
    Form::new("/names", "Import names", "Import", fields)
}

async fn assign_form(asker: &Asker) -> Form {
    let fields = vec![
        Field::choice("venue", "Venue", codes(asker).await).about(&["venue"]),
        Field::choice("product", "Product", products(asker)).about(&["product"]),
        Field::new("text", "mac", "MAC").optional().hint("Of a machine that was not seen yet, too.").about(&["mac"]),
        Field::new("text", "serial", "Serial").optional().hint("Instead of the MAC, or with it.").about(&["serial"]),
    ];
    Form::new("/names/assign", "Give a machine its name", "Give", fields)
}

pub(super) async fn names(asker: Asker, uri: Uri) -> Response {
    let forms = may(&asker, Role::Operator, vec![import_form(&asker).await, assign_form(&asker).await]);
    NAMES.show(&asker, &uri, forms, OK).await
}

pub(super) async fn import(asker: Asker, uri: Uri, typed: Typed) -> Response {
    let (venue, product) = (typed.text("venue"), typed.text("product"));
    let (of, at, text) = (product.clone(), venue.clone(), Some(typed.text("numbers")));
    match asker.answer(Request::NamesImport { product: of, venue: at, numbers: Vec::new(), text }).await {
        Reply::Ok(done) => {
            let sentence = format!(
                "{} names added; {} were there already; {} were listed more than once",
                done["added"],
                done["already_there"],
                done["repeated"].as_array().map_or(0, Vec::len)
            );
            asker.manage.said.say(&asker.caller, sentence);
            let next = format!("/names?venue={}&product={}", page::escaped(&venue), page::escaped(&product));
            Redirect::to(&next).into_response()
        }
        refused => {
            let (status, sentence) = outcome(refused, "").err().unwrap_or_default();
            let forms = vec![import_form(&asker).await.refused(&typed, &sentence), assign_form(&asker).await];
            NAMES.show(&asker, &uri, forms, status).await
        }
    }
}

pub(super) async fn assign(asker: Asker, uri: Uri, typed: Typed) -> Response {
    let [venue, product] = ["venue", "product"].map(|key| typed.text(key));
    let [mac, serial] = ["mac", "serial"].map(|key| typed.maybe(key));
    match asker.answer(Request::NameAssign { product, venue, mac, serial }).await {
        Reply::Ok(name) => {
            let hostname = text(&name["hostname"]);
            asker.manage.said.say(&asker.caller, format!("{hostname} is given"));
            Redirect::to(&format!("/names?q={}", page::escaped(&hostname))).into_response()
        }
        refused => {
            let (status, sentence) = outcome(refused, "").err().unwrap_or_default();
            let forms = vec![import_form(&asker).await, assign_form(&asker).await.refused(&typed, &sentence)];
            NAMES.show(&asker, &uri, forms, status).await
        }
    }
}

async fn order_form(asker: &Asker) -> Form {
    let fields = vec![
        Field::choice("venue", "Venue", codes(asker).await).about(&["venue"]),
        Field::choice("product", "Product", products(asker)).about(&["product"]),
        Field::new("number", "count", "How many").about(&["count", "insufficient"]),
        Field::new("number", "priority", "Priority")
            .holding("0")
            .hint("The batch of the highest priority gives names first.")
            .about(&["priority"]),
        Field::new("check", "start", "Start it at once").optional(),
    ];
    Form::new("/batches", "Order a batch", "Order", fields)
}

pub(super) async fn batches(asker: Asker, uri: Uri) -> Response {
    let forms = may(&asker, Role::Operator, vec![order_form(&asker).await]);
    BATCHES.show(&asker, &uri, forms, OK).await
}

pub(super) async fn order(asker: Asker, uri: Uri, typed: Typed) -> Response {
    let whole = |name: &str| typed.text(name).parse::<i64>().map_err(|_| format!("{name} must be a whole number"));
    let done = match whole("count").and_then(|count| Ok((count, whole("priority")?))) {
        Ok((count, priority)) => {
            let (venue, product) = (typed.text("venue"), typed.text("product"));
            let made = asker.answer(Request::BatchCreate { venue, product, count, priority }).await;
            let id = if let Reply::Ok(batch) = &made { batch["id"].as_u64() } else { None };
            if let Some(id) = id {
                asker.manage.said.say(&asker.caller, format!("Batch {id} is ordered"));
            }
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
        Field::new("text", "code", "Code").hint("Four letters or digits.").holding(at("code")).about(&["venue code"]),
        Field::new("text", "name", "Name").holding(at("name")).about(&["name"]),
        Field::new("text", "location", "Where it is").optional().holding(at("location")),
        Field::new("email", "contact_email", "Whom to write to")
            .optional()
            .holding(at("contact_email"))
            .about(&["mail"]),
    ];
    if known.is_none() {
        return Form::new("/venues", "Add a venue", "Add", fields);
    }
    fields[0].kind = "hidden";
    Form::new("/venues", "Change it", "Save", fields)
}

pub(super) async fn venues(asker: Asker, uri: Uri) -> Response {
    let forms = may(&asker, Role::Operator, vec![venue_form(None)]);
    VENUES.show(&asker, &uri, forms, OK).await
}

pub(super) async fn add_venue(asker: Asker, uri: Uri, typed: Typed) -> Response {
    let (code, name) = (typed.text("code"), typed.text("name"));
    let (location, contact_email) = (typed.maybe("location"), typed.maybe("contact_email"));
    let saved = format!("{} is saved", code.to_uppercase());
    let done = asker.answer(Request::VenueAdd { code, name, location, contact_email }).await;
    match outcome(done, "/venues") {
        Ok(response) => {
            asker.manage.said.say(&asker.caller, saved);
            response
        }
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
        Field::new("text", "name", "Name")
            .hint("a-z, 0-9, dot, hyphen and underscore; a letter first.")
            .about(&["user"]),
        Field::choice("role", "Role", roles())
            .hint("A viewer looks, an operator acts, an admin manages users and tokens."),
        Field::new("password", "password", "Password").hint("At least 10 characters.").about(&["password"]),
    ];
    Form::new("/users", "Add a user", "Add", fields)
}

pub(super) async fn users(asker: Asker, uri: Uri) -> Response {
    USERS.show(&asker, &uri, vec![user_form()], OK).await
}

pub(super) async fn add_user(asker: Asker, uri: Uri, typed: Typed) -> Response {
    let (name, role, password) = (typed.text("name"), typed.text("role"), Password(typed.secret("password")));
    let added = format!("{name} is added");
    match outcome(asker.answer(Request::UserAdd { name, role, password }).await, "/users") {
        Ok(response) => {
            asker.manage.said.say(&asker.caller, added);
            response
        }
        Err((status, sentence)) => USERS.show(&asker, &uri, vec![user_form().refused(&typed, &sentence)], status).await,
    }
}

fn token_form() -> Form {
    let fields = vec![
        Field::new("text", "name", "What it is for").about(&["name"]),
        Field::choice("role", "Role", roles()),
        Field::new("text", "scopes", "Scopes").optional().about(&["scope"]).hint(
            "Only for these of what the role allows: read, machines, names, batches, images, server, people. Without \
             any, all of it.",
        ),
        Field::new("number", "days", "Good for how many days")
            .optional()
            .hint("Without a number it does not end.")
            .about(&["days"]),
    ];
    Form::new("/tokens", "Make a token", "Make", fields)
}

pub(super) async fn tokens(asker: Asker, uri: Uri) -> Response {
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
pub(super) async fn add_token(asker: Asker, uri: Uri, typed: Typed) -> Response {
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
