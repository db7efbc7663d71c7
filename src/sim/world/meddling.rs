//! What an operator takes back: exactly that is not held against the server afterwards.
//!
//! It is read off the journal, for an order may be carried out, and its answer lost.

use super::World;
use crate::fleet::command::{Command, NameChange};
use crate::fleet::{Action, Change};
use crate::ids::{Hostname, MachineId};
use crate::machine::stage::Stage;
use crate::naming::NameState;
use crate::net::Mac;

/// Something that an operator took back.
#[derive(Debug)]
pub(super) enum Meddling {
    /// A machine is to be installed again.
    Reinstalled(Mac),
    /// A machine has no lease any more.
    Forgotten(Mac),
    /// A name may be given to another machine.
    Unnamed(Hostname, Mac),
}

impl World {
    /// What the operator takes back in this batch, each by the place of its action.
    ///
    /// # Errors
    /// Something is taken back and no operator said so.
    pub(super) fn meddlings(&self, actions: &[Action]) -> Result<Vec<(usize, Meddling)>, String> {
        let mut found = Vec::new();
        for (place, action) in actions.iter().enumerate() {
            let Action::Commit(change) = action else { continue };
            let meddling = match change {
                Change::StageEntered { machine, stage: Stage::Waiting, .. } => {
                    self.mac_of(*machine).map(Meddling::Reinstalled)
                }
                Change::MachineForgotten(id) => self.mac_of(*id).map(Meddling::Forgotten),
                Change::Name(name) if !matches!(name.state, NameState::Assigned(_)) => {
                    let holder = match self.store.name(&name.hostname).map(|name| name.state) {
                        Some(NameState::Assigned(machine)) => self.mac_of(machine),
                        _ => None,
                    };
                    holder.map(|mac| Meddling::Unnamed(name.hostname.clone(), mac))
                }
                _ => None,
            };
            found.extend(meddling.map(|meddling| (place, meddling)));
        }
        let ordered = |order: &Command| {
            let released = matches!(order, Command::NamesChange { change: NameChange::Release { .. }, .. });
            released || matches!(order, Command::Forget { .. } | Command::NameRelease { .. })
        };
        let takes_away = |(_, meddling): &&(usize, Meddling)| !matches!(meddling, Meddling::Reinstalled(_));
        match found.iter().find(takes_away) {
            Some((_, meddling)) if !self.orders.values().any(ordered) => Err(format!("nobody ordered {meddling:?}")),
            _ => Ok(found),
        }
    }

    pub(super) fn meddled(&mut self, meddling: Meddling) {
        let mac = match meddling {
            Meddling::Reinstalled(mac) => mac,
            Meddling::Forgotten(mac) => {
                self.promises.forgotten(mac);
                mac
            }
            Meddling::Unnamed(hostname, mac) => return self.promises.unnamed(&hostname, mac),
        };
        for index in self.by_mac.get(&mac).into_iter().flatten() {
            let seat = &mut self.seats[*index];
            seat.meddled_at = Some(self.now);
            seat.reported = false;
        }
    }

    fn mac_of(&self, id: MachineId) -> Option<Mac> {
        let live = || self.server.as_ref().and_then(|server| server.fleet.tables().machines.get(id));
        self.store.machine(id).or_else(live).and_then(|machine| machine.mac)
    }
}
