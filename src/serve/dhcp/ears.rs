//! The threads that read: one for each interface, whole batches of datagrams in one system call.
//!
//! Not of the runtime: there, each datagram would wake two threads before the core has it.

use std::io::{self, IoSliceMut};
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, SockaddrLike, recvmmsg};

use super::{CLIENT_PORT, Outlets, Port, unaddressed};
use crate::fleet::Event;
use crate::serve::AbortOnPanic;
use crate::serve::inbox::Inbox;
use crate::serve::preflight::rival::Rivals;

/// The largest message read: more than any client sends, and option 57 allows.
const MESSAGE_MAX: usize = 4096;

/// Datagrams in one system call.
const BATCH: usize = 32;

/// How long messages are left to gather while others wait for the core: read one by one they would cost a third of what it
/// takes to answer them, and they would wait all the same.
const GATHER: Duration = Duration::from_micros(200);

/// How long an interface that went down is left alone, in milliseconds.
const DOWN_MILLIS: u16 = 1000;

/// The threads; they end when this is dropped.
#[derive(Debug)]
pub struct Ears {
    /// Closed, it wakes them all.
    stop: Option<OwnedFd>,
    threads: Vec<JoinHandle<()>>,
}

impl Ears {
    pub(super) fn open(outlets: &Outlets, inbox: &Inbox, rivals: &Rivals) -> io::Result<Ears> {
        let (stopped, stop) = io::pipe()?;
        let stopped = Arc::new(OwnedFd::from(stopped));
        let mut ears = Ears { stop: Some(stop.into()), threads: Vec::new() };
        for index in 0..outlets.ports.len() {
            let (outlets, inbox, rivals, stopped) = (outlets.clone(), inbox.clone(), rivals.clone(), stopped.clone());
            let hear = move || {
                // An interface that nobody hears any more would be a server that is up and does not serve.
                let _guard = AbortOnPanic;
                outlets.ports[index].hear(&inbox, &rivals, stopped.as_fd());
            };
            ears.threads.push(thread::Builder::new().name("dhcp".into()).spawn(hear)?);
        }
        Ok(ears)
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        self.stop = None;
        for thread in self.threads.drain(..) {
            // A panic has ended the process.
            let _ = thread.join();
        }
    }
}

impl Port {
    /// Reads until `stopped`; what `rivals` asked itself is no client's message.
    fn hear(&self, inbox: &Inbox, rivals: &Rivals, stopped: BorrowedFd<'_>) {
        let mut rooms = Rooms::new();
        let wanted = |socket| PollFd::new(socket, PollFlags::POLLIN);
        let mut polled = vec![wanted(stopped), wanted(self.udp.as_fd()), wanted(self.unaddressed.as_fd())];
        polled.extend(self.boot_server.iter().map(|socket| wanted(socket.as_fd())));
        loop {
            if inbox.waiting() > 0 {
                thread::sleep(GATHER);
            }
            let result = match poll(&mut polled, PollTimeout::NONE) {
                Ok(_) if polled[0].any() == Some(true) => return,
                Ok(_) | Err(Errno::EINTR) => self.read_all(&mut rooms, &polled, inbox, rivals),
                Err(error) => Err(error.into()),
            };
            // The interface may go down and come back; the socket stays.
            if let Err(error) = result {
                tracing::warn!(interface = self.interface, %error, "DHCP socket");
                if poll(&mut polled[..1], DOWN_MILLIS).is_ok_and(|ready| ready > 0) {
                    return;
                }
            }
        }
    }

    /// Reads what is there, at most a batch of each socket.
    fn read_all(&self, rooms: &mut Rooms, polled: &[PollFd<'_>], inbox: &Inbox, rivals: &Rivals) -> io::Result<()> {
        let link = self.link;
        let is_there = |index: usize| polled.get(index).and_then(PollFd::any) == Some(true);
        let hear = |message: &[u8], port: u16| {
            // Our own search for other servers, come back by a second link in the same broadcast domain.
            if !rivals.is_question(message) {
                inbox.offer(Event::Dhcp { link, port, bytes: Bytes::copy_from_slice(message) });
            }
        };
        if is_there(1) {
            rooms.fill::<SockaddrIn>(self.udp.as_raw_fd(), |message, from| {
                hear(message, from.map_or(CLIENT_PORT, |from| from.port()));
            })?;
        }
        if is_there(2) {
            rooms.fill::<()>(self.unaddressed.as_raw_fd(), |packet, _| {
                if let Some(message) = unaddressed::message(packet, &self.addresses) {
                    hear(message, CLIENT_PORT);
                }
            })?;
        }
        if let Some(socket) = self.boot_server.as_ref().filter(|_| is_there(3)) {
            rooms.fill::<SockaddrIn>(socket.as_raw_fd(), |message, from| {
                let Some(from) = from.map(|from| SocketAddrV4::new(from.ip(), from.port())) else { return };
                inbox.offer(Event::BootServer { link, from, bytes: Bytes::copy_from_slice(message) });
            })?;
        }
        Ok(())
    }
}

/// Where datagrams are read into.
struct Rooms(Vec<[u8; MESSAGE_MAX]>);

impl Rooms {
    fn new() -> Rooms {
        Rooms(vec![[0; MESSAGE_MAX]; BATCH])
    }

    /// Reads what is there, without waiting; each datagram, and where it came from.
    fn fill<A: SockaddrLike + Copy>(
        &mut self,
        socket: RawFd,
        mut each: impl FnMut(&[u8], Option<A>),
    ) -> io::Result<()> {
        let mut headers = MultiHeaders::<A>::preallocate(self.0.len(), None);
        let mut pieces: Vec<[IoSliceMut<'_>; 1]> = self.0.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
        match recvmmsg(socket, &mut headers, pieces.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(received) => {
                for datagram in received {
                    if let Some(bytes) = datagram.iovs().next() {
                        each(bytes, datagram.address);
                    }
                }
                Ok(())
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
