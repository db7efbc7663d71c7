//! Numbers of names as people list them: `1-40,77`, one a line, or the first column of a table.

use std::collections::BTreeSet;

/// The most numbers one text may hold: every number is a name in memory and in the journal.
pub const MOST: usize = 10_000;

/// What a text lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The numbers, ascending, each once.
    pub numbers: Vec<u32>,
    /// How often a number came again.
    pub duplicates: usize,
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

/// Reads a list: numbers and ranges between commas, blanks and line ends. A text that is `table`, or whose first line
/// is a heading (it has no digit), is read as one: the first column counts, up to a comma, semicolon or tab.
pub fn read(text: &str, table: bool) -> Numbers {
    let text = text.trim_start_matches('\u{feff}');
    let heading = text.lines().next().is_some_and(|line| !line.trim().is_empty() && !has_digit(line));
    let table = table || heading;
    let mut seen = BTreeSet::new();
    let mut found = Numbers::default();
    for (line, row) in (1..).zip(text.lines()).skip(usize::from(heading)) {
        let columns = row.split([',', ';', '\t']).map(|column| column.trim().trim_matches('"').trim());
        let fields: Vec<&str> =
            if table { columns.take(1).collect() } else { columns.flat_map(str::split_whitespace).collect() };
        for field in fields.into_iter().filter(|field| !field.is_empty()) {
            let result =
                range(field).ok_or("is no number and no range such as 1-40").and_then(|(first, last)| {
                    match (first, last) {
                        (0, _) => Err("numbers begin at 1"),
                        _ if first > last => Err("the range is reversed"),
                        _ if seen.len() + (last - first) as usize >= MOST => Err("more than 10000 numbers at once"),
                        _ => Ok(first..=last),
                    }
                });
            match result {
                Ok(numbers) => found.duplicates += numbers.filter(|number| !seen.insert(*number)).count(),
                Err(why) => found.invalid.push(Invalid { line, text: field.to_owned(), why }),
            }
        }
    }
    found.numbers = seen.into_iter().collect();
    found
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
