//! What is done to one thing: a page that asks and says what follows, and the button that does it.
//!
//! Each has one address: `GET` asks, `POST` does. Works without scripts, and nothing happens by following a link.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;

use super::caller::{self, Asker, Caller};
use super::form::{Field, Form, Typed, outcome};
use super::room::force;
use super::{Manage, page};
use crate::serve::control::{Password, Reply, Request};

/// One thing that can be done.
struct Action {
    /// The page of the navigation that it belongs to, and where it goes back to.
    here: &'static str,
    title: String,
    /// What follows.
    sentence: &'static str,
    button: &'static str,
    fields: Vec<Field>,
    request: Box<dyn Fn(&Typed) -> Request + Send + Sync>,
}

#[derive(Template)]
#[template(path = "action.html", config = "src/serve/manage/askama.toml")]
struct ActionPage<'a> {
    caller: &'a Caller,
    here: &'static str,
    title: &'a str,
    sentence: &'static str,
    form: Form,
    back: &'a str,
}

/// The routes, by what they are done to.
pub fn routes(manage: &Arc<Manage>) -> Router<Arc<Manage>> {
    let acts = Router::new()
        .route("/names/{name}/{act}", get(ask_name).post(do_name))
        .route("/machines/{machine}/{act}", post(do_machine).get(ask_machine))
        .route("/batches/{id}/{act}", get(ask_batch).post(do_batch))
        .route("/venues/{code}/{act}", get(ask_venue).post(do_venue))
        .route("/images/{product}/{file}/{act}", get(ask_image).post(do_image))
        .route_layer(from_fn_with_state(manage.clone(), caller::operator));
    let people = Router::new()
        .route("/users/{name}/{act}", get(ask_user).post(do_user))
        .route("/tokens/{id}/{act}", get(ask_token).post(do_token))
        .route_layer(from_fn_with_state(manage.clone(), caller::admin));
    acts.merge(people)
}

/// What is written down about something; `known` is what it says now.
fn note(known: String) -> Vec<Field> {
    vec![Field::new("text", "text", "Note").optional().holding(known).hint("An empty one takes away what was written.")]
}

/// `noted` is what is written down about it, for who changes that.
fn of_name(name: &str, act: &str, noted: String) -> Option<Action> {
    let hostname = name.to_owned();
    let (title, sentence, button, fields): (_, _, _, _) = match act {
        "release" => (
            format!("Release {name}?"),
            "The machine that has it loses it, and the next one may get it. The batch under which it was given has that \
             unit to make again.",
            "Release",
            vec![force()],
        ),
        "retire" => (format!("Retire {name}?"), "It is never given again, unless it is reinstated.", "Retire", vec![]),
        "reinstate" => (format!("Reinstate {name}?"), "It can be given again.", "Reinstate", vec![]),
        "note" => (format!("Note of {name}"), "", "Save", note(noted)),
        _ => return None,
    };
    let act = act.to_owned();
    let request = Box::new(move |typed: &Typed| {
        let hostname = hostname.clone();
        match act.as_str() {
            "release" => Request::NameRelease { hostname, force: typed.is_ticked("force") },
            "retire" => Request::NameRetire { hostname },
            "note" => Request::NameNote { hostname, text: typed.text("text") },
            _ => Request::NameReinstate { hostname },
        }
    });
    Some(Action { here: "/names", title, sentence, button, fields, request })
}

/// `noted` is as for a name.
fn of_machine(machine: &str, act: &str, noted: String) -> Option<Action> {
    let (sentence, button, fields): (_, _, _) = match act {
        "reinstall" => (
            "It is installed anew at its next network boot; its disk is overwritten then. It keeps its name. What it is \
             doing now is no longer believed.",
            "Reinstall",
            vec![],
        ),
        "hold" => ("It gets an address and nothing to boot, until somebody reinstalls it.", "Hold", vec![]),
        "forget" => (
            "It is removed with its leases, and is a new machine if it boots again. What was deployed to it stays on \
             record. Its name is retired, because the unit may be out there under it.",
            "Forget",
            vec![Field::new("check", "release_name", "Its name may be given again instead"), force()],
        ),
        "note" => ("", "Save", note(noted)),
        _ => return None,
    };
    let title =
        if act == "note" { format!("Note of machine {machine}") } else { format!("{button} machine {machine}?") };
    let (machine, act) = (machine.to_owned(), act.to_owned());
    let request = Box::new(move |typed: &Typed| {
        let machine = machine.clone();
        match act.as_str() {
            "reinstall" => Request::Reinstall { machine },
            "hold" => Request::Hold { machine },
            "note" => Request::MachineNote { machine, text: typed.text("text") },
            _ => Request::Forget {
                machine,
                release_name: typed.is_ticked("release_name"),
                force: typed.is_ticked("force"),
            },
        }
    });
    Some(Action { here: "/machines", title, sentence, button, fields, request })
}

fn of_batch(id: &str, act: &str) -> Option<Action> {
    let id: u64 = id.parse().ok()?;
    let priority = Field::new("number", "priority", "Priority").hint("The batch of the highest priority goes first.");
    let (title, sentence, button, fields): (_, _, _, _) = match act {
        "start" => (format!("Start batch {id}?"), "The next machines get their names under it.", "Start", vec![]),
        "pause" => {
            (format!("Pause batch {id}?"), "It gives no more names, until it is started again.", "Pause", vec![])
        }
        "cancel" => (
            format!("Cancel batch {id}?"),
            "It ends here, for good. Machines that have their names under it keep them.",
            "Cancel it",
            vec![],
        ),
        "priority" => (format!("Priority of batch {id}"), "", "Save", vec![priority]),
        _ => return None,
    };
    let act = act.to_owned();
    let request = Box::new(move |typed: &Typed| match act.as_str() {
        "start" => Request::BatchStart { id },
        "pause" => Request::BatchPause { id },
        "cancel" => Request::BatchCancel { id },
        _ => Request::BatchPriority { id, priority: typed.text("priority").parse().unwrap_or_default() },
    });
    Some(Action { here: "/batches", title, sentence, button, fields, request })
}

fn of_venue(code: &str, act: &str) -> Option<Action> {
    let code = Some(code.to_owned()).filter(|_| act == "remove")?;
    let sentence = "A venue of which there are names or batches stays. One that the configuration declares is there again \
                    after the next start.";
    let title = format!("Remove {code}?");
    let request = Box::new(move |_: &Typed| Request::VenueRemove { code: code.clone() });
    Some(Action { here: "/venues", title, sentence, button: "Remove", fields: vec![], request })
}

/// `known` is the image as it is, for what can be changed of it.
fn of_image(product: &str, file: &str, act: &str, known: &Value) -> Option<Action> {
    let of = |key: &str| known[key].as_str().unwrap_or_default().to_owned();
    let (title, sentence, button, fields): (_, _, _, _) = match act {
        "activate" => (
            format!("Give {product} the image {file}?"),
            "Machines that ask from now on are written with it. Those that are being written finish with theirs.",
            "Activate",
            match known["deprecated_since"].is_null() {
                true => vec![],
                false => vec![Field::new("check", "force", "Although it is deprecated")],
            },
        ),
        "describe" => (
            format!("Describe {file}"),
            "",
            "Save",
            vec![
                Field::new("text", "version", "Version").optional().holding(of("version")),
                Field::new("text", "description", "Description").optional().holding(of("description")),
            ],
        ),
        "deprecate" => (
            format!("Advise against {file}?"),
            "It is activated only by somebody who says that they know. Machines that get it now go on getting it.",
            "Deprecate",
            vec![],
        ),
        "undeprecate" => {
            (format!("Advise against {file} no longer?"), "It can be activated like any other.", "Undeprecate", vec![])
        }
        "remove" => (
            format!("Remove {file} from the images of {product}?"),
            "Its file is deleted, for good, unless it is another product's image, too. What was deployed with it stays on \
             record.",
            "Remove",
            vec![],
        ),
        _ => return None,
    };
    let (product, image, act) = (product.to_owned(), file.to_owned(), act.to_owned());
    let request = Box::new(move |typed: &Typed| {
        let (product, image) = (product.clone(), image.clone());
        match act.as_str() {
            "activate" => Request::ImageActivate { product, image, force: typed.is_ticked("force") },
            "describe" => {
                let (description, version) = (Some(typed.text("description")), Some(typed.text("version")));
                Request::ImageDescribe { product, image, description, version }
            }
            "remove" => Request::ImageRemove { product, image },
            word => Request::ImageDeprecate { product, image, deprecated: word == "deprecate" },
        }
    });
    Some(Action { here: "/images", title, sentence, button, fields, request })
}

fn of_user(name: &str, act: &str) -> Option<Action> {
    let (title, sentence, button, fields): (_, _, _, _) = match act {
        "change" => (
            format!("Change {name}"),
            "Their sessions end; they log in again.",
            "Save",
            vec![
                Field::choice("role", "Role", ["", "viewer", "operator", "admin"].map(str::to_owned).to_vec())
                    .optional()
                    .hint("Without a choice it stays as it is."),
                Field::new("password", "password", "Another password").optional().hint("At least 10 characters."),
            ],
        ),
        "remove" => (format!("Remove {name}?"), "They can log in no more, and their sessions end.", "Remove", vec![]),
        _ => return None,
    };
    let (name, act) = (name.to_owned(), act.to_owned());
    let request = Box::new(move |typed: &Typed| {
        let name = name.clone();
        match act.as_str() {
            "remove" => Request::UserRemove { name },
            _ => {
                let password = Some(typed.secret("password")).filter(|text| !text.is_empty()).map(Password);
                Request::UserChange { name, role: typed.maybe("role"), password }
            }
        }
    });
    Some(Action { here: "/users", title, sentence, button, fields, request })
}

fn of_token(id: &str, act: &str) -> Option<Action> {
    let id: i64 = id.parse().ok().filter(|_| act == "remove")?;
    let sentence = "Whoever shows it is let in no more.";
    let request = Box::new(move |_: &Typed| Request::TokenRemove { id });
    let title = format!("Remove token {id}?");
    Some(Action { here: "/tokens", title, sentence, button: "Remove", fields: vec![], request })
}

/// The page that asks.
fn ask(asker: &Asker, uri: &Uri, action: Option<Action>) -> Response {
    let Some(action) = action else { return nothing() };
    let form = Form::new(uri.path(), "", action.button, action.fields);
    shown(asker, &Action { fields: Vec::new(), ..action }, form, StatusCode::OK)
}

/// Does it, and goes back; or asks again and says why not.
async fn carry_out(asker: &Asker, uri: &Uri, typed: &Typed, action: Option<Action>) -> Response {
    let Some(action) = action else { return nothing() };
    let said = asker.answer((action.request)(typed)).await;
    match outcome(said, action.here) {
        Ok(response) => {
            asker.manage.said.say(&asker.caller, format!("{}: done", action.title.trim_end_matches('?')));
            response
        }
        Err((status, sentence)) => {
            let form = Form::new(uri.path(), "", action.button, action.fields.clone()).refused(typed, &sentence);
            shown(asker, &action, form, status)
        }
    }
}

fn shown(asker: &Asker, action: &Action, form: Form, status: StatusCode) -> Response {
    let Action { here, title, sentence, .. } = action;
    let page = ActionPage { caller: &asker.caller, here, title, sentence, form, back: here };
    (status, page::show(&page)).into_response()
}

fn nothing() -> Response {
    page::refused(StatusCode::NOT_FOUND, "There is no such page")
}

type Two = Path<(String, String)>;

async fn ask_name(asker: Asker, uri: Uri, Path((name, act)): Two) -> Response {
    let noted = if act == "note" { note_of_name(&asker, &name).await } else { String::new() };
    ask(&asker, &uri, of_name(&name, &act, noted))
}

async fn note_of_name(asker: &Asker, name: &str) -> String {
    let Reply::Ok(rows) = asker.answer(Request::Names { product: None, venue: None, state: None }).await else {
        return String::new();
    };
    let found = rows.as_array().into_iter().flatten().find(|row| row["hostname"] == name);
    found.and_then(|row| row["notes"].as_str()).unwrap_or_default().to_owned()
}

async fn do_name(asker: Asker, uri: Uri, Path((name, act)): Two, typed: Typed) -> Response {
    carry_out(&asker, &uri, &typed, of_name(&name, &act, String::new())).await
}

async fn ask_machine(asker: Asker, uri: Uri, Path((machine, act)): Two) -> Response {
    let noted = if act == "note" { note_of_machine(&asker, &machine).await } else { String::new() };
    ask(&asker, &uri, of_machine(&machine, &act, noted))
}

async fn note_of_machine(asker: &Asker, machine: &str) -> String {
    match asker.answer(Request::Explain { machine: machine.to_owned() }).await {
        Reply::Ok(told) => told["machine"]["notes"].as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

async fn do_machine(asker: Asker, uri: Uri, Path((machine, act)): Two, typed: Typed) -> Response {
    carry_out(&asker, &uri, &typed, of_machine(&machine, &act, String::new())).await
}

async fn ask_venue(asker: Asker, uri: Uri, Path((code, act)): Two) -> Response {
    ask(&asker, &uri, of_venue(&code, &act))
}

async fn do_venue(asker: Asker, uri: Uri, Path((code, act)): Two, typed: Typed) -> Response {
    carry_out(&asker, &uri, &typed, of_venue(&code, &act)).await
}

async fn ask_batch(asker: Asker, uri: Uri, Path((id, act)): Two) -> Response {
    ask(&asker, &uri, of_batch(&id, &act))
}

async fn do_batch(asker: Asker, uri: Uri, Path((id, act)): Two, typed: Typed) -> Response {
    carry_out(&asker, &uri, &typed, of_batch(&id, &act)).await
}

async fn ask_image(asker: Asker, uri: Uri, Path((product, file, act)): Path<(String, String, String)>) -> Response {
    let known = known_image(&asker, &product, &file).await;
    ask(&asker, &uri, of_image(&product, &file, &act, &known))
}

/// The image as it is; `null` if there is none.
async fn known_image(asker: &Asker, product: &str, file: &str) -> Value {
    let Reply::Ok(rows) = asker.answer(Request::Images).await else { return Value::Null };
    let mut rows = rows.as_array().into_iter().flatten();
    rows.find(|row| row["product_type"] == product && row["file"] == file).cloned().unwrap_or_default()
}

async fn do_image(
    asker: Asker,
    uri: Uri,
    Path((product, file, act)): Path<(String, String, String)>,
    typed: Typed,
) -> Response {
    let known = known_image(&asker, &product, &file).await;
    carry_out(&asker, &uri, &typed, of_image(&product, &file, &act, &known)).await
}

async fn ask_user(asker: Asker, uri: Uri, Path((name, act)): Two) -> Response {
    ask(&asker, &uri, of_user(&name, &act))
}

async fn do_user(asker: Asker, uri: Uri, Path((name, act)): Two, typed: Typed) -> Response {
    carry_out(&asker, &uri, &typed, of_user(&name, &act)).await
}

async fn ask_token(asker: Asker, uri: Uri, Path((id, act)): Two) -> Response {
    ask(&asker, &uri, of_token(&id, &act))
}

async fn do_token(asker: Asker, uri: Uri, Path((id, act)): Two, typed: Typed) -> Response {
    carry_out(&asker, &uri, &typed, of_token(&id, &act)).await
}
