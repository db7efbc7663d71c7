//! ARP on every link: asks whether anyone uses an address, and hears who says so.
//!
//! Two things come of it: an [`Event::Conflict`] for an address that was just promised to a client, and who else claims
//! an address of our own. Answering is left to the kernel. Nothing ever waits for an answer, and an answer counts only
//! shortly after our own question, so a stranger cannot talk addresses out of use at will.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::inbox::Inbox;
use super::packet::{AsyncPacketSocket, EtherType};
use super::preflight::interface;
use super::preflight::present::Present;
use crate::clock;
use crate::fleet::Event;
use crate::net::{LinkId, Mac};
use crate::site::{Link, Site};
use crate::time::Instant;
use crate::wire::arp::{LENGTH, Packet};

/// How long after a question its answers count.
const ANSWER_TIME: Duration = Duration::from_secs(5);

const BROADCAST: Mac = Mac([0xff; 6]);

/// ARP on every link where it could be opened.
#[derive(Clone, Debug)]
pub struct Arp {
    links: Arc<Vec<io::Result<Port>>>,
}

#[derive(Debug)]
struct Port {
    interface: String,
    mac: Mac,
    /// Our own address.
    address: Ipv4Addr,
    socket: AsyncPacketSocket,
    asked: Mutex<BTreeMap<Ipv4Addr, Asked>>,
    claimants: Arc<Present<Mac>>,
}

/// A question under way: whether anyone but `client` uses an address.
#[derive(Clone, Copy, Debug)]
struct Asked {
    client: Mac,
    at: Instant,
}

impl Arp {
    /// Opens every link. Service goes on without those that cannot be opened; the preflight says so. Must run inside
    /// the runtime.
    pub fn open(site: &Site) -> Arp {
        Arp { links: Arc::new(site.links.iter().map(Port::open).collect()) }
    }

    /// Asks whether anyone but `client` uses an address.
    pub fn probe(&self, link: LinkId, address: Ipv4Addr, client: Mac) {
        let Some(Ok(port)) = self.links.get(usize::from(link.0)) else { return };
        let at = clock::now().instant;
        {
            let mut asked = port.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.retain(|_, each| at.since(each.at) <= ANSWER_TIME);
            asked.insert(address, Asked { client, at });
        }
        port.ask(address);
    }

    /// Asks on every link whether anyone else uses our own address there (RFC 5227 §2.4).
    pub fn probe_own(&self) {
        for port in self.links.iter().flatten() {
            port.claimants.ask();
            port.ask(port.address);
        }
    }

    /// Who else claims our own address on each link, in the order of the site; or why that cannot be known.
    pub fn claimants(&self) -> impl Iterator<Item = Result<Vec<Mac>, &io::Error>> {
        self.links.iter().map(|port| port.as_ref().map(|port| port.claimants.list()))
    }

    /// Hears every link for ever; `news` is called when someone claims an address of ours for the first time.
    pub async fn run(self, inbox: Inbox, news: impl Fn() + Clone + Send + 'static) {
        let mut ears = tokio::task::JoinSet::new();
        for index in 0..self.links.len() {
            let (arp, inbox, news) = (self.clone(), inbox.clone(), news.clone());
            ears.spawn(async move {
                if let Ok(port) = &arp.links[index] {
                    port.hear(&inbox, news).await;
                }
            });
        }
        ears.join_all().await;
    }
}

impl Port {
    fn open(link: &Link) -> io::Result<Port> {
        let mac = interface::mac_of(&link.interface)?;
        Ok(Port {
            interface: link.interface.clone(),
            mac,
            address: link.address,
            socket: AsyncPacketSocket::open(&link.interface, EtherType::Arp)?,
            asked: Mutex::default(),
            claimants: Arc::default(),
        })
    }

    fn ask(&self, address: Ipv4Addr) {
        let probe = Packet::probe(self.mac, address).encode();
        if let Err(error) = self.socket.socket().send(&probe, BROADCAST) {
            tracing::debug!(interface = self.interface, %address, %error, "ARP probe not sent");
        }
    }

    async fn hear(&self, inbox: &Inbox, news: impl Fn()) {
        // A packet, and what Ethernet pads it with.
        let mut buffer = [0; LENGTH + 64];
        loop {
            match self.socket.receive(&mut buffer).await {
                Ok((length, _)) => {
                    let packet = Packet::decode(&buffer[..length]);
                    if let Some((address, mac)) = packet.and_then(|packet| packet.claim()) {
                        self.claimed(address, mac, inbox, &news);
                    }
                }
                // The interface may go down and come back; the socket stays.
                Err(error) => {
                    tracing::debug!(interface = self.interface, %error, "ARP socket");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn claimed(&self, address: Ipv4Addr, mac: Mac, inbox: &Inbox, news: impl Fn()) {
        if address == self.address {
            // Another interface of ours may answer for it: Linux has addresses belong to the host.
            if mac != self.mac && !interface::is_own(mac) && self.claimants.heard(mac) {
                news();
            }
            return;
        }
        let conflict = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let other = |asked: &Asked| mac != asked.client && clock::now().instant.since(asked.at) <= ANSWER_TIME;
            // One answer is enough.
            asked.get(&address).copied().filter(other).and_then(|_| asked.remove(&address)).is_some()
        };
        if conflict {
            inbox.offer(Event::Conflict { address, mac });
        }
    }
}
