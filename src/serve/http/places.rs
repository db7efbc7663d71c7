//! Places for connections: so many in all, and so many for one client.
//!
//! Owns the count. A place is given back when it is dropped, so a connection that ends in whatever way frees it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places and who has them.
pub(super) struct Places {
    total: usize,
    per_client: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    total: usize,
    /// Only clients with at least one place.
    by_client: BTreeMap<IpAddr, usize>,
}

/// One place, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    client: IpAddr,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full {
    pub(super) limit: usize,
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
    pub(super) fn new(total: usize, per_client: usize) -> Self {
        Places { total, per_client, taken: Mutex::default() }
    }

    /// A place for a connection of `client`.
    pub(super) fn take(self: &Arc<Self>, client: IpAddr) -> Result<Place, Full> {
        let mut taken = self.taken();
        let own = taken.by_client.get(&client).copied().unwrap_or(0);
        if own >= self.per_client {
            return Err(Full { limit: self.per_client, of_client: true });
        }
        if taken.total >= self.total {
            return Err(Full { limit: self.total, of_client: false });
        }
        taken.total += 1;
        taken.by_client.insert(client, own + 1);
        Ok(Place { places: self.clone(), client })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing that can panic happens under the lock.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.total -= 1;
        if let Some(own) = taken.by_client.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests;
