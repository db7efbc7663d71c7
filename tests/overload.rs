//! The real server under far more than it can serve: its memory is bounded, what it turns away is counted, and twenty
//! machines boot through to their ends while it lasts.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that start the lab by themselves")]
mod inside;
#[path = "common/table.rs"]
#[allow(dead_code, reason = "shared with the stock clients")]
mod table;

#[path = "overload/connections.rs"]
mod connections;
#[path = "overload/crowd.rs"]
mod crowd;
#[path = "overload/dhcp.rs"]
mod dhcp;
#[path = "overload/tftp.rs"]
mod tftp;
#[path = "overload/uploads.rs"]
mod uploads;
