//! A simulated machine: its firmware, bootloader and installer as one sans-IO machine, byte-faithful on the wire.
//!
//! The same client runs in the simulated world and over real sockets. It owns everything a machine does by itself
//! (packets, timers, retries, vices) and touches no socket, clock or file: inputs come in, outputs go out, and
//! [`Client::next_deadline`] says when it wants [`Input::Timer`].

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::ids::Digest;
use crate::time::Instant;

/// Something that happens to a client.
#[derive(Clone, Debug)]
pub enum Input {
    /// Power comes on (again): everything but the disk is forgotten.
    PowerOn,
    /// [`Client::next_deadline`] has passed.
    Timer,
    /// A UDP payload arrived on port 68.
    Dhcp(Vec<u8>),
    /// A UDP payload arrived on a TFTP port of ours.
    Tftp {
        /// Our port.
        port: u16,
        /// The sender.
        from: SocketAddrV4,
        /// The payload.
        bytes: Vec<u8>,
    },
    /// A small HTTP exchange ended.
    Http {
        /// Which.
        exchange: u32,
        /// Status code and whole body, or why there is none.
        response: Result<(u16, Vec<u8>), String>,
    },
    /// So many bytes of a download have arrived.
    Downloading {
        /// Which.
        exchange: u32,
        /// Bytes so far.
        received: u64,
    },
    /// A download ended.
    Downloaded {
        /// Which.
        exchange: u32,
        /// Size and digest of what arrived, or why it broke off.
        result: Result<(u64, Digest), String>,
    },
}

/// Something a client does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a UDP payload from port 68 to port 67.
    SendDhcp {
        /// The source address: 0.0.0.0 before there is one.
        from: Ipv4Addr,
        /// 255.255.255.255, or the server.
        to: Ipv4Addr,
        /// The payload.
        bytes: Vec<u8>,
    },
    /// Use this address from now on.
    SetAddress {
        /// The address.
        address: Ipv4Addr,
        /// Bits of the mask.
        prefix: u8,
    },
    /// Use no address from now on; every exchange under way is gone.
    ClearAddress,
    /// Send a UDP payload from a TFTP port of ours.
    SendTftp {
        /// Our port.
        port: u16,
        /// Port 69 of the server, or the transfer's port.
        to: SocketAddrV4,
        /// The payload.
        bytes: Vec<u8>,
    },
    /// A TFTP port of ours is not used any more.
    CloseTftp {
        /// Our port.
        port: u16,
    },
    /// Make a small HTTP exchange; [`Input::Http`] ends it.
    Http {
        /// Chosen by the client, never reused.
        exchange: u32,
        /// `GET`, `HEAD` or `POST`.
        method: &'static str,
        /// `http://HOST[:PORT]/PATH`.
        url: String,
        /// A JSON body, for `POST`.
        body: Option<String>,
    },
    /// Download and hash a large file; [`Input::Downloaded`] ends it.
    Download {
        /// Chosen by the client, never reused.
        exchange: u32,
        /// `http://HOST[:PORT]/PATH`.
        url: String,
    },
    /// A milestone was passed, for tables and stories.
    Passed(Phase),
    /// It reached its end: installed, verified and reported.
    Done {
        /// The name it was given.
        hostname: String,
    },
    /// It gave up; the sentence says where and why. It stays silent until [`Input::PowerOn`].
    Faulted(String),
}

/// The milestones of a boot as the client sees them, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Power is on.
    Power,
    /// An OFFER was accepted.
    Offered,
    /// The first address is bound.
    Bound,
    /// Boot files and answers are fetched.
    Loaded,
    /// The configuration came.
    Configured,
    /// The image is down.
    Downloaded,
    /// Success was reported and received.
    Reported,
}
