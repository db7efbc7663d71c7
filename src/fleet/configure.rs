//! Another configuration for a fleet that runs: nothing that was given is taken away.

use super::{Configuration, Fleet, Notice, Outbox, Told};
use crate::catalog::Catalog;
use crate::ids::MachineId;
use crate::refusal::Refusal;
use crate::time::Now;

impl Fleet {
    /// Leases, names, machines and transfers stay; what they are worth from now on, the new configuration says. An
    /// offer stays if it could be made again.
    pub(super) fn reconfigure(
        &mut self,
        configuration: Configuration,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Told, Refusal> {
        let Configuration { site, profiles, classes, products, venues } = configuration;
        let mut catalog = Catalog::new(profiles).with_classes(classes);
        for (product, state) in self.catalog.images() {
            catalog.set_image(product.clone(), state.clone());
        }
        self.tables.refit(&site, &products);
        self.site = site;
        self.products = products;
        self.catalog = catalog;
        out.publish(self.configured());
        out.publish(self.image_files());
        self.declare(venues, now, out)?;
        let all: Vec<MachineId> = self.tables.machines.iter().map(|machine| machine.id).collect();
        for id in &all {
            self.publish_machine(*id, out);
        }
        Ok(Told::Done("the new configuration is in force".to_owned()))
    }

    pub(super) fn configured(&self) -> Notice {
        Notice::Configured { site: self.site.clone(), catalog: self.catalog.clone() }
    }
}
