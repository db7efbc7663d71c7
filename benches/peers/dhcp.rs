//! DHCP: how many exchanges in a second, at what cost, and how long one takes.
//!
//! An exchange is DISCOVER, OFFER, REQUEST, ACK. The rate of a server is the highest at which fewer than one exchange in
//! a hundred is lost; it is found by steps. Each step of the first two loads is against a server that starts anew, so that
//! every machine is new to it and every ACK makes a lease; the third is against one that has 60,000 leases already, whose
//! machines ask again.
//!
//! Ours syncs each ACK to disk before it sends it, dnsmasq too; Kea never does.

mod client;
pub mod floor;
mod perfdhcp;
pub mod servers;

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::Plan;
use crate::measure::{Better, Contest, Turn};
use crate::place::{CLIENT_INTERFACE, INTERFACE, Place, Server, complete};
use client::Outcome;
pub use client::{Client, Order};
use perfdhcp::Threads;
use servers::{Kind, Way};

/// The part that may be lost.
const LOSS: f64 = 0.01;

/// A client that does less than this part of what it is told, and loses none, cannot do more.
const SPENT: f64 = 0.9;

/// By how much a coarse step is faster than the one before, and a fine one.
const COARSE: f64 = 1.5;
const FINE: f64 = 1.08;

/// Leases of a server that has many.
pub const MANY: u32 = 60_000;

/// The rate of every day.
const EVERYDAY: f64 = 200.0;

/// What was measured at one rate.
#[derive(Clone, Debug)]
struct Step {
    rate: f64,
    loss: f64,
    /// Server processor time in microseconds for each exchange that was done.
    cpu: f64,
    peak_bytes: u64,
}

impl Step {
    fn turn(&self) -> Turn {
        Turn { value: self.rate, cpu: self.cpu, peak_bytes: self.peak_bytes, more: Vec::new() }
    }
}

/// The network of this part, and its client.
pub struct Ground {
    pub client: Client,
}

impl Ground {
    /// Adds it to the place.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(place: &Place) -> anyhow::Result<Ground> {
        place.on_server_side(Command::new("ip").args(["address", "replace", "10.0.0.1/16", "dev", INTERFACE]))?;
        let address = format!("{}/16", perfdhcp::ADDRESS);
        complete(Command::new("ip").args(["address", "replace", &address, "dev", CLIENT_INTERFACE]))?;
        Ok(Ground { client: Client::open(CLIENT_INTERFACE).context("no socket for DHCP clients")? })
    }

    /// Begins exchanges at a rate, with machines in turn.
    fn step(&mut self, place: &Place, server: &Server, way: Way, rate: f64, time: Duration) -> anyhow::Result<Step> {
        let before = server.usage()?;
        let (rate, loss, acks) = match way {
            Way::Direct => {
                let outcome = self.client.run(Order { rate, time, first: 0, machines: MANY })?;
                (outcome.rate(), outcome.loss(), outcome.acks)
            }
            Way::Relayed(threads) => {
                let command = place.program("perfdhcp").context("there is no perfdhcp")?;
                let counted = perfdhcp::run(command, threads, rate, time, MANY)?;
                (counted.rate, counted.loss, counted.acks)
            }
        };
        let after = server.usage()?;
        Ok(Step {
            rate,
            loss,
            cpu: micros(after.cpu - before.cpu) / f64::from(acks.max(1)),
            peak_bytes: after.peak_bytes,
        })
    }

    /// The fastest step with little loss.
    fn climb(
        &mut self,
        from: f64,
        mut step: impl FnMut(&mut Self, f64) -> anyhow::Result<Step>,
    ) -> anyhow::Result<Step> {
        let mut best: Option<Step> = None;
        let (mut rate, mut pace) = (from, COARSE);
        loop {
            let mut tried = step(self, rate)?;
            let spent = |tried: &Step| tried.rate < rate * SPENT;
            if tried.loss >= LOSS || spent(&tried) {
                // Whatever else this machine did just then is not the server's fault.
                tried = step(self, rate)?;
            }
            let Step { rate: done, loss, cpu, .. } = &tried;
            eprintln!("  {rate:.0}/s: {done:.0}/s done, {:.2} % lost, {cpu:.1} µs CPU", loss * 100.0);
            let (kept, spent) = (tried.loss < LOSS, spent(&tried));
            if kept && best.as_ref().is_none_or(|good| tried.rate > good.rate) {
                best = Some(tried);
            }
            match &best {
                _ if kept && !spent => {}
                None if rate < 20.0 => anyhow::bail!("every rate is too fast"),
                None => {
                    rate /= 2.0;
                    continue;
                }
                Some(_) if pace == FINE => break,
                Some(good) => {
                    pace = FINE;
                    rate = good.rate;
                }
            }
            rate *= pace;
        }
        best.context("no step was good")
    }

    /// A server that has many leases, which those who ask in the next steps hold.
    ///
    /// # Errors
    /// It gave fewer.
    pub fn filled(&mut self, kind: Kind, place: &mut Place) -> anyhow::Result<Server> {
        let server = kind.start(Way::Direct, place, &mut self.client)?;
        let time = Duration::from_secs_f64(f64::from(MANY) / 4000.0);
        for _ in 0..3 {
            if self.client.run(Order { rate: 4000.0, time, first: 0, machines: MANY })?.acks == MANY {
                return Ok(server);
            }
        }
        anyhow::bail!("{} does not give {MANY} leases", kind.name())
    }
}

/// New clients of relays, as many as a server can bear.
pub fn relayed(place: &mut Place, plan: &Plan) -> anyhow::Result<Vec<Contest>> {
    let mut contests = rush(Way::Relayed(Threads::Two), place, plan)?;
    contests.extend(rush(Way::Relayed(Threads::One), place, plan)?);
    Ok(contests)
}

/// New clients, as many as a server can bear.
pub fn rush(way: Way, place: &mut Place, plan: &Plan) -> anyhow::Result<Vec<Contest>> {
    let mut ground = Ground::new(place)?;
    let all = servers(place, &[Kind::Hatchery, Kind::Kea, Kind::Dnsmasq]);
    let time = step_time(plan);
    let words = match way {
        Way::Direct => "DHCP, direct broadcast clients, all new, under 1 % loss",
        Way::Relayed(Threads::Two) => "DHCP, perfdhcp as a relay, new clients, under 1 % loss",
        Way::Relayed(Threads::One) => "DHCP, perfdhcp in one thread as a relay, new clients, under 1 % loss",
    };
    let contest = contest(words, "exchanges/s", Better::Higher).run(&names(&all), plan.rounds, |index| {
        let kind = all[index];
        let from = if kind == Kind::Dnsmasq { 200.0 } else { 6000.0 };
        let best = ground.climb(from, |ground, rate| {
            let server = kind.start(way, place, &mut ground.client)?;
            ground.step(place, &server, way, rate, time)
        })?;
        Ok(best.turn())
    })?;
    Ok(vec![contest])
}

/// A server that has many leases, and their holders.
pub fn holders(place: &mut Place, plan: &Plan) -> anyhow::Result<Vec<Contest>> {
    let mut ground = Ground::new(place)?;
    // dnsmasq would take minutes to give so many.
    let all = servers(place, &[Kind::Hatchery, Kind::Kea]);
    let time = step_time(plan);
    let words = format!("DHCP, direct broadcast clients, {MANY} leases, their holders ask again, under 1 % loss");
    let contest = contest(words, "exchanges/s", Better::Higher).run(&names(&all), plan.rounds, |index| {
        let server = ground.filled(all[index], place)?;
        Ok(ground.climb(8000.0, |ground, rate| ground.step(place, &server, Way::Direct, rate, time))?.turn())
    })?;
    Ok(vec![contest])
}

/// New clients at the rate of every day: how long they wait.
pub fn everyday(place: &mut Place, plan: &Plan) -> anyhow::Result<Vec<Contest>> {
    let mut ground = Ground::new(place)?;
    let all = servers(place, &[Kind::Hatchery, Kind::Floor, Kind::Kea, Kind::Dnsmasq]);
    let words = format!("DHCP, direct broadcast clients, all new, {EVERYDAY} exchanges/s");
    let contest = contest(words, "p99 ms", Better::Lower).run(&names(&all), plan.rounds, |index| {
        let server = all[index].start(Way::Direct, place, &mut ground.client)?;
        let before = server.usage()?;
        let time = plan.size(Duration::from_secs(20), Duration::from_secs(2));
        let outcome = ground.client.run(Order { rate: EVERYDAY, time, first: 0, machines: MANY })?;
        let after = server.usage()?;
        Ok(Turn {
            value: millis(&outcome, 0.99),
            cpu: micros(after.cpu - before.cpu) / f64::from(outcome.acks.max(1)),
            peak_bytes: after.peak_bytes,
            more: vec![("p50 ms", millis(&outcome, 0.5)), ("% lost", outcome.loss() * 100.0)],
        })
    })?;
    Ok(vec![contest])
}

/// Those of `kinds` that can be run here.
fn servers(place: &Place, kinds: &[Kind]) -> Vec<Kind> {
    kinds.iter().copied().filter(|kind| kind.is_there(place)).collect()
}

fn step_time(plan: &Plan) -> Duration {
    plan.size(Duration::from_secs(2), Duration::from_secs(1))
}

/// A comparison of DHCP servers.
pub fn contest(words: impl Into<String>, unit: &'static str, better: Better) -> Contest {
    Contest::new(words, unit, "µs/exchange", better)
}

/// As contests want them: what is compared with the peers, and the peers.
pub fn names(kinds: &[Kind]) -> Vec<(String, bool)> {
    let no_peer = |kind: &Kind| matches!(kind, Kind::Hatchery | Kind::Floor);
    kinds.iter().map(|kind| (kind.name().to_owned(), no_peer(kind))).collect()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn millis(outcome: &Outcome, part: f64) -> f64 {
    outcome.percentile(part).as_secs_f64() * 1e3
}
