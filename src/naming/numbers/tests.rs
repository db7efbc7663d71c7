//! What people write, and what it lists.

use super::*;

fn numbers(text: &str) -> Vec<u32> {
    let found = read(text, false);
    assert_eq!((found.duplicates, found.invalid), (0, Vec::new()), "{text:?}");
    found.numbers
}

#[test]
fn lists_ranges_and_lines() {
    assert_eq!(numbers("1-3,77"), [1, 2, 3, 77]);
    assert_eq!(numbers("007\n3\n\n 12 \r\n"), [3, 7, 12]);
    assert_eq!(numbers("4 2;9"), [2, 4, 9]);
    assert_eq!(numbers("\u{feff}5"), [5]);
    assert!(numbers("").is_empty());
}

#[test]
fn tables_count_by_their_first_column() {
    assert_eq!(numbers("number,colour\n1,red\n\"2\";7\n3\t2024\n"), [1, 2, 3]);
    assert_eq!(read("1,2024\n2,2024", true).numbers, [1, 2]);
}

#[test]
fn what_comes_again_is_counted() {
    let found = read("1-5,3,5-6\n1", false);
    assert_eq!((found.numbers, found.duplicates), (vec![1, 2, 3, 4, 5, 6], 3));
}

#[test]
fn what_is_no_number_is_named_with_its_line() {
    let found = read("1\nkart 2\n0\n9-7,-4,+5,4294967296\n1-10001", false);
    let invalid: Vec<(usize, &str)> = found.invalid.iter().map(|each| (each.line, each.text.as_str())).collect();
    let lines = [(2, "kart"), (3, "0"), (4, "9-7"), (4, "-4"), (4, "+5"), (4, "4294967296"), (5, "1-10001")];
    assert_eq!(invalid, lines);
    assert_eq!(found.numbers, [1, 2]);
}
