use serde_json::json;

use super::{Parameters, page};

fn parameters(query: &str) -> Parameters {
    let uri = format!("/api/v1/rows?{query}").parse().expect("an address");
    Parameters::read(&uri, &["limit", "offset", "q", "sort", "stage"]).expect("known parameters")
}

#[test]
fn a_page_says_how_many_rows_there_are_besides() {
    let rows = json!([
        { "id": 1, "name": "Anna", "stage": "done", "deep": { "name": "hidden" } },
        { "id": 2, "name": null, "stage": "failed", "deep": [] },
        { "id": 13, "name": "Hanna", "stage": "done", "deep": [] },
    ]);
    let ids = |query: &str| {
        let page = page(rows.clone(), &parameters(query), &[("stage", "stage")]).expect("a page");
        let ids: Vec<u64> =
            page["items"].as_array().expect("items").iter().map(|row| row["id"].as_u64().unwrap()).collect();
        (ids, page["total"].as_u64().expect("a total"))
    };
    assert_eq!(ids(""), (vec![1, 2, 13], 3));
    assert_eq!(ids("limit=1&offset=1"), (vec![2], 3));
    assert_eq!(ids("offset=9"), (vec![], 3));
    assert_eq!(ids("limit=0"), (vec![], 3));
    assert_eq!(ids("stage=DONE&limit=1"), (vec![1], 2));
    assert_eq!(ids("q=anna"), (vec![1, 13], 2));
    assert_eq!(ids("q=3"), (vec![13], 1));
    assert_eq!(ids("q=hidden"), (vec![], 0), "only what stands in the row itself");
    assert_eq!(ids("q=null"), (vec![], 0));
    assert_eq!(ids("sort=-id"), (vec![13, 2, 1], 3), "numbers by their value");
    assert_eq!(ids("sort=name").0, [1, 13, 2], "rows without a value come last");
    assert_eq!(ids("sort=-name").0, [13, 1, 2]);
    let rows = json!([{ "mac": "dc:a6:32:01:36:c2" }, { "mac": "dc:a6:32:01:36:c3" }]);
    for spelling in ["DC-A6-32-01-36-C2", "dca6320136c2", "dc:a6:32:01:36:c2", "36:c2"] {
        let page = page(rows.clone(), &parameters(&format!("q={spelling}")), &[]).expect("a page");
        assert_eq!(page["total"], 1, "{spelling}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let refused = |query: &str| page(json!([]), &parameters(query), &[]).unwrap_err().to_string();
    assert_eq!(refused("limit=all"), "limit is a number from 0 to 1000, not 'all'");
    assert_eq!(refused("limit=1001"), "limit is a number from 0 to 1000, not '1001'");
    assert!(refused("offset=-1").starts_with("offset is a number"));
    let uri = "/api/v1/rows?page=2".parse().expect("an address");
    let unknown = Parameters::read(&uri, &["limit", "offset"]).unwrap_err().to_string();
    assert_eq!(unknown, "There is no parameter 'page' here: limit, offset");
}
