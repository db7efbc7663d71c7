//! The system clock, set from the server: boards have none of their own, and reports and certificates need a date.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A smaller difference is left as it is.
const CLOSE_ENOUGH: Duration = Duration::from_secs(2);

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The time of an HTTP `Date` header (RFC 9110 §5.6.7, the form that servers must send): `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn parse_date(text: &str) -> Option<SystemTime> {
    let mut words = text.trim().strip_suffix(" GMT")?.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|each| *each == month)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 || words.next().is_some() {
        return None;
    }
    let secs = ((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(UNIX_EPOCH + Duration::from_secs(secs))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days_before(year: u64, month: u64, day: u64) -> u64 {
    // Years that begin in March end with the leap day.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_to_year = year * 365 + year / 4 - year / 100 + year / 400;
    let days_to_month = (153 * month + 2) / 5;
    // The days before 1970-03-01 less the 59 of that January and February.
    days_to_year + days_to_month + day - 1 - 719_468
}

/// A time in ISO 8601, to the second; nothing for one before this program was written: a board's clock that was never
/// set.
pub fn iso(time: SystemTime) -> Option<String> {
    const WRITTEN: u64 = 1_767_225_600;
    let secs = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    // Eras of 400 years begin with a March, see `days_before`.
    let days = secs / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, late) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + late;
    let (hour, minute, second) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
    (secs >= WRITTEN).then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// Sets the system clock, unless it is about right already; says whether it was set.
///
/// # Errors
/// Of clock_settime(2): only root may.
pub fn set(time: SystemTime) -> io::Result<bool> {
    let now = SystemTime::now();
    let difference = time.duration_since(now).or_else(|_| now.duration_since(time)).unwrap_or_default();
    if difference < CLOSE_ENOUGH {
        return Ok(false);
    }
    let since = time.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let spec = libc::timespec { tv_sec: since.as_secs() as libc::time_t, tv_nsec: 0 };
    // SAFETY: `spec` is a whole timespec and is only read during the call.
    let result = unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const spec) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(true) }
}

#[cfg(test)]
mod tests;
