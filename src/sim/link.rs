//! What goes wrong, and how often: the weather of a simulated world.

use std::time::Duration;

use fastrand::Rng;

use crate::time::Instant;

/// From one end of an idle link to the other, switches included.
const WIRE: Duration = Duration::from_micros(200);

/// The faults of a run. All of them stop at `until`; what has not converged long after that never will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Until when, from the start of the world.
    pub until: Duration,
    /// Packets and HTTP exchanges lost, of a thousand.
    pub loss: u32,
    /// Packets that arrive twice, of a thousand.
    pub duplicates: u32,
    /// Packets are late by up to this, each by another time, so they overtake each other.
    pub jitter: Duration,
    /// How often the power of some machine is cut.
    pub power_cuts: u32,
    /// How often the server is killed.
    pub crashes: u32,
    /// Batches whose commit fails, of a thousand.
    pub failed_commits: u32,
    /// Batches after whose commit, and before whose first answer, the server dies, of a thousand.
    pub crashes_after_commit: u32,
    /// How often an operator does something.
    pub orders: u32,
    /// How often the server's clock is set.
    pub clock_sets: u32,
    /// How often something arrives that no machine sent, or an image is exchanged.
    pub disturbances: u32,
    /// How often a machine is plugged in elsewhere.
    pub moves: u32,
    /// How often a machine's card is exchanged for an empty one.
    pub pulled_cards: u32,
    /// How often a network is cut off, or its relay agent fails.
    pub cuts: u32,
    /// How often somebody plugs in another DHCP server.
    pub rivals: u32,
    /// How often somebody does harm: invents machines, forges messages, claims addresses.
    pub malice: u32,
    /// How often the server stands still for a while, as a suspended virtual machine does.
    pub stalls: u32,
    /// How often the server reads its configuration again.
    pub reloads: u32,
}

impl Faults {
    /// Nothing ever goes wrong.
    pub const fn none() -> Faults {
        Faults {
            until: Duration::ZERO,
            loss: 0,
            duplicates: 0,
            jitter: Duration::ZERO,
            power_cuts: 0,
            crashes: 0,
            failed_commits: 0,
            crashes_after_commit: 0,
            orders: 0,
            clock_sets: 0,
            disturbances: 0,
            moves: 0,
            pulled_cards: 0,
            cuts: 0,
            rivals: 0,
            malice: 0,
            stalls: 0,
            reloads: 0,
        }
    }

    /// A bad day at a bench of `clients` machines, from bearable to terrible by `seed`.
    pub fn drawn(seed: u64, clients: usize) -> Faults {
        let mut rng = Rng::with_seed(seed ^ 0x7765_6174_6865_7221);
        let machines = u32::try_from(clients).unwrap_or(u32::MAX);
        Faults {
            until: Duration::from_secs(rng.u64(30..240)),
            loss: rng.u32(..200),
            duplicates: rng.u32(..100),
            jitter: Duration::from_millis(rng.u64(..1500)),
            power_cuts: rng.u32(..=machines / 2),
            crashes: rng.u32(..4),
            failed_commits: rng.u32(..60),
            crashes_after_commit: rng.u32(..10),
            orders: rng.u32(..12),
            clock_sets: rng.u32(..3),
            disturbances: rng.u32(..12),
            moves: rng.u32(..4),
            pulled_cards: rng.u32(..3),
            cuts: rng.u32(..4),
            rivals: u32::from(rng.u8(..5) == 0),
            malice: rng.u32(..8),
            stalls: rng.u32(..3),
            reloads: rng.u32(..3),
        }
    }

    /// Whether faults still happen.
    pub(super) fn hold(&self, now: Instant) -> bool {
        now.since_start() < self.until
    }

    /// Whether a fault of that frequency strikes now.
    pub(super) fn strikes(&self, per_mille: u32, now: Instant, rng: &mut Rng) -> bool {
        self.hold(now) && rng.u32(..1000) < per_mille
    }

    /// The delays with which copies of a packet arrive: none, one or two of them.
    pub(super) fn arrivals(&self, now: Instant, rng: &mut Rng) -> [Option<Duration>; 2] {
        if self.strikes(self.loss, now, rng) {
            return [None, None];
        }
        let twice = self.strikes(self.duplicates, now, rng);
        [Some(self.delay(now, rng)), twice.then(|| self.delay(now, rng))]
    }

    /// How long a packet is under way. On a calm day packets stay in order.
    fn delay(&self, now: Instant, rng: &mut Rng) -> Duration {
        let jitter = u64::try_from(self.jitter.as_micros()).unwrap_or(u64::MAX);
        if self.hold(now) && jitter > 0 { WIRE + Duration::from_micros(rng.u64(..jitter)) } else { WIRE }
    }
}
