use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::document::Document;
use super::shape::{object, of};
use super::{Group, Operation, Shape};

#[test]
fn the_language_of_fields_says_what_it_means() {
    let schema =
        object("hostname: text, mac: text?, order: install | hold, seen?: time, kin: Machine[], one: Machine?");
    assert_eq!(schema["required"], json!(["hostname", "mac", "order", "kin", "one"]));
    let properties = &schema["properties"];
    assert_eq!(properties["mac"]["type"], json!(["string", "null"]));
    assert_eq!(properties["order"]["enum"], json!(["install", "hold"]));
    assert_eq!(properties["kin"]["items"], json!({ "$ref": "#/components/schemas/Machine" }));
    assert_eq!(properties["one"]["anyOf"][1], json!({ "type": "null" }));
    assert_eq!(of("a | b?")["enum"], json!(["a", "b", null]));
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema and what it takes are looked at")]
struct NewThing {
    /// What to call it.
    name: String,
    count: Option<u32>,
}

#[test]
fn a_description_becomes_an_operation() {
    let operation = Operation::post("/api/v1/things/{id}", Group::Names, "Adds a thing")
        .operator()
        .body::<NewThing>(json!({ "name": "one" }))
        .creates()
        .reply(201, "Thing");
    let example = operation.body.as_ref().expect("a body");
    assert_eq!((example.takes)(&json!({ "name": "one" })), Ok(()));
    assert!((example.takes)(&json!({ "name": "one", "nome": 1 })).is_err());
    let shapes = [Shape { name: "Thing", about: "A thing.", fields: "name: text" }];
    let document = Document::new(vec![operation], &shapes, "hatchery_session");
    let described = &document.value()["paths"]["/api/v1/things/{id}"]["post"];
    assert_eq!((&described["x-role"], &described["x-scope"]), (&json!("operator"), &json!("names")));
    let body = &described["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["additionalProperties"], json!(false));
    assert_eq!(body["properties"]["name"]["description"], json!("What to call it."));
    assert_eq!(described["parameters"][1]["name"], json!("Idempotency-Key"));
    for status in ["201", "400", "401", "403", "404", "409", "413", "415", "503"] {
        assert!(described["responses"][status].is_object(), "{status} is not documented: {described:#}");
    }
}
