//! Programs that everybody has, against the real server: busybox udhcpc, ISC dhclient, the ISC relay agent, curl, wget,
//! tftp-hpa, atftp, arping and rdisc6. And what no program at hand sends: messages of odd relay agents.
//!
//! Each test runs in network namespaces of its own. A program that is missing skips its tests loudly, and fails them
//! under `CI=true`.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/frames.rs"]
mod frames;
#[path = "common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that start the lab by themselves")]
mod inside;
#[path = "common/rival.rs"]
mod rival;
#[path = "common/table.rs"]
#[allow(dead_code, reason = "shared with the hostile tests")]
mod table;

#[path = "stock_clients/arping.rs"]
mod arping;
#[path = "stock_clients/atftp.rs"]
mod atftp;
#[path = "stock_clients/curl.rs"]
mod curl;
#[path = "stock_clients/dhclient.rs"]
mod dhclient;
#[path = "stock_clients/dhcrelay.rs"]
mod dhcrelay;
#[path = "stock_clients/lifecycle.rs"]
mod lifecycle;
#[path = "stock_clients/proxy.rs"]
mod proxy;
#[path = "stock_clients/rdisc6.rs"]
mod rdisc6;
#[path = "stock_clients/relay.rs"]
mod relay;
#[path = "stock_clients/reload.rs"]
mod reload;
#[path = "stock_clients/tftp_hpa.rs"]
mod tftp_hpa;
#[path = "stock_clients/tools.rs"]
mod tools;
#[path = "stock_clients/two_servers.rs"]
mod two_servers;
#[path = "stock_clients/udhcpc.rs"]
mod udhcpc;
#[path = "stock_clients/wget.rs"]
mod wget;
