//! Response heads of the front: bytes, and the pure choice of what a request for a file gets.
//!
//! Never writes an empty field value (tianocore/edk2#7443) and knows no redirect (tinkerbell/smee#229).

use std::fmt::{Display, Write as _};
use std::ops::Range;

use hyper::StatusCode;
use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};

use crate::wire::http::range::{self, Selected};
use crate::wire::http::{Head, Method, Version};

/// What follows a response on its connection, and how the response says so (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// Nothing: `Connection: close`.
    Close,
    /// More requests, which an HTTP/1.0 client has to be told.
    Said,
    /// More requests, as HTTP/1.1 has it.
    Implied,
}

impl Persistence {
    /// For the answer to `head` on a connection that `may_stay`.
    pub(super) fn of(head: &Head, may_stay: bool) -> Self {
        match head.version {
            _ if !(may_stay && head.keep_alive) => Persistence::Close,
            Version::Http10 => Persistence::Said,
            Version::Http11 => Persistence::Implied,
        }
    }
}

/// Bytes that the head of a file takes; a longer one grows.
const HEAD: usize = 384;

/// A response head being written.
pub(super) struct Reply(String);

impl Reply {
    pub(super) fn new(status: StatusCode, persistence: Persistence) -> Self {
        let reason = status.canonical_reason().expect("the front uses registered codes only");
        let mut line = String::with_capacity(HEAD);
        let _ = write!(line, "HTTP/1.1 {} {reason}\r\n", status.as_u16());
        let reply = Reply(line).field("Date", http_date(Timestamp::now()));
        match persistence {
            Persistence::Close => reply.field("Connection", "close"),
            Persistence::Said => reply.field("Connection", "keep-alive"),
            Persistence::Implied => reply,
        }
    }

    pub(super) fn field(mut self, name: &str, value: impl Display) -> Self {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{name}: {value}\r\n");
        self
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.push_str("\r\n");
        self.0.into_bytes()
    }

    /// The whole response `{"error": sentence}`; without its body when it answers a HEAD.
    pub(super) fn error(self, sentence: &str, method: Option<&Method>) -> Vec<u8> {
        let body = format!("{}\n", serde_json::json!({ "error": sentence }));
        let mut bytes = self.field("Content-Type", "application/json").field("Content-Length", body.len()).end();
        if method != Some(&Method::Head) {
            bytes.extend_from_slice(body.as_bytes());
        }
        bytes
    }
}

/// What tells one version of a file from another (RFC 9110 §8.8).
pub(super) struct Validators {
    /// The entity tag with its quotes.
    pub(super) etag: String,
    /// The last change in whole seconds, and as `Last-Modified` writes it.
    pub(super) modified: (i64, String),
}

impl Validators {
    pub(super) fn new(etag: &str, modified_secs: i64) -> Self {
        let modified = Timestamp::from_second(modified_secs).unwrap_or(Timestamp::UNIX_EPOCH);
        Validators { etag: format!("\"{etag}\""), modified: (modified_secs, http_date(modified)) }
    }
}

/// What a GET or HEAD of something that exists gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// 200 with everything.
    Whole,
    /// 206 with these bytes.
    Part(Range<u64>),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    Unsatisfiable,
}

/// Conditions and range in the order of RFC 9110 §13.2.2. A rendered answer has no `validators`: it is never
/// unchanged, and a range of it is honoured only without `If-Range`.
pub(super) fn choose(head: &Head, validators: Option<&Validators>, size: u64) -> Choice {
    if !is_as_expected(head, validators) {
        return Choice::PreconditionFailed;
    }
    if let Some(validators) = validators
        && is_unchanged(head, validators)
    {
        return Choice::NotModified;
    }
    let Some(field) = head.range.as_deref().filter(|_| head.method == Method::Get) else { return Choice::Whole };
    let same = match (&head.if_range, validators) {
        (None, _) => true,
        // §13.1.5: strong comparison for a tag, the very same date otherwise.
        (Some(condition), Some(own)) => *condition == own.etag || *condition == own.modified.1,
        (Some(_), None) => false,
    };
    match range::select(field, size) {
        _ if !same => Choice::Whole,
        Selected::Whole => Choice::Whole,
        Selected::Part(part) => Choice::Part(part),
        Selected::Unsatisfiable => Choice::Unsatisfiable,
    }
}

/// Whether the file is still the one that the client goes on with.
fn is_as_expected(head: &Head, own: Option<&Validators>) -> bool {
    if let Some(tags) = &head.if_match {
        // Strong comparison (§13.1.1): a weak tag differs by its prefix.
        return tags.split(',').map(str::trim).any(|tag| tag == "*" || own.is_some_and(|own| tag == own.etag));
    }
    match (head.if_unmodified_since.as_deref().and_then(seconds), own) {
        (Some(since), Some(own)) => own.modified.0 <= since,
        // §13.1.4: a condition that cannot be checked counts for nothing.
        _ => true,
    }
}

fn is_unchanged(head: &Head, own: &Validators) -> bool {
    if let Some(tags) = &head.if_none_match {
        // Weak comparison (§13.1.2). Our tags hold no comma, so a split inside a foreign tag cannot yield ours.
        return tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == own.etag);
    }
    head.if_modified_since.as_deref().and_then(seconds).is_some_and(|since| own.modified.0 <= since)
}

/// An HTTP date in seconds since the epoch; `None` for what is none.
fn seconds(date: &str) -> Option<i64> {
    DateTimeParser::new().parse_timestamp(date).ok().map(Timestamp::as_second)
}

/// An HTTP date in its preferred form (RFC 9110 §5.6.7).
fn http_date(time: Timestamp) -> String {
    // Only years before 0 have no such form; no clock or file shows them, and a date is no reason to fail a boot.
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&time)
        .unwrap_or_else(|_| "Thu, 01 Jan 1970 00:00:00 GMT".to_owned())
}

#[cfg(test)]
mod tests;
