//! The commands by which an operator changes something: machines, venues, names, batches.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::ask::{cell, reply, sentence, show, table, wrong};
use super::{deployment, print};
use crate::cli::{Ask, Batch, Machine, Names, NamesImport, SomeNames, Venue};
use crate::ids::{ProductName, VenueCode};
use crate::naming::numbers::{self, Numbers};
use crate::serve::control::Request;

/// The columns of a list of names.
const NAMES: [&str; 7] = ["hostname", "status", "product_type", "venue_code", "serial_number", "mac_address", "batch"];

/// `hatchery reload`
pub fn reload(args: &Ask) -> anyhow::Result<ExitCode> {
    show(args, &Request::Reload, sentence)
}

/// `hatchery machine …`
pub fn machine(args: &Machine) -> anyhow::Result<ExitCode> {
    match args {
        Machine::Reinstall(one) => show(&one.ask, &Request::Reinstall { machine: one.machine.clone() }, sentence),
        Machine::Hold(one) => show(&one.ask, &Request::Hold { machine: one.machine.clone() }, sentence),
        Machine::Note(args) => {
            let (machine, text) = (args.one.machine.clone(), args.text.clone());
            show(&args.one.ask, &Request::MachineNote { machine, text }, sentence)
        }
        Machine::Log(one) => show(&one.ask, &Request::MachineLog { machine: one.machine.clone() }, log),
        Machine::History(one) => deployment::history(one),
        Machine::Trail(one) => show(&one.ask, &Request::Trail { machine: one.machine.clone() }, trail),
        Machine::Forget(args) => {
            let (machine, release_name, force) = (args.one.machine.clone(), args.release_name, args.force);
            show(&args.one.ask, &Request::Forget { machine, release_name, force }, sentence)
        }
    }
}

fn log(value: &Value) -> String {
    let at = |path: &str| cell(value.pointer(path));
    if value["deployment"].is_null() {
        return format!("{} was never installed\n", at("/machine"));
    }
    let failure = match value.pointer("/deployment/error_message").and_then(Value::as_str) {
        Some(cause) => format!(": {cause}"),
        None => String::new(),
    };
    format!(
        "{}, deployment {} since {}: {}{failure}\n{}",
        at("/machine"),
        at("/deployment/id"),
        at("/deployment/started_at"),
        at("/deployment/status"),
        deployment::lines(&value["lines"]),
    )
}

/// A line for each step: when, how long after the one before, what.
fn trail(value: &Value) -> String {
    let steps = value["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    if steps.is_empty() {
        return format!("{} was not heard since the server runs\n", cell(value.get("machine")));
    }
    let mut text = match value["forgotten"].as_u64() {
        Some(forgotten) if forgotten > 0 => format!("{forgotten} steps before these are kept no more\n"),
        _ => String::new(),
    };
    for step in steps {
        let after = step["after_ms"].as_f64().map_or_else(String::new, |millis| format!("+{:.3} s", millis / 1000.0));
        let times =
            step["times"].as_u64().filter(|times| *times > 1).map_or_else(String::new, |n| format!(" ({n} times)"));
        let size = step["sent"].as_u64().map_or_else(String::new, |sent| format!(", {}", HumanBytes(sent)));
        let detail = match step["detail"].as_str() {
            Some(detail) if !detail.is_empty() => format!(": {detail}"),
            _ => String::new(),
        };
        let (at, kind) = (cell(step.get("at")), cell(step.get("kind")));
        text += &format!("{at}  {after:>12}  {kind:<8}  {}{times}{detail}{size}\n", cell(step.get("what")));
    }
    text
}

/// `hatchery batch …`
pub fn batch(args: &Batch) -> anyhow::Result<ExitCode> {
    let columns = ["id", "status", "product_type", "venue_code", "remaining_count", "total_count", "priority"];
    let row = |batch: &Value| table(&json!([batch]), &columns, "");
    match args {
        Batch::Create(order) => {
            let (venue, product) = (order.venue.clone(), order.product.clone());
            let request = Request::BatchCreate { venue, product, count: order.count, priority: order.priority };
            show(&order.ask, &request, row)
        }
        Batch::Show(one) => show(&one.ask, &Request::Batch { id: one.id }, |batch| {
            format!("{}\n{}", row(batch), table(&batch["names"], &NAMES, "no name was given under it yet"))
        }),
        Batch::Start(one) => show(&one.ask, &Request::BatchStart { id: one.id }, row),
        Batch::Pause(one) => show(&one.ask, &Request::BatchPause { id: one.id }, row),
        Batch::Cancel(one) => show(&one.ask, &Request::BatchCancel { id: one.id }, row),
        Batch::Priority(args) => {
            show(&args.one.ask, &Request::BatchPriority { id: args.one.id, priority: args.priority }, row)
        }
        Batch::List(ask) => show(ask, &Request::Batches, |all| table(all, &columns, "no batch has been ordered yet")),
    }
}

/// `hatchery venue …`
pub fn venue(args: &Venue) -> anyhow::Result<ExitCode> {
    match args {
        Venue::Add(args) => {
            let request = Request::VenueAdd {
                code: args.code.clone(),
                name: args.name.clone(),
                location: args.location.clone(),
                contact_email: args.contact.clone(),
            };
            show(&args.ask, &request, |venue| {
                table(&json!([venue]), &["code", "name", "location", "contact_email"], "")
            })
        }
        Venue::Remove(one) => show(&one.ask, &Request::VenueRemove { code: one.code.clone() }, sentence),
        Venue::List(ask) => show(ask, &Request::Venues, venues),
    }
}

/// A line for each venue, its names as `KXP2 33 of 40 free`.
fn venues(all: &Value) -> String {
    let mut rows = all.clone();
    for row in rows.as_array_mut().into_iter().flatten() {
        let free = |(product, count): (&String, &Value)| {
            let number = |key: &str| count[key].as_u64().unwrap_or(0);
            let (available, assigned) = (number("available"), number("assigned"));
            format!("{product} {available} of {} free", available + assigned + number("retired"))
        };
        let names = row["names"].as_object().map(|names| names.iter().map(free).collect::<Vec<_>>().join(", "));
        row["names"] = json!(names);
    }
    table(&rows, &["code", "name", "location", "contact_email", "names"], "no venue is known yet")
}

/// `hatchery names …`
pub fn names(args: &Names) -> anyhow::Result<ExitCode> {
    let row = |name: &Value| table(&json!([name]), &NAMES, "");
    match args {
        Names::Import(args) => import(args),
        Names::Release(args) => {
            let force = args.force;
            several(
                &args.some,
                |hostname| Request::NameRelease { hostname, force },
                |hostnames| Request::NamesRelease { hostnames, force },
            )
        }
        Names::Retire(some) => {
            several(some, |hostname| Request::NameRetire { hostname }, |hostnames| Request::NamesRetire { hostnames })
        }
        Names::Reinstate(some) => several(
            some,
            |hostname| Request::NameReinstate { hostname },
            |hostnames| Request::NamesReinstate { hostnames },
        ),
        Names::Assign(args) => {
            let (product, venue) = (args.product.clone(), args.venue.clone());
            let (mac, serial) = (args.mac.clone(), args.serial.clone());
            show(&args.ask, &Request::NameAssign { product, venue, mac, serial }, row)
        }
        Names::Note(args) => {
            let (hostname, text) = (args.name.clone(), args.text.clone());
            show(&args.ask, &Request::NameNote { hostname, text }, |name| {
                table(&json!([name]), &["hostname", "status", "notes"], "")
            })
        }
        Names::List(args) => {
            let (product, venue, state) = (args.product.clone(), args.venue.clone(), args.state.clone());
            show(&args.ask, &Request::Names { product, venue, state }, |all| table(all, &NAMES, "no name fits"))
        }
    }
}

/// One name is answered with a row, several with a list of them.
fn several(
    some: &SomeNames,
    one: impl FnOnce(String) -> Request,
    all: impl FnOnce(Vec<String>) -> Request,
) -> anyhow::Result<ExitCode> {
    match &some.names[..] {
        [only] => show(&some.ask, &one(only.clone()), |name| table(&json!([name]), &NAMES, "")),
        names => show(&some.ask, &all(names.to_vec()), |rows| table(rows, &NAMES, "")),
    }
}

/// All numbers or none: a list with a mistake is to be corrected, not guessed at.
fn import(args: &NamesImport) -> anyhow::Result<ExitCode> {
    let Numbers { numbers, duplicates, repeated, invalid } = read_numbers(args)?;
    if !invalid.is_empty() || numbers.is_empty() {
        let source = args.file.as_ref().map_or("argument".into(), |file| file.display().to_string());
        let mut problems: Vec<String> =
            invalid.iter().map(|each| format!("{source}:{}: '{}' {}", each.line, each.text, each.why)).collect();
        if problems.is_empty() {
            problems.push("there is no number to import".to_owned());
        }
        return wrong(&args.ask, &problems);
    }
    let (product, venue) = (args.product.clone(), args.venue.clone());
    let mut value = match reply(&args.ask, &Request::NamesImport { product, venue, numbers, text: None })? {
        Ok(value) => value,
        Err(code) => return Ok(code),
    };
    value["duplicates"] = json!(duplicates);
    value["repeated"] = json!(repeated);
    if args.ask.json {
        print(&format!("{value}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let count = |key: &str| cell(value.get(key));
    print(&format!(
        "{} names added; {} were there already, {} came twice in the list\n",
        count("added"),
        count("already_there"),
        count("duplicates")
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn read_numbers(args: &NamesImport) -> anyhow::Result<Numbers> {
    let (product, venue) = (ProductName::parse(&args.product), VenueCode::parse(&args.venue));
    let pool = product.as_ref().zip(venue.as_ref());
    let Some(file) = &args.file else { return Ok(numbers::read(&args.numbers.join("\n"), false, pool)) };
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        text
    } else {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
    };
    let table = file.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv") || end.eq_ignore_ascii_case("tsv"));
    Ok(numbers::read(&text, table, pool))
}
