//! Programs that ask: JSON in, JSON out, and which status code each refusal has.
//!
//! Replies are compact with sorted keys and a trailing newline, as on the deployment network. A refusal is
//! `{"code":…,"error":…}`: a word that stays the same, and a sentence for people.

pub mod rows;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::serve::api::reply;
use crate::serve::control::{Reply, Request as Question};
use crate::serve::manage::caller::Asker;
pub use rows::text;

/// The longest body, bytes: a pool of every number there is.
pub const BODY_MAX: usize = 1 << 20;

/// Rows of a list without a `limit`, and the most that one may ask for.
const ROWS: usize = 100;
const ROWS_MAX: usize = 1000;

/// The limit of bodies, for the routes of programs.
pub fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BODY_MAX)
}

/// What the desk replies to a question; `done` is the status code if it was done.
pub async fn ask(asker: &Asker, done: StatusCode, question: Question) -> Response {
    answer(done, asker.answer(question).await)
}

/// A reply of the desk. A sentence becomes the `message` of an object.
pub fn answer(done: StatusCode, said: Reply) -> Response {
    match said {
        Reply::Ok(Value::String(sentence)) => reply(done, &json!({ "message": sentence })),
        Reply::Ok(value) => reply(done, &value),
        Reply::Error { code, sentence } => refused(status(&code), &code, &sentence),
        Reply::Problems(problems) => {
            let body = json!({ "code": "problems", "error": problems.join("\n"), "problems": problems });
            reply(StatusCode::UNPROCESSABLE_ENTITY, &body)
        }
    }
}

/// A refusal that no desk made.
pub fn refuse(refusal: &Refusal) -> Response {
    refused(status(refusal.kind()), refusal.kind(), &refusal.to_string())
}

/// A refusal.
pub fn refused(status: StatusCode, code: &str, sentence: &str) -> Response {
    let mut response = reply(status, &json!({ "code": code, "error": sentence }));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

/// The status code of a refusal's word.
pub fn status(code: &str) -> StatusCode {
    match code {
        "not-found" | "no-such-file" | "no-image" | "unknown-machine" => StatusCode::NOT_FOUND,
        "conflict" | "too-few-names" | "nothing-to-boot" => StatusCode::CONFLICT,
        "busy" | "not-stored" | "image-not-ready" => StatusCode::SERVICE_UNAVAILABLE,
        "internal" => StatusCode::INTERNAL_SERVER_ERROR,
        "no-room" => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// The word of a refusal that only has a status code.
pub fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not-found",
        StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "no-json",
        StatusCode::MISDIRECTED_REQUEST => "other-host",
        StatusCode::INTERNAL_SERVER_ERROR => "internal",
        _ => "invalid",
    }
}

/// Says in the words of [`refused`] what axum says of a method that a path does not have.
pub async fn no_such_method(request: Request) -> Response {
    let (path, method) = (request.uri().path(), request.method());
    let sentence = format!("{path} does not take {method}");
    refused(StatusCode::METHOD_NOT_ALLOWED, code(StatusCode::METHOD_NOT_ALLOWED), &sentence)
}

/// The body of a request, a JSON object; an empty body is an empty object.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Response;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Json<T>, Response> {
        let is_json = says_json(request.headers());
        let refuse_as = |status, sentence: &str| refused(status, code(status), sentence);
        let Ok(body) = Bytes::from_request(request, state).await else {
            return Err(refuse_as(StatusCode::PAYLOAD_TOO_LARGE, "The body is too long, or broke off"));
        };
        if !is_json && !body.is_empty() {
            let sentence = "Send JSON, with the header Content-Type: application/json";
            return Err(refuse_as(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence));
        }
        let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
        let parsed = serde_json::from_slice(body);
        parsed.map(Json).map_err(|error| refuse(&Refusal::Invalid(format!("The body cannot be taken: {error}"))))
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The parameters of a request, each known by name.
#[derive(Debug)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads those of `uri`; only the `known` ones may be there.
    ///
    /// # Errors
    /// [`Refusal::Invalid`], which names the unknown one.
    pub fn read(uri: &Uri, known: &[&str]) -> Result<Parameters, Refusal> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
        let pairs = pairs.map_err(|_| Refusal::Invalid("The parameters of the address cannot be read".into()))?.0;
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                Err(Refusal::Invalid(format!("There is no parameter '{name}' here: {}", known.join(", "))))
            }
            None => Ok(Parameters(pairs)),
        }
    }

    /// The value of one; an empty one is none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(each, value)| each == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All of them, in their order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// As [`Parameters::get`], owned.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A number from 0 to `most`.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] if it is none.
    pub fn number(&self, name: &str, default: usize, most: usize) -> Result<usize, Refusal> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| *number <= most);
        number.ok_or_else(|| Refusal::Invalid(format!("{name} is a number from 0 to {most}, not '{text}'")))
    }

    /// How many rows, after how many.
    ///
    /// # Errors
    /// As [`Parameters::number`].
    pub fn window(&self) -> Result<(usize, usize), Refusal> {
        Ok((self.number("limit", ROWS, ROWS_MAX)?, self.number("offset", 0, usize::MAX >> 1)?))
    }
}

/// A part of a list: what [`rows::wanted`] says is wanted, cut to the window.
///
/// # Errors
/// [`Refusal::Invalid`] for a limit or an offset that is no number.
pub fn page(rows: Value, parameters: &Parameters, filters: &[(&str, &str)]) -> Result<Value, Refusal> {
    let (limit, offset) = parameters.window()?;
    let rows = if let Value::Array(rows) = rows { rows } else { Vec::new() };
    let fitting = rows::wanted(rows, parameters, filters);
    let total = fitting.len();
    let items: Vec<Value> = fitting.into_iter().skip(offset).take(limit).collect();
    Ok(json!({ "items": items, "limit": limit, "offset": offset, "total": total }))
}

#[cfg(test)]
mod tests;
