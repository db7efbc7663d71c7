use super::{Choice, Persistence, Reply, Validators, choose, http_date};
use crate::wire::http::{Head, Method, parse};
use hyper::StatusCode;
use jiff::Timestamp;

/// 1994-11-06 08:49:37 UTC, the example of RFC 9110 §5.6.7.
const MODIFIED: i64 = 784_111_777;
const MODIFIED_TEXT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn head(method: &str, fields: &[&str]) -> Head {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let text = format!("{method} /images/a HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    parse(text.as_bytes()).expect("valid").expect("whole").0
}

fn file(method: &str, fields: &[&str]) -> Choice {
    choose(&head(method, fields), Some(&Validators::new("tag", MODIFIED)), 10)
}

#[test]
fn section_5_6_7_dates_have_the_preferred_form() {
    let time = Timestamp::from_second(MODIFIED).expect("a time");
    assert_eq!(http_date(time), MODIFIED_TEXT);
    assert_eq!(http_date(Timestamp::UNIX_EPOCH), "Thu, 01 Jan 1970 00:00:00 GMT");
}

#[test]
fn section_13_1_2_if_none_match() {
    for tags in ["\"tag\"", "W/\"tag\"", "*", "\"x\", \"tag\""] {
        assert_eq!(file("GET", &[&format!("If-None-Match: {tags}")]), Choice::NotModified, "{tags}");
    }
    for tags in ["\"x\"", "tag", "\"ta\", \"g\""] {
        assert_eq!(file("GET", &[&format!("If-None-Match: {tags}")]), Choice::Whole, "{tags}");
    }
    assert_eq!(file("HEAD", &["If-None-Match: *", "Range: bytes=0-1"]), Choice::NotModified);
}

#[test]
fn section_13_1_3_if_modified_since_counts_only_without_if_none_match() {
    let since = |date: &str| file("GET", &[&format!("If-Modified-Since: {date}")]);
    assert_eq!(since(MODIFIED_TEXT), Choice::NotModified);
    assert_eq!(since("Mon, 07 Nov 1994 08:49:37 GMT"), Choice::NotModified);
    assert_eq!(since("Sun, 06 Nov 1994 08:49:36 GMT"), Choice::Whole);
    assert_eq!(since("yesterday"), Choice::Whole);
    assert_eq!(file("GET", &["If-None-Match: \"x\"", &format!("If-Modified-Since: {MODIFIED_TEXT}")]), Choice::Whole);
}

#[test]
fn section_13_1_1_if_match_compares_strongly() {
    for tags in ["\"tag\"", "*", "\"x\", \"tag\""] {
        assert_eq!(file("GET", &[&format!("If-Match: {tags}")]), Choice::Whole, "{tags}");
    }
    for tags in ["\"x\"", "W/\"tag\"", "tag"] {
        assert_eq!(file("GET", &[&format!("If-Match: {tags}")]), Choice::PreconditionFailed, "{tags}");
    }
}

#[test]
fn section_13_1_4_if_unmodified_since_counts_only_without_if_match() {
    let since = |date: &str| file("GET", &[&format!("If-Unmodified-Since: {date}"), "Range: bytes=2-"]);
    assert_eq!(since(MODIFIED_TEXT), Choice::Part(2..10));
    assert_eq!(since("Sun, 06 Nov 1994 08:49:36 GMT"), Choice::PreconditionFailed);
    assert_eq!(since("yesterday"), Choice::Part(2..10));
    let long_ago = "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT";
    assert_eq!(file("GET", &["If-Match: \"tag\"", long_ago]), Choice::Whole);
}

#[test]
fn section_13_2_2_conditions_in_their_order() {
    let none_match = "If-None-Match: \"tag\"";
    assert_eq!(file("GET", &["If-Match: \"x\"", none_match, "Range: bytes=99-"]), Choice::PreconditionFailed);
    assert_eq!(file("GET", &["If-Match: \"tag\"", none_match, "Range: bytes=99-"]), Choice::NotModified);
    assert_eq!(file("GET", &["If-Match: \"tag\"", "Range: bytes=99-"]), Choice::Unsatisfiable);
    assert_eq!(file("HEAD", &["If-Match: \"x\""]), Choice::PreconditionFailed);
}

#[test]
fn section_13_1_5_if_range_guards_the_range() {
    let guarded = |condition: &str| file("GET", &["Range: bytes=2-", &format!("If-Range: {condition}")]);
    assert_eq!(guarded("\"tag\""), Choice::Part(2..10));
    assert_eq!(guarded(MODIFIED_TEXT), Choice::Part(2..10));
    assert_eq!(guarded("W/\"tag\""), Choice::Whole, "weak tags never match strongly");
    assert_eq!(guarded("\"old\""), Choice::Whole);
    assert_eq!(guarded("Sun, 06 Nov 1994 08:49:38 GMT"), Choice::Whole);
    assert_eq!(file("GET", &["Range: bytes=10-", "If-Range: \"old\""]), Choice::Whole);
    assert_eq!(file("GET", &["Range: bytes=10-", "If-Range: \"tag\""]), Choice::Unsatisfiable);
}

#[test]
fn section_14_2_only_get_has_ranges() {
    assert_eq!(file("GET", &["Range: bytes=0-0"]), Choice::Part(0..1));
    assert_eq!(file("HEAD", &["Range: bytes=0-0"]), Choice::Whole);
}

#[test]
fn a_rendered_answer_is_never_unchanged() {
    let text = |fields: &[&str]| choose(&head("GET", fields), None, 10);
    assert_eq!(text(&["If-None-Match: *"]), Choice::Whole);
    assert_eq!(text(&[&format!("If-Modified-Since: {MODIFIED_TEXT}")]), Choice::Whole);
    assert_eq!(text(&["Range: bytes=3-"]), Choice::Part(3..10));
    assert_eq!(text(&["Range: bytes=3-", "If-Range: \"tag\""]), Choice::Whole);
    assert_eq!(text(&["If-Match: *"]), Choice::Whole, "there is one");
    assert_eq!(text(&["If-Match: \"tag\""]), Choice::PreconditionFailed);
    assert_eq!(text(&["If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT"]), Choice::Whole, "it has no date");
}

#[test]
fn an_error_is_json_and_a_head_gets_no_body() {
    let reply = |method| {
        let reply = Reply::new(StatusCode::NOT_FOUND, Persistence::Close).error("say \"what\"", method);
        String::from_utf8(reply).expect("text")
    };
    let (head, body) = reply(None).split_once("\r\n\r\n").map(|(h, b)| (h.to_owned(), b.to_owned())).expect("a head");
    assert_eq!(body, "{\"error\":\"say \\\"what\\\"\"}\n");
    assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    assert!(head.contains("Connection: close"), "{head}");
    assert!(head.lines().all(|line| !line.trim_end().ends_with(':')), "no empty field value: {head}");
    assert!(reply(Some(&Method::Head)).ends_with("\r\n\r\n"));
}
