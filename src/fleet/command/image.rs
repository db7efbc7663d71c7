//! Operations on images: which file the machines of a product get.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Fleet, Outbox};
use crate::boot::file::RelativePath;
use crate::catalog::{Edition, ImageFiles, ImageState};
use crate::fleet::{Change, ImageRow, Notice};
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
        self.tables.editions.keys().cloned().chain(configured).collect()
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
        let key = (product, file.to_owned());
        let (product, file) = key.clone();
        let added = Edition { product, file, version, added_at: now.timestamp, active_since: None };
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

    /// The image must have been hashed: no machine waits because another image is activated.
    pub(super) fn activate_image(
        &mut self,
        product: &str,
        image: &str,
        now: Now,
        out: &mut Outbox,
    ) -> Result<ImageRow, Refusal> {
        let product = self.known_product(product)?;
        let row = self.images().into_iter().find(|row| {
            let version = row.edition.as_ref().and_then(|edition| edition.version.as_deref());
            row.product == product && (row.file == image || version == Some(image))
        });
        let row = row.ok_or_else(|| Refusal::NotFound(format!("{product} has no image '{image}': add it first")))?;
        if row.active {
            return Ok(row);
        }
        let Some(image) = row.image else {
            return Err(Refusal::Conflict(format!("{} is still being checked; ask again in a moment", row.file)));
        };
        // What only the configuration names was never added.
        let edition = row.edition.unwrap_or(Edition {
            product: product.clone(),
            file: row.file.clone(),
            version: None,
            added_at: now.timestamp,
            active_since: None,
        });
        if let Some(old) = self.tables.active_edition(&product).cloned() {
            self.commit(out, Change::Edition(Edition { active_since: None, ..old }));
        }
        self.commit(out, Change::Edition(Edition { active_since: Some(now.timestamp), ..edition }));
        out.publish(self.image_files());
        self.set_image(product.clone(), ImageState::Ready(image), out);
        Ok(self.image_row(&product, &row.file))
    }

    /// Every image by product and file.
    pub(super) fn images(&self) -> Vec<ImageRow> {
        self.image_keys().iter().map(|(product, file)| self.image_row(product, file)).collect()
    }

    fn image_row(&self, product: &ProductName, file: &str) -> ImageRow {
        let image = self.tables.measured.get(file).map(|measured| measured.image.clone());
        let pi = self.catalog.is_for_raspberry_pi(product);
        let warnings = image.as_ref().map(|image| image.content.layout.warnings(pi)).unwrap_or_default();
        ImageRow {
            product: product.clone(),
            file: file.to_owned(),
            active: self.image_file(product).as_deref() == Some(file),
            edition: self.tables.editions.get(&(product.clone(), file.to_owned())).cloned(),
            image,
            warnings,
        }
    }
}
