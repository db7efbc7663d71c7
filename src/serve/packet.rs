//! A packet socket on one interface: IPv4 datagrams in Ethernet frames that we address ourselves (packet(7)).
//!
//! A server needs it to answer a client that has no address, because nobody would answer ARP for it; a simulated
//! client needs it to speak before it has one.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::net::Mac;

/// Sends and receives IPv4 packets on one interface; the kernel writes and strips the Ethernet header.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    index: i32,
}

impl PacketSocket {
    /// Opens the socket, not blocking. With `receives`, packets that come in on the interface can be read.
    ///
    /// # Errors
    /// No such interface, or no CAP_NET_RAW.
    pub fn open(interface: &str, receives: bool) -> io::Result<PacketSocket> {
        let index = i32::try_from(nix::net::if_::if_nametoindex(interface)?)
            .map_err(|_| io::Error::other("the kernel gave an interface index out of range"))?;
        // Protocol 0 receives nothing, so an outlet's queue does not fill with packets nobody reads.
        let protocol = if receives { (libc::ETH_P_IP as u16).to_be() } else { 0 };
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: socket(2) takes no pointers; the descriptor it returns is ours alone.
        let fd = unsafe {
            let fd = libc::socket(libc::AF_PACKET, kind, i32::from(protocol));
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let socket = PacketSocket { fd, index };
        if receives {
            let address = socket.address(Mac([0; 6]));
            // SAFETY: `address` is a whole sockaddr_ll and outlives the call; the length is its size.
            let result = unsafe { libc::bind(socket.fd.as_raw_fd(), (&raw const address).cast(), size_of_address()) };
            if result < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(socket)
    }

    /// Lets the kernel pass on only the packets that `program` accepts (classic BPF, socket(7)); its offsets count from
    /// the IPv4 header.
    ///
    /// # Errors
    /// Of setsockopt(2).
    pub fn filter(&self, program: &[libc::sock_filter]) -> io::Result<()> {
        let length = u16::try_from(program.len()).map_err(|_| io::Error::other("the filter is too long"))?;
        let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
        // SAFETY: the program outlives the call, which copies it; the length is that of the struct.
        let result = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const program).cast(),
                size_of::<libc::sock_fprog>() as libc::socklen_t,
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Sends an IPv4 packet in a frame to `to`.
    ///
    /// # Errors
    /// Of sendto(2).
    pub fn send(&self, packet: &[u8], to: Mac) -> io::Result<()> {
        let address = self.address(to);
        // SAFETY: both pointers are valid for the lengths given and are only read during the call.
        let sent = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                0,
                (&raw const address).cast(),
                size_of_address(),
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Reads the next IPv4 packet into `buffer`; its length.
    ///
    /// # Errors
    /// Of recv(2); `WouldBlock` if none is there.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the pointer is valid for writes of the length given.
        let length = unsafe { libc::recv(self.fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        usize::try_from(length).map_err(|_| io::Error::last_os_error())
    }

    fn address(&self, mac: Mac) -> libc::sockaddr_ll {
        let mut hardware = [0; 8];
        hardware[..6].copy_from_slice(&mac.0);
        libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: (libc::ETH_P_IP as u16).to_be(),
            sll_ifindex: self.index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: hardware,
        }
    }
}

impl AsRawFd for PacketSocket {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.fd.as_raw_fd()
    }
}

fn size_of_address() -> libc::socklen_t {
    size_of::<libc::sockaddr_ll>() as libc::socklen_t
}
