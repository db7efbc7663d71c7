//! Every change as rows, and every row as the change that brings it back.
//!
//! Owns the SQL of the journal's contents and the spelling of every value in it. The invariant: what [`write`] wrote,
//! [`read`] gives back so that [`crate::fleet::Tables::apply`] ends in the same tables.

use std::sync::Arc;

use rusqlite::{Connection, Params, params};

use super::image::{READ_EDITION, READ_MEASURED, read_edition, read_measured, write_edition, write_measured};
use super::record::{self, BadRow, Record};
use super::{audit, hardware, image, records};
use crate::fleet::{Change, Deployment, Rows};
use crate::ids::{BatchId, ClientId, DeploymentId, Hostname, MachineId, ProductName, Serial, Uuid, VenueCode};
use crate::lease::{ClientKey, Lease, LeaseState};
use crate::machine::firmware::Firmware;
use crate::machine::stage::Stage;
use crate::machine::{Machine, Order};
use crate::naming::{Batch, BatchState, Name, NameState, Venue};
use crate::net::Mac;
use crate::time::Timestamp;

/// Why the rows could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// SQLite failed.
    Sqlite(rusqlite::Error),
    /// A row is not what we write.
    Row(BadRow),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        ReadError::Sqlite(error)
    }
}

impl From<BadRow> for ReadError {
    fn from(row: BadRow) -> Self {
        ReadError::Row(row)
    }
}

/// Writes a change, inside whatever transaction is open.
pub fn write(db: &Connection, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Machine(machine) => write_machine(db, machine),
        Change::StageEntered { machine, stage, at } => write_stage(db, *machine, stage, *at),
        Change::MachineForgotten(id) => forget_machine(db, *id),
        Change::Lease(lease) => write_lease(db, lease),
        Change::LeaseFreed(address) => run(db, "DELETE FROM lease WHERE address = ?1", [address.to_string()]),
        Change::Name(name) => write_name(db, name),
        Change::Batch(batch) => write_batch(db, batch),
        Change::Venue(venue) => write_venue(db, venue),
        Change::VenueRemoved(code) => run(db, "DELETE FROM venue WHERE code = ?1", [code.as_str()]),
        Change::Deployment(deployment) => write_deployment(db, deployment),
        Change::Logged { deployment, lines } => records::write_log(db, *deployment, lines),
        Change::Audited(entry) => audit::write(db, entry),
        Change::Measured(measured) => write_measured(db, measured),
        Change::Edition(edition) => write_edition(db, edition),
        Change::ImageForgotten { product, file } => image::forget(db, product, file),
    }
}

/// Every row that the tables need: all but the history of stages and of deployments.
pub fn read(db: &Connection) -> Result<Rows, ReadError> {
    Ok(Rows { machines: read_machines(db)?, leases: read_leases(db)?, others: read_others(db)? })
}

/// Every machine.
pub fn read_machines(db: &Connection) -> Result<Vec<Machine>, ReadError> {
    let columns = "id, mac, serial, uuid, firmware, cause, stage, stage_since, next_boot, reinstalls, first_seen,
                   hardware, notes";
    record::all("machine", db, columns, "id", read_machine)
}

/// Every lease. A later one of a client displaces an earlier one, so they come in the order in which they were written.
pub fn read_leases(db: &Connection) -> Result<Vec<Lease>, ReadError> {
    record::all("lease", db, "address, client, machine, state, expires", "written", read_lease)
}

/// What else the tables need.
pub fn read_others(db: &Connection) -> Result<Vec<Change>, ReadError> {
    let mut changes = Vec::new();
    let mut each = |table, sql: &str, read: fn(&Record<'_>) -> Result<Change, BadRow>| -> Result<(), ReadError> {
        changes.append(&mut record::each(table, &mut db.prepare(sql)?, [], read)?);
        Ok(())
    };
    each("venue", "SELECT code, name, location, contact_email, created_at FROM venue", read_venue)?;
    // The last one alone says which ids were given.
    each("forgotten", "SELECT machine FROM forgotten ORDER BY machine DESC LIMIT 1", |row| {
        row.number("machine").map(MachineId).map(Change::MachineForgotten)
    })?;
    each(
        "name",
        "SELECT hostname, product, venue, number, state, machine, batch, created_at, assigned_at, notes FROM name",
        read_name,
    )?;
    each(
        "batch",
        "SELECT id, product, venue, total, remaining, priority, state, created_at, started_at, completed_at FROM batch",
        read_batch,
    )?;
    // The last one is read even if it is over, because its id must not be given again, and that of each machine,
    // because its installer may still write into its log. These come first: one that is over ends whatever its machine
    // has open.
    let deployments = format!(
        "SELECT {DEPLOYMENT} FROM deployment WHERE completed_at IS NULL OR id = (SELECT max(id) FROM deployment)
             OR id IN (SELECT max(id) FROM deployment GROUP BY machine) AND machine IN (SELECT id FROM machine)
         ORDER BY completed_at IS NULL, id"
    );
    each("deployment", &deployments, |row| read_deployment(row).map(Change::Deployment))?;
    each("image", READ_MEASURED, read_measured)?;
    each("edition", READ_EDITION, read_edition)?;
    Ok(changes)
}

pub(super) fn run(db: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute(params).map(drop)
}

fn write_machine(db: &Connection, machine: &Machine) -> rusqlite::Result<()> {
    run(
        db,
        "INSERT INTO machine (id, mac, serial, uuid, firmware, stage, cause, stage_since, next_boot, first_seen,
             hardware, reinstalls, notes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (id) DO UPDATE SET mac = excluded.mac, serial = excluded.serial, uuid = excluded.uuid,
             firmware = excluded.firmware, stage = excluded.stage, cause = excluded.cause,
             stage_since = excluded.stage_since, next_boot = excluded.next_boot, first_seen = excluded.first_seen,
             hardware = excluded.hardware, reinstalls = excluded.reinstalls, notes = excluded.notes",
        params![
            integer(machine.id.0)?,
            machine.mac.map(|mac| mac.to_string()),
            machine.serial.as_ref().map(Serial::as_str),
            machine.uuid.map(|uuid| uuid.to_string()),
            machine.firmware.name(),
            machine.stage.word(),
            cause(&machine.stage),
            machine.stage_since.millis(),
            machine.order.word(),
            machine.first_seen.millis(),
            machine.hardware.as_deref().map(|hardware| hardware::to_json(hardware).to_string()),
            integer(machine.reinstalls)?,
            machine.notes.as_deref(),
        ],
    )
}

fn read_machine(row: &Record<'_>) -> Result<Machine, BadRow> {
    Ok(Machine {
        id: MachineId(row.number("id")?),
        mac: row.maybe("mac", Mac::parse)?,
        serial: row.maybe("serial", Serial::parse)?,
        uuid: row.maybe("uuid", |text| Some(Uuid(bytes(text)?.try_into().ok()?)))?,
        firmware: row.parsed("firmware", Firmware::parse)?,
        stage: {
            let cause = row.maybe_text("cause")?.unwrap_or_default();
            row.parsed("stage", |word| Stage::from_word(word, &cause))?
        },
        stage_since: row.time("stage_since")?,
        order: row.parsed("next_boot", Order::from_word)?,
        reinstalls: row.number("reinstalls")?,
        first_seen: row.time("first_seen")?,
        hardware: row.maybe("hardware", |text| {
            let value = serde_json::from_str(text).ok()?;
            hardware::from_json(&value).ok().map(Arc::new)
        })?,
        notes: row.maybe_text("notes")?.map(Arc::from),
    })
}

/// Leases that the fleet no longer counts, because another displaced them, may still name the machine.
fn forget_machine(db: &Connection, id: MachineId) -> rusqlite::Result<()> {
    let id = integer(id.0)?;
    run(db, "DELETE FROM lease WHERE machine = ?1", [id])?;
    run(db, "DELETE FROM stage_entry WHERE machine = ?1", [id])?;
    run(db, "DELETE FROM machine WHERE id = ?1", [id])?;
    run(db, "INSERT INTO forgotten (machine) VALUES (?1) ON CONFLICT DO NOTHING", [id])
}

fn write_stage(db: &Connection, machine: MachineId, stage: &Stage, at: Timestamp) -> rusqlite::Result<()> {
    let machine = integer(machine.0)?;
    run(
        db,
        "UPDATE machine SET stage = ?2, cause = ?3, stage_since = ?4 WHERE id = ?1",
        params![machine, stage.word(), cause(stage), at.millis()],
    )?;
    run(
        db,
        "INSERT INTO stage_entry (machine, stage, cause, at) VALUES (?1, ?2, ?3, ?4)",
        params![machine, stage.word(), cause(stage), at.millis()],
    )
}

fn cause(stage: &Stage) -> Option<&str> {
    match stage {
        Stage::Failed(cause) => Some(cause),
        _ => None,
    }
}

/// A replaced row gets a new `written`, greater than all others.
fn write_lease(db: &Connection, lease: &Lease) -> rusqlite::Result<()> {
    let client = match &lease.client {
        ClientKey::Mac(mac) => format!("mac:{mac}"),
        ClientKey::Id(id) => format!("id:{id}"),
    };
    let machine = lease.machine.map(|id| integer(id.0)).transpose()?;
    run(
        db,
        "INSERT OR REPLACE INTO lease (address, client, machine, state, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![lease.address.to_string(), client, machine, lease.state.word(), lease.expires.millis()],
    )
}

fn read_lease(row: &Record<'_>) -> Result<Lease, BadRow> {
    let client = |text: &str| match text.split_once(':')? {
        ("mac", mac) => Mac::parse(mac).map(ClientKey::Mac),
        ("id", id) => bytes(id).map(|id| ClientKey::Id(ClientId(id))),
        _ => None,
    };
    Ok(Lease {
        address: row.parsed("address", |text| text.parse().ok())?,
        client: row.parsed("client", client)?,
        machine: row.maybe_number("machine")?.map(MachineId),
        state: row.parsed("state", LeaseState::from_word)?,
        expires: row.time("expires")?,
    })
}

fn write_name(db: &Connection, name: &Name) -> rusqlite::Result<()> {
    let machine = match name.state {
        NameState::Assigned(machine) => Some(integer(machine.0)?),
        NameState::Available | NameState::Retired => None,
    };
    run(
        db,
        "INSERT INTO name (hostname, product, venue, number, state, machine, batch, created_at, assigned_at, notes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (hostname) DO UPDATE SET product = excluded.product, venue = excluded.venue,
             number = excluded.number, state = excluded.state, machine = excluded.machine, batch = excluded.batch,
             created_at = excluded.created_at, assigned_at = excluded.assigned_at, notes = excluded.notes",
        params![
            name.hostname.as_str(),
            name.product.as_ref().map(ProductName::as_str),
            name.venue.as_ref().map(VenueCode::as_str),
            name.number,
            name.state.word(),
            machine,
            name.batch.map(|id| integer(id.0)).transpose()?,
            name.created_at.map(Timestamp::millis),
            name.assigned_at.map(Timestamp::millis),
            name.notes,
        ],
    )
}

fn read_name(row: &Record<'_>) -> Result<Change, BadRow> {
    let state = match row.text("state")? {
        "available" => NameState::Available,
        "assigned" => NameState::Assigned(MachineId(row.number("machine")?)),
        "retired" => NameState::Retired,
        _ => return Err(row.bad("state")),
    };
    Ok(Change::Name(Name {
        hostname: row.parsed("hostname", Hostname::parse)?,
        product: row.maybe("product", ProductName::parse)?,
        venue: row.maybe("venue", VenueCode::parse)?,
        number: row.maybe_number("number")?,
        state,
        batch: row.maybe_number("batch")?.map(BatchId),
        created_at: row.maybe_time("created_at")?,
        assigned_at: row.maybe_time("assigned_at")?,
        notes: row.maybe_text("notes")?,
    }))
}

fn write_batch(db: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    run(
        db,
        "INSERT INTO batch (id, product, venue, total, remaining, priority, state, created_at, started_at, completed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET product = excluded.product, venue = excluded.venue, total = excluded.total,
             remaining = excluded.remaining, priority = excluded.priority, state = excluded.state,
             created_at = excluded.created_at, started_at = excluded.started_at, completed_at = excluded.completed_at",
        params![
            integer(batch.id.0)?,
            batch.product.as_str(),
            batch.venue.as_str(),
            integer(batch.total)?,
            integer(batch.remaining)?,
            batch.priority,
            batch.state.word(),
            batch.created_at.millis(),
            batch.started_at.map(Timestamp::millis),
            batch.completed_at.map(Timestamp::millis),
        ],
    )
}

fn read_batch(row: &Record<'_>) -> Result<Change, BadRow> {
    Ok(Change::Batch(Batch {
        id: BatchId(row.number("id")?),
        product: row.parsed("product", ProductName::parse)?,
        venue: row.parsed("venue", VenueCode::parse)?,
        total: row.number("total")?,
        remaining: row.number("remaining")?,
        priority: row.number("priority")?,
        state: row.parsed("state", BatchState::from_word)?,
        created_at: row.time("created_at")?,
        started_at: row.maybe_time("started_at")?,
        completed_at: row.maybe_time("completed_at")?,
    }))
}

fn write_venue(db: &Connection, venue: &Venue) -> rusqlite::Result<()> {
    run(
        db,
        "INSERT INTO venue (code, name, location, contact_email, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (code) DO UPDATE SET name = excluded.name, location = excluded.location,
             contact_email = excluded.contact_email, created_at = excluded.created_at",
        params![
            venue.code.as_str(),
            venue.name,
            venue.location,
            venue.contact_email,
            venue.created_at.map(Timestamp::millis)
        ],
    )
}

fn read_venue(row: &Record<'_>) -> Result<Change, BadRow> {
    Ok(Change::Venue(Venue {
        code: row.parsed("code", VenueCode::parse)?,
        name: row.text("name")?.to_owned(),
        location: row.maybe_text("location")?,
        contact_email: row.maybe_text("contact_email")?,
        created_at: row.maybe_time("created_at")?,
    }))
}

fn write_deployment(db: &Connection, deployment: &Deployment) -> rusqlite::Result<()> {
    run(
        db,
        "INSERT INTO deployment (id, machine, hostname, address, product, venue, image, installer, status, started_at,
             completed_at, error_message)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (id) DO UPDATE SET machine = excluded.machine, hostname = excluded.hostname,
             address = excluded.address, product = excluded.product, venue = excluded.venue, image = excluded.image,
             installer = excluded.installer, status = excluded.status, started_at = excluded.started_at, completed_at = excluded.completed_at,
             error_message = excluded.error_message",
        params![
            integer(deployment.id.0)?,
            integer(deployment.machine.0)?,
            deployment.hostname.as_ref().map(Hostname::as_str),
            deployment.address.to_string(),
            deployment.product.as_ref().map(ProductName::as_str),
            deployment.venue.as_ref().map(VenueCode::as_str),
            deployment.image,
            deployment.installer,
            deployment.status,
            deployment.started_at.millis(),
            deployment.completed_at.map(Timestamp::millis),
            deployment.error_message,
        ],
    )
}

/// The columns of a deployment.
pub(super) const DEPLOYMENT: &str = "id, machine, hostname, address, product, venue, image, installer, status,
    started_at, completed_at, error_message";

pub(super) fn read_deployment(row: &Record<'_>) -> Result<Deployment, BadRow> {
    Ok(Deployment {
        id: DeploymentId(row.number("id")?),
        machine: MachineId(row.number("machine")?),
        hostname: row.maybe("hostname", Hostname::parse)?,
        address: row.parsed("address", |text| text.parse().ok())?,
        product: row.maybe("product", ProductName::parse)?,
        venue: row.maybe("venue", VenueCode::parse)?,
        image: row.maybe_text("image")?,
        installer: row.maybe_text("installer")?,
        status: row.text("status")?.to_owned(),
        started_at: row.time("started_at")?,
        completed_at: row.maybe_time("completed_at")?,
        error_message: row.maybe_text("error_message")?,
    })
}

/// SQLite's integers are signed; our ids and counts never get that far.
pub(super) fn integer(number: u64) -> rusqlite::Result<i64> {
    i64::try_from(number).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// The bytes of hex digits in pairs.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<u32>>>()?;
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}
