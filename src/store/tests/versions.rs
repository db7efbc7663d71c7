//! Journals of earlier versions.

use super::*;

/// Rows as the first version wrote them.
const ROWS_OF_VERSION_1: &str = "
    INSERT INTO machine VALUES (1, 'dc:a6:00:00:00:01', '10000000abcdef01', NULL, 'raspberry-pi-5', 'writing', NULL, 5,
        'install', 1);
    INSERT INTO lease VALUES (1, '10.0.0.10', 'mac:dc:a6:00:00:00:01', 1, 'bound', 99);
    INSERT INTO deployment VALUES (1, 1, NULL, '10.0.0.10', 'KXP2', 'AB12', 'a.img', 'success', 1, 2, NULL);
    INSERT INTO deployment VALUES (2, 1, NULL, '10.0.0.10', 'KXP2', 'AB12', 'a.img', 'downloading', 3, NULL, NULL);
    INSERT INTO image VALUES ('a.img', 10, 'abababababababababababababababababababababababababababababababab', 1, 2);
";

#[test]
fn a_journal_of_an_earlier_version_keeps_its_rows() {
    for version in 1..schema::MIGRATIONS.len() {
        let journal = Journal::new();
        let mut connection = Connection::open(journal.path()).unwrap();
        schema::migrate(&mut connection, schema::MIGRATIONS[0], 1).unwrap();
        connection.execute_batch(ROWS_OF_VERSION_1).unwrap();
        for (step, to) in schema::MIGRATIONS.iter().zip(1..).take(version).skip(1) {
            schema::migrate(&mut connection, step, to).unwrap();
        }
        drop(connection);
        let mut store = journal.open();
        let tables = tables(&rows(&mut store));
        let machine = tables.machines.get(MachineId(1)).expect("it is kept");
        assert_eq!((machine.stage.word(), machine.hardware.as_deref()), ("writing", None));
        assert_eq!(tables.leases.iter().count(), 1);
        let open = &tables.open[&MachineId(1)];
        assert_eq!((open.id, open.status.as_str(), open.installer.as_deref()), (DeploymentId(2), "downloading", None));
        // Whether an image is compressed, nobody looked: it is measured again.
        assert!(tables.measured.is_empty());
        store.commit(&everything().0).expect("it is a journal of this version");
    }
}

#[test]
fn a_journal_takes_the_next_step_or_stays_as_it_is() {
    let journal = Journal::new();
    let (written, loaded) = everything();
    let mut store = journal.open();
    store.commit(&written).unwrap();
    let path = journal.path();
    let now = schema::version(&store.connection).unwrap();
    let with = |step: &'static str| [schema::MIGRATIONS, &[step]].concat();
    let broken = with("ALTER TABLE machine ADD COLUMN shelf TEXT; ALTER TABLE nonsense ADD COLUMN x");
    let error = migrate(&mut store.connection, &path, &broken, now).unwrap_err();
    assert!(matches!(error, StoreError::Migrate { version, .. } if version == now + 1), "{error}");
    assert_eq!(schema::version(&store.connection).unwrap(), now);
    let sound = with("ALTER TABLE machine ADD COLUMN shelf TEXT");
    migrate(&mut store.connection, &path, &sound, now).unwrap();
    assert_eq!(schema::version(&store.connection).unwrap(), now + 1);
    store.connection.execute("UPDATE machine SET shelf = 'top'", []).expect("the column is there");
    assert_eq!(rows(&mut store), loaded);
}
