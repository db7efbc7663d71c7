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
use super::list::{look, utc};
use super::program::text;
use super::{Manage, page};
use crate::serve::control::Request;

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
    let reply = asker.answer(request).await;
    match reply {
        crate::serve::control::Reply::Ok(value) => Ok(value),
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

/// A step of a machine's story.
struct Step {
    at: Time,
    /// Since the step before.
    after: String,
    what: String,
    look: &'static str,
    mark: &'static str,
    detail: String,
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

/// The latest first, with the time that each took to come after the one before it.
fn steps(stages: &Value) -> Vec<Step> {
    let stages: Vec<&Value> = stages.as_array().into_iter().flatten().collect();
    let millis = |value: &Value| value["at_millis"].as_i64().unwrap_or_default();
    let mut steps: Vec<Step> = Vec::with_capacity(stages.len());
    for (index, stage) in stages.iter().enumerate() {
        let word = text(&stage["stage"]);
        let (look, mark) = look(&word);
        let after = index.checked_sub(1).map(|before| took(millis(stage) - millis(stages[before]))).unwrap_or_default();
        let detail = stage["cause"].as_str().unwrap_or_default().to_owned();
        steps.push(Step { at: Time::of(&stage["at"]), after, what: word, look, mark, detail });
    }
    steps.reverse();
    steps
}

/// A time that something took.
fn took(millis: i64) -> String {
    match millis {
        ..1000 => format!("+{} ms", millis.max(0)),
        1000..60_000 => format!("+{}.{} s", millis / 1000, millis % 1000 / 100),
        60_000..3_600_000 => format!("+{} min {} s", millis / 60_000, millis / 1000 % 60),
        _ => format!("+{} h {} min", millis / 3_600_000, millis / 60_000 % 60),
    }
}
/// The same, of a line of the API.
pub fn log_line(value: &Value) -> LogLine {
    LogLine { at: Time::of(&value["at"]), level: text(&value["level"]), text: text(&value["text"]) }
}
