use tokio::sync::watch;

use super::*;
use crate::clock;

#[test]
fn what_keeps_it_from_being_ready_is_said() {
    clock::now();
    let directory = tempfile::tempdir().expect("a directory");
    let journal = directory.path().join("hatchery.db");
    std::fs::write(&journal, "").expect("a file");
    let (stopping, stopped) = watch::channel(false);
    let vitals = Vitals { meter: Meter::default(), beat: Beat::default(), journal, stopped, listening: Vec::new() };
    vitals.beat.turn();
    assert_eq!(problems(&vitals), Vec::<String>::new());
    vitals.meter.not_stored();
    assert_eq!(problems(&vitals), ["the journal could not be written the last time"]);
    vitals.meter.committed(&[], std::time::Duration::ZERO);
    stopping.send_replace(true);
    std::fs::remove_file(&vitals.journal).expect("it was there");
    assert_eq!(problems(&vitals), ["the server is stopping", "the journal is not writable"]);
}
