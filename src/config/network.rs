//! `[[network]]`: the links we serve, their pools, reservations and DHCP options.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::profile::Names;
use super::reader::{Field, Once, Table};
use super::{option, value};
use crate::ids::Hostname;
use crate::net::{Mac, Subnet};
use crate::site::{Link, Reservation};

/// What the system in the field had: VLAN 151.
const ADDRESS: (Ipv4Addr, u8) = (Ipv4Addr::new(192, 168, 151, 1), 24);
const POOL: (Ipv4Addr, Ipv4Addr) = (Ipv4Addr::new(192, 168, 151, 100), Ipv4Addr::new(192, 168, 151, 250));
const DNS: [Ipv4Addr; 2] = [Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(8, 8, 4, 4)];
const LEASE: Duration = Duration::from_secs(12 * 3600);

/// Every address of a pool is one entry of the free set in memory.
const POOL_MAX: u32 = 65_536;

/// Reads every `[[network]]`.
pub(super) fn read(root: &Table<'_>, names: &Names) -> Vec<Link> {
    let tables = root.tables("network");
    if !root.has("network") {
        root.problem(
            "network",
            "no network is configured",
            "name the interface to serve: [[network]] interface = \"eth1\"",
        );
    }
    let mut across = Across { names, link_names: Once::new(), subnets: Vec::new(), hostnames: BTreeMap::new() };
    tables.iter().filter_map(|table| link(table, &mut across)).collect()
}

/// What has to differ between networks.
struct Across<'a> {
    names: &'a Names,
    link_names: Once<String>,
    subnets: Vec<(Subnet, usize)>,
    hostnames: BTreeMap<String, (Mac, usize)>,
}

fn link(table: &Table<'_>, across: &mut Across<'_>) -> Option<Link> {
    let interface_field = table.field("interface");
    let name_field = table.field("name");
    let address_field = table.field("address");
    let pool = table.list("pool");
    let lease_time = table.duration("lease", LEASE);
    let authoritative = table.boolean("authoritative", true);
    let reservation_tables = table.tables("reservation");

    if interface_field.is_none() {
        table.problem("interface", "the interface is missing", "write interface = \"eth1\"");
    }
    let interface = interface_field.as_ref().and_then(|f| f.parse("an interface name", "eth1", value::interface));
    let name = name_field.as_ref().and_then(|f| f.parse("a name (letters, digits, . _ -)", "deployment", value::name));
    let name = name.or_else(|| interface.clone());
    if let (Some(name), Some(field)) = (&name, name_field.as_ref().or(interface_field.as_ref())) {
        across.link_names.take(name.clone(), field, format!("the name {name:?}"));
    }
    let place = place(table, address_field.as_ref(), across);
    let options = options(table, place.map(|(address, _)| address));
    let mut reservations = Reservations { place, ..Reservations::default() };
    for each in &reservation_tables {
        reservations.read(each, across);
    }
    let (address, subnet) = place?;
    let pools = match pool {
        Some(list) => pools(&list, subnet),
        None if address_field.is_some() => {
            let example = pool_example(subnet);
            table.problem(
                "pool",
                "the pool is missing",
                format!("write pool = [{example}], or [] for reservations only"),
            );
            Vec::new()
        }
        None => vec![POOL],
    };
    let reservations = reservations.done;
    Some(Link {
        name: name?,
        interface: interface?,
        subnet,
        address,
        pools,
        lease_time,
        authoritative,
        options,
        reservations,
    })
}

/// Our address and its subnet.
fn place(table: &Table<'_>, field: Option<&Field<'_>>, across: &mut Across<'_>) -> Option<(Ipv4Addr, Subnet)> {
    let (address, prefix) = match field {
        None => ADDRESS,
        Some(field) => field.parse("our address with the prefix length", "192.168.151.1/24", address_and_prefix)?,
    };
    let subnet = Subnet::containing(address, prefix)?;
    if let Some(field) = field.filter(|_| !is_host(subnet, address)) {
        field.problem_hint(format!("{address} is no host of {subnet}"), "give an address between its first and last");
    }
    separate(table, field, subnet, across);
    Some((address, subnet))
}

/// The options of every reply, in wire form by number.
fn options(table: &Table<'_>, address: Option<Ipv4Addr>) -> Vec<(u8, Vec<u8>)> {
    let list = |key| table.list(key).map(|list| addresses(&list));
    let routers = list("routers").unwrap_or_else(|| address.into_iter().collect());
    let dns = list("dns").unwrap_or_else(|| DNS.to_vec());
    let ntp = list("ntp").unwrap_or_default();
    let domain = table.field("domain").and_then(|f| f.parse("a domain name", "bench.example.com", value::domain));
    let mut options = table.table("options").map(|options| option::read(&options)).unwrap_or_default();
    option::put_addresses(&mut options, option::ROUTERS, &routers);
    option::put_addresses(&mut options, option::DNS, &dns);
    option::put_addresses(&mut options, option::NTP, &ntp);
    if let Some(domain) = domain {
        options.insert(option::DOMAIN, domain.into_bytes());
    }
    options.into_iter().collect()
}

/// A prefix over 30 leaves no room for a client; one under 8 is a slip of the pen.
fn address_and_prefix(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let prefix = prefix.parse().ok().filter(|prefix| (8..=30).contains(prefix))?;
    let address: Ipv4Addr = address.parse().ok()?;
    (!address.is_unspecified() && !address.is_multicast() && !address.is_broadcast()).then_some((address, prefix))
}

fn is_host(subnet: Subnet, address: Ipv4Addr) -> bool {
    subnet.contains(address) && address != subnet.network() && address != subnet.broadcast()
}

fn addresses(list: &[Field<'_>]) -> Vec<Ipv4Addr> {
    list.iter().filter_map(|field| field.parse("an IPv4 address", "192.168.151.1", |text| text.parse().ok())).collect()
}

fn pool_example(subnet: Subnet) -> String {
    let [a, b, c, _] = subnet.network().octets();
    if subnet.prefix() <= 24 {
        return format!("\"{a}.{b}.{c}.100-{a}.{b}.{c}.250\"");
    }
    let (network, broadcast) = (u32::from(subnet.network()), u32::from(subnet.broadcast()));
    format!("\"{}-{}\"", Ipv4Addr::from(network + 1), Ipv4Addr::from(broadcast - 1))
}

/// The rules find a packet's link by its addresses, so no address may lie in two subnets.
fn separate(table: &Table<'_>, field: Option<&Field<'_>>, subnet: Subnet, across: &mut Across<'_>) {
    let line = field.map_or(table.place(), Field::place).line;
    let meets = |other: Subnet| other.contains(subnet.network()) || subnet.contains(other.network());
    if let Some((other, first)) = across.subnets.iter().find(|(other, _)| meets(*other)) {
        let what = format!("the subnet {subnet} overlaps {other} of line {first}");
        match field {
            Some(field) => field.problem(what),
            None => {
                table.problem("address", what, "give our address on this network: address = \"192.168.100.250/24\"")
            }
        }
    }
    across.subnets.push((subnet, line));
}

fn pools(list: &[Field<'_>], subnet: Subnet) -> Vec<(Ipv4Addr, Ipv4Addr)> {
    let mut pools: Vec<(Ipv4Addr, Ipv4Addr)> = Vec::new();
    for field in list {
        let example = pool_example(subnet);
        let Some((first, last)) = field.parse("a range of addresses", example.trim_matches('"'), value::address_range)
        else {
            continue;
        };
        if first > last {
            field.problem_hint(format!("the range {first}-{last} is reversed"), format!("write \"{last}-{first}\""));
        } else if let Some(outside) = [first, last].into_iter().find(|each| !subnet.contains(*each)) {
            field.problem(format!("{outside} lies outside of {subnet}"));
        } else if let Some(special) = [first, last].into_iter().find(|each| !is_host(subnet, *each)) {
            let kind = if special == subnet.network() { "network" } else { "broadcast" };
            field.problem(format!("{special} is the {kind} address of {subnet}"));
        } else if u32::from(last) - u32::from(first) >= POOL_MAX {
            field.problem(format!("the range {first}-{last} has more than {POOL_MAX} addresses"));
        } else if let Some((a, b)) = pools.iter().find(|(a, b)| *a <= last && first <= *b) {
            field.problem(format!("the range {first}-{last} overlaps {a}-{b}"));
        } else {
            pools.push((first, last));
        }
    }
    pools
}

/// The reservations of one network as they are read.
#[derive(Default)]
struct Reservations {
    place: Option<(Ipv4Addr, Subnet)>,
    macs: BTreeMap<Mac, usize>,
    addresses: BTreeMap<Ipv4Addr, usize>,
    done: Vec<Reservation>,
}

impl Reservations {
    fn read(&mut self, table: &Table<'_>, across: &mut Across<'_>) {
        let mac_field = table.field("mac");
        let address_field = table.field("address");
        let hostname_field = table.field("hostname");
        let profile_field = table.field("profile");

        let Some(mac_field) = mac_field else {
            table.problem("mac", "the hardware address is missing", "write mac = \"dc:a6:32:01:36:c2\"");
            return;
        };
        let mac = mac_field.parse("a hardware address", "dc:a6:32:01:36:c2", Mac::parse);
        let address = address_field.and_then(|field| self.address(&field));
        let hostname = hostname_field.as_ref().and_then(|field| {
            field.parse("a host name (letters, digits, inner hyphens, at most 63)", "bench-1", Hostname::parse)
        });
        let profile = profile_field.and_then(|field| across.names.profile(&field));
        let Some(mac) = mac else { return };
        match self.macs.get(&mac) {
            Some(first) => mac_field.problem(format!("{mac} is reserved for already on line {first}")),
            None => {
                self.macs.insert(mac, mac_field.place().line);
            }
        }
        // The same board may be known by the same name on two networks.
        if let (Some(hostname), Some(field)) = (&hostname, hostname_field) {
            let line = field.place().line;
            let (owner, first) = *across.hostnames.entry(hostname.as_str().to_lowercase()).or_insert((mac, line));
            if owner != mac {
                field.problem(format!("the host name {hostname} is given to {owner} already on line {first}"));
            }
        }
        self.done.push(Reservation { mac, address, hostname, profile });
    }

    fn address(&mut self, field: &Field<'_>) -> Option<Ipv4Addr> {
        let address: Ipv4Addr = field.parse("an IPv4 address", "192.168.151.20", |text| text.parse().ok())?;
        let (own, subnet) = self.place.unzip();
        if let Some(subnet) = subnet.filter(|subnet| !is_host(*subnet, address)) {
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

#[cfg(test)]
mod tests;
