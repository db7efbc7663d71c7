use super::*;
use crate::net::Mac;
use crate::sim::client::Kind;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn machine(number: u8, end: Option<End>) -> Record {
    let start = u64::from(number);
    Record {
        kind: Kind::Pi5,
        mac: Mac([2, 0, 0, 0, 0, number]),
        phases: BTreeMap::from([
            (Phase::Power, ms(0)),
            (Phase::Offered, ms(start)),
            (Phase::Configured, ms(100)),
            (Phase::Downloaded, ms(1100)),
        ]),
        image_bytes: 1000,
        other_bytes: 0,
        addresses: Vec::new(),
        names: Vec::new(),
        end: end.map(|end| (end, ms(1200))),
    }
}

fn done(name: &str) -> Option<End> {
    Some(End::Done(name.into()))
}

fn seen(machines: &[(u8, &str, &str)]) -> Value {
    machines
        .iter()
        .map(|(number, stage, name)| json!({ "mac": format!("02:00:00:00:00:{number:02x}"), "stage": stage, "hostname": name }))
        .collect()
}

#[test]
fn all_done_and_known_to_the_server_is_clean() {
    let mut report = Report::new(vec![machine(1, done("A-1")), machine(2, done("A-2"))], 1000);
    report.compare_with_server(&seen(&[(1, "done", "A-1"), (2, "done", "A-2")]));
    assert!(report.is_clean(), "{:?}", report.faults);
    let json = report.json();
    assert_eq!(json["names"], json!(["A-1", "A-2"]));
    assert_eq!((&json["done"], &json["faulted"], &json["bytes"]), (&json!(2), &json!(0), &json!(2000)));
    assert_eq!(json["throughput_mb_s"], json!(0.002));
    assert_eq!(json["seconds"], json!(1.2));
}

#[test]
fn whatever_is_not_as_it_must_be_is_a_fault() {
    let faults = |records: Vec<Record>, server: Value| {
        let mut report = Report::new(records, 1000);
        report.compare_with_server(&server);
        assert!(!report.is_clean());
        report.faults
    };
    let one = |name| vec![machine(1, done(name))];
    let twice = vec![machine(1, done("A-1")), machine(2, done("A-1"))];
    assert_eq!(
        faults(twice, seen(&[(1, "done", "A-1"), (2, "done", "A-1")])),
        ["02:00:00:00:00:01 and 02:00:00:00:00:02 both were named A-1"]
    );
    assert_eq!(
        faults(one("A-1"), seen(&[(1, "writing", "A-1")])),
        ["02:00:00:00:00:01 is done as A-1, and the server has it as A-1, writing"]
    );
    assert_eq!(
        faults(one("A-1"), seen(&[(1, "done", "A-2")])),
        ["02:00:00:00:00:01 is done as A-1, and the server has it as A-2, done"]
    );
    assert_eq!(
        faults(one("A-1"), seen(&[])),
        ["02:00:00:00:00:01 is done, and the server does not know it", "the server knows 0 machines, and there are 1"]
    );
    let faulted = vec![machine(1, Some(End::Faulted("no ACK".into())))];
    assert_eq!(faults(faulted, seen(&[(1, "address", "")])), ["02:00:00:00:00:01 (pi5): no ACK"]);
    let short = vec![Record { image_bytes: 999, ..machine(1, done("A-1")) }];
    assert_eq!(faults(short, seen(&[(1, "done", "A-1")])), ["02:00:00:00:00:01 is done with 999 bytes of its image"]);
}

#[test]
fn a_machine_under_way_is_no_fault_and_not_clean() {
    let report = Report::new(vec![machine(1, None)], 1000);
    assert!(report.faults.is_empty() && !report.is_clean());
    assert!(report.table().contains("under way"));
}

#[test]
fn percentiles_are_times_that_a_machine_had() {
    let report = Report::new((1..=100).map(|number| machine(number, None)).collect(), 1000);
    let offered = &report.json()["phases"]["offered"];
    assert_eq!((&offered["p50_ms"], &offered["p99_ms"]), (&json!(50.0), &json!(99.0)));
    let configured = &report.json()["phases"]["configured"];
    assert_eq!((&configured["step_p50_ms"], &configured["step_p99_ms"]), (&json!(49.0), &json!(98.0)));
    assert_eq!(report.json()["phases"]["loaded"], Value::Null);
}
