//! Who changed what: a line for every row that an operation touched, before and after, in the words of the room.
//!
//! Owns no rule and no operation: it sees the changes as they are committed, so that none can be forgotten. An operation
//! that changes nothing leaves no entry.

use super::{Change, Tables};
use crate::access::Actor;
use crate::catalog::Edition;
use crate::ids::MachineId;
use crate::machine::Machine;
use crate::naming::{Batch, Name, NameState, Venue};
use crate::time::Timestamp;

/// One operation that changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who asked for it.
    pub by: Actor,
    /// What was asked for, as the command line calls it: `names release`.
    pub operation: String,
    /// What it was done to.
    pub subject: String,
    /// What became of it: `assigned → available`.
    pub details: String,
}

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) subject: String,
    pub(super) details: String,
}

/// The line of a change that `tables` do not know yet; `None` if it is no news to an operator.
pub(super) fn line(tables: &Tables, change: &Change) -> Option<Line> {
    let (subject, details) = match change {
        Change::Machine(machine) => {
            (label(tables, machine.id), machine_details(tables.machines.get(machine.id)?, machine)?)
        }
        Change::MachineForgotten(id) => (label(tables, *id), "forgotten".to_owned()),
        Change::Name(name) => (name.hostname.to_string(), name_details(tables, name)?),
        Change::Batch(batch) => (format!("batch {}", batch.id), batch_details(tables.naming.batch(batch.id), batch)?),
        Change::Venue(venue) => {
            (format!("venue {}", venue.code), venue_details(tables.naming.venue(&venue.code), venue)?)
        }
        Change::Edition(edition) => {
            let key = (edition.product.clone(), edition.file.clone());
            (format!("{} {}", edition.product, edition.file), edition_details(tables.editions.get(&key), edition)?)
        }
        Change::Deployment(deployment) => {
            let cause = deployment.error_message.as_deref().unwrap_or(&deployment.status);
            (label(tables, deployment.machine), format!("deployment {} ended: {cause}", deployment.id))
        }
        _ => return None,
    };
    Some(Line { subject, details })
}

/// Subject and details of an operation that touched these rows; `None` if it touched none.
pub(super) fn summary(lines: &[Line]) -> Option<(String, String)> {
    let first = &lines.first()?.subject;
    // Forty names that were added are one thing that was done.
    let groups: Vec<&[Line]> = lines.chunk_by(|a, b| a.details == b.details).collect();
    if lines.iter().all(|line| line.subject == *first) {
        let details: Vec<&str> = groups.iter().map(|group| group[0].details.as_str()).collect();
        return Some((first.clone(), details.join("; ")));
    }
    let spelled = groups.iter().map(|group| {
        let mut subjects: Vec<&str> = group.iter().map(|line| line.subject.as_str()).collect();
        subjects.sort_unstable();
        let details = &group[0].details;
        match *subjects {
            [one] => format!("{one}: {details}"),
            [first, .., last] => format!("{first} … {last} ({}): {details}", subjects.len()),
            [] => String::new(),
        }
    });
    let others = lines.iter().filter(|line| line.subject != *first).count();
    Some((format!("{first} and {others} more"), spelled.collect::<Vec<_>>().join("; ")))
}

/// What people call a machine.
fn label(tables: &Tables, id: MachineId) -> String {
    match tables.naming.of_machine(id) {
        Some(name) => name.hostname.to_string(),
        None => tables.machines.get(id).map_or_else(|| format!("machine {id}"), Machine::label),
    }
}

fn machine_details(before: &Machine, after: &Machine) -> Option<String> {
    let order = (before.order != after.order).then(|| step("next boot", before.order.word(), after.order.word()));
    let again = || (before.reinstalls != after.reinstalls).then(|| "to be installed once more".to_owned());
    order.or_else(again)
}

fn name_details(tables: &Tables, after: &Name) -> Option<String> {
    let Some(before) = tables.naming.name(&after.hostname) else { return Some("added".to_owned()) };
    let holder = |name: &Name| match name.state {
        NameState::Assigned(id) => {
            let machine = tables.machines.get(id).map_or_else(|| format!("machine {id}"), Machine::label);
            format!("assigned to {machine}")
        }
        state => state.word().to_owned(),
    };
    (before.state != after.state).then(|| format!("{} → {}", holder(before), holder(after)))
}

fn batch_details(before: Option<&Batch>, after: &Batch) -> Option<String> {
    let Some(before) = before else {
        let Batch { total, product, venue, priority, .. } = after;
        return Some(format!("ordered: {total} {product} for {venue}, priority {priority}"));
    };
    let steps = [
        (before.state != after.state).then(|| step("status", before.state.word(), after.state.word())),
        (before.priority != after.priority).then(|| step("priority", before.priority, after.priority)),
        (before.remaining != after.remaining).then(|| step("remaining", before.remaining, after.remaining)),
    ];
    joined(steps)
}

fn venue_details(before: Option<&Venue>, after: &Venue) -> Option<String> {
    let Some(before) = before else { return Some(format!("added: {}", after.name)) };
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let steps = [
        (before.name != after.name).then(|| step("name", &before.name, &after.name)),
        (before.location != after.location).then(|| step("location", shown(&before.location), shown(&after.location))),
        (before.contact_email != after.contact_email)
            .then(|| step("contact", shown(&before.contact_email), shown(&after.contact_email))),
    ];
    joined(steps)
}

fn edition_details(before: Option<&Edition>, after: &Edition) -> Option<String> {
    let shown = |edition: &Edition| edition.version.clone().unwrap_or_else(|| "none".to_owned());
    let added = before.is_none().then(|| format!("added, version {}", shown(after)));
    let version = before.filter(|before| before.version != after.version);
    let was_active = before.is_some_and(|before| before.active_since.is_some());
    let description = before.filter(|before| before.description != after.description);
    let said = |edition: &Edition| edition.description.clone().unwrap_or_else(|| "none".to_owned());
    let deprecated = match (before.is_some_and(|before| before.deprecated_since.is_some()), after.deprecated_since) {
        (false, Some(_)) => Some("deprecated".to_owned()),
        (true, None) => Some("no longer deprecated".to_owned()),
        _ => None,
    };
    let removed = after.removed_at.is_some().then(|| "removed".to_owned());
    let active = match (was_active, after.active_since.is_some()) {
        (false, true) => Some("activated".to_owned()),
        (true, false) => Some("no longer active".to_owned()),
        _ => None,
    };
    let version = version.map(|before| step("version", shown(before), shown(after)));
    let description = description.map(|before| step("description", said(before), said(after)));
    joined([added, version, description, deprecated, active, removed])
}

fn step(what: &str, before: impl std::fmt::Display, after: impl std::fmt::Display) -> String {
    format!("{what} {before} → {after}")
}

fn joined<const N: usize>(steps: [Option<String>; N]) -> Option<String> {
    let steps: Vec<String> = steps.into_iter().flatten().collect();
    (!steps.is_empty()).then(|| steps.join(", "))
}
