//! A list as a page: columns, a box that finds, filters and sorting in the address, parts of fifty rows, and what is
//! shown as CSV or JSON.
//!
//! Rows are those of the desk in the keys of the API, found and sorted by the same code ([`program::rows`]). What is done
//! to several rows at once is in [`several`]. Knows no particular list; those are in `room`.

mod cell;
mod several;

use std::collections::BTreeSet;

use askama::Template;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::caller::{Asker, Caller};
use super::form::Form;
use super::page;
use super::program::{self, Parameters, rows, text};
use crate::access::Role;
use crate::refusal::Refusal;
use crate::serve::control::{Reply, Request};

use self::cell::{Cell, line};
pub use self::cell::{Column, Kind, bytes, in_words, look, shares, utc};
pub use self::several::{Asks, Several};

/// Rows of a page without a `limit`, and the most that one may ask for: a page stays small.
const ROWS: usize = 50;
const ROWS_MAX: usize = 200;

/// A filter offers at most so many values to choose from.
const CHOICES_MAX: usize = 60;

/// Rows of an export at most: more than any room has.
const EXPORT_MAX: usize = 1_000_000;

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
    /// The page of the navigation that it belongs to, if it is not there itself.
    pub within: Option<&'static str>,
    /// What one row is called, and several.
    pub things: (&'static str, &'static str),
    /// Values of filters that are known without looking at the rows, by parameter.
    pub choices: &'static [(&'static str, &'static [&'static str])],
    /// The key by which what is done to several rows names each.
    pub key: &'static str,
    /// What can be done to several rows at once.
    pub several: &'static [Several],
    /// Where one goes on from here: what it says, and the address.
    pub ways: &'static [(&'static str, &'static str)],
}

impl List {
    /// A list of nothing, for what most lists have in common.
    pub const PLAIN: List = List {
        path: "",
        title: "",
        request: |_, _, _| Request::Status,
        paged: false,
        columns: &[],
        filters: &[],
        acts: |_| Vec::new(),
        role: Role::Operator,
        empty: "",
        within: None,
        things: ("row", "rows"),
        choices: &[],
        key: "id",
        several: &[],
        ways: &[],
    };
}

struct Row {
    key: String,
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
    /// What one may choose from; without any, one types.
    choices: Vec<String>,
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
    /// The list with any words.
    without_q: String,
    filters: Vec<Filter>,
    heads: Vec<Head>,
    rows: Vec<Row>,
    /// The first and the last row shown, counted from 1, and how many fit.
    first: usize,
    last: usize,
    total: usize,
    /// How many fit, of how many, in words.
    count: String,
    /// What was done just now.
    said: Option<String>,
    /// Why something was not done to several rows.
    wrong: &'a [String],
    several: &'a [Several],
    one: &'a str,
    ways: &'a [(&'static str, &'static str)],
    /// The query of this page, to come back to it.
    back: String,
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
    total: usize,
    /// How many there are, fitting or not; `None` if nobody counted.
    all: Option<usize>,
    /// What one may choose from, by filter.
    choices: Vec<Vec<String>>,
}

impl List {
    /// The page; `forms` stand below the list. One that was refused is shown under the status code of its refusal.
    pub async fn show(&self, asker: &Asker, uri: &Uri, forms: Vec<Form>, status: StatusCode) -> Response {
        self.show_with(asker, uri, forms, status, &[]).await
    }

    /// The page, with what went wrong just now.
    async fn show_with(
        &self,
        asker: &Asker,
        uri: &Uri,
        forms: Vec<Form>,
        status: StatusCode,
        wrong: &[String],
    ) -> Response {
        let found = match self.find(asker, uri, false).await {
            Ok(found) => found,
            Err(response) => return response,
        };
        let acting = asker.caller.role.may(self.role);
        let row = |row: &Value| Row {
            key: text(&row[self.key]),
            cells: self.columns.iter().map(|column| column.cell(row)).collect(),
            acts: if acting { (self.acts)(row) } else { Vec::new() },
        };
        let Found { given, limit, offset, items, total, .. } = &found;
        let at = |offset: usize| {
            let shown = if offset == 0 { String::new() } else { offset.to_string() };
            self.address(given, &[("offset", &shown)])
        };
        let export = |end: &str| {
            let whole = self.address(given, &[("offset", ""), ("limit", "")]);
            whole.replacen(self.path, &format!("{}.{end}", self.path), 1)
        };
        let shown = ListPage {
            caller: &asker.caller,
            here: self.within.unwrap_or(self.path),
            title: self.title,
            path: self.path,
            q: given.text("q").unwrap_or_default(),
            sort: given.text("sort").unwrap_or_default(),
            without_q: self.address(given, &[("q", ""), ("offset", "")]),
            filters: self.shown_filters(&found),
            heads: self.columns.iter().map(|column| self.head(column, given)).collect(),
            rows: items.iter().map(row).collect(),
            first: if items.is_empty() { 0 } else { offset + 1 },
            last: offset + items.len(),
            total: *total,
            count: self.counted(&found),
            said: asker.manage.said.take(&asker.caller),
            wrong,
            several: if acting { self.several } else { &[] },
            one: self.things.0,
            ways: if acting { self.ways } else { &[] },
            back: self.address(given, &[]).split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default(),
            before: (*offset > 0).then(|| at(offset.saturating_sub(*limit))),
            after: (offset + items.len() < *total && !items.is_empty()).then(|| at(offset + limit)),
            csv: export("csv"),
            json: export("json"),
            acting: acting && items.iter().any(|row| !(self.acts)(row).is_empty()),
            nothing: *total == 0
                && given.get("q").is_none()
                && self.filters.iter().all(|(name, ..)| given.get(name).is_none()),
            empty: self.empty,
            forms,
        };
        (status, page::show(&shown)).into_response()
    }

    /// `37 of 10,000 names`.
    fn counted(&self, found: &Found) -> String {
        let (one, many) = self.things;
        let noun = |count: usize| if count == 1 { one } else { many };
        let total = found.total;
        match found.all {
            Some(all) if all != total => format!("{} of {} {}", page::count(total), page::count(all), noun(all)),
            _ => format!("{} {}", page::count(total), noun(total)),
        }
    }

    /// What the page shows, all parts of it, for a spreadsheet.
    pub async fn csv(&self, asker: &Asker, uri: &Uri) -> Response {
        let found = match self.find(asker, uri, true).await {
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
        match self.find(asker, uri, true).await {
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

    /// The rows of a part, or all that fit.
    async fn find(&self, asker: &Asker, uri: &Uri, whole: bool) -> Result<Found, Response> {
        // A refused form was sent to another address than the list's: everything is shown then.
        let mine = uri.path().strip_prefix(self.path).is_some_and(|rest| matches!(rest, "" | ".csv" | ".json"));
        let nothing = Uri::from_static("/");
        let uri = if mine { uri } else { &nothing };
        let known: Vec<&str> =
            ["limit", "offset", "q", "sort"].into_iter().chain(self.filters.iter().map(|(name, ..)| *name)).collect();
        let refused = |refusal: Refusal| page::refused(program::status(refusal.kind()), &refusal.to_string());
        let given = Parameters::read(uri, &known).map_err(refused)?;
        let limit = given.number("limit", ROWS, ROWS_MAX).map_err(refused)?.max(1);
        let offset = given.number("offset", 0, usize::MAX >> 1).map_err(refused)?;
        let (limit, offset) = if whole { (EXPORT_MAX, 0) } else { (limit, offset) };
        let mut said = match asker.answer((self.request)(&given, limit, offset)).await {
            Reply::Ok(said) => said,
            Reply::Error { code, sentence } => return Err(page::refused(program::status(&code), &sentence)),
            Reply::Problems(problems) => return Err(page::refused(StatusCode::BAD_REQUEST, &problems.join("; "))),
        };
        let list = |value: Value| if let Value::Array(rows) = value { rows } else { Vec::new() };
        if self.paged {
            let total = said["total"].as_u64().map_or(0, |total| usize::try_from(total).unwrap_or(usize::MAX));
            let choices = self.filters.iter().map(|(name, ..)| self.fixed_choices(name)).collect();
            let items = list(said["items"].take());
            return Ok(Found { given, limit, offset, items, total, all: None, choices });
        }
        let all = list(said);
        let choices = self.filters.iter().map(|(name, key, _)| match self.fixed_choices(name) {
            fixed if fixed.is_empty() => seen(key, &all),
            fixed => fixed,
        });
        let (choices, count) = (choices.collect(), all.len());
        let filters: Vec<(&str, &str)> = self.filters.iter().map(|(name, key, _)| (*name, *key)).collect();
        let fitting = rows::wanted(all, &given, &filters);
        let total = fitting.len();
        let items = fitting.into_iter().skip(offset).take(limit).collect();
        Ok(Found { given, limit, offset, items, total, all: Some(count), choices })
    }

    fn fixed_choices(&self, name: &str) -> Vec<String> {
        let fixed = self.choices.iter().find(|(each, _)| *each == name).map(|(_, values)| *values);
        fixed.unwrap_or_default().iter().map(|value| (*value).to_owned()).collect()
    }

    fn shown_filters(&self, found: &Found) -> Vec<Filter> {
        type Named = (&'static str, &'static str, &'static str);
        let filter = |((name, _, label), choices): (&Named, &Vec<String>)| Filter {
            name,
            label,
            value: found.given.text(name).unwrap_or_default(),
            choices: choices.clone(),
            without: self.address(&found.given, &[(name, ""), ("offset", "")]),
        };
        self.filters.iter().zip(&found.choices).map(filter).collect()
    }

    fn head(&self, column: &Column, given: &Parameters) -> Head {
        let sort = given.get("sort").unwrap_or_default();
        let (sorted, next) = match sort.strip_prefix('-') {
            None if sort == column.key => ("ascending", format!("-{sort}")),
            Some(key) if key == column.key => ("descending", String::new()),
            _ => ("", column.key.to_owned()),
        };
        let sortable = !self.paged && !matches!(column.kind, Kind::Made(_) | Kind::Parts(_));
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

/// The values of a key that rows have; none if they are too many to choose from.
fn seen(key: &str, rows: &[Value]) -> Vec<String> {
    let mut values = BTreeSet::new();
    for value in rows.iter().map(|row| &row[key]).filter(|value| !value.is_null()) {
        if values.insert(text(value)) && values.len() > CHOICES_MAX {
            return Vec::new();
        }
    }
    values.into_iter().collect()
}
