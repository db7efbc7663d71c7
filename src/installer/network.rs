//! The way onto the network: every wired interface is switched on and asked for an address, the first answer wins, and
//! its lease is kept for as long as the run lasts.
//!
//! Owns the sockets and the interfaces; what is said on them is decided in `dhcp`.

pub mod interface;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::dhcp::{Client, Output};
use crate::net::Mac;
use crate::packet::{EtherType, PacketSocket};
use crate::time::Instant;
use crate::wire::ipv4;
use interface::Interface;

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
const EVERYBODY: Mac = Mac([0xff; 6]);

/// How long only the interface is asked that the firmware booted from.
const BOOT_INTERFACE_FIRST: Duration = Duration::from_secs(30);
/// How often interfaces and links are looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Which interfaces may be used.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only this one.
    pub interface: Option<String>,
    /// This one first, if it is there.
    pub boot_mac: Option<Mac>,
}

/// What becomes known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// What is waited for, one sentence.
    Waiting(String),
    /// There is an address. Comes again when it changes.
    Connected {
        /// On this interface.
        interface: String,
        /// Its MAC.
        mac: Mac,
        /// The address and its prefix length, as text: `192.168.151.100/24`.
        address: String,
        /// The DHCP server, option 54.
        server: Ipv4Addr,
    },
    /// Something went wrong that is worth a line.
    Trouble(String),
}

/// One interface being asked.
struct Asking {
    interface: Interface,
    client: Client,
    /// Frames while there is no address, datagrams afterwards: a packet socket would see a copy of the whole download.
    ear: Ear,
    mouth: PacketSocket,
}

enum Ear {
    Frames(PacketSocket),
    Datagrams(UdpSocket),
}

/// Gets and keeps an address; ends only when nobody listens to `news` any more.
pub fn run(wanted: &Wanted, news: &Sender<News>) {
    let began = std::time::Instant::now();
    let now = || Instant::from_start(began.elapsed());
    let mut asking: Vec<Asking> = Vec::new();
    let mut bound: Option<String> = None;
    let (mut told, mut trouble) = (String::new(), None);
    loop {
        if bound.is_none() {
            let found = interface::list(wanted.interface.as_deref());
            let chosen = choose(&found, wanted, began.elapsed());
            if let Err(error) = look_after(&chosen, &mut asking, now()) {
                complain(&mut trouble, error, news);
            }
            let sentence = waiting(&chosen, wanted);
            if sentence != told && news.send(News::Waiting(sentence.clone())).is_err() {
                return;
            }
            told = sentence;
        }
        wait_for_messages(&asking, now());
        for one in &mut asking {
            let mut outputs = one.hear(now());
            outputs.extend(one.client.on_time(now()));
            let name = one.interface.name.clone();
            for output in outputs {
                match one.carry_out(output) {
                    Ok(Some(Change::Bound(connected))) => {
                        bound = Some(name.clone());
                        if news.send(connected).is_err() {
                            return;
                        }
                    }
                    Ok(Some(Change::Lost)) => bound = None,
                    Ok(None) => {}
                    Err(error) => complain(&mut trouble, format!("{name}: {error}"), news),
                }
            }
        }
        if let Some(name) = &bound {
            asking.retain(|one| one.interface.name == *name);
        }
    }
}

/// Says what is wrong once, however often it is tried again.
fn complain(last: &mut Option<String>, sentence: String, news: &Sender<News>) {
    if last.as_ref() != Some(&sentence) {
        // Nobody listens any more: the next news notices.
        news.send(News::Trouble(sentence.clone())).ok();
        *last = Some(sentence);
    }
}

/// The interfaces that may be asked by now.
fn choose(found: &[Interface], wanted: &Wanted, waited: Duration) -> Vec<Interface> {
    let booted = found.iter().find(|each| Some(each.mac) == wanted.boot_mac);
    match booted {
        Some(booted) if waited < BOOT_INTERFACE_FIRST => vec![booted.clone()],
        _ => found.to_vec(),
    }
}

/// What is waited for.
fn waiting(chosen: &[Interface], wanted: &Wanted) -> String {
    let names = |link: bool| {
        let names: Vec<&str> = chosen.iter().filter(|each| each.link == link).map(|each| each.name.as_str()).collect();
        names.join(", ")
    };
    if chosen.iter().any(|each| each.link) {
        return format!("Asking for an address on {}", names(true));
    }
    match (chosen, &wanted.interface) {
        ([], Some(name)) => format!("Waiting for the network interface {name}, which does not exist"),
        ([], None) => "Waiting for a network interface: none was found, a driver may be missing".to_owned(),
        _ => format!("Waiting for a link: is a cable plugged in? ({})", names(false)),
    }
}

/// Switches interfaces on, begins to ask those that have a link, forgets those that lost it; the last error, if any.
fn look_after(chosen: &[Interface], asking: &mut Vec<Asking>, now: Instant) -> Result<(), String> {
    asking.retain(|one| chosen.iter().any(|each| each.link && each.name == one.interface.name));
    let mut result = Ok(());
    for each in chosen {
        if asking.iter().any(|one| one.interface.name == each.name) {
            continue;
        }
        let begun = match each.link {
            true => Asking::begin(each.clone(), now).map(|one| asking.push(one)),
            false => interface::set_up(&each.name),
        };
        result = begun.map_err(|error| format!("{}: {error}", each.name)).and(result);
    }
    result
}

/// Waits until a message is there to be read, or a client wants to speak, or for a moment.
fn wait_for_messages(asking: &[Asking], now: Instant) {
    let until = asking.iter().map(|one| one.client.deadline().since(now)).fold(LOOK_AGAIN, Duration::min);
    let poll = |one: &Asking| libc::pollfd { fd: one.ear.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut fds: Vec<libc::pollfd> = asking.iter().map(poll).collect();
    // SAFETY: the pointer and the length are those of a vector that outlives the call. If it fails, nothing is there to
    // be read, and the deadlines are looked at a little early.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, until.as_millis() as libc::c_int) };
}

enum Change {
    Bound(News),
    Lost,
}

impl Asking {
    fn begin(interface: Interface, now: Instant) -> io::Result<Asking> {
        let frames = PacketSocket::open(&interface.name, EtherType::Ipv4, true)?;
        let mouth = PacketSocket::open(&interface.name, EtherType::Ipv4, false)?;
        let client = Client::new(interface.mac, transaction()?, now);
        Ok(Asking { interface, client, ear: Ear::Frames(frames), mouth })
    }

    /// Everything that came in, given to the client.
    fn hear(&mut self, now: Instant) -> Vec<Output> {
        let mut buffer = [0; 2048];
        let mut outputs = Vec::new();
        loop {
            match &self.ear {
                Ear::Frames(socket) => {
                    let Ok((length, _)) = socket.receive(&mut buffer) else { return outputs };
                    if let Some((from, to, payload)) = ipv4::parse_udp(&buffer[..length])
                        && (from.port(), to.port()) == (SERVER_PORT, CLIENT_PORT)
                    {
                        outputs.extend(self.client.on_message(payload, now));
                    }
                }
                Ear::Datagrams(socket) => {
                    let Ok((length, _)) = socket.recv_from(&mut buffer) else { return outputs };
                    outputs.extend(self.client.on_message(&buffer[..length], now));
                }
            }
        }
    }

    fn carry_out(&mut self, output: Output) -> io::Result<Option<Change>> {
        let name = &self.interface.name;
        match output {
            Output::Broadcast(bytes) => {
                let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT);
                let packet = ipv4::udp_packet(from, SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT), &bytes);
                self.mouth.send(&packet, EVERYBODY)?;
                Ok(None)
            }
            Output::Unicast(to, bytes) => {
                if let Ear::Datagrams(socket) = &self.ear {
                    socket.send_to(&bytes, (to, SERVER_PORT))?;
                }
                Ok(None)
            }
            Output::Bound(lease) => {
                interface::set_address(name, &lease)?;
                self.ear = Ear::Datagrams(datagrams(name)?);
                Ok(Some(Change::Bound(News::Connected {
                    interface: name.clone(),
                    mac: self.interface.mac,
                    address: format!("{}/{}", lease.address, lease.subnet.prefix()),
                    server: lease.server,
                })))
            }
            Output::Lost => {
                interface::clear_address(name)?;
                self.ear = Ear::Frames(PacketSocket::open(name, EtherType::Ipv4, true)?);
                Ok(Some(Change::Lost))
            }
        }
    }
}

impl AsRawFd for Ear {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Ear::Frames(socket) => socket.as_raw_fd(),
            Ear::Datagrams(socket) => socket.as_raw_fd(),
        }
    }
}

/// The client's port on one interface, not blocking.
fn datagrams(interface: &str) -> io::Result<UdpSocket> {
    use nix::sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket, sockopt::BindToDevice,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
    setsockopt(&fd, BindToDevice, &interface.into())?;
    bind(fd.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, CLIENT_PORT))?;
    let socket = UdpSocket::from(fd);
    socket.set_broadcast(true)?;
    Ok(socket)
}

/// A transaction id that no other machine of the bench is likely to use.
fn transaction() -> io::Result<u32> {
    let mut bytes = [0; 4];
    // SAFETY: the buffer is valid for writes of its length. Early in a boot the pool may be poor, and that is good enough.
    let length = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), libc::GRND_INSECURE) };
    if length == 4 { Ok(u32::from_ne_bytes(bytes)) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
