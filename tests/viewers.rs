//! Fifty people look at the wall while twenty machines boot: all machines finish, and everybody sees it. What it costs is
//! measured by `benches/viewers.rs`.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that use the rest")]
mod inside;
#[path = "common/manage.rs"]
mod manage;
#[path = "common/table.rs"]
#[allow(dead_code, reason = "shared with tests that use the rest")]
mod table;
#[path = "common/viewers.rs"]
mod viewers;

use std::time::Duration;

use hatchery::sim::client::Kind;
use inside::inside_within;
use table::{client, name_of};
use viewers::{PAGES, Viewers, is_done, table_with_pages};

const VIEWERS: usize = 50;
const MACHINES: u32 = 20;

#[test]
fn fifty_viewers_see_twenty_machines_finish() {
    if !inside_within("fifty_viewers_see_twenty_machines_finish", Duration::from_secs(150)) {
        return;
    }
    let (table, cookie) = table_with_pages("debug");
    // Without, with, and without again, on one server.
    for (round, count) in [(0, 0), (1, VIEWERS), (2, 0)] {
        let viewers = Viewers::come(count, &table, &cookie);
        let first = round * MACHINES + 1;
        let machines = (first..first + MACHINES).map(|index| client(Kind::Pi5, index)).collect();
        let records = table.boot(machines, || {});
        let names: Vec<&str> = records.iter().map(name_of).collect();
        let seen = viewers.go(&names);
        assert_eq!(seen.len(), count);
        for wall in seen {
            for name in &names {
                assert!(is_done(&wall, name), "{name} is not done on {wall}");
            }
        }
        for machine in table.ask(&hatchery::serve::control::Request::Machines).as_array().expect("a list") {
            assert_eq!(machine["stage"], "done", "{machine}");
        }
    }
    // What is counted is what was done: sixty machines, each with its address, its boot files and one image.
    let answer = manage::send(PAGES.port(), "GET", "/metrics", &[("Host", "127.0.0.1:8080"), ("Cookie", &cookie)], "");
    assert_eq!(answer.code, 200, "{answer:?}");
    let count = |key: &str| {
        let value = answer.body.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("no {key} in {}", answer.body))
    };
    let machines = f64::from(3 * MACHINES);
    assert!(count("hatchery_dhcp_answers_total{asked=\"DISCOVER\",answered=\"OFFER\"}") >= machines);
    assert!(count("hatchery_dhcp_answers_total{asked=\"REQUEST\",answered=\"ACK\"}") >= machines);
    assert!(count("hatchery_transfers_ended_total{via=\"tftp\",outcome=\"complete\"}") > machines);
    assert!(count("hatchery_transfers_ended_total{via=\"http\",outcome=\"complete\"}") >= machines);
    let image = f64::from(table::IMAGE_MIB) * 1_048_576.0;
    assert!(count("hatchery_transfer_bytes_total{via=\"http\"}") >= machines * image);
    assert_eq!(count("hatchery_transfers_running{via=\"tftp\"}") + count("hatchery_inbox_waiting"), 0.0);
    assert_eq!(count("hatchery_machines{stage=\"done\"}"), machines);
    assert_eq!(count("hatchery_deployments_ended_total{result=\"success\"}"), machines);
}
