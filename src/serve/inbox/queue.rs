//! What waits for the core, and the bell that wakes it: it listens for the bell and its sockets in one system call.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

use super::Message;

/// The messages, in the order they came in.
#[derive(Debug)]
pub(super) struct Queue {
    lying: Mutex<Lying>,
    bell: EventFd,
}

#[derive(Debug, Default)]
struct Lying {
    messages: VecDeque<Message>,
    /// The core listens for the bell.
    asleep: bool,
    /// Nobody reads any more.
    closed: bool,
}

impl Queue {
    /// # Errors
    /// Of eventfd(2).
    pub fn new() -> io::Result<Queue> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Queue { lying: Mutex::default(), bell })
    }

    /// Adds a message. Once the queue is closed it is dropped, and who waits for its result learns that none will come.
    pub fn push(&self, message: Message) {
        let rings = {
            let mut lying = self.lying();
            if lying.closed {
                return;
            }
            lying.messages.push_back(message);
            std::mem::take(&mut lying.asleep)
        };
        if rings {
            // It fails only if it was rung 2^64 times and nobody listened.
            let _ = self.bell.write(1);
        }
    }

    pub fn pop(&self) -> Option<Message> {
        self.lying().messages.pop_front()
    }

    /// Drops what lies here, and what is added from now on.
    pub fn close(&self) {
        let mut lying = self.lying();
        lying.closed = true;
        lying.messages.clear();
    }

    /// Waits until a message lies here, one of `sockets` is ready, or `time` is over; whether anything came.
    pub fn wait<'s>(&'s self, sockets: &mut Vec<PollFd<'s>>, time: Duration) -> bool {
        let empty = {
            let mut lying = self.lying();
            let empty = lying.messages.is_empty();
            lying.asleep = empty && !time.is_zero();
            empty
        };
        sockets.push(PollFd::new(self.bell.as_fd(), PollFlags::POLLIN));
        let time = if empty { time } else { Duration::ZERO };
        let ready = match ppoll(sockets, Some(TimeSpec::from_duration(time)), None) {
            Ok(ready) => ready > 0,
            Err(Errno::EINTR) => false,
            Err(error) => panic!("ppoll(2) of sockets that are open: {error}"),
        };
        if sockets.pop().is_some_and(|bell| bell.any() == Some(true)) {
            let _ = self.bell.read();
        }
        self.lying().asleep = false;
        ready || !empty
    }

    fn lying(&self) -> MutexGuard<'_, Lying> {
        // Nothing that can panic happens under the lock.
        self.lying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
