//! The document: as JSON for programs, and as a page for people.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::document::who;
use super::{Described, Group, Operation};
use crate::serve::manage::caller::Caller;
use crate::serve::manage::{Manage, page};

/// The route of the document, described like all others.
pub fn routes(manage: &Arc<Manage>) -> Described {
    let mut described = Described::new(manage);
    let operation = Operation::get("/api/v1/openapi.json", Group::Server, "This document")
        .more("The page /api shows it to people.")
        .fields(200, "openapi: text, paths: object");
    described.add(operation, json);
    described
}

async fn json(State(manage): State<Arc<Manage>>) -> Response {
    let bytes = manage.document.get().map(super::Document::bytes).unwrap_or_default();
    ([(CONTENT_TYPE, "application/json")], bytes).into_response()
}

#[derive(Template)]
#[template(path = "api.html", config = "src/serve/manage/askama.toml")]
struct ApiPage {
    caller: Caller,
    here: &'static str,
    about: Vec<String>,
    version: String,
    chapters: Vec<Chapter>,
    schemas: Vec<Fields>,
}

/// The routes of a group.
struct Chapter {
    title: String,
    about: String,
    routes: Vec<Route>,
}

struct Route {
    id: String,
    method: String,
    path: String,
    summary: String,
    paragraphs: Vec<String>,
    who: &'static str,
    parameters: Vec<Row>,
    body: Option<Fields>,
    example: String,
    answers: Vec<Row>,
}

/// A name, a type, and what it means.
struct Row {
    name: String,
    kind: String,
    about: String,
}

struct Fields {
    name: String,
    about: String,
    rows: Vec<Row>,
}

/// `GET /api`.
pub async fn show(State(manage): State<Arc<Manage>>, Extension(caller): Extension<Caller>) -> Response {
    let Some(document) = manage.document.get().map(super::Document::value) else {
        return page::show(&ApiPage::of(&Value::Null, caller));
    };
    page::show(&ApiPage::of(document, caller))
}

impl ApiPage {
    fn of(document: &Value, caller: Caller) -> ApiPage {
        let chapters = list(&document["tags"]).iter().map(|tag| chapter(document, tag));
        let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
        ApiPage {
            caller,
            here: "/api",
            about: paragraphs(&document["info"]["description"]),
            version: text(&document["info"]["version"]),
            chapters: chapters.filter(|chapter| !chapter.routes.is_empty()).collect(),
            schemas: schemas.map(|(name, schema)| fields(name, schema)).collect(),
        }
    }
}

fn chapter(document: &Value, tag: &Value) -> Chapter {
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation))
    });
    let own = all.filter(|(_, _, operation)| operation["tags"][0] == tag["name"]);
    let routes = own.map(|(path, method, operation)| route(document, path, method, operation)).collect();
    Chapter { title: text(&tag["name"]), about: text(&tag["description"]), routes }
}

fn route(document: &Value, path: &str, method: &str, operation: &Value) -> Route {
    let method = method.to_uppercase();
    let body = operation["requestBody"]["content"].as_object().and_then(|content| content.iter().next());
    let parameters = list(&operation["parameters"]).iter().map(|parameter| Row {
        name: text(&parameter["name"]),
        kind: format!("{}, in the {}", kind(&parameter["schema"]), place(&parameter["in"])),
        about: text(&parameter["description"]),
    });
    let answers = operation["responses"].as_object().into_iter().flatten().map(|(status, answer)| {
        let answer = match answer["$ref"].as_str() {
            Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null),
            None => answer,
        };
        let media = answer["content"].as_object().and_then(|content| content.iter().next());
        let kind = media.map(|(media, content)| match media.as_str() {
            "application/json" => kind(&content["schema"]),
            other => other.to_owned(),
        });
        Row { name: status.clone(), kind: kind.unwrap_or_default(), about: text(&answer["description"]) }
    });
    Route {
        id: text(&operation["operationId"]),
        summary: text(&operation["summary"]),
        paragraphs: paragraphs(&operation["description"]),
        who: who(&text(&operation["x-role"])),
        parameters: parameters.collect(),
        example: curl(&method, path, operation, body),
        body: body.map(|(media, content)| fields(media, &content["schema"])),
        answers: answers.collect(),
        method,
        path: path.to_owned(),
    }
}

/// A call that can be pasted into a shell, where TOKEN and HATCHERY are set.
fn curl(method: &str, path: &str, operation: &Value, body: Option<(&String, &Value)>) -> String {
    let mut place = path.to_owned();
    for parameter in list(&operation["parameters"]).iter().filter(|parameter| parameter["in"] == "path") {
        let example = &parameter["schema"]["examples"][0];
        let example = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
        let example = if example == "null" { "NAME".to_owned() } else { example };
        place = place.replace(&format!("{{{}}}", text(&parameter["name"])), &example);
    }
    let mut lines = vec!["curl -H \"Authorization: Bearer $TOKEN\"".to_owned()];
    if method != "GET" {
        lines[0] += &format!(" -X {method}");
    }
    match body {
        Some((media, content)) if media == "application/json" => {
            let example = content.get("example").unwrap_or(&Value::Null);
            lines.push(format!("-H 'Content-Type: {media}' -d '{example}'"));
        }
        Some((media, _)) => lines.push(format!("-H 'Content-Type: {media}' -T FILE")),
        None => {}
    }
    lines.push(format!("\"$HATCHERY{place}\""));
    lines.join(" \\\n  ")
}

/// The fields of an object.
fn fields(name: &str, schema: &Value) -> Fields {
    let required = list(&schema["required"]);
    let rows = schema["properties"].as_object().into_iter().flatten().map(|(name, field)| Row {
        name: name.clone(),
        kind: if required.iter().any(|each| each == name) { kind(field) } else { format!("{}, optional", kind(field)) },
        about: text(&field["description"]),
    });
    Fields { name: name.to_owned(), about: text(&schema["description"]), rows: rows.collect() }
}

/// A schema in words.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    let of_any = list(&schema["anyOf"]);
    if !of_any.is_empty() {
        return of_any.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let words = list(&schema["enum"]);
    if !words.is_empty() {
        return words.iter().map(|word| word.as_str().unwrap_or("null")).collect::<Vec<_>>().join(" | ");
    }
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        Value::String(kind) if kind == "array" => format!("list of {}", self::kind(&schema["items"])),
        Value::String(kind) if schema["properties"]["items"].is_object() => {
            format!("{kind} with items: {}", self::kind(&schema["properties"]["items"]))
        }
        Value::String(kind) if kind == "string" => "text".to_owned(),
        Value::String(kind) => kind.clone(),
        _ => "anything".to_owned(),
    }
}

fn place(place: &Value) -> &'static str {
    match place.as_str() {
        Some("path") => "path",
        Some("header") => "head",
        _ => "address",
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn paragraphs(value: &Value) -> Vec<String> {
    text(value).split("\n\n").filter(|each| !each.is_empty()).map(|each| each.replace('`', "")).collect()
}
