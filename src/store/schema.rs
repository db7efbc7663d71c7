//! The journal's tables, and how a journal of an earlier version becomes one of this version.
//!
//! Owns every `CREATE` and `ALTER`. The invariant: a step of [`MIGRATIONS`] that was ever released is never edited;
//! `user_version` says how many of them a journal has behind it.

use rusqlite::{Connection, TransactionBehavior};

/// "hatc" in ASCII: what `file(1)` and we know a journal by.
pub const APPLICATION_ID: i32 = 0x6861_7463;

/// The steps from an empty file to this version, in order.
pub const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3, VERSION_4];

/// Times are milliseconds since the Unix epoch, UTC. Addresses, serials and digests are text as people write them, so
/// that `sqlite3 hatchery.db` is readable.
///
/// A lease names its client as `mac:dc:a6:32:01:36:c2` or `id:` and the bytes of option 61 in hex. Writing a lease
/// moves its row to the end: `written` is the order in which leases must be loaded again.
///
/// Words of closed sets that may grow (stage, firmware, next_boot) are checked when they are read, not here: a CHECK
/// cannot be changed without copying the table.
const VERSION_1: &str = "
    CREATE TABLE machine (
        id INTEGER PRIMARY KEY,
        mac TEXT UNIQUE,
        serial TEXT,
        uuid TEXT,
        firmware TEXT NOT NULL,
        stage TEXT NOT NULL,
        cause TEXT CHECK ((stage = 'failed') = (cause IS NOT NULL)),
        stage_since INTEGER NOT NULL,
        next_boot TEXT NOT NULL,
        first_seen INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE stage_entry (
        id INTEGER PRIMARY KEY,
        machine INTEGER NOT NULL REFERENCES machine (id),
        stage TEXT NOT NULL,
        cause TEXT CHECK ((stage = 'failed') = (cause IS NOT NULL)),
        at INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE lease (
        written INTEGER PRIMARY KEY,
        address TEXT NOT NULL UNIQUE,
        client TEXT NOT NULL CHECK (client LIKE 'mac:%' OR client LIKE 'id:%'),
        machine INTEGER REFERENCES machine (id),
        state TEXT NOT NULL CHECK (state IN ('bound', 'declined', 'released')),
        expires INTEGER NOT NULL,
        CHECK (state <> 'bound' OR machine IS NOT NULL)
    ) STRICT;

    CREATE TABLE venue (
        code TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        location TEXT,
        contact_email TEXT
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE batch (
        id INTEGER PRIMARY KEY,
        product TEXT NOT NULL,
        venue TEXT NOT NULL,
        total INTEGER NOT NULL,
        remaining INTEGER NOT NULL CHECK (remaining BETWEEN 0 AND total),
        priority INTEGER NOT NULL,
        state TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        started_at INTEGER,
        completed_at INTEGER
    ) STRICT;

    CREATE TABLE name (
        hostname TEXT PRIMARY KEY,
        product TEXT,
        venue TEXT,
        number INTEGER,
        state TEXT NOT NULL CHECK (state IN ('available', 'assigned', 'retired')),
        machine INTEGER REFERENCES machine (id) CHECK ((state = 'assigned') = (machine IS NOT NULL)),
        batch INTEGER REFERENCES batch (id)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX one_name_per_machine ON name (machine) WHERE machine IS NOT NULL;

    CREATE TABLE deployment (
        id INTEGER PRIMARY KEY,
        machine INTEGER NOT NULL REFERENCES machine (id),
        hostname TEXT,
        address TEXT NOT NULL,
        product TEXT,
        venue TEXT,
        image TEXT,
        status TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        completed_at INTEGER,
        error_message TEXT
    ) STRICT;
    CREATE UNIQUE INDEX one_open_deployment_per_machine ON deployment (machine) WHERE completed_at IS NULL;

    CREATE TABLE image (
        file TEXT PRIMARY KEY,
        size INTEGER NOT NULL CHECK (size >= 0),
        sha256 TEXT NOT NULL,
        modified_nanos INTEGER NOT NULL,
        inode INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Machines can be forgotten, and images have editions.
///
/// What was deployed stays on record when its machine is forgotten, so that column is no reference any more. The
/// edition that a product's machines get is the one with `active_since`.
const VERSION_2: &str = "
    CREATE TABLE forgotten (machine INTEGER PRIMARY KEY) STRICT;

    CREATE TABLE deployment_2 (
        id INTEGER PRIMARY KEY,
        machine INTEGER NOT NULL,
        hostname TEXT,
        address TEXT NOT NULL,
        product TEXT,
        venue TEXT,
        image TEXT,
        status TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        completed_at INTEGER,
        error_message TEXT
    ) STRICT;
    INSERT INTO deployment_2 SELECT id, machine, hostname, address, product, venue, image, status, started_at,
        completed_at, error_message FROM deployment;
    DROP TABLE deployment;
    ALTER TABLE deployment_2 RENAME TO deployment;
    CREATE UNIQUE INDEX one_open_deployment_per_machine ON deployment (machine) WHERE completed_at IS NULL;

    CREATE TABLE edition (
        product TEXT NOT NULL,
        file TEXT NOT NULL,
        version TEXT,
        added_at INTEGER NOT NULL,
        active_since INTEGER,
        PRIMARY KEY (product, file)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX one_active_edition_per_product ON edition (product) WHERE active_since IS NOT NULL;
";

/// Images have a content, installers say what they found and write logs.
///
/// Of the images nothing is taken over: whether one is compressed, nobody looked. They are measured again.
///
/// `zero_runs` is `OFFSET+LENGTH` of each, in bytes, with blanks between; `hardware` is JSON.
const VERSION_3: &str = "
    DROP TABLE image;
    CREATE TABLE image (
        file TEXT PRIMARY KEY,
        size INTEGER NOT NULL CHECK (size >= 0),
        sha256 TEXT NOT NULL,
        modified_nanos INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        compression TEXT NOT NULL,
        raw_size INTEGER NOT NULL CHECK (raw_size >= 0),
        raw_sha256 TEXT NOT NULL,
        zero_runs TEXT NOT NULL,
        kind TEXT NOT NULL,
        partitions INTEGER NOT NULL,
        fat INTEGER NOT NULL,
        linux INTEGER NOT NULL,
        pi INTEGER NOT NULL,
        trouble TEXT
    ) STRICT, WITHOUT ROWID;

    ALTER TABLE machine ADD COLUMN hardware TEXT;
    ALTER TABLE deployment ADD COLUMN installer TEXT;
    CREATE INDEX deployment_of_machine ON deployment (machine, id);

    CREATE TABLE log (
        id INTEGER PRIMARY KEY,
        deployment INTEGER NOT NULL REFERENCES deployment (id),
        at INTEGER NOT NULL,
        level TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX log_of_deployment ON log (deployment, id);
";

/// Installers say under which order they run; what operators change is written down.
const VERSION_4: &str = "
    CREATE INDEX stages_of_machine ON stage_entry (machine, id);

    CREATE TABLE audit (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        by TEXT NOT NULL,
        operation TEXT NOT NULL,
        subject TEXT NOT NULL,
        details TEXT NOT NULL
    ) STRICT;

    ALTER TABLE machine ADD COLUMN reinstalls INTEGER NOT NULL DEFAULT 0 CHECK (reinstalls >= 0);

    ALTER TABLE edition ADD COLUMN description TEXT;
    ALTER TABLE edition ADD COLUMN deprecated_since INTEGER;
    ALTER TABLE edition ADD COLUMN removed_at INTEGER CHECK (removed_at IS NULL OR active_since IS NULL);

    CREATE INDEX deployments_by_start ON deployment (started_at);
    CREATE INDEX stages_by_time ON stage_entry (machine, at, id, stage);
";

/// How many steps a journal has behind it.
pub fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Whether the file is a journal, or empty and may become one.
pub fn is_ours(db: &Connection) -> rusqlite::Result<bool> {
    let id: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(id == APPLICATION_ID || (id == 0 && tables == 0))
}

/// Takes a journal to `version` by the step that leads there, in a transaction of its own.
///
/// # Errors
/// What SQLite says; the journal is as it was before the step.
pub fn migrate(db: &mut Connection, step: &str, version: i64) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(step)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}
