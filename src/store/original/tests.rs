//! Rows that make no sense, and files that are something else.

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

fn database(directory: &TempDir, sql: &str) -> PathBuf {
    let path = directory.path().join("deployment.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    path
}

#[test]
fn a_row_that_makes_no_sense_is_named_and_the_others_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = database(
        &directory,
        "CREATE TABLE venues (id INTEGER PRIMARY KEY, code TEXT, name TEXT, location TEXT, contact_email TEXT);
         INSERT INTO venues VALUES (1, 'SPAA', 'Spa', '', NULL), (2, 'SPA', 'Spa', NULL, NULL),
             (3, NULL, 'Nowhere', NULL, NULL), (4, 'MONZ', x'ff00', NULL, NULL), (5, 'monz', CAST(x'ff' AS TEXT), 1, 2);
         CREATE TABLE deployment_history (id INTEGER PRIMARY KEY, hostname, mac_address, deployment_status, started_at,
             completed_at, shelf);
         INSERT INTO deployment_history VALUES
             (7, 'unknown', 'DC-A6-32-00-00-01', 'success', '2026-01-02 03:04:05', '2026-01-02T03:05:05.25', 9),
             (8, NULL, 'dc:a6', 'success', NULL, NULL, 9), (9, NULL, NULL, 'failed', 'yesterday', NULL, 9),
             (10, 'a b', NULL, 'failed', NULL, NULL, 9), (11, NULL, NULL, NULL, NULL, NULL, 9);",
    );
    let mut report = Report::default();
    let original = read(&path, &mut report, |_, _| {}).unwrap();
    let remarks: Vec<String> = report
        .remarks
        .iter()
        .map(|each| format!("{} {} {}: {}", each.table, each.row, each.field, each.reason))
        .collect();
    assert_eq!(
        remarks,
        [
            "venues 2 code: 'SPA' is not a venue code (four letters or digits)",
            "venues 3 code: it is empty",
            "venues 4 name: it is a blob of 2 bytes",
            "venues 5 name: it is not UTF-8",
            "deployment_history 8 mac_address: 'dc:a6' is not a MAC address",
            "deployment_history 9 started_at: 'yesterday' is not a time such as 2026-11-21 09:30:00",
            "deployment_history 10 hostname: 'a b' is no host name",
            "deployment_history 11 deployment_status: it is empty",
        ]
    );
    assert_eq!(report.counts[table::VENUES].refused, 4);
    let (code, name) = (VenueCode::parse("SPAA").unwrap(), "Spa".to_owned());
    assert_eq!(original.venues, [(1, Venue { code, name, location: None, contact_email: None, created_at: None })]);
    let [(7, run)] = &original.runs[..] else { panic!("{:?}", original.runs) };
    assert_eq!((run.hostname.as_ref(), run.mac), (None, Mac::parse("dc:a6:32:00:00:01")));
    assert_eq!(run.started_at, clock::parse_iso("2026-01-02T03:04:05Z"));
    assert_eq!(run.completed_at, clock::parse_iso("2026-01-02T03:05:05.25Z"));
}

#[test]
fn another_file_is_refused_and_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = database(&directory, "CREATE TABLE recipe (text)");
    let before = std::fs::read(&path).unwrap();
    let refused = |path: &Path| read(path, &mut Report::default(), |_, _| {}).unwrap_err();
    assert!(matches!(refused(&path), OriginalError::Foreign { .. }));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let text = directory.path().join("list.txt");
    std::fs::write(&text, "This is a shopping list, not a database.".repeat(20)).unwrap();
    assert!(matches!(refused(&text), OriginalError::Open { .. }));
    let nowhere = directory.path().join("nowhere.db");
    assert!(matches!(refused(&nowhere), OriginalError::Missing { .. }));
    assert!(!nowhere.exists());
}

#[test]
fn it_is_read_while_the_old_system_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deployment.db");
    let writer = Connection::open(&path).unwrap();
    writer.pragma_update(None, "journal_mode", "WAL").unwrap();
    writer
        .execute_batch(
            "CREATE TABLE venues (code TEXT, name TEXT); INSERT INTO venues VALUES ('SPAA', 'Spa');
             BEGIN IMMEDIATE; INSERT INTO venues VALUES ('MONZ', 'Monza');",
        )
        .unwrap();
    let original = read(&path, &mut Report::default(), |_, _| {}).unwrap();
    assert_eq!(original.venues.len(), 1, "what is not committed is not there");
}
