//! Other DHCP servers on our links: found by a DISCOVER of our own, and by overhearing what they broadcast to clients.
//!
//! The DISCOVER goes out under a hardware address that no machine has, so that it costs a rival one offer at most. A
//! frame of ours never comes back to us, except by a second link in the same broadcast domain; there it is known by
//! that hardware address ([`Rivals::is_question`]) and ignored.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use super::interface;
use super::present::Present;
use crate::net::Mac;
use crate::serve::packet::AsyncPacketSocket;
use crate::site::{Link, Site};
use crate::wire::dhcp::{MessageType, Reply, code, codec};
use crate::wire::ipv4;

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
const BROADCAST: Mac = Mac([0xff; 6]);

/// The largest frame that an interface may bring.
const PACKET_MAX: usize = 65_536;

/// Locally administered (IEEE 802), so no adapter's own; the other half is that of the asking interface.
const PREFIX: [u8; 3] = [0x02, b'D', b'H'];

/// Another DHCP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rival {
    /// Its server identifier; 0.0.0.0 if it named none.
    pub server: Ipv4Addr,
    /// The hardware address that its reply came from.
    pub mac: Mac,
}

/// The search, on every link where it could be opened.
#[derive(Clone, Debug)]
pub struct Rivals {
    links: Arc<Vec<io::Result<Port>>>,
    /// Our own server identifiers.
    own: Arc<Vec<Ipv4Addr>>,
}

#[derive(Debug)]
struct Port {
    interface: String,
    question: Mac,
    socket: AsyncPacketSocket,
    rivals: Present<Rival>,
}

impl Rivals {
    /// Opens every link. Service goes on without those that cannot be opened. Must run inside the runtime.
    pub fn open(site: &Site) -> Rivals {
        let own = site.links.iter().map(|link| link.address).collect();
        Rivals { links: Arc::new(site.links.iter().map(Port::open).collect()), own: Arc::new(own) }
    }

    /// For a place whose addresses others give.
    pub fn none() -> Rivals {
        Rivals { links: Arc::default(), own: Arc::default() }
    }

    /// Asks on every link who gives addresses there.
    pub fn ask(&self) {
        for port in self.links.iter().flatten() {
            port.rivals.ask();
            let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT);
            let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT);
            let packet = ipv4::udp_packet(from, to, &discover(port.question));
            if let Err(error) = port.socket.socket().send(&packet, BROADCAST) {
                tracing::debug!(interface = port.interface, %error, "DISCOVER not sent");
            }
        }
    }

    /// Whether a DHCP message is a question of our own. Another hatchery's is answered: it must learn of us.
    pub fn is_question(&self, message: &[u8]) -> bool {
        let chaddr = chaddr(message);
        self.links.iter().flatten().any(|port| chaddr == Some(port.question))
    }

    /// Who was heard on each link, in the order of the site; or why that cannot be known.
    pub fn list(&self) -> impl Iterator<Item = Result<Vec<Rival>, &io::Error>> {
        self.links.iter().map(|port| port.as_ref().map(|port| port.rivals.list()))
    }

    /// Hears every link for ever; `news` is called when a rival is heard for the first time.
    pub async fn run(self, news: impl Fn() + Clone + Send + 'static) {
        let mut ears = tokio::task::JoinSet::new();
        for index in 0..self.links.len() {
            let (rivals, news) = (self.clone(), news.clone());
            ears.spawn(async move {
                if let Ok(port) = &rivals.links[index] {
                    port.hear(&rivals.own, news).await;
                }
            });
        }
        ears.join_all().await;
    }
}

impl Port {
    fn open(link: &Link) -> io::Result<Port> {
        // What is behind relay agents cannot be heard from here.
        let interface = link.interface.as_deref().ok_or(io::ErrorKind::NotFound)?;
        let Mac([_, _, _, d, e, f]) = interface::mac_of(interface)?;
        let [a, b, c] = PREFIX;
        Ok(Port {
            interface: interface.to_owned(),
            question: Mac([a, b, c, d, e, f]),
            socket: AsyncPacketSocket::open_udp(interface, CLIENT_PORT)?,
            rivals: Present::default(),
        })
    }

    async fn hear(&self, own: &[Ipv4Addr], news: impl Fn()) {
        let mut buffer = vec![0; PACKET_MAX];
        loop {
            match self.socket.receive(&mut buffer).await {
                Ok((length, mac)) => {
                    let reply =
                        ipv4::parse_udp(&buffer[..length]).and_then(|(_, _, bytes)| codec::decode_reply(bytes).ok());
                    if let Some(server) = reply.as_ref().and_then(server_of).filter(|server| !own.contains(server))
                        && self.rivals.heard(Rival { server, mac })
                    {
                        news();
                    }
                }
                // The interface may go down and come back; the socket stays.
                Err(error) => {
                    tracing::debug!(interface = self.interface, %error, "socket of the search for DHCP servers");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

/// Who sent a reply.
fn server_of(reply: &Reply) -> Option<Ipv4Addr> {
    reply.kind?;
    let server: Option<[u8; 4]> = reply.option(code::SERVER_ID).and_then(|bytes| bytes.try_into().ok());
    Some(server.map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from))
}

/// A DISCOVER (RFC 2131 table 5). The answer must be broadcast, because nobody listens at that hardware address.
fn discover(mac: Mac) -> Vec<u8> {
    const BROADCAST_FLAG: [u8; 2] = [0x80, 0];
    let mut bytes = vec![1, 1, 6, 0];
    // One question at a time, so its number can be anything.
    bytes.extend_from_slice(&mac.0[2..]);
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&BROADCAST_FLAG);
    bytes.resize(CHADDR, 0);
    bytes.extend_from_slice(&mac.0);
    bytes.resize(236, 0);
    bytes.extend_from_slice(&[99, 130, 83, 99]);
    bytes.extend_from_slice(&[code::MESSAGE_TYPE, 1, MessageType::Discover.code()]);
    bytes.extend_from_slice(&[code::PARAMETER_REQUEST_LIST, 1, code::SUBNET_MASK, 255]);
    // The length of a BOOTP message; some servers drop what is shorter.
    bytes.resize(300, 0);
    bytes
}

/// Where the hardware address stands in a DHCP message.
const CHADDR: usize = 28;

/// The hardware address in a DHCP message.
fn chaddr(message: &[u8]) -> Option<Mac> {
    message.get(CHADDR..)?.first_chunk().copied().map(Mac)
}

#[cfg(test)]
mod tests;
