//! The sockets of the TFTP shell: the one that hears requests, and one per transfer, unless all share the first.
//!
//! Owns the kernel's view: interfaces, source addresses, fragmentation, segmentation offload. Decides nothing.
//!
//! Invariant: a datagram that a transfer's socket yields comes from its client and no one else: the kernel sees to it
//! where the socket is connected, the listener where it is shared.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn};
use nix::sys::socket::{getsockopt, recv, recvmsg, sendmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::Receiver;
use tokio::task::yield_now;

use crate::serve::udp;
use crate::tftp::{Block, Run};
use crate::wire::tftp::{DATA_HEADER, data_header};

/// Assumed where the kernel does not tell the MTU of a path.
const ETHERNET_MTU: u32 = 1500;

/// A datagram heard on the port of the service.
pub(super) struct Heard {
    /// Bytes of it in the caller's buffer.
    pub length: usize,
    /// Who sent it.
    pub client: SocketAddrV4,
    /// Our address it was sent to; `None` if it was a broadcast or multicast.
    pub local: Option<Ipv4Addr>,
}

/// The socket on the port of the service.
pub(super) struct ListenSocket(Arc<UdpSocket>);

impl ListenSocket {
    pub fn bind(listen: SocketAddrV4, interface: Option<&str>) -> io::Result<Self> {
        let socket = open(interface)?;
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        socket.bind(&listen.into())?;
        Ok(ListenSocket(Arc::new(UdpSocket::from_std(socket.into())?)))
    }

    pub fn local_addr(&self) -> io::Result<SocketAddrV4> {
        as_v4(self.0.local_addr()?)
    }

    /// Waits for the next datagram.
    pub async fn hear(&self, buffer: &mut [u8]) -> io::Result<Heard> {
        self.0.async_io(Interest::READABLE, || self.hear_now(buffer)).await
    }

    fn hear_now(&self, buffer: &mut [u8]) -> io::Result<Heard> {
        let mut ancillary = nix::cmsg_space!(libc::in_pktinfo);
        let mut parts = [IoSliceMut::new(buffer)];
        let message =
            recvmsg::<SockaddrIn>(self.0.as_raw_fd(), &mut parts, Some(&mut ancillary), MsgFlags::MSG_DONTWAIT)?;
        let client = message.address.ok_or(Errno::EDESTADDRREQ)?;
        let local = message.cmsgs()?.find_map(|ancillary| match ancillary {
            // The address we would answer from differs from the one written to when that is no address of ours.
            ControlMessageOwned::Ipv4PacketInfo(packet) if packet.ipi_addr.s_addr == packet.ipi_spec_dst.s_addr => {
                Some(Ipv4Addr::from(packet.ipi_addr.s_addr.to_ne_bytes()))
            }
            _ => None,
        });
        Ok(Heard { length: message.bytes, client: SocketAddrV4::new(client.ip(), client.port()), local })
    }

    /// Sends one datagram from our address `local`, without waiting: if the kernel is out of buffers, it is lost.
    pub fn say(&self, datagram: &[u8], local: Ipv4Addr, client: SocketAddrV4) {
        let sent = sendmsg(
            self.0.as_raw_fd(),
            &[IoSlice::new(datagram)],
            &[ControlMessage::Ipv4PacketInfo(&udp::source(local))],
            MsgFlags::MSG_DONTWAIT,
            Some(&SockaddrIn::from(client)),
        );
        if let Err(error) = sent {
            tracing::debug!(%client, %error, "TFTP answer not sent");
        }
    }
}

/// The socket of one transfer.
pub(super) struct TransferSocket {
    socket: Arc<UdpSocket>,
    mtu: u32,
    /// Only where the socket is that of the service.
    shared: Option<ServicePort>,
}

/// What a connected socket would know by itself.
struct ServicePort {
    source: libc::in_pktinfo,
    client: SockaddrIn,
    heard: Receiver<Box<[u8]>>,
}

impl TransferSocket {
    /// A socket on a new port of `local` that talks to `client` only.
    pub fn connect(local: Ipv4Addr, client: SocketAddrV4, interface: Option<&str>) -> io::Result<Self> {
        let socket = connected(local, client, interface)?;
        let mtu = mtu(&socket);
        Ok(TransferSocket { socket: Arc::new(UdpSocket::from_std(socket.into())?), mtu, shared: None })
    }

    /// The socket of the service, for the client whose datagrams come by `heard`.
    pub fn share(
        listen: &ListenSocket,
        local: Ipv4Addr,
        client: SocketAddrV4,
        interface: Option<&str>,
        heard: Receiver<Box<[u8]>>,
    ) -> io::Result<Self> {
        // Only a connected socket knows its path. This one sends nothing.
        let mtu = mtu(&connected(local, client, interface)?);
        let shared = ServicePort { source: udp::source(local), client: client.into(), heard };
        Ok(TransferSocket { socket: Arc::clone(&listen.0), mtu, shared: Some(shared) })
    }

    /// Bytes that an IP packet to the client may have.
    pub fn mtu(&self) -> u32 {
        self.mtu
    }

    /// Waits for the client's next datagram; what does not fit the buffer is cut off.
    pub async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(shared) = &mut self.shared else { return self.socket.recv(buffer).await };
        let datagram = shared.heard.recv().await.ok_or(io::ErrorKind::BrokenPipe)?;
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok(length)
    }

    /// [`TransferSocket::receive`] without sleeping: looks again and again, and lets others run in between. `None` if
    /// nothing came within `time`.
    pub async fn receive_within(&mut self, time: Duration, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        if self.shared.is_some() {
            // Who hears for all does not look so often.
            return None;
        }
        let end = Instant::now() + time;
        while Instant::now() < end {
            match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN) => yield_now().await,
                received => return Some(received.map_err(io::Error::from)),
            }
        }
        None
    }

    pub async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.send_parts(&[IoSlice::new(datagram)], None).await
    }

    /// Sends the DATA packets of `run`, whose content is `content`.
    pub async fn send_run(&self, run: Run, content: &[u8]) -> io::Result<()> {
        let mut blocks = run.blocks();
        let mut rest = content;
        let mut batch = Batch::default();
        while let Some(block) = blocks.next() {
            let (own, others) = rest.split_at(usize::from(block.length));
            rest = others;
            batch.push(block, own);
            if blocks.len() == 0 || !batch.has_room() {
                self.send_batch(&batch).await?;
                batch = Batch::default();
            }
        }
        Ok(())
    }

    async fn send_batch(&self, batch: &Batch<'_>) -> io::Result<()> {
        if batch.count > 1 && udp::segments() {
            match self.send_segmented(batch).await {
                Err(error) if udp::may_go_singly(&error) => {}
                sent => return sent,
            }
        }
        for index in 0..batch.count {
            let packet = [IoSlice::new(&batch.headers[index]), IoSlice::new(batch.contents[index])];
            self.send_parts(&packet, None).await?;
        }
        Ok(())
    }

    async fn send_segmented(&self, batch: &Batch<'_>) -> io::Result<()> {
        let mut parts = [IoSlice::new(&[]); 2 * udp::SEGMENTS_MAX];
        for index in 0..batch.count {
            parts[2 * index] = IoSlice::new(&batch.headers[index]);
            parts[2 * index + 1] = IoSlice::new(batch.contents[index]);
        }
        // Every segment has this size; the last one may be shorter.
        let segment = batch.segment as u16;
        self.send_parts(&parts[..2 * batch.count], Some(ControlMessage::UdpGsoSegments(&segment))).await
    }

    async fn send_parts(&self, parts: &[IoSlice<'_>], segments: Option<ControlMessage<'_>>) -> io::Result<()> {
        let source = self.shared.as_ref().map(|shared| ControlMessage::Ipv4PacketInfo(&shared.source));
        let client = self.shared.as_ref().map(|shared| &shared.client);
        let ancillary: Vec<ControlMessage<'_>> = source.into_iter().chain(segments).collect();
        let send = || Ok(sendmsg(self.socket.as_raw_fd(), parts, &ancillary, MsgFlags::MSG_DONTWAIT, client)?);
        self.socket.async_io(Interest::WRITABLE, send).await.map(drop)
    }
}

/// Consecutive DATA packets that go to the kernel in one call.
struct Batch<'a> {
    headers: [[u8; DATA_HEADER]; udp::SEGMENTS_MAX],
    contents: [&'a [u8]; udp::SEGMENTS_MAX],
    count: usize,
    /// Bytes of the first packet; only the last one may be shorter.
    segment: usize,
}

impl Default for Batch<'_> {
    fn default() -> Self {
        Batch {
            headers: [[0; DATA_HEADER]; udp::SEGMENTS_MAX],
            contents: [&[]; udp::SEGMENTS_MAX],
            count: 0,
            segment: 0,
        }
    }
}

impl<'a> Batch<'a> {
    fn push(&mut self, block: Block, content: &'a [u8]) {
        self.headers[self.count] = data_header(block.number);
        self.contents[self.count] = content;
        self.segment = self.segment.max(DATA_HEADER + content.len());
        self.count += 1;
    }

    fn has_room(&self) -> bool {
        self.count < udp::SEGMENTS_MAX && (self.count + 1) * self.segment <= udp::BYTES_MAX
    }
}

/// A UDP socket whose packets may be fragmented on their way: some boot ROMs drop packets that forbid it
/// (dnsmasq-discuss 2009q3/003232).
fn open(interface: Option<&str>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    if let Some(interface) = interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    udp::set_int(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)?;
    Ok(socket)
}

fn connected(local: Ipv4Addr, client: SocketAddrV4, interface: Option<&str>) -> io::Result<Socket> {
    let socket = open(interface)?;
    socket.bind(&SocketAddrV4::new(local, 0).into())?;
    socket.connect(&client.into())?;
    Ok(socket)
}

fn mtu(connected: &Socket) -> u32 {
    getsockopt(connected, sockopt::IpMtu).ok().and_then(|mtu| u32::try_from(mtu).ok()).unwrap_or(ETHERNET_MTU)
}

fn as_v4(address: std::net::SocketAddr) -> io::Result<SocketAddrV4> {
    match address {
        std::net::SocketAddr::V4(address) => Ok(address),
        std::net::SocketAddr::V6(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(test)]
mod tests;
