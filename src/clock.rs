//! The only reader of clocks.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use crate::time::{Instant, Now, Timestamp};

static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// Both clocks, now. The monotonic one counts from the first call.
pub fn now() -> Now {
    Now { instant: Instant::from_start(START.elapsed()), timestamp: timestamp() }
}

/// The wall clock, now.
fn timestamp() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// A timestamp as ISO 8601 with seconds in UTC, such as `2026-11-21T09:30:00Z`.
pub fn iso(timestamp: Timestamp) -> String {
    let whole_second = timestamp.millis().div_euclid(1000);
    jiff::Timestamp::from_second(whole_second).map_or_else(|_| timestamp.millis().to_string(), |time| time.to_string())
}

/// Year, month and day of a timestamp, in UTC.
pub fn date(timestamp: Timestamp) -> (i32, u8, u8) {
    let iso = iso(timestamp);
    let mut parts = iso.split(['-', 'T']).map(|part| part.parse::<u16>().unwrap_or(1));
    let mut next = || parts.next().unwrap_or(1);
    (i32::from(next()), u8::try_from(next()).unwrap_or(1), u8::try_from(next()).unwrap_or(1))
}

/// The time that an ISO 8601 text with its offset from UTC says, such as `2026-11-21T09:30:00.5Z`.
pub fn parse_iso(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

/// The time of a text such as `2026-11-21 09:30:00`, in UTC unless it says otherwise.
pub fn parse_utc(text: &str) -> Option<Timestamp> {
    parse_iso(text).or_else(|| parse_iso(&format!("{text}Z")))
}
