//! What each route of the API is. A route is described where it is made: [`Described::add`] puts the description and
//! what answers into the router at once, with the role and the scope that the description names, so that the OpenAPI
//! document and the router cannot say different things.
//!
//! To add a route: `described.add(Operation::post("/api/v1/things", Group::Names, "Adds a thing").operator()
//! .body::<NewThing>(json!({ … })).creates().reply(201, "Thing"), add_thing)`, and once per kind of object
//! `described.shape("Thing", "What it is.", "name: text, made_at: time?, count: integer")` (the language of fields is
//! that of [`shape`]).

mod document;
mod operation;
pub mod read;
pub mod shape;

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, on};

pub use self::document::Document;
pub use self::operation::{Group, Operation};
use super::caller::{self, Gate};
use super::{Manage, program, repeat};

/// Routes with what they are.
#[derive(Debug)]
pub struct Described {
    manage: Arc<Manage>,
    router: Router<Arc<Manage>>,
    operations: Vec<Operation>,
    shapes: Vec<Shape>,
}

/// A kind of object in replies.
#[derive(Clone, Copy, Debug)]
struct Shape {
    name: &'static str,
    about: &'static str,
    fields: &'static str,
}

impl Described {
    /// No route yet.
    pub fn new(manage: &Arc<Manage>) -> Described {
        Described { manage: manage.clone(), router: Router::new(), operations: Vec::new(), shapes: Vec::new() }
    }

    /// A route, and what answers it to those who may.
    pub fn add<H, T>(&mut self, operation: Operation, answers: H)
    where
        H: Handler<T, Arc<Manage>>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(operation.method.clone()).expect("a method of the API");
        let gate = Gate { manage: self.manage.clone(), needs: operation.needs() };
        let mut route = on(filter, answers);
        if !operation.is_stream() {
            route = route.layer(program::body_limit());
        }
        if operation.needs().creates {
            route = route.layer(from_fn_with_state(self.manage.clone(), repeat::once));
        }
        let route = route.route_layer(from_fn_with_state(gate, caller::pass));
        self.router = std::mem::take(&mut self.router).route(operation.path, route);
        self.operations.push(operation);
    }

    /// A kind of object that replies name.
    pub fn shape(&mut self, name: &'static str, about: &'static str, fields: &'static str) {
        self.shapes.push(Shape { name, about, fields });
    }

    /// Takes those in.
    pub fn merge(&mut self, other: Described) {
        self.router = std::mem::take(&mut self.router).merge(other.router);
        self.operations.extend(other.operations);
        self.shapes.extend(other.shapes);
    }

    /// The router, and the document about it; browsers show who they are by that cookie.
    pub fn finish(self, cookie: &str) -> (Router<Arc<Manage>>, Document) {
        let document = Document::new(self.operations, &self.shapes, cookie);
        (self.router.method_not_allowed_fallback(program::no_such_method), document)
    }
}

#[cfg(test)]
mod tests;
