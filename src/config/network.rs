//! `[[network]]`: the networks we serve, their pools and DHCP options.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::profile::Names;
use super::reader::{Field, Once, Table};
use super::reservation::Reservations;
use super::{option, server, value};
use crate::net::Subnet;
use crate::site::{DhcpOption, Identifier, Link, Pool, Role};

/// What the system in the field had: VLAN 151.
const ADDRESS: (Ipv4Addr, u8) = (Ipv4Addr::new(192, 168, 151, 1), 24);
const POOL: (Ipv4Addr, Ipv4Addr) = (Ipv4Addr::new(192, 168, 151, 100), Ipv4Addr::new(192, 168, 151, 250));
const DNS: [Ipv4Addr; 2] = [Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(8, 8, 4, 4)];
const LEASE: Duration = Duration::from_secs(12 * 3600);

/// Every address of a pool is one entry of the free set in memory.
const POOL_MAX: u32 = 65_536;

/// Reads every `[[network]]`.
pub(super) fn read(root: &Table<'_>, role: Role, names: &Names) -> Vec<Link> {
    let tables = root.tables("network");
    if !root.has("network") {
        root.problem(
            "network",
            "no network is configured",
            "name the interface to serve: [[network]] interface = \"eth1\"",
        );
    }
    let mut across = Across { names, role, link_names: Once::new(), subnets: Vec::new(), hostnames: BTreeMap::new() };
    // Networks with an address of their own first: the others are served from one of these.
    let own = |table: &&Table<'_>| !table.has("subnet");
    let mut links: Vec<Link> = tables.iter().filter(own).filter_map(|table| link(table, &[], &mut across)).collect();
    let home = links.clone();
    links.extend(tables.iter().filter(|table| !own(table)).filter_map(|table| link(table, &home, &mut across)));
    links
}

/// What has to differ between networks.
pub(super) struct Across<'a> {
    pub(super) names: &'a Names,
    role: Role,
    link_names: Once<String>,
    subnets: Vec<(Subnet, usize)>,
    /// By name in lower case: whose, and on which line.
    pub(super) hostnames: BTreeMap<String, (Identifier, usize)>,
}

/// Reads one network; `home` are those that have an address of ours.
fn link(table: &Table<'_>, home: &[Link], across: &mut Across<'_>) -> Option<Link> {
    let interface_field = table.field("interface");
    let relayed = table.boolean("relayed", false);
    let segment_field = table.field("segment");
    let name_field = table.field("name");
    let address_field = table.field("address");
    let subnet_field = table.field("subnet");
    let server_field = table.field("server");
    let relays = table.list("relays").map(|list| addresses(&list)).unwrap_or_default();
    let pool = table.list("pool");
    let lease_time = table.duration("lease", LEASE);
    let authoritative = table.boolean("authoritative", true);
    let bootp = table.boolean("bootp", false);
    let router_advertisement = table.boolean("router_advertisement", true);
    let next_server = server::next_server(table);
    let reservation_tables = table.tables("reservation");

    let interface = interface(table, interface_field.as_ref(), relayed);
    let name = name_field.as_ref().and_then(|f| f.parse("a name (letters, digits, . _ -)", "deployment", value::name));
    if relayed && name_field.is_none() {
        table.problem("name", "the name is missing", "a relayed network needs one: name = \"hall-2\"");
    }
    let name = name.or_else(|| interface.clone());
    if let (Some(name), Some(field)) = (&name, name_field.as_ref().or(interface_field.as_ref())) {
        across.link_names.take(name.clone(), field, format!("the name {name:?}"));
    }
    let segment = segment_field.as_ref().and_then(|field| {
        if interface.is_some() {
            field.problem_hint("the networks of an interface are one segment", "leave it out");
        }
        field.parse("a name (letters, digits, . _ -)", "hall-2", value::name).map(|name| format!("relayed {name}"))
    });
    let place = match &subnet_field {
        Some(field) => {
            if let Some(address) = &address_field {
                address.problem_hint("a subnet has no address of ours", "leave out one of address and subnet");
            }
            elsewhere(table, field, server_field.as_ref(), interface.as_deref(), home, across)
        }
        None if relayed => {
            table.problem("subnet", "the subnet is missing", "write subnet = \"10.1.0.0/24\"");
            None
        }
        None => {
            if let Some(field) = &server_field {
                field.problem_hint("the server is the address", "leave it out");
            }
            place(table, address_field.as_ref(), across)
        }
    };
    let options = options(table, place.filter(|_| subnet_field.is_none()).map(|(address, _)| address));
    if pool.is_some() && across.role == Role::Proxy {
        table.problem("pool", "another server gives the addresses", "leave pool out, or write dhcp.mode = \"server\"");
    }
    let pools = pool.map(|list| pools(&list, place.map(|(_, subnet)| subnet), across.names));
    let mut reservations = Reservations::new(place);
    for each in &reservation_tables {
        reservations.read(each, across);
    }
    let (address, subnet) = place?;
    let pools = match pools {
        Some(pools) => pools,
        None if across.role == Role::Proxy => Vec::new(),
        None if address_field.is_some() || subnet_field.is_some() => {
            let example = pool_example(subnet);
            table.problem(
                "pool",
                "the pool is missing",
                format!("write pool = [{example}], or [] for reservations only"),
            );
            Vec::new()
        }
        None => vec![Pool::new(POOL.0, POOL.1)],
    };
    let name = name?;
    // Interfaces and relayed networks cannot be mistaken for each other: no interface has a blank in its name.
    let segment = segment.or_else(|| interface.clone()).unwrap_or_else(|| format!("relayed {name}"));
    Some(Link {
        name,
        interface,
        segment,
        subnet,
        address,
        relays,
        pools,
        lease_time,
        authoritative,
        bootp,
        router_advertisement,
        next_server,
        options,
        reservations: reservations.done,
    })
}

fn interface(table: &Table<'_>, field: Option<&Field<'_>>, relayed: bool) -> Option<String> {
    match field {
        None if !relayed => {
            let hint = "write interface = \"eth1\", or relayed = true for a network behind relay agents";
            table.problem("interface", "the interface is missing", hint);
            None
        }
        None => None,
        Some(field) if relayed => {
            field.problem_hint("a relayed network has no interface", "leave it out, or relayed");
            None
        }
        Some(field) => field.parse("an interface name", "eth1", value::interface),
    }
}

/// Our address and its subnet.
fn place(table: &Table<'_>, field: Option<&Field<'_>>, across: &mut Across<'_>) -> Option<(Ipv4Addr, Subnet)> {
    let (address, prefix) = match field {
        None => ADDRESS,
        Some(field) => field.parse("our address with the prefix length", "192.168.151.1/24", address_and_prefix)?,
    };
    let subnet = Subnet::containing(address, prefix)?;
    if let Some(field) = field.filter(|_| !subnet.is_host(address)) {
        field.problem_hint(format!("{address} is no host of {subnet}"), "give an address between its first and last");
    }
    separate(table, field, subnet, across);
    Some((address, subnet))
}

/// A subnet without an address of ours, and the address by which its clients reach us: `server`, else the one we have
/// on the same interface, else the first.
fn elsewhere(
    table: &Table<'_>,
    field: &Field<'_>,
    server_field: Option<&Field<'_>>,
    interface: Option<&str>,
    home: &[Link],
    across: &mut Across<'_>,
) -> Option<(Ipv4Addr, Subnet)> {
    let fits = |text: &str| Subnet::parse(text).filter(|subnet| (8..=30).contains(&subnet.prefix()));
    let subnet = field.parse("a subnet with its prefix length", "10.1.0.0/24", fits)?;
    separate(table, Some(field), subnet, across);
    let Some(field) = server_field else {
        let same = home.iter().find(|link| interface.is_some() && link.interface.as_deref() == interface);
        let link = same.or(home.first());
        if link.is_none() {
            let hint = "configure a network with an interface and an address, too";
            table.problem("server", "we have no address on any network", hint);
        }
        return link.map(|link| (link.address, subnet));
    };
    let server: Ipv4Addr = field.parse("an IPv4 address", "192.168.151.1", |text| text.parse().ok())?;
    if !home.iter().any(|link| link.address == server) {
        field.problem_hint(format!("{server} is no address of ours"), "name the address of another network");
    }
    Some((server, subnet))
}

/// The options of every reply.
fn options(table: &Table<'_>, address: Option<Ipv4Addr>) -> Vec<DhcpOption> {
    let list = |key| table.list(key).map(|list| addresses(&list));
    let routers = list("routers").unwrap_or_else(|| address.into_iter().collect());
    let dns = list("dns").unwrap_or_else(|| DNS.to_vec());
    let ntp = list("ntp").unwrap_or_default();
    let domain = table.field("domain").and_then(|f| f.parse("a domain name", "bench.example.com", value::domain));
    let options = table.table("options").map(|options| option::read(&options, option::Level::Network));
    let mut options = options.unwrap_or_default();
    option::put_addresses(&mut options, option::ROUTERS, &routers);
    option::put_addresses(&mut options, option::DNS, &dns);
    option::put_addresses(&mut options, option::NTP, &ntp);
    if let Some(domain) = domain {
        options.insert(option::DOMAIN, DhcpOption::new(option::DOMAIN, domain));
    }
    options.into_values().collect()
}

/// A prefix over 30 leaves no room for a client; one under 8 is a slip of the pen.
fn address_and_prefix(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let prefix = prefix.parse().ok().filter(|prefix| (8..=30).contains(prefix))?;
    let address: Ipv4Addr = address.parse().ok()?;
    (!address.is_unspecified() && !address.is_multicast() && !address.is_broadcast()).then_some((address, prefix))
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

/// The elements of `pool`: a range, or a table of a range with classes and options.
fn pools(list: &[Field<'_>], subnet: Option<Subnet>, names: &Names) -> Vec<Pool> {
    let mut pools: Vec<Pool> = Vec::new();
    for field in list {
        let table = if field.is_table() { field.table() } else { None };
        let range_field = table.as_ref().and_then(|table| table.field("range"));
        let classes = table.as_ref().map(|table| names.classes(table)).unwrap_or_default();
        let options = table.as_ref().map(|table| option::of(table, option::Level::Other)).unwrap_or_default();
        if let Some(table) = table.as_ref().filter(|_| range_field.is_none()) {
            table.problem("range", "the range is missing", "write { range = \"…\", classes = [\"…\"] }");
            continue;
        }
        let (field, Some(subnet)) = (range_field.as_ref().unwrap_or(field), subnet) else { continue };
        if let Some((first, last)) = range(field, subnet, &pools) {
            pools.push(Pool { first, last, classes, options });
        }
    }
    pools
}

/// A range of addresses of the subnet that overlaps none of `pools`.
fn range(field: &Field<'_>, subnet: Subnet, pools: &[Pool]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let example = pool_example(subnet);
    let (first, last) = field.parse("a range of addresses", example.trim_matches('"'), value::address_range)?;
    if first > last {
        field.problem_hint(format!("the range {first}-{last} is reversed"), format!("write \"{last}-{first}\""));
    } else if let Some(outside) = [first, last].into_iter().find(|each| !subnet.contains(*each)) {
        field.problem(format!("{outside} lies outside of {subnet}"));
    } else if let Some(special) = [first, last].into_iter().find(|each| !subnet.is_host(*each)) {
        let kind = if special == subnet.network() { "network" } else { "broadcast" };
        field.problem(format!("{special} is the {kind} address of {subnet}"));
    } else if u32::from(last) - u32::from(first) >= POOL_MAX {
        field.problem(format!("the range {first}-{last} has more than {POOL_MAX} addresses"));
    } else if let Some(Pool { first: a, last: b, .. }) =
        pools.iter().find(|each| each.first <= last && first <= each.last)
    {
        field.problem(format!("the range {first}-{last} overlaps {a}-{b}"));
    } else {
        return Some((first, last));
    }
    None
}

#[cfg(test)]
mod tests;
