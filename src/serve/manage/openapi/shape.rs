//! Kinds of objects in a line each: `hostname: text, mac: text?, since: time?, order: install | hold, warnings: text[]`.
//!
//! Types are `text`, `time` (ISO 8601), `integer`, `number`, `boolean`, `object` (of any keys), `any`, the name of
//! another kind (with a capital), or words with `|` between them. `?` after a type: it may be null. `[]`: a list of them.
//! `?` after the name of a field: it may be absent.

use serde_json::{Map, Value, json};

/// The schema of an object with these fields. More may come with later versions.
///
/// # Panics
/// If `fields` cannot be read: it is part of the program.
pub fn object(fields: &str) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields.split(',').map(str::trim).filter(|field| !field.is_empty()) {
        let (name, kind) = field.split_once(':').unwrap_or_else(|| panic!("no type in '{field}'"));
        let name = name.trim();
        let there = name.strip_suffix('?').unwrap_or(name);
        if there == name {
            required.push(json!(name));
        }
        properties.insert(there.to_owned(), of(kind.trim()));
    }
    json!({ "properties": properties, "required": required, "type": "object" })
}

/// The schema of one type.
///
/// # Panics
/// If there is no such type.
pub fn of(kind: &str) -> Value {
    if let Some(kind) = kind.strip_suffix('?') {
        return or_null(of(kind.trim()));
    }
    if let Some(kind) = kind.strip_suffix("[]") {
        return json!({ "items": of(kind.trim()), "type": "array" });
    }
    if kind.contains('|') {
        let words: Vec<&str> = kind.split('|').map(str::trim).collect();
        return json!({ "enum": words, "type": "string" });
    }
    match kind {
        "text" => json!({ "type": "string" }),
        "time" => json!({ "examples": ["2026-11-21T09:30:00Z"], "type": "string" }),
        "integer" | "number" | "boolean" | "object" => json!({ "type": kind }),
        "any" => json!({}),
        name if name.starts_with(|c: char| c.is_ascii_uppercase()) => {
            json!({ "$ref": format!("#/components/schemas/{name}") })
        }
        other => panic!("there is no type '{other}'"),
    }
}

fn or_null(mut schema: Value) -> Value {
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    match schema.get("type").cloned() {
        Some(kind) => {
            schema["type"] = json!([kind, "null"]);
            schema
        }
        None if schema.get("$ref").is_some() => json!({ "anyOf": [schema, { "type": "null" }] }),
        None => schema,
    }
}
