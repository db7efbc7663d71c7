//! What transfers report: taken all at once, by a core that is woken for the first of them and then looks by itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::fleet::Event;

/// Reports that lie ready.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<Lying>);

#[derive(Debug, Default)]
struct Lying {
    events: Vec<Event>,
    /// The core was told, or found some the last time: it looks again.
    expected: bool,
}

impl Reports {
    /// Adds one; whether the core has to be told.
    pub fn add(&self, event: Event) -> bool {
        let mut lying = self.lying();
        lying.events.push(event);
        !std::mem::replace(&mut lying.expected, true)
    }

    /// Moves all to the end of `events`; how many they were. After none the core has to be told of the next.
    pub fn take(&self, events: &mut Vec<Event>) -> usize {
        let mut lying = self.lying();
        let count = lying.events.len();
        lying.expected = count > 0;
        events.append(&mut lying.events);
        count
    }

    fn lying(&self) -> MutexGuard<'_, Lying> {
        // Nothing that can panic happens under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
