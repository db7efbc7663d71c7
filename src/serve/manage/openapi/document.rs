//! The OpenAPI 3.1 document of the described routes.

use axum::body::Bytes;
use serde_json::{Map, Value, json};

use super::operation::{Answer, Operation, Parameter};
use super::{Group, Shape, shape};
use crate::access::{Role, Scope};

/// The document, made once.
#[derive(Debug)]
pub struct Document {
    value: Value,
    bytes: Bytes,
}

const ABOUT: &str = "Everything that the pages and the command line do. Replies are JSON with sorted keys; a refusal is \
`{\"code\": …, \"error\": …}`, a word that stays the same and a sentence for people. Times are UTC. A parameter that a route \
does not know is refused, not ignored.\n\nSend a token as `Authorization: Bearer TOKEN` (made with `hatchery token add`, or \
by `POST /api/v1/tokens`). A browser may use its session; then what changes something brings the session's form key in the \
header `X-Form-Key`.";

/// What each route may refuse with: status, name of the answer, and what it means.
const REFUSALS: [(u16, &str, &str); 10] = [
    (400, "Invalid", "The request makes no sense; the sentence says why."),
    (401, "Unauthorized", "Nobody is logged in, and there is no good token."),
    (403, "Forbidden", "The role or the token's scopes do not allow it, or the form key is missing."),
    (404, "NotFound", "What it is about is not there."),
    (409, "Conflict", "It cannot be done as things are; the sentence says why."),
    (413, "TooLarge", "The body is too long, or broke off."),
    (415, "NoJson", "The body is not of the type that the route takes."),
    (421, "OtherHost", "The server is not the one that the Host header names."),
    (422, "Problems", "What was read has problems, one sentence each."),
    (503, "Later", "Not now: try again after the seconds in Retry-After."),
];

impl Document {
    /// Of these routes.
    pub(super) fn new(mut operations: Vec<Operation>, shapes: &[Shape], cookie: &str) -> Document {
        operations.sort_by_key(|operation| (operation.group, operation.path));
        let mut paths = Map::new();
        for operation in &operations {
            let path = paths.entry(operation.path).or_insert_with(|| json!({}));
            path[operation.method.as_str().to_ascii_lowercase()] = described(operation);
        }
        let value = json!({
            "components": {
                "responses": refusals(),
                "schemas": schemas(shapes),
                "securitySchemes": {
                    "cookie": {
                        "description": "The session of somebody who is logged in with a browser.",
                        "in": "cookie",
                        "name": cookie,
                        "type": "apiKey",
                    },
                    "token": { "description": "A token of a program.", "scheme": "bearer", "type": "http" },
                },
            },
            "info": {
                "description": ABOUT,
                "license": { "identifier": "MIT OR Apache-2.0", "name": "MIT OR Apache-2.0" },
                "title": "hatchery",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "openapi": "3.1.0",
            "paths": paths,
            "security": [{ "token": [] }, { "cookie": [] }],
            "servers": [{ "url": "/" }],
            "tags": Group::ALL.map(|group| json!({ "description": group.words().1, "name": group.words().0 })),
        });
        let bytes = Bytes::from(format!("{value:#}\n"));
        Document { value, bytes }
    }

    /// As JSON.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// As it is sent.
    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }
}

fn schemas(shapes: &[Shape]) -> Value {
    let fixed = [
        Shape { name: "Message", about: "What was done, as a sentence.", fields: "message: text" },
        Shape {
            name: "Refusal",
            about: "Why it was not done: a word that stays the same, and a sentence for people.",
            fields: "code: text, error: text",
        },
    ];
    let all = fixed.iter().chain(shapes).map(|each| {
        let mut schema = shape::object(each.fields);
        schema["description"] = json!(each.about);
        (each.name.to_owned(), schema)
    });
    let mut all: Map<String, Value> = all.collect();
    all.insert(
        "OriginalRefusal".to_owned(),
        json!({ "description": "Why it was not done.", "properties": { "error": { "type": "string" } },
                "required": ["error"], "type": "object" }),
    );
    all.into()
}

fn refusals() -> Value {
    let response = |about: &str, kind: &str| json!({ "content": { "application/json": { "schema": shape::of(kind) } }, "description": about });
    let usual = REFUSALS.iter().map(|(_, name, about)| ((*name).to_owned(), response(about, "Refusal")));
    // The old routes say why in one key; what the gate refuses has two everywhere.
    let old = REFUSALS.iter().map(|(_, name, about)| (format!("Original{name}"), response(about, "OriginalRefusal")));
    usual.chain(old).collect::<Map<_, _>>().into()
}

fn described(operation: &Operation) -> Value {
    let needs = operation.needs();
    let scope = needs.scope.map(Scope::word).unwrap_or_default();
    let scopes = match (needs.looks, scope) {
        (true, "read") | (false, _) => format!("`{scope}`"),
        (true, _) => format!("`read` or `{scope}`"),
    };
    let more = if operation.more.is_empty() { String::new() } else { format!("{}\n\n", operation.more) };
    let mut value = json!({
        "description": format!("{more}Takes the role `{}`; of a token with scopes, {scopes}.", operation.role),
        "operationId": id(operation),
        "parameters": parameters(operation),
        "responses": answers(operation),
        "summary": operation.summary,
        "tags": [operation.group.words().0],
        "x-role": operation.role.word(),
        "x-scope": scope,
    });
    if let Some(body) = &operation.body {
        let required = body.schema["required"].as_array().is_some_and(|required| !required.is_empty());
        let mut content = json!({ "schema": body.schema });
        if let Some(example) = &body.example {
            content["example"] = example.clone();
        }
        value["requestBody"] = json!({ "content": { body.media: content }, "required": required });
    }
    value
}

/// `get_machines_machine_log` for `GET /api/v1/machines/{machine}/log`.
fn id(operation: &Operation) -> String {
    let path = operation.path.trim_start_matches("/api/v1/");
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let method = operation.method.as_str().to_ascii_lowercase();
    words.fold(method, |id, word| format!("{id}_{word}"))
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let of_path = in_path.map(|name| {
        let (about, schema) = path_parameter(name.trim_start_matches('*'));
        json!({ "description": about, "in": "path", "name": name, "required": true, "schema": schema })
    });
    let repeat = Parameter {
        name: "Idempotency-Key",
        schema: json!({ "maxLength": 255, "minLength": 1, "pattern": "^[!-~]+$", "type": "string" }),
        about: "A text of your own, new for each thing to make. Who sends the same request with the same key again within \
                24 hours gets the first answer again, and nothing is made twice.",
        place: "header",
    };
    let given = operation.parameters.iter().chain(operation.creates.then_some(&repeat)).map(|parameter| {
        let Parameter { name, schema, about, place } = parameter;
        json!({ "description": about, "in": place, "name": name, "required": false, "schema": schema })
    });
    of_path.chain(given).collect()
}

/// What the names in paths mean; the same everywhere.
fn path_parameter(name: &str) -> (&'static str, Value) {
    let text = |example: &str| json!({ "examples": [example], "minLength": 1, "type": "string" });
    match name {
        "machine" => ("A MAC, an address, a serial or a host name.", text("KXP2-ARLT-001")),
        "hostname" => ("A host name.", text("KXP2-ARLT-001")),
        "id" => ("Its number.", json!({ "examples": [1], "minimum": 1, "type": "integer" })),
        "code" => ("The code of a venue.", text("ARLT")),
        _ => ("Which one.", json!({ "minLength": 1, "type": "string" })),
    }
}

fn answers(operation: &Operation) -> Value {
    let mut all: Map<String, Value> = operation.answers.iter().map(answer).collect();
    let has_body = operation.body.is_some();
    let looks = operation.method.is_safe();
    let has_name = operation.path.contains('{');
    for (status, name, _) in REFUSALS {
        let possible = match status {
            404 => has_name || !looks,
            409 | 422 => !looks,
            413 | 415 => has_body,
            _ => true,
        };
        let original = operation.group == Group::Original && matches!(status, 400 | 404 | 409 | 422 | 503);
        let name = if original { format!("Original{name}") } else { name.to_owned() };
        if possible {
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            all.entry(status.to_string()).or_insert(reference);
        }
    }
    all.into()
}

fn answer(answer: &Answer) -> (String, Value) {
    let mut value = json!({ "description": answer.about });
    if let Some(media) = answer.media {
        value["content"] = json!({ media: { "schema": answer.schema } });
    }
    (answer.status.to_string(), value)
}

/// The words that roles and scopes have in the document, for who reads it.
pub(super) fn who(role: &str) -> &'static str {
    match Role::from_word(role) {
        Some(Role::Viewer) | None => "everybody who is logged in",
        Some(Role::Operator) => "operators and admins",
        Some(Role::Admin) => "admins",
    }
}
