//! `options` of the whole place, a network, a pool, a class or a reservation: DHCP options by number, made into their
//! wire form (RFC 2132).

mod lists;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::reader::{Field, Table};
use super::value;
use crate::site::{DhcpOption, Site};
use crate::wire::dhcp::code;

pub(super) use code::{DNS_SERVERS as DNS, DOMAIN_NAME as DOMAIN, NTP_SERVERS as NTP, ROUTERS};

const TYPES: [&str; 11] =
    ["address", "text", "u8", "u16", "u32", "i32", "bool", "hex", "encapsulated", "domains", "routes"];

/// Options whose values have an encoding of their own, and its type; bytes in hex are taken as they are.
const ENCODED: [(u8, &str); 3] = [(119, "domains"), (121, "routes"), (249, "routes")];

/// The most bytes of a value: more than any message has room for is a slip.
const VALUE_MAX: usize = 1200;

/// Which table the options stand in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// A network, some of whose options have keys of their own.
    Network,
    /// Any other.
    Other,
}

/// Reads the table `options` of `table`, if there is one.
pub(super) fn of(table: &Table<'_>, level: Level) -> Vec<DhcpOption> {
    table.table("options").map(|options| read(&options, level).into_values().collect()).unwrap_or_default()
}

/// Reads the table: the options by number.
pub(super) fn read(table: &Table<'_>, level: Level) -> BTreeMap<u8, DhcpOption> {
    let mut options = BTreeMap::new();
    for (key, field) in table.entries() {
        let number = number(key, &field, level);
        let encoded = ENCODED.iter().find(|(encoded, _)| number == Some(*encoded)).map(|(_, kind)| *kind);
        let read = option(&field, VALUE_MAX, encoded);
        if let (Some(number), Some((value, always))) = (number, read)
            && options.insert(number, DhcpOption { number, value, always }).is_some()
        {
            field.problem(format!("option {number} stands there twice"));
        }
    }
    options
}

/// `proxmox-auto-installer-manifest-url`: where the installer of a Proxmox product finds its answer.
const PROXMOX_ANSWER_URL: u8 = 250;

/// Tells Proxmox installers that ask for it where we answer, unless the operator says otherwise.
pub(super) fn point_proxmox(site: &mut Site) {
    let urls: Vec<String> = site.links.iter().map(|link| format!("{}/answer", site.base_url(link))).collect();
    for (link, url) in site.links.iter_mut().zip(urls) {
        if !link.options.iter().any(|option| option.number == PROXMOX_ANSWER_URL) {
            link.options.push(DhcpOption::new(PROXMOX_ANSWER_URL, url.into_bytes()));
        }
    }
}

/// Sets an option to a list of addresses; an empty list leaves it out.
pub(super) fn put_addresses(options: &mut BTreeMap<u8, DhcpOption>, number: u8, addresses: &[Ipv4Addr]) {
    if !addresses.is_empty() {
        let value: Vec<u8> = addresses.iter().flat_map(|address| address.octets()).collect();
        options.insert(number, DhcpOption::new(number, value));
    }
}

fn number(key: &str, field: &Field<'_>, level: Level) -> Option<u8> {
    let number = plain_number(key, field)?;
    let own_key = match number {
        ROUTERS => Some("routers"),
        DNS => Some("dns"),
        DOMAIN => Some("domain"),
        NTP => Some("ntp"),
        _ => None,
    };
    if let Some(own_key) = own_key.filter(|_| level == Level::Network) {
        field.problem_hint(format!("option {number} has a key of its own"), format!("set it by network.{own_key}"));
        return None;
    }
    match number {
        code::LEASE_TIME | code::SUBNET_MASK | code::BROADCAST_ADDRESS => {
            let own_key = if number == code::LEASE_TIME { "lease" } else { "address" };
            field.problem_hint(format!("option {number} has a key of its own"), format!("set it by network.{own_key}"));
            None
        }
        // What belongs to one message is decided for each reply.
        code::REQUESTED_ADDRESS..=code::CLIENT_ID
        | code::USER_CLASS
        | code::CLIENT_FQDN
        | code::RELAY_AGENT
        | code::CLIENT_ARCH
        | code::CLIENT_NDI
        | code::CLIENT_UUID
        | code::SUBNET_SELECTION => {
            field.problem_hint(format!("option {number} is decided for every reply"), "leave it out");
            None
        }
        code::WPAD => {
            field.problem_hint("option 252 gives every browser a proxy, and machines here need none", "leave it out");
            None
        }
        _ => Some(number),
    }
}

fn plain_number(key: &str, field: &Field<'_>) -> Option<u8> {
    let digits = !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit());
    let number = key.parse::<u8>().ok().filter(|number| digits && (1..=254).contains(number));
    if number.is_none() {
        field.problem_hint(format!("{key:?} is not an option number"), "options are numbered 1 to 254");
    }
    number
}

/// The value of an option in wire form, and whether it goes to everyone; `encoded` is the type that it must have, or hex.
fn option(field: &Field<'_>, max: usize, encoded: Option<&str>) -> Option<(Vec<u8>, bool)> {
    let table = field.table()?;
    let kind_field = table.field("type");
    let value_field = table.field("value");
    let enterprise = table.field("enterprise").map(|field| field.whole(0..=u32::MAX));
    let always = table.boolean("always", false);
    if kind_field.is_none() {
        table.problem("type", "the type is missing", format!("one of {}", TYPES.join(", ")));
    }
    if value_field.is_none() {
        table.problem("value", "the value is missing", "write { type = \"text\", value = \"…\" }");
    }
    let (kind_field, value_field) = (kind_field?, value_field?);
    let kind = kind_field.text()?;
    if let Some(encoded) = encoded.filter(|encoded| kind != *encoded && kind != "hex") {
        kind_field.problem_hint(
            format!("a client would not read this option as {kind}"),
            format!("write type = {encoded:?}"),
        );
        return None;
    }
    let mut bytes = wire_value(kind, &kind_field, &value_field)?;
    if let Some(enterprise) = enterprise {
        // RFC 3925 §4: the enterprise, then the length of its options.
        if kind != "encapsulated" || bytes.len() > 255 {
            value_field.problem("an enterprise has encapsulated options of at most 255 bytes");
            return None;
        }
        bytes.insert(0, u8::try_from(bytes.len()).ok()?);
        bytes.splice(0..0, enterprise?.to_be_bytes());
    }
    if bytes.is_empty() || bytes.len() > max {
        value_field.problem_hint(format!("the value has {} bytes", bytes.len()), format!("an option holds 1 to {max}"));
        return None;
    }
    Some((bytes, always))
}

fn wire_value(kind: &str, kind_field: &Field<'_>, field: &Field<'_>) -> Option<Vec<u8>> {
    match kind {
        "address" => each(field, |one| {
            one.parse("an IPv4 address", "192.168.151.1", |text| text.parse::<Ipv4Addr>().ok())
                .map(|a| a.octets().to_vec())
        }),
        "text" => field.line().map(|text| text.as_bytes().to_vec()),
        "u8" => each(field, |one| big_endian(one, 1, u32::from(u8::MAX))),
        "u16" => each(field, |one| big_endian(one, 2, u32::from(u16::MAX))),
        "u32" => each(field, |one| big_endian(one, 4, u32::MAX)),
        "i32" => each(field, |one| {
            let number = one.integer(i64::from(i32::MIN)..=i64::from(i32::MAX))?;
            i32::try_from(number).ok().map(|number| number.to_be_bytes().to_vec())
        }),
        "bool" => field.boolean().map(|yes| vec![u8::from(yes)]),
        "hex" => field.parse("bytes in hex", "01 ff a0", value::hex),
        "encapsulated" => encapsulated(field),
        "domains" => {
            let read = |one: &Field<'_>| one.parse("a domain", "bench.example.com", lists::domain);
            elements(field, read).map(|names| lists::domain_list(&names))
        }
        "routes" => {
            let read = |one: &Field<'_>| one.parse("a route", "10.0.0.0/8 via 192.168.151.254", lists::route);
            elements(field, read).map(|routes| lists::route_list(&routes))
        }
        other => {
            kind_field
                .problem_hint(format!("unknown option type {other:?}"), value::did_you_mean(other, TYPES.into_iter()));
            None
        }
    }
}

/// Sub-options as option 43 holds them (RFC 2132 §8.4): number, length, value; an END only where it is written.
fn encapsulated(field: &Field<'_>) -> Option<Vec<u8>> {
    let table = field.table()?;
    let mut read: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for (key, field) in table.entries() {
        let number = plain_number(key, &field)?;
        let (value, _) = option(&field, 255, None)?;
        read.insert(number, value);
    }
    let sub_option = |(number, value): (u8, Vec<u8>)| {
        let len = u8::try_from(value.len()).expect("it was read with at most 255 bytes");
        [vec![number, len], value].concat()
    };
    Some(read.into_iter().flat_map(sub_option).collect())
}

/// A list is its elements one after the other; a single value needs no brackets.
fn each(field: &Field<'_>, read: impl Fn(&Field<'_>) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    elements(field, read).map(|values| values.concat())
}

/// The elements of a list, or a single value; every one that is wrong is reported.
fn elements<T>(field: &Field<'_>, read: impl Fn(&Field<'_>) -> Option<T>) -> Option<Vec<T>> {
    if !field.is_list() {
        return read(field).map(|only| vec![only]);
    }
    let values: Vec<Option<T>> = field.list().iter().map(read).collect();
    values.into_iter().collect()
}

fn big_endian(field: &Field<'_>, bytes: usize, max: u32) -> Option<Vec<u8>> {
    let number = field.whole(0..=max)?;
    Some(number.to_be_bytes()[4 - bytes..].to_vec())
}

#[cfg(test)]
mod tests;
