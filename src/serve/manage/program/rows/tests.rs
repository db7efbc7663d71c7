use serde_json::{Value, json};

use super::super::Parameters;
use super::wanted;

fn ids(query: &str) -> Vec<u64> {
    let rows = json!([
        { "id": 1, "mac": "d8:3a:dd:01:02:03", "name": "KXP2-ARLT-010", "address": "10.0.0.10", "size": null },
        { "id": 2, "mac": "d8:3a:dd:0a:0b:0c", "name": "KXP2-ARLT-009", "address": "10.0.0.9", "size": 1200 },
        { "id": 3, "mac": null, "name": "RXP2-SPAA-D83ADD77", "address": "10.0.0.9", "size": 300 },
    ]);
    let uri = format!("/rows?{query}").parse().expect("an address");
    let given = Parameters::read(&uri, &["q", "sort", "at"]).expect("known parameters");
    let Value::Array(rows) = rows else { unreachable!("a list") };
    let found = wanted(rows, &given, &[("at", "address")]);
    found.iter().filter_map(|row| row["id"].as_u64()).collect()
}

#[test]
fn a_mac_is_found_in_any_spelling() {
    let spellings =
        ["d8:3a:dd:0a:0b:0c", "D8-3A-DD-0A-0B-0C", "d83a.dd0a.0b0c", "D83ADD0A0B0C", "0a:0b", "D8+3A+DD+0A"];
    for spelling in spellings {
        assert_eq!(ids(&format!("q={spelling}")), [2], "{spelling}");
    }
    assert_eq!(ids("q=d83add"), [1, 2, 3], "and where it stands in a name");
}

#[test]
fn every_word_has_to_be_somewhere() {
    assert_eq!(ids("q=arlt+kxp2"), [1, 2]);
    assert_eq!(ids("q=kxp2+0.9"), [2]);
    assert!(ids("q=kxp2+spaa").is_empty());
    assert_eq!(ids("q=+++"), [1, 2, 3]);
}

#[test]
fn rows_are_sorted_as_people_count_and_keep_their_order() {
    assert_eq!(ids("sort=address"), [2, 3, 1]);
    assert_eq!(ids("sort=-address"), [1, 2, 3]);
    assert_eq!(ids("sort=size"), [3, 2, 1], "numbers by value, what is not known last");
    assert_eq!(ids("sort=-size"), [2, 3, 1]);
    assert_eq!(ids("sort=name"), [2, 1, 3]);
    assert_eq!(ids("sort=-id&at=10.0.0.9"), [3, 2]);
}
