//! How much those may take of a network whom nobody knows, and how much is believed of anyone.
//!
//! Hardware addresses cost nothing to invent. So machines that never did more than ask for an address share what is left
//! when the known ones are provided for.

use std::time::Duration;

/// The share of the addresses of a pool, or a number of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// So many.
    Count(u32),
    /// So many of a hundred, 0–100.
    Percent(u8),
}

impl Share {
    /// How many that is of `whole`; a percentage is rounded down.
    pub fn of(self, whole: usize) -> usize {
        match self {
            Share::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Share::Percent(percent) => whole.saturating_mul(usize::from(percent)) / 100,
        }
    }
}

/// What unknown machines may take of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strangers {
    /// Of each pool, what they leave to known machines.
    pub reserve: Share,
    /// How many of them are given an address in a minute, of the addresses of their network; `None` for any number.
    pub per_minute: Option<Share>,
    /// Addresses that those of one link or of one relay agent hold at once; `None` for any number.
    pub per_link: Option<u32>,
    /// Addresses that those behind one port of a relay agent (circuit id, RFC 3046) hold at once; `None` for any number.
    pub per_circuit: Option<u32>,
    /// How long an address stays set aside for one of them that was made an OFFER and has not answered.
    pub offer_hold: Duration,
}

impl Strangers {
    /// A percentage of a small pool is no sensible limit of what comes in a minute: the least that one stands for.
    const PER_MINUTE_LEAST: usize = 60;

    /// How many of them are given an address in a minute, on a network of so many addresses.
    pub fn in_a_minute(&self, addresses: usize) -> Option<usize> {
        self.per_minute.map(|share| match share {
            Share::Count(_) => share.of(addresses),
            Share::Percent(_) => share.of(addresses).max(Strangers::PER_MINUTE_LEAST),
        })
    }
}

impl Default for Strangers {
    fn default() -> Strangers {
        Strangers {
            reserve: Share::Percent(5),
            per_minute: Some(Share::Percent(100)),
            per_link: None,
            // A switch without management and its 48 machines behind one port, and some more.
            per_circuit: Some(64),
            offer_hold: Duration::from_secs(30),
        }
    }
}

/// How many addresses go out of use because somebody says that they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disuse {
    /// On behalf of one client, at once.
    pub per_client: u32,
    /// Of one pool, at once.
    pub of_pool: Share,
}

impl Disuse {
    /// A share of a small pool may be none, and then nobody could decline anything.
    const LEAST: usize = 4;

    /// How many addresses of a pool of that size.
    pub fn most(&self, pool: usize) -> usize {
        match self.of_pool {
            Share::Count(_) => self.of_pool.of(pool),
            Share::Percent(_) => self.of_pool.of(pool).max(Disuse::LEAST),
        }
    }
}

impl Default for Disuse {
    fn default() -> Disuse {
        Disuse { per_client: 4, of_pool: Share::Percent(25) }
    }
}
