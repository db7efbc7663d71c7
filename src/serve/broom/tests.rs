use super::*;
use crate::access::Actor;
use crate::fleet::Change;
use crate::fleet::audit::Entry;
use crate::store::{AuditFilter, Records};
use crate::time::Timestamp;

#[test]
fn a_pass_ends_and_the_next_one_comes_later() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hatchery.db");
    let mut store = Store::open(&path).expect("a journal");
    let now = clock::now().timestamp;
    let entry = |at| {
        let [operation, subject, details] = ["hold", "x", "held"].map(str::to_owned);
        Change::Audited(Entry { at, by: Actor::configuration(), operation, subject, details })
    };
    let changes: Vec<Change> = (0..500).map(|at| entry(Timestamp::from_millis(at))).chain([entry(now)]).collect();
    store.commit(&changes).expect("written");
    let day = Duration::from_secs(24 * 3600);
    let mut broom = Broom::new(Retention { audit: Some(day), ..Retention::default() });
    let mut steps = 0;
    while broom.wait(day) <= IDLE {
        broom.sweep(&mut store);
        steps += 1;
        assert!(steps < 100, "it ends");
    }
    assert!(steps > 1, "in more than one step");
    assert_eq!(Records::new(&path).audit(&AuditFilter::default(), 10, 0).expect("a page").total, 1);
    assert!(broom.wait(day) > PAUSE / 2, "{:?}", broom.wait(day));
}
