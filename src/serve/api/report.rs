//! `/api/progress` and `/api/log`: what our own installer says on the way.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::{Api, Fields, TEXT_MAX, ipv4, refuse, reply};
use crate::clock;
use crate::fleet::Event;
use crate::fleet::report::{Level, LogLine, Progress, Report};
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// The most lines of one request.
const LINES_MAX: usize = 1000;

/// How far a machine's clock may be off before our own counts.
const CLOCK_TRUST_MILLIS: i64 = 24 * 3600 * 1000;

pub(super) async fn progress(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Response {
    let read = |fields: &Fields| {
        let stage = fields.text("stage")?.filter(|stage| !stage.is_empty());
        let stage = stage.ok_or_else(|| Refusal::Invalid("stage is required".into()))?;
        let tenths = fields.decimal("temperature_c")?.map(|degrees| (degrees * 10.0).round());
        Ok(Report::Progress(Progress {
            stage: stage.chars().filter(|c| !c.is_control()).take(32).collect(),
            bytes: fields.number("bytes")?.unwrap_or(0),
            total: fields.number("total")?.unwrap_or(0),
            rate: fields.number("rate")?.unwrap_or(0),
            eta_secs: fields.number("eta_secs")?,
            // A processor below -100 or above 1000 degrees has no thermometer. The cast saturates.
            temperature_dc: tenths.filter(|tenths| (-1000.0..=10_000.0).contains(tenths)).map(|tenths| tenths as i32),
        }))
    };
    answer(api, peer, &body, "progress", read).await
}

pub(super) async fn log(State(api): State<Api>, ConnectInfo(peer): ConnectInfo<SocketAddr>, body: Bytes) -> Response {
    answer(api, peer, &body, "log", |fields| fields.lines().map(Report::Log)).await
}

async fn answer(
    api: Api,
    peer: SocketAddr,
    body: &[u8],
    what: &str,
    read: impl FnOnce(&Fields) -> Result<Report, Refusal>,
) -> Response {
    let result = async {
        let fields = Fields::read(body)?;
        let (mac, serial) = fields.identity()?;
        let (reinstalls, report) = (fields.number("reinstalls")?, read(&fields)?);
        let address = ipv4(peer);
        api.inbox.ask(|reply_to| Event::Report { address, mac, serial, reinstalls, report, reply_to }).await
    };
    match result.await {
        Ok(_) => reply(StatusCode::OK, &json!({ "received": true })),
        Err(refusal) => refuse(&api, what, peer, &refusal),
    }
}

impl Fields {
    /// A whole number, or one with a fraction, which is cut off; missing and `null` are the same.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, Refusal> {
        match self.0.get(key) {
            Some(Value::Number(number)) if number.is_u64() => Ok(number.as_u64()),
            // The cast saturates.
            _ => self.decimal(key)?.map(|number| (number >= 0.0).then_some(number as u64)).map_or(Ok(None), |number| {
                number.map(Some).ok_or_else(|| Refusal::Invalid(format!("{key} must not be negative")))
            }),
        }
    }

    fn decimal(&self, key: &str) -> Result<Option<f64>, Refusal> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_f64()),
            Some(other) => Err(Refusal::Invalid(format!("{key} must be a number, got {other}"))),
        }
    }

    fn lines(&self) -> Result<Vec<LogLine>, Refusal> {
        let Some(Value::Array(lines)) = self.0.get("lines") else {
            return Err(Refusal::Invalid("lines must be a list".into()));
        };
        if lines.len() > LINES_MAX {
            return Err(Refusal::Invalid(format!("{} lines are too many; send {LINES_MAX} at once", lines.len())));
        }
        let now = clock::now().timestamp;
        lines.iter().map(|line| read_line(line, now)).collect()
    }
}

fn read_line(line: &Value, now: Timestamp) -> Result<LogLine, Refusal> {
    let Value::Object(fields) = line else {
        return Err(Refusal::Invalid(format!("a line must be an object, got {line}")));
    };
    let fields = Fields(fields.clone());
    let level = fields.text("level")?.unwrap_or("info");
    let level = Level::from_word(level)
        .ok_or_else(|| Refusal::Invalid(format!("Invalid level: {level}. Must be info, warning or error")))?;
    let text = fields.text("text")?.ok_or_else(|| Refusal::Invalid("a line needs a text".into()))?;
    // One line is one line, and moves no cursor on the terminal of whoever reads it.
    let text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_MAX).collect();
    let at = fields.text("at")?.and_then(clock::parse_iso);
    let at = at.filter(|at| (at.millis() - now.millis()).abs() < CLOCK_TRUST_MILLIS).unwrap_or(now);
    Ok(LogLine { at, level, text })
}
