//! The server as the installer talks to it: small JSON questions over HTTP, each with a short patience.
//!
//! Owns the client and the reading of refusals; who asks decides what to do about them.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use ureq::Agent;

use super::clock;

const CONNECT: Duration = Duration::from_secs(4);
const ANSWER: Duration = Duration::from_secs(10);
/// An answer is a page of JSON; first-boot files are in it.
const BODY_MAX: u64 = 8 << 20;

/// Why there is no answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The HTTP status; nothing if the server was not reached or said nothing that is HTTP.
    pub status: Option<u16>,
    /// The server's sentence, or the system's.
    pub sentence: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{} (HTTP {status})", self.sentence),
            None => f.write_str(&self.sentence),
        }
    }
}

/// One server.
#[derive(Clone, Debug)]
pub struct Server {
    base: String,
    agent: Agent,
}

impl Server {
    /// The server at this base URL.
    pub fn new(base: &str) -> Server {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Whatever the environment says: the provisioning network has no proxy.
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(ANSWER))
            .user_agent(concat!("hatchery-installer/", env!("CARGO_PKG_VERSION")));
        Server { base: base.to_owned(), agent: config.build().into() }
    }

    /// The base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Posts a JSON value; the answer's JSON.
    ///
    /// # Errors
    /// No answer, a status other than 200, or an answer that is not JSON.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Trouble> {
        let request = self.agent.post(format!("{}{path}", self.base)).header("content-type", "application/json");
        let mut response = request.send(body.to_string()).map_err(unreachable)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(BODY_MAX).read_to_vec().map_err(unreachable)?;
        let value: Option<Value> = serde_json::from_slice(&body).ok();
        match (status, value) {
            (200, Some(value)) => Ok(value),
            (200, None) => Err(Trouble { status: Some(200), sentence: format!("{path}: the answer is not JSON") }),
            (status, value) => {
                let said = value.as_ref().and_then(|value| value["error"].as_str()).map(str::to_owned);
                Err(Trouble { status: Some(status), sentence: said.unwrap_or_else(|| format!("{path} was refused")) })
            }
        }
    }

    /// The server's clock, from the `Date` of its answer to `GET /health`.
    ///
    /// # Errors
    /// No answer, or none with a date.
    pub fn date(&self) -> Result<SystemTime, Trouble> {
        let response = self.agent.get(format!("{}/health", self.base)).call().map_err(unreachable)?;
        let date = response.headers().get("date").and_then(|date| clock::parse_date(date.to_str().ok()?));
        let status = Some(response.status().as_u16());
        date.ok_or_else(|| Trouble { status, sentence: "/health: the answer has no date".to_owned() })
    }
}

fn unreachable(error: ureq::Error) -> Trouble {
    Trouble { status: None, sentence: error.to_string() }
}
