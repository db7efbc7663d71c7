//! `[management]`: where the pages and the API of those who run the room are, and how long a login lasts.

use std::net::{IpAddr, SocketAddr};
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
    /// Whether `/metrics` is shown without login or token.
    pub open_metrics: bool,
}

impl Management {
    /// Reads `[management]`; machines that are being made must not reach it, so its addresses are not on `links`.
    pub(super) fn read(root: &Table<'_>, links: &[Link]) -> Management {
        let table = root.table("management");
        let fields = table.as_ref().and_then(|table| table.list("listen")).unwrap_or_default();
        let mut once = Once::new();
        let listen = fields.iter().filter_map(|field| address(field, links, &mut once)).collect();
        let session = Duration::from_secs(12 * 3600);
        let session = table.as_ref().map_or(session, |table| table.duration("session", session));
        let metrics = table.as_ref().and_then(|table| table.field("metrics"));
        let known = |text: &str| [("login", false), ("open", true)].into_iter().find(|(word, _)| *word == text);
        let metrics = metrics.and_then(|field| field.parse("\"login\" or \"open\"", "open", known));
        Management { listen, session, open_metrics: metrics.is_some_and(|(_, open)| open) }
    }
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
