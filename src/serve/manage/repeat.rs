//! Requests that make something, sent again: who brings an `Idempotency-Key` gets the first answer again, and nothing is
//! made twice.
//!
//! The key is noted on disk before anything is done, and the answer after it (`access.db`), so that a restart between the
//! two is known as such: then nobody can say whether it was done, and the repeat is told to look. A refusal made nothing,
//! so its key is free again.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::caller::Caller;
use super::program::{self, BODY_MAX, refused};
use super::{Manage, page};
use crate::clock;
use crate::serve::secret;
use crate::store::access::{AccessError, Repeat};

const KEY: &str = "idempotency-key";
const KEY_MAX: usize = 255;

/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Lets through what is new, for `axum::middleware::from_fn_with_state`; behind the gate.
pub async fn once(State(manage): State<Arc<Manage>>, request: Request, next: Next) -> Response {
    let Some(key) = request.headers().get(KEY) else { return next.run(request).await };
    let fits = |key: &&str| (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let Some(key) = key.to_str().ok().filter(fits).map(str::to_owned) else {
        let sentence = format!("An Idempotency-Key is 1 to {KEY_MAX} visible ASCII characters");
        return refused(StatusCode::BAD_REQUEST, "invalid", &sentence);
    };
    let Some(caller) = request.extensions().get::<Caller>().map(|caller| caller.key.clone()) else {
        return page::refusal(&request, StatusCode::UNAUTHORIZED, "Log in, or send a bearer token");
    };
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too long, or broke off");
    };
    let what = format!("{} {} {}", head.method, head.uri, secret::digest_of(&body));
    let begun = manage.people.access().begin_repeat(&caller, &key, &secret::digest(&what), clock::now().timestamp);
    match begun {
        Ok(Repeat::New) => {}
        Ok(Repeat::Answered { status, body }) => return again(status, body),
        Ok(Repeat::Other) => {
            return refused(StatusCode::CONFLICT, "key-used", "This Idempotency-Key was used for another request");
        }
        Ok(Repeat::UnderWay) => {
            return refused(StatusCode::CONFLICT, "under-way", "The first request with this key is not done yet: wait");
        }
        Ok(Repeat::Lost) => {
            let sentence = "The server stopped while it did this: look whether it is done, then use another key";
            return refused(StatusCode::CONFLICT, "outcome-unknown", sentence);
        }
        Err(error) => return unwritten(&error),
    }
    // Who asked may go away; what was begun is brought to its end, and noted.
    let doing = tokio::spawn(async move {
        let response = next.run(Request::from_parts(head, Body::from(body))).await;
        let (head, body) = response.into_parts();
        let noted = match to_bytes(body, BODY_MAX).await {
            Ok(body) if head.status.is_success() => {
                let status = head.status.as_u16();
                manage.people.access().end_repeat(&caller, &key, status, &body).map(|()| body)
            }
            read => manage.people.access().void_repeat(&caller, &key).map(|()| read.unwrap_or_default()),
        };
        match noted {
            Ok(body) => Response::from_parts(head, Body::from(body)),
            Err(error) => unwritten(&error),
        }
    });
    doing.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request of the API");
        refused(StatusCode::INTERNAL_SERVER_ERROR, "internal", "It failed; the log says why")
    })
}

fn again(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let json = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, json), (REPLAYED, HeaderValue::from_static("true"))], body).into_response()
}

fn unwritten(error: &AccessError) -> Response {
    tracing::error!(%error, "an Idempotency-Key cannot be noted");
    program::refuse(&crate::refusal::Refusal::NotStored)
}
