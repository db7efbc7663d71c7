use serde_json::json;

use super::{bar, step, took};

#[test]
fn a_step_says_how_much_how_often_and_how_long() {
    let file = json!({
        "kind": "file", "what": "images/a.img", "detail": "HTTP, complete", "at": "2026-11-21T09:30:00Z",
        "sent": 3_u64 << 30, "size": 1_u64 << 30, "times": 3, "lasted_ms": 61_000, "after_ms": 1500,
    });
    let shown = step(&file);
    assert_eq!(shown.detail, "HTTP, complete, 3.00 GiB, 3 times, in 1 min 1 s");
    assert_eq!((shown.after.as_str(), shown.look), ("+1.5 s", ""));
    let failed = step(&json!({ "kind": "stage", "what": "failed", "detail": "no card", "times": 1 }));
    assert_eq!((failed.look, failed.mark, failed.detail.as_str()), ("bad", "✗", "no card"));
}

#[test]
fn times_and_bars_are_for_people() {
    assert_eq!([0, 999, 59_999, 60_000, 7_260_000].map(took), ["0 ms", "999 ms", "59.9 s", "1 min 0 s", "2 h 1 min"]);
    let told = json!({ "stage": "writing", "bytes": 1 << 30, "total": 2_u64 << 30, "rate": 112_000_000 });
    assert_eq!(bar(&told), Some((50, "writing 50 % of 2.00 GiB, 112 MB/s".to_owned())));
    assert_eq!(bar(&json!(null)), None);
}
