//! A report: the question as people write it, and the answer as JSON and as CSV. The keys are the same for the pages,
//! the API and the command line.

use jiff::civil::Date;
use serde_json::{Map, Value, json};

use crate::clock;
use crate::refusal::Refusal;
use crate::store::report::{Failure, Group, Report, ReportFilter, StageTimes, Times};
use crate::time::Timestamp;

/// The longest period, in days: a plot of more shows nothing.
const DAYS_MAX: i64 = 1100;

/// The period of a report that names none, in days.
const DAYS: i64 = 30;

const DAY: i64 = 24 * 3_600_000;

/// What is asked; each as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Asked {
    /// The first day, or a time; 30 days before the end if not given.
    pub from: Option<String>,
    /// The last day, or a time; now if not given.
    pub to: Option<String>,
    /// Only of this product.
    pub product: Option<String>,
    /// Only at this venue.
    pub venue: Option<String>,
    /// Only of this image, by the name of its file.
    pub image: Option<String>,
}

impl Asked {
    /// As the journal is asked.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for what is no day, and for a period that is empty or too long.
    pub fn read(&self, now: Timestamp) -> Result<ReportFilter, Refusal> {
        let text =
            |field: &Option<String>| field.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        // The last day is one of those meant.
        let to = text(&self.to).map(|text| moment(&text, DAY)).transpose()?.unwrap_or(now.millis() + 1);
        let from = text(&self.from).map(|text| moment(&text, 0)).transpose()?;
        let from = from.unwrap_or_else(|| (to - 1).div_euclid(DAY) * DAY - (DAYS - 1) * DAY);
        if from >= to {
            return Err(Refusal::Invalid("The period ends before it begins: exchange from and to".into()));
        }
        if to - from > DAYS_MAX * DAY {
            return Err(Refusal::Invalid(format!("A report covers at most {DAYS_MAX} days: ask for a shorter period")));
        }
        let upper = |field: &Option<String>| text(field).map(|text| text.to_uppercase());
        Ok(ReportFilter {
            from: Timestamp::from_millis(from),
            to: Timestamp::from_millis(to),
            product: upper(&self.product),
            venue: upper(&self.venue),
            image: text(&self.image),
        })
    }
}

/// A time, or `after` a day's beginning in UTC.
fn moment(text: &str, after: i64) -> Result<i64, Refusal> {
    let day = text.parse::<Date>().ok().filter(|_| text.len() == 10);
    let day = day.and_then(|_| clock::parse_utc(&format!("{text} 00:00:00")));
    let found = day.map(|day| day.millis() + after).or_else(|| clock::parse_iso(text).map(Timestamp::millis));
    found.ok_or_else(|| {
        Refusal::Invalid(format!(
            "'{text}' is neither a day such as 2026-11-21 nor a time such as 2026-11-21T09:30:00Z"
        ))
    })
}

/// The report as JSON.
pub fn shown(filter: &ReportFilter, report: &Report) -> Value {
    let ReportFilter { from, to, product, venue, image } = filter;
    let day = |at: Timestamp| clock::iso(at)[..10].to_owned();
    let days = |(at, group): &(Timestamp, Group)| object([("day", json!(day(*at)))], of_group(group));
    let groups = |key, all: &[Group]| -> Value {
        let named = |group: &Group| {
            let name = Some(&group.key).filter(|key| !key.is_empty());
            object([(key, json!(name))], of_group(group))
        };
        all.iter().map(named).collect()
    };
    let stage = |times: &StageTimes| {
        let by_day = |(at, times): &(Timestamp, Times)| object([("day", json!(day(*at)))], of_times(Some(*times)));
        let days: Vec<Value> = times.days.iter().map(by_day).collect();
        object([("stage", json!(times.stage)), ("days", json!(days))], of_times(times.all))
    };
    let failure = |failure: &Failure| json!({ "cause": failure.cause, "count": failure.count, "last_at": clock::iso(failure.last) });
    json!({
        "days": report.days.iter().map(days).collect::<Value>(),
        "failures": report.failures.iter().map(failure).collect::<Value>(),
        "filter": { "image": image, "product": product, "venue": venue },
        "images": groups("image", &report.images),
        "other_failures": report.other_failures,
        "percentiles": "nearest rank",
        "period": { "from": clock::iso(*from), "to": clock::iso(*to) },
        "products": groups("product_type", &report.products),
        "stages": report.stages.iter().map(stage).collect::<Value>(),
        "total": Value::Object(of_group(&report.total)),
        "venues": groups("venue_code", &report.venues),
    })
}

fn of_group(group: &Group) -> Map<String, Value> {
    let counts = &group.counts;
    let rate = counts.success_rate().map(|rate| (rate * 10_000.0).round() / 10_000.0);
    let mut map = of_times(group.whole);
    map.remove("count");
    map.extend([
        ("started".to_owned(), json!(counts.started())),
        ("successful".to_owned(), json!(counts.successful)),
        ("failed".to_owned(), json!(counts.failed)),
        ("running".to_owned(), json!(counts.running)),
        ("success_rate".to_owned(), json!(rate)),
    ]);
    map
}

fn of_times(times: Option<Times>) -> Map<String, Value> {
    let secs = |millis: u64| millis as f64 / 1000.0;
    let pairs = [
        ("count", json!(times.map_or(0, |times| times.count))),
        ("median_secs", json!(times.map(|times| secs(times.median)))),
        ("p95_secs", json!(times.map(|times| secs(times.p95)))),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn object<const N: usize>(first: [(&str, Value); N], rest: Map<String, Value>) -> Value {
    first.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(rest).collect::<Map<_, _>>().into()
}

/// The numbers of a report as one table: which part a line is of, what it is about, on which day.
pub fn csv(report: &Value) -> String {
    const COLUMNS: [&str; 7] = ["count", "successful", "failed", "running", "success_rate", "median_secs", "p95_secs"];
    let mut lines = vec![format!("part,about,day,{}", COLUMNS.join(","))];
    let mut line = |part: &str, about: &Value, day: &Value, row: &Value| {
        let count = if row["started"].is_null() { &row["count"] } else { &row["started"] };
        let numbers = COLUMNS[1..].iter().map(|key| &row[*key]);
        let part = json!(part);
        let cells = [&part, about, day, count].into_iter().chain(numbers).map(cell);
        lines.push(cells.collect::<Vec<_>>().join(","));
    };
    let none = Value::Null;
    let rows = |key: &str| report[key].as_array().map(Vec::as_slice).unwrap_or_default();
    line("total", &none, &none, &report["total"]);
    for row in rows("days") {
        line("day", &none, &row["day"], row);
    }
    for stage in rows("stages") {
        line("stage", &stage["stage"], &none, stage);
        for row in stage["days"].as_array().into_iter().flatten() {
            line("stage", &stage["stage"], &row["day"], row);
        }
    }
    for (part, list, key) in
        [("product", "products", "product_type"), ("venue", "venues", "venue_code"), ("image", "images", "image")]
    {
        for row in rows(list) {
            line(part, &row[key], &none, row);
        }
    }
    for row in rows("failures") {
        line("failure", &row["cause"], &none, &json!({ "started": row["count"], "failed": row["count"] }));
    }
    lines.join("\r\n") + "\r\n"
}

/// Seconds as people read them: `4m 05s`.
pub fn duration(secs: f64) -> String {
    let whole = secs.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) if secs < 10.0 => format!("{secs:.1}s"),
        (0, 0, secs) => format!("{secs}s"),
        (0, mins, secs) => format!("{mins}m {secs:02}s"),
        (hours, mins, _) => format!("{hours}h {mins:02}m"),
    }
}

/// A spreadsheet takes a text that begins like a formula for one: causes of failures come from machines.
fn cell(value: &Value) -> String {
    let Some(text) = value.as_str() else {
        return if value.is_null() { String::new() } else { value.to_string() };
    };
    let text = if text.starts_with(['=', '+', '-', '@', '\t']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests;
