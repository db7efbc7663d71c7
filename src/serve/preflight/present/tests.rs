use super::*;

#[test]
fn one_lost_answer_is_no_departure_and_two_are() {
    let present = Present::default();
    assert!(present.heard('a'));
    present.ask();
    assert_eq!(present.list(), ['a']);
    assert!(!present.heard('a'), "no news");
    present.ask();
    assert_eq!(present.list(), ['a'], "it answered in between");
    present.ask();
    assert!(present.list().is_empty());
    present.ask();
    assert!(present.heard('a'), "news again, after it was gone");
}

#[test]
fn strangers_cannot_fill_our_memory() {
    let present = Present::default();
    let news = (0..100).filter(|who| present.heard(*who)).count();
    assert_eq!((news, present.list().len()), (MAX, MAX));
    assert!(!present.heard(0) && !present.heard(99));
}
