//! Operations on venues and on the names of their pools.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fleet, Outbox};
use crate::fleet::{Change, NameRow, ProductRow, Told, VenueRow};
use crate::ids::{BatchId, Hostname, ProductName, Serial, VenueCode};
use crate::machine::{Evidence, Machine};
use crate::naming::numbers::{self, Numbers};
use crate::naming::{self, Batch, BatchState, Name, NameState, Product, Scheme, Venue};
use crate::net::Mac;
use crate::refusal::Refusal;
use crate::time::Now;

/// The longest note, in characters.
const NOTE_MAX: usize = 1000;

/// What is done to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameChange {
    /// Take it from its machine and let it be given again.
    Release {
        /// Even while the machine is being installed.
        force: bool,
    },
    /// Never give it again.
    Retire,
    /// Let a retired one be given again.
    Reinstate,
}

/// What is to be written down; `None` for an empty text.
pub(super) fn note(text: &str) -> Result<Option<String>, Refusal> {
    let text = text.trim();
    if text.chars().count() > NOTE_MAX {
        return Err(Refusal::Invalid(format!("A note has at most {NOTE_MAX} characters")));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\r') {
        return Err(Refusal::Invalid("A note is plain text".into()));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// Which names to list; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameFilter {
    /// Of this product.
    pub product: Option<ProductName>,
    /// At this venue.
    pub venue: Option<VenueCode>,
    /// In this state, by its word.
    pub state: Option<&'static str>,
}

impl NameFilter {
    /// Reads what an operator typed.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for what is no product name, venue code or state.
    pub fn parse(product: Option<&str>, venue: Option<&str>, state: Option<&str>) -> Result<NameFilter, Refusal> {
        fn read<T>(text: Option<&str>, what: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
            let invalid = |text| Refusal::Invalid(format!("'{text}' is not {what}"));
            text.map(|text| parse(text).ok_or_else(|| invalid(text))).transpose()
        }
        let state_word = |text: &str| NameState::WORDS.into_iter().find(|word| *word == text);
        Ok(NameFilter {
            product: read(product, "a product name", ProductName::parse)?,
            venue: read(venue, "a venue code (four letters or digits)", VenueCode::parse)?,
            state: read(state, "a state of names (available, assigned, retired)", state_word)?,
        })
    }

    fn fits(&self, name: &Name) -> bool {
        self.product.as_ref().is_none_or(|product| name.product.as_ref() == Some(product))
            && self.venue.as_ref().is_none_or(|venue| name.venue.as_ref() == Some(venue))
            && self.state.is_none_or(|word| name.state.word() == word)
    }
}

impl Fleet {
    pub(super) fn add_venue(
        &mut self,
        code: &str,
        name: &str,
        location: Option<String>,
        contact_email: Option<String>,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Venue, Refusal> {
        let known = VenueCode::parse(code);
        let code = known
            .ok_or_else(|| Refusal::Invalid(format!("Invalid venue code: {code}. Must be four letters or digits")))?;
        let text = |what: &str, text: &str| {
            let text = text.trim();
            if text.is_empty() || text.chars().any(char::is_control) {
                return Err(Refusal::Invalid(format!("The venue's {what} must be one line of text")));
            }
            Ok(text.to_owned())
        };
        let name = text("name", name)?;
        let location = location.map(|location| text("location", &location)).transpose()?;
        let email = |text: String| {
            naming::email(&text).ok_or_else(|| Refusal::Invalid(format!("Invalid contact_email: {text}")))
        };
        let contact_email = contact_email.map(email).transpose()?;
        Ok(self.put_venue(Venue { code, name, location, contact_email, created_at: None }, now, out))
    }

    /// The venue as it is from now on. Since when it is known, nothing changes.
    pub(super) fn put_venue(&mut self, venue: Venue, now: Now, out: &mut Outbox) -> Venue {
        let known = self.tables.naming.venue(&venue.code);
        let created_at = known.map_or(Some(now.timestamp), |known| known.created_at);
        let venue = Venue { created_at, ..venue };
        if known != Some(&venue) {
            self.commit(out, Change::Venue(venue.clone()));
        }
        venue
    }

    /// Only a venue that nothing refers to: names are given once and for all, and orders stay on record.
    pub(super) fn remove_venue(&mut self, code: &str, out: &mut Outbox) -> Result<Told, Refusal> {
        let known = VenueCode::parse(code).filter(|code| self.tables.naming.venue(code).is_some());
        let code = known.ok_or_else(|| Refusal::NotFound(format!("Venue not found: {code}")))?;
        let naming = &self.tables.naming;
        let names = naming.names().filter(|name| name.venue.as_ref() == Some(&code)).count();
        let batches = naming.batches().filter(|batch| batch.venue == code).count();
        if names + batches > 0 {
            let sentence = format!("{code} stays: {names} names and {batches} batches are of this venue");
            return Err(Refusal::Conflict(sentence));
        }
        self.commit(out, Change::VenueRemoved(code.clone()));
        Ok(Told::Done(format!("venue {code} is removed")))
    }

    /// What is made, and what the machines get that become it.
    pub(super) fn product_rows(&self) -> Vec<ProductRow> {
        let row = |product: &Product| ProductRow {
            product: product.clone(),
            image: self
                .tables
                .active_edition(&product.name)
                .map_or_else(|| product.image_file(), |edition| edition.file.clone()),
            state: self.catalog.image(&product.name).clone(),
        };
        self.tables.naming.products().map(row).collect()
    }

    pub(super) fn venues(&self) -> Vec<VenueRow> {
        let mut counts = self.tables.naming.counts();
        let row =
            |venue: &Venue| VenueRow { venue: venue.clone(), names: counts.remove(&venue.code).unwrap_or_default() };
        self.tables.naming.venues().map(row).collect()
    }

    pub(super) fn known_venue(&self, text: &str) -> Result<VenueCode, Refusal> {
        let known = VenueCode::parse(text).filter(|code| self.tables.naming.venue(code).is_some());
        known.ok_or_else(|| Refusal::Invalid(format!("Venue not found: {text}")))
    }

    /// A list as people paste it. With a mistake in it, nothing of it is added.
    pub(super) fn read_names(
        &mut self,
        product: &str,
        venue: &str,
        text: &str,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Told, Refusal> {
        let (product, venue) = (self.known_product(product)?, self.known_venue(venue)?);
        let Numbers { numbers, repeated, invalid, .. } = numbers::read(text, false, Some((&product, &venue)));
        if !invalid.is_empty() {
            let sentences: Vec<String> = invalid.iter().map(ToString::to_string).collect();
            return Err(Refusal::Invalid(sentences.join("\n")));
        }
        if numbers.is_empty() {
            return Err(Refusal::Invalid("There is no number in the list".into()));
        }
        let known = self.add_numbers(&product, &venue, &numbers, now, out)?;
        Ok(Told::Imported { added: (numbers.len() - known.len()) as u64, known, repeated })
    }

    pub(super) fn import_names(
        &mut self,
        product: &str,
        venue: &str,
        numbers: Vec<u32>,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Told, Refusal> {
        let (product, venue) = (self.known_product(product)?, self.known_venue(venue)?);
        if numbers.contains(&0) {
            return Err(Refusal::Invalid("Numbers begin at 1".into()));
        }
        let (mut once, mut repeated) = (BTreeSet::new(), BTreeSet::new());
        for number in numbers {
            if !once.insert(number) {
                repeated.insert(number);
            }
        }
        let once: Vec<u32> = once.into_iter().collect();
        let known = self.add_numbers(&product, &venue, &once, now, out)?;
        let added = (once.len() - known.len()) as u64;
        Ok(Told::Imported { added, known, repeated: repeated.into_iter().collect() })
    }

    /// Which names were there already.
    pub(super) fn add_numbers(
        &mut self,
        product: &ProductName,
        venue: &VenueCode,
        numbers: &[u32],
        now: Now,
        out: &mut Outbox,
    ) -> Result<Vec<Hostname>, Refusal> {
        let name = |number: &u32| self.tables.naming.pooled_name(product, venue, *number);
        let names: Vec<Name> = numbers.iter().map(name).collect::<Result<_, _>>()?;
        let mut known = Vec::new();
        for name in names {
            if self.tables.naming.name(&name.hostname).is_none() {
                self.commit(out, Change::Name(Name { created_at: Some(now.timestamp), ..name }));
            } else {
                known.push(name.hostname);
            }
        }
        Ok(known)
    }

    /// A machine that has a name keeps it, whatever is asked for.
    pub(super) fn assign_name(
        &mut self,
        product: &str,
        venue: &str,
        mac: Option<&str>,
        serial: Option<&str>,
        now: Now,
        out: &mut Outbox,
    ) -> Result<NameRow, Refusal> {
        let (product, venue) = (self.known_product(product)?, self.known_venue(venue)?);
        let mac =
            mac.map(|text| Mac::parse(text).ok_or_else(|| Refusal::Invalid(format!("Invalid mac_address: {text}"))));
        let serial = serial
            .map(|text| Serial::parse(text).ok_or_else(|| Refusal::Invalid(format!("Invalid serial_number: {text}"))));
        let evidence = Evidence { mac: mac.transpose()?, serial: serial.transpose()?, ..Evidence::default() };
        if evidence.mac.is_none() && evidence.serial.is_none() {
            return Err(Refusal::Invalid("mac_address or serial_number is required".into()));
        }
        let naming = &self.tables.naming;
        let known = self.tables.machines.resolve(&evidence, None);
        if let Some(name) = known.and_then(|id| naming.of_machine(id)) {
            return Ok(self.name_row(name.clone()));
        }
        let machine = known.and_then(|id| self.tables.machines.get(id));
        let serial = evidence.serial.as_ref().or(machine.and_then(|machine| machine.serial.as_ref()));
        let by_serial = matches!(naming.product(&product).map(|known| known.scheme), Some(Scheme::Serial { .. }));
        if by_serial && serial.is_none() {
            return Err(Refusal::Invalid("serial_number is required".into()));
        }
        let Some(name) = naming.choose_at(&product, &venue, serial) else {
            return Err(match naming.available(&product, &venue) {
                0 => Refusal::TooFewNames { product, venue, requested: 1, available: 0 },
                _ => Refusal::Conflict(naming.promised(&product, &venue)),
            });
        };
        let hostname = name.hostname.clone();
        let id = self.machine(&evidence, None, now, out);
        self.assign(id, name, now, out);
        self.publish_machine(id, out);
        self.named(hostname.as_str()).map(|name| self.name_row(name))
    }

    pub(super) fn note_name(&mut self, hostname: &str, text: &str, out: &mut Outbox) -> Result<NameRow, Refusal> {
        let known = self.named(hostname)?;
        let name = Name { notes: note(text)?, ..known.clone() };
        if name != known {
            self.commit(out, Change::Name(name.clone()));
            if let NameState::Assigned(machine) = name.state {
                self.publish_machine(machine, out);
            }
        }
        Ok(self.name_row(name))
    }

    /// The names that were given under a batch, in the order of the pool.
    pub(super) fn units(&self, id: BatchId) -> Vec<NameRow> {
        let rows = self.names(&NameFilter::default()).into_iter();
        rows.filter(|row| row.name.batch == Some(id)).collect()
    }

    pub(super) fn names(&self, filter: &NameFilter) -> Vec<NameRow> {
        let naming = &self.tables.naming;
        let mut names: Vec<&Name> = naming.names().filter(|name| filter.fits(name)).collect();
        // Pools by number, whatever the width of the numbers.
        names.sort_by_key(|name| (&name.product, &name.venue, name.number, &name.hostname));
        names.into_iter().map(|name| self.name_row(name.clone())).collect()
    }

    fn name_row(&self, name: Name) -> NameRow {
        let machine = match name.state {
            NameState::Assigned(id) => self.tables.machines.get(id).cloned(),
            NameState::Available | NameState::Retired => None,
        };
        NameRow { name, machine }
    }

    fn named(&self, hostname: &str) -> Result<Name, Refusal> {
        let find = |text: &str| self.tables.naming.name(&Hostname::parse(text)?).cloned();
        let found = find(hostname).or_else(|| find(&hostname.to_ascii_uppercase()));
        found.ok_or_else(|| Refusal::NotFound(format!("Name not found: {hostname}")))
    }

    pub(super) fn change_name(
        &mut self,
        hostname: String,
        change: NameChange,
        out: &mut Outbox,
    ) -> Result<Told, Refusal> {
        self.change_names(&[hostname], change, out).map(|mut rows| Told::Name(rows.remove(0)))
    }

    /// Everything that can be refused is refused before the first name changes.
    pub(super) fn change_names(
        &mut self,
        hostnames: &[String],
        change: NameChange,
        out: &mut Outbox,
    ) -> Result<Vec<NameRow>, Refusal> {
        let mut names: Vec<Name> = Vec::new();
        for hostname in hostnames {
            let name = self.named(hostname)?;
            self.refuse_change(&name, change)?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return Err(Refusal::Invalid("Say which names".into()));
        }
        if change == NameChange::Retire {
            self.refuse_promised(&names)?;
        }
        Ok(names.into_iter().map(|name| self.changed(name, change, out)).collect())
    }

    fn refuse_change(&self, name: &Name, change: NameChange) -> Result<(), Refusal> {
        let hostname = &name.hostname;
        match (change, name.state) {
            (NameChange::Release { .. }, NameState::Retired) => {
                Err(Refusal::Conflict(format!("{hostname} is retired: reinstate it to let it be given again")))
            }
            (NameChange::Release { force }, NameState::Assigned(machine)) => self.refuse_running(machine, force),
            (NameChange::Retire, NameState::Assigned(machine)) => {
                let label = self.tables.machines.get(machine).map(Machine::label).unwrap_or_default();
                Err(Refusal::Conflict(format!("{hostname} is held by {label}: release it first")))
            }
            (NameChange::Reinstate, NameState::Assigned(_)) => {
                Err(Refusal::Conflict(format!("{hostname} is assigned, not retired")))
            }
            _ => Ok(()),
        }
    }

    /// Names that batches have still to give are not taken away.
    fn refuse_promised(&self, names: &[Name]) -> Result<(), Refusal> {
        let naming = &self.tables.naming;
        let mut wanted: BTreeMap<(&ProductName, &VenueCode), u64> = BTreeMap::new();
        for name in names.iter().filter(|name| name.state == NameState::Available && name.number.is_some()) {
            if let (Some(product), Some(venue)) = (&name.product, &name.venue) {
                *wanted.entry((product, venue)).or_default() += 1;
            }
        }
        for ((product, venue), count) in wanted {
            if !naming.promises(product, venue).is_empty() && naming.spare(product, venue) < count {
                return Err(Refusal::Conflict(naming.promised(product, venue)));
            }
        }
        Ok(())
    }

    fn changed(&mut self, name: Name, change: NameChange, out: &mut Outbox) -> NameRow {
        let name = match (change, name.state) {
            (NameChange::Release { .. }, NameState::Assigned(machine)) => {
                let released = self.give_back(name, out);
                self.publish_machine(machine, out);
                released
            }
            (NameChange::Reinstate, NameState::Retired) => self.give_back(name, out),
            (NameChange::Retire, NameState::Available) => {
                let retired = Name { state: NameState::Retired, ..name };
                self.commit(out, Change::Name(retired.clone()));
                retired
            }
            _ => name,
        };
        self.name_row(name)
    }

    /// Lets the name be given again. The batch under which it was given has that unit to make once more; one that was
    /// completed is paused then, because it would claim the next machine otherwise.
    pub(super) fn give_back(&mut self, name: Name, out: &mut Outbox) -> Name {
        let batch = name.batch.and_then(|id| self.tables.naming.batch(id)).cloned();
        let name = Name { state: NameState::Available, batch: None, assigned_at: None, ..name };
        self.commit(out, Change::Name(name.clone()));
        if let Some(batch) = batch {
            let completed = batch.state == BatchState::Completed;
            let state = if completed { BatchState::Paused } else { batch.state };
            let completed_at = if completed { None } else { batch.completed_at };
            let remaining = batch.remaining + 1;
            self.commit(out, Change::Batch(Batch { remaining, state, completed_at, ..batch }));
        }
        name
    }
}
