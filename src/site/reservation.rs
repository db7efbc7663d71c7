//! What an operator fixed for one client, and by what the client is known.

use std::fmt;
use std::net::Ipv4Addr;

use super::DhcpOption;
use crate::ids::{ClientId, Hostname, Uuid};
use crate::net::Mac;

/// By what a client is known to the operator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identifier {
    /// Its hardware address.
    Mac(Mac),
    /// Its option 61, all bytes of it.
    ClientId(ClientId),
    /// Its option 97.
    Uuid(Uuid),
    /// The port of the relay or switch it is behind: option 82, sub-option 1 (RFC 3046 §3.1).
    CircuitId(Vec<u8>),
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identifier::Mac(mac) => mac.fmt(f),
            Identifier::ClientId(id) => write!(f, "client id {id}"),
            Identifier::Uuid(uuid) => uuid.fmt(f),
            Identifier::CircuitId(id) => write!(f, "circuit id {}", id.escape_ascii()),
        }
    }
}

/// Everything by which one client may be known.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Identifiers<'a> {
    pub mac: Option<Mac>,
    pub client_id: Option<&'a [u8]>,
    pub uuid: Option<Uuid>,
    pub circuit_id: Option<&'a [u8]>,
}

impl Identifiers<'_> {
    /// Whether the identifier is one of these.
    pub fn has(&self, identifier: &Identifier) -> bool {
        match identifier {
            Identifier::Mac(mac) => self.mac == Some(*mac),
            Identifier::ClientId(id) => self.client_id == Some(&id.0[..]),
            Identifier::Uuid(uuid) => self.uuid == Some(*uuid),
            Identifier::CircuitId(id) => self.circuit_id == Some(&id[..]),
        }
    }
}

/// What an operator fixed for one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Whose.
    pub of: Identifier,
    /// Its address, inside or outside the pools.
    pub address: Option<Ipv4Addr>,
    /// Its host name.
    pub hostname: Option<Hostname>,
    /// The same with its domain and a final dot, where option 12 is to carry that.
    pub fqdn: Option<String>,
    /// The profile it boots, instead of the one its firmware would choose.
    pub profile: Option<String>,
    /// Classes it belongs to, whatever their tests say.
    pub classes: Vec<String>,
    /// DHCP options of this client.
    pub options: Vec<DhcpOption>,
}

impl Reservation {
    /// A reservation of nothing yet: it makes a client known.
    pub fn new(of: Identifier) -> Reservation {
        Reservation {
            of,
            address: None,
            hostname: None,
            fqdn: None,
            profile: None,
            classes: Vec::new(),
            options: Vec::new(),
        }
    }
}
