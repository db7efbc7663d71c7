//! Who is heard when more DHCP messages come than can be answered: every client as often as any other, and whoever is
//! under way before strangers.
//!
//! Two rules, by hardware address. A client has so many messages waiting and no more, so one that shouts crowds out
//! nobody. Under pressure a client that was never heard before has to ask again: machines do that by themselves, invented
//! ones mostly do not. Both work on hashes: clients that share one share their fate, and nothing here grows.

use std::hash::Hasher as _;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::fleet::Event;

/// Messages of one client that may wait. A machine sends one, and repeats it seconds later.
const WAITING_OF_ONE: u8 = 8;

/// Places for the counts of waiting messages; many more than machines of a network that speak at once.
const COUNTS: usize = 1 << 12;

/// Places for those that were heard. Of a flood of invented addresses a machine's place survives until it asks again.
const HEARD: usize = 1 << 20;

/// The gate; shared by who lets in and who takes out.
#[derive(Debug)]
pub(super) struct Gate {
    waiting: Box<[AtomicU8]>,
    heard: Box<[AtomicU32]>,
    repeated: AtomicU64,
    strangers: AtomicU64,
}

impl Gate {
    pub fn new() -> Gate {
        // SAFETY: zero is a value of every atomic integer. Pages of zeros take no memory until they are written to.
        let (waiting, heard) =
            unsafe { (Box::new_zeroed_slice(COUNTS).assume_init(), Box::new_zeroed_slice(HEARD).assume_init()) };
        Gate { waiting, heard, repeated: AtomicU64::new(0), strangers: AtomicU64::new(0) }
    }

    /// Whether the event may wait; one that may is to be taken out with [`Gate::left`].
    pub fn admits(&self, event: &Event, pressed: bool) -> bool {
        let Some(client) = client(event) else { return true };
        let mark = (client >> 32) as u32 | 1;
        let heard = self.heard[client as usize % HEARD].swap(mark, Ordering::Relaxed) == mark;
        if pressed && !heard {
            self.strangers.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let count = &self.waiting[client as usize % COUNTS];
        let more = |waiting: u8| (waiting < WAITING_OF_ONE).then(|| waiting + 1);
        let admitted = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if !admitted {
            self.repeated.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    /// The event waits no longer.
    pub fn left(&self, event: &Event) {
        if let Some(client) = client(event) {
            self.waiting[client as usize % COUNTS].fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// What was shed: messages of clients that had enough waiting, and of strangers.
    pub fn shed(&self) -> [u64; 2] {
        [&self.repeated, &self.strangers].map(|count| count.load(Ordering::Relaxed))
    }
}

/// Who sent a DHCP message, by a hash of network and hardware address (`chaddr`).
fn client(event: &Event) -> Option<u64> {
    let (Event::Dhcp { link, bytes, .. } | Event::BootServer { link, bytes, .. }) = event else { return None };
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write_u16(link.0);
    hasher.write(bytes.get(28..44)?);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests;
