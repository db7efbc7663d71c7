//! Byte ranges (RFC 9110 §14): which bytes of a representation a `Range` field asks for.
//!
//! Pure arithmetic; whether a range may be honoured at all (`If-Range`, the method) is the caller's question.

use std::ops::Range;

/// What a `Range` field selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// Everything: no range, one we do not understand, or several (a whole answer is a correct one, §14.2).
    Whole,
    /// These bytes, never empty.
    Part(Range<u64>),
    /// Nothing that exists: 416.
    Unsatisfiable,
}

/// Which of `size` bytes the value of a `Range` field selects.
pub fn select(field: &str, size: u64) -> Selected {
    let Some((unit, set)) = field.split_once('=') else { return Selected::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Selected::Whole;
    }
    let mut specs = set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty());
    let (Some(spec), None) = (specs.next(), specs.next()) else { return Selected::Whole };
    let Some((first, last)) = spec.split_once('-') else { return Selected::Whole };
    match (number(first), number(last)) {
        // -n: the last n bytes.
        (None, Some(count)) if first.is_empty() => match count {
            0 => Selected::Unsatisfiable,
            // An empty part has no Content-Range to say; the empty whole is the same bytes.
            _ if size == 0 => Selected::Whole,
            _ => Selected::Part(size.saturating_sub(count)..size),
        },
        (Some(first), None) if last.is_empty() => from(first, u64::MAX, size),
        (Some(first), Some(last)) if first <= last => from(first, last, size),
        _ => Selected::Whole,
    }
}

fn from(first: u64, last: u64, size: u64) -> Selected {
    if first < size { Selected::Part(first..last.saturating_add(1).min(size)) } else { Selected::Unsatisfiable }
}

/// A run of digits; one too long for 64 bits counts as the largest number.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
