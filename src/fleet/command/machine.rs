//! Operations on one machine: install it again, hold it, forget it.

use std::sync::Arc;

use super::{Fleet, Outbox, Selector};
use crate::boot::pipeline::{self, Milestone};
use crate::fleet::{Change, Notice, Told};
use crate::ids::MachineId;
use crate::lease::{Lease, LeaseState};
use crate::machine::{Machine, Order};
use crate::naming::{Name, NameState};
use crate::refusal::Refusal;
use crate::time::Now;

impl Fleet {
    pub(super) fn reinstall(&mut self, selector: &Selector, now: Now, out: &mut Outbox) -> Result<Told, Refusal> {
        let id = self.select(selector)?;
        let known = self.tables.machines.get(id).expect("it was just selected").clone();
        let machine = Machine { order: Order::Reinstall, reinstalls: known.reinstalls + 1, ..known };
        let from = machine.stage.clone();
        self.commit(out, Change::Machine(machine.clone()));
        self.close_deployment(id, "an operator asked for a new installation".into(), now, out);
        if let Some(to) = pipeline::next(&from, machine.order, &Milestone::Reinstall) {
            self.enter_stage(id, from, to, now, out);
        }
        self.heard(id, now);
        self.publish_machine(id, out);
        Ok(Told::Done(format!("{selector} will be installed at its next network boot")))
    }

    pub(super) fn hold(&mut self, selector: &Selector, out: &mut Outbox) -> Result<Told, Refusal> {
        let id = self.select(selector)?;
        self.set_order(id, Order::Hold, out);
        Ok(Told::Done(format!("{selector} is held: it gets an address and nothing to boot")))
    }

    pub(super) fn note_machine(&mut self, selector: &Selector, text: &str, out: &mut Outbox) -> Result<Told, Refusal> {
        let id = self.select(selector)?;
        let notes = super::name::note(text)?.map(Arc::from);
        let machine = self.tables.machines.get(id).expect("it was just selected");
        let said = if notes.is_some() { "has this note now" } else { "has no note any more" };
        if machine.notes != notes {
            let machine = Machine { notes, ..machine.clone() };
            self.commit(out, Change::Machine(machine));
            self.publish_machine(id, out);
        }
        Ok(Told::Done(format!("{selector} {said}")))
    }

    /// Everything that points at the machine lets go of it first: name, deployment, leases.
    pub(super) fn forget(
        &mut self,
        selector: &Selector,
        release_name: bool,
        force: bool,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Told, Refusal> {
        let id = self.select(selector)?;
        self.refuse_running(id, force)?;
        let fate = match self.tables.naming.of_machine(id).cloned() {
            None => String::new(),
            Some(name) if release_name => {
                let hostname = name.hostname.clone();
                self.give_back(name, out);
                format!("; {hostname} can be given again")
            }
            // The unit may be out there under this name.
            Some(name) => {
                let hostname = name.hostname.clone();
                self.commit(out, Change::Name(Name { state: NameState::Retired, ..name }));
                format!("; its name {hostname} is retired")
            }
        };
        self.close_deployment(id, "an operator had the machine forgotten".into(), now, out);
        let leases: Vec<Lease> = self.tables.leases.iter().filter(|lease| lease.machine == Some(id)).cloned().collect();
        for lease in leases {
            if lease.state == LeaseState::Declined {
                // Somebody uses that address; whose lease it was does not matter.
                self.commit_lease(out, Lease { machine: None, ..lease });
            } else {
                self.commit(out, Change::LeaseFreed(lease.address));
                out.publish(Notice::Freed(lease.address));
            }
        }
        self.commit(out, Change::MachineForgotten(id));
        self.heard_on.remove(&id);
        self.silence.disarm(id);
        for transfer in self.transfers.values_mut().filter(|transfer| transfer.machine == Some(id)) {
            transfer.machine = None;
        }
        out.publish(Notice::Forgotten(id));
        Ok(Told::Done(format!("{selector} is forgotten{fate}")))
    }

    /// What would pull the rug from under an installation takes an explicit word.
    pub(super) fn refuse_running(&self, id: MachineId, force: bool) -> Result<(), Refusal> {
        match self.tables.machines.get(id) {
            Some(machine) if machine.stage.is_running() && !force => {
                let (label, stage) = (self.view(machine).label(), machine.stage.word());
                Err(Refusal::Conflict(format!("{label} is being installed (stage {stage}); wait, or force it")))
            }
            _ => Ok(()),
        }
    }

    fn set_order(&mut self, id: MachineId, order: Order, out: &mut Outbox) {
        let machine = self.tables.machines.get(id).expect("it was just selected");
        if machine.order != order {
            let machine = Machine { order, ..machine.clone() };
            self.commit(out, Change::Machine(machine));
        }
        self.publish_machine(id, out);
    }
}
