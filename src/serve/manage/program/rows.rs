//! Which rows of a list are wanted, and in which order: one code for the API and the pages.
//!
//! Owns what `q`, the filters and `sort` mean. Rows are JSON objects; only what stands directly in one counts.

use std::cmp::Ordering;

use serde_json::Value;

use super::Parameters;
use crate::net::Mac;

/// The rows that are wanted, in the order that is wanted. Each filter is a parameter and the key of a row whose text it
/// has to equal, whatever the case; `q` is anywhere in a row, as a whole or each of its words, a MAC in any spelling;
/// `sort` is the key of a row, with a hyphen before it from the last on.
pub fn wanted(rows: Vec<Value>, parameters: &Parameters, filters: &[(&str, &str)]) -> Vec<Value> {
    let needle = parameters.get("q").map(Needle::new);
    let fits = |row: &Value| {
        let equal = |(name, key): &(&str, &str)| {
            parameters.get(name).is_none_or(|wanted| text(&row[*key]).eq_ignore_ascii_case(wanted))
        };
        filters.iter().all(equal) && needle.as_ref().is_none_or(|needle| needle.is_in(row))
    };
    let mut fitting: Vec<Value> = rows.into_iter().filter(fits).collect();
    if let Some(sort) = parameters.get("sort") {
        let (key, descending) = sort.strip_prefix('-').map_or((sort, false), |key| (key, true));
        // What is not known stays at the end either way; equal rows keep their order.
        fitting.sort_by(|one, other| match (&one[key], &other[key]) {
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Null, _) => Ordering::Greater,
            (_, Value::Null) => Ordering::Less,
            (one, other) if descending => order(other, one),
            (one, other) => order(one, other),
        });
    }
    fitting
}

/// What somebody looks for, in the forms in which it is compared.
struct Needle {
    whole: String,
    words: Vec<(String, Option<String>)>,
    digits: Option<String>,
}

impl Needle {
    fn new(typed: &str) -> Needle {
        let whole = typed.trim().to_lowercase();
        let words = whole.split_whitespace().map(|word| (word.to_owned(), hex_digits(word))).collect();
        let digits = hex_digits(&whole.split_whitespace().collect::<String>());
        Needle { whole, words, digits }
    }

    /// All of it as it was typed, or each of its words.
    fn is_in(&self, row: &Value) -> bool {
        let Some(row) = row.as_object() else { return false };
        let leaf = |value: &&Value| !value.is_null() && !value.is_object() && !value.is_array();
        let cells: Vec<String> = row.values().filter(leaf).map(|value| text(value).to_lowercase()).collect();
        let has = |text: &str, digits: Option<&String>| {
            let spelled = |cell: &String| {
                digits.is_some_and(|digits| Mac::parse(cell).is_some() && cell.replace([':', '-'], "").contains(digits))
            };
            cells.iter().any(|cell| cell.contains(text) || spelled(cell))
        };
        has(&self.whole, self.digits.as_ref()) || self.words.iter().all(|(word, digits)| has(word, digits.as_ref()))
    }
}

/// The digits of what may be a part of a MAC: a byte at least, in pairs or groups of any spelling.
fn hex_digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
    (digits.len() > 2 && digits.bytes().all(|b| b.is_ascii_hexdigit())).then_some(digits)
}

/// As people count: numbers within a text by their value, so that `.9` comes before `.10`.
fn order(one: &Value, other: &Value) -> Ordering {
    if let (Some(one), Some(other)) = (one.as_f64(), other.as_f64()) {
        return one.total_cmp(&other);
    }
    natural(&text(one).to_lowercase(), &text(other).to_lowercase())
}

fn natural(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let number = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        match (number(one), number(other)) {
            (0, _) | (_, 0) => {
                let (mut left, mut right) = (one.chars(), other.chars());
                match left.next().cmp(&right.next()) {
                    Ordering::Equal if one.is_empty() => return Ordering::Equal,
                    Ordering::Equal => (one, other) = (left.as_str(), right.as_str()),
                    different => return different,
                }
            }
            (left, right) => {
                let (a, b) = (one[..left].trim_start_matches('0'), other[..right].trim_start_matches('0'));
                match a.len().cmp(&b.len()).then(a.cmp(b)) {
                    Ordering::Equal => (one, other) = (&one[left..], &other[right..]),
                    different => return different,
                }
            }
        }
    }
}

/// A value as people read it.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
