//! Who speaks HTTP where TLS is spoken is told so.

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_TYPE, HOST};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// One answer for everything.
pub fn routes() -> Router {
    Router::new().fallback(refer)
}

/// Nothing that was asked here is done, and no address that a stranger chose is referred to: the Host header only says
/// what the reader typed, so it is repeated to them in text, and never followed.
async fn refer(request: Request) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let plain = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'));
    let place = if plain && !host.is_empty() { host } else { "ADDRESS:PORT" };
    let sentence = format!("This is spoken with TLS only: https://{place}/\n");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (CONNECTION, HeaderValue::from_static("close")),
    ];
    (StatusCode::BAD_REQUEST, headers, sentence).into_response()
}
