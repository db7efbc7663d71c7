//! The leases of dnsmasq: a line for each, `EXPIRY MAC ADDRESS NAME CLIENT-ID`, and what becomes of it.
//!
//! Expiry is in seconds since the Unix epoch, 0 for never; `*` stands for what is not known (dnsmasq, `lease.c`).

use std::net::Ipv4Addr;

use super::{Adoption, Fate, Objection};
use crate::dhcp::FOREVER;
use crate::fleet::Change;
use crate::ids::ClientId;
use crate::lease::{ClientKey, Lease, LeaseState};
use crate::net::Mac;
use crate::site::{Identifier, Reservation};
use crate::time::Timestamp;

/// What the report calls the lines.
pub const LINES: &str = "leases";

/// A line.
struct Line {
    expires: Option<Timestamp>,
    mac: Mac,
    address: Ipv4Addr,
    client: ClientKey,
}

impl Adoption<'_> {
    /// Takes over the leases of a file.
    pub fn leases(&mut self, text: &str) {
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let fate = read(line).and_then(|line| self.lease(&line));
            self.report.note(LINES, number, fate);
        }
    }

    fn lease(&mut self, line: &Line) -> Result<Fate, Objection> {
        let Line { address, ref client, .. } = *line;
        let (link_id, link) = self.site.link_of(address).ok_or_else(|| {
            let reason = format!("{address} is in no network of the configuration");
            ("address", reason)
        })?;
        let own = |each: &Reservation| match (client, &each.of) {
            (_, Identifier::Mac(mac)) => *mac == line.mac,
            (ClientKey::Id(id), Identifier::ClientId(own)) => id == own,
            _ => false,
        };
        let reserved = link.reservations.iter().any(|each| each.address == Some(address) && own(each));
        if !reserved && !link.gives(address) {
            return Err(("address", format!("{address} is in no pool, or reserved for another")));
        }
        let expires = line.expires.unwrap_or(self.now + FOREVER);
        if expires <= self.now {
            return Err(("expiry", "the lease has run out".to_owned()));
        }
        let leases = &self.tables.leases;
        if let Some(held) = leases.by_address(address)
            && held.state != LeaseState::Released
        {
            let same = held.client == *client && held.state == LeaseState::Bound;
            let reason = || ("address", format!("{address} is {} here, by {}", held.state.word(), held.client));
            return if same { Ok(Fate::Known) } else { Err(reason()) };
        }
        if let Some(other) = leases.by_client(link_id, client).filter(|other| other.state == LeaseState::Bound) {
            return Err(("client-id", format!("that client holds {} already", other.address)));
        }
        let known = self.resolve(Some(line.mac), None)?;
        let machine = Some(self.remember(known, Some(line.mac), None, self.now));
        let client = client.clone();
        self.commit(Change::Lease(Lease { address, client, machine, state: LeaseState::Bound, expires }));
        Ok(Fate::Taken(Vec::new()))
    }
}

fn read(line: &str) -> Result<Line, Objection> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [expiry, mac, address, _name, client, ..] = fields[..] else {
        let reason = if fields.first() == Some(&"duid") {
            "it belongs to DHCPv6, which is not served here"
        } else {
            "it is not EXPIRY MAC ADDRESS NAME CLIENT-ID"
        };
        return Err(("line", reason.to_owned()));
    };
    let secs: i64 = expiry.parse().map_err(|_| ("expiry", format!("'{expiry}' is no time")))?;
    let expires = (secs != 0).then(|| Timestamp::from_millis(secs.saturating_mul(1000)));
    let address = address.parse().map_err(|_| ("address", format!("'{address}' is no IPv4 address")))?;
    let mac = Mac::parse(mac).ok_or_else(|| ("mac", format!("'{mac}' is no Ethernet address")))?;
    let client = match client {
        "*" => ClientKey::Mac(mac),
        text => match bytes(text).ok_or_else(|| ("client-id", format!("'{text}' is no client identifier")))?[..] {
            [1, a, b, c, d, e, f] => ClientKey::Mac(Mac([a, b, c, d, e, f])),
            ref id => ClientKey::Id(ClientId(id.to_vec())),
        },
    };
    Ok(Line { expires, mac, address, client })
}

/// Bytes in hex with colons between; as in option 61, two at least.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let byte = |pair: &str| {
        let hex = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
        u8::from_str_radix(pair, 16).ok().filter(|_| hex)
    };
    let bytes: Vec<u8> = text.split(':').map(byte).collect::<Option<_>>()?;
    (bytes.len() >= 2).then_some(bytes)
}
