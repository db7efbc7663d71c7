//! From a whole file to an image: checked against what was promised, given its name, written into the journal.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use serde_json::{Value, json};

use super::note::{Note, Wish};
use super::partial::Partial;
use super::{OVER_MAX, Refusal, Trouble, Uploads};
use crate::access::Actor;
use crate::disk::content::Measure;
use crate::ids::Digest;
use crate::serve::control::{Found, Reply, Request};
use crate::serve::images;

impl Uploads {
    /// That was all of it: from here on it is checked.
    ///
    /// # Errors
    /// What the disk says; then the upload is gone.
    pub(super) async fn end(self: &Arc<Self>, partial: &Arc<Partial>) -> Result<(), Trouble> {
        // Two requests may both have brought the last byte, the later one an empty body.
        if !partial.begin_checking() {
            return Ok(());
        }
        let ended = {
            let partial = partial.clone();
            tokio::task::spawn_blocking(move || partial.end()).await.map_err(io::Error::other).flatten()
        };
        if let Err(error) = ended {
            let trouble = Trouble::of_disk(&error, "The upload cannot be written");
            self.fail(partial, trouble.clone());
            return Err(trouble);
        }
        self.clone().finish(partial.clone());
        Ok(())
    }

    /// Makes an image of an upload that is whole, in a task of its own; [`Partial::over`] says what became of it.
    fn finish(self: Arc<Self>, partial: Arc<Partial>) {
        tokio::spawn(async move {
            let outcome = self.conclude(&partial).await;
            match outcome {
                Ok(image) => self.close(&partial, Ok(image)),
                Err(trouble) => self.fail(&partial, trouble),
            }
        });
    }

    async fn conclude(&self, partial: &Arc<Partial>) -> Result<Value, Trouble> {
        partial.read_along().map_err(|error| Trouble::of_disk(&error, "The upload cannot be read"))?;
        let mut read = partial.read.subscribe();
        // The sender lives as long as the upload.
        let _ = read.wait_for(|read| *read).await;
        let measure = partial.measured().ok_or_else(|| Trouble::internal("it was not read"))??;
        let placed = {
            let (partial, target) = (partial.clone(), self.desk.images.join(partial.file_name()));
            tokio::task::spawn_blocking(move || place(&partial, &target, measure)).await
        };
        let found = placed.map_err(Trouble::internal).flatten()?;
        let wish = partial.wish();
        let enrolled = self.enrol(&wish, found).await;
        if enrolled.is_err() {
            // It is nobody's image.
            if let Err(error) = images::remove(&self.desk.images.join(&wish.file)) {
                tracing::error!(file = wish.file, %error, "an upload that was refused was not removed");
            }
        }
        enrolled
    }

    /// Tells the journal of a file that has its name.
    async fn enrol(&self, wish: &Wish, found: Found) -> Result<Value, Trouble> {
        let Wish { file, product, version, description, activate, by, .. } = wish.clone();
        let by = Actor::written(&by);
        let version = version.filter(|version| !version.trim().is_empty());
        let add = Request::ImageAdd { product: product.clone(), file: file.clone(), version, found: Some(found) };
        let mut image = self.said(&by, add).await?;
        if description.is_some() {
            let (product, image_file) = (product.clone(), file.clone());
            let describe = Request::ImageDescribe { product, image: image_file, description, version: None };
            image = self.said(&by, describe).await?;
        }
        tracing::info!(%by, file, product, "an image was uploaded");
        if activate {
            match self.said(&by, Request::ImageActivate { product, image: file, force: false }).await {
                Ok(active) => image = active,
                // It is an image all the same.
                Err(trouble) => image["not_activated"] = json!(trouble.sentence),
            }
        }
        Ok(image)
    }

    /// As [`Uploads::enrol`], after a server that ended in between.
    pub(super) async fn enrol_again(&self, note: &Note, found: Found) {
        let file = &note.wish.file;
        let same = fs::metadata(self.desk.images.join(file)).is_ok_and(|it| images::identity(&it) == found.identity);
        if same && let Err(trouble) = self.enrol(&note.wish, found).await {
            tracing::error!(file, "the image was uploaded and is not known: {}", trouble.sentence);
        }
    }

    async fn said(&self, by: &Actor, request: Request) -> Result<Value, Trouble> {
        match self.desk.answer(by, request).await {
            Reply::Ok(value) => Ok(value),
            Reply::Error { code, sentence } if code == "internal" => Err(Trouble::internal(sentence)),
            Reply::Error { sentence, .. } => Err(Refusal::Conflict(sentence).into()),
            Reply::Problems(problems) => Err(Refusal::Conflict(problems.join("; ")).into()),
        }
    }

    /// Nothing becomes of it, and nothing of it stays.
    pub(super) fn fail(&self, partial: &Partial, trouble: Trouble) {
        tracing::warn!(file = partial.file_name(), "an upload failed: {}", trouble.sentence);
        self.close(partial, Err(trouble));
    }

    fn close(&self, partial: &Partial, outcome: Result<Value, Trouble>) {
        self.open().remove(&partial.id);
        partial.remove();
        let mut state = partial.shown();
        match &outcome {
            Ok(image) => {
                state["state"] = json!("done");
                state["image"] = image.clone();
            }
            Err(Trouble { code, sentence }) => {
                state["state"] = json!("failed");
                state["code"] = json!(code);
                state["error"] = json!(sentence);
            }
        }
        let mut over = self.over();
        over.push_back((partial.id.clone(), state.clone()));
        if over.len() > OVER_MAX {
            over.pop_front();
        }
        drop(over);
        partial.over.send_replace(Some(outcome.map(|_| state)));
    }
}

/// Checks what was read against what was promised, and gives the file its name.
fn place(partial: &Partial, target: &Path, measure: Measure) -> Result<Found, Trouble> {
    let Wish { file, sha256, .. } = partial.wish();
    let promised = sha256.as_deref().and_then(Digest::parse);
    if promised.is_some_and(|promised| promised != measure.digest) {
        let (is, promised) = (measure.digest, sha256.unwrap_or_default());
        let sentence = format!("What came has the SHA-256 {is}, not {promised}: nothing was kept. Send it again");
        return Err(Refusal::Invalid(sentence).into());
    }
    let of_disk = |error: io::Error| Trouble::of_disk(&error, "The upload cannot be kept");
    let before = fs::metadata(&partial.part).map_err(of_disk)?;
    let measured = images::identify(&partial.part, &file, &before, measure).map_err(of_disk)?;
    let measured = measured.ok_or_else(|| Trouble::internal("it was written to while it was read"))?;
    if !partial.begin_placing() {
        return Err(Refusal::Conflict("The upload was ended".into()).into());
    }
    let found = Found::new(&measured);
    partial.note_down(Some(found.clone())).map_err(of_disk)?;
    renameat2(AT_FDCWD, &partial.part, AT_FDCWD, target, RenameFlags::RENAME_NOREPLACE).map_err(
        |error| match error {
            nix::Error::EEXIST => Trouble::from(Refusal::Conflict(format!(
                "{file} is there meanwhile; machines may be reading it: send it under another name"
            ))),
            other => of_disk(other.into()),
        },
    )?;
    target.parent().map_or(Ok(()), images::sync_directory).map_err(of_disk)?;
    Ok(found)
}
