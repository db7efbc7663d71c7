//! Dates of HTTP.

use super::*;

#[test]
fn dates_of_http_are_read() {
    for (text, secs) in [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
        ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
        ("Sat, 21 Nov 2026 03:26:45 GMT", 1_795_231_605),
        ("Thu, 31 Dec 2099 23:59:59 GMT", 4_102_444_799),
    ] {
        assert_eq!(parse_date(text), Some(UNIX_EPOCH + Duration::from_secs(secs)), "{text}");
    }
}

#[test]
fn what_is_no_date_is_none() {
    for text in [
        "",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Now 1994 08:49:37 GMT",
        "Sun, 06 Nov 1894 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 25:49:37 GMT",
    ] {
        assert_eq!(parse_date(text), None, "{text}");
    }
}

#[test]
fn times_are_written_as_they_are_read() {
    for (secs, text) in [
        (1_795_231_605, "2026-11-21T03:26:45Z"),
        (1_835_395_199, "2028-02-28T23:59:59Z"),
        (1_835_395_200, "2028-02-29T00:00:00Z"),
        (1_835_481_600, "2028-03-01T00:00:00Z"),
        (4_102_444_799, "2099-12-31T23:59:59Z"),
    ] {
        assert_eq!(iso(UNIX_EPOCH + Duration::from_secs(secs)).as_deref(), Some(text));
    }
    assert_eq!(iso(UNIX_EPOCH + Duration::from_secs(300)), None, "a clock that was never set");
}
