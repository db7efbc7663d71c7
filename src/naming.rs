//! Who gets which host name, once and for all.
//!
//! Owns products, venues, name pools and batches. The invariant: a name has one holder, a machine has one name, and a
//! batch counts a machine once. Choosing decides and changes nothing; the fleet records the choice.

pub mod numbers;

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{BatchId, Hostname, MachineId, ProductName, Serial, VenueCode};
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// How a product's machines are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `PRODUCT-VENUE-number`, from numbers loaded beforehand, lowest free first; `width` digits with leading zeros.
    Pooled {
        /// Digits.
        width: usize,
    },
    /// `PRODUCT-VENUE-SERIAL`: the last `digits` characters of the serial, upper case; made on demand.
    Serial {
        /// Characters.
        digits: usize,
    },
}

/// What is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its name.
    pub name: ProductName,
    /// How its machines are named.
    pub scheme: Scheme,
    /// Its image's file name in the image directory; `{product lower}_master.img` if none is given.
    pub image: Option<String>,
}

impl Product {
    /// The file name of its image in the image directory.
    pub fn image_file(&self) -> String {
        self.image.clone().unwrap_or_else(|| format!("{}_master.img", self.name.as_str().to_ascii_lowercase()))
    }
}

/// Where machines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Venue {
    /// Its code.
    pub code: VenueCode,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub location: Option<String>,
    /// Whom to write to.
    pub contact_email: Option<String>,
    /// Since when we know of it; `None` for one that was known before that was remembered.
    pub created_at: Option<Timestamp>,
}

impl Venue {
    /// Whether both say the same of one place, since whenever they are known.
    pub fn says_the_same(&self, other: &Venue) -> bool {
        let Venue { code, name, location, contact_email, created_at: _ } = other;
        (&self.code, &self.name, &self.location, &self.contact_email) == (code, name, location, contact_email)
    }
}

/// The text, if it can be an e-mail address.
pub fn email(text: &str) -> Option<String> {
    let (name, domain) = text.split_once('@')?;
    let plain = text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    (plain && !name.is_empty() && !domain.is_empty() && !domain.contains('@')).then(|| text.to_owned())
}

/// The state of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameState {
    /// Can be given.
    Available,
    /// Held by a machine.
    Assigned(MachineId),
    /// Never to be given again.
    Retired,
}

impl NameState {
    /// The words of all states.
    pub const WORDS: [&'static str; 3] = ["available", "assigned", "retired"];

    /// The word in journals, JSON and messages.
    pub fn word(self) -> &'static str {
        let index = match self {
            NameState::Available => 0,
            NameState::Assigned(_) => 1,
            NameState::Retired => 2,
        };
        NameState::WORDS[index]
    }
}

/// How many names of a product a venue has, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Can be given.
    pub available: u64,
    /// Held by machines.
    pub assigned: u64,
    /// Never to be given again.
    pub retired: u64,
}

/// A host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name itself.
    pub hostname: Hostname,
    /// Of which product; `None` for a name an operator reserved.
    pub product: Option<ProductName>,
    /// At which venue; `None` for default and reserved names.
    pub venue: Option<VenueCode>,
    /// Its place in the pool, the order in which names are given; `None` for names made on demand.
    pub number: Option<u32>,
    /// Its state.
    pub state: NameState,
    /// The batch it was given under.
    pub batch: Option<BatchId>,
    /// Since when it is there; `None` if that was not remembered.
    pub created_at: Option<Timestamp>,
    /// Since when its machine holds it.
    pub assigned_at: Option<Timestamp>,
    /// What an operator wrote down about it.
    pub notes: Option<String>,
}

impl Name {
    /// A name that nobody holds and of which nothing is known yet.
    pub fn blank(hostname: Hostname) -> Name {
        Name {
            hostname,
            product: None,
            venue: None,
            number: None,
            state: NameState::Available,
            batch: None,
            created_at: None,
            assigned_at: None,
            notes: None,
        }
    }
}

/// The state of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchState {
    /// Not started.
    Pending,
    /// Gives names.
    Active,
    /// Held back.
    Paused,
    /// Every unit was named.
    Completed,
    /// Ended by an operator.
    Cancelled,
}

impl BatchState {
    const ALL: [BatchState; 5] =
        [BatchState::Pending, BatchState::Active, BatchState::Paused, BatchState::Completed, BatchState::Cancelled];

    /// The word in journals, JSON and messages.
    pub fn word(self) -> &'static str {
        match self {
            BatchState::Pending => "pending",
            BatchState::Active => "active",
            BatchState::Paused => "paused",
            BatchState::Completed => "completed",
            BatchState::Cancelled => "cancelled",
        }
    }

    /// Whether units may still be named under it.
    pub fn is_open(self) -> bool {
        matches!(self, BatchState::Pending | BatchState::Active | BatchState::Paused)
    }

    /// The state of a word.
    pub fn from_word(word: &str) -> Option<BatchState> {
        BatchState::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// Units made under one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Given once.
    pub id: BatchId,
    /// What is made.
    pub product: ProductName,
    /// For where.
    pub venue: VenueCode,
    /// Units ordered.
    pub total: u64,
    /// Units not named yet.
    pub remaining: u64,
    /// Higher goes first.
    pub priority: i64,
    /// Its state.
    pub state: BatchState,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// When it first became active.
    pub started_at: Option<Timestamp>,
    /// When its last unit was named.
    pub completed_at: Option<Timestamp>,
}

/// For whom a name is wanted.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The product the machine or its profile asks for.
    pub product: &'a ProductName,
    /// The venue it asks for.
    pub venue: Option<&'a VenueCode>,
    /// Its serial.
    pub serial: Option<&'a Serial>,
}

/// Products, venues, names and batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    products: BTreeMap<ProductName, Product>,
    venues: BTreeMap<VenueCode, Venue>,
    names: BTreeMap<Hostname, Name>,
    by_machine: BTreeMap<MachineId, Hostname>,
    available: BTreeMap<(ProductName, VenueCode), BTreeSet<(u32, Hostname)>>,
    batches: BTreeMap<BatchId, Batch>,
}

impl Naming {
    /// These products; no venue, name or batch yet.
    pub fn new(products: &[Product]) -> Naming {
        let mut naming = Naming::default();
        naming.set_products(products);
        naming
    }

    /// Other products; names given stay given.
    pub fn set_products(&mut self, products: &[Product]) {
        self.products = products.iter().map(|product| (product.name.clone(), product.clone())).collect();
    }

    /// The product of that name.
    pub fn product(&self, name: &ProductName) -> Option<&Product> {
        self.products.get(name)
    }

    /// Every product by name.
    pub fn products(&self) -> impl Iterator<Item = &Product> {
        self.products.values()
    }

    /// The venue of that code.
    pub fn venue(&self, code: &VenueCode) -> Option<&Venue> {
        self.venues.get(code)
    }

    /// Every venue by code.
    pub fn venues(&self) -> impl Iterator<Item = &Venue> {
        self.venues.values()
    }

    /// How the names of every product stand at every venue that has any.
    pub fn counts(&self) -> BTreeMap<VenueCode, BTreeMap<ProductName, Count>> {
        let mut counts: BTreeMap<VenueCode, BTreeMap<ProductName, Count>> = BTreeMap::new();
        for name in self.names.values() {
            let (Some(product), Some(venue)) = (&name.product, &name.venue) else { continue };
            let count = counts.entry(venue.clone()).or_default().entry(product.clone()).or_default();
            match name.state {
                NameState::Available => count.available += 1,
                NameState::Assigned(_) => count.assigned += 1,
                NameState::Retired => count.retired += 1,
            }
        }
        counts
    }

    /// The name a machine holds.
    pub fn of_machine(&self, machine: MachineId) -> Option<&Name> {
        self.by_machine.get(&machine).and_then(|hostname| self.names.get(hostname))
    }

    /// The name of that text.
    pub fn name(&self, hostname: &Hostname) -> Option<&Name> {
        self.names.get(hostname)
    }

    /// Every name.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.values()
    }

    /// Every batch by id.
    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.batches.values()
    }

    /// The batch of that id.
    pub fn batch(&self, id: BatchId) -> Option<&Batch> {
        self.batches.get(&id)
    }

    /// How many names of a pooled product are left at a venue.
    pub fn available(&self, product: &ProductName, venue: &VenueCode) -> u64 {
        self.available.get(&(product.clone(), venue.clone())).map_or(0, |free| free.len() as u64)
    }

    /// The open batches to which names of a pooled product at a venue are promised: each unit that they have still to
    /// make has a name that nobody else gets.
    pub fn promises(&self, product: &ProductName, venue: &VenueCode) -> Vec<&Batch> {
        let pooled = matches!(self.product(product).map(|known| known.scheme), Some(Scheme::Pooled { .. }));
        let waits = |batch: &&Batch| {
            pooled && batch.state.is_open() && batch.remaining > 0 && (&batch.product, &batch.venue) == (product, venue)
        };
        self.batches.values().filter(waits).collect()
    }

    /// How many names of a pooled product are left at a venue beyond those that are promised.
    pub fn spare(&self, product: &ProductName, venue: &VenueCode) -> u64 {
        let promised: u64 = self.promises(product, venue).iter().map(|batch| batch.remaining).sum();
        self.available(product, venue).saturating_sub(promised)
    }

    /// Why no more than the spare names may go elsewhere, as a sentence for people.
    pub fn promised(&self, product: &ProductName, venue: &VenueCode) -> String {
        let promises = self.promises(product, venue);
        let batches: Vec<String> =
            promises.iter().map(|batch| format!("batch {} ({})", batch.id, batch.state.word())).collect();
        let (free, batches) = (self.available(product, venue), batches.join(" and "));
        format!(
            "The {free} free {product} names at {venue} are promised to {batches}: start it, cancel it, or add names"
        )
    }

    /// Whether a free name may be given to somebody outside of the batches.
    pub fn may_give(&self, name: &Name) -> bool {
        match (&name.product, &name.venue, name.number) {
            (Some(product), Some(venue), Some(_)) => self.spare(product, venue) > 0,
            _ => true,
        }
    }

    /// Forgets a venue.
    pub fn remove_venue(&mut self, code: &VenueCode) {
        self.venues.remove(code);
    }

    /// Adds or replaces a venue.
    pub fn put_venue(&mut self, venue: Venue) {
        self.venues.insert(venue.code.clone(), venue);
    }

    /// Adds or replaces a name.
    pub fn put_name(&mut self, name: Name) {
        if let Some(old) = self.names.get(&name.hostname)
            && let NameState::Assigned(machine) = old.state
        {
            self.by_machine.remove(&machine);
        }
        if let NameState::Assigned(machine) = name.state {
            self.by_machine.insert(machine, name.hostname.clone());
        }
        if let (Some(product), Some(venue), Some(number)) = (&name.product, &name.venue, name.number) {
            let free = self.available.entry((product.clone(), venue.clone())).or_default();
            let place = (number, name.hostname.clone());
            if name.state == NameState::Available {
                free.insert(place);
            } else {
                free.remove(&place);
            }
        }
        self.names.insert(name.hostname.clone(), name);
    }

    /// Adds or replaces a batch.
    pub fn put_batch(&mut self, batch: Batch) {
        self.batches.insert(batch.id, batch);
    }

    /// The id of the next batch.
    pub fn next_batch_id(&self) -> BatchId {
        BatchId(self.batches.last_key_value().map_or(1, |(id, _)| id.0 + 1))
    }

    /// The pooled name of a number.
    ///
    /// # Errors
    /// [`Refusal::UnknownProduct`], or [`Refusal::Invalid`] if the product's names are not numbered.
    pub fn pooled_name(&self, product: &ProductName, venue: &VenueCode, number: u32) -> Result<Name, Refusal> {
        let known = self.product(product).ok_or_else(|| Refusal::UnknownProduct(product.to_string()))?;
        let Scheme::Pooled { width } = known.scheme else {
            return Err(Refusal::Invalid(format!("{product} is named by serial number; it has no pool of numbers")));
        };
        let hostname = Hostname::parse(&format!("{product}-{venue}-{number:0width$}"))
            .ok_or_else(|| Refusal::Invalid(format!("{product}-{venue}-{number} is not a host name")))?;
        let (product, venue) = (Some(product.clone()), Some(venue.clone()));
        Ok(Name { product, venue, number: Some(number), ..Name::blank(hostname) })
    }

    /// The active batches in the order in which they give names: highest priority, then lowest id.
    pub fn active_batches(&self) -> Vec<&Batch> {
        let mut active: Vec<&Batch> =
            self.batches.values().filter(|batch| batch.state == BatchState::Active && batch.remaining > 0).collect();
        active.sort_by_key(|batch| (std::cmp::Reverse(batch.priority), batch.id));
        active
    }

    /// The name for a machine that has none: from the first active batch that can give one (it overrides the product
    /// and venue asked for), else from the venue's pool, else `PRODUCT-DEFAULT-` and the serial's last six characters.
    /// `None` means `unknown`: there is not even a serial to tell the machine by. It is also said where every free name
    /// of the venue is promised to batches ([`Naming::withheld`]).
    pub fn choose(&self, wanted: &Wanted<'_>) -> Option<Name> {
        let from_batch = || {
            self.active_batches().into_iter().find_map(|batch| {
                let name = self.at_venue(&batch.product, &batch.venue, wanted.serial)?;
                Some(Name { batch: Some(batch.id), ..name })
            })
        };
        let from_venue = || {
            let venue = wanted.venue.filter(|code| self.venue(code).is_some())?;
            self.at_venue(wanted.product, venue, wanted.serial)
        };
        let by_default = || self.serial_name(wanted.product, None, 6, wanted.serial?.as_str());
        match from_batch() {
            Some(name) => Some(name),
            None if self.withheld(wanted).is_some() => None,
            None => from_venue().or_else(by_default),
        }
    }

    /// Why a machine outside of the batches gets no name, though its venue has free ones.
    pub fn withheld(&self, wanted: &Wanted<'_>) -> Option<String> {
        let (product, venue) = (wanted.product, wanted.venue.filter(|code| self.venue(code).is_some())?);
        let withheld = self.available(product, venue) > 0 && self.spare(product, venue) == 0;
        withheld.then(|| self.promised(product, venue))
    }

    /// The name of this product and venue for a machine that has none: under an active batch of theirs, else a spare one.
    pub fn choose_at(&self, product: &ProductName, venue: &VenueCode, serial: Option<&Serial>) -> Option<Name> {
        let name = self.at_venue(product, venue, serial)?;
        let of_theirs = |batch: &&Batch| (&batch.product, &batch.venue) == (product, venue);
        match self.active_batches().into_iter().find(of_theirs) {
            Some(batch) => Some(Name { batch: Some(batch.id), ..name }),
            None => Some(name).filter(|name| self.may_give(name)),
        }
    }

    /// The product a batch makes of the machine named next, if a batch would name it, now or once its serial is known.
    pub fn batch_product(&self, serial: Option<&Serial>) -> Option<&ProductName> {
        let waits = |batch: &Batch| {
            let scheme = self.product(&batch.product).map(|product| product.scheme);
            serial.is_none() && matches!(scheme, Some(Scheme::Serial { .. }))
        };
        let makes = |batch: &&Batch| waits(batch) || self.at_venue(&batch.product, &batch.venue, serial).is_some();
        self.active_batches().into_iter().find(makes).map(|batch| &batch.product)
    }

    fn at_venue(&self, product: &ProductName, venue: &VenueCode, serial: Option<&Serial>) -> Option<Name> {
        match self.product(product)?.scheme {
            Scheme::Pooled { .. } => {
                let (_, hostname) = self.available.get(&(product.clone(), venue.clone()))?.first()?;
                self.names.get(hostname).cloned()
            }
            Scheme::Serial { digits } => {
                self.serial_name(product, Some(venue), digits, &serial?.as_str().to_ascii_uppercase())
            }
        }
    }

    /// A name ending in the serial's last `digits` characters. Two boards may agree in those, so more are taken until
    /// the name is nobody else's.
    fn serial_name(
        &self,
        product: &ProductName,
        venue: Option<&VenueCode>,
        digits: usize,
        serial: &str,
    ) -> Option<Name> {
        let place = venue.map_or("DEFAULT", VenueCode::as_str);
        // Serials of PCs hold characters that host names cannot.
        let serial: String = serial.chars().filter(char::is_ascii_alphanumeric).collect();
        (digits..=serial.len().max(digits)).find_map(|digits| {
            let tail = &serial[serial.len().saturating_sub(digits)..];
            let hostname = Hostname::parse(&format!("{product}-{place}-{tail}"))?;
            let known = self.name(&hostname).cloned();
            let free = known.as_ref().is_none_or(|name| name.state == NameState::Available);
            let blank = || Name { product: Some(product.clone()), venue: venue.cloned(), ..Name::blank(hostname) };
            free.then(|| known.unwrap_or_else(blank))
        })
    }

    /// The broken invariant, if any, over the whole table.
    pub fn check(&self) -> Result<(), String> {
        for (machine, hostname) in &self.by_machine {
            if self.name(hostname).map(|name| name.state) != Some(NameState::Assigned(*machine)) {
                return Err(format!("machine {machine} points at {hostname}, which it does not hold"));
            }
        }
        let assigned = self.names.values().filter(|name| matches!(name.state, NameState::Assigned(_))).count();
        if assigned != self.by_machine.len() {
            return Err(format!("{assigned} names are assigned, {} machines have one", self.by_machine.len()));
        }
        for batch in self.batches.values() {
            let given = self.names.values().filter(|name| name.batch == Some(batch.id)).count() as u64;
            if batch.remaining + given != batch.total {
                return Err(format!(
                    "batch {}: {given} given and {} left of {}",
                    batch.id, batch.remaining, batch.total
                ));
            }
        }
        Ok(())
    }

    /// The broken promise, if any. None is broken by an operation; a configuration that names a product otherwise, and
    /// what another system promised, may.
    pub fn check_promises(&self) -> Result<(), String> {
        for product in self.products.keys() {
            for venue in self.venues.keys() {
                let promised: u64 = self.promises(product, venue).iter().map(|batch| batch.remaining).sum();
                let free = self.available(product, venue);
                if promised > free {
                    return Err(format!("{promised} names of {product} at {venue} are promised, {free} are free"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
