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
    assert!(store.load().unwrap().iter().all(|change| !matches!(change, Change::Logged { .. })));
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
