//! One row of the journal, read column by column with an error that says which one is wrong.
//!
//! SQLite checks types and constraints; this is for what it cannot check, such as a MAC edited by hand.

use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::time::Timestamp;

/// A row that is not what we write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("table {table}, row {key}, column {column}: {value} makes no sense there")]
pub struct BadRow {
    /// The table.
    pub table: &'static str,
    /// The row's key, as text.
    pub key: String,
    /// The column.
    pub column: &'static str,
    /// What stands there.
    pub value: String,
}

/// A row of `table`; its first column is the key that errors name.
pub struct Record<'a> {
    /// Where the row is from.
    pub table: &'static str,
    /// The row.
    pub row: &'a Row<'a>,
}

impl Record<'_> {
    fn value(&self, column: &'static str) -> ValueRef<'_> {
        self.row.get_ref(column).expect("the SELECT beside the reader names every column it reads")
    }

    /// The error for a column.
    pub fn bad(&self, column: &'static str) -> BadRow {
        let key = self.row.get_ref(0).map(spelled).unwrap_or_default();
        BadRow { table: self.table, key, column, value: spelled(self.value(column)) }
    }

    /// A text.
    pub fn text(&self, column: &'static str) -> Result<&str, BadRow> {
        self.value(column).as_str().map_err(|_| self.bad(column))
    }

    /// A text that `parse` understands.
    pub fn parsed<T>(&self, column: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, BadRow> {
        parse(self.text(column)?).ok_or_else(|| self.bad(column))
    }

    /// A text that `parse` understands, or NULL.
    pub fn maybe<T>(&self, column: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, BadRow> {
        self.unless_null(column, || self.parsed(column, parse))
    }

    /// Any text, or NULL.
    pub fn maybe_text(&self, column: &'static str) -> Result<Option<String>, BadRow> {
        self.maybe(column, |text| Some(text.to_owned()))
    }

    /// A number in the range of `T`.
    pub fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, BadRow> {
        let number = self.value(column).as_i64().ok().and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| self.bad(column))
    }

    /// A number in the range of `T`, or NULL.
    pub fn maybe_number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<Option<T>, BadRow> {
        self.unless_null(column, || self.number(column))
    }

    /// A time.
    pub fn time(&self, column: &'static str) -> Result<Timestamp, BadRow> {
        self.number(column).map(Timestamp::from_millis)
    }

    /// A time, or NULL.
    pub fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>, BadRow> {
        self.unless_null(column, || self.time(column))
    }

    fn unless_null<T>(
        &self,
        column: &'static str,
        read: impl FnOnce() -> Result<T, BadRow>,
    ) -> Result<Option<T>, BadRow> {
        if self.value(column) == ValueRef::Null { Ok(None) } else { read().map(Some) }
    }
}

fn spelled(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => format!("a blob of {} bytes", bytes.len()),
    }
}
