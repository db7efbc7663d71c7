//! One row of the journal, read column by column with an error that says which one is wrong.
//!
//! SQLite checks types and constraints; this is for what it cannot check, such as a MAC edited by hand.

use std::cell::Cell;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row, Statement};

use super::rows::ReadError;
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
    table: &'static str,
    row: &'a Row<'a>,
    columns: &'a [String],
    /// Where the last column was found: readers take them in about the order of the SELECT, and a journal has many rows.
    last: Cell<usize>,
}

/// What `read` makes of each row that `statement` finds in `table`.
pub fn each<T>(
    table: &'static str,
    statement: &mut Statement<'_>,
    params: impl Params,
    read: impl FnMut(&Record<'_>) -> Result<T, BadRow>,
) -> Result<Vec<T>, ReadError> {
    collect(table, statement, params, Vec::new(), read)
}

/// What `read` makes of every row of a `table` that may be long, in `order`.
pub fn all<T>(
    table: &'static str,
    db: &Connection,
    columns: &str,
    order: &str,
    read: impl FnMut(&Record<'_>) -> Result<T, BadRow>,
) -> Result<Vec<T>, ReadError> {
    let count: i64 = db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
    // A list that has to grow is copied, and the memory that it leaves is new, too.
    let room = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
    let sql = format!("SELECT {columns} FROM {table} ORDER BY {order}");
    collect(table, &mut db.prepare(&sql)?, [], room, read)
}

fn collect<T>(
    table: &'static str,
    statement: &mut Statement<'_>,
    params: impl Params,
    mut found: Vec<T>,
    mut read: impl FnMut(&Record<'_>) -> Result<T, BadRow>,
) -> Result<Vec<T>, ReadError> {
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        found.push(read(&Record { table, row, columns: &columns, last: Cell::new(0) })?);
    }
    Ok(found)
}

impl Record<'_> {
    fn value(&self, column: &'static str) -> ValueRef<'_> {
        let last = self.last.get();
        let is = |at: &usize| self.columns.get(*at).is_some_and(|name| name == column);
        let near = [last + 1, last].into_iter().find(is);
        let found = near.or_else(|| (0..self.columns.len()).find(is));
        let found = found.expect("the SELECT beside the reader names every column it reads");
        self.last.set(found);
        self.row.get_ref_unwrap(found)
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
        match self.value(column) {
            ValueRef::Null => Ok(None),
            value => value.as_str().ok().and_then(parse).map(Some).ok_or_else(|| self.bad(column)),
        }
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
