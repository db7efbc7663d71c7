//! The job is read whole or the fault is named.

use serde_json::{Value, json};

use super::*;

fn reply() -> Value {
    json!({
        "hostname": "KXP2-CORO-001", "image_url": "http://192.0.2.1/images/a.img.xz", "image_size": 1000,
        "image_checksum": "ab", "product_type": "KXP2", "server_ip": "192.0.2.1", "venue_code": "CORO", "version": "3.0",
        "install": {
            "compression": "xz", "raw_size": 4_194_304, "raw_sha256": "AB".repeat(32),
            "reinstalls": 2, "zero_runs": [[2_097_152, 1_048_576], [0, 1_048_576]], "targets": ["nvme", "serial:X*"], "choose": "largest",
            "grow": true, "after": "poweroff",
            "first_boot": {"hostname": "KXP2-CORO-001", "files": {"firstrun.sh": "#!/bin/sh\n"}}
        }
    })
}

#[test]
fn a_whole_reply_is_a_job() {
    let job = Job::parse(&reply()).expect("a good reply");
    assert_eq!(job.hostname, "KXP2-CORO-001");
    assert_eq!(job.reinstalls, Some(2));
    assert_eq!(job.compression, Compression::Xz);
    assert_eq!(job.raw_sha256, "ab".repeat(32));
    assert_eq!(job.zero_runs, [0..1_048_576, 2_097_152..3_145_728]);
    assert_eq!(job.target, TargetRule { allowed: vec!["nvme".into(), "serial:X*".into()], choose: Choose::Largest });
    assert!(job.grow);
    assert_eq!(job.after, After::Poweroff);
    assert_eq!(job.first_boot.files["firstrun.sh"], "#!/bin/sh\n");
}

#[test]
fn every_key_that_is_missing_or_wrong_is_named() {
    let keys = ["compression", "raw_size", "raw_sha256", "zero_runs", "targets", "choose", "grow", "after"];
    for key in keys {
        for value in [None, Some(json!({"a": 1})), Some(json!(-1))] {
            let mut reply = reply();
            let install = reply["install"].as_object_mut().expect("an object");
            match value {
                None => drop(install.remove(key)),
                Some(value) => drop(install.insert(key.to_owned(), value)),
            }
            match Job::parse(&reply) {
                Err(Failure::Reply { key: named, .. }) => assert_eq!(named, format!("install.{key}")),
                other => panic!("{key}: {other:?}"),
            }
        }
    }
    for key in ["hostname", "image_url", "image_size", "install"] {
        let mut reply = reply();
        reply.as_object_mut().expect("an object").remove(key);
        let sentence = Job::parse(&reply).expect_err("a key is missing").to_string();
        assert_eq!(sentence, format!("The server's answer cannot be used: {key} is missing."));
    }
}

#[test]
fn zero_runs_lie_within_the_image_and_apart() {
    for runs in [json!([[0, 5_000_000]]), json!([[u64::MAX, 2]]), json!([[0, 10], [5, 10]]), json!([[1]]), json!([1])] {
        let mut reply = reply();
        reply["install"]["zero_runs"] = runs.clone();
        assert!(matches!(Job::parse(&reply), Err(Failure::Reply { .. })), "{runs}");
    }
}

#[test]
fn without_first_boot_nothing_is_asked_for() {
    let mut reply = reply();
    reply["install"]["first_boot"] = Value::Null;
    assert_eq!(Job::parse(&reply).expect("a good reply").first_boot, FirstBoot::default());
}

#[test]
fn bytes_are_told_as_drives_are_sold() {
    let told = [0, 999, 1_000, 500_107_862_016, 1_950_000_000_000].map(|bytes| Bytes(bytes).to_string());
    assert_eq!(told, ["0 bytes", "999 bytes", "1.0 kB", "500.1 GB", "1.9 TB"]);
}
