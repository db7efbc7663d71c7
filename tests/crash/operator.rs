//! An operator who works on while the server dies under his hands: names, batches, holds, and what he was told of each.
//!
//! The units that he names by hand are not on the bench, so that nobody but him changes them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fastrand::Rng;
use hatchery::load::bench::PRODUCT;
use hatchery::serve::control::{self, Reply, Request};
use serde_json::Value;

use crate::books::Books;

/// Where his units go; the batches are of this place, too.
pub const PLACE: &str = "OPER";
/// How the serials of his units begin.
const SERIAL: &str = "oper";
/// Units on his list at one time.
const UNITS: usize = 24;
/// Batches that he still touches: the latest ones.
const BATCHES: usize = 6;

/// What he was told last of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unit {
    name: Option<String>,
    order: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Batch {
    state: String,
    total: u64,
    priority: i64,
}

#[derive(Clone, Debug)]
enum Deed {
    Assign(String),
    Release(String, String),
    Retire(String),
    Reinstate(String),
    Hold(String),
    Reinstall(String),
    Forget(String),
    Create(u64),
    Start(u64),
    Pause(u64),
    Cancel(u64),
    Priority(u64, i64),
}

/// The operator, with his notes.
pub struct Operator {
    socket: PathBuf,
    rng: Rng,
    units: BTreeMap<String, Unit>,
    /// Names that he took back, and whether he retired them.
    free: BTreeMap<String, bool>,
    batches: BTreeMap<u64, Batch>,
    /// What he asked for when the server died.
    in_doubt: Option<Deed>,
    next_serial: u32,
    pub acknowledged: u64,
    pub doubted: u64,
}

impl Operator {
    pub fn new(socket: PathBuf, seed: u64) -> Operator {
        Operator {
            socket,
            rng: Rng::with_seed(seed),
            units: BTreeMap::new(),
            free: BTreeMap::new(),
            batches: BTreeMap::new(),
            in_doubt: None,
            next_serial: 1,
            acknowledged: 0,
            doubted: 0,
        }
    }

    /// Whether he waits for what the books say of his last word.
    pub fn is_in_doubt(&self) -> bool {
        self.in_doubt.is_some()
    }

    /// Does one thing. One that got no answer is in doubt until [`Operator::compare`].
    pub fn act(&mut self) {
        let Some(deed) = self.choose() else { return };
        match control::ask(&self.socket, &request(&deed)) {
            Ok(Reply::Ok(value)) => {
                self.acknowledged += 1;
                self.note(&deed, &value);
            }
            // An answer, too: nothing has changed.
            Ok(_) => self.acknowledged += 1,
            Err(_) => {
                self.doubted += 1;
                self.in_doubt = Some(deed);
            }
        }
    }

    fn choose(&mut self) -> Option<Deed> {
        let die = self.rng.u8(..12);
        let units: Vec<(String, Unit)> =
            self.units.iter().map(|(serial, unit)| (serial.clone(), unit.clone())).collect();
        let unit = units.get(self.rng.usize(..units.len().max(1))).cloned();
        let serial = unit.clone().map(|(serial, _)| serial);
        Some(match die {
            0..=2 if self.units.len() < UNITS => {
                self.next_serial += 1;
                Deed::Assign(format!("{SERIAL}{:06}", self.next_serial))
            }
            0 => Deed::Forget(serial?),
            1 | 3 => {
                let nameless = units.iter().find(|(_, unit)| unit.name.is_none());
                match (nameless, unit?) {
                    (Some((serial, _)), _) => Deed::Assign(serial.clone()),
                    (None, (serial, Unit { name, .. })) => Deed::Release(name?, serial),
                }
            }
            2 | 4 => {
                let (serial, Unit { name, .. }) = unit?;
                Deed::Release(name?, serial)
            }
            5 => Deed::Retire(self.free.iter().find(|(_, retired)| !**retired)?.0.clone()),
            6 => Deed::Reinstate(self.free.iter().find(|(_, retired)| **retired)?.0.clone()),
            7 => Deed::Hold(serial?),
            8 => Deed::Reinstall(serial?),
            9 => Deed::Create(self.rng.u64(1..6)),
            _ => {
                let latest: Vec<u64> = self.batches.keys().rev().take(BATCHES).copied().collect();
                let id = *latest.get(self.rng.usize(..latest.len().max(1)))?;
                match self.rng.u8(..4) {
                    0 => Deed::Start(id),
                    1 => Deed::Pause(id),
                    2 => Deed::Cancel(id),
                    _ => Deed::Priority(id, self.rng.i64(0..10)),
                }
            }
        })
    }

    fn note(&mut self, deed: &Deed, value: &Value) {
        match deed {
            Deed::Assign(serial) => {
                let hostname = value["hostname"].as_str().expect("a name").to_owned();
                assert_eq!(value["serial_number"], **serial, "whom the name was given: {value}");
                let other = self.units.iter().find(|(_, unit)| unit.name.as_ref() == Some(&hostname));
                assert!(other.is_none_or(|(holder, _)| holder == serial), "{hostname} was given twice: {other:?}");
                self.free.remove(&hostname);
                let unit = self.units.entry(serial.clone()).or_insert(Unit { name: None, order: "install" });
                assert!(unit.name.is_none_or_is(&hostname), "{serial} was {unit:?} and is named {hostname}");
                unit.name = Some(hostname);
            }
            Deed::Release(hostname, serial) => {
                self.units.get_mut(serial).expect("a unit").name = None;
                self.free.insert(hostname.clone(), false);
            }
            Deed::Retire(hostname) => drop(self.free.insert(hostname.clone(), true)),
            Deed::Reinstate(hostname) => drop(self.free.insert(hostname.clone(), false)),
            Deed::Hold(serial) => self.units.get_mut(serial).expect("a unit").order = "hold",
            Deed::Reinstall(serial) => self.units.get_mut(serial).expect("a unit").order = "reinstall",
            Deed::Forget(serial) => {
                let name = self.units.remove(serial).expect("a unit").name;
                self.free.extend(name.map(|name| (name, false)));
            }
            Deed::Create(_) | Deed::Start(_) | Deed::Pause(_) | Deed::Cancel(_) | Deed::Priority(..) => {
                let batch = Batch {
                    state: value["status"].as_str().expect("a state").to_owned(),
                    total: value["total_count"].as_u64().expect("a count"),
                    priority: value["priority"].as_i64().expect("a priority"),
                };
                let known = self.batches.insert(value["id"].as_u64().expect("an id"), batch);
                assert_eq!(known.is_none(), matches!(deed, Deed::Create(_)), "{deed:?}: {known:?}, {value}");
            }
        }
    }

    /// Holds his notes against the books. What was in doubt is there as a whole or not at all, and from now on it is as
    /// the books have it.
    pub fn compare(&mut self, books: &Books) {
        let doubt = self.in_doubt.take();
        let doubted_unit = match &doubt {
            Some(Deed::Assign(serial) | Deed::Release(_, serial) | Deed::Hold(serial) | Deed::Reinstall(serial)) => {
                Some(serial)
            }
            Some(Deed::Forget(serial)) => Some(serial),
            _ => None,
        };
        let doubted_name = match &doubt {
            Some(Deed::Release(hostname, _) | Deed::Retire(hostname) | Deed::Reinstate(hostname)) => {
                Some(hostname.clone())
            }
            Some(Deed::Forget(serial)) => self.units[serial].name.clone(),
            _ => None,
        };
        let doubted_batch = match &doubt {
            Some(Deed::Start(id) | Deed::Pause(id) | Deed::Cancel(id) | Deed::Priority(id, _)) => Some(*id),
            _ => None,
        };
        for (serial, unit) in self.units.iter().filter(|(serial, _)| Some(*serial) != doubted_unit) {
            let found = books.machines.get(serial).unwrap_or_else(|| panic!("{serial} is lost; it was {unit:?}"));
            assert_eq!((&found.name, found.order.as_str()), (&unit.name, unit.order), "{serial}; in doubt: {doubt:?}");
        }
        for serial in books.machines.keys().filter(|label| label.starts_with(SERIAL)) {
            let known = self.units.contains_key(serial) || Some(serial) == doubted_unit;
            assert!(known, "{serial} is on the books, and was forgotten or never named; in doubt: {doubt:?}");
        }
        for (hostname, retired) in self.free.iter().filter(|(hostname, _)| Some(*hostname) != doubted_name.as_ref()) {
            let found = &books.names[hostname];
            match (retired, found.state.as_str()) {
                (true, "retired") | (false, "available") => {}
                // What is free anybody may get: a machine of the bench, or the unit that is in doubt.
                (false, "assigned") => {
                    let holder = found.holder.as_ref().expect("a holder");
                    let is_his = self.units.contains_key(holder) && Some(holder) != doubted_unit;
                    assert!(!is_his, "{hostname} is free, and on the books as {found:?}");
                }
                _ => panic!("{hostname} was retired: {retired}, and is on the books as {found:?}"),
            }
        }
        for (id, batch) in self.batches.iter().filter(|(id, _)| Some(**id) != doubted_batch) {
            let found = books.batches.get(id).unwrap_or_else(|| panic!("batch {id} is lost: {batch:?}"));
            assert_eq!((found.total, found.priority), (batch.total, batch.priority), "batch {id}");
            let state = (batch.state.as_str(), found.state.as_str());
            // Machines complete a batch, and a name taken back opens it again; the core counts its units.
            let moved_on = matches!(state, ("active", "completed" | "paused") | ("completed", "paused"));
            assert!(state.0 == state.1 || moved_on, "batch {id} was {} and is {}", state.0, state.1);
            assert!(found.state != "completed" || found.remaining == 0, "batch {id}: {found:?}");
        }
        let unknown = books.batches.keys().filter(|id| !self.batches.contains_key(id)).count();
        assert!(unknown <= usize::from(matches!(doubt, Some(Deed::Create(_)))), "{unknown} batches nobody ordered");
        self.adopt(books, doubt);
    }

    /// Takes over what the books say of whatever may have changed by itself or was in doubt.
    fn adopt(&mut self, books: &Books, doubt: Option<Deed>) {
        for (id, found) in &books.batches {
            let batch = Batch { state: found.state.clone(), total: found.total, priority: found.priority };
            self.batches.insert(*id, batch);
        }
        self.free.retain(|hostname, _| books.names[hostname].state != "assigned");
        let (Deed::Assign(serial)
        | Deed::Release(_, serial)
        | Deed::Forget(serial)
        | Deed::Hold(serial)
        | Deed::Reinstall(serial)) = (match doubt {
            Some(Deed::Retire(hostname) | Deed::Reinstate(hostname)) => {
                self.free.insert(hostname.clone(), books.names[&hostname].state == "retired");
                return;
            }
            Some(deed) => deed,
            None => return,
        })
        else {
            return;
        };
        let before = self.units.remove(&serial).and_then(|unit| unit.name);
        if let Some(found) = books.machines.get(&serial) {
            let order = ["install", "reinstall", "hold"].into_iter().find(|word| *word == found.order);
            let order = order.unwrap_or_else(|| panic!("{serial} has the order {}", found.order));
            self.units.insert(serial, Unit { name: found.name.clone(), order });
        }
        let is_free = |hostname: &String| books.names[hostname].state == "available";
        self.free.extend(before.filter(is_free).map(|hostname| (hostname, false)));
    }
}

trait NoneOrIs {
    fn is_none_or_is(&self, text: &str) -> bool;
}

impl NoneOrIs for Option<String> {
    fn is_none_or_is(&self, text: &str) -> bool {
        self.as_deref().is_none_or(|own| own == text)
    }
}

fn request(deed: &Deed) -> Request {
    let (product, venue) = (PRODUCT.to_owned(), PLACE.to_owned());
    match deed.clone() {
        Deed::Assign(serial) => Request::NameAssign { product, venue, mac: None, serial: Some(serial) },
        Deed::Release(hostname, _) => Request::NameRelease { hostname, force: false },
        Deed::Retire(hostname) => Request::NameRetire { hostname },
        Deed::Reinstate(hostname) => Request::NameReinstate { hostname },
        Deed::Hold(machine) => Request::Hold { machine },
        Deed::Reinstall(machine) => Request::Reinstall { machine },
        Deed::Forget(machine) => Request::Forget { machine, release_name: true, force: true },
        Deed::Create(count) => Request::BatchCreate { venue, product, count: count.cast_signed(), priority: 1 },
        Deed::Start(id) => Request::BatchStart { id },
        Deed::Pause(id) => Request::BatchPause { id },
        Deed::Cancel(id) => Request::BatchCancel { id },
        Deed::Priority(id, priority) => Request::BatchPriority { id, priority },
    }
}
