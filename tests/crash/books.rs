//! What the server has on its books: as its journal says through the pure core, and as it tells whoever asks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hatchery::catalog::Catalog;
use hatchery::clock;
use hatchery::config::Config;
use hatchery::fleet::{Change, Deployment, Fleet};
use hatchery::lease::LeaseState;
use hatchery::load::bench::Bench;
use hatchery::machine::Machine;
use hatchery::naming::NameState;
use hatchery::serve::control::Request;
use hatchery::store::{Records, Store};
use serde_json::Value;

/// Machines by MAC, or by serial where that is all there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    pub machines: BTreeMap<String, Unit>,
    pub names: BTreeMap<String, Name>,
    pub batches: BTreeMap<u64, Batch>,
    pub leases: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub address: Option<String>,
    pub name: Option<String>,
    pub order: String,
    pub stage: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub state: String,
    pub holder: Option<String>,
    pub batch: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub state: String,
    pub total: u64,
    pub remaining: u64,
    pub priority: i64,
}

/// A journal as a server that was killed left it.
pub struct Journal {
    pub books: Books,
    pub deployments: Vec<Deployment>,
    /// Images by file name, with their digests.
    pub images: BTreeMap<String, String>,
}

/// What it takes to read a journal.
pub struct Reader {
    config: Config,
    journal: PathBuf,
    scratch: PathBuf,
}

impl Reader {
    pub fn new(bench: &Bench, scratch: PathBuf) -> Reader {
        let path = bench.directory().join("hatchery.toml");
        let config = Config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
        let journal = bench.directory().join(config.paths.journal());
        Reader { config, journal, scratch }
    }

    /// Takes the journal as it lies there: what is read is the copy, so the next server finds what the last one left.
    pub fn copy(&self) -> PathBuf {
        let copy = self.scratch.join("copy.db");
        for end in ["", "-wal", "-shm"] {
            let with_end = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
            let (from, to) = (with_end(&self.journal), with_end(&copy));
            match fs::copy(&from, &to) {
                Err(_) if !from.exists() => drop(fs::remove_file(&to)),
                copied => drop(copied.expect("a copy of the journal")),
            }
        }
        copy
    }

    /// Reads a copy: SQLite finds it sound, and the pure core makes a fleet of it in which every invariant holds, and
    /// the same one again from what that fleet would write.
    pub fn read(&self, copy: &Path) -> Journal {
        let mut store = Store::open(copy).expect("a sound journal");
        let mut rows: Vec<Change> = store.load().expect("rows that can be read").into();
        drop(store);
        let db = rusqlite::Connection::open(copy).expect("a database");
        let found: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
        assert_eq!(found, "ok", "integrity_check");
        drop(db);

        let catalog = Catalog::new(self.config.profiles.clone()).with_classes(self.config.classes.clone());
        let site = std::sync::Arc::new(self.config.site.clone());
        let load = |rows: Vec<Change>| {
            Fleet::load(site.clone(), catalog.clone(), self.config.products.clone(), rows, clock::now())
        };
        let fleet = load(rows.clone());
        fleet.check().unwrap_or_else(|broken| panic!("after a kill: {broken}"));
        let replayed = self.scratch.join("replayed.db");
        for end in ["", "-wal", "-shm"] {
            drop(fs::remove_file(format!("{}{end}", replayed.display())));
        }
        let mut second = Store::open(&replayed).expect("another journal");
        // Names refer to their batches.
        rows.sort_by_key(|row| !matches!(row, Change::Batch(_)));
        second.commit(&rows).expect("what was read can be written");
        let again = load(second.load().expect("and read").into());
        assert!(fleet.tables() == again.tables(), "the journal and its replay make different fleets");

        let records = Records::new(copy);
        let measured = fleet.tables().measured.iter();
        Journal {
            books: Books::of(&fleet),
            deployments: records.deployments().expect("deployments"),
            images: measured.map(|(file, each)| (file.clone(), each.image.digest.to_string())).collect(),
        }
    }
}

fn label(machine: &Machine) -> String {
    let serial = || machine.serial.as_ref().map(|serial| serial.as_str().to_owned());
    machine.mac.map(|mac| mac.to_string()).or_else(serial).expect("a machine that can be told apart")
}

impl Books {
    pub fn of(fleet: &Fleet) -> Books {
        let tables = fleet.tables();
        let mut books = Books::default();
        for machine in tables.machines.iter() {
            let unit = Unit {
                address: tables.leases.of_machine(machine.id).map(|address| address.to_string()),
                name: tables.naming.of_machine(machine.id).map(|name| name.hostname.to_string()),
                order: machine.order.word().to_owned(),
                stage: machine.stage.word().to_owned(),
            };
            assert!(books.machines.insert(label(machine), unit).is_none(), "{} is there twice", label(machine));
        }
        for name in tables.naming.names() {
            let holder = match name.state {
                NameState::Assigned(id) => tables.machines.get(id).map(label),
                NameState::Available | NameState::Retired => None,
            };
            let row = Name { state: name.state.word().to_owned(), holder, batch: name.batch.map(|id| id.0) };
            books.names.insert(name.hostname.to_string(), row);
        }
        for batch in tables.naming.batches() {
            let state = batch.state.word().to_owned();
            let row = Batch { state, total: batch.total, remaining: batch.remaining, priority: batch.priority };
            books.batches.insert(batch.id.0, row);
        }
        for lease in tables.leases.iter().filter(|lease| lease.state == LeaseState::Bound) {
            let machine = lease.machine.and_then(|id| tables.machines.get(id)).map(label);
            books.leases.insert(lease.address.to_string(), machine.unwrap_or_default());
        }
        books
    }

    /// Where the two differ, a line each.
    pub fn differences(&self, other: &Books) -> Vec<String> {
        fn of<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
            one: &BTreeMap<K, V>,
            other: &BTreeMap<K, V>,
        ) -> Vec<String> {
            let keys: std::collections::BTreeSet<&K> = one.keys().chain(other.keys()).collect();
            let differ = keys.into_iter().filter(|key| one.get(key) != other.get(key));
            differ.map(|key| format!("{key:?}: {:?}, not {:?}", one.get(key), other.get(key))).collect()
        }
        let Books { machines, names, batches, leases } = self;
        let parts = [of(machines, &other.machines), of(names, &other.names), of(batches, &other.batches)];
        parts.into_iter().flatten().chain(of(leases, &other.leases)).collect()
    }

    /// What the running server says of itself.
    pub fn told(bench: &Bench) -> Books {
        let rows = |request: &Request| match bench.ask(request) {
            Ok(Value::Array(rows)) => rows,
            other => panic!("{request:?}: {other:?}\n{}", bench.log_tail(30)),
        };
        let text = |row: &Value, key: &str| row[key].as_str().map(str::to_owned);
        let word = |row: &Value, key: &str| text(row, key).unwrap_or_default();
        let who = |row: &Value, [mac, serial]: [&str; 2]| text(row, mac).or_else(|| text(row, serial));
        let mut books = Books::default();
        for row in rows(&Request::Machines) {
            let unit = Unit {
                address: text(&row, "address"),
                name: text(&row, "hostname"),
                order: word(&row, "order"),
                stage: word(&row, "stage"),
            };
            books.machines.insert(who(&row, ["mac", "serial"]).expect("a label"), unit);
        }
        for row in rows(&Request::Names { product: None, venue: None, state: None }) {
            let name = Name {
                state: word(&row, "status"),
                holder: who(&row, ["mac_address", "serial_number"]),
                batch: row["batch"].as_u64(),
            };
            books.names.insert(word(&row, "hostname"), name);
        }
        for row in rows(&Request::Batches) {
            let batch = Batch {
                state: word(&row, "status"),
                total: row["total_count"].as_u64().expect("a count"),
                remaining: row["remaining_count"].as_u64().expect("a count"),
                priority: row["priority"].as_i64().expect("a priority"),
            };
            books.batches.insert(row["id"].as_u64().expect("an id"), batch);
        }
        for row in rows(&Request::Leases).iter().filter(|row| row["state"] == "bound") {
            // The row calls a machine by its name.
            let address = word(row, "address");
            let holder = books.machines.iter().find(|(_, unit)| unit.address.as_ref() == Some(&address));
            let label = holder.map(|(label, unit)| (label.clone(), unit.name.clone().unwrap_or_else(|| label.clone())));
            let (label, called) = label.unwrap_or_default();
            assert_eq!(word(row, "machine"), called, "{row}");
            books.leases.insert(address, label);
        }
        books
    }
}
