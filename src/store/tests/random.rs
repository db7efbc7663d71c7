//! Random histories that a fleet could have: tables made by the changes equal tables made of the rows.

use super::*;

/// The tables of a fleet, and dice to go on from them.
struct History {
    dice: fastrand::Rng,
    site: Site,
    tables: Tables,
    now: i64,
}

impl History {
    fn new(seed: u64) -> History {
        History { dice: fastrand::Rng::with_seed(seed), site: site(), tables: tables(&[]), now: 0 }
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        self.dice.choice(all).cloned()
    }

    fn some_machine(&mut self) -> Option<Machine> {
        let all: Vec<Machine> = self.tables.machines.iter().cloned().collect();
        self.pick(&all)
    }

    /// One event's worth of changes, already applied to the tables.
    fn step(&mut self) -> Vec<Change> {
        self.now += self.dice.i64(1..1000);
        let changes = match self.dice.u8(0..12) {
            0 => self.machine(),
            1 => self.stage(),
            2..=4 => self.lease(),
            5 => vec![Change::LeaseFreed(self.address())],
            6 => self.name(),
            7 => self.batch_or_venue(),
            8 => self.deployment(),
            9 => self.forget(),
            10 => self.edition(),
            _ => self.measured(),
        };
        changes.iter().for_each(|change| self.tables.apply(&self.site, change));
        changes
    }

    fn machine(&mut self) -> Vec<Change> {
        let known = self.some_machine().filter(|_| self.dice.bool());
        let id = known.as_ref().map_or(self.tables.machines.next_id(), |machine| machine.id);
        let known = known.unwrap_or(Machine { mac: None, first_seen: at(self.now), ..machine(id.0) });
        let serial = Serial::parse(&format!("serial-{id}"));
        vec![Change::Machine(Machine {
            mac: known.mac.or(self.dice.bool().then(|| mac(id.0))),
            serial: known.serial.or(serial.filter(|_| self.dice.bool())),
            uuid: self.dice.bool().then(|| Uuid([self.dice.u8(..); 16])),
            firmware: self.pick(&Firmware::ALL).unwrap(),
            order: self.pick(&[Order::Install, Order::Reinstall, Order::Disk, Order::Hold]).unwrap(),
            reinstalls: self.dice.u64(..9),
            ..known
        })]
    }

    fn stage(&mut self) -> Vec<Change> {
        let Some(machine) = self.some_machine() else { return Vec::new() };
        let word = self.pick(&Stage::WORDS).unwrap();
        let stage = Stage::from_word(word, &format!("cause {}", self.now)).unwrap();
        vec![Change::StageEntered { machine: machine.id, stage, at: at(self.now) }]
    }

    /// In and around the pools of both links, and on a subnet that is no longer served.
    fn address(&mut self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, self.dice.u8(0..3), self.dice.u8(5..35))
    }

    /// As the fleet does it: a client leaves its old address on a link before it has another.
    fn lease(&mut self) -> Vec<Change> {
        let Some(machine) = self.some_machine() else { return Vec::new() };
        let address = self.address();
        let state = self.pick(&[LeaseState::Bound, LeaseState::Bound, LeaseState::Released, LeaseState::Declined]);
        let client = match machine.mac {
            Some(mac) => ClientKey::Mac(mac),
            None => ClientKey::Id(ClientId(vec![0xff, u8::try_from(machine.id.0 % 256).unwrap()])),
        };
        let old = self.site.link_of(address).and_then(|(link, _)| self.tables.leases.by_client(link, &client));
        let freed = old.map(|lease| lease.address).filter(|old| *old != address).map(Change::LeaseFreed);
        let lease = Lease { client, ..lease(machine.id.0, address, state.unwrap(), self.now + 500) };
        freed.into_iter().chain([Change::Lease(lease)]).collect()
    }

    fn name(&mut self) -> Vec<Change> {
        let number = self.dice.u32(1..40);
        let nameless = self.some_machine().filter(|machine| self.tables.naming.of_machine(machine.id).is_none());
        let state = match (self.dice.u8(0..4), nameless) {
            (0, _) => NameState::Available,
            (1, _) => NameState::Retired,
            (_, Some(machine)) => NameState::Assigned(machine.id),
            (_, None) => NameState::Available,
        };
        let batches: Vec<BatchId> = self.tables.naming.batches().map(|batch| batch.id).collect();
        let batch = self.pick(&batches);
        vec![Change::Name(Name { batch, ..name(number, state) })]
    }

    fn batch_or_venue(&mut self) -> Vec<Change> {
        let place = format!("place {}", self.now);
        let code = VenueCode::parse(&format!("AB1{}", self.dice.u8(0..5))).unwrap();
        let location = self.dice.bool().then(|| place.clone());
        let venue = Change::Venue(Venue { code, name: place, location, contact_email: None, created_at: None });
        let next = self.tables.naming.next_batch_id().0;
        let id = self.dice.u64(1..=next);
        let words = ["pending", "active", "paused", "completed", "cancelled"];
        let state = BatchState::from_word(self.pick(&words).unwrap()).unwrap();
        let started_at = self.dice.bool().then(|| at(self.now));
        let batch = Batch { remaining: self.dice.u64(0..=5), state, started_at, ..batch(id) };
        vec![venue, Change::Batch(batch)]
    }

    fn deployment(&mut self) -> Vec<Change> {
        let Some(machine) = self.some_machine() else { return Vec::new() };
        let open = self.tables.open.get(&machine.id).cloned();
        let deployment = open.unwrap_or_else(|| deployment(self.tables.next_deployment_id().0, machine.id.0));
        let status = format!("word {}", self.dice.u8(..));
        let completed_at = (self.dice.u8(0..3) == 0).then(|| at(self.now));
        vec![Change::Deployment(Deployment { status, completed_at, ..deployment })]
    }

    /// As the fleet does it: everything that points at the machine lets go of it first.
    fn forget(&mut self) -> Vec<Change> {
        let Some(machine) = self.some_machine().filter(|_| self.dice.u8(0..3) == 0) else { return Vec::new() };
        let name = self.tables.naming.of_machine(machine.id).cloned();
        let name = name.map(|name| Change::Name(Name { state: NameState::Retired, ..name }));
        let open = self.tables.open.get(&machine.id).cloned();
        let open = open.map(|open| Change::Deployment(Deployment { completed_at: Some(at(self.now)), ..open }));
        let leases = self.tables.leases.iter().filter(|lease| lease.machine == Some(machine.id));
        let freed: Vec<Change> = leases.map(|lease| Change::LeaseFreed(lease.address)).collect();
        name.into_iter().chain(open).chain(freed).chain([Change::MachineForgotten(machine.id)]).collect()
    }

    /// As the fleet does it: the image that was active is so no more before another is.
    fn edition(&mut self) -> Vec<Change> {
        let before = self.tables.active_edition(&product()).cloned();
        let before = before.map(|old| Change::Edition(Edition { active_since: None, ..old }));
        let file = format!("{}.img", self.dice.u8(0..4));
        let version = self.dice.bool().then(|| format!("v{}", self.now));
        let active_since = self.dice.bool().then(|| at(self.now));
        let edition = Edition { version, active_since, ..Edition::new(product(), file, at(1)) };
        let forgotten = self.tables.editions.values().find(|edition| edition.removed_at.is_some());
        let forgotten = forgotten.map(|Edition { product, file, .. }| Change::ImageForgotten {
            product: product.clone(),
            file: file.clone(),
        });
        let removed_at = (edition.active_since.is_none() && self.dice.bool()).then(|| at(self.now));
        let edition = Edition { removed_at, ..edition };
        before.into_iter().chain(forgotten).chain([Change::Edition(edition)]).collect()
    }

    fn measured(&mut self) -> Vec<Change> {
        let digest = Digest([self.dice.u8(..); 32]);
        let file = format!("{}.img", self.dice.u8(0..4));
        let image = Image::raw(file, self.dice.u64(0..1 << 50), digest);
        vec![Change::Measured(Measured { image, modified_nanos: self.dice.i64(..), inode: self.dice.u64(..) })]
    }
}

#[test]
fn rows_make_the_tables_that_the_changes_made() {
    for seed in 0..48 {
        let journal = Journal::new();
        let mut history = History::new(seed);
        let mut store = journal.open();
        for round in 0..12 {
            let steps = history.dice.usize(1..60);
            let changes: Vec<Change> = (0..steps).flat_map(|_| history.step()).collect();
            store.commit(&changes).unwrap();
            if history.dice.u8(0..4) == 0 {
                drop(store);
                store = journal.open();
            }
            let loaded = tables(&rows(&mut store));
            assert!(loaded == history.tables, "seed {seed}, round {round}:\n{loaded:#?}\n{:#?}", history.tables);
        }
    }
}
