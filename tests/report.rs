//! Reports of the real server: the same numbers for the command line, the API, the page and its exports.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/manage.rs"]
mod manage;

use std::process::Command;

use manage::{Server, send};
use serde_json::{Value, json};

fn report(server: &Server, mac: &str, status: &str) {
    let body = json!({ "mac_address": mac, "status": status, "error_message": "<b>=cmd()</b>" }).to_string();
    let answer = send(server.machines, "POST", "/api/status", &[("Content-Type", "application/json")], &body);
    assert_eq!(answer.code, 200, "{answer:?}");
}

fn hatchery(server: &Server, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
    let command = command.args(args).current_dir(server.directory.path()).env("HATCHERY_SOCKET", "socket");
    let done = command.output().expect("it runs");
    (done.status.code().unwrap_or(-1), String::from_utf8(done.stdout).expect("UTF-8"))
}

#[test]
fn every_face_says_the_same() {
    let server = Server::start();
    let cookie = server.set_up();
    for (machine, last) in ["success", "success", "failed", "downloading"].into_iter().enumerate() {
        let mac = format!("dc:a6:32:00:00:0{machine}");
        for status in ["starting", "downloading", "verifying", "customizing"] {
            report(&server, &mac, status);
        }
        report(&server, &mac, last);
    }
    let (code, text) = hatchery(&server, &["report", "--json"]);
    assert_eq!(code, 0, "{text}");
    let said: Value = serde_json::from_str(&text).expect("JSON");
    let total = &said["total"];
    let counts = ["started", "successful", "failed", "running"].map(|key| total[key].clone());
    assert_eq!(counts, [4, 2, 1, 1].map(Value::from), "{said}");
    assert_eq!(total["success_rate"], json!(0.6667));
    assert!(total["median_secs"].as_f64().is_some_and(|secs| secs < 30.0), "{said}");
    assert_eq!(
        said["failures"],
        json!([{ "cause": "<b>=cmd()</b>", "count": 1, "last_at": said["failures"][0]["last_at"] }])
    );
    let writing = said["stages"].as_array().expect("stages").iter().find(|stage| stage["stage"] == "writing");
    assert_eq!(writing.map(|stage| stage["count"].clone()), Some(json!(2)), "{said}");

    let mut api: Value = serde_json::from_str(&server.get("/api/v1/report", &cookie).body).expect("JSON");
    // Each was asked at its own moment.
    api["period"] = said["period"].clone();
    assert_eq!(api, said);

    let (code, csv) = hatchery(&server, &["report", "--csv"]);
    assert_eq!(code, 0);
    assert!(csv.lines().any(|line| line.starts_with("total,,,4,2,1,1,0.6667,")), "{csv}");
    assert!(csv.contains("failure,<b>=cmd()</b>,,1"), "{csv}");
    let exported = server.get("/reports.csv", &cookie);
    assert_eq!(
        (exported.body.as_str(), exported.header("content-type")),
        (csv.as_str(), Some("text/csv; charset=utf-8"))
    );
    assert_eq!(server.get("/reports.json", &cookie).code, 200);

    let page = server.get("/reports", &cookie);
    assert_eq!(page.code, 200, "{page:?}");
    assert!(page.body.contains("<b>4</b> began") && page.body.contains("<b>66.7 %</b> success"), "{}", page.body);
    assert!(page.body.contains("&#60;b&#62;=cmd()") && !page.body.contains("<b>=cmd"), "{}", page.body);
    assert!(!page.body.contains("style="), "no inline style");
    assert!(page.body.matches("<svg").count() >= 10, "{}", page.body);
    assert_eq!(page.body.matches("<svg").count(), page.body.matches("<table").count());

    let (code, text) = hatchery(&server, &["report"]);
    assert!(code == 0 && text.contains("66.7 %") && text.contains("writing"), "{text}");
}

#[test]
fn what_makes_no_sense_is_refused_with_what_was_typed() {
    let server = Server::start();
    let cookie = server.set_up();
    let page = server.get("/reports?from=2026-12-02&to=2026-12-01&product=kxp2", &cookie);
    assert_eq!(page.code, 400);
    assert!(page.body.contains("The period ends before it begins") && page.body.contains("value=\"kxp2\""), "{page:?}");
    let answer = server.get("/api/v1/report?from=yesterday", &cookie);
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!((answer.code, &body["code"]), (400, &json!("invalid")), "{answer:?}");
    assert_eq!(hatchery(&server, &["report", "--from", "yesterday"]).0, 1);
    let page = server.get("/reports?from=2020-01-01&to=2020-01-31", &cookie);
    assert!(page.code == 200 && page.body.contains("Nothing was deployed from 2020-01-01 to 2020-01-31"), "{page:?}");
    assert_eq!(server.get("/reports", "").code, 303);
    assert_eq!(server.get("/api/v1/report", "").code, 401);
}
