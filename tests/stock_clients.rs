//! Programs that everybody has, against the real server: busybox udhcpc, ISC dhclient, curl and tftp-hpa. And what no
//! program at hand sends: messages of relay agents.
//!
//! Each test runs in network namespaces of its own. A program that is missing skips its tests loudly, and fails them
//! under `CI=true`.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/frames.rs"]
mod frames;
#[path = "common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that start the lab by themselves")]
mod inside;
#[path = "common/table.rs"]
#[allow(dead_code, reason = "shared with the hostile tests")]
mod table;

#[path = "stock_clients/curl.rs"]
mod curl;
#[path = "stock_clients/dhclient.rs"]
mod dhclient;
#[path = "stock_clients/lifecycle.rs"]
mod lifecycle;
#[path = "stock_clients/relay.rs"]
mod relay;
#[path = "stock_clients/tftp_hpa.rs"]
mod tftp_hpa;
#[path = "stock_clients/tools.rs"]
mod tools;
#[path = "stock_clients/udhcpc.rs"]
mod udhcpc;
