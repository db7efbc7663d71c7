//! Any bytes, and heads of known pieces, as an HTTP request head: a head is what it is whatever follows it, and its path and ranges are safe.

use hatchery::wire::http::range::{Selected, select};
use hatchery::wire::http::{Body, MAX_HEAD, MAX_TARGET, parse};

use crate::script::Script;

const METHODS: [&str; 9] = ["GET", "GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "get", "G@T"];
const PIECES: [&str; 20] = [
    "/",
    "boot/",
    "images/",
    "api/config",
    "kxp2_master.img",
    "boot.ipxe",
    "%41",
    "%2F",
    "//",
    "?mac=a",
    "&x=%20",
    ";v=1",
    "%2e%2e",
    "..",
    "%00",
    "%zz",
    "%ff",
    "#",
    "é",
    "\\",
];
const STARTS: [&str; 9] = ["/", "/", "/", "/", "http://192.168.151.1", "HTTP://a:5001/", "http://a?", "*", ""];
const VERSIONS: [&str; 7] = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.1 ", "HTTP/2.0", "HTTP/1.2"];
const FIELDS: [&str; 16] = [
    "Range",
    "If-Range",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "Connection",
    "Expect",
    "User-Agent",
    "Accept",
    "cONNECTION",
    "X-Odd",
    "Content-Length",
    "Transfer-Encoding",
    "Host",
    "Bad Name",
];
const VALUES: [&str; 26] = [
    "",
    "bytes=0-",
    "bytes=0-0",
    "bytes=-1",
    "bytes=5-4",
    "bytes=0-1,4-",
    "bytes=18446744073709551615-",
    "bytes=-0",
    "Bytes = 1-2",
    "*",
    "\"a\"",
    "W/\"a\"",
    "\"a\", \"b\"",
    "\"",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday",
    "keep-alive",
    "close",
    "upgrade, close",
    "100-continue",
    "0",
    "2",
    "+2",
    "chunked",
    "gzip, chunked",
    "192.168.151.1:5001",
];
const SPACES: [&str; 6] = [" ", " ", "", "\t", "  \t", " \r\n "];

/// Whether the bytes begin with a whole head.
pub fn run(bytes: &[u8]) -> bool {
    match Script::of(bytes) {
        Some(mut script) => check(&built(&mut script)),
        None => check(bytes),
    }
}

/// A head of known pieces, cut short at times, and what follows it.
fn built(script: &mut Script<'_>) -> Vec<u8> {
    let mut head = format!("{} {}", mostly(script, &METHODS, 7), mostly(script, &STARTS, 7));
    for _ in 0..script.below(6) {
        head += mostly(script, &PIECES, 11);
    }
    head += &format!(" {}\r\n", mostly(script, &VERSIONS, 4));
    if !script.rarely() {
        head += "Host: a\r\n";
    }
    for _ in 0..script.below(5) {
        let before = if script.rarely() { script.choice(&SPACES) } else { "" };
        let (field, value) = (mostly(script, &FIELDS, 12), script.choice(&VALUES));
        let (between, after) = (script.choice(&SPACES[..5]), script.choice(&SPACES[..5]));
        head += &format!("{field}{before}:{between}{value}{after}\r\n");
    }
    if script.below(4) == 1 || head.starts_with("POST") || head.starts_with("PUT") {
        head +=
            script.choice(&["Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 0\r\n", ""]);
    }
    let mut head = [head.as_bytes(), b"\r\n", script.slice(8)].concat();
    if script.rarely() {
        let at = usize::from(script.word()) % head.len();
        head.truncate(at);
    } else if script.rarely() {
        let at = usize::from(script.word()) % head.len();
        head[at] = script.byte();
    }
    head
}

/// One of the first `usual` of a list; rarely one of all, and what stands last makes most heads refused.
fn mostly(script: &mut Script<'_>, list: &[&'static str], usual: usize) -> &'static str {
    let list = if script.rarely() { list } else { &list[..usual] };
    script.choice(list)
}

fn check(bytes: &[u8]) -> bool {
    let Ok(Some((head, length))) = parse(bytes) else { return false };
    assert!(length <= bytes.len() && length <= MAX_HEAD && head.target.len() <= MAX_TARGET);
    // What comes after it says nothing about it, and without its end it is none.
    assert_eq!(parse(&bytes[..length]), Ok(Some((head.clone(), length))));
    assert!(!matches!(parse(&bytes[..length - 1]), Ok(Some(_))), "a head before its end");
    let longer = [&bytes[..length], b"GET / HTTP/1.1\r\n"].concat();
    assert_eq!(parse(&longer), Ok(Some((head.clone(), length))));

    assert!(head.path == "*" || head.path.starts_with('/') && !head.path.contains(char::is_control), "{}", head.path);
    assert!(head.body != Body::Sized(0));
    for size in [0, 1, 10, 30_000_000_000, u64::MAX] {
        if let Some(Selected::Part(part)) = head.range.as_deref().map(|range| select(range, size)) {
            assert!(part.start < part.end && part.end <= size, "{part:?} of {size}");
        }
    }
    true
}
