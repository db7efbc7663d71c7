//! The real server among garbage, greed and shortage: it goes on, says what is wrong, and promises nothing false.
//!
//! Each test runs in network namespaces of its own. Every random byte comes from a fixed seed.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that start the lab by themselves")]
mod inside;
#[path = "common/mutate.rs"]
mod mutate;
#[path = "common/pcap.rs"]
#[allow(dead_code, reason = "shared with the tests of captures")]
mod pcap;
#[path = "common/table.rs"]
#[allow(dead_code, reason = "shared with the stock clients")]
mod table;

#[path = "hostile/garbage.rs"]
mod garbage;
#[path = "hostile/shortage.rs"]
mod shortage;
#[path = "hostile/startup.rs"]
mod startup;
