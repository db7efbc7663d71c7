//! `[[network.reservation]]`: what is fixed for one client.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::network::Across;
use super::option::{self, Level};
use super::reader::{Field, Table};
use super::value;
use crate::ids::{ClientId, Hostname, Uuid};
use crate::net::{Mac, Subnet};
use crate::site::{Identifier, Reservation};

/// The reservations of one network as they are read.
#[derive(Default)]
pub(super) struct Reservations {
    place: Option<(Ipv4Addr, Subnet)>,
    pub(super) done: Vec<Reservation>,
    identifiers: BTreeMap<Identifier, usize>,
    addresses: BTreeMap<Ipv4Addr, usize>,
}

impl Reservations {
    /// None yet, of a network whose address and subnet are known unless they are wrong.
    pub(super) fn new(place: Option<(Ipv4Addr, Subnet)>) -> Reservations {
        Reservations { place, ..Reservations::default() }
    }

    pub(super) fn read(&mut self, table: &Table<'_>, across: &mut Across<'_>) {
        let identifier = identifier(table);
        let address_field = table.field("address");
        let hostname_field = table.field("hostname");
        let profile_field = table.field("profile");
        let classes = across.names.classes(table);
        let options = option::of(table, Level::Other);

        let address = address_field.and_then(|field| self.address(&field));
        let name = hostname_field.as_ref().and_then(|field| {
            field.parse("a host name (letters, digits, inner hyphens, at most 63; not wpad)", "bench-1", host_name)
        });
        let profile = profile_field.and_then(|field| across.names.profile(&field));
        let Some((of, field)) = identifier else { return };
        match self.identifiers.get(&of) {
            Some(first) => field.problem(format!("{of} is reserved for already on line {first}")),
            None => {
                self.identifiers.insert(of.clone(), field.place().line);
            }
        }
        // The same board may be known by the same name on two networks.
        if let (Some((hostname, _)), Some(field)) = (&name, hostname_field) {
            let entry = across.hostnames.entry(hostname.as_str().to_lowercase());
            let (owner, first) = entry.or_insert((of.clone(), field.place().line));
            if *owner != of {
                field.problem(format!("the host name {hostname} is given to {owner} already on line {first}"));
            }
        }
        let (hostname, fqdn) = name.unzip();
        self.done.push(Reservation { of, address, hostname, fqdn: fqdn.flatten(), profile, classes, options });
    }

    fn address(&mut self, field: &Field<'_>) -> Option<Ipv4Addr> {
        let address: Ipv4Addr = field.parse("an IPv4 address", "192.168.151.20", |text| text.parse().ok())?;
        let (own, subnet) = self.place.unzip();
        if let Some(subnet) = subnet.filter(|subnet| !subnet.is_host(address)) {
            field.problem(format!("{address} is no host of {subnet}"));
        } else if own == Some(address) {
            field.problem(format!("{address} is our own address"));
        } else if let Some(first) = self.addresses.get(&address) {
            field.problem(format!("{address} is reserved already on line {first}"));
        } else {
            self.addresses.insert(address, field.place().line);
        }
        Some(address)
    }
}

/// The one key that says whose the reservation is.
fn identifier<'t>(table: &Table<'t>) -> Option<(Identifier, Field<'t>)> {
    let fields = ["mac", "client_id", "uuid", "circuit_id"].map(|key| table.field(key));
    let present = fields.iter().flatten().count();
    if present != 1 {
        let what = if present == 0 { "nothing says whose it is" } else { "one key must say whose it is" };
        table.problem("mac", what, "write mac = \"dc:a6:32:01:36:c2\", or one of client_id, uuid, circuit_id");
    }
    let [mac, client_id, uuid, circuit_id] = fields;
    let bytes = |f: &Field<'_>| f.parse("a text, or 0x and hex digits", "0x0102", value::bytes);
    if let Some(field) = mac {
        let mac = field.parse("a hardware address", "dc:a6:32:01:36:c2", Mac::parse)?;
        return Some((Identifier::Mac(mac), field));
    }
    if let Some(field) = client_id {
        return Some((Identifier::ClientId(ClientId(bytes(&field)?)), field));
    }
    if let Some(field) = uuid {
        let sixteen = |text: &str| value::hex(text).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        let uuid = field.parse("16 bytes in hex", "52506934-3031-c000-32ec-fc3cda06ffe0", sixteen)?;
        return Some((Identifier::Uuid(Uuid(uuid)), field));
    }
    let field = circuit_id?;
    Some((Identifier::CircuitId(bytes(&field)?), field))
}

/// A host name, or one with its domain and a final dot, which option 12 then carries as it is.
fn host_name(text: &str) -> Option<(Hostname, Option<String>)> {
    let Some(full) = text.strip_suffix('.') else { return Some((Hostname::parse(text)?, None)) };
    value::domain(full)?;
    let (host, _) = full.split_once('.')?;
    Some((Hostname::parse(host)?, Some(text.to_owned())))
}
