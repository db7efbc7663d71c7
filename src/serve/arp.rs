//! ARP on every link: asks whether anyone uses an address, and hears who says so.
//!
//! Two things come of it: an [`Event::Conflict`] for an address that was just promised to a client, and who else claims
//! an address of our own. Answering is left to the kernel. Nothing ever waits for an answer, and an answer counts only
//! shortly after our own question, so a stranger cannot talk addresses out of use at will.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// How long the same question is not asked again: the ACK follows its OFFER within a moment, and answers to the first
/// one still count.
const REPEAT_TIME: Duration = Duration::from_secs(1);

/// Questions under way, beyond which none is asked: each goes to every station of the link, and a flood of clients would
/// make one of them.
const ASKED_MAX: usize = 2048;

/// How long a station's answers are counted together.
const COUNT_TIME: Duration = Duration::from_secs(3600);

/// Addresses that one station may take out of use in that time. What answers for more is no holder but a router with proxy ARP, or
/// means harm; believing it would empty the pool.
const HOLDINGS_MAX: usize = 4;

const BROADCAST: Mac = Mac([0xff; 6]);

/// ARP on every link where it could be opened.
#[derive(Clone, Debug)]
pub struct Arp {
    links: Arc<Vec<(LinkId, io::Result<Port>)>>,
}

#[derive(Debug)]
struct Port {
    interface: String,
    mac: Mac,
    /// Our own address.
    address: Ipv4Addr,
    socket: AsyncPacketSocket,
    probing: Mutex<Probing>,
    claimants: Present<Mac>,
}

#[derive(Debug, Default)]
struct Probing {
    asked: BTreeMap<Ipv4Addr, Asked>,
    /// The same in the order of time, and some that were answered or asked again since.
    order: VecDeque<(Instant, Ipv4Addr)>,
    /// The addresses that a station answered for, since `counted_since`.
    answers: BTreeMap<Mac, BTreeSet<Ipv4Addr>>,
    counted_since: Instant,
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
        let open = |(id, link, interface): (LinkId, &Link, &str)| (id, Port::open(interface, link.address));
        Arp { links: Arc::new(site.wired().map(open).collect()) }
    }

    /// Asks whether anyone but `client` uses an address, unless that was just asked, or too much is.
    pub fn probe(&self, link: LinkId, address: Ipv4Addr, client: Mac) {
        let Some((_, Ok(port))) = self.links.iter().find(|(id, _)| *id == link) else { return };
        let at = clock::now().instant;
        let asks = port.probing().begin(address, Asked { client, at });
        if asks {
            port.ask(address);
        }
    }

    /// Asks on every link whether anyone else uses our own address there (RFC 5227 §2.4).
    pub fn probe_own(&self) {
        for port in self.links.iter().flat_map(|(_, port)| port) {
            port.claimants.ask();
            port.ask(port.address);
        }
    }

    /// Who else claims our own address on each wired link, in the order of the site; or why that cannot be known.
    pub fn claimants(&self) -> impl Iterator<Item = Result<Vec<Mac>, &io::Error>> {
        self.links.iter().map(|(_, port)| port.as_ref().map(|port| port.claimants.list()))
    }

    /// The stations of each wired link, in the order of the site, that answer for so many addresses that they are not believed.
    pub fn proxies(&self) -> impl Iterator<Item = Vec<Mac>> {
        let proxies =
            |port: &io::Result<Port>| port.as_ref().map_or_else(|_| Vec::new(), |port| port.probing().proxies());
        self.links.iter().map(move |(_, port)| proxies(port))
    }

    /// Hears every link for ever; `news` is called when someone claims an address of ours for the first time.
    pub async fn run(self, inbox: Inbox, news: impl Fn() + Clone + Send + 'static) {
        let mut ears = tokio::task::JoinSet::new();
        for index in 0..self.links.len() {
            let (arp, inbox, news) = (self.clone(), inbox.clone(), news.clone());
            ears.spawn(async move {
                if let (_, Ok(port)) = &arp.links[index] {
                    port.hear(&inbox, news).await;
                }
            });
        }
        ears.join_all().await;
    }
}

impl Port {
    fn open(interface: &str, address: Ipv4Addr) -> io::Result<Port> {
        let mac = interface::mac_of(interface)?;
        Ok(Port {
            interface: interface.to_owned(),
            mac,
            address,
            socket: AsyncPacketSocket::open(interface, EtherType::Arp)?,
            probing: Mutex::default(),
            claimants: Present::default(),
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
        let conflict = self.probing().is_conflict(address, mac, clock::now().instant);
        if conflict {
            inbox.offer(Event::Conflict { address, mac });
        }
    }

    fn probing(&self) -> MutexGuard<'_, Probing> {
        self.probing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Probing {
    /// Whether to ask.
    fn begin(&mut self, address: Ipv4Addr, asked: Asked) -> bool {
        while let Some((at, before)) = self.order.front().copied()
            && asked.at.since(at) > ANSWER_TIME
        {
            self.order.pop_front();
            // Asked again since, it stands further behind, too.
            if self.asked.get(&before).is_some_and(|each| each.at == at) {
                self.asked.remove(&before);
            }
        }
        let just_asked = self
            .asked
            .get(&address)
            .is_some_and(|before| before.client == asked.client && asked.at.since(before.at) < REPEAT_TIME);
        if just_asked || self.order.len() >= ASKED_MAX {
            return false;
        }
        self.asked.insert(address, asked);
        self.order.push_back((asked.at, address));
        true
    }

    /// Whether `mac` claims an address that was just promised to another. One claim is enough.
    fn is_conflict(&mut self, address: Ipv4Addr, mac: Mac, now: Instant) -> bool {
        let Some(asked) = self.asked.get(&address).copied() else { return false };
        if mac == asked.client || now.since(asked.at) > ANSWER_TIME {
            return false;
        }
        self.asked.remove(&address);
        if now.since(self.counted_since) > COUNT_TIME {
            self.answers.clear();
            self.counted_since = now;
        }
        let answers = self.answers.entry(mac).or_default();
        if answers.len() < HOLDINGS_MAX {
            answers.insert(address);
        }
        answers.contains(&address)
    }

    /// The stations that answered for more addresses than one has.
    fn proxies(&self) -> Vec<Mac> {
        self.answers.iter().filter(|(_, answers)| answers.len() == HOLDINGS_MAX).map(|(mac, _)| *mac).collect()
    }
}

#[cfg(test)]
mod tests;
