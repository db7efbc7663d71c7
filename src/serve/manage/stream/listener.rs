//! One who listens: what they want of it, from where on, and for how long they may.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, Uri};
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::told::{KINDS, Spelled};
use super::{Begun, Told};
use crate::clock;
use crate::fleet::command::Selector;
use crate::ids::MachineId;
use crate::refusal::Refusal;
use crate::serve::manage::program::Parameters;
use crate::serve::manage::{Manage, caller};
use crate::serve::{core, show};

/// How often it is looked whether the session or the token is still good.
const LOOKED: Duration = Duration::from_secs(15);

/// One who listens.
pub struct Listener {
    manage: Arc<Manage>,
    headers: HeaderMap,
    begun: Begun,
    /// What is said before everything else.
    first: Option<Arc<Told>>,
    kinds: Option<Vec<String>>,
    machine: Option<MachineId>,
    looks: Interval,
}

impl Listener {
    /// Somebody with these headers, who wants what the parameters of `uri` say.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for what cannot be wanted, [`Refusal::NotFound`] if there is no such machine,
    /// [`Refusal::Busy`] if too many listen.
    pub fn new(manage: Arc<Manage>, headers: HeaderMap, uri: &Uri) -> Result<Listener, Refusal> {
        let given = Parameters::read(uri, &["types", "machine", "last_event_id"])?;
        let kinds = given.get("types").map(kinds).transpose()?;
        let machine = given.get("machine").map(|text| find(&manage, text)).transpose()?;
        let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
        let begun = manage.stream.begin(header.or(given.get("last_event_id"))).ok_or(Refusal::Busy("listeners"))?;
        let kind = if begun.gap { "reset" } else { "ready" };
        let id = manage.stream.id(begun.from);
        let text = Spelled::plain(kind, json!({})).text(&id, clock::now().timestamp);
        let first = Some(Arc::new(Told { number: begun.from, kind, machine: None, text }));
        let mut looks = interval(LOOKED);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Listener { manage, headers, begun, first, kinds, machine, looks })
    }

    /// The next event that they want; `None` once there is no more for them: the server stops, they fell behind, or they
    /// may not listen any longer.
    pub async fn next(&mut self) -> Option<Arc<Told>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        while let Some(told) = self.begun.backlog.pop_front() {
            if self.wants(&told) {
                return Some(told);
            }
        }
        loop {
            tokio::select! {
                told = self.begun.live.recv() => match told {
                    Ok(Some(told)) if self.wants(&told) => return Some(told),
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => return None,
                },
                _ = self.looks.tick() => {
                    if !caller::is_known(&self.manage, &self.headers) {
                        return None;
                    }
                }
            }
        }
    }

    /// The id of an event.
    pub fn id(&self, told: &Told) -> String {
        self.manage.stream.id(told.number)
    }

    /// A `reset` concerns everybody.
    fn wants(&self, told: &Told) -> bool {
        let kind = self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|kind| kind == told.kind));
        let machine = self.machine.is_none_or(|machine| told.machine == Some(machine));
        told.kind == "reset" || kind && machine
    }
}

fn kinds(text: &str) -> Result<Vec<String>, Refusal> {
    let all = text.split(',').map(str::trim).filter(|kind| !kind.is_empty());
    let known = |kind: &str| {
        let sentence = || Refusal::Invalid(format!("There is no event '{kind}': {}", KINDS.join(", ")));
        KINDS.contains(&kind).then(|| kind.to_owned()).ok_or_else(sentence)
    };
    all.map(known).collect()
}

/// A number of a machine is taken, too: events have it.
fn find(manage: &Manage, text: &str) -> Result<MachineId, Refusal> {
    let board = core::read(&manage.desk.library.board);
    let numbered = text.parse().ok().map(MachineId);
    if let Some(view) = numbered.and_then(|id| board.machines().find(|view| view.machine.id == id)) {
        return Ok(view.machine.id);
    }
    let selector = Selector::parse(text).ok_or_else(|| {
        Refusal::Invalid(format!("'{text}' is no machine: send a MAC, an address, a serial or a name"))
    })?;
    show::find(&board, &selector).map(|view| view.machine.id)
}
