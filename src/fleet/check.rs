//! Every invariant of the whole fleet, for the simulator and the tests: it looks at everything.

use super::Fleet;
use crate::lease::LeaseState;
use crate::naming::NameState;

impl Fleet {
    /// The first invariant that does not hold, as a sentence.
    pub fn check(&self) -> Result<(), String> {
        let tables = &self.tables;
        tables.leases.check()?;
        tables.naming.check()?;
        tables.naming.check_promises()?;
        for machine in tables.machines.iter() {
            let found = machine.mac.and_then(|mac| tables.machines.by_mac(mac)).map(|found| found.id);
            if machine.mac.is_some() && found != Some(machine.id) {
                return Err(format!("machine {} is not found by its MAC", machine.id));
            }
            if let Some(serial) = &machine.serial
                && tables.machines.by_serial(serial).map(|found| found.id) != Some(machine.id)
            {
                return Err(format!("machine {} is not found by its serial {serial}", machine.id));
            }
        }
        for lease in tables.leases.iter().filter(|lease| lease.state == LeaseState::Bound) {
            let link = self.site.link_of(lease.address);
            if link.is_none() || self.site.is_ours(lease.address) {
                return Err(format!("{} is bound and not ours to give", lease.address));
            }
            if lease.machine.and_then(|id| tables.machines.get(id)).is_none() {
                return Err(format!("{} is bound to a machine nobody knows", lease.address));
            }
        }
        for name in tables.naming.names() {
            if let NameState::Assigned(id) = name.state
                && tables.machines.get(id).is_none()
            {
                return Err(format!("{} is held by a machine nobody knows", name.hostname));
            }
        }
        for (id, deployment) in &tables.open {
            if deployment.machine != *id || deployment.completed_at.is_some() {
                return Err(format!("deployment {} is open and over at once", deployment.id));
            }
        }
        Ok(())
    }
}
