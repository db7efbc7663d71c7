//! Any bytes as an HTTP request head: a head is what it is whatever follows it, and its path and ranges are safe.

use hatchery::wire::http::range::{Selected, select};
use hatchery::wire::http::{Body, MAX_HEAD, MAX_TARGET, parse};

/// Whether the bytes begin with a whole head.
pub fn run(bytes: &[u8]) -> bool {
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
