//! What operations are told, as JSON for the command line. Keys are those of the management API.

use serde_json::{Map, Value, json};

use super::batch;
use crate::clock;
use crate::fleet::{ImageRow, NameRow, Told, VenueRow};
use crate::naming::Venue;

/// The result of an operation.
pub fn told(told: &Told) -> Value {
    match told {
        Told::Done(sentence) => json!(sentence),
        Told::Batch(one) => batch(one),
        Told::Batches(all) => all.iter().map(batch).collect(),
        Told::Venue(one) => Value::Object(venue(one)),
        Told::Venues(all) => all.iter().map(venue_row).collect(),
        Told::Imported { added, known } => json!({ "added": added, "already_there": known }),
        Told::Name(one) => name(one),
        Told::Names(all) => all.iter().map(name).collect(),
        Told::Image(one) => image(one),
        Told::Images(all) => all.iter().map(image).collect(),
        Told::ImageRemoved { product, file, .. } => json!(format!("{product} {file} is removed")),
        Told::Config(_) | Told::Received(_) => unreachable!("no operation is told {told:?}"),
    }
}

fn venue(venue: &Venue) -> Map<String, Value> {
    let pairs = [
        ("code", json!(venue.code.as_str())),
        ("contact_email", json!(venue.contact_email)),
        ("location", json!(venue.location)),
        ("name", json!(venue.name)),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn venue_row(row: &VenueRow) -> Value {
    let count = |count: &crate::naming::Count| json!({ "assigned": count.assigned, "available": count.available, "retired": count.retired });
    let names: Map<String, Value> =
        row.names.iter().map(|(product, each)| (product.to_string(), count(each))).collect();
    let mut object = venue(&row.venue);
    object.insert("names".into(), names.into());
    object.into()
}

fn name(row: &NameRow) -> Value {
    let NameRow { name, machine } = row;
    let machine = machine.as_ref();
    json!({
        "batch": name.batch.map(|id| id.0),
        "hostname": name.hostname.as_str(),
        "mac_address": machine.and_then(|machine| machine.mac).map(|mac| mac.to_string()),
        "number": name.number,
        "product_type": name.product.as_ref().map(|product| product.as_str()),
        "serial_number": machine.and_then(|machine| machine.serial.as_ref()).map(|serial| serial.as_str()),
        "status": name.state.word(),
        "venue_code": name.venue.as_ref().map(|venue| venue.as_str()),
    })
}

fn image(row: &ImageRow) -> Value {
    let edition = row.edition.as_ref();
    let image = row.image.as_ref();
    let content = image.map(|image| &image.content);
    let zeros = content.map(|content| content.zero_runs.iter().map(|run| run.length).sum::<u64>());
    json!({
        "active": row.active,
        "added_at": edition.map(|edition| clock::iso(edition.added_at)),
        "compression": content.map(|content| content.compression.word()),
        "deprecated_since": edition.and_then(|edition| edition.deprecated_since).map(clock::iso),
        "description": edition.and_then(|edition| edition.description.as_deref()),
        "file": row.file,
        "kind": content.map(|content| content.layout.kind.word()),
        "partitions": content.map(|content| content.layout.partitions),
        "product_type": row.product.as_str(),
        "raw_sha256": content.map(|content| content.digest.to_string()),
        "raw_size": content.map(|content| content.size),
        "sha256": image.map(|image| image.digest.to_string()),
        "since": edition.and_then(|edition| edition.active_since).map(clock::iso),
        "size": image.map(|image| image.size),
        "version": edition.and_then(|edition| edition.version.as_deref()),
        "warnings": row.warnings,
        "writing": row.writing,
        "zero_bytes": zeros,
    })
}
