//! What the service manager (systemd) is told: ready, reloading, stopping, and that the core thread lives.
//!
//! Without `$NOTIFY_SOCKET` every function here does nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::clock;
use crate::time::Instant;

/// Counts the turns of the core's loop and notes the last one, so that someone else can see that it turns.
#[derive(Clone, Debug, Default)]
pub struct Beat(Arc<(AtomicU64, AtomicU64)>);

impl Beat {
    /// One more turn.
    pub fn turn(&self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
        let millis = clock::now().instant.since_start().as_millis();
        self.0.1.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.0.load(Ordering::Relaxed)
    }

    /// When the last one was.
    pub fn last(&self) -> Instant {
        Instant::from_start(Duration::from_millis(self.0.1.load(Ordering::Relaxed)))
    }
}

/// Every socket is open and the journal is read.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Transfers under way may finish, then we end.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says at half of the watchdog's time that we live, as long as `beat` goes on; a core that hangs goes unsaid, and the
/// service manager starts us anew. The core turns at least every ten seconds, so the watchdog must not be shorter than
/// twice that.
pub async fn watchdog(beat: Beat) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(limit / 2);
    let mut last = Pulse::default();
    loop {
        ticks.tick().await;
        if last.goes_on(beat.count()) {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// The count at the last look.
#[derive(Debug, Default)]
struct Pulse(Option<u64>);

impl Pulse {
    /// Whether the count has moved since the last look; at the first look nothing speaks against it.
    fn goes_on(&mut self, count: u64) -> bool {
        self.0.replace(count) != Some(count)
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

#[cfg(test)]
mod tests;
