//! The few files that pages load: inside the binary, so that a factory without an internet has them too.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::serve::secret;

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

const ASSETS: [Asset; 5] = [
    Asset { name: "hatchery.css", kind: "text/css; charset=utf-8", bytes: include_bytes!("assets/hatchery.css") },
    Asset { name: "live.js", kind: "text/javascript; charset=utf-8", bytes: include_bytes!("assets/live.js") },
    Asset { name: "forms.js", kind: "text/javascript; charset=utf-8", bytes: include_bytes!("assets/forms.js") },
    Asset { name: "upload.js", kind: "text/javascript; charset=utf-8", bytes: include_bytes!("assets/upload.js") },
    Asset { name: "icon.svg", kind: "image/svg+xml", bytes: include_bytes!("assets/icon.svg") },
];

/// `GET /assets/NAME`: asked again after an hour at the latest, and then only whether it is still the same.
pub async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "There is no such file").into_response();
    };
    let tag = format!("\"{}\"", &secret::digest(&String::from_utf8_lossy(asset.bytes))[..16]);
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|given| given.as_bytes() == tag.as_bytes());
    let tag = HeaderValue::from_str(&tag).expect("hex digits in quotes");
    let caching = [(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"))];
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind))], asset.bytes).into_response()
}
