//! What the automated installer of Proxmox products asks: its answer file, and where to say that it is done.
//!
//! `POST /answer` carries what the installer sees of its machine as JSON and gets TOML back (pve-installer,
//! proxmox-fetch-answer). The answer goes only to the machine that holds the asking address, and only if the posted
//! hardware addresses name that machine. `POST /api/proxmox/installed` is the target of `[post-installation-webhook]`.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;

use super::api::{Api, ipv4, refuse, reply};
use super::log::{Who, about};
use crate::boot::View;
use crate::fleet::Event;
use crate::fleet::report::Report;
use crate::net::Mac;
use crate::refusal::Refusal;

/// The name under which a profile has the answer file of its machines.
pub const ANSWER: &str = "answer.toml";

/// What an installer says about its machine; everything else it says is left alone. Releases before 8.3 send no
/// `$schema`.
#[derive(Debug, Deserialize)]
struct Machine {
    network_interfaces: Vec<Interface>,
}

#[derive(Debug, Deserialize)]
struct Interface {
    mac: String,
}

/// The routes of Proxmox installers.
pub fn routes(api: Api) -> Router {
    Router::new()
        .route("/answer", post(answer).fallback(answers_are_posted_for))
        .route("/api/proxmox/installed", post(installed))
        .with_state(api)
}

/// Somebody looks at the URL with a browser or curl.
async fn answers_are_posted_for() -> Response {
    let sentence = "An answer is asked for by POST, with what a Proxmox installer says of its machine as the body; \
                    `hatchery render answer.toml --mac MAC` shows the answer of a machine";
    let mut response = reply(StatusCode::METHOD_NOT_ALLOWED, &json!({ "error": sentence }));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

async fn answer(State(api): State<Api>, ConnectInfo(peer): ConnectInfo<SocketAddr>, body: Bytes) -> Response {
    let address = ipv4(peer);
    let result = async {
        let machine: Machine = serde_json::from_slice(&body)
            .map_err(|error| Refusal::Invalid(format!("The body is not what a Proxmox installer says: {error}")))?;
        let view = api.library.at(address).ok_or(Refusal::UnknownMachine)?;
        let named = machine.network_interfaces.iter().filter_map(|interface| Mac::parse(&interface.mac));
        if !named.into_iter().any(|mac| view.machine.mac == Some(mac)) {
            about!(warn, Who::of(&view), %address, "a Proxmox installer has none of this machine's interfaces");
            return Err(Refusal::UnknownMachine);
        }
        let text = api.library.answer(&view, ANSWER)?;
        // The answer is what it waits for: from here on it installs.
        report(&api, address, &view, "starting").await?;
        Ok(text)
    };
    match result.await {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, HeaderValue::from_static("application/toml"))], text)
            .into_response(),
        Err(refusal) => refuse(&api, "Proxmox installer's question", peer, &refusal),
    }
}

async fn installed(State(api): State<Api>, ConnectInfo(peer): ConnectInfo<SocketAddr>) -> Response {
    let address = ipv4(peer);
    let result = async {
        let view = api.library.at(address).ok_or(Refusal::UnknownMachine)?;
        report(&api, address, &view, "success").await?;
        Ok(view)
    };
    match result.await {
        Ok(view) => {
            let hostname = view.name.as_ref().map(|name| name.hostname.as_str());
            reply(StatusCode::OK, &json!({ "hostname": hostname, "received": true }))
        }
        Err(refusal) => refuse(&api, "Proxmox installer's report", peer, &refusal),
    }
}

async fn report(api: &Api, address: Ipv4Addr, view: &View, status: &str) -> Result<(), Refusal> {
    about!(info, Who::of(view), %address, status, "status report of a Proxmox installer");
    let report = Report::Status { status: status.to_owned(), hostname: None, message: None };
    let (mac, serial) = (view.machine.mac, None);
    api.inbox
        .ask(|reply_to| Event::Report { address, mac, serial, reinstalls: None, report, reply_to })
        .await
        .map(|_| ())
}
