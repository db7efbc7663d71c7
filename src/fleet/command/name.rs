//! Operations on venues and on the names of their pools.

use super::{Fleet, Outbox};
use crate::fleet::{Change, NameRow, Told, VenueRow};
use crate::ids::{Hostname, ProductName, VenueCode};
use crate::machine::Machine;
use crate::naming::{self, Batch, BatchState, Name, NameState, Venue};
use crate::refusal::Refusal;

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
        let venue = Venue { code, name, location, contact_email };
        if self.tables.naming.venue(&venue.code) != Some(&venue) {
            self.commit(out, Change::Venue(venue.clone()));
        }
        Ok(venue)
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

    pub(super) fn import_names(
        &mut self,
        product: &str,
        venue: &str,
        numbers: Vec<u32>,
        out: &mut Outbox,
    ) -> Result<Told, Refusal> {
        let (product, venue) = (self.known_product(product)?, self.known_venue(venue)?);
        if numbers.contains(&0) {
            return Err(Refusal::Invalid("Numbers begin at 1".into()));
        }
        let added = self.add_numbers(&product, &venue, &numbers, out)?;
        Ok(Told::Imported { added, known: numbers.len() as u64 - added })
    }

    /// How many names were new.
    pub(super) fn add_numbers(
        &mut self,
        product: &ProductName,
        venue: &VenueCode,
        numbers: &[u32],
        out: &mut Outbox,
    ) -> Result<u64, Refusal> {
        let name = |number: &u32| self.tables.naming.pooled_name(product, venue, *number);
        let names: Vec<Name> = numbers.iter().map(name).collect::<Result<_, _>>()?;
        let mut added = 0;
        for name in names {
            if self.tables.naming.name(&name.hostname).is_none() {
                self.commit(out, Change::Name(name));
                added += 1;
            }
        }
        Ok(added)
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

    pub(super) fn release_name(&mut self, hostname: &str, force: bool, out: &mut Outbox) -> Result<NameRow, Refusal> {
        let name = self.named(hostname)?;
        match name.state {
            NameState::Available => Ok(self.name_row(name)),
            NameState::Retired => {
                let hostname = name.hostname;
                Err(Refusal::Conflict(format!("{hostname} is retired: reinstate it to let it be given again")))
            }
            NameState::Assigned(machine) => {
                self.refuse_running(machine, force)?;
                let released = self.give_back(name, out);
                self.publish_machine(machine, out);
                Ok(self.name_row(released))
            }
        }
    }

    pub(super) fn retire_name(&mut self, hostname: &str, out: &mut Outbox) -> Result<NameRow, Refusal> {
        let name = self.named(hostname)?;
        let name = match name.state {
            NameState::Retired => name,
            NameState::Available => {
                let retired = Name { state: NameState::Retired, ..name };
                self.commit(out, Change::Name(retired.clone()));
                retired
            }
            NameState::Assigned(machine) => {
                let label = self.tables.machines.get(machine).map(Machine::label);
                let (hostname, label) = (name.hostname, label.unwrap_or_default());
                return Err(Refusal::Conflict(format!("{hostname} is held by {label}: release it first")));
            }
        };
        Ok(self.name_row(name))
    }

    pub(super) fn reinstate_name(&mut self, hostname: &str, out: &mut Outbox) -> Result<NameRow, Refusal> {
        let name = self.named(hostname)?;
        let name = match name.state {
            NameState::Available => name,
            NameState::Retired => self.give_back(name, out),
            NameState::Assigned(_) => {
                return Err(Refusal::Conflict(format!("{} is assigned, not retired", name.hostname)));
            }
        };
        Ok(self.name_row(name))
    }

    /// Lets the name be given again. The batch under which it was given has that unit to make once more; one that was
    /// completed is paused then, because it would claim the next machine otherwise.
    pub(super) fn give_back(&mut self, name: Name, out: &mut Outbox) -> Name {
        let batch = name.batch.and_then(|id| self.tables.naming.batch(id)).cloned();
        let name = Name { state: NameState::Available, batch: None, ..name };
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
