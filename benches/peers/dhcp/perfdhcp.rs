//! Kea's own load tool, perfdhcp: it speaks as a relay agent.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

/// What it counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Exchanges done in a second.
    pub rate: f64,
    pub acks: u32,
    /// The part of the exchanges begun that were not done.
    pub loss: f64,
}

/// Its address, at our end of the link.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// Begins exchanges at that rate for that long, of up to `machines` machines.
pub fn run(rate: f64, time: Duration, machines: u32) -> anyhow::Result<Counted> {
    let mut command = Command::new("perfdhcp");
    // With a thread of its own for what comes in it would take the processor that the server needs.
    command.args(["-4", "-g", "single", "-W", "1000000", "-d", "1", "-l"]).arg(ADDRESS.to_string());
    command.arg("-r").arg(format!("{rate:.0}")).arg("-p").arg(time.as_secs().to_string());
    command.arg("-R").arg(machines.to_string()).arg("10.0.0.1");
    let output = command.output().context("perfdhcp is of the package kea-admin")?;
    let text = String::from_utf8_lossy(&output.stdout);
    read(&text, time).with_context(|| format!("perfdhcp said\n{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn read(text: &str, time: Duration) -> Option<Counted> {
    let (first, second) = text.split_once("Statistics for: REQUEST-ACK")?;
    let (_, first) = first.split_once("Statistics for: DISCOVER-OFFER")?;
    let number = |text: &str, key: &str| -> Option<u32> {
        text.lines().find_map(|line| line.trim().strip_prefix(key))?.trim().parse().ok()
    };
    let (begun, acks) = (number(first, "sent packets:")?, number(second, "received packets:")?);
    let loss = 1.0 - f64::from(acks) / f64::from(begun.max(1));
    Some(Counted { rate: f64::from(acks) / time.as_secs_f64(), acks, loss })
}
