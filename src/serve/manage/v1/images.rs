//! `/api/v1/images`: what the images of products are, and what is done about them. Their bytes come by
//! `/api/v1/uploads`.

use axum::extract::Path;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Nothing, list};
use crate::refusal::Refusal;
use crate::serve::api::reply;
use crate::serve::control::{Reply, Request};
use crate::serve::manage::caller::Asker;
use crate::serve::manage::openapi::{Described, Group, Operation};
use crate::serve::manage::program::{self, Json, ask, refuse};

/// The routes.
pub fn routes(all: &mut Described) {
    all.shape(
        "Image",
        "An image file of a product. `machines` were last written with it; `writing` are at this moment.",
        "product_type: text, file: text, version: text?, description: text?, active: boolean, size: integer?, \
         sha256: text?, raw_size: integer?, raw_sha256: text?, zero_bytes: integer?, compression: text?, kind: text?, \
         partitions: integer?, added_at: time?, since: time?, deprecated_since: time?, warnings: text[], \
         writing: integer, machines?: integer",
    );
    all.add(
        Operation::get("/api/v1/images", Group::Images, "Every image").list("Image").parameter(
            "product",
            "text",
            "Only images of this product.",
        ),
        every,
    );
    all.add(
        Operation::post("/api/v1/images/activate", Group::Images, "Gives the machines of a product another image")
            .operator()
            .more("`image` is a file or a version. One that is deprecated is activated only with `force`.")
            .body::<Activate>(json!({ "product_type": "KXP2", "image": "kxp2-4.2.img.zst" }))
            .reply(200, "Image"),
        activate,
    );
    let path = "/api/v1/images/{product}/{file}";
    all.add(Operation::get(path, Group::Images, "An image").reply(200, "Image"), one);
    all.add(
        Operation::patch(path, Group::Images, "Says what an image is, or advises against it")
            .operator()
            .more("What is not given stays as it is; an empty text takes it away.")
            .body::<Change>(json!({ "description": "new boot loader", "deprecated": false }))
            .reply(200, "Image"),
        change,
    );
    all.add(
        Operation::delete(path, Group::Images, "Removes an image and its file")
            .operator()
            .more(
                "Refused while the product's machines get it, while one of them is being written with it or downloads it, \
                 and while the configuration names it. The file stays if it is another product's image, too.",
            )
            .body::<Nothing>(json!({}))
            .says(),
        remove,
    );
    all.add(
        Operation::post(
            "/api/v1/images/{product}/{file}/activate",
            Group::Images,
            "Gives it to the product's machines",
        )
        .operator()
        .body::<Force>(json!({ "force": false }))
        .reply(200, "Image"),
        activate_one,
    );
}

async fn every(asker: Asker, uri: Uri) -> Response {
    list(asker, uri, Request::Images, &[("product", "product_type")]).await
}

type Name = Path<(String, String)>;

async fn one(asker: Asker, Path((product, file)): Name) -> Response {
    let rows = match asker.answer(Request::Images).await {
        Reply::Ok(rows) => rows,
        other => return program::answer(StatusCode::OK, other),
    };
    let product_is = |text: &str| text.eq_ignore_ascii_case(&product);
    let found = rows
        .as_array()
        .into_iter()
        .flatten()
        .find(|row| row["product_type"].as_str().is_some_and(product_is) && row["file"] == file.as_str());
    match found {
        Some(row) => reply(StatusCode::OK, row),
        None => refuse(&Refusal::NotFound(format!("{product} has no image '{file}'"))),
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Activate {
    product_type: String,
    image: String,
    #[serde(default)]
    force: bool,
}

async fn activate(asker: Asker, Json(which): Json<Activate>) -> Response {
    let Activate { product_type: product, image, force } = which;
    ask(&asker, StatusCode::OK, Request::ImageActivate { product, image, force }).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Force {
    #[serde(default)]
    force: bool,
}

async fn activate_one(asker: Asker, Path((product, image)): Name, Json(Force { force }): Json<Force>) -> Response {
    ask(&asker, StatusCode::OK, Request::ImageActivate { product, image, force }).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    description: Option<String>,
    version: Option<String>,
    deprecated: Option<bool>,
}

async fn change(asker: Asker, Path((product, image)): Name, Json(to): Json<Change>) -> Response {
    let Change { description, version, deprecated } = to;
    let (of, which) = (product.clone(), image.clone());
    let said = asker.answer(Request::ImageDescribe { product: of, image: which, description, version }).await;
    match (said, deprecated) {
        (Reply::Ok(_), Some(deprecated)) => {
            ask(&asker, StatusCode::OK, Request::ImageDeprecate { product, image, deprecated }).await
        }
        (said, _) => program::answer(StatusCode::OK, said),
    }
}

async fn remove(asker: Asker, Path((product, image)): Name, _: Json<Nothing>) -> Response {
    ask(&asker, StatusCode::OK, Request::ImageRemove { product, image }).await
}
