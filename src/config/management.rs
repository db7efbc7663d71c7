//! `[management]`: where the pages and the API of those who run the room are, how
//! long a login lasts, and by which certificate they are known.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::{Field, Once, Table};
use crate::site::Link;

/// The management side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Management {
    /// Where it listens; nowhere if empty.
    pub listen: Vec<SocketAddr>,
    /// How long a login lasts at most.
    pub session: Duration,
    /// How it speaks TLS; plain HTTP if not at all.
    pub tls: Option<Certificate>,
    /// The host names by which it is called, if by no others.
    pub names: Vec<String>,
    /// Whether `/metrics` is shown without login or token.
    pub open_metrics: bool,
}

/// Where its certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// From these PEM files.
    Files {
        /// The chain, our own certificate first.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// The server makes it.
    SelfMade,
}

/// Under which name the certificate is among the mentions.
pub(super) const CERTIFICATE: &str = "management.tls";

impl Management {
    /// Reads `[management]`; machines that are being made must not reach it, so its addresses are not on `links`.
    pub(super) fn read(root: &Table<'_>, links: &[Link], base: &Path) -> Management {
        let table = root.table("management");
        let fields = table.as_ref().and_then(|table| table.list("listen")).unwrap_or_default();
        let mut once = Once::new();
        let listen = fields.iter().filter_map(|field| address(field, links, &mut once)).collect();
        let session = Duration::from_secs(12 * 3600);
        let session = table.as_ref().map_or(session, |table| table.duration("session", session));
        let tls = table.as_ref().and_then(|table| table.field("tls")).and_then(|field| certificate(&field, base));
        let names = table.as_ref().and_then(|table| table.list("names")).unwrap_or_default();
        let names = names.iter().filter_map(host_name).collect();
        let metrics = table.as_ref().and_then(|table| table.field("metrics"));
        let known = |text: &str| [("login", false), ("open", true)].into_iter().find(|(word, _)| *word == text);
        let metrics = metrics.and_then(|field| field.parse("\"login\" or \"open\"", "open", known));
        let open_metrics = metrics.is_some_and(|(_, open)| open);
        Management { listen, session, tls, names, open_metrics }
    }
}

fn certificate(field: &Field<'_>, base: &Path) -> Option<Certificate> {
    field.mention(CERTIFICATE.to_owned());
    if !field.is_table() {
        let hint = "write \"self-made\", or { certificate = \"hatchery.pem\", key = \"hatchery.key\" }";
        if field.text()? != "self-made" {
            field.problem_hint("that is no certificate", hint);
            return None;
        }
        return Some(Certificate::SelfMade);
    }
    let table = field.table()?;
    let path = |key, hint| match table.field(key) {
        Some(field) => field.line().map(|text| base.join(text)),
        None => {
            table.problem(key, "is missing", hint);
            None
        }
    };
    let certificate = path("certificate", "name the PEM file with the certificate and those of its issuers");
    let key = path("key", "name the PEM file with the private key of the certificate");
    Some(Certificate::Files { certificate: certificate?, key: key? })
}

fn host_name(field: &Field<'_>) -> Option<String> {
    field.parse("a host name", "hatchery.example.org", |text| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        (!text.is_empty() && text.len() <= 253 && text.chars().all(fits)).then(|| text.to_ascii_lowercase())
    })
}

fn address(field: &Field<'_>, links: &[Link], once: &mut Once<SocketAddr>) -> Option<SocketAddr> {
    let address: SocketAddr = field.parse("an address with a port", "192.168.101.2:80", |text| text.parse().ok())?;
    let hint = "name an address of another network of this machine, or 127.0.0.1 with a port of its own";
    if address.ip().is_unspecified() {
        field.problem_hint("every address means those of the provisioning networks, too", hint);
        return None;
    }
    let of_link =
        |link: &&Link| matches!(address.ip(), IpAddr::V4(ip) if !ip.is_loopback() && link.subnet.contains(ip));
    if let Some(link) = links.iter().find(of_link) {
        field.problem_hint(format!("machines on the network {} would reach it", link.name), hint);
        return None;
    }
    once.take(address, field, format!("address {address}")).then_some(address)
}

#[cfg(test)]
mod tests;
