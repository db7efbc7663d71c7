use super::{Beat, Pulse};

#[test]
fn a_core_that_stands_still_has_no_pulse() {
    let (beat, mut pulse) = (Beat::default(), Pulse::default());
    assert!(pulse.goes_on(beat.count()), "at the first look it may just have started");
    assert!(!pulse.goes_on(beat.count()));
    beat.turn();
    assert!(pulse.goes_on(beat.count()));
    assert!(!pulse.goes_on(beat.count()));
}
