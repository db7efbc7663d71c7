//! `--dry-run`: what this machine is, which drives it has, and what a run would do. Writes nothing and asks the server for
//! nothing but whether it is there: a question for a configuration would already give the machine a name.

use std::path::Path;

use serde_json::{Value, json};

use super::drives;
use super::identity::{self, Identity};
use super::job::{Bytes, Drive};
use super::network::interface;
use super::options::Options;
use super::run::question;
use super::server::Server;

/// Shows it on the standard output.
pub fn show(options: &Options) {
    let root = Path::new("/");
    let identity = Identity::read(root);
    let mut drives = drives::inventory(root);
    drives.extend(options.target.as_ref().and_then(|path| drives::file_as_drive(Path::new(path))));
    let answer = options.server.as_ref().map(|base| match Server::new(base).date() {
        Ok(_) => format!("{base} answers"),
        Err(trouble) => format!("{base} does not answer: {trouble}"),
    });
    if options.json {
        let mut value = question(options, &identity, &drives);
        value["serial_number"] = json!(serial(options, &identity));
        value["server"] = json!(answer);
        for (told, drive) in value["installer"]["drives"].as_array_mut().into_iter().flatten().zip(&drives) {
            told["writable"] = Value::from(refusal(drive).is_none());
        }
        println!("{value:#}");
    } else {
        print!("{}", text(options, &identity, &drives, answer.as_deref()));
    }
}

fn serial<'a>(options: &'a Options, identity: &'a Identity) -> Option<&'a str> {
    identity.serial.as_deref().or(options.serial.as_deref())
}

/// Why a drive is never written, whatever the server says.
fn refusal(drive: &Drive) -> Option<&'static str> {
    match drive {
        Drive { boot_medium: true, .. } => Some("this system runs from it"),
        Drive { read_only: true, .. } => Some("it is write-protected"),
        Drive { size: 0, .. } => Some("it holds no medium"),
        _ => None,
    }
}

fn text(options: &Options, identity: &Identity, drives: &[Drive], answer: Option<&str>) -> String {
    let server = options.server.as_deref().unwrap_or_default();
    let address = server.trim_start_matches("http://").split(':').next().and_then(|text| text.parse().ok());
    let mac = address.and_then(interface::towards).map_or("-".to_owned(), |mac| mac.to_string());
    let mut text = String::from("Nothing is written: this is a dry run.\n\n");
    let mut row = |name: &str, value: &str| text.push_str(&format!("{name:<12} {value}\n"));
    row("Model", &identity.model);
    row("Serial", serial(options, identity).unwrap_or("-"));
    row("MAC", &mac);
    row("Memory", &Bytes(identity.ram_bytes).to_string());
    if let Some(degrees) = identity::temperature(Path::new("/")) {
        row("Temperature", &format!("{degrees:.0} C"));
    }
    row("Server", answer.unwrap_or("the DHCP server, once there is an address"));
    row("Drives", if drives.is_empty() { "none" } else { "" });
    for drive in drives {
        let why = refusal(drive).map_or(String::new(), |why| format!(": never written, {why}"));
        text.push_str(&format!("  {drive}, {}{why}\n", drive.transport.word()));
    }
    let product = options.product.as_deref().unwrap_or("the product that its profile says");
    let target = match &options.target {
        Some(path) if drives.iter().any(|drive| drive.path == *path) => path.clone(),
        Some(path) => format!("{path}, which is not there"),
        None => "the drive that the profile's rules choose".to_owned(),
    };
    text.push_str(&format!("\nIt would ask the server for the image of {product}, and write it to {target}.\n"));
    text
}
