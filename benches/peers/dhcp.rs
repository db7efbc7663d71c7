//! DHCP: how many exchanges in a second, at what cost, and how long one takes.
//!
//! An exchange is DISCOVER, OFFER, REQUEST, ACK. The rate of a server is the highest at which fewer than one exchange in
//! a hundred is lost; it is found by steps of two seconds, each against a server that starts anew, so that every
//! machine is new to it and every ACK makes a lease. `full` is the same with machines that all have leases already.
//!
//! Ours syncs each ACK to disk before it sends it. Kea never does, dnsmasq always does.

pub mod client;
pub mod perfdhcp;
pub mod servers;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use hatchery::lab::Network;

use client::{Client, Order, Outcome};
use servers::{Kind, Server, Way};

/// The part that may be lost.
const LOSS: f64 = 0.01;

/// How long one step lasts.
const STEP: Duration = Duration::from_secs(2);

/// By how much a coarse step is faster than the one before, and a fine one.
const COARSE: f64 = 1.3;
const FINE: f64 = 1.06;

/// Leases of a full journal.
const FULL: u32 = 60_000;

/// What was measured at one rate.
#[derive(Clone, Debug)]
pub struct Step {
    pub rate: f64,
    pub loss: f64,
    /// Server processor time for each exchange that was done.
    pub cpu: Duration,
    pub p50: Duration,
    pub p99: Duration,
}

impl Step {
    fn of(outcome: &Outcome, cpu: Duration) -> Step {
        Step {
            rate: outcome.rate(),
            loss: outcome.loss(),
            cpu: cpu / outcome.acks.max(1),
            p50: outcome.percentile(0.5),
            p99: outcome.percentile(0.99),
        }
    }
}

/// The place where one kind of server is measured.
pub struct Ground<'a> {
    pub network: &'a Network,
    pub scratch: &'a Path,
    pub client: Client,
}

impl Ground<'_> {
    fn start(&mut self, kind: Kind, way: Way) -> anyhow::Result<Server> {
        Server::start(kind, way, self.network, self.scratch, &mut self.client)
    }

    /// One step with machines that are new to a server that starts for it.
    fn fresh(&mut self, kind: Kind, way: Way, rate: f64) -> anyhow::Result<Step> {
        let server = self.start(kind, way)?;
        self.step(&server, way, rate, STEP)
    }

    fn step(&mut self, server: &Server, way: Way, rate: f64, time: Duration) -> anyhow::Result<Step> {
        let before = server.cpu();
        match way {
            Way::Direct => {
                let outcome = self.client.run(Order { rate, time, first: 0, machines: FULL })?;
                Ok(Step::of(&outcome, server.cpu() - before))
            }
            Way::Relayed => {
                let outcome = perfdhcp::run(rate, time, FULL)?;
                Ok(Step {
                    rate: outcome.rate,
                    loss: outcome.loss,
                    cpu: (server.cpu() - before) / outcome.acks.max(1),
                    p50: Duration::ZERO,
                    p99: Duration::ZERO,
                })
            }
        }
    }

    /// The fastest step without loss, and the one that lost too much.
    fn climb(&mut self, from: f64, mut step: impl FnMut(&mut Self, f64) -> anyhow::Result<Step>) -> anyhow::Result<Step> {
        let mut best: Option<Step> = None;
        let mut rate = from;
        let mut pace = COARSE;
        loop {
            let mut tried = step(self, rate)?;
            if tried.loss >= LOSS {
                // Whatever else this machine did just then is not the server's fault.
                tried = step(self, rate)?;
            }
            eprintln!("    {rate:7.0}/s: {:.2} % lost, {:.1} µs CPU", tried.loss * 100.0, micros(tried.cpu));
            match (&best, tried.loss < LOSS) {
                (_, true) => best = Some(tried),
                (None, false) if rate < 20.0 => anyhow::bail!("every rate is too fast"),
                (None, false) => {
                    rate /= 2.0;
                    continue;
                }
                (Some(_), false) if pace == FINE => break,
                (Some(good), false) => {
                    pace = FINE;
                    rate = good.rate;
                }
            }
            rate *= pace;
        }
        best.context("no step was good")
    }

    /// A server whose journal holds leases of `FULL` machines.
    pub fn filled(&mut self, kind: Kind, way: Way) -> anyhow::Result<Server> {
        let server = self.start(kind, Way::Direct)?;
        let mut missing = FULL;
        for _ in 0..3 {
            let order = Order { rate: 4000.0, time: Duration::from_secs_f64(f64::from(FULL) / 4000.0), first: 0, machines: FULL };
            missing = FULL - self.client.run(order)?.acks;
            if missing == 0 {
                break;
            }
        }
        eprintln!("    {} leases, {missing} missing", FULL);
        match (way, kind) {
            (Way::Relayed, Kind::Kea) => Ok(server.restart(way, self.network, &mut self.client)?.0),
            _ => Ok(server),
        }
    }

    /// What one kind of server does by one way.
    pub fn measure(&mut self, kind: Kind, way: Way, from: f64) -> anyhow::Result<()> {
        eprintln!("  {} {way:?}, no lease at the start", kind.name());
        let best = self.climb(from, |ground, rate| ground.fresh(kind, way, rate))?;
        println!("{:16} {way:?} fresh: {:.0}/s, {:.1} µs CPU", kind.name(), best.rate, micros(best.cpu));
        if kind == Kind::Dnsmasq {
            return Ok(());
        }
        eprintln!("  {} {way:?}, {FULL} leases", kind.name());
        let server = self.filled(kind, way)?;
        let full = self.climb(best.rate / 1.2, |ground, rate| ground.step(&server, way, rate, STEP))?;
        println!("{:16} {way:?} full: {:.0}/s, {:.1} µs CPU", kind.name(), full.rate, micros(full.cpu));
        Ok(())
    }

    /// At an everyday rate.
    pub fn everyday(&mut self, kind: Kind) -> anyhow::Result<()> {
        let server = self.start(kind, Way::Direct)?;
        let step = self.step(&server, Way::Direct, 200.0, Duration::from_secs(10))?;
        println!(
            "{:16} 200/s: {:.1} µs CPU, p50 {:.0} µs, p99 {:.0} µs, {:.2} % lost, {:.1} MiB",
            kind.name(),
            micros(step.cpu),
            micros(step.p50),
            micros(step.p99),
            step.loss * 100.0,
            server.memory().0
        );
        Ok(())
    }
}

pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

impl Ground<'_> {
    /// Holds one rate for a while, for a profiler.
    pub fn hold(&mut self, kind: Kind, rate: f64) -> anyhow::Result<()> {
        let server = self.start(kind, Way::Direct)?;
        eprintln!("process {}", server.id());
        std::fs::write("/tmp/dhcp-bench.pid", server.id().to_string())?;
        let time = Duration::from_secs_f64(f64::from(FULL) / rate);
        let step = self.step(&server, Way::Direct, rate, time)?;
        println!("{step:?} {:?}", server.memory());
        let step = self.step(&server, Way::Direct, rate, time)?;
        println!("{step:?} {:?}", server.memory());
        let (server, took) = server.restart(Way::Direct, self.network, &mut self.client)?;
        println!("restart {took:?} {:?}", server.memory());
        Ok(())
    }
}
