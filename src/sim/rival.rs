//! Another DHCP server on the bench, such as a home router that somebody plugged in: it offers addresses of its own
//! range and nothing to boot. It is not authoritative, so it never says NAK.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::net::{Mac, Subnet};
use crate::wire::dhcp::{MessageType, Reply, Request, code, codec};

const LEASE_SECS: u32 = 300;

/// The other server.
#[derive(Debug)]
pub(super) struct Rival {
    /// Its address, which is its server identifier.
    pub address: Ipv4Addr,
    subnet: Subnet,
    given: BTreeMap<Mac, Ipv4Addr>,
    next: u32,
}

impl Rival {
    /// A router at `address` that gives the addresses behind its own.
    pub fn new(address: Ipv4Addr, subnet: Subnet) -> Rival {
        Rival { address, subnet, given: BTreeMap::new(), next: u32::from(address) + 1 }
    }

    /// What it says to a client's message, if anything.
    pub fn answer(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let request = codec::decode(bytes).ok()?;
        let mac = request.mac()?;
        let wish = request.address_option(code::REQUESTED_ADDRESS).unwrap_or(request.ciaddr);
        let server = request.address_option(code::SERVER_ID);
        let (kind, address) = match request.kind? {
            MessageType::Discover => (MessageType::Offer, self.address_of(mac)?),
            MessageType::Request if server.is_none_or(|server| server == self.address) => {
                (MessageType::Ack, self.given.get(&mac).copied().filter(|address| *address == wish)?)
            }
            _ => return None,
        };
        Some(codec::encode(&self.reply(&request, kind, address)).to_vec())
    }

    fn address_of(&mut self, mac: Mac) -> Option<Ipv4Addr> {
        if let Some(address) = self.given.get(&mac) {
            return Some(*address);
        }
        let address = Ipv4Addr::from(self.next);
        if !self.subnet.contains(address) || address == self.subnet.broadcast() {
            return None;
        }
        self.next += 1;
        self.given.insert(mac, address);
        Some(address)
    }

    fn reply(&self, request: &Request, kind: MessageType, address: Ipv4Addr) -> Reply {
        let options = vec![
            (code::SERVER_ID, self.address.octets().to_vec()),
            (code::LEASE_TIME, LEASE_SECS.to_be_bytes().to_vec()),
            (code::SUBNET_MASK, self.subnet.mask().octets().to_vec()),
            (code::ROUTERS, self.address.octets().to_vec()),
        ];
        Reply {
            kind: Some(kind),
            xid: request.xid,
            flags: request.flags,
            hops: 0,
            htype: request.htype,
            hlen: request.hlen,
            chaddr: request.chaddr,
            ciaddr: request.ciaddr,
            yiaddr: address,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            sname: String::new(),
            file: String::new(),
            options,
            relay_agent: None,
            max_size: 576,
        }
    }
}
