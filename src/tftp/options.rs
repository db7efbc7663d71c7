//! Which options of a request are granted (RFC 2347), and what holds when they are not.
//!
//! Invariant: nothing is granted that was not asked for, and no value exceeds the one asked for (RFC 2348,
//! RFC 7440 §3); EDK2 refuses an OACK that breaks this with ERROR 4.

use crate::wire::tftp::{DEFAULT_BLKSIZE, MAX_BLKSIZE, Options};

/// IPv4 header with room for some options (20 + 8), and the TFTP header of DATA (4): what dnsmasq keeps free as well.
const HEADERS: u32 = 32;

/// A window is read and sent in one burst, so it is bounded in bytes too: 64 blocks of Ethernet size fit.
const WINDOW_BYTES: u32 = 128 * 1024;

/// What we grant at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes per block, at least 8.
    pub max_blksize: u16,
    /// Blocks per acknowledgement, 1–64.
    pub max_windowsize: u16,
}

impl Limits {
    /// The largest window we ever grant. More gains nothing on a LAN, and each window is sent in one burst.
    pub const MAX_WINDOWSIZE: u16 = 64;

    /// Limits for a path whose IP packets carry `mtu` bytes: no block is fragmented.
    pub fn for_mtu(mtu: u32) -> Self {
        let fitting = mtu.saturating_sub(HEADERS).clamp(8, u32::from(MAX_BLKSIZE));
        Limits { max_blksize: u16::try_from(fitting).unwrap_or(MAX_BLKSIZE), max_windowsize: Self::MAX_WINDOWSIZE }
    }
}

/// What holds for a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Bytes per block.
    pub blksize: u16,
    /// Blocks per acknowledgement.
    pub windowsize: u16,
    /// The options of the OACK; without any there is no OACK.
    pub granted: Options,
}

impl Terms {
    /// Answers the options `asked` for a file of `size` bytes.
    pub fn negotiate(asked: &Options, size: u64, limits: Limits) -> Self {
        let blksize = asked.blksize.map(|blksize| blksize.min(limits.max_blksize.max(8)));
        let blocks_in_burst = WINDOW_BYTES / u32::from(blksize.unwrap_or(DEFAULT_BLKSIZE));
        let max_windowsize = limits
            .max_windowsize
            .min(Limits::MAX_WINDOWSIZE)
            .min(u16::try_from(blocks_in_burst).unwrap_or(u16::MAX))
            .max(1);
        let granted = Options {
            blksize,
            timeout_secs: asked.timeout_secs,
            tsize: asked.tsize.map(|_| size),
            windowsize: asked.windowsize.map(|blocks| blocks.clamp(1, max_windowsize)),
        };
        Terms {
            blksize: granted.blksize.unwrap_or(DEFAULT_BLKSIZE),
            windowsize: granted.windowsize.unwrap_or(1),
            granted,
        }
    }
}
