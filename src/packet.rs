//! A packet socket on one interface: packets of one protocol in Ethernet frames that we address ourselves (packet(7)).
//!
//! A server needs it to answer a client that has no address, because nobody would answer ARP for it, and to speak ARP
//! itself; a client needs it to speak before it has an address.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::net::Mac;

/// What the frames carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtherType {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// ARP.
    Arp,
}

impl EtherType {
    /// The EtherType in network byte order, as packet(7) wants it everywhere.
    fn wire(self) -> u16 {
        let number = match self {
            EtherType::Ipv4 => libc::ETH_P_IP,
            EtherType::Ipv6 => libc::ETH_P_IPV6,
            EtherType::Arp => libc::ETH_P_ARP,
        };
        (number as u16).to_be()
    }
}

/// Sends and receives packets on one interface; the kernel writes and strips the Ethernet header.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    index: i32,
    carries: EtherType,
}

impl PacketSocket {
    /// Opens the socket, not blocking. With `receives`, packets that come in on the interface can be read.
    ///
    /// # Errors
    /// No such interface, or no CAP_NET_RAW.
    pub fn open(interface: &str, carries: EtherType, receives: bool) -> io::Result<PacketSocket> {
        let index = i32::try_from(nix::net::if_::if_nametoindex(interface)?)
            .map_err(|_| io::Error::other("the kernel gave an interface index out of range"))?;
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // EtherType 0 receives nothing, so an outlet's queue does not fill with packets nobody reads. One that receives is
        // told its EtherType with its interface: to move a socket that receives already, the kernel waits for every
        // processor to let go of it, some 10 ms each.
        // SAFETY: socket(2) takes no pointers; the descriptor it returns is ours alone.
        let fd = unsafe {
            let fd = libc::socket(libc::AF_PACKET, kind, 0);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let socket = PacketSocket { fd, index, carries };
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

    /// Sends a packet in a frame to `to`.
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

    /// Reads the next packet into `buffer`; its length, and the MAC that sent the frame.
    ///
    /// # Errors
    /// Of recvfrom(2); `WouldBlock` if none is there.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Mac)> {
        let mut from = self.address(Mac([0; 6]));
        let mut from_size = size_of_address();
        // SAFETY: `buffer` is valid for writes of its length, and `from` for writes of `from_size` bytes.
        let length = unsafe {
            libc::recvfrom(
                self.fd.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                0,
                (&raw mut from).cast(),
                &raw mut from_size,
            )
        };
        let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
        let [a, b, c, d, e, f, ..] = from.sll_addr;
        Ok((length, Mac([a, b, c, d, e, f])))
    }

    /// Has the interface take frames to that multicast address, too, as long as the socket is open.
    ///
    /// # Errors
    /// Of setsockopt(2).
    pub fn join(&self, group: Mac) -> io::Result<()> {
        let mut address = [0; 8];
        address[..6].copy_from_slice(&group.0);
        let membership = libc::packet_mreq {
            mr_ifindex: self.index,
            mr_type: libc::PACKET_MR_MULTICAST as u16,
            mr_alen: 6,
            mr_address: address,
        };
        // SAFETY: `membership` is a whole packet_mreq and outlives the call; the length is its size.
        let result = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_ADD_MEMBERSHIP,
                (&raw const membership).cast(),
                size_of::<libc::packet_mreq>() as libc::socklen_t,
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn address(&self, mac: Mac) -> libc::sockaddr_ll {
        let mut hardware = [0; 8];
        hardware[..6].copy_from_slice(&mac.0);
        libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: self.carries.wire(),
            sll_ifindex: self.index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: hardware,
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
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
