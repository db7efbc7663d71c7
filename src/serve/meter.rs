//! What is counted while the server runs: a fold over notices, and what the core's loop measures of itself.
//!
//! Written by the core's thread once for each batch, read by whoever scrapes; the lock is held for either alone. Nothing
//! here survives a restart, which is what Prometheus expects of counters.

mod exposition;
pub mod process;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

pub use self::exposition::{Exposition, Kind};
use super::inbox::Inbox;
use super::service::Beat;
use crate::clock;
use crate::fleet::board::Board;
use crate::fleet::{Change, Notice};
use crate::ids::TransferId;
use crate::lease::LeaseState;
use crate::machine::stage::Stage;
use crate::refusal::Refusal;
use crate::time::Instant;
use crate::transfer::{Outcome, Via};

/// Upper bounds of the buckets for a commit, in seconds.
const COMMIT_SECS: [f64; 10] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];

/// Upper bounds of the buckets for what one transaction carries.
const BATCH_SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Upper bounds of the buckets for a transfer, in seconds: from a boot file to an image over a bad cable.
const TRANSFER_SECS: [f64; 12] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0, 3600.0];

/// The counters, shared by those who count and those who read.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    tally: Arc<Mutex<Tally>>,
    failing: Arc<AtomicBool>,
}

/// What was counted so far.
#[derive(Debug, Default)]
struct Tally {
    dhcp: BTreeMap<(&'static str, &'static str), u64>,
    running: BTreeMap<TransferId, (Instant, u64)>,
    transfers: BTreeMap<Via, Transfers>,
    deployments: Ended,
    commits: Histogram,
    changes: Histogram,
    events: Histogram,
    not_stored: u64,
}

/// Those by one protocol.
#[derive(Debug, Default)]
struct Transfers {
    started: u64,
    complete: u64,
    abandoned: u64,
    broken: u64,
    bytes: u64,
    seconds: Histogram,
}

#[derive(Debug, Default)]
struct Ended {
    success: u64,
    failed: u64,
}

/// How often which value was observed; the buckets are those of the moment it is first used.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    bounds: &'static [f64],
    buckets: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Histogram {
    fn observe(&mut self, bounds: &'static [f64], value: f64) {
        if self.bounds.is_empty() {
            self.bounds = bounds;
            self.buckets = vec![0; bounds.len()];
        }
        if let Some(index) = self.bounds.iter().position(|bound| value <= *bound) {
            self.buckets[index] += 1;
        }
        self.count += 1;
        self.sum += value;
    }
}

impl Meter {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A batch of so many events was handled.
    pub fn handled(&self, events: usize) {
        if events > 0 {
            self.tally().events.observe(&BATCH_SIZES, events as f64);
        }
    }

    /// These changes were written in so much time.
    pub fn committed(&self, changes: &[Change], took: Duration) {
        self.failing.store(false, Ordering::Relaxed);
        let mut tally = self.tally();
        tally.commits.observe(&COMMIT_SECS, took.as_secs_f64());
        tally.changes.observe(&BATCH_SIZES, changes.len() as f64);
        for change in changes {
            if let Change::Deployment(deployment) = change
                && deployment.completed_at.is_some()
            {
                match deployment.status.as_str() {
                    "success" => tally.deployments.success += 1,
                    _ => tally.deployments.failed += 1,
                }
            }
        }
    }

    /// The journal could not be written.
    pub fn not_stored(&self) {
        self.failing.store(true, Ordering::Relaxed);
        self.tally().not_stored += 1;
    }

    /// Whether the last attempt to write the journal failed.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Takes note of what became known at `now`.
    pub fn apply<'n>(&self, notices: impl IntoIterator<Item = &'n Notice>, now: Instant) {
        let mut tally = self.tally();
        for notice in notices {
            tally.apply(notice, now);
        }
    }

    /// Everything in the text format of Prometheus, version 0.0.4.
    pub fn text(&self, board: &Board, inbox: &Inbox, beat: &Beat) -> String {
        let mut out = Exposition::default();
        self.tally().write(&mut out);
        write_board(&mut out, board);
        out.one("hatchery_inbox_waiting", Kind::Gauge, "Events that wait for the core.", inbox.waiting() as f64);
        let help = "Events that were shed because too many waited; their senders repeat them.";
        out.family("hatchery_inbox_shed_total", Kind::Counter, help);
        for (why, count) in inbox.shed() {
            out.sample(&[("why", why)], count as f64);
        }
        out.one("hatchery_core_turns_total", Kind::Counter, "Turns of the core's loop.", beat.count() as f64);
        process::write(&mut out);
        out.finish()
    }
}

impl Tally {
    fn apply(&mut self, notice: &Notice, now: Instant) {
        match notice {
            Notice::DhcpAnswered { asked, answered, .. } => *self.dhcp.entry((asked, answered)).or_default() += 1,
            Notice::Transfer { transfer, via, sent, outcome, .. } => {
                let all = self.transfers.entry(*via).or_default();
                let (began, before) = *self.running.entry(*transfer).or_insert_with(|| {
                    all.started += 1;
                    (now, 0)
                });
                all.bytes += sent.saturating_sub(before);
                let Some(outcome) = outcome else {
                    self.running.insert(*transfer, (began, before.max(*sent)));
                    return;
                };
                self.running.remove(transfer);
                match outcome {
                    Outcome::Complete => {
                        all.complete += 1;
                        all.seconds.observe(&TRANSFER_SECS, now.since(began).as_secs_f64());
                    }
                    Outcome::Abandoned(_) => all.abandoned += 1,
                    Outcome::Broken(_) => all.broken += 1,
                }
            }
            _ => {}
        }
    }

    fn write(&self, out: &mut Exposition) {
        out.family(
            "hatchery_dhcp_answers_total",
            Kind::Counter,
            "DHCP messages that were answered, by what was asked.",
        );
        for ((asked, answered), count) in &self.dhcp {
            out.sample(&[("asked", asked), ("answered", answered)], *count as f64);
        }
        let vias = [(Via::Tftp, "tftp"), (Via::Http, "http")].map(|(via, word)| (self.transfers.get(&via), word));
        let of = |count: fn(&Transfers) -> u64, all: Option<&Transfers>| all.map_or(0, count) as f64;
        out.family("hatchery_transfers_started_total", Kind::Counter, "Files that began to go out.");
        for (all, via) in vias {
            out.sample(&[("via", via)], of(|all| all.started, all));
        }
        out.family("hatchery_transfers_ended_total", Kind::Counter, "Files that went out or broke off.");
        for (all, via) in vias {
            out.sample(&[("via", via), ("outcome", "complete")], of(|all| all.complete, all));
            out.sample(&[("via", via), ("outcome", "abandoned")], of(|all| all.abandoned, all));
            out.sample(&[("via", via), ("outcome", "broken")], of(|all| all.broken, all));
        }
        out.family("hatchery_transfer_bytes_total", Kind::Counter, "Bytes of files sent, as far as was told.");
        for (all, via) in vias {
            out.sample(&[("via", via)], of(|all| all.bytes, all));
        }
        out.family("hatchery_transfer_seconds", Kind::Histogram, "How long complete files took.");
        for (all, via) in vias {
            out.histogram(&[("via", via)], &TRANSFER_SECS, all.map(|all| &all.seconds));
        }
        out.family("hatchery_deployments_ended_total", Kind::Counter, "Deployments that ended.");
        out.sample(&[("result", "success")], self.deployments.success as f64);
        out.sample(&[("result", "failed")], self.deployments.failed as f64);
        out.family("hatchery_commit_seconds", Kind::Histogram, "How long a transaction of the journal took.");
        out.histogram(&[], &COMMIT_SECS, Some(&self.commits));
        out.family("hatchery_commit_changes", Kind::Histogram, "Changes in a transaction of the journal.");
        out.histogram(&[], &BATCH_SIZES, Some(&self.changes));
        out.family("hatchery_batch_events", Kind::Histogram, "Events that the core handled in one turn.");
        out.histogram(&[], &BATCH_SIZES, Some(&self.events));
        let help = "Transactions of the journal that failed; nothing of them was promised.";
        out.one("hatchery_commit_failures_total", Kind::Counter, help, self.not_stored as f64);
    }
}

/// What the board knows anyway.
fn write_board(out: &mut Exposition, board: &Board) {
    out.family("hatchery_refusals_total", Kind::Counter, "Inputs that were not acted on, by the reason.");
    for kind in Refusal::KINDS {
        out.sample(&[("kind", kind)], board.refusals().get(kind).copied().unwrap_or(0) as f64);
    }
    out.family("hatchery_shed_total", Kind::Counter, "What was turned away because a limit was reached, by the limit.");
    for (limit, count) in board.shed() {
        out.sample(&[("limit", limit)], *count as f64);
    }
    let mut stages = Stage::WORDS.map(|word| (word, 0_u64));
    for view in board.machines() {
        let word = view.machine.stage.word();
        stages.iter_mut().filter(|(each, _)| *each == word).for_each(|(_, count)| *count += 1);
    }
    out.family("hatchery_machines", Kind::Gauge, "Machines known, by stage.");
    for (word, count) in stages {
        out.sample(&[("stage", word)], count as f64);
    }
    let running = |via: Via| board.transfers().filter(|running| running.via == via).count() as f64;
    out.family("hatchery_transfers_running", Kind::Gauge, "Files on their way.");
    out.sample(&[("via", "tftp")], running(Via::Tftp));
    out.sample(&[("via", "http")], running(Via::Http));
    write_pools(out, board);
}

fn write_pools(out: &mut Exposition, board: &Board) {
    let links = &board.site().links;
    let states = [LeaseState::Bound, LeaseState::Declined, LeaseState::Released];
    out.family("hatchery_leases", Kind::Gauge, "Addresses of a network that are held or set aside, by state.");
    for link in links {
        for state in states {
            let held = board.leases().filter(|lease| lease.state == state && link.subnet.contains(lease.address));
            out.sample(&[("network", &link.name), ("state", state.word())], held.count() as f64);
        }
    }
    let pools = || {
        links.iter().flat_map(|link| link.pools.iter().map(move |pool| (link, pool))).map(|(link, pool)| {
            let range = format!("{}-{}", pool.first, pool.last);
            (&link.name, range, u32::from(pool.first)..=u32::from(pool.last))
        })
    };
    out.family("hatchery_pool_addresses", Kind::Gauge, "Addresses of a pool.");
    for (network, range, addresses) in pools() {
        let size = f64::from(addresses.end() - addresses.start()) + 1.0;
        out.sample(&[("network", network), ("pool", &range)], size);
    }
    out.family("hatchery_pool_leases", Kind::Gauge, "Addresses of a pool that are bound.");
    for (network, range, addresses) in pools() {
        let bound = |lease: &&crate::lease::Lease| {
            lease.state == LeaseState::Bound && addresses.contains(&u32::from(lease.address))
        };
        let bound = board.leases().filter(bound).count();
        out.sample(&[("network", network), ("pool", &range)], bound as f64);
    }
}

/// Whether the core's loop turned lately: it does at least every ten seconds.
pub fn turns(beat: &Beat) -> bool {
    clock::now().instant.since(beat.last()) < Duration::from_secs(25)
}

#[cfg(test)]
mod tests;
