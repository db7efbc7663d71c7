//! Operations on images: which file the machines of a product get.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Fleet, Outbox};
use crate::boot::file::RelativePath;
use crate::catalog::{Edition, ImageFiles, ImageState};
use crate::fleet::{Change, Deployment, ImageRow, Notice, Told};
use crate::ids::ProductName;
use crate::refusal::Refusal;
use crate::time::Now;

impl Fleet {
    /// The file that the product's machines get: the one an operator activated, else the one of the configuration.
    pub(in crate::fleet) fn image_file(&self, product: &ProductName) -> Option<String> {
        let active = self.tables.active_edition(product).map(|edition| edition.file.clone());
        active.or_else(|| self.tables.naming.product(product).map(|product| product.image_file()))
    }

    pub(in crate::fleet) fn image_files(&self) -> Notice {
        let products = self.tables.naming.products().map(|product| &product.name);
        let active = products.filter_map(|product| Some((product.clone(), self.image_file(product)?))).collect();
        let is_spare = |(product, file): &(ProductName, String)| self.image_file(product).as_ref() != Some(file);
        let spare = self.image_keys().into_iter().filter(is_spare).collect();
        Notice::ImageFiles(Arc::new(ImageFiles { active, spare }))
    }

    /// Product and file of every image, those among them that only the configuration names.
    fn image_keys(&self) -> BTreeSet<(ProductName, String)> {
        let configured = self.tables.naming.products().map(|product| (product.name.clone(), product.image_file()));
        let is_there = |key: &(ProductName, String)| {
            self.tables.editions.get(key).is_none_or(|edition| edition.removed_at.is_none())
        };
        self.tables.editions.keys().cloned().chain(configured).filter(is_there).collect()
    }

    pub(in crate::fleet) fn set_image(&mut self, product: ProductName, state: ImageState, out: &mut Outbox) {
        self.catalog.set_image(product.clone(), state.clone());
        out.publish(Notice::Image { product, state });
    }

    pub(super) fn add_image(
        &mut self,
        product: &str,
        file: &str,
        version: Option<String>,
        now: Now,
        out: &mut Outbox,
    ) -> Result<ImageRow, Refusal> {
        let product = self.known_product(product)?;
        if !RelativePath::clean(file).is_ok_and(|path| path.as_str() == file) {
            return Err(Refusal::Invalid(format!("'{file}' is no file below the image directory")));
        }
        if self.tables.editions.values().any(|edition| edition.file == file && edition.removed_at.is_some()) {
            return Err(Refusal::Conflict(format!("{file} is being removed; ask again in a moment")));
        }
        let key = (product, file.to_owned());
        let added = Edition { version, ..Edition::new(key.0.clone(), key.1.clone(), now.timestamp) };
        let edition = match self.tables.editions.get(&key) {
            Some(known) => Edition { version: added.version.or(known.version.clone()), ..known.clone() },
            // What the configuration names is in use already.
            None if self.image_file(&key.0).as_deref() == Some(key.1.as_str()) => {
                Edition { active_since: Some(now.timestamp), ..added }
            }
            None => added,
        };
        if self.tables.editions.get(&key) != Some(&edition) {
            self.commit(out, Change::Edition(edition));
            out.publish(self.image_files());
        }
        Ok(self.image_row(&key.0, &key.1))
    }

    /// The image of the product by its file, else by its version.
    fn find_image(&self, product: &str, image: &str) -> Result<ImageRow, Refusal> {
        let product = self.known_product(product)?;
        let rows: Vec<ImageRow> = self.images().into_iter().filter(|row| row.product == product).collect();
        let version = |row: &&ImageRow| row.edition.as_ref().is_some_and(|it| it.version.as_deref() == Some(image));
        let found = rows.iter().find(|row| row.file == image).or_else(|| rows.iter().find(version));
        found.cloned().ok_or_else(|| Refusal::NotFound(format!("{product} has no image '{image}': add it first")))
    }

    /// The image must have been hashed: no machine waits because another image is activated. One that the operator
    /// advises against is activated only if `force` says that this is known.
    pub(super) fn activate_image(
        &mut self,
        product: &str,
        image: &str,
        force: bool,
        now: Now,
        out: &mut Outbox,
    ) -> Result<ImageRow, Refusal> {
        let row = self.find_image(product, image)?;
        if row.active {
            return Ok(row);
        }
        let edition = edition_of(&row, now);
        if edition.deprecated_since.is_some() && !force {
            let sentence = format!("{} is deprecated: activate another image, or this one with force", row.file);
            return Err(Refusal::Conflict(sentence));
        }
        let Some(image) = row.image else {
            return Err(Refusal::Conflict(format!("{} is still being checked; ask again in a moment", row.file)));
        };
        if let Some(old) = self.tables.active_edition(&row.product).cloned() {
            self.commit(out, Change::Edition(Edition { active_since: None, ..old }));
        }
        self.commit(out, Change::Edition(Edition { active_since: Some(now.timestamp), ..edition }));
        out.publish(self.image_files());
        self.set_image(row.product.clone(), ImageState::Ready(image), out);
        Ok(self.image_row(&row.product, &row.file))
    }

    pub(super) fn describe_image(
        &mut self,
        product: &str,
        image: &str,
        description: Option<String>,
        version: Option<String>,
        now: Now,
        out: &mut Outbox,
    ) -> Result<ImageRow, Refusal> {
        let row = self.find_image(product, image)?;
        let edition = edition_of(&row, now).described(description.as_deref(), version.as_deref())?;
        self.put_edition(&row, edition, out);
        Ok(self.image_row(&row.product, &row.file))
    }

    /// Those that run with it or are about to are left alone.
    pub(super) fn deprecate_image(
        &mut self,
        product: &str,
        image: &str,
        deprecated: bool,
        now: Now,
        out: &mut Outbox,
    ) -> Result<ImageRow, Refusal> {
        let row = self.find_image(product, image)?;
        let before = edition_of(&row, now);
        let since = before.deprecated_since.unwrap_or(now.timestamp);
        let edition = Edition { deprecated_since: deprecated.then_some(since), ..before };
        self.put_edition(&row, edition, out);
        Ok(self.image_row(&row.product, &row.file))
    }

    /// Writes down an edition that says something else than the row does. What is in use by the configuration's word
    /// alone stays so by that word.
    fn put_edition(&mut self, row: &ImageRow, edition: Edition, out: &mut Outbox) {
        let news = match &row.edition {
            Some(known) => *known != edition,
            None => edition != Edition::new(edition.product.clone(), edition.file.clone(), edition.added_at),
        };
        if news {
            self.commit(out, Change::Edition(edition));
            out.publish(self.image_files());
        }
    }

    /// Refused while somebody needs the file. From here on it is no image; the shell takes the file away, then says that
    /// it is [gone](super::Command::ImageGone). A server that ends in between goes on there when it starts.
    pub(super) fn remove_image(
        &mut self,
        product: &str,
        image: &str,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Told, Refusal> {
        let row = match self.find_image(product, image) {
            Ok(row) => row,
            Err(refusal) => return self.removed(product, image).ok_or(refusal),
        };
        if let Some(sentence) = self.needed(&row) {
            return Err(Refusal::Conflict(sentence));
        }
        self.commit(out, Change::Edition(Edition { removed_at: Some(now.timestamp), ..edition_of(&row, now) }));
        out.publish(self.image_files());
        let (product, file) = (row.product, row.file);
        Ok(Told::ImageRemoved { alone: self.is_alone(&product, &file), product, file })
    }

    pub(super) fn forget_image(
        &mut self,
        product: ProductName,
        file: String,
        out: &mut Outbox,
    ) -> Result<Told, Refusal> {
        let key = (product, file);
        if self.tables.editions.get(&key).is_some_and(|edition| edition.removed_at.is_some()) {
            let (product, file) = key.clone();
            self.commit(out, Change::ImageForgotten { product, file });
            out.publish(self.image_files());
        }
        Ok(Told::Done(format!("{} {} is removed", key.0, key.1)))
    }

    /// The images of which something may be left, for the shell that starts: those that are none any more, and whether
    /// the file of each is to go.
    pub fn removed_images(&self) -> Vec<(ProductName, String, bool)> {
        let removed = self.tables.editions.values().filter(|edition| edition.removed_at.is_some());
        let left = |edition: &Edition| {
            let (product, file) = (edition.product.clone(), edition.file.clone());
            let alone = self.is_alone(&product, &file);
            (product, file, alone)
        };
        removed.map(left).collect()
    }

    /// An image that was removed before, whose file could not be taken away then.
    fn removed(&self, product: &str, file: &str) -> Option<Told> {
        let product = self.known_product(product).ok()?;
        let key = (product, file.to_owned());
        self.tables.editions.get(&key).filter(|edition| edition.removed_at.is_some())?;
        Some(Told::ImageRemoved { alone: self.is_alone(&key.0, &key.1), product: key.0, file: key.1 })
    }

    /// Whether the file is no other product's image.
    fn is_alone(&self, product: &ProductName, file: &str) -> bool {
        let others = self.tables.editions.values().filter(|edition| edition.removed_at.is_none());
        let mut others = others.filter(|edition| edition.file == file && edition.product != *product);
        let configured = self.tables.naming.products().any(|each| each.name != *product && each.image_file() == file);
        others.next().is_none() && !configured
    }

    /// Why an image cannot go, if somebody needs it.
    fn needed(&self, row: &ImageRow) -> Option<String> {
        let ImageRow { product, file, writing, .. } = row;
        let of_config = self.tables.naming.product(product).and_then(|product| product.image.as_ref()) == Some(file);
        let fetched = |name: &str| {
            let clean = RelativePath::clean(name).ok();
            clean.is_some_and(|path| path.as_str().strip_prefix("images/") == Some(file))
        };
        let fetching = self.transfers.values().filter(|transfer| fetched(&transfer.name)).count();
        match () {
            () if row.active => Some(format!("{product} gets {file}: activate another image first")),
            () if of_config => {
                Some(format!("The configuration names {file} as the image of {product}: change it first"))
            }
            () if *writing > 0 => {
                Some(format!("{} being written with {file}: wait until they are done", are(*writing)))
            }
            // Another product's machines may be reading it; they are not cut off from it.
            () if fetching > 0 && self.is_alone(product, file) => {
                let word = if fetching == 1 { "download" } else { "downloads" };
                Some(format!("{fetching} {word} of {file} under way: wait until that is over"))
            }
            () => None,
        }
    }

    /// Every image by product and file.
    pub(super) fn images(&self) -> Vec<ImageRow> {
        self.image_keys().iter().map(|(product, file)| self.image_row(product, file)).collect()
    }

    fn image_row(&self, product: &ProductName, file: &str) -> ImageRow {
        let image = self.tables.measured.get(file).map(|measured| measured.image.clone());
        let pi = self.catalog.is_for_raspberry_pi(product);
        let warnings = image.as_ref().map(|image| image.content.layout.warnings(pi)).unwrap_or_default();
        let written =
            |open: &&Deployment| open.product.as_ref() == Some(product) && open.image.as_deref() == Some(file);
        ImageRow {
            product: product.clone(),
            file: file.to_owned(),
            active: self.image_file(product).as_deref() == Some(file),
            edition: self.tables.editions.get(&(product.clone(), file.to_owned())).cloned(),
            image,
            warnings,
            writing: self.tables.open.values().filter(written).count() as u64,
        }
    }
}

/// What is known of the image of a row; what only the configuration names was never added.
fn edition_of(row: &ImageRow, now: Now) -> Edition {
    row.edition.clone().unwrap_or_else(|| Edition::new(row.product.clone(), row.file.clone(), now.timestamp))
}

fn are(machines: u64) -> String {
    if machines == 1 { "1 machine is".to_owned() } else { format!("{machines} machines are") }
}
