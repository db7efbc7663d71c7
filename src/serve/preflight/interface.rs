//! Our interfaces as the system sees them: up, connected, and with the addresses that the configuration says.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::Finding;
use crate::net::{Mac, Subnet};
use crate::site::Link;

/// One interface, as far as it matters to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether something is at the other end.
    pub running: bool,
    /// Its hardware address, if it is an Ethernet one.
    pub mac: Option<Mac>,
    /// Its IPv4 addresses, with prefix lengths.
    pub addresses: Vec<(Ipv4Addr, u8)>,
}

/// Every interface of our network namespace.
///
/// # Errors
/// Of getifaddrs(3).
pub fn all() -> io::Result<Vec<Interface>> {
    let mut all: Vec<Interface> = Vec::new();
    for entry in getifaddrs()? {
        let index = all.iter().position(|each| each.name == entry.interface_name).unwrap_or_else(|| {
            all.push(Interface {
                name: entry.interface_name.clone(),
                up: entry.flags.contains(InterfaceFlags::IFF_UP),
                running: entry.flags.contains(InterfaceFlags::IFF_RUNNING),
                mac: None,
                addresses: Vec::new(),
            });
            all.len() - 1
        });
        let Some(address) = entry.address else { continue };
        if let Some(link) = address.as_link_addr() {
            all[index].mac = link.addr().map(Mac);
        }
        if let Some(inet) = address.as_sockaddr_in() {
            let mask = entry.netmask.and_then(|mask| mask.as_sockaddr_in().map(|mask| mask.ip()));
            let prefix = mask.map_or(32, |mask| u32::from(mask).count_ones() as u8);
            all[index].addresses.push((inet.ip(), prefix));
        }
    }
    Ok(all)
}

/// The hardware address of an interface.
///
/// # Errors
/// `NotFound` if there is no such interface, or it has none.
pub fn mac_of(name: &str) -> io::Result<Mac> {
    let mac = all()?.into_iter().find(|each| each.name == name).and_then(|each| each.mac);
    mac.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no Ethernet interface {name}")))
}

/// Whether any interface of ours has that hardware address.
pub fn is_own(mac: Mac) -> bool {
    all().is_ok_and(|all| all.iter().any(|each| each.mac == Some(mac)))
}

/// Whether an interface has an IPv6 address by which it is reached from elsewhere: then somebody uses IPv6 there.
pub fn has_routed_ipv6(name: &str) -> bool {
    let routed = |address: Ipv6Addr| !address.is_unicast_link_local() && !address.is_loopback();
    getifaddrs().is_ok_and(|mut all| {
        all.any(|entry| {
            let address = entry.address.and_then(|address| address.as_sockaddr_in6().map(|inet| inet.ip()));
            entry.interface_name == name && address.is_some_and(routed)
        })
    })
}

/// How a link's interface stands.
pub fn look(link: &Link, name: &str, all: &[Interface]) -> Vec<Finding> {
    let check = format!("interface {name}");
    let Some(interface) = all.iter().find(|each| each.name == name) else {
        let known: Vec<&str> = all.iter().map(|each| each.name.as_str()).collect();
        let what = format!("there is no interface {name}; there are {}", known.join(", "));
        let hint = "correct `interface` in the configuration, or plug the adapter in and restart hatchery";
        return vec![Finding::red(check, what, hint)];
    };
    let state = if !interface.up {
        Finding::red(check, format!("{name} is down"), format!("ip link set {name} up"))
    } else if !interface.running {
        let hint = "plug in its cable, or switch on what is at the other end";
        Finding::red(check, format!("{name} has no carrier"), hint)
    } else {
        Finding::green(check, format!("{name} is up"))
    };
    vec![state, address(link, interface, all)]
}

fn address(link: &Link, interface: &Interface, all: &[Interface]) -> Finding {
    let (name, address, subnet) = (&interface.name, link.address, link.subnet);
    let prefix = subnet.prefix();
    let check = format!("address {address}");
    if let Some((_, found)) = interface.addresses.iter().find(|(each, _)| *each == address) {
        return if Subnet::containing(address, *found) == Some(subnet) {
            Finding::green(check, format!("{address}/{prefix} is on {name}"))
        } else {
            let what =
                format!("{address} is on {name} with prefix length {found}, and the configuration says {prefix}");
            Finding::amber(check, what, format!("make them agree: clients are told {}", subnet.mask()))
        };
    }
    let what = format!("{address} is not on {name}: clients are told to come here, and nobody is there");
    let elsewhere = all.iter().find(|each| each.addresses.iter().any(|(each, _)| *each == address));
    let hint = match elsewhere {
        Some(other) => format!("it is on {}; correct `interface` in the configuration", other.name),
        None => format!("ip address add {address}/{prefix} dev {name}"),
    };
    Finding::red(check, what, hint)
}

#[cfg(test)]
mod tests;
