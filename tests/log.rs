//! The log of the real server: every line about a machine names it by the same fields.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/manage.rs"]
mod manage;

use std::time::Instant;

use manage::{PATIENCE, Server, send};
use serde_json::{Value, json};

const MAC: &str = "dc:a6:32:00:00:07";

#[test]
fn every_line_about_a_machine_carries_its_number_mac_and_name() {
    let server = Server::arrange("", "", &["--log-format", "json"]);
    let cookie = server.set_up();
    let post = |path: &str, body: Value| {
        let headers = [("Content-Type", "application/json")];
        send(server.machines, "POST", path, &headers, &body.to_string())
    };
    let key = server.get("/", &cookie).form_key();
    let headers = [("Cookie", cookie.as_str()), ("X-Form-Key", &key), ("Content-Type", "application/json")];
    let order = r#"{"venue_code":"ARLT","product_type":"KXP2","total_count":2}"#;
    assert_eq!(server.send("POST", "/api/v1/batches", &headers, order).code, 201);
    assert_eq!(server.send("POST", "/api/v1/batches/1/start", &headers, "{}").code, 200);
    let images = server.directory.path().join("data/images");
    std::fs::write(images.join("kxp2_master.img"), vec![7; 4096]).expect("an image");

    let deadline = Instant::now() + PATIENCE;
    let asked = json!({ "mac_address": MAC, "product_type": "KXP2" });
    while post("/api/config", asked.clone()).code != 200 {
        assert!(Instant::now() < deadline, "the image is never ready: {:?}", server.lines);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for status in ["starting", "downloading", "failed"] {
        let body = json!({ "mac_address": MAC, "status": status, "error_message": "the disk is too small" });
        assert_eq!(post("/api/status", body).code, 200);
    }

    let of = |message: &str| -> Vec<Value> {
        let lines = server.lines.lock().expect("lines");
        let fields = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["fields"].clone());
        fields.filter(|fields| fields["message"] == message).collect()
    };
    while of("machine failed").is_empty() {
        assert!(Instant::now() < deadline, "{:?}", server.lines);
        std::thread::yield_now();
    }
    let mut seen = 0;
    for message in ["stage", "name given", "status report", "machine failed"] {
        for fields in of(message) {
            seen += 1;
            assert_eq!((&fields["machine"], &fields["mac"]), (&json!(1), &json!(MAC)), "{fields}");
            let named = message != "stage" || fields["to"] != "installer";
            assert!(!named || fields["name"] == "KXP2-ARLT-001", "{fields}");
        }
        assert!(!of(message).is_empty(), "no line '{message}' in {:?}", server.lines);
    }
    assert!(seen >= 6, "{seen} lines");
}
