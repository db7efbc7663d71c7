//! Image files in the journal: what was measured, so that it need not be measured again, and whose images they are.

use rusqlite::{Connection, params};

use super::record::{BadRow, Record};
use super::rows::{integer, run};
use crate::catalog::{Edition, Image};
use crate::fleet::{Change, Measured};
use crate::ids::{Digest, ProductName};
use crate::image::{Compression, Content, Kind, Layout, ZeroRun};
use crate::time::Timestamp;

pub(super) fn write_measured(db: &Connection, measured: &Measured) -> rusqlite::Result<()> {
    let Measured { image, modified_nanos, inode } = measured;
    let Content { compression, size, digest, zero_runs, layout } = &image.content;
    run(
        db,
        "INSERT OR REPLACE INTO image (file, size, sha256, modified_nanos, inode, compression, raw_size, raw_sha256,
             zero_runs, kind, partitions, fat, linux, pi, trouble)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        params![
            image.file,
            integer(image.size)?,
            image.digest.to_string(),
            modified_nanos,
            // Some file systems number inodes in all 64 bits; SQLite's integers are signed.
            inode.cast_signed(),
            compression.word(),
            integer(*size)?,
            digest.to_string(),
            spelled(zero_runs),
            layout.kind.word(),
            layout.partitions,
            layout.fat,
            layout.linux,
            layout.pi,
            layout.trouble,
        ],
    )
}

pub(super) const READ_MEASURED: &str = "SELECT file, size, sha256, modified_nanos, inode, compression, raw_size,
    raw_sha256, zero_runs, kind, partitions, fat, linux, pi, trouble FROM image";

pub(super) fn read_measured(row: &Record<'_>) -> Result<Change, BadRow> {
    let layout = Layout {
        kind: row.parsed("kind", Kind::from_word)?,
        partitions: row.number("partitions")?,
        fat: row.number::<u8>("fat")? != 0,
        linux: row.number::<u8>("linux")? != 0,
        pi: row.number::<u8>("pi")? != 0,
        trouble: row.maybe_text("trouble")?,
    };
    let content = Content {
        compression: row.parsed("compression", Compression::from_word)?,
        size: row.number("raw_size")?,
        digest: row.parsed("raw_sha256", Digest::parse)?,
        zero_runs: row.parsed("zero_runs", zero_runs)?.into(),
        layout,
    };
    let (size, digest) = (row.number("size")?, row.parsed("sha256", Digest::parse)?);
    let image = Image { file: row.text("file")?.to_owned(), size, digest, content };
    let inode = row.number::<i64>("inode")?.cast_unsigned();
    Ok(Change::Measured(Measured { image, modified_nanos: row.number("modified_nanos")?, inode }))
}

/// `OFFSET+LENGTH` of each, with blanks between.
fn spelled(runs: &[ZeroRun]) -> String {
    let runs: Vec<String> = runs.iter().map(|run| format!("{}+{}", run.offset, run.length)).collect();
    runs.join(" ")
}

fn zero_runs(text: &str) -> Option<Vec<ZeroRun>> {
    let run = |text: &str| {
        let (offset, length) = text.split_once('+')?;
        Some(ZeroRun { offset: offset.parse().ok()?, length: length.parse().ok()? })
    };
    text.split_ascii_whitespace().map(run).collect()
}

pub(super) fn write_edition(db: &Connection, edition: &Edition) -> rusqlite::Result<()> {
    run(
        db,
        "INSERT INTO edition (product, file, version, added_at, active_since, description, deprecated_since, removed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (product, file) DO UPDATE SET version = excluded.version, added_at = excluded.added_at,
             active_since = excluded.active_since, description = excluded.description,
             deprecated_since = excluded.deprecated_since, removed_at = excluded.removed_at",
        params![
            edition.product.as_str(),
            edition.file,
            edition.version,
            edition.added_at.millis(),
            edition.active_since.map(Timestamp::millis),
            edition.description,
            edition.deprecated_since.map(Timestamp::millis),
            edition.removed_at.map(Timestamp::millis),
        ],
    )
}

/// What was measured goes with the last edition of the file.
pub(super) fn forget(db: &Connection, product: &ProductName, file: &str) -> rusqlite::Result<()> {
    run(db, "DELETE FROM edition WHERE product = ?1 AND file = ?2", params![product.as_str(), file])?;
    run(db, "DELETE FROM image WHERE file = ?1 AND NOT EXISTS (SELECT 1 FROM edition WHERE file = ?1)", [file])
}

pub(super) const READ_EDITION: &str =
    "SELECT file, product, version, description, added_at, active_since, deprecated_since, removed_at FROM edition";

pub(super) fn read_edition(row: &Record<'_>) -> Result<Change, BadRow> {
    Ok(Change::Edition(Edition {
        product: row.parsed("product", ProductName::parse)?,
        file: row.text("file")?.to_owned(),
        version: row.maybe_text("version")?,
        description: row.maybe_text("description")?,
        added_at: row.time("added_at")?,
        active_since: row.maybe_time("active_since")?,
        deprecated_since: row.maybe_time("deprecated_since")?,
        removed_at: row.maybe_time("removed_at")?,
    }))
}
