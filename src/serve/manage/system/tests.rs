use super::{disk, lasted};

#[test]
fn how_long_it_runs_and_how_full_its_disk_is() {
    let said = [5, 61, 3700, 90_000].map(lasted);
    assert_eq!(said, ["less than a minute", "1 min", "1 h 1 min", "1 day 1 h"]);
    let root = disk("Journal", "/".as_ref()).expect("there is one");
    assert!(root.percent <= 100 && !root.total.is_empty());
    assert!(disk("Journal", "/no/such/place".as_ref()).is_none());
}
