//! The commands that ask the running server and show what it says.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{BinaryBytes, DecimalBytes};
use serde_json::{Value, json};

use super::{UNREACHABLE, WRONG_INPUT, print};
use crate::cli::{Ask, Audit, Explain};
use crate::serve::control::{self, Reply, Request};

/// `hatchery explain`
pub fn explain(args: &Explain) -> anyhow::Result<ExitCode> {
    let machine = args.machine.text().context("name the machine by --mac, --ip, --serial or --hostname")?;
    show(&args.ask, &Request::Explain { machine }, explanation)
}

/// `hatchery machines`
pub fn machines(args: &Ask) -> anyhow::Result<ExitCode> {
    let columns = ["hostname", "stage", "progress", "address", "mac", "serial", "firmware", "order", "failure"];
    show(args, &Request::Machines, |machines| {
        let mut rows = machines.clone();
        for row in rows.as_array_mut().into_iter().flatten() {
            row["progress"] = json!(progress(&row["progress"]));
        }
        table(&rows, &columns, "no machine has been seen yet")
    })
}

/// How far an installer is, such as `writing 41 % of 27.0 GB, 112 MB/s, 2m 20s left, 61 °C`.
fn progress(value: &Value) -> Option<String> {
    let number = |key: &str| value[key].as_u64();
    let mut text = value["stage"].as_str()?.to_owned();
    let (bytes, total) = (number("bytes").unwrap_or(0), number("total").unwrap_or(0));
    if total > 0 {
        let percent = u128::from(bytes) * 100 / u128::from(total);
        text += &format!(" {} % of {}", percent.min(100), DecimalBytes(total));
    } else if bytes > 0 {
        text += &format!(" {}", DecimalBytes(bytes));
    }
    if let Some(rate) = number("rate").filter(|rate| *rate > 0) {
        text += &format!(", {}/s", DecimalBytes(rate));
    }
    if let Some(left) = number("eta_secs") {
        text += &match (left / 3600, left / 60 % 60, left % 60) {
            (0, 0, secs) => format!(", {secs}s left"),
            (0, mins, secs) => format!(", {mins}m {secs}s left"),
            (hours, mins, _) => format!(", {hours}h {mins}m left"),
        };
    }
    if let Some(degrees) = value["temperature_c"].as_f64() {
        text += &format!(", {degrees:.0} °C");
    }
    Some(text)
}

/// `hatchery products`
pub fn products(args: &Ask) -> anyhow::Result<ExitCode> {
    let columns = ["product_type", "naming", "example", "image", "image_state"];
    show(args, &Request::Products, |products| table(products, &columns, "the configuration has no product"))
}

/// `hatchery leases`
pub fn leases(args: &Ask) -> anyhow::Result<ExitCode> {
    let columns = ["address", "state", "machine", "client", "expires"];
    show(args, &Request::Leases, |leases| table(leases, &columns, "no address has been given yet"))
}

/// `hatchery audit`
pub fn audit(args: &Audit) -> anyhow::Result<ExitCode> {
    let (limit, offset) = (args.part.limit, args.part.offset);
    let (by, operation, q) = (args.by.clone(), args.operation.clone(), args.find.clone());
    let columns = ["at", "by", "operation", "subject", "details"];
    show(&args.ask, &Request::Audit { limit, offset, by, operation, q }, |page| {
        table(&page["items"], &columns, "nothing of that kind was changed yet")
    })
}

/// `hatchery status`
pub fn status(args: &Ask) -> anyhow::Result<ExitCode> {
    show(args, &Request::Status, |status| fields(status, 0))
}

/// Asks the server and prints its reply, in these words or as JSON.
pub(super) fn show(ask: &Ask, request: &Request, words: impl FnOnce(&Value) -> String) -> anyhow::Result<ExitCode> {
    let value = match reply(ask, request)? {
        Ok(value) => value,
        Err(code) => return Ok(code),
    };
    print(&if ask.json { format!("{value}\n") } else { words(&value) })?;
    Ok(ExitCode::SUCCESS)
}

/// Asks the server. What it refuses, or that there is none, is said here; the error is the exit code.
pub(super) fn reply(ask: &Ask, request: &Request) -> anyhow::Result<Result<Value, ExitCode>> {
    let (code, sentence, exit) = match control::ask(&ask.socket, request) {
        Ok(Reply::Ok(value)) => return Ok(Ok(value)),
        Ok(Reply::Problems(problems)) => return wrong(ask, &problems).map(Err),
        Ok(Reply::Error { code, sentence }) => (code, sentence, ExitCode::FAILURE),
        Err(error) => {
            let sentence = format!("{}: {error}", unreachable_server(&ask.socket));
            ("unreachable".to_owned(), sentence, ExitCode::from(UNREACHABLE))
        }
    };
    if ask.json {
        print(&format!("{}\n", json!({ "code": code, "error": sentence })))?;
    }
    eprintln!("hatchery: {sentence}");
    Ok(Err(exit))
}

/// Says what is wrong with what was typed or configured.
pub(super) fn wrong(ask: &Ask, problems: &[String]) -> anyhow::Result<ExitCode> {
    if ask.json {
        print(&format!("{}\n", json!({ "problems": problems })))?;
    }
    for problem in problems {
        eprintln!("hatchery: {problem}");
    }
    Ok(ExitCode::from(WRONG_INPUT))
}

fn unreachable_server(socket: &Path) -> String {
    format!("no server answers on {}; is `hatchery serve` running, and may you use its socket?", socket.display())
}

pub(super) fn sentence(value: &Value) -> String {
    format!("{}\n", cell(Some(value)))
}

pub(super) fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) if text.is_empty() => "-".into(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(all)) if all.is_empty() => "-".into(),
        Some(Value::Array(all)) => all.iter().map(|each| cell(Some(each))).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    }
}

/// Rows with a heading, columns as wide as they must be.
pub(super) fn table(rows: &Value, columns: &[&str], empty: &str) -> String {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return format!("{empty}\n");
    }
    let heading = columns.iter().map(|column| column.to_ascii_uppercase()).collect();
    let body = rows.iter().map(|row| columns.iter().map(|column| cell(row.get(column))).collect());
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(body).collect();
    let width = |index: usize| lines.iter().map(|line| line[index].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &Vec<String>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

/// An object as lines of `key: value`, deeper ones indented.
fn fields(value: &Value, indent: usize) -> String {
    let Some(object) = value.as_object() else { return String::new() };
    let pad = " ".repeat(indent);
    object
        .iter()
        .map(|(key, value)| {
            let key = key.replace('_', " ");
            if value.is_object() {
                format!("{pad}{key}:\n{}", fields(value, indent + 2))
            } else {
                format!("{pad}{key}: {}\n", cell(Some(value)))
            }
        })
        .collect()
}

/// What the installer found, in lines.
fn hardware(value: &Value) -> String {
    if value.is_null() {
        return String::new();
    }
    let at = |value: &Value, key: &str| cell(value.get(key));
    let size = |value: &Value, key: &str| value[key].as_u64().unwrap_or(0);
    let mut text = format!(
        "hardware: {}, {}, {} of memory (told by installer {})\n",
        at(value, "model"),
        at(value, "arch"),
        BinaryBytes(size(value, "ram_bytes")),
        at(value, "version"),
    );
    for drive in value["drives"].as_array().into_iter().flatten() {
        let removable = if drive["removable"] == true { ", removable" } else { "" };
        text += &format!(
            "  {} {} ({}, serial {}), {}{removable}\n",
            at(drive, "path"),
            at(drive, "model"),
            at(drive, "transport"),
            at(drive, "serial"),
            DecimalBytes(size(drive, "size")),
        );
    }
    text
}

fn explanation(value: &Value) -> String {
    let at = |path: &str| cell(value.pointer(path));
    let mut text = format!(
        "{} ({}, serial {}) at {}\nstage: {} since {}\n",
        at("/machine/hostname"),
        at("/machine/mac"),
        at("/machine/serial"),
        at("/machine/address"),
        at("/machine/stage"),
        at("/machine/stage_since"),
    );
    if let Some(progress) = progress(&value["machine"]["progress"]) {
        text += &format!("  {progress}\n");
    }
    text += &hardware(&value["machine"]["hardware"]);
    text += &format!("\nwhat it gets: {}\n", at("/boot/what"));
    for (name, path) in [("profile", "/boot/profile"), ("boot file", "/boot/boot_file"), ("tree", "/boot/tree")] {
        if value.pointer(path).is_some_and(|found| !found.is_null()) {
            text += &format!("  {name}: {}\n", at(path));
        }
    }
    for (file, template) in value.pointer("/boot/answers").and_then(Value::as_object).into_iter().flatten() {
        text += &format!("  {file}: rendered from {}\n", cell(Some(template)));
    }
    if !at("/facts/image_url").starts_with('-') {
        text += &format!("  image: {} ({} bytes)\n", at("/facts/image_url"), at("/facts/image_size"));
    }
    text += "\nwhy:\n";
    for reason in value.get("reasons").and_then(Value::as_array).into_iter().flatten() {
        text += &format!("  - {}\n", cell(Some(reason)));
    }
    text
}
