//! How DHCP gets from a machine to a server and back: over its segment, through relay agents, past another server.

use std::net::Ipv4Addr;

use bytes::Bytes;

use super::odd::MESSAGE_TYPE;
use super::{Happening, World};
use crate::net::{Destination, LinkId, Mac};
use crate::sim::client::Input;
use crate::sim::pcap::{BROADCAST_MAC, End, SERVER_MAC};
use crate::sim::story;
use crate::time::Timestamp;
use crate::wire::dhcp::{code, codec};

const RELAY_MAC: Mac = Mac([2, 0, 0, 0, 0, 8]);
/// The hardware address of the other server.
const RIVAL_MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);
/// Bit 0 of the flags, where they begin.
const FLAGS: usize = 10;

impl World {
    /// A machine sends a DHCP message.
    pub(super) fn dhcp_sent(&mut self, index: usize, from: Ipv4Addr, to: Ipv4Addr, bytes: Vec<u8>) {
        let mac = self.seats[index].client.identity().mac;
        let is_broadcast = to == Ipv4Addr::BROADCAST;
        let all = if is_broadcast { BROADCAST_MAC } else { SERVER_MAC };
        let time = self.wall_clock().timestamp;
        self.capture.udp(time, End::new(mac, from, 68), End::new(all, to, 67), &bytes);
        let label = &self.seats[index].label;
        let place = match () {
            () if is_broadcast => "broadcast",
            () if self.place.is_ours(to) => "server",
            () => "another server",
        };
        self.story.line(self.now, || format!("{label} → {place}  {}", story::dhcp_request(&bytes)));
        self.note_promises(mac, &bytes);
        // From an address of another network nobody can be reached directly.
        if !is_broadcast && !self.is_connected(index) || self.segment_of(index).is_cut {
            return;
        }
        let bytes = Bytes::from(bytes);
        let is_at_bench = self.seats[index].segment == 0;
        if let Some(rival) = self.rival.as_ref().filter(|rival| is_at_bench && (is_broadcast || to == rival.address)) {
            let delay = self.plan.faults.arrivals(self.now, &mut self.rng)[0];
            let is_for_rival_alone = to == rival.address;
            if let Some(delay) = delay {
                self.later(delay, Happening::RivalDhcp { client: index, bytes: bytes.clone() });
            }
            if is_for_rival_alone {
                return;
            }
        }
        if !is_broadcast && !self.place.is_ours(to) {
            return;
        }
        let segment = self.segment_of(index);
        let link = segment.arrives_by();
        let (port, bytes) = match segment.relay.clone().filter(|_| is_broadcast) {
            Some(relay) if !relay.is_up => return,
            Some(relay) => {
                let bytes = Bytes::from(relay.forward(&bytes));
                let name = self.relay_name(self.seats[index].segment);
                self.story.line(self.now, || format!("{name} → server  {}", story::dhcp_request(&bytes)));
                let server = End::new(SERVER_MAC, self.place.server(), 67);
                self.capture.udp(time, End::new(RELAY_MAC, relay.giaddr, 67), server, &bytes);
                (67, bytes)
            }
            None => (68, bytes),
        };
        self.overhear(index, link, port, &bytes);
        for delay in self.plan.faults.arrivals(self.now, &mut self.rng).into_iter().flatten() {
            self.later(delay, Happening::ServerDhcp { link, port, bytes: bytes.clone() });
        }
    }

    /// What a machine gives up or chooses binds us, whether or not the message arrives.
    fn note_promises(&mut self, mac: Mac, bytes: &[u8]) {
        let (Some(kind), Some(&[a, b, c, d])) = (bytes.get(MESSAGE_TYPE), bytes.get(4..8)) else { return };
        let xid = u32::from_be_bytes([a, b, c, d]);
        match *kind {
            4 => {
                self.promises.gave_up(mac, xid);
                self.reached.dhcp.insert(("DECLINE", ""));
            }
            7 => {
                self.promises.gave_up(mac, xid);
                self.reached.dhcp.insert(("RELEASE", ""));
            }
            3 if self.plan.faults.rivals > 0 => {
                let server = codec::decode(bytes).ok().and_then(|request| request.address_option(code::SERVER_ID));
                let chose_other = server.is_some_and(|server| !self.place.is_ours(server));
                self.promises.chose(mac, xid, chose_other);
                if chose_other {
                    self.reached.odds.insert("another server is chosen");
                }
            }
            _ => {}
        }
    }

    /// The server sends a DHCP message out by `link`.
    pub(super) fn dhcp_leaves(
        &mut self,
        link: LinkId,
        bytes: &Bytes,
        destination: Destination,
        now: Timestamp,
    ) -> Result<(), String> {
        let reply = codec::decode_reply(bytes).map_err(|refusal| format!("the server wrote a reply that {refusal}"))?;
        self.promises.replied(&reply, &self.store, now)?;
        let relayed_to = |giaddr| {
            self.segments.iter().position(|segment| segment.relay.as_ref().is_some_and(|relay| relay.giaddr == giaddr))
        };
        let segment = match destination {
            Destination::Relay(giaddr) => relayed_to(giaddr),
            _ => self.segments.iter().position(|segment| segment.relay.is_none() && segment.link == link),
        };
        let [a, b, c, d, e, f, ..] = reply.chaddr;
        let mac = Mac([a, b, c, d, e, f]);
        let here = |index: &usize| Some(self.seats[*index].segment) == segment;
        let addressees: Vec<usize> = self.by_mac.get(&mac).into_iter().flatten().copied().filter(here).collect();
        let name = match (addressees.first(), destination) {
            (_, Destination::Relay(_)) => segment.map_or_else(String::new, |segment| self.relay_name(segment)),
            (Some(index), _) => self.seats[*index].label.clone(),
            (None, Destination::Unicast(address) | Destination::BootServerClient(address)) => {
                self.label_at(*address.ip())
            }
            (None, _) => "nobody".to_owned(),
        };
        self.story.line(self.now, || format!("server → {name}  {}", story::dhcp_reply(bytes)));
        let server = End::new(SERVER_MAC, self.place.server(), 67);
        let client = match destination {
            Destination::Unicast(address) | Destination::BootServerClient(address) => End { mac, at: address },
            Destination::Layer2 { mac, address } => End::new(mac, address, 68),
            Destination::Broadcast => End::new(BROADCAST_MAC, Ipv4Addr::BROADCAST, 68),
            Destination::Relay(relay) => End::new(RELAY_MAC, relay, 67),
        };
        self.capture.udp(now, server, client, bytes);
        let Some(segment) = segment else { return Ok(()) };
        let (to, bytes) = match destination {
            Destination::Unicast(address) | Destination::BootServerClient(address) => {
                (self.at_address(*address.ip()), bytes.to_vec())
            }
            Destination::Layer2 { .. } => (addressees, bytes.to_vec()),
            Destination::Broadcast => (self.with_bystander(segment, addressees), bytes.to_vec()),
            Destination::Relay(_) => {
                let Some(relay) = self.segments[segment].relay.clone().filter(|relay| relay.is_up) else {
                    return Ok(());
                };
                // What an answer to a stranger holds matters to nobody.
                if addressees.is_empty() {
                    return Ok(());
                }
                let bytes = relay.back(bytes)?;
                self.reached.odds.insert("a relay passes an answer on");
                let to = if bytes[FLAGS] & 0x80 != 0 { self.with_bystander(segment, addressees) } else { addressees };
                let (from, label) = (self.relay_name(segment), &self.seats[to[0]].label);
                self.story.line(self.now, || format!("{from} → {label}  {}", story::dhcp_reply(&bytes)));
                (to, bytes)
            }
        };
        for client in to {
            if !self.segment_of(client).is_cut {
                self.deliver(client, Input::Dhcp(bytes.clone()));
            }
        }
        Ok(())
    }

    /// A broadcast reaches everyone; one bystander shows as well as all of them that it disturbs nobody.
    fn with_bystander(&mut self, segment: usize, mut addressees: Vec<usize>) -> Vec<usize> {
        let bystander = self.rng.usize(..self.seats.len());
        if self.seats[bystander].segment == segment && !addressees.contains(&bystander) {
            addressees.push(bystander);
        }
        addressees
    }

    fn relay_name(&self, segment: usize) -> String {
        format!("relay of the {}", self.segments[segment].name)
    }

    /// A message reaches the other server.
    pub(super) fn rival_dhcp(&mut self, client: usize, bytes: &[u8]) {
        let Some(rival) = &mut self.rival else { return };
        let address = rival.address;
        let Some(answer) = rival.answer(bytes) else { return };
        let label = &self.seats[client].label;
        self.story.line(self.now, || format!("another server → {label}  {}", story::dhcp_reply(&answer)));
        let time = self.wall_clock().timestamp;
        let (from, to) = (End::new(RIVAL_MAC, address, 67), End::new(BROADCAST_MAC, Ipv4Addr::BROADCAST, 68));
        self.capture.udp(time, from, to, &answer);
        if self.seats[client].segment == 0 {
            self.deliver(client, Input::Dhcp(answer));
        }
    }

    /// Those whose address it is, as far as packets for it reach them.
    pub(super) fn at_address(&self, address: Ipv4Addr) -> Vec<usize> {
        let seats = self.by_address.get(&address).into_iter().flatten().copied();
        seats.filter(|index| self.is_connected(*index)).collect()
    }

    fn label_at(&self, address: Ipv4Addr) -> String {
        let seat = self.at_address(address).first().map(|index| self.seats[*index].label.clone());
        seat.unwrap_or_else(|| "nobody".to_owned())
    }

    /// Whether packets with the machine's own address get through: it belongs to the network it is plugged into, and
    /// that one is not cut off.
    pub(super) fn is_connected(&self, index: usize) -> bool {
        let segment = self.segment_of(index);
        let subnet = self.place.link(segment.link).subnet;
        !segment.is_cut && self.seats[index].address.is_some_and(|address| subnet.contains(address))
    }

    pub(super) fn deliver(&mut self, client: usize, input: Input) {
        let epoch = self.seats[client].epoch;
        for delay in self.plan.faults.arrivals(self.now, &mut self.rng).into_iter().flatten() {
            self.later(delay, Happening::ToClient { client, epoch, input: input.clone() });
        }
    }
}
