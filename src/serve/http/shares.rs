//! Equal shares for those who fetch large files over one link at once.
//!
//! Left to TCP, whoever found the link emptier keeps more of it for as long as the transfer takes: of twenty machines that
//! begin together the first is done in half of the last one's time. So while the network holds several back, each may
//! send as fast as the [`Level`] says and no faster (`SO_MAX_PACING_RATE`, socket(7)); it is a little above an equal
//! share, so the link stays full, and who cannot take that much leaves it to the others.
//!
//! Owns the list of those transfers, by the address of ours that they come to: each stands for a link of its own.

mod level;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use self::level::{Flow, Level, Seen};

/// Bytes of a body below which it is over before anybody could be held back for it.
const LARGE: u64 = 4 << 20;

/// Between two looks at the transfers.
const TICK: Duration = Duration::from_millis(25);

/// No limit (socket(7)).
const UNLIMITED: u64 = u64::MAX;

/// A new limit that differs by less from the one before is not worth a system call.
const WORTH: f64 = 0.005;

/// Who shares, and with whom.
#[derive(Default)]
pub(super) struct Shares {
    links: Mutex<Links>,
    several: Notify,
}

#[derive(Default)]
struct Links {
    next: u64,
    by_address: BTreeMap<IpAddr, Link>,
}

#[derive(Default)]
struct Link {
    level: Level,
    members: BTreeMap<u64, Member>,
    /// Since the last look.
    some_left: bool,
}

/// A transfer under way.
struct Member {
    /// Open for as long as the member is in the list: its [`Share`] borrows the connection.
    socket: RawFd,
    limit: u64,
    before: Option<Counted>,
    flow: Flow,
}

/// What TCP has counted of a connection.
#[derive(Clone, Copy)]
struct Counted {
    acknowledged: u64,
    retransmitted: u32,
    /// While the receiver had no room.
    waited: Duration,
    rtt: Duration,
}

/// The part in it of one transfer, until it is dropped.
pub(super) struct Share<'a> {
    shares: &'a Shares,
    link: IpAddr,
    number: u64,
    stream: &'a TcpStream,
}

impl Shares {
    /// Lets a transfer of so many bytes share with those that are under way; nothing for one that is over soon.
    pub(super) fn join<'a>(&'a self, stream: &'a TcpStream, bytes: u64) -> Option<Share<'a>> {
        if bytes < LARGE {
            return None;
        }
        let link = stream.local_addr().ok()?.ip();
        let mut links = self.links();
        let number = links.next;
        links.next += 1;
        let members = &mut links.by_address.entry(link).or_default().members;
        let socket = stream.as_raw_fd();
        members.insert(number, Member { socket, limit: UNLIMITED, before: None, flow: Flow::default() });
        if members.len() == 2 {
            self.several.notify_one();
        }
        Some(Share { shares: self, link, number, stream })
    }

    /// Levels the transfers for ever, whenever there are several.
    pub(super) async fn keep_level(&self) -> std::convert::Infallible {
        loop {
            self.several.notified().await;
            let mut looked = Instant::now();
            // Once more after there were several: who is left has the link for itself.
            while {
                sleep(TICK).await;
                let now = Instant::now();
                let time = now.duration_since(std::mem::replace(&mut looked, now));
                self.look(time)
            } {}
        }
    }

    /// Looks at what came of the last `time`; whether there are several on one link.
    fn look(&self, time: Duration) -> bool {
        let mut links = self.links();
        links.by_address.values_mut().for_each(|link| link.look(time));
        links.by_address.values().any(|link| link.members.len() > 1)
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        // Nothing that can panic happens under the lock.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Sets the limits by what came of the last `time`.
    fn look(&mut self, time: Duration) {
        for member in self.members.values_mut() {
            // One whose connection just died ends by itself.
            let Ok(now) = counted(member.socket) else { continue };
            if let Some(before) = member.before.replace(now) {
                member.flow.note(now.since(before, time), self.level.share());
            }
        }
        let mut flows: Vec<Flow> = self.members.values().map(|member| member.flow).collect();
        let some_left = std::mem::take(&mut self.some_left);
        self.level.next(&mut flows, some_left);
        for (member, flow) in self.members.values_mut().zip(flows) {
            member.flow = flow;
            let limit = self.level.limit(&member.flow);
            member.limit_to(limit.map_or(UNLIMITED, |limit| limit as u64));
        }
    }
}

impl Member {
    /// Lets it send so many bytes a second.
    fn limit_to(&mut self, limit: u64) {
        let change = (limit as f64 - self.limit as f64).abs();
        if change > WORTH * self.limit as f64 && set_limit(self.socket, limit).is_ok() {
            self.limit = limit;
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut links = self.shares.links();
        let Some(link) = links.by_address.get_mut(&self.link) else { return };
        let member = link.members.remove(&self.number);
        link.some_left = true;
        if link.members.is_empty() {
            links.by_address.remove(&self.link);
        }
        drop(links);
        // The connection may stay for other answers. Without it there is nothing to set.
        if member.is_some_and(|member| member.limit != UNLIMITED) {
            let _ = set_limit(self.stream.as_raw_fd(), UNLIMITED);
        }
    }
}

impl Counted {
    /// What it did in the `time` since it was counted `before`.
    fn since(self, before: Counted, time: Duration) -> Seen {
        let secs = time.as_secs_f64();
        Seen {
            time,
            bytes_per_sec: self.acknowledged.saturating_sub(before.acknowledged) as f64 / secs,
            waited: self.waited.saturating_sub(before.waited).as_secs_f64() / secs,
            rtt: self.rtt,
            lost: self.retransmitted.wrapping_sub(before.retransmitted),
        }
    }
}

fn counted(socket: RawFd) -> io::Result<Counted> {
    let info = tcp_info(socket)?;
    Ok(Counted {
        acknowledged: info.tcpi_bytes_acked,
        retransmitted: info.tcpi_total_retrans,
        waited: Duration::from_micros(info.tcpi_rwnd_limited),
        rtt: Duration::from_micros(info.tcpi_rtt.into()),
    })
}

fn tcp_info(socket: RawFd) -> io::Result<libc::tcp_info> {
    // SAFETY: zeros are a value of every field, all of them integers.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the descriptor is open, and the kernel writes at most `length` bytes. One that knows fewer fields leaves the
    // rest zero.
    let result =
        unsafe { libc::getsockopt(socket, libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut info).cast(), &mut length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(info) }
}

/// Lets a connection send so many bytes a second and no more.
fn set_limit(socket: RawFd, bytes_per_sec: u64) -> io::Result<()> {
    let length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the descriptor is open, and the kernel reads eight bytes.
    let result = unsafe {
        let value = (&raw const bytes_per_sec).cast();
        libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, value, length)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
