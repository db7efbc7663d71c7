//! The journal by itself: what goes in comes out, and what must not be opened is refused.

mod crash;
mod random;
mod records;
mod versions;

use std::collections::BTreeMap;
use std::error::Error;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::catalog::{Edition, Image};
use crate::fleet::{Deployment, Measured, Tables};
use crate::ids::{BatchId, ClientId, DeploymentId, Digest, Hostname, MachineId, ProductName, Serial, Uuid, VenueCode};
use crate::image::{Compression, Content, Kind, Layout, ZeroRun};
use crate::lease::{ClientKey, Lease, LeaseState};
use crate::machine::firmware::Firmware;
use crate::machine::hardware::{Drive, Hardware};
use crate::machine::stage::Stage;
use crate::machine::{Machine, Order};
use crate::naming::{Batch, BatchState, Name, NameState, Product, Scheme, Venue};
use crate::net::{Mac, Subnet};
use crate::site::{Link, Pool, Site};
use crate::time::Timestamp;

struct Journal {
    directory: TempDir,
}

impl Journal {
    fn new() -> Journal {
        Journal { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("hatchery.db")
    }

    fn open(&self) -> Store {
        Store::open(&self.path()).unwrap()
    }

    fn refused(&self) -> StoreError {
        let refusal = Store::start(&self.path(), &site(), &products()).unwrap_err();
        assert_eq!(Store::open(&self.path()).unwrap_err().to_string(), refusal.to_string());
        refusal
    }

    /// As an operator would, with sqlite3.
    fn edit(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }
}

fn site() -> Site {
    let link = |third: u8| {
        let subnet = Subnet::containing(Ipv4Addr::new(10, 0, third, 0), 24).unwrap();
        let pool = Pool::new(Ipv4Addr::new(10, 0, third, 10), Ipv4Addr::new(10, 0, third, 29));
        Link { pools: vec![pool], ..Link::new(&format!("eth{third}"), subnet, Ipv4Addr::new(10, 0, third, 1)) }
    };
    Site::new(vec![link(0), link(1)])
}

fn products() -> Vec<Product> {
    vec![Product { name: product(), scheme: Scheme::Pooled { width: 3 }, image: None }]
}

/// What is in the journal.
fn rows(store: &mut Store) -> Vec<Change> {
    store.load().unwrap().into()
}

/// What these rows make, one by one and at once.
fn tables(changes: &[Change]) -> Tables {
    let site = site();
    let mut tables = Tables::new(&site, &products());
    changes.iter().for_each(|change| tables.apply(&site, change));
    assert!(Tables::load(&site, &products(), changes.to_vec().into()) == tables, "made at once they are others");
    tables
}

fn product() -> ProductName {
    ProductName::parse("KXP2").unwrap()
}

fn venue() -> VenueCode {
    VenueCode::parse("AB12").unwrap()
}

fn hostname(number: u32) -> Hostname {
    Hostname::parse(&format!("KXP2-AB12-{number:03}")).unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn mac(number: u64) -> Mac {
    let [.., a, b, c, d] = number.to_be_bytes();
    Mac([0xdc, 0xa6, a, b, c, d])
}

fn machine(id: u64) -> Machine {
    Machine {
        id: MachineId(id),
        mac: Some(mac(id)),
        serial: None,
        uuid: None,
        firmware: Firmware::Plain,
        stage: Stage::Waiting,
        stage_since: at(1),
        order: Order::Install,
        reinstalls: 0,
        first_seen: at(1),
        hardware: None,
        notes: None,
    }
}

fn hardware() -> Hardware {
    let drive = Drive { path: "/dev/nvme0n1".into(), size: 1 << 39, removable: true, ..Drive::default() };
    Hardware {
        installer: "0.1.0".into(),
        arch: "aarch64".into(),
        model: "Raspberry Pi 5 \"B\"".into(),
        ram_bytes: 1 << 33,
        drives: vec![drive, Drive::default()],
    }
}

fn lease(id: u64, address: Ipv4Addr, state: LeaseState, expires: i64) -> Lease {
    let machine = (state != LeaseState::Declined).then_some(MachineId(id));
    Lease { address, client: ClientKey::Mac(mac(id)), machine, state, expires: at(expires) }
}

fn deployment(id: u64, machine: u64) -> Deployment {
    Deployment {
        id: DeploymentId(id),
        machine: MachineId(machine),
        hostname: None,
        address: Ipv4Addr::new(10, 0, 0, 10),
        product: None,
        venue: None,
        image: None,
        installer: None,
        status: "starting".to_owned(),
        started_at: at(5),
        completed_at: None,
        error_message: None,
    }
}

fn name(number: u32, state: NameState) -> Name {
    let (product, venue) = (Some(product()), Some(venue()));
    Name { product, venue, number: Some(number), state, ..Name::blank(hostname(number)) }
}

fn batch(id: u64) -> Batch {
    Batch {
        id: BatchId(id),
        product: product(),
        venue: venue(),
        total: 5,
        remaining: 5,
        priority: -3,
        state: BatchState::Pending,
        created_at: at(7),
        started_at: None,
        completed_at: None,
    }
}

/// Every kind of change, with every optional part set and unset, and the changes that loading must give back.
fn everything() -> (Vec<Change>, Vec<Change>) {
    let full_venue = Venue {
        code: venue(),
        name: "Kärting".into(),
        location: Some("Ulm".into()),
        contact_email: Some("a@b.example".into()),
        created_at: Some(at(3)),
    };
    let code = VenueCode::parse("ZZ99").unwrap();
    let bare_venue = Venue { code, location: None, contact_email: None, created_at: None, ..full_venue.clone() };
    let full_machine = Machine {
        serial: Serial::parse("10000000abcdef01"),
        uuid: Some(Uuid([0xf5; 16])),
        firmware: Firmware::RaspberryPi5,
        stage: Stage::Failed("no 'disk'\0 found".into()),
        stage_since: at(-2),
        order: Order::Hold,
        reinstalls: 3,
        hardware: Some(Arc::new(hardware())),
        notes: Some("loose".into()),
        ..machine(2)
    };
    let bare_machine = Machine { mac: None, ..machine(3) };
    let bound = lease(1, Ipv4Addr::new(10, 0, 0, 10), LeaseState::Bound, 99);
    let by_id = Lease {
        client: ClientKey::Id(ClientId(vec![0xff, 0, 1])),
        ..lease(2, Ipv4Addr::new(10, 0, 0, 9), LeaseState::Released, i64::MAX)
    };
    let declined = lease(3, Ipv4Addr::new(10, 0, 1, 11), LeaseState::Declined, 3);
    let retired = Name { product: None, venue: None, number: None, ..name(3, NameState::Retired) };
    let given = Name {
        batch: Some(BatchId(1)),
        created_at: Some(at(-4)),
        assigned_at: Some(at(5)),
        notes: Some("spare\nβ".into()),
        ..name(2, NameState::Assigned(MachineId(2)))
    };
    let started = Batch {
        remaining: 0,
        state: BatchState::Completed,
        started_at: Some(at(8)),
        completed_at: Some(at(9)),
        ..batch(1)
    };
    let full_deployment = Deployment {
        hostname: Some(hostname(2)),
        product: Some(product()),
        venue: Some(venue()),
        image: Some("kxp2_master.img".into()),
        installer: Some("0.1.0".into()),
        status: "odd \u{1f41b} word".into(),
        error_message: Some("e".into()),
        ..deployment(1, 2)
    };
    let over = Deployment { completed_at: Some(at(10)), ..deployment(3, 3) };
    let content = Content {
        compression: Compression::Xz,
        size: 1 << 41,
        digest: Digest([0xcd; 32]),
        zero_runs: [ZeroRun { offset: 0, length: 1 << 20 }, ZeroRun { offset: 1 << 40, length: 1 << 39 }].into(),
        layout: Layout { kind: Kind::Disk, partitions: 2, fat: true, trouble: Some("e".into()), ..Layout::default() },
    };
    let measured = Measured {
        image: Image { content, ..Image::raw("kxp2_master.img".into(), 1 << 40, Digest([0xab; 32])) },
        modified_nanos: -1,
        inode: u64::MAX,
    };
    let bare_edition = Edition::new(product(), "a.img".into(), at(3));
    let full_edition = Edition {
        file: "b.img".into(),
        version: Some("2026.11 β".into()),
        description: Some("for the\nnew board".into()),
        active_since: Some(at(4)),
        deprecated_since: Some(at(5)),
        ..bare_edition.clone()
    };
    let removed_edition = Edition { removed_at: Some(at(6)), file: "c.img".into(), ..bare_edition.clone() };
    let gone = |product: &str| Edition::new(ProductName::parse(product).unwrap(), "gone.img".into(), at(1));
    let forgotten = |each: Edition| Change::ImageForgotten { product: each.product, file: each.file };
    let gone_image = Image::raw("gone.img".into(), 1, Digest([1; 32]));
    let loaded = vec![
        Change::Machine(Machine { stage: Stage::Writing, stage_since: at(12), ..machine(1) }),
        Change::Machine(full_machine.clone()),
        Change::Machine(bare_machine.clone()),
        Change::Lease(bound.clone()),
        Change::Lease(by_id.clone()),
        Change::Lease(declined.clone()),
        Change::Venue(full_venue.clone()),
        Change::Venue(bare_venue.clone()),
        Change::MachineForgotten(MachineId(7)),
        Change::Name(name(1, NameState::Available)),
        Change::Name(given.clone()),
        Change::Name(retired.clone()),
        Change::Batch(started.clone()),
        Change::Batch(batch(2)),
        Change::Deployment(over.clone()),
        Change::Deployment(full_deployment.clone()),
        Change::Measured(measured.clone()),
        Change::Edition(bare_edition.clone()),
        Change::Edition(full_edition.clone()),
        Change::Edition(removed_edition.clone()),
    ];
    let written = vec![
        Change::Venue(Venue { name: "before".into(), ..full_venue.clone() }),
        Change::Venue(full_venue.clone()),
        Change::Venue(Venue { code: VenueCode::parse("GONE").unwrap(), ..full_venue }),
        Change::VenueRemoved(VenueCode::parse("GONE").unwrap()),
        Change::Venue(bare_venue),
        Change::Machine(Machine { mac: None, ..machine(1) }),
        Change::Machine(machine(1)),
        Change::Machine(full_machine),
        Change::Machine(bare_machine),
        Change::MachineForgotten(MachineId(7)),
        Change::MachineForgotten(MachineId(5)),
        Change::StageEntered { machine: MachineId(1), stage: Stage::Failed("x".into()), at: at(11) },
        Change::StageEntered { machine: MachineId(1), stage: Stage::Writing, at: at(12) },
        Change::Lease(lease(9, bound.address, LeaseState::Declined, 1)),
        Change::Lease(bound),
        Change::Lease(by_id),
        Change::Lease(declined),
        Change::Lease(lease(1, Ipv4Addr::new(10, 0, 0, 12), LeaseState::Released, 4)),
        Change::LeaseFreed(Ipv4Addr::new(10, 0, 0, 12)),
        Change::Batch(batch(1)),
        Change::Batch(batch(2)),
        Change::Name(name(1, NameState::Assigned(MachineId(2)))),
        Change::Name(name(1, NameState::Available)),
        Change::Name(given),
        Change::Name(retired),
        Change::Batch(started),
        Change::Deployment(deployment(1, 2)),
        Change::Deployment(full_deployment),
        Change::Deployment(Deployment { completed_at: Some(at(6)), ..deployment(2, 3) }),
        Change::Deployment(deployment(3, 3)),
        Change::Deployment(over),
        Change::Measured(Measured { inode: 1, ..measured.clone() }),
        Change::Measured(measured),
        Change::Edition(Edition { active_since: Some(at(1)), ..bare_edition.clone() }),
        Change::Edition(bare_edition),
        Change::Edition(Edition { version: None, ..full_edition.clone() }),
        Change::Edition(full_edition),
        Change::Edition(removed_edition),
        Change::Measured(Measured { image: gone_image, modified_nanos: 1, inode: 1 }),
        Change::Edition(gone("KXP2")),
        Change::Edition(gone("RXP2")),
        forgotten(gone("KXP2")),
        forgotten(gone("RXP2")),
    ];
    (written, loaded)
}

#[test]
fn every_kind_of_change_comes_back() {
    let journal = Journal::new();
    let (written, loaded) = everything();
    let mut store = journal.open();
    assert_eq!(rows(&mut store), []);
    store.commit(&written).unwrap();
    assert_eq!(rows(&mut store), loaded);
    drop(store);
    let mut store = journal.open();
    assert_eq!(rows(&mut store), loaded, "after closing and opening");
    store.checkpoint().unwrap();
    assert_eq!(std::fs::metadata(journal.path().with_extension("db-wal")).unwrap().len(), 0);
    assert_eq!(rows(&mut store), loaded, "after a checkpoint");
    drop(store);
    let (mut store, started) = Store::start(&journal.path(), &site(), &products()).unwrap();
    assert!(started == tables(&loaded), "a server starts with other tables");
    store.commit(&[Change::Machine(machine(8))]).expect("a journal to write to");
}

#[test]
fn stages_are_kept_as_history() {
    let journal = Journal::new();
    let mut store = journal.open();
    store.commit(&everything().0).unwrap();
    let mut statement = store.connection.prepare("SELECT machine, stage, cause, at FROM stage_entry").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
    let rows: Vec<(i64, String, Option<String>, i64)> = rows.map(Result::unwrap).collect();
    assert_eq!(rows, [(1, "failed".into(), Some("x".into()), 11), (1, "writing".into(), None, 12)]);
}

#[test]
fn a_client_that_moved_is_loaded_at_its_last_address() {
    let journal = Journal::new();
    let mut store = journal.open();
    let (low, high) = (Ipv4Addr::new(10, 0, 0, 10), Ipv4Addr::new(10, 0, 0, 20));
    store.commit(&[Change::Machine(machine(1)), Change::Machine(machine(2))]).unwrap();
    for (from, to) in [(low, high), (high, low)] {
        let moves = [lease(1, from, LeaseState::Released, 1), lease(1, to, LeaseState::Bound, 2)].map(Change::Lease);
        store.commit(&moves).unwrap();
        let leases = tables(&rows(&mut store)).leases;
        assert_eq!(leases.iter().map(|lease| lease.address).collect::<Vec<_>>(), [to]);
    }
}

#[test]
fn sixty_thousand_leases_come_back() {
    let journal = Journal::new();
    let mut store = journal.open();
    let mut changes: Vec<Change> = (1..=60_000).map(|id| Change::Machine(machine(id))).collect();
    let address = |id: u64| Ipv4Addr::from(0x0a00_0000 + u32::try_from(id).unwrap());
    changes.extend((1..=60_000).map(|id| Change::Lease(lease(id, address(id), LeaseState::Bound, 5))));
    store.commit(&changes).unwrap();
    assert!(rows(&mut store) == changes);
}

#[test]
fn the_file_is_ours_alone_and_durable() {
    let journal = Journal::new();
    let store = journal.open();
    for extension in ["db", "db-wal", "db-shm", "lock"] {
        let mode = std::fs::metadata(journal.path().with_extension(extension)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{extension}");
    }
    let pragma = |name: &str| -> String {
        let value = store.connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
        format!("{:?}", value.unwrap())
    };
    let found: BTreeMap<&str, String> =
        ["journal_mode", "synchronous", "foreign_keys", "user_version", "application_id", "locking_mode"]
            .map(|name| (name, pragma(name)))
            .into();
    let wanted = BTreeMap::from([
        ("journal_mode", "Text(\"wal\")".to_owned()),
        ("synchronous", "Integer(2)".to_owned()),
        ("foreign_keys", "Integer(1)".to_owned()),
        ("user_version", format!("Integer({})", schema::MIGRATIONS.len())),
        ("application_id", format!("Integer({})", 0x6861_7463)),
        ("locking_mode", "Text(\"normal\")".to_owned()),
    ]);
    assert_eq!(found, wanted);
}

#[test]
fn a_second_server_is_refused() {
    let journal = Journal::new();
    let store = journal.open();
    let refusal = journal.refused();
    assert!(matches!(&refusal, StoreError::InUse { .. }), "{refusal}");
    assert!(refusal.to_string().contains(&format!("process {}", std::process::id())), "{refusal}");
    drop(store);
    journal.open();
}

#[test]
fn a_journal_of_a_later_version_is_refused_and_not_touched() {
    let journal = Journal::new();
    drop(journal.open());
    journal.edit("PRAGMA user_version = 7");
    let before = std::fs::read(journal.path()).unwrap();
    let refusal = journal.refused();
    assert!(matches!(refusal, StoreError::Newer { found: 7, known: 4, .. }), "{refusal}");
    assert_eq!(std::fs::read(journal.path()).unwrap(), before);
}

#[test]
fn another_programs_file_is_refused_and_not_touched() {
    for sql in ["CREATE TABLE recipe (text)", "PRAGMA application_id = 5; CREATE TABLE recipe (text)"] {
        let journal = Journal::new();
        journal.edit(sql);
        let before = std::fs::read(journal.path()).unwrap();
        let refusal = journal.refused();
        assert!(matches!(refusal, StoreError::Foreign { .. }), "{refusal}");
        assert_eq!(std::fs::read(journal.path()).unwrap(), before);
    }
}

#[test]
fn damage_is_found_when_opening() {
    let journal = Journal::new();
    std::fs::write(journal.path(), "This is a shopping list, not a database.".repeat(20)).unwrap();
    let refusal = journal.refused();
    assert!(matches!(refusal, StoreError::Damaged { .. }), "{refusal}");

    let journal = Journal::new();
    let mut store = journal.open();
    let machines: Vec<Change> = (1..=2000).map(|id| Change::Machine(machine(id))).collect();
    store.commit(&machines).unwrap();
    drop(store);
    let mut bytes = std::fs::read(journal.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0x5a);
    std::fs::write(journal.path(), bytes).unwrap();
    let refusal = journal.refused();
    assert!(matches!(refusal, StoreError::Damaged { .. }), "{refusal}");
}

#[test]
fn a_missing_directory_is_named() {
    let journal = Journal::new();
    let refusal = Store::open(&journal.directory.path().join("nowhere/hatchery.db")).unwrap_err();
    assert!(refusal.to_string().contains("nowhere/hatchery.lock"), "{refusal}");
    assert!(refusal.source().is_some());
}

#[test]
fn a_row_edited_into_nonsense_is_named() {
    let (written, _) = everything();
    for (sql, wanted) in [
        ("UPDATE machine SET mac = 'dc:a6' WHERE id = 2", "table machine, row 2, column mac: 'dc:a6'"),
        (
            "UPDATE machine SET stage = 'lunch', cause = NULL WHERE id = 2",
            "table machine, row 2, column stage: 'lunch'",
        ),
        ("UPDATE machine SET uuid = 'f5f' WHERE id = 2", "table machine, row 2, column uuid: 'f5f'"),
        ("UPDATE machine SET uuid = 'äö' WHERE id = 2", "table machine, row 2, column uuid: 'äö'"),
        (
            "UPDATE machine SET serial = CAST(x'ff' AS TEXT) WHERE id = 2",
            "table machine, row 2, column serial: '\u{fffd}'",
        ),
        (
            "UPDATE lease SET client = 'id:xy' WHERE state = 'bound'",
            "table lease, row '10.0.0.10', column client: 'id:xy'",
        ),
        ("UPDATE lease SET address = 'here' WHERE state = 'bound'", "table lease, row 'here', column address: 'here'"),
        ("UPDATE name SET number = -1 WHERE number = 2", "table name, row 'KXP2-AB12-002', column number: -1"),
        ("UPDATE batch SET state = '' WHERE id = 1", "table batch, row 1, column state: ''"),
        ("UPDATE venue SET code = 'AB' WHERE code = 'AB12'", "table venue, row 'AB', column code: 'AB'"),
        ("UPDATE deployment SET address = '' WHERE id = 1", "table deployment, row 1, column address: ''"),
        ("UPDATE edition SET product = '' WHERE file = 'a.img'", "table edition, row 'a.img', column product: ''"),
        ("UPDATE image SET sha256 = 'abc'", "table image, row 'kxp2_master.img', column sha256: 'abc'"),
    ] {
        let journal = Journal::new();
        journal.open().commit(&written).unwrap();
        journal.edit(sql);
        let error = journal.open().load().unwrap_err().to_string();
        assert!(error.contains(wanted) && error.contains("hatchery.db"), "{sql}: {error}");
    }
}

#[test]
fn what_contradicts_an_invariant_is_not_written() {
    let (written, loaded) = everything();
    let journal = Journal::new();
    let mut store = journal.open();
    store.commit(&written).unwrap();
    let offered = Lease { state: LeaseState::Offered, ..lease(1, Ipv4Addr::new(10, 0, 0, 15), LeaseState::Bound, 1) };
    for wrong in [
        Change::Lease(offered),
        Change::Lease(Lease { machine: None, ..lease(1, Ipv4Addr::new(10, 0, 0, 15), LeaseState::Bound, 1) }),
        Change::Lease(lease(77, Ipv4Addr::new(10, 0, 0, 15), LeaseState::Bound, 1)),
        Change::Machine(Machine { mac: Some(mac(1)), ..machine(9) }),
        Change::StageEntered { machine: MachineId(77), stage: Stage::Done, at: at(1) },
        Change::Name(name(1, NameState::Assigned(MachineId(2)))),
        Change::Name(Name { batch: Some(BatchId(77)), ..name(1, NameState::Available) }),
        Change::Batch(Batch { remaining: 6, ..batch(2) }),
        Change::Batch(Batch { total: u64::MAX, ..batch(2) }),
        Change::Deployment(deployment(4, 2)),
        Change::Edition(Edition { active_since: Some(at(5)), ..Edition::new(product(), "a.img".into(), at(3)) }),
    ] {
        let good = Change::Machine(machine(8));
        let error = store.commit(&[good, wrong.clone()]).expect_err("it contradicts an invariant");
        assert!(matches!(error, StoreError::Commit { .. }), "{wrong:?}: {error}");
        assert_eq!(rows(&mut store), loaded, "{wrong:?} left something behind");
    }
    store.commit(&[Change::Machine(machine(8))]).unwrap();
}

#[test]
fn a_full_disk_loses_nothing_and_recovers() {
    let journal = Journal::new();
    let (written, loaded) = everything();
    let mut store = journal.open();
    store.commit(&written).unwrap();
    let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let set = |store: &Store, pages: i64| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        store.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(set(&store, pages), pages);
    let many: Vec<Change> = (100..1000).map(|id| Change::Machine(machine(id))).collect();
    for _ in 0..2 {
        let error = store.commit(&many).unwrap_err();
        assert!(error.to_string().contains("disk is full"), "{error}");
        assert_eq!(rows(&mut store), loaded);
    }
    set(&store, 1 << 30);
    store.commit(&many).unwrap();
    assert_eq!(rows(&mut store).len(), loaded.len() + many.len());
}

#[test]
fn a_foreign_writer_is_named_and_survived() {
    let journal = Journal::new();
    let mut store = journal.open();
    store.connection.busy_timeout(Duration::ZERO).unwrap();
    let other = Connection::open(journal.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.commit(&[Change::Machine(machine(1))]).unwrap_err();
    assert!(error.to_string().contains("another program writes"), "{error}");
    other.execute_batch("ROLLBACK; BEGIN; SELECT count(*) FROM machine").unwrap();
    store.commit(&[Change::Machine(machine(1))]).unwrap();
    store.checkpoint().expect("a reader makes it wait for another time");
    assert_eq!(rows(&mut store), [Change::Machine(machine(1))]);
}

#[test]
fn a_forgotten_machine_leaves_its_deployments_and_its_id() {
    let journal = Journal::new();
    let mut store = journal.open();
    let over = Deployment { completed_at: Some(at(6)), ..deployment(1, 2) };
    store
        .commit(&[
            Change::Machine(machine(1)),
            Change::Machine(machine(2)),
            Change::StageEntered { machine: MachineId(2), stage: Stage::Done, at: at(2) },
            // On a subnet that is not served: the fleet does not know of it.
            Change::Lease(lease(2, Ipv4Addr::new(10, 9, 9, 9), LeaseState::Bound, 9)),
            Change::Deployment(over.clone()),
        ])
        .unwrap();
    store.commit(&[Change::MachineForgotten(MachineId(2))]).unwrap();
    let left = rows(&mut store);
    let wanted = [Change::Machine(machine(1)), Change::MachineForgotten(MachineId(2)), Change::Deployment(over)];
    assert_eq!(left, wanted);
    assert_eq!(tables(&left).machines.next_id(), MachineId(3));
}
