//! A walk over a TOML document that collects problems instead of stopping at the first.
//!
//! A [`Table`] remembers which keys it was asked for and, when it goes out of scope, reports those nobody asked for;
//! so every reader asks for all its keys before it judges any. Readers get `None` for a value that is not there and
//! for one that was reported.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::files::Mention;
use super::problem::{Place, Problem, Problems};
use super::value;

/// Collects what is wrong with one file.
pub(super) struct Report<'t> {
    file: &'t str,
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
    mentions: RefCell<BTreeMap<String, Mention>>,
}

impl<'t> Report<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        Report { file, text, lines, problems: RefCell::default(), mentions: RefCell::default() }
    }

    fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= at);
        let before = self.text.as_bytes().get(self.lines[line - 1]..at).unwrap_or_default();
        // Continuation bytes of UTF-8 begin no character.
        Place { line, column: before.iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1 }
    }

    fn add(&self, at: usize, key: &str, what: String, hint: Option<String>) {
        let place = Some(self.place(at));
        self.problems.borrow_mut().push(Problem { file: self.file.to_owned(), place, key: key.to_owned(), what, hint });
    }

    /// Parses the text; on errors of TOML itself there is no document to read.
    pub(super) fn document(&self) -> Option<DeTable<'t>> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        let mut last_line = 0;
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            // A parser that lost its way names several errors of one slip; the first of a line tells most.
            let line = self.place(at).line;
            if line != last_line {
                self.add(at, "", format!("not valid TOML: {}", error.message()), None);
            }
            last_line = line;
        }
        errors.is_empty().then(|| document.into_inner())
    }

    /// What was mentioned, and what is wrong.
    pub(super) fn finish(self) -> (BTreeMap<String, Mention>, Option<Problems>) {
        (self.mentions.into_inner(), Problems::sorted(self.problems.into_inner()))
    }
}

/// A table of the document, for as long as its keys are being asked for.
pub(super) struct Table<'t> {
    report: &'t Report<'t>,
    path: String,
    at: usize,
    entries: &'t DeTable<'t>,
    asked: RefCell<Vec<&'static str>>,
    any_key: Cell<bool>,
}

/// A value of the document and where it stands.
#[derive(Clone)]
pub(super) struct Field<'t> {
    report: &'t Report<'t>,
    path: String,
    at: usize,
    value: &'t DeValue<'t>,
}

impl<'t> Table<'t> {
    pub(super) fn root(report: &'t Report<'t>, entries: &'t DeTable<'t>) -> Self {
        Table::new(report, String::new(), 0, entries)
    }

    fn new(report: &'t Report<'t>, path: String, at: usize, entries: &'t DeTable<'t>) -> Self {
        Table { report, path, at, entries, asked: RefCell::default(), any_key: Cell::new(false) }
    }

    /// The value of a key.
    pub(super) fn field(&self, key: &'static str) -> Option<Field<'t>> {
        self.asked.borrow_mut().push(key);
        let value = self.entries.get(key)?;
        Some(Field { report: self.report, path: self.path_of(key), at: value.span().start, value: value.get_ref() })
    }

    /// Every key and its value, for tables whose keys are the operator's own; each field stands at its key.
    pub(super) fn entries(&self) -> Vec<(&'t str, Field<'t>)> {
        self.any_key.set(true);
        let field = |key: &str, at, value| Field { report: self.report, path: self.path_of(key), at, value };
        self.entries
            .iter()
            .map(|(key, value)| (&**key.get_ref(), field(key.get_ref(), key.span().start, value.get_ref())))
            .collect()
    }

    /// Whether the key is there, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where the table stands.
    pub(super) fn place(&self) -> Place {
        self.report.place(self.at)
    }

    /// A problem of the table as a whole, such as a missing `key`.
    pub(super) fn problem(&self, key: &str, what: impl Into<String>, hint: impl Into<String>) {
        self.report.add(self.at, &self.path_of(key), what.into(), Some(hint.into()));
    }

    /// A truth value.
    pub(super) fn boolean(&self, key: &'static str, default: bool) -> bool {
        self.field(key).and_then(|field| field.boolean()).unwrap_or(default)
    }

    /// A whole number within `range`.
    pub(super) fn whole(&self, key: &'static str, range: RangeInclusive<u32>, default: u32) -> u32 {
        self.field(key).and_then(|field| field.whole(range)).unwrap_or(default)
    }

    /// A duration of at least a second.
    pub(super) fn duration(&self, key: &'static str, default: Duration) -> Duration {
        self.field(key).and_then(|field| field.duration()).unwrap_or(default)
    }

    /// The elements of a list; `None` if the key is not there.
    pub(super) fn list(&self, key: &'static str) -> Option<Vec<Field<'t>>> {
        self.field(key).map(|field| field.list())
    }

    /// A table below this one.
    pub(super) fn table(&self, key: &'static str) -> Option<Table<'t>> {
        self.field(key)?.table()
    }

    /// The tables of `[[key]]`.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Table<'t>> {
        let Some(field) = self.field(key) else { return Vec::new() };
        if field.value.is_table() {
            field.problem_hint("expected a list of tables, found a table", format!("write [[{}]]", field.path));
            return Vec::new();
        }
        field.list().into_iter().filter_map(|each| each.table()).collect()
    }

    fn path_of(&self, key: &str) -> String {
        let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let key = if bare { key.to_owned() } else { format!("{key:?}") };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        if self.any_key.get() {
            return;
        }
        let asked = self.asked.borrow();
        for key in self.entries.keys().filter(|key| !asked.contains(&key.get_ref().as_ref())) {
            let hint = value::did_you_mean(key.get_ref(), asked.iter().copied());
            self.report.add(key.span().start, &self.path_of(key.get_ref()), "unknown key".into(), Some(hint));
        }
    }
}

impl<'t> Field<'t> {
    /// Reports what is wrong with the value.
    pub(super) fn problem(&self, what: impl Into<String>) {
        self.report.add(self.at, &self.path, what.into(), None);
    }

    /// Reports what is wrong with the value, and what to write instead.
    pub(super) fn problem_hint(&self, what: impl Into<String>, hint: impl Into<String>) {
        self.report.add(self.at, &self.path, what.into(), Some(hint.into()));
    }

    /// Where the value stands.
    pub(super) fn place(&self) -> Place {
        self.report.place(self.at)
    }

    /// A text.
    pub(super) fn text(&self) -> Option<&'t str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_type(
                "a string",
                (!self.value.is_array() && !self.value.is_table()).then_some("put it in quotes"),
            );
        }
        text
    }

    /// A text on one line.
    pub(super) fn line(&self) -> Option<&'t str> {
        let text = self.text()?;
        if text.chars().any(char::is_control) {
            self.problem("a line break or control character is not allowed here");
            return None;
        }
        Some(text)
    }

    /// A text that `read` understands; `kind` and `example` say what that is.
    pub(super) fn parse<T>(&self, kind: &str, example: &str, read: impl FnOnce(&'t str) -> Option<T>) -> Option<T> {
        let text = self.text()?;
        let parsed = read(text);
        if parsed.is_none() {
            self.problem_hint(format!("{text:?} is not {kind}"), format!("write it like {example:?}"));
        }
        parsed
    }

    /// A truth value.
    pub(super) fn boolean(&self) -> Option<bool> {
        let boolean = self.value.as_bool();
        if boolean.is_none() {
            self.wrong_type("true or false", None);
        }
        boolean
    }

    /// A whole number within `range`.
    pub(super) fn whole(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let range = i64::from(*range.start())..=i64::from(*range.end());
        self.integer(range).and_then(|number| u32::try_from(number).ok())
    }

    /// A whole number that may be negative.
    pub(super) fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let Some(integer) = self.value.as_integer() else {
            self.wrong_type("a whole number", self.value.is_str().then_some("leave the quotes out"));
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|n| range.contains(n));
        if number.is_none() {
            self.problem(format!("{integer} is not within {} to {}", range.start(), range.end()));
        }
        number
    }

    /// A port number.
    pub(super) fn port(&self) -> Option<u16> {
        self.whole(1..=u32::from(u16::MAX)).and_then(|port| u16::try_from(port).ok())
    }

    /// A duration of at least a second.
    pub(super) fn duration(&self) -> Option<Duration> {
        let duration = self.parse("a duration", "12h", value::duration)?;
        if duration.is_zero() {
            self.problem_hint("a duration of zero", "one second is the least");
            return None;
        }
        Some(duration)
    }

    /// The elements; empty if this is no list.
    pub(super) fn list(&self) -> Vec<Field<'t>> {
        let Some(array) = self.value.as_array() else {
            self.wrong_type("a list", Some("put it in brackets: [ … ]"));
            return Vec::new();
        };
        let element = |each: &'t toml::Spanned<DeValue<'t>>| Field {
            report: self.report,
            path: self.path.clone(),
            at: each.span().start,
            value: each.get_ref(),
        };
        array.iter().map(element).collect()
    }

    /// The table.
    pub(super) fn table(&self) -> Option<Table<'t>> {
        let table = self.value.as_table();
        if table.is_none() {
            self.wrong_type("a table", None);
        }
        Some(Table::new(self.report, self.path.clone(), self.at, table?))
    }

    /// Whether the value is a list of nothing.
    pub(super) fn is_empty_list(&self) -> bool {
        self.value.as_array().is_some_and(|array| array.is_empty())
    }

    /// Whether the value is written as a table.
    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// Whether the value is that text.
    pub(super) fn is_text(&self, text: &str) -> bool {
        self.value.as_str() == Some(text)
    }

    /// Whether the value is written as a list.
    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// Remembers where the file names a thing on disk; the first place counts.
    pub(super) fn mention(&self, thing: String) {
        let mention = Mention { place: self.place(), key: self.path.clone() };
        self.report.mentions.borrow_mut().entry(thing).or_insert(mention);
    }

    /// Whether the value is written as a whole number.
    pub(super) fn is_whole(&self) -> bool {
        self.value.is_integer()
    }

    fn wrong_type(&self, expected: &str, hint: Option<&str>) {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.report.add(self.at, &self.path, format!("expected {expected}, found {found}"), hint.map(str::to_owned));
    }
}

/// Values that may stand only once, and where each stood first.
pub(super) struct Once<T>(BTreeMap<T, Place>);

impl<T: Ord> Once<T> {
    pub(super) fn new() -> Self {
        Once(BTreeMap::new())
    }

    /// Remembers `value`; reports it and says false if it stood before.
    pub(super) fn take(&mut self, value: T, field: &Field<'_>, shown: impl Display) -> bool {
        match self.0.get(&value) {
            Some(first) => {
                field.problem(format!("{shown} stands already on line {}", first.line));
                false
            }
            None => {
                self.0.insert(value, field.place());
                true
            }
        }
    }
}
