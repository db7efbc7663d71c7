use serde_json::json;

use super::*;

#[test]
fn a_line_of_csv_is_read_back_by_a_spreadsheet_and_runs_nothing() {
    let values = [
        json!("plain"),
        json!("a, b"),
        json!("say \"no\""),
        json!("=1+1"),
        json!("@x"),
        json!(-5),
        json!("two\nlines"),
    ];
    let fields = values.iter().map(inert);
    let expected = "plain,\"a, b\",\"say \"\"no\"\"\",'=1+1,'@x,-5,\"two\nlines\"\r\n";
    assert_eq!(line(fields), expected);
}

#[test]
fn bytes_and_times_read_as_one_would_say_them() {
    let shown = [0, 1023, 1024, 1 << 20, 5_000_000_000].map(bytes);
    assert_eq!(shown, ["0 B", "1023 B", "1 KiB", "1.0 MiB", "4.66 GiB"]);
    assert_eq!(utc("2026-11-27T01:05:09Z"), "2026-11-27 01:05:09 UTC");
    assert_eq!(utc("2026-11-27T01:05:09.123Z"), "2026-11-27 01:05:09 UTC");
    assert_eq!(utc(""), "");
}

#[test]
fn a_word_is_never_told_by_its_colour_alone() {
    for word in ["done", "failed", "hold", "writing"] {
        let (look, mark) = look(word);
        assert!(!look.is_empty() && !mark.is_empty(), "{word}");
    }
}
