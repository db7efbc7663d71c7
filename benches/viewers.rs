//! What 50 people who look at the wall cost the machines that boot meanwhile: rounds of 20 boots with them and without,
//! alternating on one server, over real sockets in a lab. Prints the time of each round and the medians.

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

use std::time::{Duration, Instant};

use hatchery::lab;
use hatchery::sim::client::Kind;
use table::{client, name_of};
use viewers::{Viewers, is_done, table_with_pages};

const VIEWERS: usize = 50;
const MACHINES: u32 = 20;
/// Of each kind; the first of each is thrown away.
const ROUNDS: u32 = 5;

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    if let Err(error) = lab::enter() {
        eprintln!("SKIPPED: {error}");
        return;
    }
    let (table, cookie) = table_with_pages();
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..2 * ROUNDS {
        let with = (round % 2) as usize;
        let viewers = Viewers::come(with * VIEWERS, &cookie);
        let first = round * MACHINES + 1;
        let machines = (first..first + MACHINES).map(|index| client(Kind::Pi5, index)).collect();
        let begin = Instant::now();
        let records = table.boot(machines, || {});
        let taken = begin.elapsed();
        let names: Vec<&str> = records.iter().map(name_of).collect();
        let seen = viewers.go(&names);
        assert!(seen.iter().all(|wall| names.iter().all(|name| is_done(wall, name))), "a viewer missed the end");
        println!("round {round:2}, {:2} viewers: {taken:7.1?}", with * VIEWERS);
        times[with].push(taken);
    }
    let medians = times.map(|mut times| {
        times.remove(0);
        times.sort_unstable();
        times[times.len() / 2]
    });
    let more = medians[1].as_secs_f64() / medians[0].max(Duration::from_nanos(1)).as_secs_f64() - 1.0;
    println!(
        "median of {MACHINES} boots: {:.1?} alone, {:.1?} watched by {VIEWERS} ({:+.1} %)",
        medians[0],
        medians[1],
        more * 100.0
    );
}
