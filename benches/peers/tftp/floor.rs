//! What TFTP with one block at a time costs at least: this program, started anew as a server that knows no rules. One
//! thread answers each block with the next, out of memory; it never repeats itself, and knows no windows.
//!
//! It waits in one of two ways: by epoll, with one system call to read and one to send each block, or by io_uring, with
//! one system call for all blocks that can be read and sent at that moment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use hatchery::wire::tftp::{ErrorCode, Options, Packet};
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::anew;

const WORD: &str = "serve-tftp-floor";

/// Transfers at once.
const ENTRIES: u32 = 256;

/// Key of the socket that hears requests; transfers count from here on.
const REQUESTS: u64 = 0;
/// Key of what needs no answer.
const SENT: u64 = u64::MAX;

/// How the server waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    Epoll,
    Ring,
}

impl Waits {
    pub const ALL: [Waits; 2] = [Waits::Epoll, Waits::Ring];

    /// What the server is called.
    pub fn name(self) -> &'static str {
        match self {
            Waits::Epoll => "one thread, no rules",
            Waits::Ring => "the same by io_uring",
        }
    }
}

/// The command that serves `directory` on port 69 of `address`.
pub fn command(waits: Waits, directory: &Path, address: Ipv4Addr) -> io::Result<Command> {
    let mut command = anew::command(WORD)?;
    command.arg(waits.name()).arg(directory).arg(address.to_string());
    Ok(command)
}

/// Serves until it is ended, if this process was started for that.
pub fn run_if_asked() -> Option<ExitCode> {
    let served = serve(anew::arguments(WORD)?);
    eprintln!("the floor ended: {served:?}");
    Some(ExitCode::FAILURE)
}

fn serve(mut arguments: impl Iterator<Item = OsString>) -> io::Result<()> {
    let mut next = || arguments.next().ok_or(ErrorKind::InvalidInput);
    let (waits, directory, address) = (next()?, next()?, next()?);
    let address: Ipv4Addr = address.to_string_lossy().parse().map_err(io::Error::other)?;
    let requests = UdpSocket::bind((address, 69))?;
    requests.set_nonblocking(true)?;
    let floor = Floor { requests, address, directory: directory.into(), files: BTreeMap::new(), transfers: Vec::new() };
    if waits == Waits::Ring.name() { floor.by_ring() } else { floor.by_epoll() }
}

struct Floor {
    requests: UdpSocket,
    address: Ipv4Addr,
    directory: PathBuf,
    files: BTreeMap<String, Arc<Vec<u8>>>,
    /// By their keys, from 1 on.
    transfers: Vec<Option<Box<Transfer>>>,
}

struct Transfer {
    socket: UdpSocket,
    content: Arc<Vec<u8>>,
    blksize: usize,
    /// The block that is acknowledged next.
    block: usize,
    heard: [u8; 64],
    said: Vec<u8>,
}

impl Floor {
    fn by_epoll(mut self) -> io::Result<()> {
        let epoll = Epoll::new(EpollCreateFlags::empty())?;
        epoll.add(&self.requests, EpollEvent::new(EpollFlags::EPOLLIN, REQUESTS))?;
        let mut ready = [EpollEvent::empty(); ENTRIES as usize];
        loop {
            let count = epoll.wait(&mut ready, EpollTimeout::NONE)?;
            for event in &ready[..count] {
                let key = event.data();
                if key == REQUESTS {
                    for begun in self.begin() {
                        if let Some(transfer) = self.transfer(begun) {
                            epoll.add(&transfer.socket, EpollEvent::new(EpollFlags::EPOLLIN, begun))?;
                        }
                    }
                } else if let Some(transfer) = self.transfer(key) {
                    let went_on = transfer.socket.recv(&mut transfer.heard).map(|length| transfer.go_on(length));
                    match went_on {
                        Ok(true) => drop(transfer.socket.send(&transfer.said)),
                        Ok(false) => {}
                        // The client is gone, and said so by closing its port.
                        Err(_) => self.end(key),
                    }
                }
            }
        }
    }

    fn by_ring(mut self) -> io::Result<()> {
        let mut ring = IoUring::<squeue::Entry, cqueue::Entry>::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(ENTRIES * 2)?;
        let watch = opcode::PollAdd::new(types::Fd(self.requests.as_raw_fd()), libc::POLLIN as u32).multi(true);
        let mut orders = vec![watch.build().user_data(REQUESTS)];
        loop {
            // SAFETY: an order points into the box of a transfer, and here a transfer stays as long as the process.
            unsafe { ring.submission().push_multiple(&orders) }.map_err(io::Error::other)?;
            orders.clear();
            ring.submit_and_wait(1)?;
            let done: Vec<(u64, i32)> = ring.completion().map(|entry| (entry.user_data(), entry.result())).collect();
            for (key, result) in done {
                if key == REQUESTS {
                    for begun in self.begin() {
                        orders.extend(self.transfer(begun).map(|transfer| transfer.order_to_hear(begun)));
                    }
                } else if let Some(transfer) = self.transfer(key) {
                    // The client is gone, and said so by closing its port.
                    let Ok(length) = usize::try_from(result) else { continue };
                    if transfer.go_on(length) {
                        orders.push(transfer.order_to_say());
                    }
                    orders.push(transfer.order_to_hear(key));
                }
            }
        }
    }

    /// Reads requests; the keys of the transfers that they began.
    fn begin(&mut self) -> Vec<u64> {
        let mut begun = Vec::new();
        let mut room = [0; 1024];
        while let Ok((length, client)) = self.requests.recv_from(&mut room) {
            if let Ok(Packet::Read(request)) = Packet::parse(&room[..length])
                && let Ok(transfer) = self.open(&request.name, request.options, client)
            {
                self.transfers.push(transfer.map(Box::new));
                begun.push(self.transfers.len() as u64);
            }
        }
        begun
    }

    fn open(&mut self, name: &str, options: Options, client: SocketAddr) -> io::Result<Option<Transfer>> {
        let socket = UdpSocket::bind((self.address, 0))?;
        socket.connect(client)?;
        socket.set_nonblocking(true)?;
        let content = match self.files.get(name) {
            Some(content) => content.clone(),
            None => match fs::read(self.directory.join(name)) {
                Ok(content) => self.files.entry(name.to_owned()).or_insert(Arc::new(content)).clone(),
                Err(_) => {
                    socket.send(
                        &Packet::Error { code: ErrorCode::FILE_NOT_FOUND, message: "there is none".to_owned() }
                            .encode(),
                    )?;
                    return Ok(None);
                }
            },
        };
        let granted = Options { blksize: options.blksize, tsize: Some(content.len() as u64), ..Options::default() };
        socket.send(&Packet::Oack(granted).encode())?;
        let blksize = options.blksize.unwrap_or(512).into();
        Ok(Some(Transfer { socket, content, blksize, block: 0, heard: [0; 64], said: Vec::new() }))
    }

    fn transfer(&mut self, key: u64) -> Option<&mut Transfer> {
        self.transfers.get_mut(usize::try_from(key).ok()?.checked_sub(1)?)?.as_deref_mut()
    }

    fn end(&mut self, key: u64) {
        if let Some(transfer) = self.transfers.get_mut(key as usize - 1) {
            *transfer = None;
        }
    }
}

impl Transfer {
    /// Writes the next block, if what was heard acknowledges the last one and that was not the end.
    fn go_on(&mut self, length: usize) -> bool {
        let Ok(Packet::Ack { block }) = Packet::parse(&self.heard[..length]) else { return false };
        let start = self.block * self.blksize;
        if block != self.block as u16 || start > self.content.len() {
            return false;
        }
        self.block += 1;
        let rest = &self.content[start..];
        self.said.clear();
        self.said.extend_from_slice(&[0, 3]);
        self.said.extend_from_slice(&(self.block as u16).to_be_bytes());
        self.said.extend_from_slice(&rest[..rest.len().min(self.blksize)]);
        true
    }

    fn order_to_hear(&mut self, key: u64) -> squeue::Entry {
        let socket = types::Fd(self.socket.as_raw_fd());
        opcode::Recv::new(socket, self.heard.as_mut_ptr(), self.heard.len() as u32).build().user_data(key)
    }

    fn order_to_say(&self) -> squeue::Entry {
        let socket = types::Fd(self.socket.as_raw_fd());
        opcode::Send::new(socket, self.said.as_ptr(), self.said.len() as u32).build().user_data(SENT)
    }
}
