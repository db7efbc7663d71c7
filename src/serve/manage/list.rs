//! A list as a page: columns, a box that finds, filters and sorting in the address, parts of a hundred rows, and what is
//! shown as CSV or JSON.
//!
//! Rows are those of the desk in the keys of the API, found and sorted by the same code ([`program::page`]). Knows no
//! particular list; those are in `room`.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::caller::{Asker, Caller};
use super::form::Form;
use super::page;
use super::program::{self, Parameters, text};
use crate::access::Role;
use crate::refusal::Refusal;
use crate::serve::control::{Reply, Request};

/// Rows of an export at most: more than any room has.
const EXPORT_MAX: usize = 1_000_000;

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
    /// Done of all, as a bar.
    Bar(fn(&Value) -> (u64, u64)),
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

/// Something that one may do to a row.
pub struct Act {
    /// What the button says.
    pub label: &'static str,
    /// The page that asks, or the place that does it.
    pub place: String,
    /// Whether it is done without asking.
    pub at_once: bool,
}

/// A kind of list.
pub struct List {
    /// Its address.
    pub path: &'static str,
    /// What it is called, there and in the navigation.
    pub title: &'static str,
    /// What is asked of the desk.
    pub request: fn(&Parameters, usize, usize) -> Request,
    /// Whether the journal finds and counts by itself; else all rows come and are found here.
    pub paged: bool,
    /// The columns.
    pub columns: &'static [Column],
    /// Parameters that filter, the key of the row each is about, and its label.
    pub filters: &'static [(&'static str, &'static str, &'static str)],
    /// What an operator may do to a row.
    pub acts: fn(&Value) -> Vec<Act>,
    /// Who may do it.
    pub role: Role,
    /// Said where there is no row at all.
    pub empty: &'static str,
}

struct Cell {
    text: String,
    title: String,
    place: Option<String>,
    time: Option<String>,
    look: &'static str,
    bar: Option<(u64, u64)>,
}

struct Row {
    cells: Vec<Cell>,
    acts: Vec<Act>,
}

struct Head {
    title: &'static str,
    place: String,
    sorted: &'static str,
}

struct Filter {
    name: &'static str,
    label: &'static str,
    value: String,
    /// The list without it.
    without: String,
}

#[derive(Template)]
#[template(path = "list.html", config = "src/serve/manage/askama.toml")]
struct ListPage<'a> {
    caller: &'a Caller,
    here: &'a str,
    title: &'static str,
    path: &'static str,
    q: String,
    sort: String,
    filters: Vec<Filter>,
    heads: Vec<Head>,
    rows: Vec<Row>,
    /// The first and the last row shown, counted from 1, and how many fit.
    first: usize,
    last: usize,
    total: u64,
    before: Option<String>,
    after: Option<String>,
    csv: String,
    json: String,
    acting: bool,
    /// Nothing is there, as opposed to: nothing fits.
    nothing: bool,
    empty: &'static str,
    forms: Vec<Form>,
}

/// What is asked for, and what came.
struct Found {
    given: Parameters,
    limit: usize,
    offset: usize,
    items: Vec<Value>,
    total: u64,
}

impl List {
    /// The page; `forms` stand below the list. One that was refused is shown under the status code of its refusal.
    pub async fn show(&self, asker: &Asker, uri: &Uri, forms: Vec<Form>, status: StatusCode) -> Response {
        // A refused form was sent to another address than the list's: everything is shown then.
        let found = match self.find(asker, uri, None).await {
            Ok(found) => found,
            Err(response) => return response,
        };
        let acting = asker.caller.role.may(self.role);
        let row = |row: &Value| Row {
            cells: self.columns.iter().map(|column| column.cell(row)).collect(),
            acts: if acting { (self.acts)(row) } else { Vec::new() },
        };
        let Found { given, limit, offset, items, total } = &found;
        let at = |offset: usize| {
            let shown = if offset == 0 { String::new() } else { offset.to_string() };
            self.address(given, &[("offset", &shown)])
        };
        let shown = ListPage {
            caller: &asker.caller,
            here: self.path,
            title: self.title,
            path: self.path,
            q: given.text("q").unwrap_or_default(),
            sort: given.text("sort").unwrap_or_default(),
            filters: self.shown_filters(given),
            heads: self.columns.iter().map(|column| self.head(column, given)).collect(),
            rows: items.iter().map(row).collect(),
            first: if items.is_empty() { 0 } else { offset + 1 },
            last: offset + items.len(),
            total: *total,
            before: (*offset > 0).then(|| at(offset.saturating_sub(*limit))),
            after: ((offset + items.len()) as u64 != *total && !items.is_empty()).then(|| at(offset + limit)),
            csv: self.address(given, &[]).replacen(self.path, &format!("{}.csv", self.path), 1),
            json: self.address(given, &[]).replacen(self.path, &format!("{}.json", self.path), 1),
            acting: acting && items.iter().any(|row| !(self.acts)(row).is_empty()),
            nothing: *total == 0
                && given.get("q").is_none()
                && self.filters.iter().all(|(name, ..)| given.get(name).is_none()),
            empty: self.empty,
            forms,
        };
        (status, page::show(&shown)).into_response()
    }

    /// What the page shows, all parts of it, for a spreadsheet.
    pub async fn csv(&self, asker: &Asker, uri: &Uri) -> Response {
        let found = match self.find(asker, uri, Some(EXPORT_MAX)).await {
            Ok(found) => found,
            Err(response) => return response,
        };
        let mut text = line(self.columns.iter().map(|column| column.key.to_owned()));
        for row in &found.items {
            text += &line(self.columns.iter().map(|column| column.exported(row)));
        }
        self.download("csv", "text/csv; charset=utf-8", text)
    }

    /// The same rows with all their keys, for a program.
    pub async fn json(&self, asker: &Asker, uri: &Uri) -> Response {
        match self.find(asker, uri, Some(EXPORT_MAX)).await {
            Ok(found) => self.download("json", "application/json", format!("{}\n", Value::from(found.items))),
            Err(response) => response,
        }
    }

    fn download(&self, end: &str, kind: &'static str, body: String) -> Response {
        let name = format!("attachment; filename=\"{}.{end}\"", self.path.trim_start_matches('/'));
        let name = HeaderValue::from_str(&name).expect("paths of ours are plain");
        ([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CONTENT_DISPOSITION, name)], body)
            .into_response()
    }

    /// The rows; with `all` so many instead of a part.
    async fn find(&self, asker: &Asker, uri: &Uri, all: Option<usize>) -> Result<Found, Response> {
        let mine = uri.path().strip_prefix(self.path).is_some_and(|rest| matches!(rest, "" | ".csv" | ".json"));
        let nothing = Uri::from_static("/");
        let uri = if mine { uri } else { &nothing };
        let known: Vec<&str> =
            ["limit", "offset", "q", "sort"].into_iter().chain(self.filters.iter().map(|(name, ..)| *name)).collect();
        let refused = |refusal: Refusal| page::refused(program::status(refusal.kind()), &refusal.to_string());
        let given = Parameters::read(uri, &known).map_err(refused)?;
        let (limit, offset) = given.window().map_err(refused)?;
        let (limit, offset) = all.map_or((limit, offset), |most| (most, 0));
        let rows = match asker.answer((self.request)(&given, limit, offset)).await {
            Reply::Ok(rows) => rows,
            Reply::Error { code, sentence } => return Err(page::refused(program::status(&code), &sentence)),
            Reply::Problems(problems) => return Err(page::refused(StatusCode::BAD_REQUEST, &problems.join("; "))),
        };
        let filters: Vec<(&str, &str)> = self.filters.iter().map(|(name, key, _)| (*name, *key)).collect();
        let part = if self.paged { rows } else { program::part(rows, &given, &filters, limit, offset) };
        let total = part["total"].as_u64().unwrap_or_default();
        let items = part["items"].as_array().cloned().unwrap_or_default();
        Ok(Found { given, limit, offset, items, total })
    }

    fn shown_filters(&self, given: &Parameters) -> Vec<Filter> {
        let filter = |(name, _, label): &(&'static str, &'static str, &'static str)| Filter {
            name,
            label,
            value: given.text(name).unwrap_or_default(),
            without: self.address(given, &[(name, ""), ("offset", "")]),
        };
        self.filters.iter().map(filter).collect()
    }

    fn head(&self, column: &Column, given: &Parameters) -> Head {
        let sort = given.get("sort").unwrap_or_default();
        let (sorted, next) = match sort.strip_prefix('-') {
            None if sort == column.key => ("ascending", format!("-{sort}")),
            Some(key) if key == column.key => ("descending", String::new()),
            _ => ("", column.key.to_owned()),
        };
        let sortable = !self.paged && !matches!(column.kind, Kind::Made(_) | Kind::Bar(_));
        let place = if sortable { self.address(given, &[("sort", &next), ("offset", "")]) } else { String::new() };
        Head { title: column.title, place, sorted }
    }

    /// The list with these parameters changed; an empty value takes one away.
    fn address(&self, given: &Parameters, changed: &[(&str, &str)]) -> String {
        let kept = given.pairs().filter(|(name, _)| changed.iter().all(|(other, _)| name != other));
        let pairs: Vec<String> = kept
            .chain(changed.iter().copied())
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", page::escaped(value)))
            .collect();
        if pairs.is_empty() { self.path.to_owned() } else { format!("{}?{}", self.path, pairs.join("&")) }
    }
}

impl Column {
    fn cell(&self, row: &Value) -> Cell {
        let value = &row[self.key];
        let shown = if value.is_null() { String::new() } else { text(value) };
        let plain = Cell { text: shown.clone(), title: String::new(), place: None, time: None, look: "", bar: None };
        match self.kind {
            _ if value.is_null() && !matches!(self.kind, Kind::Made(_) | Kind::Bar(_)) => plain,
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
            Kind::Bar(make) => {
                let (done, all) = make(row);
                Cell { text: format!("{done} of {all}"), bar: Some((done, all)), ..plain }
            }
        }
    }

    fn exported(&self, row: &Value) -> String {
        match self.kind {
            Kind::Made(make) => make(row),
            Kind::Bar(make) => format!("{} of {}", make(row).0, make(row).1),
            _ if row[self.key].is_null() => String::new(),
            _ => inert(&row[self.key]),
        }
    }
}

/// A text that no spreadsheet takes for a formula.
fn inert(value: &Value) -> String {
    let shown = text(value);
    let formula = value.is_string() && shown.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{shown}") } else { shown }
}

/// A line of CSV (RFC 4180).
fn line(fields: impl Iterator<Item = String>) -> String {
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
