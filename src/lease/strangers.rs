//! What unknown machines took, and whether one more may have an address: so many in a minute, and so many at once of one
//! link, of one relay agent, and of one of its ports.
//!
//! Remembered while the process runs, and for addresses alone, so it is never larger than the pools. A machine that
//! turns out to be known, or whose lease is over, counts no more; that is noticed when a limit is reached, a few
//! addresses at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::net::LinkId;
use crate::refusal::Refusal;
use crate::site::{Site, Strangers};
use crate::time::Instant;

/// How many addresses are looked at again when a limit is reached.
const LOOKS: usize = 16;

/// Where a message came in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The network it belongs to.
    pub link: LinkId,
    /// The relay agent that passed it on.
    pub relay: Option<Ipv4Addr>,
    /// The port of the relay agent, as it says.
    pub circuit: Option<Vec<u8>>,
}

/// The addresses of unknown machines, by where they came from, and how many came lately.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    places: BTreeMap<Place, Held>,
    /// The places of an address.
    of_address: BTreeMap<Ipv4Addr, Vec<Place>>,
    lately: BTreeMap<LinkId, Lately>,
}

/// What has a limit: a link or relay agent, or one of its ports.
type Place = (LinkId, Option<Ipv4Addr>, Option<Vec<u8>>);

#[derive(Clone, Debug, Default)]
struct Held {
    addresses: BTreeSet<Ipv4Addr>,
    /// Up to here they were looked at again.
    looked: Option<Ipv4Addr>,
}

/// What is left of a minute's number, in thousandths of machines.
#[derive(Clone, Copy, Debug)]
struct Lately {
    left: u64,
    at: Instant,
}

impl Arrivals {
    /// An unknown machine is about to be given `address`, which is not its own yet; `counts` says of an address whether
    /// an unknown machine has it still.
    ///
    /// # Errors
    /// [`Refusal::TooManyUnknown`] or [`Refusal::TooManyNew`].
    pub fn admit(
        &mut self,
        site: &Site,
        origin: &Origin,
        address: Ipv4Addr,
        now: Instant,
        counts: impl Fn(Ipv4Addr) -> bool,
    ) -> Result<(), Refusal> {
        let Origin { link, relay, circuit } = origin;
        let Strangers { per_link, per_circuit, .. } = site.strangers;
        let whole = (*link, *relay, None);
        let port = circuit.as_ref().map(|circuit| (*link, *relay, Some(circuit.clone())));
        let where_whole = if relay.is_some() { "behind this relay agent" } else { "on this network" };
        let limited = [
            per_link.map(|most| (whole, most, where_whole)),
            port.zip(per_circuit).map(|(port, most)| (port, most, "behind this port of the relay agent")),
        ];
        for (place, most, said) in limited.iter().flatten() {
            if self.is_full(place, *most, &counts) {
                return Err(Refusal::TooManyUnknown(said));
            }
        }
        self.arrive(site, *link, now)?;
        self.leave(address);
        let places: Vec<Place> = limited.into_iter().flatten().map(|(place, ..)| place).collect();
        for place in &places {
            self.places.entry(place.clone()).or_default().addresses.insert(address);
        }
        if !places.is_empty() {
            self.of_address.insert(address, places);
        }
        Ok(())
    }

    /// An unknown machine shows up.
    ///
    /// # Errors
    /// [`Refusal::TooManyNew`] if too many did within a minute.
    pub fn arrive(&mut self, site: &Site, link: LinkId, now: Instant) -> Result<(), Refusal> {
        let addresses = site.segment(link).flat_map(|(_, link)| &link.pools).map(|pool| pool.size()).sum();
        let Some(most) = site.strangers.in_a_minute(addresses) else { return Ok(()) };
        let most = u64::try_from(most).unwrap_or(u64::MAX).saturating_mul(1000);
        let lately = self.lately.entry(link).or_insert(Lately { left: most, at: now });
        let passed = u64::try_from(now.since(lately.at).min(Duration::from_secs(60)).as_millis()).unwrap_or(0);
        lately.left = most.min(lately.left.saturating_add(most.saturating_mul(passed) / 60_000));
        lately.at = now;
        lately.left = lately.left.checked_sub(1000).ok_or(Refusal::TooManyNew)?;
        Ok(())
    }

    /// Whether as many are held there as may be. Of a full place, some addresses are looked at again.
    fn is_full(&mut self, place: &Place, most: u32, counts: impl Fn(Ipv4Addr) -> bool) -> bool {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let Some(held) = self.places.get_mut(place).filter(|held| held.addresses.len() >= most) else { return false };
        let behind = held.looked.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let next = held.addresses.range(behind..).chain(held.addresses.range(..behind));
        let some: Vec<Ipv4Addr> = next.copied().take(LOOKS).collect();
        held.looked = some.last().map(|last| Ipv4Addr::from(u32::from(*last).saturating_add(1)));
        for address in some.into_iter().filter(|address| !counts(*address)) {
            self.leave(address);
        }
        self.places.get(place).is_some_and(|held| held.addresses.len() >= most)
    }

    /// The address counts nowhere any more.
    fn leave(&mut self, address: Ipv4Addr) {
        for place in self.of_address.remove(&address).unwrap_or_default() {
            let Some(held) = self.places.get_mut(&place) else { continue };
            held.addresses.remove(&address);
            if held.addresses.is_empty() {
                self.places.remove(&place);
            }
        }
    }
}

#[cfg(test)]
mod tests;
