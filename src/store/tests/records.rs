//! The logs of deployments: kept for people, bounded.

use super::*;
use crate::fleet::report::{Level, LogLine};

fn line(text: &str) -> LogLine {
    LogLine { at: at(7), level: Level::Warning, text: text.to_owned() }
}

fn logged(deployment: u64, texts: &[&str]) -> Change {
    Change::Logged { deployment: DeploymentId(deployment), lines: texts.iter().map(|text| line(text)).collect() }
}

#[test]
fn the_log_of_a_machine_is_that_of_its_last_deployment() {
    let journal = Journal::new();
    let mut store = journal.open();
    let records = Records::new(&journal.path());
    assert_eq!(records.log(MachineId(1)).unwrap(), None);
    let over = Deployment { completed_at: Some(at(6)), ..deployment(1, 1) };
    let (one, two) = (Change::Machine(machine(1)), Change::Machine(machine(2)));
    store.commit(&[one, two, Change::Deployment(over), Change::Deployment(deployment(2, 2))]).unwrap();
    store.commit(&[logged(1, &["first", "second"]), logged(2, &["another machine's"])]).unwrap();
    store.commit(&[logged(1, &["third"])]).unwrap();
    let (of, lines) = records.log(MachineId(1)).unwrap().expect("it was installed");
    assert_eq!(of.id, DeploymentId(1));
    assert_eq!(lines, [line("first"), line("second"), line("third")]);
    store.commit(&[Change::Deployment(deployment(3, 1))]).unwrap();
    let (of, lines) = records.log(MachineId(1)).unwrap().expect("it is being installed");
    assert_eq!((of.id, lines.len()), (DeploymentId(3), 0));
    // The tables hold none of it.
    assert!(rows(&mut store).iter().all(|change| !matches!(change, Change::Logged { .. })));
}

#[test]
fn of_a_long_log_the_end_is_kept() {
    let journal = Journal::new();
    let mut store = journal.open();
    store.commit(&[Change::Machine(machine(1)), Change::Deployment(deployment(1, 1))]).unwrap();
    for number in 0..2000 {
        store.commit(&[logged(1, &[format!("{number:<100}").as_str()])]).unwrap();
    }
    let (_, lines) = Records::new(&journal.path()).log(MachineId(1)).unwrap().expect("it was installed");
    assert_eq!(lines.last().expect("lines").text.trim(), "1999");
    assert!((400..=640).contains(&lines.len()), "{} lines", lines.len());
}

#[test]
fn the_history_comes_in_parts_the_latest_first() {
    let journal = Journal::new();
    let mut store = journal.open();
    store.commit(&[Change::Machine(machine(1))]).unwrap();
    for id in 1..=5 {
        let (product, status) = if id % 2 == 0 { ("RXP2", "failed") } else { ("KXP2", "success") };
        let product = ProductName::parse(product);
        let over = Deployment { product, status: status.to_owned(), completed_at: Some(at(9)), ..deployment(id, 1) };
        store.commit(&[Change::Deployment(over)]).unwrap();
    }
    let records = Records::new(&journal.path());
    let ids = |filter: &DeploymentFilter, limit, offset| {
        let found = records.history(filter, limit, offset).unwrap();
        let ids: Vec<u64> = found.deployments.iter().map(|deployment| deployment.id.0).collect();
        (ids, found.total, found.successful)
    };
    let all = DeploymentFilter::default();
    assert_eq!(ids(&all, 2, 0), (vec![5, 4], 5, 3));
    assert_eq!(ids(&all, 2, 4), (vec![1], 5, 3));
    assert_eq!(ids(&all, 0, 0), (vec![], 5, 3));
    let failed =
        DeploymentFilter { product: Some("RXP2".into()), status: Some("failed".into()), ..DeploymentFilter::default() };
    assert_eq!(ids(&failed, 9, 0), (vec![4, 2], 2, 0));
    let elsewhere = DeploymentFilter { venue: Some("SPAA".into()), ..DeploymentFilter::default() };
    assert_eq!(ids(&elsewhere, 9, 0), (vec![], 0, 0));
}
