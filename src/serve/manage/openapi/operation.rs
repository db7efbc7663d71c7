//! One route in words: what it does, for whom, what it takes, and what it answers.

use axum::http::Method;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::shape;
use crate::access::{Needs, Role, Scope};

/// What a route is about: a chapter of the document, and the scope that a token needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// What is being made, and by which boot plan.
    Machines,
    /// Products, venues, and the names of units.
    Names,
    /// Orders.
    Batches,
    /// Images of products.
    Images,
    /// What was deployed, and figures about it.
    Deployments,
    /// Leases, pools, and what the preflight finds.
    Network,
    /// Notices as they happen.
    Live,
    /// The server itself.
    Server,
    /// Users and tokens.
    People,
    /// The routes of the system that hatchery replaces.
    Original,
}

impl Group {
    /// All of them, in the order of the document.
    pub const ALL: [Group; 10] = [
        Group::Machines,
        Group::Names,
        Group::Batches,
        Group::Images,
        Group::Deployments,
        Group::Network,
        Group::Live,
        Group::Server,
        Group::People,
        Group::Original,
    ];

    /// Its title, and a sentence about it.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Group::Machines => {
                ("Machines", "What boots here: its stage, its boot plan with reasons, and orders to it.")
            }
            Group::Names => ("Names", "Products, venues, and the host names that units are given once and for all."),
            Group::Batches => ("Batches", "Orders of units: what, for where, how many, and which goes first."),
            Group::Images => ("Images", "Image files of products, and the one that machines get."),
            Group::Deployments => ("Deployments", "Every run of an installer, and figures about them."),
            Group::Network => ("Network", "Leases, pools, and what the preflight finds."),
            Group::Live => ("Live", "Notices as they happen, as server-sent events or through a WebSocket."),
            Group::Server => ("Server", "The server itself: its state, its configuration, its health."),
            Group::People => ("People", "Users, and tokens of programs."),
            Group::Original => (
                "Original routes",
                "The routes of the system that hatchery replaces, in its shapes. New programs use /api/v1.",
            ),
        }
    }

    fn scope(self) -> Scope {
        match self {
            Group::Machines => Scope::Machines,
            Group::Names => Scope::Names,
            Group::Batches => Scope::Batches,
            Group::Images => Scope::Images,
            Group::Deployments | Group::Network | Group::Live | Group::Original => Scope::Read,
            Group::Server => Scope::Server,
            Group::People => Scope::People,
        }
    }
}

/// A parameter of the address.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub schema: Value,
    pub about: &'static str,
    /// `query` or `header`.
    pub place: &'static str,
}

/// What a request brings.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub media: &'static str,
    pub schema: Value,
    pub example: Option<Value>,
    /// Whether what takes the body takes the example.
    #[cfg_attr(not(test), expect(dead_code, reason = "asked by a test: an example that is refused helps nobody"))]
    pub takes: fn(&Value) -> Result<(), String>,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub media: Option<&'static str>,
    pub schema: Value,
    pub about: &'static str,
}

/// A route in words.
#[derive(Clone, Debug)]
pub struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) group: Group,
    pub(super) summary: &'static str,
    pub(super) more: &'static str,
    pub(super) role: Role,
    scope: Scope,
    pub(super) creates: bool,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Answer>,
}

impl Operation {
    fn new(method: Method, path: &'static str, group: Group, summary: &'static str) -> Operation {
        Operation {
            method,
            path,
            group,
            summary,
            more: "",
            role: Role::Viewer,
            scope: group.scope(),
            creates: false,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
        }
    }

    /// A route that looks; for viewers unless another role is named.
    pub fn get(path: &'static str, group: Group, summary: &'static str) -> Operation {
        Operation::new(Method::GET, path, group, summary)
    }

    /// A route that does something; for viewers unless another role is named, here and below.
    pub fn post(path: &'static str, group: Group, summary: &'static str) -> Operation {
        Operation::new(Method::POST, path, group, summary)
    }

    /// A route that replaces something.
    pub fn put(path: &'static str, group: Group, summary: &'static str) -> Operation {
        Operation::new(Method::PUT, path, group, summary)
    }

    /// A route that changes a part of something.
    pub fn patch(path: &'static str, group: Group, summary: &'static str) -> Operation {
        Operation::new(Method::PATCH, path, group, summary)
    }

    /// A route that removes something.
    pub fn delete(path: &'static str, group: Group, summary: &'static str) -> Operation {
        Operation::new(Method::DELETE, path, group, summary)
    }

    /// Only for operators and admins.
    pub fn operator(self) -> Operation {
        Operation { role: Role::Operator, ..self }
    }

    /// Only for admins.
    pub fn admin(self) -> Operation {
        Operation { role: Role::Admin, ..self }
    }

    /// Takes another scope than its group.
    pub fn scope(self, scope: Scope) -> Operation {
        Operation { scope, ..self }
    }

    /// More about it than its summary.
    pub fn more(self, more: &'static str) -> Operation {
        Operation { more, ..self }
    }

    /// Makes something new: with the header `Idempotency-Key`, a repeat gets the first answer again.
    pub fn creates(self) -> Operation {
        Operation { creates: true, ..self }
    }

    /// A parameter of the address; `kind` in the language of [`shape`].
    pub fn parameter(mut self, name: &'static str, kind: &str, about: &'static str) -> Operation {
        self.parameters.push(Parameter { name, schema: shape::of(kind), about, place: "query" });
        self
    }

    /// A header that the route understands.
    pub fn header(mut self, name: &'static str, kind: &str, about: &'static str) -> Operation {
        self.parameters.push(Parameter { name, schema: shape::of(kind), about, place: "header" });
        self
    }

    /// Takes a JSON object that is read as a `T`; `example` is one.
    pub fn body<T: JsonSchema + DeserializeOwned>(self, example: Value) -> Operation {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.meta_schema = None;
            settings.inline_subschemas = true;
        });
        let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
        let takes =
            |example: &Value| serde_json::from_value::<T>(example.clone()).map(drop).map_err(|error| error.to_string());
        Operation { body: Some(Body { media: "application/json", schema, example: Some(example), takes }), ..self }
    }

    /// Takes bytes of that media type, as a stream.
    pub fn bytes(self, media: &'static str) -> Operation {
        let schema = json!({ "format": "binary", "type": "string" });
        Operation { body: Some(Body { media, schema, example: None, takes: |_| Ok(()) }), ..self }
    }

    /// Whether its body is bytes that no limit of ours holds up.
    pub(super) fn is_stream(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.media != "application/json")
    }

    /// Answers with JSON; `kind` in the language of [`shape`].
    pub fn reply(self, status: u16, kind: &str) -> Operation {
        self.answer(status, Some("application/json"), shape::of(kind), "Done.")
    }

    /// Answers with a sentence, `{"message": …}`.
    pub fn says(self) -> Operation {
        self.reply(200, "Message")
    }

    /// Answers with JSON that has these fields.
    pub fn fields(self, status: u16, fields: &str) -> Operation {
        self.answer(status, Some("application/json"), shape::object(fields), "Done.")
    }

    /// Answers with a part of a list; `kind` is one row.
    pub fn list(self, kind: &str) -> Operation {
        let mut schema = shape::object("limit: integer, offset: integer, total: integer");
        schema["properties"]["items"] = json!({ "items": shape::of(kind), "type": "array" });
        schema["required"] = json!(["items", "limit", "offset", "total"]);
        let list = self
            .window()
            .parameter("q", "text", "Only rows that have this text somewhere; a MAC in any spelling.")
            .parameter("sort", "text", "The key of a row to sort by; with a hyphen before it, from the last on.");
        list.answer(200, Some("application/json"), schema, "A part of the list, and how long it is in all.")
    }

    /// The parameters of a list that comes in parts.
    pub fn window(mut self) -> Operation {
        let number = |least: u32, most: u64, default: u32| json!({ "default": default, "maximum": most, "minimum": least, "type": "integer" });
        let mut add = |name, schema, about| self.parameters.push(Parameter { name, schema, about, place: "query" });
        add("limit", number(0, 1000, 100), "At most so many rows.");
        add("offset", number(0, 1 << 53, 0), "After so many rows.");
        self
    }

    /// Answers with text or bytes of that media type.
    pub fn file(self, status: u16, media: &'static str, about: &'static str) -> Operation {
        self.answer(status, Some(media), json!({ "type": "string" }), about)
    }

    /// Answers with nothing but a status.
    pub fn empty(self, status: u16, about: &'static str) -> Operation {
        self.answer(status, None, Value::Null, about)
    }

    /// Answers like that, too, beside the refusals that each route has; the body is a refusal.
    pub fn refuses(self, status: u16, about: &'static str) -> Operation {
        self.answer(status, Some("application/json"), shape::of("Refusal"), about)
    }

    fn answer(mut self, status: u16, media: Option<&'static str>, schema: Value, about: &'static str) -> Operation {
        self.answers.push(Answer { status, media, schema, about });
        self
    }

    /// What somebody has to be for it.
    pub fn needs(&self) -> Needs {
        Needs { role: self.role, scope: Some(self.scope), looks: self.method.is_safe(), creates: self.creates }
    }
}
