//! The two ways to listen.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::listener::Listener;
use crate::serve::manage::caller::{self, Asker};
use crate::serve::manage::openapi::{Described, Group, Operation};
use crate::serve::manage::{Manage, program};

/// Who takes nothing for so long has gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// A sign of life goes out so often when nothing happens.
const ALIVE: Duration = Duration::from_secs(15);

/// The longest message that we read; listeners have nothing to say.
const MESSAGE_MAX: usize = 4096;

const ABOUT: &str = "Each event is `{\"id\", \"type\", \"at\", \"machine\", \"data\"}`. The first one is `ready`, or `reset` \
if what came after the last event that you know is not kept any more: then read the whole again. Types: ready, reset, \
machine, forgotten, stage, reported, progress, transfer, lease, freed, conflict, named, refused, dhcp, image, images, configured, \
batch, audit. Who falls behind is dropped; come back with the last `id`.";

/// The routes.
pub fn routes(manage: &Arc<Manage>) -> Described {
    let mut all = Described::new(manage);
    let wants = |operation: Operation| {
        operation
            .more(ABOUT)
            .parameter("types", "text", "Only events of these types, with commas between them.")
            .parameter(
                "machine",
                "text",
                "Only events about this machine: a number, MAC, address, serial or host name.",
            )
            .parameter("last_event_id", "text", "Events after this one, as the header Last-Event-ID says it.")
            .refuses(404, "There is no such machine.")
    };
    let events = Operation::get("/api/v1/events", Group::Live, "What happens, as server-sent events");
    let events = wants(events).header("Last-Event-ID", "text", "Events after this one.");
    all.add(events.file(200, "text/event-stream", "Events until either end has enough."), events_sent);
    let socket =
        Operation::get("/api/v1/ws", Group::Live, "The same through a WebSocket, one event in each text message");
    let socket = wants(socket).empty(101, "The WebSocket begins.");
    all.add(socket.refuses(426, "This was no WebSocket handshake."), socket_opened);
    all
}

async fn events_sent(asker: Asker, headers: HeaderMap, uri: Uri) -> Response {
    let mut listener = match Listener::new(asker.manage, headers, &uri) {
        Ok(listener) => listener,
        Err(refusal) => return program::refuse(&refusal),
    };
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let told = tokio::select! {
                told = listener.next() => told,
                () = sender.closed() => None,
            };
            let Some(told) = told else { break };
            let event = Event::default().id(listener.id(&told)).event(told.kind).data(&told.text);
            if !matches!(timeout(PATIENCE, sender.send(event)).await, Ok(Ok(()))) {
                break;
            }
        }
    });
    let events = ReceiverStream::new(receiver).map(Ok::<_, Infallible>);
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response()
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

async fn socket_opened(asker: Asker, headers: HeaderMap, uri: Uri, upgrade: Upgrade) -> Response {
    // A browser sends the cookie along with a handshake of any site, and lets that site read.
    if caller::is_foreign(&headers) {
        return program::refused(StatusCode::FORBIDDEN, "forbidden", "This request came from another site");
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(_) => {
            return program::refused(StatusCode::UPGRADE_REQUIRED, "invalid", "Begin with a handshake of a WebSocket");
        }
    };
    match Listener::new(asker.manage, headers, &uri) {
        Ok(listener) => upgrade.max_message_size(MESSAGE_MAX).on_upgrade(|socket| converse(socket, listener)),
        Err(refusal) => program::refuse(&refusal),
    }
}

async fn converse(mut socket: WebSocket, mut listener: Listener) {
    let mut alive = tokio::time::interval(ALIVE);
    loop {
        let message = tokio::select! {
            told = listener.next() => match told {
                Some(told) => Message::Text(told.text.as_str().into()),
                None => break,
            },
            said = socket.recv() => match said {
                // Pings are answered for us, and whatever else is said is not for us.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            _ = alive.tick() => Message::Ping(Default::default()),
        };
        if !matches!(timeout(PATIENCE, socket.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
    let _ = timeout(PATIENCE, socket.send(Message::Close(None))).await;
}
