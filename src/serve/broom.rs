//! Removes from the journal what is old, between other work: a small step whenever the core has nothing to do.

use std::time::Duration;

use crate::clock;
use crate::store::Store;
use crate::store::retention::{Retention, Sweep};
use crate::time::Instant;

/// How long after the end of a pass the next one begins.
const PAUSE: Duration = Duration::from_secs(3600);

/// How long the core has had nothing to do before a step.
const IDLE: Duration = Duration::from_millis(20);

/// Says when, and goes over the journal.
#[derive(Debug)]
pub struct Broom {
    retention: Retention,
    sweep: Option<Sweep>,
    next: Instant,
}

impl Broom {
    /// Begins a first pass as soon as there is nothing else to do.
    pub fn new(retention: Retention) -> Broom {
        Broom { retention, sweep: None, next: Instant::START }
    }

    /// How long the core may wait: no longer than to the next step.
    pub fn wait(&self, most: Duration) -> Duration {
        let to_next = self.next.since(clock::now().instant);
        if self.sweep.is_some() { IDLE.min(most) } else { to_next.max(IDLE).min(most) }
    }

    /// One step, if there is one to be done. A journal that cannot be written ends the pass; the next one tries again.
    pub fn sweep(&mut self, store: &mut Store) {
        let now = clock::now();
        if self.sweep.is_none() && self.next <= now.instant {
            self.sweep = Some(Sweep::new(&self.retention, now.timestamp));
        }
        let Some(sweep) = &mut self.sweep else { return };
        if let Err(error) = store.trim(sweep) {
            tracing::warn!(%error, "what is old could not be removed from the journal");
        } else if !sweep.is_over() {
            return;
        }
        if sweep.removed() > 0 {
            tracing::info!(rows = sweep.removed(), "what is old was removed from the journal");
        }
        self.sweep = None;
        self.next = now.instant + PAUSE;
    }
}

#[cfg(test)]
mod tests;
