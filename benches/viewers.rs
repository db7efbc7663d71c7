//! What 50 people who look at the wall cost the machines that boot meanwhile: rounds of 20 boots with them and without, on
//! one server, over real sockets in a lab. The same machines install again in each round, so that the wall has 20 tiles.
//! Prints the time of each round and what the server used of the processor in it, and the medians.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "../tests/common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that use the rest")]
mod inside;
#[path = "../tests/common/manage.rs"]
mod manage;
#[path = "../tests/common/table.rs"]
#[allow(dead_code, reason = "shared with tests that use the rest")]
mod table;
#[path = "../tests/common/viewers.rs"]
mod viewers;

use std::time::Duration;

use hatchery::lab;
use hatchery::serve::control::Request;
use hatchery::sim::client::Kind;
use table::{Table, client, name_of};
use viewers::{Viewers, is_done, table_with_pages};

const VIEWERS: usize = 50;
const MACHINES: u32 = 20;
/// Of each kind.
const ROUNDS: usize = 60;

/// What a round of boots took.
struct Round {
    /// From when all are switched on until the last one is done.
    time: Duration,
    /// What the server used of the processor meanwhile.
    cpu: Duration,
}

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    if let Err(error) = lab::enter() {
        eprintln!("SKIPPED: {error}");
        return;
    }
    let (table, cookie) = table_with_pages("info");
    // Caches and pools are filled.
    round(&table, &cookie, 0);
    let mut alone = Vec::new();
    let mut watched = Vec::new();
    for pair in 0..ROUNDS {
        // Each goes first in turn: what comes later finds a larger journal.
        let order = if pair % 2 == 0 { [0, VIEWERS] } else { [VIEWERS, 0] };
        for count in order {
            let taken = round(&table, &cookie, count);
            println!("{count:2} viewers: {:7.1?}, of the processor {:7.1?}", taken.time, taken.cpu);
            if count == 0 { &mut alone } else { &mut watched }.push(taken);
        }
    }
    for (what, of) in [("time", (|round| round.time) as fn(&Round) -> Duration), ("processor", |round| round.cpu)] {
        let [alone, watched] = [&alone, &watched].map(|rounds| median(rounds.iter().map(of).collect()));
        let more = watched.as_secs_f64() / alone.max(Duration::from_nanos(1)).as_secs_f64() - 1.0;
        println!(
            "{what}, median of {ROUNDS} rounds of {MACHINES} boots: {alone:.1?} alone, {watched:.1?} watched by {VIEWERS} \
             ({:+.1} %)",
            more * 100.0
        );
    }
}

/// Boots all machines, watched by so many.
fn round(table: &Table, cookie: &str, count: usize) -> Round {
    for machine in table.ask(&Request::Machines).as_array().expect("a list of machines") {
        let machine = machine["mac"].as_str().expect("a MAC").to_owned();
        table.ask(&Request::Reinstall { machine });
    }
    let viewers = Viewers::come(count, table, cookie);
    let machines = (1..=MACHINES).map(|index| client(Kind::Pi5, index)).collect();
    let server = table.bench.server_id().expect("a server that runs");
    let before = used(server);
    let records = table.boot_and_unplug(machines);
    let cpu = used(server) - before;
    let ends = records.iter().filter_map(|record| record.end.as_ref());
    let time = ends.map(|(_, at)| *at).max().expect("machines that have ended");
    let names: Vec<&str> = records.iter().map(name_of).collect();
    let seen = viewers.go(&names);
    assert!(seen.iter().all(|wall| names.iter().all(|name| is_done(wall, name))), "a viewer missed the end");
    Round { time, cpu }
}

/// What the threads of a process have used of the processor.
fn used(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("a process that runs");
    let of_thread = |thread: std::io::Result<std::fs::DirEntry>| {
        // A thread may end while one reads.
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.filter_map(of_thread).sum())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
