//! hatchery side by side with the servers that people use instead, on this machine, in one run.
//!
//! Ours is the release binary, a process of its own like theirs. All are reached through one link between namespaces that
//! are this bench's own; they take turns, with the same client, which compares every byte it receives. What is printed are
//! medians, how ours compares with the best of theirs, what the server took of the processor for it, and its memory.
//!
//! Owns nothing outside of `target/peers`; the peers that are not installed are fetched there as packages and never
//! installed. Whatever ends it, the kernel takes back the namespaces and ends the servers; the next run removes what a
//! killed one left: its scratch files and empty control groups.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod anew;
mod async_tftp_peer;
mod dhcp;
mod http;
mod measure;
mod memory;
mod pattern;
mod pipeline;
mod place;
mod programs;
mod tftp;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Parser, ValueEnum};

use dhcp::servers::Way;
use measure::Contest;
use place::Place;

/// Runs hatchery and its peers side by side.
#[derive(Debug, Parser)]
#[command(
    name = "cargo bench --bench peers --",
    about = "Runs hatchery and the servers people use instead side by side, in namespaces of its own, and compares them.",
    after_help = "Examples:\n  cargo bench --bench peers                          everything\n  \
                  cargo bench --bench peers -- http tftp --rounds 5\n  cargo bench --bench peers -- fairness --json > fairness.json\n\n\
                  Needs root or user namespaces, `ip` and `tc`. Peers: nginx, dnsmasq, tftpd-hpa, atftpd, Kea; those that are not\n\
                  installed are fetched from Debian into target/peers and not installed. Let nothing else run meanwhile."
)]
struct Args {
    /// What to compare; everything if left out.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Turns that each server has; the medians of them are compared.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Smaller files and shorter runs: to see that everything works, and which way a change goes; nothing to quote.
    #[arg(long)]
    quick: bool,
    /// One JSON document with every run, instead of tables.
    #[arg(long)]
    json: bool,
    /// Another build of hatchery, an older one mostly, to take turns with ours in the parts http, fairness and tftp; may
    /// be given four times.
    #[arg(long, value_name = "PROGRAM")]
    before: Vec<PathBuf>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Images to 20 clients and to one, and small files, against three set-ups of nginx.
    Http,
    /// 20 clients on a link of 1 Gbit/s, against nginx: who is done first, and who last.
    Fairness,
    /// Boot files to one client and to 20, against dnsmasq, tftpd-hpa, atftpd and async-tftp, and beside them what a
    /// server without rules does.
    Tftp,
    /// Addresses for new machines, against Kea and dnsmasq: how many in a second, and at what cost.
    Dhcp,
    /// The same by way of a relay agent, which Kea's own load tool is.
    DhcpRelayed,
    /// As `dhcp`, where 60,000 machines have theirs and ask again, against Kea.
    DhcpHolders,
    /// 200 new machines a second, against Kea and dnsmasq, and beside them what a synced ACK costs at least: how long they
    /// wait for an address.
    DhcpEveryday,
    /// 20 machines at once from their first DISCOVER to the last byte of their image, against dnsmasq with nginx.
    Pipeline,
    /// Memory, and the time until a server is ready, against Kea.
    Memory,
}

impl Part {
    /// Whether other builds of ours take turns in it.
    fn takes_builds(self) -> bool {
        matches!(self, Part::Http | Part::Fairness | Part::Tftp)
    }

    fn run(self, place: &mut Place, plan: &Plan) -> anyhow::Result<Vec<Contest>> {
        match self {
            Part::Http => http::run(place, plan),
            Part::Fairness => http::fairness(place, plan),
            Part::Tftp => tftp::run(place, plan),
            Part::Dhcp => dhcp::rush(Way::Direct, place, plan),
            Part::DhcpRelayed => dhcp::relayed(place, plan),
            Part::DhcpHolders => dhcp::holders(place, plan),
            Part::DhcpEveryday => dhcp::everyday(place, plan),
            Part::Pipeline => pipeline::run(place, plan),
            Part::Memory => memory::run(place, plan),
        }
    }
}

/// How thorough to be.
pub struct Plan {
    /// Turns of each server.
    pub rounds: usize,
    /// Whether only to show that it works.
    pub quick: bool,
    /// Other builds of ours.
    pub before: Vec<PathBuf>,
}

impl Plan {
    /// `full`, or `quick` in a quick run.
    pub fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

fn main() -> ExitCode {
    // Some servers are this program started anew.
    if let Some(ended) =
        async_tftp_peer::run_if_asked().or_else(dhcp::floor::run_if_asked).or_else(tftp::floor::run_if_asked)
    {
        return ended;
    }
    let args = Args::parse();
    // `cargo test --benches` only wants to know that it starts.
    if !args.bench {
        eprintln!("nothing compared: run it with `cargo bench --bench peers`");
        return ExitCode::SUCCESS;
    }
    match compare(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare(args: &Args) -> anyhow::Result<()> {
    let parts = if args.parts.is_empty() { Part::value_variants() } else { &args.parts };
    if !args.before.is_empty() && !parts.iter().all(|part| part.takes_builds()) {
        bail!("--before is for the parts http, fairness and tftp: name those, and no others");
    }
    let plan = Plan { rounds: args.rounds as usize, quick: args.quick, before: args.before.clone() };
    let mut place = Place::enter().context("cannot set up the place")?;
    if !args.json {
        println!("{}\n", place.description());
    }
    let mut all = Vec::new();
    for part in parts {
        let name = part.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let contests = part.run(&mut place, &plan).with_context(|| format!("cannot compare {name}"))?;
        for contest in contests {
            if !args.json {
                println!("{}", contest.table());
            }
            all.push((name.clone(), contest));
        }
    }
    if all.is_empty() {
        bail!("nothing was compared");
    }
    if args.json {
        let contests: Vec<_> = all.iter().map(|(part, contest)| contest.json(part)).collect();
        let document = serde_json::json!({ "place": place.description(), "contests": contests });
        println!("{document:#}");
    }
    Ok(())
}
