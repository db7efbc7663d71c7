//! A direct client: as many machines as wanted on one interface, each asking once for an address by broadcast.
//!
//! An open loop: exchanges begin at the rate that was ordered, whatever becomes of the others, and nothing is repeated,
//! so that what a server does not answer counts as lost. One thread, whole batches of datagrams in one system call, so
//! that the server is the limit and not this.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// What is not answered within this time is lost: perfdhcp's own patience.
const PATIENCE: Duration = Duration::from_secs(1);

/// Datagrams in one system call.
const BATCH: usize = 64;

const FRAME: usize = 28 + 300;
const ROOM: usize = 1024;

/// What one run is to do.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Exchanges begun in a second.
    pub rate: f64,
    /// For how long.
    pub time: Duration,
    /// The number of the first machine.
    pub first: u32,
    /// How many machines take turns.
    pub machines: u32,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub begun: u32,
    pub offers: u32,
    pub acks: u32,
    pub naks: u32,
    /// From the first DISCOVER to the last ACK.
    pub took: Duration,
    /// From DISCOVER to ACK of each exchange, in order.
    pub times: Vec<Duration>,
}

impl Outcome {
    /// The part of the exchanges that did not end in an ACK.
    pub fn loss(&self) -> f64 {
        1.0 - f64::from(self.acks) / f64::from(self.begun.max(1))
    }

    pub fn rate(&self) -> f64 {
        f64::from(self.acks) / self.took.as_secs_f64()
    }

    /// The time within which that part of the exchanges was done.
    pub fn percentile(&self, part: f64) -> Duration {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let index = (sorted.len() as f64 * part) as usize;
        sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// An exchange under way.
#[derive(Clone, Copy)]
struct Exchange {
    machine: u32,
    began: Instant,
    requested: bool,
    done: bool,
}

/// The client's end of one interface.
pub struct Client {
    socket: OwnedFd,
    index: i32,
    /// Where transaction numbers go on: a late answer belongs to nobody.
    next_xid: u32,
}

impl Client {
    pub fn open(interface: &str) -> io::Result<Client> {
        let index = nix::net::if_::if_nametoindex(interface)? as i32;
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: no pointers; the descriptor is ours alone.
        let socket = unsafe {
            let fd = libc::socket(libc::AF_PACKET, kind, 0);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let client = Client { socket, index, next_xid: 1 };
        client.filter()?;
        client.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &(64_i32 << 20))?;
        client.set(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &(16_i32 << 20))?;
        let address = client.address();
        // SAFETY: a whole sockaddr_ll that outlives the call.
        let bound = unsafe {
            libc::bind(client.socket.as_raw_fd(), (&raw const address).cast(), size_of_val(&address) as libc::socklen_t)
        };
        if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(client) }
    }

    /// Only UDP to port 68 reaches us, none of what we send ourselves.
    fn filter(&self) -> io::Result<()> {
        let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
        let (load, equal, answer) =
            (libc::BPF_LD | libc::BPF_ABS, libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::BPF_RET | libc::BPF_K);
        let mut program = [
            step(load | libc::BPF_B, 0, 0, 9),
            step(equal, 0, 3, libc::IPPROTO_UDP as u32),
            // No server sends IP options.
            step(load | libc::BPF_H, 0, 0, 22),
            step(equal, 0, 1, 68),
            step(answer, 0, 0, u32::MAX),
            step(answer, 0, 0, 0),
        ];
        self.set(
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            &libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() },
        )
    }

    fn set<T>(&self, level: i32, name: i32, value: &T) -> io::Result<()> {
        // SAFETY: `value` is whole and outlives the call.
        let result = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                level,
                name,
                (value as *const T).cast(),
                size_of::<T>() as libc::socklen_t,
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn address(&self) -> libc::sockaddr_ll {
        libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: (libc::ETH_P_IP as u16).to_be(),
            sll_ifindex: self.index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
        }
    }

    /// How many exchanges are done, with little patience.
    ///
    /// # Errors
    /// Of the socket.
    pub fn knock(&mut self, order: Order) -> io::Result<u32> {
        self.run_with(order, Duration::from_millis(20)).map(|outcome| outcome.acks)
    }

    /// The address that one machine gets; it asks again every three seconds.
    ///
    /// # Errors
    /// Of the socket.
    pub fn lease(&mut self, machine: u32, patience: Duration) -> io::Result<Option<Ipv4Addr>> {
        const AGAIN: Duration = Duration::from_secs(3);
        let end = Instant::now() + patience;
        // Other clients on this interface have numbers of their own.
        let xid = machine << 8;
        let mut rooms = vec![[0_u8; ROOM]; BATCH];
        let mut says = discover(xid, machine);
        while Instant::now() < end {
            self.send(&mut VecDeque::from([says]))?;
            let again = Instant::now() + AGAIN;
            let mut requests = false;
            while Instant::now() < again && !requests {
                self.wait(again.saturating_duration_since(Instant::now()))?;
                let mut given = None;
                self.receive(&mut rooms, |packet| match Answer::read(packet) {
                    Some(answer) if answer.xid == xid && answer.kind == 2 => {
                        says = request(xid, machine, answer.address, answer.server);
                        requests = true;
                    }
                    Some(answer) if answer.xid == xid && answer.kind == 5 => given = Some(answer.address.into()),
                    _ => {}
                })?;
                if given.is_some() {
                    return Ok(given);
                }
            }
        }
        Ok(None)
    }

    /// Begins exchanges as ordered and waits for the last of them.
    pub fn run(&mut self, order: Order) -> io::Result<Outcome> {
        self.run_with(order, PATIENCE)
    }

    fn run_with(&mut self, order: Order, patience: Duration) -> io::Result<Outcome> {
        let base = self.next_xid;
        let total = (order.rate * order.time.as_secs_f64()) as u32;
        let mut exchanges: Vec<Exchange> = Vec::with_capacity(total as usize);
        let mut outcome = Outcome::default();
        let mut queue: VecDeque<[u8; FRAME]> = VecDeque::new();
        let mut rooms = vec![[0_u8; ROOM]; BATCH];
        let start = Instant::now();
        let mut last = start;
        loop {
            let now = Instant::now();
            let due = ((now - start).as_secs_f64() * order.rate) as u32 + 1;
            while exchanges.len() < due.min(total) as usize {
                let number = exchanges.len() as u32;
                let machine = order.first + number % order.machines;
                exchanges.push(Exchange { machine, began: now, requested: false, done: false });
                queue.push_back(discover(base + number, machine));
            }
            self.send(&mut queue)?;
            let received = self.receive(&mut rooms, |packet| {
                let Some(answer) = Answer::read(packet) else { return };
                let number = answer.xid.wrapping_sub(base);
                let Some(exchange) = exchanges.get_mut(number as usize) else { return };
                match answer.kind {
                    2 if !exchange.requested => {
                        exchange.requested = true;
                        outcome.offers += 1;
                        queue.push_back(request(answer.xid, exchange.machine, answer.address, answer.server));
                    }
                    5 if exchange.requested && !exchange.done => {
                        exchange.done = true;
                        outcome.acks += 1;
                        last = Instant::now();
                        outcome.times.push(last - exchange.began);
                    }
                    6 => outcome.naks += 1,
                    _ => {}
                }
            })?;
            if outcome.acks == total {
                break;
            }
            if received > 0 || !queue.is_empty() {
                continue;
            }
            let next = if (exchanges.len() as u32) < total {
                start + Duration::from_secs_f64(exchanges.len() as f64 / order.rate)
            } else {
                exchanges.last().map_or(start, |exchange| exchange.began) + patience
            };
            let now = Instant::now();
            if exchanges.len() as u32 == total && now >= next {
                break;
            }
            self.wait(next.saturating_duration_since(now))?;
        }
        self.next_xid = base + total;
        outcome.begun = total;
        outcome.took = last - start;
        outcome.times.shrink_to_fit();
        Ok(outcome)
    }

    /// Waits for an answer, or until it is time for the next exchange.
    fn wait(&self, time: Duration) -> io::Result<()> {
        let mut poll = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let time =
            libc::timespec { tv_sec: time.as_secs() as libc::time_t, tv_nsec: time.subsec_nanos() as libc::c_long };
        // SAFETY: one pollfd and one timespec, both whole.
        let result = unsafe { libc::ppoll(&raw mut poll, 1, &raw const time, std::ptr::null()) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn send(&self, queue: &mut VecDeque<[u8; FRAME]>) -> io::Result<()> {
        let mut address = self.address();
        while !queue.is_empty() {
            let count = queue.len().min(BATCH);
            let frames = queue.make_contiguous();
            let mut pieces: Vec<libc::iovec> = frames[..count]
                .iter_mut()
                .map(|frame| libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: FRAME })
                .collect();
            let mut messages: Vec<libc::mmsghdr> =
                pieces.iter_mut().map(|piece| message(piece, Some(&mut address))).collect();
            // SAFETY: headers, pieces and frames are whole and outlive the call.
            let sent =
                unsafe { libc::sendmmsg(self.socket.as_raw_fd(), messages.as_mut_ptr(), count as libc::c_uint, 0) };
            if sent < 0 {
                let error = io::Error::last_os_error();
                match error.raw_os_error() {
                    Some(libc::EAGAIN | libc::ENOBUFS) => return Ok(()),
                    _ => return Err(error),
                }
            }
            queue.drain(..sent as usize);
        }
        Ok(())
    }

    fn receive(&self, rooms: &mut [[u8; ROOM]], mut each: impl FnMut(&[u8])) -> io::Result<usize> {
        let mut pieces: Vec<libc::iovec> =
            rooms.iter_mut().map(|room| libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: ROOM }).collect();
        let mut messages: Vec<libc::mmsghdr> = pieces.iter_mut().map(|piece| message(piece, None)).collect();
        let count = messages.len() as libc::c_uint;
        // SAFETY: headers, pieces and rooms are whole and outlive the call.
        let received =
            unsafe { libc::recvmmsg(self.socket.as_raw_fd(), messages.as_mut_ptr(), count, 0, std::ptr::null_mut()) };
        if received < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(0) } else { Err(error) };
        }
        for (room, message) in rooms.iter().zip(&messages).take(received as usize) {
            each(&room[..message.msg_len as usize]);
        }
        Ok(received as usize)
    }
}

fn message(piece: &mut libc::iovec, address: Option<&mut libc::sockaddr_ll>) -> libc::mmsghdr {
    // SAFETY: zeros are a message without anything.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = piece;
    header.msg_iovlen = 1;
    if let Some(address) = address {
        header.msg_name = (address as *mut libc::sockaddr_ll).cast();
        header.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    }
    libc::mmsghdr { msg_hdr: header, msg_len: 0 }
}

/// What an answer says.
struct Answer {
    kind: u8,
    xid: u32,
    address: [u8; 4],
    server: [u8; 4],
}

impl Answer {
    /// The answer in an IPv4 packet that the filter let through.
    fn read(packet: &[u8]) -> Option<Answer> {
        let message = packet.get(28..)?;
        let four = |at: usize| message.get(at..at + 4)?.try_into().ok();
        let (mut kind, mut server) = (0, [0; 4]);
        let mut options = message.get(240..)?;
        while let [code, rest @ ..] = options {
            options = match (code, rest) {
                (0, rest) => rest,
                (255, _) | (_, []) => break,
                (code, [length, rest @ ..]) => {
                    let (value, rest) = rest.split_at_checked(usize::from(*length))?;
                    match (code, value) {
                        (53, [value]) => kind = *value,
                        (54, value) => server = value.try_into().ok()?,
                        _ => {}
                    }
                    rest
                }
            };
        }
        Some(Answer { kind, xid: u32::from_be_bytes(four(4)?), address: four(16)?, server })
    }
}

/// The hardware address of a machine.
fn mac(machine: u32) -> [u8; 6] {
    let [a, b, c, d] = machine.to_be_bytes();
    [0x02, 0x68, a, b, c, d]
}

fn discover(xid: u32, machine: u32) -> [u8; FRAME] {
    frame(xid, machine, &[53, 1, 1, 55, 5, 1, 3, 6, 15, 51, 255])
}

/// A DISCOVER of a machine as its relay agent sends it.
pub fn relayed(machine: u32, agent: Ipv4Addr) -> Vec<u8> {
    let mut message = discover(machine, machine)[28..].to_vec();
    message[3] = 1;
    message[24..28].copy_from_slice(&agent.octets());
    message
}

fn request(xid: u32, machine: u32, address: [u8; 4], server: [u8; 4]) -> [u8; FRAME] {
    let ([a, b, c, d], [e, f, g, h]) = (address, server);
    frame(xid, machine, &[53, 1, 3, 50, 4, a, b, c, d, 54, 4, e, f, g, h, 55, 5, 1, 3, 6, 15, 51, 255])
}

/// A message to everybody, whose answer is to go to everybody.
fn frame(xid: u32, machine: u32, options: &[u8]) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    frame[..9].copy_from_slice(&[0x45, 0, (FRAME >> 8) as u8, FRAME as u8, 0, 0, 0, 0, 64]);
    frame[9] = libc::IPPROTO_UDP as u8;
    frame[16..20].copy_from_slice(&Ipv4Addr::BROADCAST.octets());
    let sum: u32 = frame[..20].chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[10..12].copy_from_slice(&sum.to_be_bytes());
    let length = (FRAME - 20) as u16;
    frame[20..26].copy_from_slice(&[0, 68, 0, 67, (length >> 8) as u8, length as u8]);
    let message = &mut frame[28..];
    message[..3].copy_from_slice(&[1, 1, 6]);
    message[4..8].copy_from_slice(&xid.to_be_bytes());
    message[10] = 0x80;
    message[28..34].copy_from_slice(&mac(machine));
    message[236..240].copy_from_slice(&[99, 130, 83, 99]);
    message[240..240 + options.len()].copy_from_slice(options);
    frame
}
