//! What every page has around it, and how a refusal looks to a person and to a program.

use askama::Template;
use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};

use super::program;

/// A page, or the sentence that it could not be made.
pub fn show(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            (StatusCode::INTERNAL_SERVER_ERROR, "The page could not be made; the log says why").into_response()
        }
    }
}

/// A part of a page; `None`, and a line in the log, if it could not be made.
pub fn part(part: &impl Template) -> Option<String> {
    part.render().inspect_err(|error| tracing::error!(%error, "a part of a page could not be made")).ok()
}

/// Whether a program asks: then answers are JSON.
pub fn is_program(uri: &Uri) -> bool {
    uri.path().starts_with("/api/") || matches!(uri.path(), "/metrics" | "/health" | "/ready")
}

#[derive(Template)]
#[template(path = "refusal.html", config = "src/serve/manage/askama.toml")]
struct Refusal<'a> {
    title: &'a str,
    sentence: &'a str,
}

/// A text as a part of an address.
pub fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// A count with its thousands apart: `10,000`.
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut spelled = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            spelled.push(',');
        }
        spelled.push(digit);
    }
    spelled
}

/// A refusal of a page.
pub fn refused(status: StatusCode, sentence: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Refused");
    (status, show(&Refusal { title, sentence })).into_response()
}

/// A refusal, as a page or as JSON.
pub fn refusal(request: &Request, status: StatusCode, sentence: &str) -> Response {
    if is_program(request.uri()) {
        return program::refused(status, program::code(status), sentence);
    }
    refused(status, sentence)
}
