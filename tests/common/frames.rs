//! Whole Ethernet frames, as a capture sees them.

use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// How long a read may wait: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A packet socket on an interface of the calling thread's namespace, for all frames of this EtherType.
pub fn packet_socket(interface: &str, ethertype: u16) -> Socket {
    let protocol = Protocol::from(i32::from(ethertype.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).expect("a packet socket");
    let index = nix::net::if_::if_nametoindex(interface).expect("an interface that is there");
    // SAFETY: sockaddr_ll is plain integers; all zero is a value of it.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let link = storage.cast::<libc::sockaddr_ll>();
            (*link).sll_family = libc::AF_PACKET as u16;
            (*link).sll_protocol = ethertype.to_be();
            (*link).sll_ifindex = index as i32;
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })
    }
    .expect("an address that needs no system call");
    socket.bind(&address).expect("binding to an interface of ours");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}
