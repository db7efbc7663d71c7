//! What single texts of the configuration mean: durations, ranges, names, paths; and which known word was meant.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::boot::file::RelativePath;

/// A duration of whole seconds: numbers with units, as in `90s`, `12h`, `2 days`, `1h 30m`. Units are `s`, `m`, `h`,
/// `d`, `w` and their English words.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut secs: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let after = after.trim_start();
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let unit_secs = match unit {
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 604_800,
            _ => return None,
        };
        secs = number.parse::<u64>().ok()?.checked_mul(unit_secs)?.checked_add(secs)?;
        rest = after.trim_start();
    }
    // Option 51 carries 32 bits, and all ones would mean for ever (RFC 2132 §9.2).
    (secs < u64::from(u32::MAX)).then(|| Duration::from_secs(secs))
}

/// The shortest way to write a duration, in one unit.
pub(super) fn shown_duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        _ if secs != 0 && secs.is_multiple_of(86_400) => format!("{} d", secs / 86_400),
        _ if secs != 0 && secs.is_multiple_of(3600) => format!("{} h", secs / 3600),
        _ if secs != 0 && secs.is_multiple_of(60) => format!("{} min", secs / 60),
        _ => format!("{secs} s"),
    }
}

/// A range of addresses, `FIRST-LAST`, or a single one; not put into order.
pub(super) fn address_range(text: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let read = |each: &str| each.trim().parse().ok();
    match text.split_once('-') {
        Some((first, last)) => Some((read(first)?, read(last)?)),
        None => read(text).map(|only| (only, only)),
    }
}

/// A name for lists, logs and templates: 1–64 of letters, digits, `.`, `_`, `-`.
pub(super) fn name(text: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    ((1..=64).contains(&text.len()) && text.bytes().all(plain)).then(|| text.to_owned())
}

/// A network interface: 1–15 bytes without `/` and blanks (Linux `dev_valid_name`).
pub(super) fn interface(text: &str) -> Option<String> {
    let fits = (1..=15).contains(&text.len()) && !matches!(text, "." | "..");
    let plain = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
    (fits && text.chars().all(plain)).then(|| text.to_owned())
}

/// A domain name: labels of letters, digits and inner hyphens (RFC 1123 §2.1), at most 253 bytes.
pub(super) fn domain(text: &str) -> Option<String> {
    let label = |label: &str| crate::ids::Hostname::parse(label).is_some();
    (text.len() <= 253 && text.split('.').all(label)).then(|| text.to_owned())
}

/// Pairs of hex digits; blanks, `:` and `-` between them are for the eye.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !matches!(c, ' ' | ':' | '-'))
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Bytes as people name them: `0x` and hex digits, or the text itself.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let bytes = match text.strip_prefix("0x") {
        Some(digits) => hex(digits)?,
        None => text.as_bytes().to_vec(),
    };
    (1..=255).contains(&bytes.len()).then_some(bytes)
}

/// A path below a served directory, written the way it is looked up.
pub(super) fn relative_path(text: &str) -> Option<String> {
    RelativePath::clean(text).ok().filter(|path| path.as_str() == text).map(|path| path.to_string())
}

/// `did you mean "x"?` where a known word is near, else the list of known words.
pub(super) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    let distance = |each: &str| strsim::damerau_levenshtein(&word.to_lowercase(), &each.to_lowercase());
    match known.iter().map(|each| (distance(each), *each)).min() {
        // One slip, or one in three letters of a long word.
        Some((slips, each)) if slips <= (word.chars().count() / 3).max(1) => format!("did you mean {each:?}?"),
        Some(_) => format!("known here: {}", known.join(", ")),
        None => "nothing is known here".to_owned(),
    }
}
