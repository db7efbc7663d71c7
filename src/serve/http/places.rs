//! Places for connections: so many in all, and so many for one client. When all are taken, whoever has most gives one up.
//!
//! Owns the count. A place is given back when it is dropped, so a connection that ends in whatever way frees it. The
//! invariant: a client that has no connection gets one, unless every other has but one, too.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The places and who has them.
pub(in crate::serve) struct Places {
    total: usize,
    per_client: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    total: usize,
    next: u64,
    /// Only clients with at least one place; the places of each, the oldest first.
    by_client: BTreeMap<IpAddr, BTreeMap<u64, Arc<Seat>>>,
}

/// What a connection and the places tell each other.
#[derive(Debug, Default)]
struct Seat {
    /// Nothing was asked that is not answered.
    waits: AtomicBool,
    given_up: Notify,
}

/// One place, until it is dropped.
pub(in crate::serve) struct Place {
    places: Arc<Places>,
    client: IpAddr,
    number: u64,
    seat: Arc<Seat>,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::serve) struct Full {
    pub(in crate::serve) limit: usize,
    of_client: bool,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.of_client {
            true => "too many connections from your address at the moment",
            false => "too many connections at the moment",
        })
    }
}

impl Places {
    pub(in crate::serve) fn new(total: usize, per_client: usize) -> Self {
        Places { total, per_client, taken: Mutex::default() }
    }

    /// A place for a connection of `client`, and whether another one had to give it up.
    pub(in crate::serve) fn take(self: &Arc<Self>, client: IpAddr) -> Result<(Place, bool), Full> {
        let mut taken = self.taken();
        let own = taken.by_client.get(&client).map_or(0, BTreeMap::len);
        if own >= self.per_client {
            return Err(Full { limit: self.per_client, of_client: true });
        }
        let full = taken.total >= self.total;
        if full && !taken.give_up_for(own) {
            return Err(Full { limit: self.total, of_client: false });
        }
        taken.total += 1;
        let number = taken.next;
        taken.next += 1;
        let seat = Arc::new(Seat::default());
        taken.by_client.entry(client).or_default().insert(number, seat.clone());
        Ok((Place { places: self.clone(), client, number, seat }, full))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing that can panic happens under the lock.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes a place from the client that has most, if that leaves it more than one who has `own` will have: the oldest
    /// of those where nothing was asked, else the oldest of all.
    fn give_up_for(&mut self, own: usize) -> bool {
        let Some((client, seats)) = self.by_client.iter().max_by_key(|(_, seats)| seats.len()) else { return false };
        if seats.len() <= own + 1 {
            return false;
        }
        let waiting = seats.iter().find(|(_, seat)| seat.waits.load(Ordering::Relaxed));
        let Some((&number, seat)) = waiting.or(seats.first_key_value()) else { return false };
        seat.given_up.notify_one();
        self.leave(*client, number);
        true
    }

    /// The second time it does nothing: who gave up a place has still to drop it.
    fn leave(&mut self, client: IpAddr, number: u64) {
        let Some(seats) = self.by_client.get_mut(&client) else { return };
        if seats.remove(&number).is_some() {
            self.total -= 1;
        }
        if seats.is_empty() {
            self.by_client.remove(&client);
        }
    }
}

impl Place {
    /// From now on nothing is asked that is not answered, or again something is.
    pub(in crate::serve) fn waits(&self, waits: bool) {
        self.seat.waits.store(waits, Ordering::Relaxed);
    }

    /// Ready when the place is another connection's; then this one has to end.
    pub(in crate::serve) async fn given_up(&self) {
        self.seat.given_up.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().leave(self.client, self.number);
    }
}

#[cfg(test)]
mod tests;
