//! Measures DHCP servers side by side.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod dhcp;

use std::net::Ipv4Addr;

use anyhow::Context as _;
use dhcp::Ground;
use dhcp::client::Client;
use dhcp::servers::{Kind, Way};
use hatchery::lab;
use hatchery::net::Mac;

fn main() -> anyhow::Result<()> {
    lab::enter()?;
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let wanted = |word: &str| args.is_empty() || args.iter().any(|arg| arg == word);
    let network = lab::Network::new(&[(Ipv4Addr::new(10, 0, 0, 1), 16)])?;
    let mut port = network.add_machine_port(0, Mac([0x52, 0x54, 0, 0, 0, 2]))?;
    port.set_address(dhcp::perfdhcp::ADDRESS.parse()?, 16)?;
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let client = Client::open("bench0").context("cannot open the client's socket")?;
    let mut ground = Ground { network: &network, scratch: scratch.path(), client };
    for (kind, word, from) in
        [(Kind::Hatchery, "hatchery", 3000.0), (Kind::Kea, "kea", 3000.0), (Kind::Dnsmasq, "dnsmasq", 100.0)]
    {
        if !wanted(word) {
            continue;
        }
        if wanted("everyday") {
            ground.everyday(kind)?;
        }
        if wanted("direct") {
            ground.measure(kind, Way::Direct, from)?;
        }
        if wanted("relayed") {
            ground.measure(kind, Way::Relayed, from)?;
        }
        if args.iter().any(|arg| arg == "hold") {
            let rate = args.last().and_then(|last| last.parse().ok()).unwrap_or(5000.0);
            ground.hold(kind, rate)?;
        }
    }
    Ok(())
}
