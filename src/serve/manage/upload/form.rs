//! A file in a form (RFC 7578), as browsers without scripts and old programs send it: the same path, in one go.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use multer::{Field, Multipart};
use serde_json::Value;

use super::partial::Partial;
use super::{Refusal, Trouble, Uploads, Wish};
use crate::access::Actor;

/// The longest text of a field, bytes.
const TEXT_MAX: usize = 8 << 10;

/// What the fields beside the file said.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    pub product: String,
    pub version: String,
    pub description: String,
    pub activate: bool,
}

/// Ends an upload whose form did not come to its end, also when nobody asks any more what became of it.
struct Unfinished<'a> {
    uploads: &'a Uploads,
    partial: Option<Arc<Partial>>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // One that failed is gone already.
            let _ = self.uploads.give_up(&partial.id);
        }
    }
}

impl Uploads {
    /// Takes a form with the file in its field `image`, and waits for what becomes of it. `texts` has what the other
    /// fields said, whatever comes of it.
    ///
    /// # Errors
    /// As an upload in pieces; nothing of it stays.
    pub async fn take_form(
        self: &Arc<Self>,
        by: &Actor,
        headers: &HeaderMap,
        body: Body,
        texts: &mut Texts,
    ) -> Result<Value, Trouble> {
        let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
        let boundary = multer::parse_boundary(text(CONTENT_TYPE).unwrap_or_default());
        let boundary = boundary.map_err(|_| invalid("Send a form with the file in its field 'image'"))?;
        // With the length of the form, room can be asked for; what is in it is a little less.
        let length = text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let length = length.ok_or_else(|| invalid("Say how long the form is, with the header Content-Length"))?;
        let mut form = Multipart::new(body.into_data_stream(), boundary);
        let mut unfinished = Unfinished { uploads: self, partial: None };
        while let Some(field) = form.next_field().await.map_err(broken)? {
            match field.name().unwrap_or_default() {
                "image" if unfinished.partial.is_none() => {
                    let file = field.file_name().unwrap_or_default().to_owned();
                    if file.is_empty() {
                        return Err(invalid("Choose the file of the image"));
                    }
                    let wish = Wish { file, by: by.as_str().to_owned(), ..Wish::default() };
                    let partial = self.begin(wish, length)?;
                    unfinished.partial = Some(partial.clone());
                    self.receive(&partial, 0, field).await?;
                }
                "product_type" => texts.product = read(field).await?,
                "version" => texts.version = read(field).await?,
                "description" => texts.description = read(field).await?,
                "activate" => texts.activate = !matches!(read(field).await?.as_str(), "" | "false" | "no" | "0"),
                _ => {}
            }
        }
        let partial = unfinished.partial.clone().ok_or_else(|| invalid("The form has no field 'image' with a file"))?;
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let Texts { product, version, description, activate } = &*texts;
        let wish = Wish {
            product: product.clone(),
            version: some(version),
            description: some(description),
            activate: *activate,
            ..partial.wish()
        };
        self.check(&wish)?;
        partial.set_wish(wish);
        self.end(&partial).await?;
        unfinished.partial = None;
        let mut over = partial.over.subscribe();
        let outcome = over.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
        outcome.ok().flatten().unwrap_or_else(|| Err(Trouble::internal("the upload came to no end")))
    }
}

async fn read(mut field: Field<'_>) -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > TEXT_MAX {
            return Err(invalid("A field of the form is too long"));
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| invalid("A field of the form is not UTF-8"))?;
    Ok(text.trim().to_owned())
}

fn invalid(sentence: &str) -> Trouble {
    Refusal::Invalid(sentence.to_owned()).into()
}

fn broken(error: impl fmt::Display) -> Trouble {
    invalid(&format!("The form cannot be read, or broke off: {error}"))
}
