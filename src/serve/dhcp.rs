//! The DHCP shell: UDP port 67 of every interface in, and 4011 beside a DHCP server of others; replies out.
//!
//! Reads datagrams into events and carries destinations out; decides nothing.

mod ears;
mod replies;
mod unaddressed;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;
use socket2::{Domain, Protocol, Socket, Type};

pub use self::ears::Ears;
pub use self::replies::Reply;
use super::packet::{EtherType, PacketSocket};
use crate::net::LinkId;
use crate::site::{Role, Site};

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
/// Where PXE clients ask a boot server that gives no addresses (PXE 2.1 §2.2.5).
const BOOT_SERVER_PORT: u16 = 4011;

/// Bytes that port 67 would like to hold: every machine of a rack powering on at the same moment.
pub const RECEIVE_BUFFER: usize = 1 << 20;

/// Why a link cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum DhcpError {
    /// The socket could not be opened.
    #[error("cannot serve DHCP on {interface}: {hint}")]
    Open {
        /// The interface.
        interface: String,
        /// What to do about it.
        hint: String,
        /// The cause.
        source: io::Error,
    },
}

/// The sockets of every interface, and which of them serves a link.
#[derive(Clone, Debug)]
pub struct Outlets {
    ports: Arc<Vec<Port>>,
    /// By link: its port and our address there. A link that only relays reach has none.
    links: Arc<Vec<Option<(usize, Ipv4Addr)>>>,
}

/// Port 67 of an interface, which several networks may share.
#[derive(Debug)]
struct Port {
    interface: String,
    /// The first of its links: a client's message says nothing of the others.
    link: LinkId,
    /// Ours, of every network that it has.
    addresses: Vec<Ipv4Addr>,
    udp: UdpSocket,
    /// Port 4011, beside a DHCP server of others.
    boot_server: Option<UdpSocket>,
    unaddressed: PacketSocket,
    packet: PacketSocket,
}

/// Opens port 67 on every interface of the site.
///
/// # Errors
/// [`DhcpError`] with what to do about it.
pub fn bind(site: &Site) -> Result<Outlets, DhcpError> {
    let mut ports: Vec<Port> = Vec::new();
    let mut links = Vec::new();
    for (id, link) in site.numbered() {
        let Some(interface) = &link.interface else {
            links.push(None);
            continue;
        };
        let open_already = ports.iter().position(|port| port.interface == *interface);
        let index = match open_already {
            Some(index) => index,
            None => {
                let failed = |port| {
                    let interface = interface.clone();
                    move |source| DhcpError::Open { hint: hint(&interface, port, &source), interface, source }
                };
                let mut port = open(interface, id).map_err(failed(SERVER_PORT))?;
                if site.role == Role::Proxy {
                    port.boot_server = Some(udp(interface, BOOT_SERVER_PORT).map_err(failed(BOOT_SERVER_PORT))?);
                }
                ports.push(port);
                ports.len() - 1
            }
        };
        ports[index].addresses.push(link.address);
        links.push(Some((index, link.address)));
    }
    Ok(Outlets { ports: Arc::new(ports), links: Arc::new(links) })
}

fn open(interface: &str, link: LinkId) -> io::Result<Port> {
    Ok(Port {
        interface: interface.to_owned(),
        link,
        addresses: Vec::new(),
        udp: udp(interface, SERVER_PORT)?,
        boot_server: None,
        unaddressed: unaddressed::open(interface)?,
        packet: PacketSocket::open(interface, EtherType::Ipv4, false)?,
    })
}

/// A port of every address on an interface.
fn udp(interface: &str, port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // Bound to the interface, not to our address: a DISCOVER goes to 255.255.255.255.
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    enlarge(&socket)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    Ok(socket.into())
}

/// Has a socket hold [`RECEIVE_BUFFER`], or what the kernel allows whoever may not administer the network
/// (net.core.rmem_max).
fn enlarge(socket: &Socket) -> io::Result<()> {
    setsockopt(socket, RcvBufForce, &RECEIVE_BUFFER).or_else(|_| socket.set_recv_buffer_size(RECEIVE_BUFFER))
}

/// Bytes that port 67 holds if it is opened now.
///
/// # Errors
/// No socket can be opened.
pub fn receive_buffer() -> io::Result<usize> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    enlarge(&socket)?;
    // The kernel counts its own part in, and allows as much again for it (socket(7)).
    Ok(socket.recv_buffer_size()? / 2)
}

fn hint(interface: &str, port: u16, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENODEV) => {
            let known: Vec<String> = nix::net::if_::if_nameindex()
                .map(|all| all.iter().map(|each| each.name().to_string_lossy().into_owned()).collect())
                .unwrap_or_default();
            format!("there is no interface {interface} (there are {})", known.join(", "))
        }
        Some(libc::EADDRINUSE) => format!("UDP port {port} is in use; another DHCP server runs here, such as dnsmasq"),
        Some(libc::EACCES | libc::EPERM) => {
            "it takes root, or the capabilities CAP_NET_BIND_SERVICE and CAP_NET_RAW".into()
        }
        _ => "the socket could not be opened".into(),
    }
}

impl Outlets {
    /// No socket at all, for a server that leaves DHCP to others.
    pub fn none() -> Outlets {
        Outlets { ports: Arc::new(Vec::new()), links: Arc::new(Vec::new()) }
    }
}
