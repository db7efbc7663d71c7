//! What the server does about images beside asking the fleet: it looks at the files, and takes them away.

use std::collections::BTreeMap;
use std::io;

use serde_json::json;

use super::answer::recorded;
use super::{Desk, Found, Reply};
use crate::access::Actor;
use crate::catalog::ImageState;
use crate::fleet::command::Command;
use crate::fleet::{Event, ImageRow, Told};
use crate::ids::ProductName;
use crate::refusal::Refusal;
use crate::serve::{images, show};

impl Desk {
    /// Every image, with how many machines were last written with it.
    pub(super) async fn list_images(&self, by: &Actor) -> Reply {
        let mut rows = match self.image_rows(by).await {
            Ok(rows) => show::told(&Told::Images(rows)),
            Err(refusal) => return refusal.into(),
        };
        let records = self.records.clone();
        let count = move |counts: BTreeMap<(String, String), u64>| {
            for row in rows.as_array_mut().into_iter().flatten() {
                let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
                let machines = counts.get(&(text("product_type"), text("file"))).copied().unwrap_or_default();
                row["machines"] = json!(machines);
            }
            rows
        };
        recorded(move || records.machines_of_images(), count).await
    }

    async fn image_rows(&self, by: &Actor) -> Result<Vec<ImageRow>, Refusal> {
        match self.tell(by, Command::ImageList).await? {
            Told::Images(rows) => Ok(rows),
            told => unreachable!("a list of images is none: {told:?}"),
        }
    }

    pub(super) async fn add_image(
        &self,
        by: &Actor,
        product: String,
        file: String,
        version: Option<String>,
        found: Option<Found>,
    ) -> Reply {
        if let Err(refusal) = self.there(&file) {
            return refusal.into();
        }
        if let Some(found) = found {
            self.take_over(&product, &file, &found);
        }
        self.operate(by, Command::ImageAdd { product, file, version }).await
    }

    /// Believes what was found in an image file, if it is about the file that is there. If not, the file is measured
    /// like any other.
    fn take_over(&self, product: &str, file: &str, found: &Found) {
        let metadata = std::fs::metadata(self.images.join(file));
        let same = metadata.is_ok_and(|metadata| images::identity(&metadata) == found.identity);
        if let (true, Some(measured), Some(product)) = (same, found.measured(file), ProductName::parse(product)) {
            self.known.add(measured.clone());
            let state = ImageState::Ready(measured.image.clone());
            self.inbox.tell(Event::Image { product, state, measured: Some(measured) });
        }
    }

    /// The fleet knows what was hashed; whether the file is still there, only a look can tell.
    pub(super) async fn activate_image(&self, by: &Actor, product: String, image: String, force: bool) -> Reply {
        if let Ok(rows) = self.image_rows(by).await {
            let named = |row: &&ImageRow| {
                let version = row.edition.as_ref().and_then(|edition| edition.version.as_deref());
                row.product.as_str().eq_ignore_ascii_case(&product) && (row.file == image || version == Some(&image))
            };
            if let Some(Err(refusal)) = rows.iter().find(named).map(|row| self.there(&row.file)) {
                return refusal.into();
            }
        }
        self.operate(by, Command::ImageActivate { product, image, force }).await
    }

    /// First the word of the journal that it is no image any more, then the file, then what the journal knows of it: ended
    /// anywhere, the next start goes on from there.
    pub(super) async fn remove_image(&self, by: &Actor, product: String, image: String) -> Reply {
        match self.tell(by, Command::ImageRemove { product, image }).await {
            Ok(Told::ImageRemoved { product, file, alone }) => self.take_away(by, product, file, alone).await,
            Ok(told) => unreachable!("an image is removed: {told:?}"),
            Err(refusal) => refusal.into(),
        }
    }

    /// Takes away what is left of images that were removed before the server ended.
    pub async fn finish_removals(&self, left: Vec<(ProductName, String, bool)>) {
        for (product, file, alone) in left {
            tracing::info!(%product, file, "an image was being removed when the server ended");
            if let Reply::Error { sentence, .. } = self.take_away(&Actor::configuration(), product, file, alone).await {
                tracing::error!("{sentence}");
            }
        }
    }

    async fn take_away(&self, by: &Actor, product: ProductName, file: String, alone: bool) -> Reply {
        let path = self.images.join(&file);
        let gone = if alone { tokio::task::spawn_blocking(move || images::remove(&path)).await } else { Ok(Ok(())) };
        match gone.map_err(io::Error::other).flatten() {
            Ok(()) => self.operate(by, Command::ImageGone { product, file }).await,
            Err(error) => Reply::internal(format!(
                "{file} is no image any more, and the file could not be taken away: {error}. Remove it again once that is \
                 mended"
            )),
        }
    }

    /// Refuses a file that is not in the image directory.
    fn there(&self, file: &str) -> Result<(), Refusal> {
        match std::fs::metadata(self.images.join(file)) {
            Ok(metadata) if metadata.is_file() => Ok(()),
            _ => Err(Refusal::NotFound(format!("There is no file {file} in {}", self.images.display()))),
        }
    }
}
