//! `/metrics`, `/health` and `/ready` of the real server: the text parses by the rules of its format, and its values are
//! those of what was done before.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/manage.rs"]
mod manage;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use manage::{PATIENCE, Server, send};
use serde_json::Value;

/// Samples by name and labels as written, after every rule of the format was checked.
fn parse(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'), "the last line ends");
    let mut samples = BTreeMap::new();
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            assert!(helped.insert(name), "{name} is described twice");
            assert!(help.ends_with('.'), "{line}");
            current = name;
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(name, current, "the type follows the help");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(types.insert(name, kind).is_none(), "{name} has two types");
            continue;
        }
        let (key, value) = line.rsplit_once(' ').expect("a value");
        let name = key.split('{').next().expect("a name");
        let first = name.chars().next().expect("a letter");
        assert!(first.is_ascii_alphabetic() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
        if let Some((_, labels)) = key.split_once('{') {
            let labels = labels.strip_suffix('}').expect("labels end");
            for label in labels.split("\",") {
                let (label_name, text) = label.split_once("=\"").expect("a label");
                assert!(label_name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{line}");
                assert!(!text.trim_end_matches('"').contains('"'), "{line}");
            }
        }
        let kind = types.get(current).expect("a type first");
        match *kind {
            "histogram" => {
                let suffixes = ["_bucket", "_sum", "_count"];
                assert!(suffixes.iter().any(|end| name == format!("{current}{end}")), "{line} is of {current}");
            }
            _ => assert_eq!(name, current, "{line}"),
        }
        assert_eq!(*kind == "counter", current.ends_with("_total"), "{line}");
        let number: f64 = value.parse().expect("a number");
        assert!(number.is_finite() && number >= 0.0, "{line}");
        assert!(samples.insert(key.to_owned(), number).is_none(), "{key} comes twice");
    }
    check_histograms(&types, &samples);
    samples
}

/// Buckets grow, and the last one holds everything.
fn check_histograms(types: &BTreeMap<&str, &str>, samples: &BTreeMap<String, f64>) {
    for (name, _) in types.iter().filter(|(_, kind)| **kind == "histogram") {
        let mut series: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (key, value) in samples.iter().filter(|(key, _)| key.starts_with(&format!("{name}_bucket"))) {
            let (rest, bound) = key.split_once("le=\"").expect("a bound");
            let bound = bound.trim_end_matches("\"}");
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a number") };
            series.entry(rest.to_owned()).or_default().push((bound, *value));
        }
        assert!(!series.is_empty(), "{name} has buckets");
        for (rest, mut buckets) in series {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{rest}: {buckets:?}");
            let labels = rest.split_once('{').map_or("", |(_, labels)| labels).trim_end_matches(',');
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            let count = samples[&format!("{name}_count{labels}")];
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)), "{rest}");
        }
    }
}

fn scrape(server: &Server, cookie: &str) -> BTreeMap<String, f64> {
    let answer = server.get("/metrics", cookie);
    assert_eq!(answer.code, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    parse(&answer.body)
}

fn report(server: &Server, mac: &str, status: &str, rest: &str) {
    let body = format!(r#"{{"mac_address":"{mac}","status":"{status}"{rest}}}"#);
    let answer = send(server.machines, "POST", "/api/status", &[("Content-Type", "application/json")], &body);
    assert_eq!(answer.code, 200, "{answer:?}");
}

#[test]
fn counters_are_those_of_what_was_done() {
    let server = Server::start();
    let cookie = server.set_up();
    let before = scrape(&server, &cookie);
    assert_eq!(before["hatchery_deployments_ended_total{result=\"success\"}"], 0.0);
    assert_eq!(before["hatchery_pool_addresses{network=\"lo\",pool=\"127.0.0.100-127.0.0.110\"}"], 11.0);
    assert_eq!(before["hatchery_machines{stage=\"done\"}"], 0.0);

    let images = server.directory.path().join("data/images");
    std::fs::write(images.join("kxp2_master.img"), vec![7; 100_000]).expect("an image");
    for (mac, words) in [
        ("dc:a6:32:00:00:01", &["starting", "downloading", "verifying", "customizing", "success"][..]),
        ("dc:a6:32:00:00:02", &["starting", "downloading"][..]),
    ] {
        for word in words {
            report(&server, mac, word, "");
        }
    }
    report(&server, "dc:a6:32:00:00:02", "failed", r#","error_message":"the disk is too small""#);
    let image = send(server.machines, "GET", "/images/kxp2_master.img", &[], "");
    assert_eq!((image.code, image.body.len()), (200, 100_000));
    let nothing = send(server.machines, "GET", "/images/nothing.img", &[], "");
    assert_eq!(nothing.code, 404);

    // The end of a transfer reaches the core a moment after its last byte reached us.
    let deadline = Instant::now() + PATIENCE;
    let after = loop {
        let after = scrape(&server, &cookie);
        if after["hatchery_transfers_ended_total{via=\"http\",outcome=\"complete\"}"] >= 1.0 {
            break after;
        }
        assert!(Instant::now() < deadline, "{after:?}");
    };
    let says = |key: &str, value: f64| assert_eq!(after.get(key), Some(&value), "{key} in {after:#?}");
    says("hatchery_deployments_ended_total{result=\"success\"}", 1.0);
    says("hatchery_deployments_ended_total{result=\"failed\"}", 1.0);
    says("hatchery_machines{stage=\"done\"}", 1.0);
    says("hatchery_machines{stage=\"failed\"}", 1.0);
    says("hatchery_transfers_started_total{via=\"http\"}", 1.0);
    says("hatchery_transfers_running{via=\"http\"}", 0.0);
    says("hatchery_transfer_bytes_total{via=\"http\"}", 100_000.0);
    says("hatchery_transfer_seconds_count{via=\"http\"}", 1.0);
    says("hatchery_transfers_started_total{via=\"tftp\"}", 0.0);
    says("hatchery_refusals_total{kind=\"no-such-file\"}", 1.0);
    says("hatchery_inbox_shed_total{why=\"full\"}", 0.0);
    says("hatchery_commit_failures_total", 0.0);
    says(&format!("hatchery_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0);
    // Nine reports were written one after the other, each answered before the next.
    assert!(after["hatchery_commit_seconds_count"] - before["hatchery_commit_seconds_count"] >= 8.0, "{after:#?}");
    assert!(after["hatchery_batch_events_count"] >= after["hatchery_commit_seconds_count"]);
    for some in ["process_resident_memory_bytes", "process_open_fds", "process_max_fds", "hatchery_uptime_seconds"] {
        assert!(after[some] > 0.0, "{some} in {after:#?}");
    }
}

#[test]
fn counters_take_a_viewer_or_a_token_unless_they_are_open() {
    let server = Server::start();
    let answer = server.get("/metrics", "");
    assert_eq!((answer.code, answer.header("www-authenticate")), (401, Some("Bearer")), "{answer:?}");
    let cookie = server.set_up();
    let page = server.get("/", &cookie);
    let key = page.form_key();
    let headers = [("Cookie", cookie.as_str()), ("X-Form-Key", &key), ("Content-Type", "application/json")];
    let made = server.send("POST", "/api/v1/tokens", &headers, r#"{"name":"prometheus","role":"viewer"}"#);
    let token: Value = serde_json::from_str(&made.body).expect("JSON");
    let bearer = format!("Bearer {}", token["token"].as_str().expect("a token"));
    let answer = server.send("GET", "/metrics", &[("Authorization", &bearer)], "");
    assert_eq!(answer.code, 200, "{answer:?}");
    drop(server);

    let open = Server::start_with("metrics = \"open\"");
    assert!(!scrape(&open, "").is_empty());
}

#[test]
fn health_and_readiness_take_no_login() {
    let server = Server::start();
    let health = server.get("/health", "");
    let body: Value = serde_json::from_str(&health.body).expect("JSON");
    assert_eq!(
        (health.code, &body["status"], &body["version"]),
        (200, &"healthy".into(), &env!("CARGO_PKG_VERSION").into())
    );
    let ready = server.get("/ready", "");
    assert_eq!((ready.code, ready.body.as_str()), (200, "{\"problems\":[],\"ready\":true}\n"));
    // Those of the machines' side are as the field knows them.
    let old = send(server.machines, "GET", "/health", &[], "");
    assert!(old.body.starts_with("{\"status\":\"healthy\",\"timestamp\":\""), "{old:?}");
    assert_eq!(send(server.machines, "GET", "/metrics", &[], "").code, 404);
    assert_eq!(send(server.machines, "GET", "/ready", &[], "").code, 404);

    std::fs::remove_file(server.directory.path().join("data/hatchery.db")).expect("the journal");
    let ready = server.get("/ready", "");
    let body: Value = serde_json::from_str(&ready.body).expect("JSON");
    assert_eq!((ready.code, &body["problems"][0]), (503, &"the journal is not writable".into()));
}
