use super::{Body, Head, HeadError, MAX_HEAD, MAX_TARGET, Method, Version, parse};

fn head(lines: &[&str]) -> Head {
    let text = format!("{}\r\n\r\n", lines.join("\r\n"));
    let (head, length) = parse(text.as_bytes()).expect("a valid head").expect("a whole head");
    assert_eq!(length, text.len());
    head
}

fn refused(lines: &[&str]) -> String {
    match parse(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()) {
        Err(HeadError::Malformed(refusal)) => {
            assert_eq!(refusal.kind(), "unparsable");
            refusal.to_string()
        }
        other => panic!("{lines:?}: {other:?}"),
    }
}

#[test]
fn a_head_keeps_what_we_act_on() {
    let head = head(&[
        "GET /images/a%20b.img?x=%41 HTTP/1.1",
        "Host: 192.0.2.1",
        "range:  bytes=0-1 ",
        "If-Range: \"tag\"",
        "If-None-Match: \"a\"",
        "If-None-Match: \"b\"",
        "If-Match: \"c\"",
        "If-Match: \"d\"",
        "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        "Unknown: \u{fc}",
    ]);
    assert_eq!(head.method, Method::Get);
    assert_eq!(head.version, Version::Http11);
    assert_eq!(head.target, "/images/a%20b.img?x=%41");
    assert_eq!(head.path, "/images/a b.img");
    assert_eq!(head.query.as_deref(), Some("x=%41"));
    assert_eq!(head.range.as_deref(), Some("bytes=0-1"));
    assert_eq!(head.if_range.as_deref(), Some("\"tag\""));
    assert_eq!(head.if_none_match.as_deref(), Some("\"a\", \"b\""));
    assert_eq!(head.if_match.as_deref(), Some("\"c\", \"d\""));
    assert_eq!(head.if_unmodified_since.as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(head.body, Body::Empty);
    assert!(head.keep_alive && !head.expects_continue);
}

#[test]
fn every_prefix_of_a_head_is_incomplete() {
    let whole = b"POST /api/config HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    for length in 0..whole.len() {
        assert_eq!(parse(&whole[..length]), Ok(None), "{length} bytes");
    }
    let (head, length) = parse(&[whole, &b"{}GET"[..]].concat()).expect("valid").expect("whole");
    assert_eq!((length, head.body, head.expects_continue), (whole.len(), Body::Sized(2), true));
}

#[test]
fn paths_are_decoded_once_and_slashes_stay() {
    let path = |target: &str| head(&[&format!("GET {target} HTTP/1.1"), "Host: a"]).path;
    assert_eq!(path("//images//x"), "//images//x");
    assert_eq!(path("/%2e%2e/%252e"), "/../%2e");
    assert_eq!(path("http://192.0.2.1:80/boot/a?b"), "/boot/a");
    assert_eq!(path("HTTP://192.0.2.1"), "/");
    assert_eq!(path("http://192.0.2.1?a/b"), "/");
    assert_eq!(path("*"), "*");
    assert!(refused(&["GET /a%0 HTTP/1.1", "Host: a"]).contains("two hex digits"));
    assert!(refused(&["GET /a%00b HTTP/1.1", "Host: a"]).contains("control character"));
    assert!(refused(&["GET /a%ff HTTP/1.1", "Host: a"]).contains("UTF-8"));
    assert!(refused(&["CONNECT 192.0.2.1:80 HTTP/1.1", "Host: a"]).contains("request target"));
}

#[test]
fn section_9_3_persistence_follows_version_and_connection() {
    let keeps = |version: &str, connection: &str| {
        head(&[&format!("GET / HTTP/{version}"), "Host: a", &format!("Connection: {connection}")]).keep_alive
    };
    assert!(keeps("1.1", "x"));
    assert!(!keeps("1.1", "x, Close"));
    assert!(!keeps("1.1", "close, keep-alive"));
    assert!(keeps("1.0", "Keep-Alive"));
    assert!(!keeps("1.0", "x"));
    let apart = head(&["GET / HTTP/1.1", "Host: a", "Connection: close", "Connection: keep-alive"]);
    assert!(!apart.keep_alive, "close wins on whichever line it stands");
    assert!(!head(&["GET / HTTP/1.0"]).keep_alive, "HTTP/1.0 needs no Host and closes");
}

#[test]
fn section_6_3_ambiguous_body_lengths_are_refused() {
    let post = |fields: &[&str]| refused(&[&["POST / HTTP/1.1", "Host: a"], fields].concat());
    assert!(post(&["Content-Length: 1", "Content-Length: 2"]).contains("Content-Length is there twice"));
    assert!(post(&["Content-Length: 1", "content-length: 1"]).contains("there twice"));
    assert!(post(&["Content-Length: 1, 1"]).contains("Content-Length"));
    assert!(post(&["Content-Length: +1"]).contains("Content-Length"));
    assert!(post(&["Content-Length:"]).contains("Content-Length"));
    assert!(post(&["Content-Length: 99999999999999999999"]).contains("too large"));
    assert!(post(&["Content-Length: 1", "Transfer-Encoding: chunked"]).contains("beside"));
    assert!(post(&["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]).contains("twice"));
    assert!(post(&["Transfer-Encoding: gzip, chunked"]).contains("Transfer-Encoding"));
    assert!(post(&["Transfer-Encoding: identity"]).contains("Transfer-Encoding"));
    assert!(refused(&["POST / HTTP/1.0", "Transfer-Encoding: chunked"]).contains("Transfer-Encoding"));
    let chunked = head(&["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: Chunked"]);
    assert_eq!(chunked.body, Body::Chunked);
    assert_eq!(head(&["POST / HTTP/1.1", "Host: a", "Content-Length: 0"]).body, Body::Empty);
}

#[test]
fn malformed_heads_name_what_is_wrong() {
    assert!(refused(&["GET / HTTP/1.1"]).contains("Host is missing"));
    assert!(refused(&["GET / HTTP/1.1", "Host: a", "Host: b"]).contains("Host is there twice"));
    assert!(refused(&["GET / HTTP/1.1", "Host: a", "Bad Name: b"]).contains("header name"));
    assert!(refused(&["GET / HTTP/1.1", "Host: a", " folded"]).contains("header"));
    assert!(refused(&["PRI * HTTP/2.0"]).contains("version"));
    // A TLS client on the plain port is told at once, not when its head times out.
    assert!(matches!(parse(b"\x16\x03\x01\x02\x00"), Err(HeadError::Malformed(_))));
}

#[test]
fn heads_past_the_limit_are_too_large() {
    let mut long = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
    long.resize(MAX_HEAD - 1, b'x');
    assert_eq!(parse(&long), Ok(None));
    long.push(b'x');
    assert_eq!(parse(&long), Err(HeadError::TooLarge));
    long.extend_from_slice(b"\r\n\r\n");
    assert_eq!(parse(&long), Err(HeadError::TooLarge), "too large even when it ends");
    let fields = "X: y\r\n".repeat(101);
    assert_eq!(parse(format!("GET / HTTP/1.1\r\n{fields}\r\n").as_bytes()), Err(HeadError::TooLarge));
}

#[test]
fn targets_past_the_limit_are_too_long_as_soon_as_that_shows() {
    let line = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length - 1));
    assert!(matches!(parse(line(MAX_TARGET).as_bytes()), Ok(Some(_))));
    assert_eq!(parse(line(MAX_TARGET + 1).as_bytes()), Err(HeadError::TargetTooLong));
    assert_eq!(parse(format!("GET /{}", "x".repeat(MAX_TARGET)).as_bytes()), Err(HeadError::TargetTooLong));
}

#[test]
fn a_method_that_brings_a_body_says_how_long_it_is() {
    for method in ["POST", "PUT", "PATCH"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(parse(request.as_bytes()), Err(HeadError::LengthRequired), "{method}");
    }
    assert_eq!(head(&["DELETE / HTTP/1.1", "Host: a"]).body, Body::Empty);
}
