//! The deployment API that installers speak: `/api/config`, `/api/status`, `/api/progress`, `/api/log`, `/health`,
//! `/nginx-health`.
//!
//! Turns JSON into events and results into JSON. Replies are compact with sorted keys and a trailing newline, because
//! old shell clients grep them. What a machine gets is decided by the fleet; rendered files go only to the machine that
//! holds the asking address.

mod report;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::core::{SharedBoard, count, read};
use super::inbox::Inbox;
use super::library::Library;
use super::log::{self, Who, about};
use crate::clock;
use crate::fleet::report::{Config, Report};
use crate::fleet::{Event, Told};
use crate::ids::{Hostname, Serial, VenueCode};
use crate::image::ZeroRun;
use crate::machine::hardware::Hardware;
use crate::net::Mac;
use crate::refusal::Refusal;
use crate::store::hardware;

/// The version of the reply format, as the replaced system named it.
const FORMAT_VERSION: &str = "3.0";

/// Longest status word and message that is kept, in characters.
const TEXT_MAX: usize = 4096;

/// What the routes work with.
#[derive(Clone, Debug)]
pub struct Api {
    /// Where reports go.
    pub inbox: Inbox,
    /// Where refusals are counted.
    pub board: SharedBoard,
    /// Who renders files.
    pub library: Arc<Library>,
}

/// The routes of the deployment network.
pub fn routes(api: Api) -> Router {
    Router::new()
        .route("/api/config", post(config))
        .route("/api/status", post(status))
        .route("/api/progress", post(report::progress))
        .route("/api/log", post(report::log))
        .route("/health", get(health))
        .route("/nginx-health", get(async || "healthy\n"))
        .fallback(async || error(StatusCode::NOT_FOUND, "Not found"))
        .method_not_allowed_fallback(async || error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"))
        .with_state(api)
}

async fn health() -> Response {
    reply(StatusCode::OK, &json!({ "status": "healthy", "timestamp": clock::iso(clock::now().timestamp) }))
}

async fn config(State(api): State<Api>, ConnectInfo(peer): ConnectInfo<SocketAddr>, body: Bytes) -> Response {
    let result = async {
        let fields = Fields::read(&body)?;
        let (mac, serial) = fields.identity()?;
        let product = fields.text("product_type")?.map(str::to_owned);
        let venue = match fields.text("venue_code")? {
            None | Some("") => None,
            Some(text) => Some(VenueCode::parse(text).ok_or_else(|| {
                Refusal::Invalid(format!("Invalid venue_code: {text}. Must be four letters or digits"))
            })?),
        };
        let hardware = fields.installer()?;
        let reinstalls = None;
        let report = Report::Config { product, venue, hardware };
        let address = ipv4(peer);
        let told =
            api.inbox.ask(|reply_to| Event::Report { address, mac, serial, reinstalls, report, reply_to }).await?;
        let Told::Config(config) = told else { unreachable!("a config report is told a config, not {told:?}") };
        let files = first_boot(&api, address, &config)?;
        Ok::<_, Refusal>(config_reply(&config, &files))
    };
    match result.await {
        Ok(value) => reply(StatusCode::OK, &value),
        Err(refusal) => refuse(&api, "config question", peer, &refusal),
    }
}

async fn status(State(api): State<Api>, ConnectInfo(peer): ConnectInfo<SocketAddr>, body: Bytes) -> Response {
    let result = async {
        let fields = Fields::read(&body)?;
        let (mac, serial) = fields.identity()?;
        let status = fields.text("status")?.ok_or_else(|| Refusal::Invalid("status is required".into()))?;
        let status: String = status.chars().take(TEXT_MAX).collect();
        let hostname = fields.text("hostname")?.map(str::to_owned);
        let message = fields.text("error_message")?.or(fields.text("message")?);
        let message = message.map(|text| text.chars().take(TEXT_MAX).collect::<String>());
        let who = Who::speaking(ipv4(peer), mac, &read(&api.board));
        about!(
            info,
            who,
            ip = %peer.ip(),
            hostname = hostname.as_deref(),
            serial = serial.as_ref().map(Serial::as_str),
            status,
            // `message` is the key of the line's own text.
            said = message,
            "status report"
        );
        let known_name = hostname.as_deref().and_then(Hostname::parse);
        let reinstalls = fields.number("reinstalls")?;
        let report = Report::Status { status, hostname: known_name, message };
        let address = ipv4(peer);
        api.inbox.ask(|reply_to| Event::Report { address, mac, serial, reinstalls, report, reply_to }).await?;
        Ok::<_, Refusal>(hostname)
    };
    match result.await {
        Ok(hostname) => reply(StatusCode::OK, &json!({ "hostname": hostname, "received": true })),
        Err(refusal) => refuse(&api, "status report", peer, &refusal),
    }
}

/// Rendered files hold secrets of the operator: they go to the machine that holds the asking address, and to no other
/// that its words might mean.
fn first_boot(api: &Api, address: Ipv4Addr, config: &Config) -> Result<BTreeMap<String, String>, Refusal> {
    let holder = config.install.is_some().then(|| api.library.at(address)).flatten();
    match holder.filter(|view| view.machine.id == config.machine) {
        Some(view) => api.library.first_boot(&view),
        None => Ok(BTreeMap::new()),
    }
}

/// `image_checksum` is that of the raw content, compressed or not: every client compares it with what it wrote, so one
/// that does not unpack finds that out before its machine boots rubbish. `image_size` is that of the file as it is
/// served, which is what a download must have.
fn config_reply(config: &Config, files: &BTreeMap<String, String>) -> Value {
    let mut reply = json!({
        "hostname": config.hostname.as_ref().map_or("unknown", Hostname::as_str),
        "image_checksum": config.image.content.digest.to_string(),
        "image_size": config.image.size,
        "image_url": config.image_url,
        "product_type": config.product.as_str(),
        "server_ip": config.server.to_string(),
        "timestamp": clock::iso(clock::now().timestamp),
        "venue_code": config.venue.as_ref().map(VenueCode::as_str),
        "version": FORMAT_VERSION,
    });
    if let Some(install) = &config.install {
        let content = &config.image.content;
        let run = |run: &ZeroRun| json!([run.offset, run.length]);
        reply["install"] = json!({
            "after": install.after.word(),
            "choose": install.choose.word(),
            "compression": content.compression.word(),
            "first_boot": {
                "files": files,
                "hostname": config.hostname.as_ref().map_or("", Hostname::as_str),
            },
            "grow": !install.keep_size,
            "raw_sha256": content.digest.to_string(),
            "raw_size": content.size,
            "reinstalls": config.reinstalls,
            "targets": install.targets.iter().map(|target| target.as_str()).collect::<Vec<_>>(),
            "zero_runs": content.zero_runs.iter().map(run).collect::<Vec<_>>(),
        });
    }
    reply
}

/// The fields of a JSON object, each checked when it is asked for.
struct Fields(serde_json::Map<String, Value>);

impl Fields {
    fn read(body: &[u8]) -> Result<Fields, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Fields(fields)),
            Ok(_) => Err(Refusal::Invalid("The body must be a JSON object".into())),
            Err(error) => Err(Refusal::Invalid(format!("The body is not valid JSON: {error}"))),
        }
    }

    /// A text field; missing and `null` are the same.
    fn text(&self, key: &str) -> Result<Option<&str>, Refusal> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim())),
            Some(other) => Err(Refusal::Invalid(format!("{key} must be a string, got {other}"))),
        }
    }

    /// What our own installer says of itself and its machine.
    fn installer(&self) -> Result<Option<Hardware>, Refusal> {
        match self.0.get("installer") {
            None | Some(Value::Null) => Ok(None),
            Some(value @ Value::Object(_)) => {
                let invalid = |sentence| Refusal::Invalid(format!("installer: {sentence}"));
                hardware::from_json(value).map(Some).map_err(invalid)
            }
            Some(other) => Err(Refusal::Invalid(format!("installer must be an object, got {other}"))),
        }
    }

    fn identity(&self) -> Result<(Option<Mac>, Option<Serial>), Refusal> {
        let mac = match self.text("mac_address")? {
            None | Some("") => None,
            Some(text) => {
                Some(Mac::parse(text).ok_or_else(|| Refusal::Invalid(format!("Invalid mac_address: {text}")))?)
            }
        };
        let serial = match self.text("serial_number")?.or(self.text("serial")?) {
            None | Some("") => None,
            Some(text) => Serial::parse(text),
        };
        Ok((mac, serial))
    }
}

/// The address of a client.
pub(super) fn ipv4(peer: SocketAddr) -> Ipv4Addr {
    match peer.ip() {
        IpAddr::V4(address) => address,
        // The deployment listeners are IPv4; anyone else holds no lease.
        IpAddr::V6(address) => address.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED),
    }
}

/// A refusal as a reply, counted and logged.
pub(super) fn refuse(api: &Api, what: &str, peer: SocketAddr, refusal: &Refusal) -> Response {
    count(&api.board, refusal);
    let who = Who::speaking(ipv4(peer), None, &read(&api.board));
    log::refused(what, &peer.ip().to_string(), refusal, &who);
    let code = match refusal {
        Refusal::NoImage(_) | Refusal::NotFound(_) | Refusal::NoSuchFile(_) | Refusal::UnknownMachine => {
            StatusCode::NOT_FOUND
        }
        Refusal::ImageNotReady(_) | Refusal::NotStored | Refusal::Busy(_) | Refusal::TooManyNew => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Refusal::Forged(_) => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut response = error(code, &refusal.to_string());
    if code == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

fn error(code: StatusCode, sentence: &str) -> Response {
    reply(code, &json!({ "error": sentence }))
}

/// Compact JSON with a newline.
pub(super) fn reply(code: StatusCode, value: &Value) -> Response {
    let body = format!("{value}\n");
    (code, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}
