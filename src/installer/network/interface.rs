//! Network interfaces by name: what the kernel says of them, and the few calls that configure one (netdevice(7)).

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;

use super::super::dhcp::Lease;
use crate::net::Mac;

/// An Ethernet interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's name, at most 15 bytes.
    pub name: String,
    /// Its hardware address.
    pub mac: Mac,
    /// Whether a link is there; never before the interface is up.
    pub link: bool,
}

/// The Ethernet interfaces of this system: wired hardware, and `named` whatever it is.
pub fn list(named: Option<&str>) -> Vec<Interface> {
    let wanted = |name: &str| named.map_or_else(|| is_wired(&Path::new("/sys/class/net").join(name)), |it| it == name);
    let interface = |each: InterfaceAddress| {
        let link = each.flags.contains(InterfaceFlags::IFF_RUNNING);
        let mac = ethernet(&each)?;
        wanted(&each.interface_name).then_some(Interface { name: each.interface_name, mac, link })
    };
    let mut all: Vec<Interface> = getifaddrs().into_iter().flatten().filter_map(interface).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// Whether a directory of `/sys/class/net` is that of a wired interface of the hardware.
fn is_wired(directory: &Path) -> bool {
    let wireless = directory.join("wireless").exists() || directory.join("phy80211").exists();
    directory.join("device").exists() && !wireless
}

/// The hardware address, of an entry that has one, and of no loopback and the like.
fn ethernet(each: &InterfaceAddress) -> Option<Mac> {
    let address = each.address?;
    let address = address.as_link_addr().filter(|address| address.hatype() == libc::ARPHRD_ETHER)?;
    address.addr().map(Mac)
}

/// The MAC of the interface by which this system reaches `server`; nothing if there is no way.
pub fn towards(server: Ipv4Addr) -> Option<Mac> {
    // Connecting a datagram socket chooses the way and sends nothing.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((server, 9)).ok()?;
    let ours = socket.local_addr().ok()?.ip();
    let addresses: Vec<InterfaceAddress> = getifaddrs().ok()?.collect();
    let has_ours = |each: &&InterfaceAddress| {
        each.address.and_then(|address| Some(address.as_sockaddr_in()?.ip())).is_some_and(|address| address == ours)
    };
    let name = &addresses.iter().find(has_ours)?.interface_name;
    addresses.iter().filter(|each| each.interface_name == *name).find_map(ethernet)
}

/// Switches an interface on, so that its link can come.
///
/// # Errors
/// No such interface, or no CAP_NET_ADMIN.
pub fn set_up(name: &str) -> io::Result<()> {
    let mut request = request(name)?;
    call(libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: SIOCGIFFLAGS filled in the flags.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = flags | libc::IFF_UP as i16;
    call(libc::SIOCSIFFLAGS, &mut request)
}

/// Gives an interface the address of a lease, its mask and its default route.
///
/// # Errors
/// As [`set_up`].
pub fn set_address(name: &str, lease: &Lease) -> io::Result<()> {
    change_address(name, lease.address)?;
    let mut mask = request(name)?;
    mask.ifr_ifru.ifru_netmask = socket_address(lease.subnet.mask());
    call(libc::SIOCSIFNETMASK, &mut mask)?;
    let Some(router) = lease.router.filter(|router| lease.subnet.contains(*router)) else { return Ok(()) };
    match add_default_route(router) {
        // Another interface's, or an earlier one.
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        result => result,
    }
}

/// Takes an interface's address away.
///
/// # Errors
/// As [`set_up`].
pub fn clear_address(name: &str) -> io::Result<()> {
    change_address(name, Ipv4Addr::UNSPECIFIED)
}

fn change_address(name: &str, address: Ipv4Addr) -> io::Result<()> {
    let mut request = request(name)?;
    request.ifr_ifru.ifru_addr = socket_address(address);
    call(libc::SIOCSIFADDR, &mut request)
}

fn add_default_route(router: Ipv4Addr) -> io::Result<()> {
    // SAFETY: all zeros are a valid rtentry: addresses without a family, and null pointers.
    let mut route: libc::rtentry = unsafe { std::mem::zeroed() };
    route.rt_dst = socket_address(Ipv4Addr::UNSPECIFIED);
    route.rt_genmask = socket_address(Ipv4Addr::UNSPECIFIED);
    route.rt_gateway = socket_address(router);
    route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
    call(libc::SIOCADDRT, &mut route)
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all zeros are a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: no interface has so long a name")));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from(address).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: both are 16 bytes of plain data that begin with the family; that is what sockaddr is for.
    unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(address) }
}

/// One ioctl(2) whose argument is a structure of the kernel's.
fn call<T>(number: libc::Ioctl, argument: &mut T) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // SAFETY: every caller passes the structure that its call reads or fills, and it outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), number, std::ptr::from_mut(argument)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
