//! The pages of one thing: a batch with its units, a venue with its names, a deployment with its log.

mod batch;
mod deployment;
mod venue;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;

use super::caller::{self, Asker};
use super::form::outcome;
use super::list::utc;
use super::program::text;
use super::{Manage, page};
use crate::serve::control::{Reply, Request};

/// The routes.
pub fn routes(manage: &Arc<Manage>) -> Router<Arc<Manage>> {
    Router::new()
        .route("/batches/{id}", get(batch::show))
        .route("/venues/{code}", get(venue::show))
        .route("/deployments/{id}", get(deployment::show))
        .route_layer(from_fn_with_state(manage.clone(), caller::viewer))
}

/// What the desk says, or the page that says why not.
pub async fn told(asker: &Asker, request: Request) -> Result<Value, Response> {
    match asker.answer(request).await {
        Reply::Ok(value) => Ok(value),
        refused => {
            let (status, sentence) = outcome(refused, "").err().unwrap_or_default();
            Err(page::refused(status, &sentence))
        }
    }
}

/// A time: as the API has it, and for people.
pub struct Time {
    /// For the browser.
    pub iso: String,
    /// Without it.
    pub shown: String,
}

impl Time {
    /// Of a time of the API.
    pub fn of(value: &Value) -> Time {
        let iso = value.as_str().unwrap_or_default().to_owned();
        Time { shown: utc(&iso), iso }
    }
}

/// A line of an installer's log.
pub struct LogLine {
    /// When it was written.
    pub at: Time,
    /// How grave it is.
    pub level: String,
    /// What it says.
    pub text: String,
}

/// The same, of a line of the API.
pub fn log_line(value: &Value) -> LogLine {
    LogLine { at: Time::of(&value["at"]), level: text(&value["level"]), text: text(&value["text"]) }
}
