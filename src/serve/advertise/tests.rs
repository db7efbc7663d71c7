//! When router solicitations are left unanswered.

use super::*;

fn at(millis: u64) -> Instant {
    Instant::default() + Duration::from_millis(millis)
}

#[test]
fn a_router_is_left_to_speak_for_itself_until_it_is_gone() {
    let mut restraint = Restraint::default();
    restraint.heard_router(false, at(0));
    assert!(restraint.allows(at(1)), "an empty advertisement makes no router");
    restraint.heard_router(true, at(2));
    assert!(!restraint.allows(at(3)));
    assert!(!restraint.allows(at(1_800_000)));
    assert!(restraint.allows(at(1_800_002)));
}

#[test]
fn a_flood_gets_so_many_answers_a_second() {
    let mut restraint = Restraint::default();
    let answered = |restraint: &mut Restraint, millis| (0..1000).filter(|_| restraint.allows(at(millis))).count();
    assert_eq!(answered(&mut restraint, 5000), 100);
    assert_eq!(answered(&mut restraint, 5999), 0);
    assert_eq!(answered(&mut restraint, 6000), 100);
}
