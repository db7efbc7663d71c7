//! What every UDP shell asks of the kernel: from which of our addresses a datagram leaves, and how many leave in one system
//! call.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;

/// The most datagrams in one call (`UDP_MAX_SEGMENTS`).
pub const SEGMENTS_MAX: usize = 64;

/// The most bytes in one call: they are one UDP payload until they are cut.
pub const BYTES_MAX: usize = 65_000;

/// Cleared once the kernel or a driver has refused segmentation offload.
static SEGMENTS: AtomicBool = AtomicBool::new(true);

/// Whether the kernel may be asked to cut a payload into datagrams of one length, the last of which may be shorter
/// (udp(7), `UDP_SEGMENT`).
pub fn segments() -> bool {
    SEGMENTS.load(Ordering::Relaxed)
}

/// Whether what could not be sent in one call may be sent datagram by datagram. Remembers if that holds for the next, too.
pub fn may_go_singly(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP) => {
            tracing::debug!(%error, "no UDP segmentation offload; sending datagram by datagram");
            SEGMENTS.store(false, Ordering::Relaxed);
            true
        }
        // The path became narrower than they are long: only what goes singly may be fragmented.
        Some(libc::EMSGSIZE) => true,
        _ => false,
    }
}

/// Makes a datagram leave from our address `local`, also where the interface has several (ip(7), `IP_PKTINFO`).
pub fn source(local: Ipv4Addr) -> libc::in_pktinfo {
    libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(local.octets()) },
        ipi_addr: libc::in_addr { s_addr: 0 },
    }
}

/// Sets a socket option that neither socket2 nor nix wraps.
pub fn set_int(socket: &impl AsRawFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of_val(&value) as libc::socklen_t;
    let pointer = std::ptr::from_ref(&value).cast();
    // SAFETY: the descriptor is open, and pointer and length describe `value`, which outlives the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, pointer, length) };
    Errno::result(result)?;
    Ok(())
}

/// Lets one test at a time have the kernel refuse segmentation, and forgets the refusal after it.
#[cfg(test)]
pub mod refusal {
    use std::sync::atomic::Ordering;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::SEGMENTS;

    static ALONE: Mutex<()> = Mutex::new(());

    /// Until it is dropped.
    pub struct Alone(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

    /// Waits for the other tests.
    pub fn alone() -> Alone {
        Alone(ALONE.lock().unwrap_or_else(PoisonError::into_inner))
    }

    impl Drop for Alone {
        fn drop(&mut self) {
            SEGMENTS.store(true, Ordering::Relaxed);
        }
    }
}
