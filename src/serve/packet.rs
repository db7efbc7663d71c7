//! Packet sockets of the runtime, and filters that keep a download from being read twice.

use std::io;

use socket2::{SockFilter, SockRef};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::net::Mac;
pub use crate::packet::{EtherType, PacketSocket};

/// A packet socket, not of the runtime, for the packets that `program` accepts (bpf(4); offsets are from the IP header
/// on).
///
/// # Errors
/// As [`PacketSocket::open`].
pub fn open_filtered(interface: &str, carries: EtherType, program: &[SockFilter]) -> io::Result<PacketSocket> {
    let socket = PacketSocket::open(interface, carries, true)?;
    SockRef::from(&socket).attach_filter(program)?;
    Ok(socket)
}

/// A receiving packet socket of the runtime.
#[derive(Debug)]
pub struct AsyncPacketSocket(AsyncFd<PacketSocket>);

impl AsyncPacketSocket {
    /// Opens it. Must run inside the runtime.
    ///
    /// # Errors
    /// As [`PacketSocket::open`].
    pub fn open(interface: &str, carries: EtherType) -> io::Result<AsyncPacketSocket> {
        AsyncPacketSocket::new(PacketSocket::open(interface, carries, true)?)
    }

    /// For the datagrams of one UDP port only: the kernel drops the rest, so that a download is not read twice.
    ///
    /// # Errors
    /// As [`PacketSocket::open`].
    pub fn open_udp(interface: &str, port: u16) -> io::Result<AsyncPacketSocket> {
        AsyncPacketSocket::open_filtered(interface, EtherType::Ipv4, &udp_port_filter(port))
    }

    /// For the packets that `program` accepts (bpf(4); offsets are from the IP header on).
    ///
    /// # Errors
    /// As [`PacketSocket::open`].
    pub fn open_filtered(interface: &str, carries: EtherType, program: &[SockFilter]) -> io::Result<AsyncPacketSocket> {
        AsyncPacketSocket::new(open_filtered(interface, carries, program)?)
    }

    fn new(socket: PacketSocket) -> io::Result<AsyncPacketSocket> {
        // SAFETY: a PacketSocket owns its descriptor, which stays the same until it is dropped with the AsyncFd.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        Ok(AsyncPacketSocket(socket.map_err(io::Error::from)?))
    }

    /// The socket, for sending.
    pub fn socket(&self) -> &PacketSocket {
        self.0.get_ref()
    }

    /// Waits for a packet, see [`PacketSocket::receive`].
    ///
    /// # Errors
    /// Of recvfrom(2), and never `WouldBlock`.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Mac)> {
        self.0.async_io(Interest::READABLE, |socket| socket.receive(buffer)).await
    }
}

/// Lets through UDP datagrams to `port`, first fragments only (bpf(4); offsets are from the IPv4 header on).
fn udp_port_filter(port: u16) -> [SockFilter; 9] {
    const PROTOCOL: u32 = 9;
    const FRAGMENT: u32 = 6;
    const DESTINATION_PORT: u32 = 2;
    let load = |size: u32, mode: u32, at: u32| SockFilter::new((libc::BPF_LD | size | mode) as u16, 0, 0, at);
    let unless_equal =
        |skip: u8, value: u32| SockFilter::new((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, 0, skip, value);
    let answer = |length: u32| SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, length);
    [
        load(libc::BPF_B, libc::BPF_ABS, PROTOCOL),
        unless_equal(6, libc::IPPROTO_UDP as u32),
        load(libc::BPF_H, libc::BPF_ABS, FRAGMENT),
        SockFilter::new((libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16, 4, 0, 0x1fff),
        // X becomes the length of the IPv4 header.
        SockFilter::new((libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16, 0, 0, 0),
        load(libc::BPF_H, libc::BPF_IND, DESTINATION_PORT),
        unless_equal(1, u32::from(port)),
        answer(u32::MAX),
        answer(0),
    ]
}
