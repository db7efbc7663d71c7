//! A file and a range to a TCP connection by sendfile(2); no byte of the file enters this process.
//!
//! Owns the patience towards slow readers: a client that takes anything within the stall limit is never dropped, up to
//! the acknowledgement of its last byte. Knows nothing of HTTP beyond "some bytes go first".
//!
//! A socket that is closed while bytes are queued belongs to the kernel alone, which gives it up after a few probes of
//! a closed window (tcp(7), `tcp_orphan_retries`). So nothing here counts as sent while it waits in the queue.

use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::sendfile::sendfile64;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::serve::content::OpenFile;
use crate::transfer::Outcome;

/// Bytes asked of one sendfile call; measured best between 128 KiB and 4 MiB.
const CHUNK: u64 = 1024 * 1024;

/// The pauses between two looks at the send queue, of which the kernel tells no one that it became empty: each twice
/// the one before, from the first of these to the second.
const LOOKS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(250));

static SENT: AtomicU64 = AtomicU64::new(0);

nix::ioctl_read_bad!(
    /// Bytes in the send queue that the far end has not acknowledged (tcp(7), SIOCOUTQ).
    unacknowledged_bytes,
    libc::TIOCOUTQ,
    libc::c_int
);

/// Bytes this process has sent by sendfile since it started.
pub fn sendfile_bytes() -> u64 {
    SENT.load(Ordering::Relaxed)
}

/// Sends all of `head`, held back for the segment of the body that has to follow at once.
///
/// # Errors
/// The socket's; [`io::ErrorKind::TimedOut`] when the client took nothing for `stall`.
pub async fn send_head(stream: &TcpStream, head: &[u8], stall: Duration) -> io::Result<()> {
    send_bytes(stream, head, libc::MSG_MORE, stall).await
}

/// Sends all of `bytes`, after which nothing follows, and waits until they are [`acknowledged`].
///
/// # Errors
/// As of [`acknowledged`].
pub async fn deliver(stream: &TcpStream, bytes: &[u8], stall: Duration) -> io::Result<()> {
    send_bytes(stream, bytes, 0, stall).await?;
    acknowledged(stream, stall).await
}

/// Waits until the far end has acknowledged everything that was sent.
///
/// # Errors
/// The socket's; [`io::ErrorKind::TimedOut`] when the client took nothing for `stall`.
pub async fn acknowledged(stream: &TcpStream, stall: Duration) -> io::Result<()> {
    let (mut waiting, mut since) = (unacknowledged(stream)?, Instant::now());
    let (mut pause, longest) = LOOKS;
    let mut quiet = true;
    while waiting > 0 {
        // The next request, or the end, comes with the acknowledgement: it shall not wait for our next look.
        tokio::select! {
            ready = stream.readable(), if quiet => {
                ready?;
                quiet = false;
            }
            () = sleep(pause) => pause = longest.min(2 * pause),
        }
        let now_waiting = unacknowledged(stream)?;
        if now_waiting < waiting {
            (waiting, since) = (now_waiting, Instant::now());
            continue;
        }
        // Sends nothing, and fails on a connection that is gone: its queue stays as it was.
        SockRef::from(stream).send_with_flags(&[], libc::MSG_NOSIGNAL)?;
        if since.elapsed() >= stall {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}

async fn send_bytes(stream: &TcpStream, mut bytes: &[u8], flags: libc::c_int, stall: Duration) -> io::Result<()> {
    while !bytes.is_empty() {
        let send = || SockRef::from(stream).send_with_flags(bytes, flags | libc::MSG_NOSIGNAL);
        let sent = when_writable(stream, stall, send).await?;
        bytes = &bytes[sent..];
    }
    Ok(())
}

/// Sends `range` of `file`; `on_progress` hears the bytes sent so far after every chunk.
///
/// [`Outcome::Complete`] says that the last byte was acknowledged. After any other outcome the connection is of no more
/// use: the client still waits for bytes that will not come, or is gone.
pub async fn send_file(
    stream: &TcpStream,
    file: &OpenFile,
    range: Range<u64>,
    stall: Duration,
    mut on_progress: impl FnMut(u64),
) -> Outcome {
    let mut at = range.start;
    while at < range.end {
        let chunk = usize::try_from(CHUNK.min(range.end - at)).expect("a chunk fits usize");
        let Ok(mut offset) = i64::try_from(at) else {
            return Outcome::Broken("the range starts past the largest file offset".to_owned());
        };
        let sent = when_writable(stream, stall, || Ok(sendfile64(stream, &file.file, Some(&mut offset), chunk)?)).await;
        match sent {
            Ok(0) => return Outcome::Broken("the file became shorter while it was sent".to_owned()),
            Ok(sent) => {
                let sent = sent as u64;
                SENT.fetch_add(sent, Ordering::Relaxed);
                at += sent;
                on_progress(at - range.start);
            }
            Err(error) => return ending(&error, stall),
        }
    }
    match acknowledged(stream, stall).await {
        Ok(()) => Outcome::Complete,
        Err(error) => ending(&error, stall),
    }
}

/// What a failed send says about the transfer.
pub fn ending(error: &io::Error, stall: Duration) -> Outcome {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            Outcome::Abandoned("the client closed the connection".to_owned())
        }
        // The kernel's own ETIMEDOUT (a far end that is gone) carries a number; ours does not.
        io::ErrorKind::TimedOut if error.raw_os_error().is_none() => {
            Outcome::Broken(format!("the client took no byte for {} s", stall.as_secs()))
        }
        _ => Outcome::Broken(error.to_string()),
    }
}

/// Runs `write` as often as the socket can take bytes until it takes some.
async fn when_writable(
    stream: &TcpStream,
    stall: Duration,
    mut write: impl FnMut() -> io::Result<usize>,
) -> io::Result<usize> {
    // Mostly there is room: then nothing else is asked of the kernel, and no timer is set.
    match stream.try_io(Interest::WRITABLE, &mut write) {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
        result => return result,
    }
    let mut waiting = unacknowledged(stream)?;
    loop {
        match timeout(stall, stream.async_io(Interest::WRITABLE, &mut write)).await {
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(result) => return result,
            Err(_) => {
                // The socket counts as writable only when a third of its buffer is free: a very slow reader shows in
                // the queue long before.
                let now_waiting = unacknowledged(stream)?;
                if now_waiting >= waiting {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                waiting = now_waiting;
            }
        }
    }
}

fn unacknowledged(stream: &TcpStream) -> io::Result<i32> {
    let mut bytes = 0;
    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and the kernel writes one int to `bytes`.
    unsafe { unacknowledged_bytes(stream.as_raw_fd(), &mut bytes) }?;
    Ok(bytes)
}
