use super::{Selected, select};

fn part(field: &str, size: u64) -> (u64, u64) {
    match select(field, size) {
        Selected::Part(range) => (range.start, range.end),
        other => panic!("{field} of {size}: {other:?}"),
    }
}

#[test]
fn section_14_1_2_every_form_of_one_range() {
    assert_eq!(part("bytes=0-0", 10), (0, 1));
    assert_eq!(part("bytes=2-5", 10), (2, 6));
    assert_eq!(part("bytes=2-", 10), (2, 10));
    assert_eq!(part("bytes=0-", 10), (0, 10));
    assert_eq!(part("bytes=-3", 10), (7, 10));
    assert_eq!(part("bytes=-30", 10), (0, 10), "a suffix longer than the file is the file");
    assert_eq!(part("bytes=9-99", 10), (9, 10), "the end is cut to the file");
    assert_eq!(part("bytes=9-99999999999999999999999999", 10), (9, 10));
    assert_eq!(part("Bytes= 1-2", 10), (1, 3), "units are case-insensitive");
    assert_eq!(part("bytes=1-2,", 10), (1, 3), "an empty list element counts for nothing");
}

#[test]
fn section_14_4_a_range_past_the_end_is_unsatisfiable() {
    for field in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999999-"] {
        assert_eq!(select(field, 10), Selected::Unsatisfiable, "{field}");
    }
    assert_eq!(select("bytes=0-", 0), Selected::Unsatisfiable);
}

#[test]
fn section_14_2_what_is_not_one_byte_range_is_ignored() {
    for field in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=-",
        "bytes=+1-2",
        "bytes=1-2x",
        "lines=1-2",
        "bytes=0-1,4-5",
        "bytes=--1",
        "bytes=1",
    ] {
        assert_eq!(select(field, 10), Selected::Whole, "{field}");
    }
    assert_eq!(select("bytes=-5", 0), Selected::Whole);
}
