//! What must hold once every machine has reached its end.

use std::collections::{BTreeMap, BTreeSet};

use super::World;
use crate::fleet::{Change, Event, Fleet};
use crate::ids::Hostname;
use crate::lease::LeaseState;
use crate::machine::stage::Stage;
use crate::sim::client::Identity;

impl World {
    pub(super) fn judge(&mut self) -> Result<(), String> {
        self.look_at_twins()?;
        let Some(server) = &self.server else { return Err("the server is down at the end".into()) };
        server.fleet.check()?;
        for seat in self.seats.iter().filter(|seat| seat.client.kind().installs()) {
            let Some(Ok(hostname)) = &seat.end else { continue };
            let mac = seat.client.identity().mac;
            if !self.promises.may_be_called(mac, hostname) {
                let told = self.promises.name_of(mac).map(Hostname::as_str);
                return Err(format!("{} calls itself {hostname} and was told {told:?}", seat.label));
            }
            let stage = server.fleet.tables().machines.by_mac(mac).map(|machine| &machine.stage);
            // A machine whose power failed just before its last word boots a finished disk, and nobody knows.
            // Of two with one hardware address the other may have had the last word. What an operator did to it before
            // its last run does not matter, what he did afterwards does.
            let is_told = seat.reported && !self.is_cloned(mac);
            if is_told && stage != Some(&Stage::Done) {
                return Err(format!("{} is done, and its stage is {stage:?}", seat.label));
            }
        }
        server.compare_board()?;
        self.compare_with_journal(&server.fleet)?;
        self.outlive()
    }

    /// Machines that differ in less than one would think. A UUID that several boards carry makes no one machine of them;
    /// those with one hardware address are one to everybody, and all of them must come to their ends.
    fn look_at_twins(&mut self) -> Result<(), String> {
        let Some(server) = &self.server else { return Ok(()) };
        let machines = &server.fleet.tables().machines;
        let (mut macs, mut uuids, mut seen) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        for seat in self.seats.iter().filter(|seat| matches!(seat.end, Some(Ok(_)))) {
            let Identity { mac, uuid, .. } = *seat.client.identity();
            if let Some(machine) = machines.by_mac(mac)
                && let Some(other) = seen.insert(machine.id, mac).filter(|other| *other != mac)
            {
                return Err(format!("{} is taken for the machine {other}", seat.label));
            }
            if !macs.insert(mac) {
                self.reached.odds.insert("two machines of one hardware address are done");
            } else if let Some(uuid) = uuid.filter(|_| seat.client.kind().tells_uuid())
                && !uuids.insert(uuid)
            {
                self.reached.odds.insert("two machines of one UUID are done");
            }
        }
        Ok(())
    }

    /// Nobody says anything any more: leases, offers and runs come to their ends, in finitely many steps.
    fn outlive(&mut self) -> Result<(), String> {
        let mut now = self.wall_clock();
        let Some(server) = &mut self.server else { return Ok(()) };
        for _ in 0..10 * self.seats.len() + 1000 {
            let Some(deadline) = server.fleet.next_deadline() else {
                let tables = server.fleet.tables();
                let held = tables.leases.iter().find(|lease| lease.state != LeaseState::Released);
                let running = tables.machines.iter().find(|machine| machine.stage.is_running());
                return match (held, running) {
                    (Some(lease), _) => Err(format!("{} stays {} for ever", lease.address, lease.state.word())),
                    (_, Some(machine)) => Err(format!("machine {} stays in {} for ever", machine.id, machine.stage)),
                    (None, None) => server.fleet.check(),
                };
            };
            now = now.after(deadline.since(now.timestamp));
            server.fleet.handle(Event::Deadline, now);
        }
        Err("deadlines follow each other for ever".into())
    }

    /// Loading the journal gives the tables that the running server has, offers aside.
    fn compare_with_journal(&self, live: &Fleet) -> Result<(), String> {
        let rows: Vec<Change> = self.store.rows();
        let place = &self.place;
        let loaded =
            Fleet::load(place.site.clone(), place.catalog.clone(), place.products.clone(), rows, self.wall_clock());
        let (live, loaded) = (live.tables(), loaded.tables());
        let equal = [
            ("machines", live.machines == loaded.machines),
            ("names", live.naming == loaded.naming),
            ("deployments", live.open == loaded.open && live.next_deployment_id() == loaded.next_deployment_id()),
            ("images", live.measured == loaded.measured),
        ];
        if let Some((table, _)) = equal.iter().find(|(_, equal)| !equal) {
            return Err(format!("the journal's {table} are not those of the running server"));
        }
        let held = |state| state != LeaseState::Offered;
        let mut of_live = live.leases.iter().filter(|lease| held(lease.state));
        let mut of_loaded = loaded.leases.iter().filter(|lease| held(lease.state));
        loop {
            match (of_live.next(), of_loaded.next()) {
                (None, None) => return Ok(()),
                (a, b) if a == b => {}
                (a, b) => return Err(format!("the running server has the lease {a:?}, its journal {b:?}")),
            }
        }
    }
}
