use super::*;
use crate::fleet::Deployment;
use crate::ids::{DeploymentId, MachineId};

fn at(secs: u64) -> Instant {
    Instant::from_start(Duration::from_secs(secs))
}

fn transfer(id: u64, sent: u64, outcome: Option<Outcome>) -> Notice {
    let (transfer, name) = (TransferId(id), "images/a.img".into());
    Notice::Transfer { transfer, machine: None, name, via: Via::Http, sent, size: 100, outcome }
}

fn text(meter: &Meter) -> String {
    let mut out = Exposition::default();
    meter.tally().write(&mut out);
    out.finish()
}

#[track_caller]
fn says(text: &str, line: &str) {
    assert!(text.lines().any(|each| each == line), "no '{line}' in\n{text}");
}

#[test]
fn bytes_are_counted_once_and_durations_from_the_first_word() {
    let meter = Meter::default();
    meter.apply([&transfer(1, 0, None), &transfer(2, 0, None)], at(0));
    meter.apply([&transfer(1, 40, None)], at(2));
    // Progress may be shed, or come late.
    meter.apply([&transfer(1, 30, None)], at(3));
    meter.apply([&transfer(1, 100, Some(Outcome::Complete))], at(4));
    meter.apply([&transfer(2, 10, Some(Outcome::Broken("silent".into())))], at(4));
    let text = text(&meter);
    says(&text, "hatchery_transfers_started_total{via=\"http\"} 2");
    says(&text, "hatchery_transfers_started_total{via=\"tftp\"} 0");
    says(&text, "hatchery_transfers_ended_total{via=\"http\",outcome=\"complete\"} 1");
    says(&text, "hatchery_transfers_ended_total{via=\"http\",outcome=\"broken\"} 1");
    says(&text, "hatchery_transfer_bytes_total{via=\"http\"} 110");
    says(&text, "hatchery_transfer_seconds_bucket{via=\"http\",le=\"1\"} 0");
    says(&text, "hatchery_transfer_seconds_bucket{via=\"http\",le=\"5\"} 1");
    says(&text, "hatchery_transfer_seconds_bucket{via=\"http\",le=\"+Inf\"} 1");
    says(&text, "hatchery_transfer_seconds_sum{via=\"http\"} 4");
    says(&text, "hatchery_transfer_seconds_count{via=\"http\"} 1");
}

#[test]
fn a_deployment_counts_when_it_ends() {
    let meter = Meter::default();
    let open = Deployment {
        id: DeploymentId(1),
        machine: MachineId(1),
        hostname: None,
        address: [192, 168, 151, 9].into(),
        product: None,
        venue: None,
        image: None,
        installer: None,
        status: "downloading".into(),
        started_at: clock::now().timestamp,
        completed_at: None,
        error_message: None,
    };
    let done = Deployment { status: "success".into(), completed_at: Some(open.started_at), ..open.clone() };
    meter.committed(&[Change::Deployment(open), Change::Deployment(done)], Duration::from_millis(3));
    let text = text(&meter);
    says(&text, "hatchery_deployments_ended_total{result=\"success\"} 1");
    says(&text, "hatchery_deployments_ended_total{result=\"failed\"} 0");
    says(&text, "hatchery_commit_changes_bucket{le=\"1\"} 0");
    says(&text, "hatchery_commit_changes_bucket{le=\"2\"} 1");
    says(&text, "hatchery_commit_seconds_bucket{le=\"0.002\"} 0");
    says(&text, "hatchery_commit_seconds_bucket{le=\"0.005\"} 1");
}

#[test]
fn a_journal_that_fails_is_failing_until_it_is_written_again() {
    let meter = Meter::default();
    assert!(!meter.is_failing());
    meter.not_stored();
    assert!(meter.is_failing());
    meter.committed(&[], Duration::ZERO);
    assert!(!meter.is_failing());
}

#[test]
fn labels_are_escaped() {
    let mut out = Exposition::default();
    out.family("x", Kind::Gauge, "two\nlines");
    out.sample(&[("a", "say \"hi\"\\\n")], 1.5);
    assert_eq!(out.finish(), "# HELP x two\\nlines\n# TYPE x gauge\nx{a=\"say \\\"hi\\\"\\\\\\n\"} 1.5\n");
}
