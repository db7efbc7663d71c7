//! A machine's end of DHCP: frames while it has no address, UDP port 68 once it has one.
//!
//! The two are never open together for reading: a packet socket would see a copy of every byte of a download.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::{Context, Poll, ready};

use socket2::Type;
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, ReadBuf};
use tokio::net::UdpSocket;

use super::machine::{Place, send_to};
use crate::net::Mac;
use crate::serve::packet::{EtherType, PacketSocket};
use crate::wire::ipv4;

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
const BROADCAST: Mac = Mac([0xff; 6]);

/// Sends and receives DHCP payloads on one interface.
#[derive(Debug)]
pub(super) struct DhcpSocket {
    mouth: PacketSocket,
    ear: Ear,
}

#[derive(Debug)]
enum Ear {
    Frames(AsyncFd<PacketSocket>),
    Udp(UdpSocket),
}

impl DhcpSocket {
    /// For a machine without an address. Opening and closing a packet socket blocks for a grace period of the kernel,
    /// some 10 ms.
    pub fn open(interface: &str) -> io::Result<DhcpSocket> {
        let mouth = PacketSocket::open(interface, EtherType::Ipv4, false)?;
        Ok(DhcpSocket { mouth, ear: Ear::frames(interface)? })
    }

    /// The machine has this address now. Blocks as [`DhcpSocket::open`].
    pub fn settle(&mut self, place: &Place) -> io::Result<()> {
        // Not bound to the address: answers to broadcasts are broadcast.
        let anywhere = Place { address: Ipv4Addr::UNSPECIFIED, ..place.clone() };
        self.ear = Ear::Udp(anywhere.udp(CLIENT_PORT)?);
        Ok(())
    }

    /// The machine has no address any more. Blocks as [`DhcpSocket::open`].
    pub fn unsettle(&mut self, interface: &str) -> io::Result<()> {
        self.ear = Ear::frames(interface)?;
        Ok(())
    }

    /// Sends to the server's port. What cannot be sent is lost, as on a wire.
    pub fn send(&self, from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> io::Result<()> {
        let to = SocketAddrV4::new(to, SERVER_PORT);
        match &self.ear {
            Ear::Udp(socket) if !to.ip().is_broadcast() => send_to(socket, payload, to),
            _ => self.mouth.send(&ipv4::udp_packet(SocketAddrV4::new(from, CLIENT_PORT), to, payload), BROADCAST),
        }
    }

    /// The next payload from a server.
    pub fn poll_receive(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<Vec<u8>>> {
        match &self.ear {
            Ear::Udp(socket) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(socket.poll_recv_from(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().to_vec()))
            }
            Ear::Frames(socket) => loop {
                let mut guard = ready!(socket.poll_read_ready(cx))?;
                let Ok(received) = guard.try_io(|socket| socket.get_ref().receive(buffer)) else { continue };
                let (length, _) = received?;
                if let Some((from, to, payload)) = ipv4::parse_udp(&buffer[..length])
                    && from.port() == SERVER_PORT
                    && to.port() == CLIENT_PORT
                {
                    return Poll::Ready(Ok(payload.to_vec()));
                }
            },
        }
    }
}

impl Ear {
    fn frames(interface: &str) -> io::Result<Ear> {
        let socket = PacketSocket::open(interface, EtherType::Ipv4, true)?;
        // SAFETY: a PacketSocket owns its descriptor, which stays the same until it is dropped with the AsyncFd.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        Ok(Ear::Frames(socket.map_err(io::Error::from)?))
    }
}

impl Place {
    /// A UDP socket on this port of the machine.
    pub fn udp(&self, port: u16) -> io::Result<UdpSocket> {
        let socket = self.socket(Type::DGRAM)?;
        socket.bind(&SocketAddrV4::new(self.address, port).into())?;
        UdpSocket::from_std(socket.into())
    }
}
