//! What people write, and what it lists.

use super::*;

fn numbers(text: &str) -> Vec<u32> {
    let found = read(text, false, None);
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
    assert_eq!(read("1,2024\n2,2024", true, None).numbers, [1, 2]);
}

#[test]
fn what_comes_again_is_counted() {
    let found = read("1-5,3,5-6\n1", false, None);
    assert_eq!((found.numbers, found.duplicates), (vec![1, 2, 3, 4, 5, 6], 3));
    assert_eq!(found.repeated, [1, 3, 5]);
}

#[test]
fn what_is_no_number_is_named_with_its_line() {
    let found = read("1\nkart 2\n0\n9-7,-4,+5,4294967296\n1-10001", false, None);
    let invalid: Vec<(usize, &str)> = found.invalid.iter().map(|each| (each.line, each.text.as_str())).collect();
    let lines = [(2, "kart"), (3, "0"), (4, "9-7"), (4, "-4"), (4, "+5"), (4, "4294967296"), (5, "1-10001")];
    assert_eq!(invalid, lines);
    assert_eq!(found.numbers, [1, 2]);
}

#[test]
fn the_column_of_numbers_is_found_by_its_heading() {
    assert_eq!(numbers("colour,Number\nred 5,1\nblue 6,2\n"), [1, 2]);
    assert_eq!(numbers("kart 2026;number\nx;7\n"), [7]);
}

#[test]
fn of_a_host_name_the_number_counts() {
    let product = ProductName::parse("KXP2").expect("a product");
    let venue = VenueCode::parse("SPAA").expect("a venue");
    let found = read("KXP2-SPAA-007\nkxp2-spaa-012, 9\nKXP2-ARLT-003\nRXP2-SPAA-004", false, Some((&product, &venue)));
    assert_eq!(found.numbers, [7, 9, 12]);
    let refused: Vec<String> = found.invalid.iter().map(ToString::to_string).collect();
    let why = "is a name of another product or venue";
    assert_eq!(refused, [format!("line 3: 'KXP2-ARLT-003' {why}"), format!("line 4: 'RXP2-SPAA-004' {why}")]);
    let reserved = read("KXP2-SPAA-007", false, None);
    assert_eq!(reserved.invalid.len(), 1, "no pool is known whose name it could be");
}
