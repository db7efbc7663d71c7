//! Capabilities (capabilities(7)): which the calling thread holds, and giving them up.
//!
//! Three calls with structures of their own; the C library has no wrapper for them, and what libcap would add is text.

use std::io;

/// Ports below 1024.
pub(super) const NET_BIND_SERVICE: u32 = 10;
/// Packet sockets.
pub(super) const NET_RAW: u32 = 13;

/// `_LINUX_CAPABILITY_VERSION_3`: two words of 32.
const VERSION: u32 = 0x2008_0522;
/// Beyond this there is none, in any kernel.
const LAST: u32 = 63;

#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Words {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// What a thread may do with privileges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sets {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

impl Sets {
    fn own() -> io::Result<Sets> {
        let mut header = Header { version: VERSION, pid: 0 };
        let mut words = [Words::default(); 2];
        // SAFETY: the header is of version 3, for which the kernel writes two of `Words`; both outlive the call.
        let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        let whole = |part: fn(&Words) -> u32| u64::from(part(&words[1])) << 32 | u64::from(part(&words[0]));
        Ok(Sets {
            effective: whole(|words| words.effective),
            permitted: whole(|words| words.permitted),
            inheritable: whole(|words| words.inheritable),
        })
    }

    fn set(self) -> io::Result<()> {
        let mut header = Header { version: VERSION, pid: 0 };
        let word = |shift: u32| Words {
            effective: (self.effective >> shift) as u32,
            permitted: (self.permitted >> shift) as u32,
            inheritable: (self.inheritable >> shift) as u32,
        };
        let words = [word(0), word(32)];
        // SAFETY: the header is of version 3, for which the kernel reads two of `Words`; both outlive the call.
        let result = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// The capabilities that are kept, of those that are held; nothing is ever gained.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept(u64);

impl Kept {
    pub(super) fn new(capabilities: &[u32]) -> Kept {
        Kept(capabilities.iter().fold(0, |set, capability| set | 1 << capability))
    }

    /// Gives up all others, in the calling thread. Ambient ones go with them.
    pub(super) fn keep(self) -> io::Result<()> {
        let own = Sets::own()?;
        let permitted = own.permitted & self.0;
        let wanted = Sets { effective: permitted, permitted, inheritable: 0 };
        if own == wanted { Ok(()) } else { wanted.set() }
    }

    /// Empties the bounding set, so that no program that is run could gain any. It takes a privilege; who has none has
    /// nothing to gain either, because no program is run with new privileges.
    pub(super) fn bound(self) -> io::Result<()> {
        const SETPCAP: u32 = 8;
        if Sets::own()?.effective & 1 << SETPCAP == 0 {
            return Ok(());
        }
        for capability in 0..=LAST {
            // SAFETY: prctl(2) with PR_CAPBSET_DROP takes a number and touches no memory.
            let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
            if result < 0 {
                let error = io::Error::last_os_error();
                // The kernel knows no more of them.
                return if error.raw_os_error() == Some(libc::EINVAL) { Ok(()) } else { Err(error) };
            }
        }
        Ok(())
    }
}

/// Lets the next change of user leave what is permitted.
pub(super) fn survive_change_of_user() -> io::Result<()> {
    // SAFETY: prctl(2) with PR_SET_KEEPCAPS takes a number and touches no memory.
    let result = unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What the calling thread holds, for the log.
pub(super) fn held() -> String {
    match Sets::own() {
        Ok(Sets { permitted: 0, .. }) => "none".to_owned(),
        Ok(Sets { permitted, .. }) => format!("{permitted:#x}"),
        Err(error) => format!("unknown: {error}"),
    }
}
