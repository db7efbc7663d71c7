//! What every interface hears, read by the core itself: whole batches of datagrams in one system call.
//!
//! Neither by the runtime nor by threads of its own: each datagram would wake one or two of them before the core has it.

use std::io::{self, IoSliceMut};
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use bytes::Bytes;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, SockaddrLike, recvmmsg};

use super::{CLIENT_PORT, Outlets, Port, unaddressed};
use crate::clock;
use crate::fleet::Event;
use crate::serve::inbox::{Inbox, Outlet};
use crate::serve::preflight::rival::Rivals;
use crate::time::Instant;

/// The largest message read: more than any client sends, and option 57 allows.
const MESSAGE_MAX: usize = 4096;

/// Datagrams in one system call.
const BATCH: usize = 32;

/// System calls for one socket, before it is the others' turn.
const CALLS_MAX: usize = 32;

/// How long an interface that went down is left alone.
const DOWN: Duration = Duration::from_secs(1);

/// The sockets of every interface, and where what they hear goes.
#[derive(Debug)]
pub struct Ears {
    outlets: Outlets,
    inbox: Inbox,
    /// What they asked themselves is no client's message.
    rivals: Rivals,
    ears: Vec<Ear>,
    rooms: Rooms,
}

/// One socket.
#[derive(Debug)]
struct Ear {
    /// Index of the port that it belongs to.
    port: usize,
    hears: Hears,
    /// It was, when last looked at.
    ready: bool,
    /// The interface was down and is left alone until then.
    down_until: Option<Instant>,
}

/// Which socket of a [`Port`].
#[derive(Clone, Copy, Debug)]
enum Hears {
    Udp,
    Unaddressed,
    BootServer,
}

impl Ears {
    /// For every socket of `outlets`.
    pub fn open(outlets: &Outlets, inbox: &Inbox, rivals: &Rivals) -> Ears {
        let ears = outlets.ports.iter().enumerate().flat_map(|(port, sockets)| {
            let boot_server = sockets.boot_server.is_some().then_some(Hears::BootServer);
            let all = [Hears::Udp, Hears::Unaddressed].into_iter().chain(boot_server);
            all.map(move |hears| Ear { port, hears, ready: false, down_until: None })
        });
        let ears = ears.collect();
        Ears { outlets: outlets.clone(), inbox: inbox.clone(), rivals: rivals.clone(), ears, rooms: Rooms::new() }
    }

    /// Hears nothing from now on.
    pub fn close(&mut self) {
        self.ears.clear();
    }

    /// Waits until a message lies in the inbox or can be heard, or `time` is over; `false` if nothing of that came. See
    /// [`Outlet::wait`].
    pub fn wait(&mut self, outlet: &Outlet, mut time: Duration) -> bool {
        let now = clock::now().instant;
        for ear in &mut self.ears {
            ear.down_until = ear.down_until.filter(|until| *until > now);
            time = ear.down_until.map_or(time, |until| time.min(until.since(now)));
        }
        let up = |ear: &&mut Ear| ear.down_until.is_none();
        let wanted = |ear: &mut Ear| PollFd::new(ear.hears.socket(&self.outlets.ports[ear.port]), PollFlags::POLLIN);
        let mut polled: Vec<_> = self.ears.iter_mut().filter(up).map(wanted).collect();
        let came = outlet.wait(&mut polled, time);
        for (ear, polled) in self.ears.iter_mut().filter(up).zip(&polled) {
            ear.ready = polled.any() == Some(true);
        }
        came
    }

    /// Hands in what can be heard, as [`Ears::wait`] found.
    pub fn hear(&mut self) {
        let Ears { outlets, inbox, rivals, ears, rooms } = self;
        for ear in ears.iter_mut().filter(|ear| ear.ready) {
            ear.ready = false;
            let port = &outlets.ports[ear.port];
            // The interface may go down and come back; the socket stays.
            if let Err(error) = port.hear(ear.hears, rooms, inbox, rivals) {
                tracing::warn!(interface = port.interface, %error, "DHCP socket");
                ear.down_until = Some(clock::now().after(DOWN).instant);
            }
        }
    }
}

impl Hears {
    fn socket(self, port: &Port) -> BorrowedFd<'_> {
        match self {
            Hears::Udp => port.udp.as_fd(),
            Hears::Unaddressed => port.unaddressed.as_fd(),
            Hears::BootServer => port.boot_server.as_ref().expect("an ear of a socket that is open").as_fd(),
        }
    }
}

impl Port {
    /// Reads what one of its sockets holds.
    fn hear(&self, hears: Hears, rooms: &mut Rooms, inbox: &Inbox, rivals: &Rivals) -> io::Result<()> {
        let link = self.link;
        let socket = hears.socket(self).as_raw_fd();
        let hear = |message: &[u8], port: u16| {
            // Our own search for other servers, come back by a second link in the same broadcast domain.
            if !rivals.is_question(message) {
                inbox.offer(Event::Dhcp { link, port, bytes: Bytes::copy_from_slice(message) });
            }
        };
        match hears {
            Hears::Udp => rooms.fill::<SockaddrIn>(socket, |message, from| {
                hear(message, from.map_or(CLIENT_PORT, |from| from.port()));
            }),
            Hears::Unaddressed => rooms.fill::<()>(socket, |packet, _| {
                if let Some(message) = unaddressed::message(packet, &self.addresses) {
                    hear(message, CLIENT_PORT);
                }
            }),
            Hears::BootServer => rooms.fill::<SockaddrIn>(socket, |message, from| {
                let Some(from) = from.map(|from| SocketAddrV4::new(from.ip(), from.port())) else { return };
                inbox.offer(Event::BootServer { link, from, bytes: Bytes::copy_from_slice(message) });
            }),
        }
    }
}

/// Where datagrams are read into.
struct Rooms(Vec<[u8; MESSAGE_MAX]>);

impl std::fmt::Debug for Rooms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rooms").field(&self.0.len()).finish()
    }
}

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
        for _ in 0..CALLS_MAX {
            let mut pieces: Vec<[IoSliceMut<'_>; 1]> = self.0.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
            let received = match recvmmsg(socket, &mut headers, pieces.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
                Ok(received) => received,
                Err(Errno::EAGAIN | Errno::EINTR) => break,
                Err(error) => return Err(error.into()),
            };
            let mut count = 0;
            for datagram in received {
                count += 1;
                if let Some(bytes) = datagram.iovs().next() {
                    each(bytes, datagram.address);
                }
            }
            if count < BATCH {
                break;
            }
        }
        Ok(())
    }
}
