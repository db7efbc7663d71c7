use askama::Template as _;
use serde_json::json;

use super::*;
use crate::machine::stage::Stage;

#[test]
fn names_are_counted_over_all_venues() {
    let count = |assigned, available| json!({ "assigned": assigned, "available": available, "retired": 1 });
    let venues =
        json!([{ "names": { "RXP2": count(1, 0), "KXP2": count(2, 4) } }, { "names": { "KXP2": count(3, 5) } }]);
    let stock: Vec<_> = stock(&venues).into_iter().map(|each| (each.product, each.assigned, each.available)).collect();
    assert_eq!(stock, [("KXP2".to_owned(), 5, 9), ("RXP2".to_owned(), 1, 0)]);
}

#[test]
fn each_bar_of_a_chart_says_what_it_is() {
    let mut tally = Tally::default();
    // 2026-09-21T13:46:40Z
    let now = Timestamp::from_millis(1_790_000_000_000);
    tally.ended(&Stage::Done, now);
    tally.ended(&Stage::Failed(String::new()), now);
    let html = ends(&tally, 24, 14, "day", now).render().expect("it renders");
    let day = &clock::iso(now)[..10];
    assert!(html.contains("1 done and 1 failed in 14 days"), "{html}");
    assert!(html.contains(&format!("{day}: 1 done, 1 failed")), "{html}");
}
