//! `[network.options]`: DHCP options by number, made into their wire form (RFC 2132).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::reader::{Field, Table};
use super::value;
use crate::site::Site;
use crate::wire::dhcp::code;

pub(super) use code::{DNS_SERVERS as DNS, DOMAIN_NAME as DOMAIN, NTP_SERVERS as NTP, ROUTERS};

const TYPES: [&str; 6] = ["address", "text", "u8", "u16", "u32", "hex"];

/// Reads the table: option number to value in wire form.
pub(super) fn read(table: &Table<'_>) -> BTreeMap<u8, Vec<u8>> {
    let mut options = BTreeMap::new();
    for (key, field) in table.entries() {
        let number = number(key, &field);
        let value = wire_value(&field);
        if let (Some(number), Some(value)) = (number, value)
            && options.insert(number, value).is_some()
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
        if !link.options.iter().any(|(number, _)| *number == PROXMOX_ANSWER_URL) {
            link.options.push((PROXMOX_ANSWER_URL, url.into_bytes()));
        }
    }
}

/// Sets an option to a list of addresses; an empty list leaves it out.
pub(super) fn put_addresses(options: &mut BTreeMap<u8, Vec<u8>>, number: u8, addresses: &[Ipv4Addr]) {
    if !addresses.is_empty() {
        options.insert(number, addresses.iter().flat_map(|address| address.octets()).collect());
    }
}

fn number(key: &str, field: &Field<'_>) -> Option<u8> {
    let digits = !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit());
    let Some(number) = key.parse::<u8>().ok().filter(|number| digits && (1..=254).contains(number)) else {
        field.problem_hint(format!("{key:?} is not an option number"), "options are numbered 1 to 254");
        return None;
    };
    let own_key = match number {
        ROUTERS => Some("routers"),
        DNS => Some("dns"),
        DOMAIN => Some("domain"),
        NTP => Some("ntp"),
        code::LEASE_TIME => Some("lease"),
        code::SUBNET_MASK | code::BROADCAST_ADDRESS => Some("address"),
        _ => None,
    };
    if let Some(own_key) = own_key {
        field.problem_hint(format!("option {number} has a key of its own"), format!("set it by network.{own_key}"));
        return None;
    }
    // What belongs to one message or one firmware is decided for each reply.
    let decided = matches!(
        number,
        code::HOST_NAME | code::VENDOR_ENCAPSULATED | code::REQUESTED_ADDRESS
            ..=code::CLIENT_ID
                | code::TFTP_SERVER_NAME
                | code::BOOT_FILE
                | code::USER_CLASS
                | code::RELAY_AGENT
                | code::CLIENT_ARCH
                | code::CLIENT_NDI
                | code::CLIENT_UUID
    );
    if decided {
        field.problem_hint(format!("option {number} is decided for every reply"), "leave it out");
        return None;
    }
    Some(number)
}

fn wire_value(field: &Field<'_>) -> Option<Vec<u8>> {
    let table = field.table()?;
    let kind_field = table.field("type");
    let value_field = table.field("value");
    if kind_field.is_none() {
        table.problem("type", "the type is missing", format!("one of {}", TYPES.join(", ")));
    }
    if value_field.is_none() {
        table.problem("value", "the value is missing", "write { type = \"text\", value = \"…\" }");
    }
    let (kind_field, value_field) = (kind_field?, value_field?);
    let bytes = match kind_field.text()? {
        "address" => each(&value_field, |one| {
            one.parse("an IPv4 address", "192.168.151.1", |text| text.parse::<Ipv4Addr>().ok())
                .map(|a| a.octets().to_vec())
        }),
        "text" => value_field.line().map(|text| text.as_bytes().to_vec()),
        "u8" => each(&value_field, |one| big_endian(one, 1, u32::from(u8::MAX))),
        "u16" => each(&value_field, |one| big_endian(one, 2, u32::from(u16::MAX))),
        "u32" => each(&value_field, |one| big_endian(one, 4, u32::MAX)),
        "hex" => value_field.parse("bytes in hex", "01 ff a0", hex),
        other => {
            kind_field
                .problem_hint(format!("unknown option type {other:?}"), value::did_you_mean(other, TYPES.into_iter()));
            None
        }
    }?;
    if bytes.is_empty() || bytes.len() > 255 {
        value_field.problem_hint(format!("the value has {} bytes", bytes.len()), "an option holds 1 to 255");
        return None;
    }
    Some(bytes)
}

/// A list is its elements one after the other; a single value needs no brackets.
fn each(field: &Field<'_>, read: impl Fn(&Field<'_>) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    if !field.is_list() {
        return read(field);
    }
    let values: Vec<Option<Vec<u8>>> = field.list().iter().map(read).collect();
    values.into_iter().collect::<Option<Vec<_>>>().map(|values| values.concat())
}

fn big_endian(field: &Field<'_>, bytes: usize, max: u32) -> Option<Vec<u8>> {
    let number = field.whole(0..=max)?;
    Some(number.to_be_bytes()[4 - bytes..].to_vec())
}

/// Pairs of hex digits; blanks, `:` and `-` between them are for the eye.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !matches!(c, ' ' | ':' | '-'))
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests;
