//! Time as the rules see it: always an argument, never read here.
//!
//! Two clocks, because they fail differently. [`Instant`] never jumps and drives deadlines of
//! transfers; [`Timestamp`] is the wall clock, survives a restart and dates leases and reports.

use std::time::Duration;

/// A point on the shell's monotonic clock: time since the process (or the simulated world) began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(Duration);

impl Instant {
    /// The moment the clock starts counting.
    pub const START: Instant = Instant(Duration::ZERO);

    /// The instant `since_start` after [`Instant::START`].
    pub const fn from_start(since_start: Duration) -> Self {
        Instant(since_start)
    }

    /// Time since [`Instant::START`].
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Time from `earlier` to `self`; zero if `earlier` is in fact later.
    pub fn since(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, step: Duration) -> Instant {
        Instant(self.0.saturating_add(step))
    }
}

/// Wall-clock time in milliseconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The timestamp `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Time from `earlier` to `self`; zero if `earlier` is in fact later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, step: Duration) -> Timestamp {
        let millis = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_add(millis))
    }
}

/// Both clocks, read at the same moment by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// The monotonic clock.
    pub instant: Instant,
    /// The wall clock.
    pub timestamp: Timestamp,
}

impl Now {
    /// Both clocks moved on by `step`.
    pub fn after(self, step: Duration) -> Now {
        Now { instant: self.instant + step, timestamp: self.timestamp + step }
    }
}
