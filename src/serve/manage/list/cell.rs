//! How a value of a row looks on a page and in a spreadsheet.

use serde_json::Value;

use crate::serve::manage::page;
use crate::serve::manage::program::text;

/// What a column shows of a row.
#[derive(Clone, Copy)]
pub enum Kind {
    /// The text of its key.
    Text,
    /// The text of its key, short, with the whole behind it.
    Short,
    /// A time in ISO 8601.
    Time,
    /// A number of bytes.
    Bytes,
    /// A word of a closed set, with a mark for the eye.
    Word,
    /// The text, leading to the page under this prefix.
    Link(&'static str),
    /// What this makes of the row.
    Made(fn(&Value) -> String),
    /// Done, running, failed and left, as a bar.
    Parts(fn(&Value) -> [u64; 4]),
}

/// A column.
pub struct Column {
    /// The key of a row.
    pub key: &'static str,
    /// What stands above it.
    pub title: &'static str,
    /// What it shows.
    pub kind: Kind,
}

/// A value as it is shown.
pub(super) struct Cell {
    pub text: String,
    pub title: String,
    pub place: Option<String>,
    pub time: Option<String>,
    pub look: &'static str,
    /// Done, running and failed, in hundredths.
    pub parts: Option<[u64; 3]>,
}

impl Column {
    pub(super) fn cell(&self, row: &Value) -> Cell {
        let value = &row[self.key];
        let shown = if value.is_null() { String::new() } else { text(value) };
        let plain = Cell { text: shown.clone(), title: String::new(), place: None, time: None, look: "", parts: None };
        match self.kind {
            _ if value.is_null() && !matches!(self.kind, Kind::Made(_) | Kind::Parts(_)) => plain,
            Kind::Text => plain,
            Kind::Short => Cell { text: shown.chars().take(12).collect(), title: shown, ..plain },
            Kind::Time => Cell { text: utc(&shown), time: Some(shown), ..plain },
            Kind::Bytes => Cell { text: value.as_u64().map(bytes).unwrap_or(shown.clone()), title: shown, ..plain },
            Kind::Word => {
                let (look, mark) = look(&shown);
                Cell { text: format!("{mark} {shown}").trim().to_owned(), look, ..plain }
            }
            Kind::Link(prefix) => Cell { place: Some(format!("{prefix}{}", page::escaped(&shown))), ..plain },
            Kind::Made(make) => Cell { text: make(row), ..plain },
            Kind::Parts(make) => {
                let parts = make(row);
                Cell { text: in_words(parts), parts: Some(shares(parts)), ..plain }
            }
        }
    }

    pub(super) fn exported(&self, row: &Value) -> String {
        match self.kind {
            Kind::Made(make) => make(row),
            Kind::Parts(make) => in_words(make(row)),
            _ if row[self.key].is_null() => String::new(),
            _ => inert(&row[self.key]),
        }
    }
}

/// Of what is done, running, failed and left: the first three in hundredths.
pub fn shares(parts: [u64; 4]) -> [u64; 3] {
    let all = parts.iter().sum::<u64>().max(1);
    let [done, running, failed, _] = parts.map(|part| part * 100 / all);
    [done, running, failed]
}

/// `3 done, 1 running, 16 left`.
pub fn in_words(parts: [u64; 4]) -> String {
    let named = parts.into_iter().zip(["done", "running", "failed", "left"]);
    let shown = named.filter(|(count, word)| *count > 0 || *word == "done");
    shown.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

/// A text that no spreadsheet takes for a formula.
fn inert(value: &Value) -> String {
    let shown = text(value);
    let formula = value.is_string() && shown.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{shown}") } else { shown }
}

/// A line of CSV (RFC 4180).
pub(super) fn line(fields: impl Iterator<Item = String>) -> String {
    let quoted = fields.map(|field| {
        let plain = !field.contains([',', '"', '\r', '\n']);
        if plain { field } else { format!("\"{}\"", field.replace('"', "\"\"")) }
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}

/// How a word looks and is marked: colour is never alone.
pub fn look(word: &str) -> (&'static str, &'static str) {
    match word {
        "done" | "success" | "completed" | "available" | "green" | "bound" => ("good", "✓"),
        "failed" | "red" => ("bad", "✗"),
        "hold" | "paused" | "retired" | "cancelled" | "amber" | "declined" => ("held", "‖"),
        "waiting" | "pending" | "released" | "assigned" | "disk" | "install" => ("", ""),
        _ => ("moving", "→"),
    }
}

/// A number of bytes for people, exact when asked.
pub fn bytes(count: u64) -> String {
    const MIB: u64 = 1 << 20;
    match count {
        0..1024 => format!("{count} B"),
        1024..MIB => format!("{} KiB", count.div_ceil(1024)),
        _ if count < 1 << 30 => format!("{:.1} MiB", count as f64 / MIB as f64),
        _ => format!("{:.2} GiB", count as f64 / (1_u64 << 30) as f64),
    }
}

/// A time of the API as it stands where no script shows it in the viewer's zone.
pub fn utc(iso: &str) -> String {
    match iso.trim_end_matches('Z').split_once('T') {
        Some((day, time)) => format!("{day} {} UTC", time.split('.').next().unwrap_or(time)),
        None => iso.to_owned(),
    }
}

#[cfg(test)]
mod tests;
