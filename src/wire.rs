//! Bytes to values and back, for every protocol we speak. No time, no state, no decisions.

pub mod arp;
pub mod dhcp;
pub mod http;
pub mod ipv4;
pub mod icmpv6;
pub mod tftp;
