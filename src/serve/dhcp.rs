//! The DHCP shell: UDP port 67 of every link in, replies out.
//!
//! Reads datagrams into events and carries destinations out; decides nothing.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use bytes::Bytes;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::inbox::Inbox;
use super::packet::{EtherType, PacketSocket};
use super::preflight::rival::Rivals;
use crate::fleet::Event;
use crate::net::{Destination, LinkId, Mac};
use crate::site::{Link, Site};
use crate::wire::ipv4;

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// The largest message read: more than any client sends, and option 57 allows.
const MESSAGE_MAX: usize = 4096;

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

/// The sockets of every link.
#[derive(Clone, Debug)]
pub struct Outlets {
    links: Arc<Vec<Port>>,
}

#[derive(Debug)]
struct Port {
    interface: String,
    address: Ipv4Addr,
    udp: UdpSocket,
    packet: PacketSocket,
}

/// Opens port 67 on every link of the site. Must run inside the runtime.
///
/// # Errors
/// [`DhcpError`] with what to do about it.
pub fn bind(site: &Site) -> Result<Outlets, DhcpError> {
    let open = |link: &Link| {
        open(link).map_err(|source| DhcpError::Open {
            interface: link.interface.clone(),
            hint: hint(&link.interface, &source),
            source,
        })
    };
    Ok(Outlets { links: Arc::new(site.links.iter().map(open).collect::<Result<_, _>>()?) })
}

fn open(link: &Link) -> io::Result<Port> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // Bound to the interface, not to our address: a DISCOVER goes to 255.255.255.255.
    socket.bind_device(Some(link.interface.as_bytes()))?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, SERVER_PORT)).into())?;
    Ok(Port {
        interface: link.interface.clone(),
        address: link.address,
        udp: UdpSocket::from_std(socket.into())?,
        packet: PacketSocket::open(&link.interface, EtherType::Ipv4, false)?,
    })
}

fn hint(interface: &str, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENODEV) => {
            let known: Vec<String> = nix::net::if_::if_nameindex()
                .map(|all| all.iter().map(|each| each.name().to_string_lossy().into_owned()).collect())
                .unwrap_or_default();
            format!("there is no interface {interface} (there are {})", known.join(", "))
        }
        Some(libc::EADDRINUSE) => "UDP port 67 is in use; another DHCP server runs here, such as dnsmasq".into(),
        Some(libc::EACCES | libc::EPERM) => {
            "it takes root, or the capabilities CAP_NET_BIND_SERVICE and CAP_NET_RAW".into()
        }
        _ => "the socket could not be opened".into(),
    }
}

impl Outlets {
    /// No socket at all, for a server that leaves DHCP to others.
    pub fn none() -> Outlets {
        Outlets { links: Arc::new(Vec::new()) }
    }
}

/// Reads every link's port 67 for ever; what `rivals` asked itself is no client's message.
pub async fn run(outlets: Outlets, inbox: Inbox, rivals: Rivals) {
    let mut readers = tokio::task::JoinSet::new();
    for index in 0..outlets.links.len() {
        let (outlets, inbox, rivals) = (outlets.clone(), inbox.clone(), rivals.clone());
        readers.spawn(async move {
            let port = &outlets.links[index];
            let link = LinkId(u16::try_from(index).expect("links are counted in 16 bits"));
            let mut buffer = vec![0; MESSAGE_MAX];
            loop {
                match port.udp.recv_from(&mut buffer).await {
                    // Our own search for other servers, come back by a second link in the same broadcast domain.
                    Ok((length, _)) if rivals.is_question(&buffer[..length]) => {}
                    Ok((length, _)) => {
                        let bytes = Bytes::copy_from_slice(&buffer[..length]);
                        inbox.offer(Event::Dhcp { link, bytes });
                    }
                    // The interface may go down and come back; the socket stays.
                    Err(error) => {
                        tracing::warn!(interface = port.interface, %error, "DHCP socket");
                        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    }
                }
            }
        });
    }
    readers.join_all().await;
}

impl Outlets {
    /// Sends a reply. A failure is logged: the client asks again.
    pub fn send(&self, link: LinkId, message: &[u8], destination: Destination) {
        let Some(port) = self.links.get(usize::from(link.0)) else { return };
        if let Err(error) = port.send(message, destination) {
            tracing::warn!(interface = port.interface, %destination, %error, "DHCP reply not sent");
        }
    }
}

impl Port {
    fn send(&self, message: &[u8], destination: Destination) -> io::Result<()> {
        match destination {
            Destination::Relay(relay) => self.send_udp(message, SocketAddrV4::new(relay, SERVER_PORT)),
            Destination::Unicast(client) => self.send_udp(message, client),
            Destination::Broadcast => self.send_frame(message, Ipv4Addr::BROADCAST, Mac([0xff; 6])),
            Destination::Layer2 { mac, address } => self.send_frame(message, address, mac),
        }
    }

    fn send_frame(&self, message: &[u8], to: Ipv4Addr, mac: Mac) -> io::Result<()> {
        let from = SocketAddrV4::new(self.address, SERVER_PORT);
        self.packet.send(&ipv4::udp_packet(from, SocketAddrV4::new(to, CLIENT_PORT), message), mac)
    }

    /// Sends from our own address even where the interface has several.
    fn send_udp(&self, message: &[u8], to: SocketAddrV4) -> io::Result<()> {
        let source = libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: libc::in_addr { s_addr: u32::from(self.address).to_be() },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        let control = [ControlMessage::Ipv4PacketInfo(&source)];
        let to = SockaddrIn::from(to);
        sendmsg(self.udp.as_raw_fd(), &[IoSlice::new(message)], &control, MsgFlags::empty(), Some(&to))?;
        Ok(())
    }
}
