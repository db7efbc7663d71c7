//! How machines are connected with the server: segments of a network, and the relay agents between some of them and us.
//!
//! Owns what is plugged in, what is cut, and the bytes that a relay adds to a message and takes out of its answer
//! (RFC 1542 §4.1, RFC 3046, RFC 3527). Who sits where, and which packet gets lost, is the world's business.

use std::net::Ipv4Addr;

use crate::net::LinkId;
use crate::wire::dhcp::code;

/// Where messages of relays arrive.
const UPLINK: LinkId = LinkId(0);
const HOPS: usize = 3;
const GIADDR: usize = 24;
const OPTIONS: usize = 240;
const PAD: u8 = 0;
const END: u8 = 255;
/// Sub-options of option 82.
const CIRCUIT_ID: u8 = 1;
const LINK_SELECTION: u8 = 5;
/// The port of an agent behind which its machines are.
const PORT: [u8; 4] = *b"eth0";

/// A broadcast domain with its machines.
#[derive(Debug)]
pub(super) struct Segment {
    /// What people call it.
    pub name: &'static str,
    /// Its network in the site.
    pub link: LinkId,
    /// The relay agent between it and us.
    pub relay: Option<Relay>,
    /// Nothing gets through in either direction.
    pub is_cut: bool,
}

/// A relay agent.
#[derive(Clone, Debug)]
pub(super) struct Relay {
    /// The address to which answers go.
    pub giaddr: Ipv4Addr,
    /// The subnet that it selects, where its own address does not say which it is (RFC 3527).
    pub selects: Option<Ipv4Addr>,
    /// How many agents there are in a row; only the first one writes its address.
    pub agents: u8,
    pub is_up: bool,
}

impl Segment {
    /// The link by which its messages reach us.
    pub fn arrives_by(&self) -> LinkId {
        if self.relay.is_some() { UPLINK } else { self.link }
    }
}

impl Relay {
    /// A client's message as it arrives at the server.
    pub fn forward(&self, message: &[u8]) -> Vec<u8> {
        self.forward_from(PORT, message)
    }

    /// The same from another port of the agent.
    pub fn forward_from(&self, port: [u8; 4], message: &[u8]) -> Vec<u8> {
        let mut bytes = message.to_vec();
        bytes[HOPS] += self.agents;
        bytes[GIADDR..GIADDR + 4].copy_from_slice(&self.giaddr.octets());
        let end = end_of_options(&bytes);
        bytes.truncate(end);
        bytes.extend_from_slice(&self.option(port));
        bytes.push(END);
        bytes
    }

    /// An answer as it arrives at the client: as the server sent it, but for the relay's own option.
    ///
    /// # Errors
    /// The option did not come back as it was sent (RFC 3046 §2.2).
    pub fn back(&self, answer: &[u8]) -> Result<Vec<u8>, String> {
        let option = self.option(PORT);
        let end = end_of_options(answer);
        // It stands last (RFC 3046 §2.1).
        let begin = end.saturating_sub(option.len());
        if answer.get(begin..end) != Some(&option) {
            return Err(format!("the relay {} did not get its option 82 back at the end of a reply", self.giaddr));
        }
        Ok([&answer[..begin], &answer[end..]].concat())
    }

    fn option(&self, port: [u8; 4]) -> Vec<u8> {
        let mut value = vec![CIRCUIT_ID, 4];
        value.extend_from_slice(&port);
        if let Some(subnet) = self.selects {
            value.extend_from_slice(&[LINK_SELECTION, 4]);
            value.extend_from_slice(&subnet.octets());
        }
        let length = u8::try_from(value.len()).expect("two short sub-options");
        [&[code::RELAY_AGENT, length], &value[..]].concat()
    }
}

/// Where END stands, or would have to.
fn end_of_options(bytes: &[u8]) -> usize {
    let mut at = OPTIONS;
    loop {
        match (bytes.get(at), bytes.get(at + 1)) {
            (None | Some(&END), _) | (Some(1..), None) => return at.min(bytes.len()),
            (Some(&PAD), _) => at += 1,
            (Some(_), Some(length)) => at += 2 + usize::from(*length),
        }
    }
}

#[cfg(test)]
mod tests;
