//! Numbers of names as people list them: `1-40,77`, one a line, or the first column of a table.

use std::collections::BTreeSet;
use std::fmt;

use crate::ids::{ProductName, VenueCode};

/// The most numbers one text may hold: every number is a name in memory and in the journal.
pub const MOST: usize = 10_000;

/// What a text lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The numbers, ascending, each once.
    pub numbers: Vec<u32>,
    /// How often a number came again.
    pub duplicates: usize,
    /// The numbers that came more than once, ascending.
    pub repeated: Vec<u32>,
    /// What is no number.
    pub invalid: Vec<Invalid>,
}

/// A text that is no number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The line it stands on, from 1.
    pub line: usize,
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: '{}' {}", self.line, self.text, self.why)
    }
}

/// The headings of a column that lists numbers; the first of these that is there counts.
const HEADINGS: [&str; 6] = ["number", "kart", "kart number", "kart_number", "identifier", "hostname"];

/// Reads a list: numbers, ranges and host names between commas, blanks and line ends. A text that is `table`, or whose
/// first line is a heading (it has no digit, or a cell of it says `number`), is read as one: the column of that heading
/// counts, else the first one, up to a comma, semicolon or tab. Of a host name of the pool of `place`, the number counts.
pub fn read(text: &str, table: bool, place: Option<(&ProductName, &VenueCode)>) -> Numbers {
    let text = text.trim_start_matches('\u{feff}');
    let first: Vec<&str> = text.lines().next().map(|line| columns(line).collect()).unwrap_or_default();
    let column = HEADINGS.iter().find_map(|heading| first.iter().position(|cell| cell.eq_ignore_ascii_case(heading)));
    let wordy = first.iter().any(|cell| !cell.is_empty()) && !first.iter().any(|cell| has_digit(cell));
    let heading = column.is_some() || wordy;
    let table = table || heading;
    let (mut seen, mut repeated) = (BTreeSet::new(), BTreeSet::new());
    let mut found = Numbers::default();
    for (line, row) in (1..).zip(text.lines()).skip(usize::from(heading)) {
        let fields: Vec<&str> = if table {
            columns(row).skip(column.unwrap_or(0)).take(1).collect()
        } else {
            columns(row).flat_map(str::split_whitespace).collect()
        };
        for field in fields.into_iter().filter(|field| !field.is_empty()) {
            let result = numbers_of(field, place).and_then(|(first, last)| match (first, last) {
                (0, _) => Err("numbers begin at 1"),
                _ if first > last => Err("the range is reversed"),
                // Those that come again count, too: what is read is bounded, not only what comes of it.
                _ if seen.len() + found.duplicates + (last - first) as usize >= MOST => {
                    Err("more than 10000 numbers at once")
                }
                _ => Ok(first..=last),
            });
            match result {
                Ok(numbers) => {
                    for number in numbers.filter(|number| !seen.insert(*number)) {
                        found.duplicates += 1;
                        repeated.insert(number);
                    }
                }
                Err(why) => found.invalid.push(Invalid { line, text: field.to_owned(), why }),
            }
        }
    }
    found.numbers = seen.into_iter().collect();
    found.repeated = repeated.into_iter().collect();
    found
}

fn columns(row: &str) -> impl Iterator<Item = &str> {
    row.split([',', ';', '\t']).map(|column| column.trim().trim_matches('"').trim())
}

fn numbers_of(field: &str, place: Option<(&ProductName, &VenueCode)>) -> Result<(u32, u32), &'static str> {
    if let Some(numbers) = range(field) {
        return Ok(numbers);
    }
    let none = "is no number and no range such as 1-40";
    let mut parts = field.rsplitn(3, '-');
    let (Some(number), Some(venue), Some(product), Some((of, at))) = (parts.next(), parts.next(), parts.next(), place)
    else {
        return Err(none);
    };
    // Whatever has three parts and ends in digits is a name; one of another pool is not to be taken for ours.
    let number = range(number).filter(|_| !product.is_empty() && has_letter(product)).ok_or(none)?;
    let ours = product.eq_ignore_ascii_case(of.as_str()) && venue.eq_ignore_ascii_case(at.as_str());
    if ours { Ok(number) } else { Err("is a name of another product or venue") }
}

fn has_letter(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphabetic())
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit())
}

/// A range of numbers, `FIRST-LAST`, or a single one; not put into order.
pub fn range(text: &str) -> Option<(u32, u32)> {
    // `parse` alone would take a sign.
    let read = |each: &str| each.trim().parse().ok().filter(|_| each.trim().bytes().all(|b| b.is_ascii_digit()));
    match text.split_once('-') {
        Some((first, last)) => Some((read(first)?, read(last)?)),
        None => read(text).map(|only| (only, only)),
    }
}

#[cfg(test)]
mod tests;
