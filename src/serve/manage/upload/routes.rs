//! Uploads over HTTP: begun with a wish, sent in as many pieces as one likes, each from where the last one ended.

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

use super::form::Texts;
use super::{Refusal, Trouble, Wish};
use crate::access::Scope;
use crate::serve::api::reply;
use crate::serve::control::Reply;
use crate::serve::manage::caller::Asker;
use crate::serve::manage::openapi::{Described, Group, Operation};
use crate::serve::manage::program::{self, Json, Parameters};

/// The header that says from which byte on a piece goes.
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");

/// How long the last piece waits for what becomes of the whole; after that one asks again.
const PATIENCE: Duration = Duration::from_secs(20);

/// `/api/v1/uploads`, and the route of the system before.
pub fn routes(all: &mut Described) {
    all.shape(
        "Upload",
        "An image on its way. `offset` bytes of `size` are there, `checked` of them were read. `state` goes from \
         receiving over checking to done or failed. Done, there is `image`; failed, there are `code` and `error`.",
        "id: text, file: text, product_type: text, version: text?, description: text?, sha256: text?, activate: boolean, \
         size: integer?, offset: integer, checked: integer, state: receiving | checking | done | failed, by: text, \
         image?: object, code?: text, error?: text",
    );
    let example =
        json!({ "file": "kxp2-4.2.img.zst", "product_type": "KXP2", "size": 1_234_567_890_u64, "version": "4.2" });
    all.add(
        Operation::post("/api/v1/uploads", Group::Images, "Begins to upload an image")
            .operator()
            .more(
                "The bytes are sent by PATCH in one piece or in many. With `sha256`, what came is checked against it. With \
                 `activate`, the product's machines get it at once. An upload that nobody went on with for a day is removed.",
            )
            .body::<NewUpload>(example)
            .creates()
            .reply(201, "Upload")
            .refuses(507, "There is no room for it."),
        begin,
    );
    all.add(Operation::get("/api/v1/uploads", Group::Images, "Every upload under way").list("Upload"), list);
    all.add(
        Operation::get("/api/v1/uploads/{upload}", Group::Images, "How an upload stands").reply(200, "Upload"),
        state,
    );
    all.add(
        Operation::patch("/api/v1/uploads/{upload}", Group::Images, "Sends a piece of it")
            .operator()
            .more(
                "The header Upload-Offset says from which byte on; it must be where the upload stands. A piece that breaks \
                 off is kept as far as it came. After the last one it is checked, which may go on for a while: 202.",
            )
            .header("Upload-Offset", "integer", "From which byte on.")
            .bytes("application/octet-stream")
            .reply(200, "Upload")
            .reply(202, "Upload")
            .refuses(507, "The disk is full; nothing was kept."),
        send,
    );
    all.add(
        Operation::delete("/api/v1/uploads/{upload}", Group::Images, "Ends an upload; nothing of it stays")
            .operator()
            .says(),
        give_up,
    );
    all.add(
        Operation::post("/api/images/upload", Group::Original, "Uploads an image in a form")
            .operator()
            .scope(Scope::Images)
            .more("Fields: `image` (the file), `product_type`, `version`; `description` and `activate` if wanted.")
            .bytes("multipart/form-data")
            .fields(
                200,
                "success: boolean, message: text, filename: text, product_type: text, version: text?, \
                 size_bytes: integer, checksum: text",
            )
            .refuses(507, "The disk is full; nothing was kept."),
        original,
    );
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewUpload {
    file: String,
    size: u64,
    product_type: String,
    version: Option<String>,
    description: Option<String>,
    sha256: Option<String>,
    #[serde(default)]
    activate: bool,
}

async fn begin(asker: Asker, Json(upload): Json<NewUpload>) -> Response {
    let NewUpload { file, size, product_type: product, version, description, sha256, activate } = upload;
    let by = asker.caller.name.as_str().to_owned();
    let wish = Wish { file, product, version, description, sha256, activate, size: Some(size), by };
    let uploads = asker.manage.uploads.clone();
    // Files are made and synced.
    let begun = tokio::task::spawn_blocking(move || {
        uploads.sweep();
        uploads.check(&wish)?;
        uploads.begin(wish, size).map(|partial| partial.shown())
    });
    answer(StatusCode::CREATED, begun.await.map_err(Trouble::internal).flatten())
}

async fn list(asker: Asker, uri: Uri) -> Response {
    asker.manage.uploads.sweep();
    let page = Parameters::read(&uri, &["limit", "offset", "q", "sort"])
        .and_then(|given| program::page(asker.manage.uploads.list().into(), &given, &[]));
    match page {
        Ok(page) => reply(StatusCode::OK, &page),
        Err(refusal) => program::refuse(&refusal),
    }
}

async fn state(asker: Asker, Path(id): Path<String>) -> Response {
    answer(StatusCode::OK, asker.manage.uploads.state(&id))
}

async fn give_up(asker: Asker, Path(id): Path<String>) -> Response {
    let uploads = asker.manage.uploads.clone();
    let ended = tokio::task::spawn_blocking(move || uploads.give_up(&id)).await;
    answer(StatusCode::OK, ended.map_err(Trouble::internal).flatten().map(Value::from))
}

async fn send(asker: Asker, Path(id): Path<String>, headers: HeaderMap, request: Request) -> Response {
    let uploads = asker.manage.uploads.clone();
    let offset = headers.get(OFFSET).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    let Some(offset) = offset else {
        let sentence = "Say with the header Upload-Offset from which byte on this goes";
        return program::refuse(&Refusal::Invalid(sentence.into()));
    };
    let partial = match uploads.find(&id) {
        Ok(partial) => partial,
        Err(trouble) => return answer(StatusCode::OK, Err(trouble)),
    };
    let body: Body = request.into_body();
    // In a task of its own: a connection that dies takes the request with it, and not what came of it so far.
    let task = tokio::spawn(async move {
        uploads.receive(&partial, offset, body.into_data_stream()).await?;
        if partial.missing() > 0 {
            return Ok((StatusCode::OK, partial.shown()));
        }
        uploads.end(&partial).await?;
        let mut over = partial.over.subscribe();
        let outcome = tokio::time::timeout(PATIENCE, over.wait_for(Option::is_some)).await;
        match outcome.ok().and_then(Result::ok).and_then(|outcome| outcome.clone()) {
            Some(outcome) => outcome.map(|state| (StatusCode::OK, state)),
            None => Ok((StatusCode::ACCEPTED, partial.shown())),
        }
    });
    match task.await.map_err(Trouble::internal).flatten() {
        Ok((status, state)) => answer(status, Ok(state)),
        Err(trouble) => answer(StatusCode::OK, Err(trouble)),
    }
}

/// The state, with its offset as a header, too.
fn answer(done: StatusCode, said: Result<Value, Trouble>) -> Response {
    let offset = said.as_ref().ok().and_then(|state| state["offset"].as_u64());
    let mut response = program::answer(done, said.map_or_else(Reply::from, Reply::Ok));
    if let Some(offset) = offset {
        response.headers_mut().insert(OFFSET, HeaderValue::from(offset));
    }
    response
}

async fn original(asker: Asker, headers: HeaderMap, request: Request) -> Response {
    let mut texts = Texts::default();
    let taken = asker.manage.uploads.take_form(&asker.caller.name, &headers, request.into_body(), &mut texts).await;
    match taken {
        Ok(state) => {
            let image = &state["image"];
            let body = json!({
                "checksum": image["sha256"],
                "filename": image["file"],
                "message": format!("Image {} uploaded", state["file"].as_str().unwrap_or_default()),
                "product_type": image["product_type"],
                "size_bytes": image["size"],
                "success": true,
                "version": image["version"],
            });
            reply(StatusCode::OK, &body)
        }
        Err(Trouble { code, sentence }) => {
            let status = match program::status(code) {
                StatusCode::CONFLICT => StatusCode::BAD_REQUEST,
                status => status,
            };
            reply(status, &json!({ "code": code, "error": sentence, "message": sentence, "success": false }))
        }
    }
}
