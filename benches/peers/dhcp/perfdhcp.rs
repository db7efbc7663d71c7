//! Kea's own load tool, perfdhcp: it speaks as a relay agent.

use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::errno::Errno;
use nix::sys::socket::{SockaddrIn, getsockname, setsockopt, sockopt};

/// What it counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Exchanges done in a second.
    pub rate: f64,
    pub acks: u32,
    /// The part of the exchanges begun that were not done.
    pub loss: f64,
}

/// Its address, at our end of the link.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// How many threads it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// One: it has a processor, and the server the other.
    One,
    /// One more for what comes in, as it takes by itself where there are two processors: it and the server contend for
    /// them.
    Two,
}

/// Has `command`, which runs perfdhcp, begin exchanges at that rate for that long, of up to `machines` machines.
pub fn run(
    mut command: Command,
    threads: Threads,
    rate: f64,
    time: Duration,
    machines: u32,
) -> anyhow::Result<Counted> {
    let mode = match threads {
        Threads::One => "single",
        Threads::Two => "multi",
    };
    command.args(["-4", "-g", mode, "-W", "1000000", "-d", "1", "-l"]).arg(ADDRESS.to_string());
    command.arg("-r").arg(format!("{rate:.0}")).arg("-p").arg(time.as_secs().to_string());
    command.arg("-R").arg(machines.to_string()).arg("10.0.0.1");
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.context("perfdhcp does not start")?;
    let enlarged = enlarge(&child);
    let output = child.wait_with_output().context("perfdhcp does not end")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let said = || format!("perfdhcp said\n{text}{}", String::from_utf8_lossy(&output.stderr));
    let counted = read(&text, time).with_context(said)?;
    enlarged?;
    Ok(counted)
}

/// Room for what comes while it sends, bytes. It asks for none, and the answers that the system's little does not hold are
/// no loss of the server's.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Gives its socket that room as soon as it has one.
fn enlarge(perfdhcp: &Child) -> anyhow::Result<()> {
    // SAFETY: it takes numbers alone.
    let process =
        own(unsafe { libc::syscall(libc::SYS_pidfd_open, perfdhcp.id(), 0) }).context("perfdhcp has ended")?;
    let descriptors = format!("/proc/{}/fd", perfdhcp.id());
    let begin = Instant::now();
    loop {
        for entry in fs::read_dir(&descriptors).context("perfdhcp has ended")?.flatten() {
            let number = entry.file_name().to_string_lossy().parse::<RawFd>();
            // Others come and go while it starts.
            let Some(socket) = number.ok().and_then(|number| borrow(&process, number).ok()) else { continue };
            if getsockname::<SockaddrIn>(socket.as_raw_fd()).is_ok_and(|own| own.ip() == ADDRESS) {
                return setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).context("no larger buffer");
            }
        }
        anyhow::ensure!(begin.elapsed() < Duration::from_secs(1), "perfdhcp opens no socket");
        sleep(Duration::from_millis(1));
    }
}

/// A descriptor of our own for one of a process's (pidfd_getfd(2)).
fn borrow(process: &OwnedFd, number: RawFd) -> nix::Result<OwnedFd> {
    // SAFETY: it takes numbers alone.
    own(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) })
}

/// What a system call that makes a descriptor returned.
fn own(result: libc::c_long) -> nix::Result<OwnedFd> {
    // SAFETY: the descriptor is new, and nobody else has it.
    Errno::result(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

fn read(text: &str, time: Duration) -> Option<Counted> {
    let (first, second) = text.split_once("Statistics for: REQUEST-ACK")?;
    let (_, first) = first.split_once("Statistics for: DISCOVER-OFFER")?;
    let number = |text: &str, key: &str| -> Option<u32> {
        text.lines().find_map(|line| line.trim().strip_prefix(key))?.trim().parse().ok()
    };
    let (begun, acks) = (number(first, "sent packets:")?, number(second, "received packets:")?);
    let loss = 1.0 - f64::from(acks) / f64::from(begun.max(1));
    Some(Counted { rate: f64::from(acks) / time.as_secs_f64(), acks, loss })
}
