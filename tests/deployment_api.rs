//! The deployment API as installers in the field speak it, against the whole server on loopback: the shapes of the
//! replaced system's replies to the byte, and its faults mended.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/loopback.rs"]
#[allow(dead_code, reason = "shared with the tests of answer files")]
mod loopback;

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use hatchery::fleet::command::Declaration;
use hatchery::ids::{ProductName, VenueCode};
use hatchery::naming::{Product, Scheme, Venue};
use hatchery::net::Subnet;
use hatchery::serve::Settings;
use hatchery::serve::control::{Reply, Request};
use hatchery::site::Link;
use loopback::wait_for;
use serde_json::{Value, json};

const IMAGE: &[u8] = b"the image of KXP2\n";
const IMAGE_SHA256: &str = "35cf30f53f28f8a3e3a2d3c829b022232363fbd96f4a1fb2680be75de4d14221";

/// A server with the image of KXP2.
struct Server(loopback::Server);

impl Server {
    fn start() -> Server {
        let mut server = Server(loopback::Server::new());
        fs::write(server.image("kxp2_master.img"), IMAGE).expect("an image");
        server.run();
        server
    }

    /// Starts the server, or starts it anew over the same files, and waits until it knows its image.
    fn run(&mut self) {
        let subnet = Subnet::parse("127.0.0.0/8").expect("a subnet");
        let link = Link { name: "loopback".into(), ..Link::new("lo", subnet, Ipv4Addr::LOCALHOST) };
        self.0.run(link, arrange);
        let probe = json!({ "product_type": "KXP2", "mac_address": "02:00:00:00:00:01" });
        wait_for("the image's digest", || self.post("/api/config", &probe).0 == 200);
    }

    fn image(&self, name: &str) -> PathBuf {
        self.0.path("images").join(name)
    }

    /// Status code and body of a request.
    fn send(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let answer = self.0.send(Ipv4Addr::LOCALHOST, method, path, body);
        (answer.code, answer.body)
    }

    fn post(&self, path: &str, body: &Value) -> (u16, String) {
        self.send("POST", path, &body.to_string())
    }

    fn config(&self, product: &str, venue: &str, serial: &str) -> Value {
        let body =
            json!({ "product_type": product, "venue_code": venue, "serial_number": serial, "mac_address": null });
        let (code, body) = self.post("/api/config", &body);
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }
}

fn arrange(settings: Settings) -> Settings {
    let product =
        |name: &str, scheme| Product { name: ProductName::parse(name).expect("a product name"), scheme, image: None };
    let products = vec![product("KXP2", Scheme::Pooled { width: 3 }), product("RXP2", Scheme::Serial { digits: 8 })];
    let venue = Venue {
        code: VenueCode::parse("SPAA").expect("a venue code"),
        name: "Spa".into(),
        location: None,
        contact_email: None,
        created_at: None,
    };
    let venues = vec![Declaration { venue, pools: vec![(products[0].name.clone(), (1..=6).collect())] }];
    Settings { venues, products, ..settings }
}

fn error(reply: (u16, String)) -> (u16, String) {
    let value: Value = serde_json::from_str(&reply.1).expect("an error is JSON");
    assert_eq!(reply.1, format!("{value}\n"), "compact, with a newline");
    (reply.0, value["error"].as_str().expect("an error is a sentence").to_owned())
}

fn refused(code: &str, sentence: &str) -> Reply {
    Reply::Error { code: code.into(), sentence: sentence.into() }
}

#[test]
fn config_has_the_shape_of_the_replaced_system() {
    let server = Server::start();
    let body = json!({
        "product_type": "KXP2", "venue_code": "spaa", "serial_number": "10000000d9780558", "mac_address": null,
    });
    let (code, text) = server.post("/api/config", &body);
    let reply: Value = serde_json::from_str(&text).expect("JSON");
    let port = server.0.port;
    let timestamp = reply["timestamp"].as_str().expect("a timestamp");
    // To the byte: compact, keys sorted, a newline at the end; old shell clients grep it.
    let expected = format!(
        "{{\"hostname\":\"KXP2-SPAA-001\",\"image_checksum\":\"{IMAGE_SHA256}\",\"image_size\":{},\
         \"image_url\":\"http://127.0.0.1:{port}/images/kxp2_master.img\",\"product_type\":\"KXP2\",\
         \"server_ip\":\"127.0.0.1\",\"timestamp\":\"{timestamp}\",\"venue_code\":\"SPAA\",\"version\":\"3.0\"}}\n",
        IMAGE.len(),
    );
    assert_eq!((code, text), (200, expected));
    assert!(timestamp.len() == 20 && timestamp.ends_with('Z'), "ISO 8601: {timestamp}");
    let (code, image) = server.send("GET", "/images/kxp2_master.img", "");
    assert_eq!((code, image.as_bytes()), (200, IMAGE));
}

#[test]
fn one_machine_gets_one_name_whatever_it_asks_and_however_often() {
    let mut server = Server::start();
    let first = server.config("KXP2", "SPAA", "10000000d9780558");
    assert_eq!(first["hostname"], "KXP2-SPAA-001");
    for (product, venue) in [("KXP2", "SPAA"), ("KXP2", "ZZZZ"), ("RXP2", "SPAA")] {
        assert_eq!(server.config(product, venue, "10000000d9780558")["hostname"], "KXP2-SPAA-001");
    }
    // The short form of the serial, as the EEPROM says it, is the same board.
    assert_eq!(server.config("KXP2", "SPAA", "D9780558")["hostname"], "KXP2-SPAA-001");
    assert_eq!(server.config("KXP2", "SPAA", "10000000aaaaaaaa")["hostname"], "KXP2-SPAA-002");
    server.0.stop();
    server.run();
    assert_eq!(server.config("KXP2", "SPAA", "10000000d9780558")["hostname"], "KXP2-SPAA-001", "after a restart");
    assert_eq!(server.config("KXP2", "SPAA", "10000000bbbbbbbb")["hostname"], "KXP2-SPAA-003");
}

#[test]
fn names_follow_the_rules_of_the_replaced_system() {
    let server = Server::start();
    fs::write(server.image("rxp2_master.img"), b"x").expect("an image");
    wait_for("the second image", || {
        let ask = json!({ "product_type": "RXP2", "venue_code": "SPAA", "serial_number": "10000000abcdef12" });
        server.post("/api/config", &ask).0 == 200
    });
    assert_eq!(server.config("RXP2", "SPAA", "10000000abcdef12")["hostname"], "RXP2-SPAA-ABCDEF12");
    assert_eq!(server.config("KXP2", "NONE", "10000000abcdef34")["hostname"], "KXP2-DEFAULT-cdef34");
    let (_, text) = server.post("/api/config", &json!({ "product_type": "KXP2", "mac_address": "02:00:00:00:00:02" }));
    assert!(text.contains("\"hostname\":\"unknown\""), "nothing to name it by: {text}");
    // A batch overrides what the client asks for, and counts a machine once.
    let order = |count| Request::BatchCreate { venue: "SPAA".into(), product: "KXP2".into(), count, priority: 0 };
    assert_eq!(
        server.0.ask(&order(99)),
        refused("too-few-names", "Insufficient available hostnames. Requested: 99, Available: 6")
    );
    assert_eq!(server.0.ask(&order(0)), refused("invalid", "total_count must be > 0, got 0"));
    let unknown = Request::BatchCreate { venue: "ZZZZ".into(), product: "KXP2".into(), count: 1, priority: 0 };
    assert_eq!(server.0.ask(&unknown), refused("invalid", "Venue not found: ZZZZ"));
    let unknown = Request::BatchCreate { venue: "SPAA".into(), product: "ABC".into(), count: 1, priority: 0 };
    assert_eq!(server.0.ask(&unknown), refused("invalid", "Invalid product_type: ABC. Must be 'KXP2' or 'RXP2'"));
    assert!(matches!(server.0.ask(&order(2)), Reply::Ok(_)));
    let pause = server.0.ask(&Request::BatchPause { id: 1 });
    assert_eq!(pause, refused("conflict", "Batch 1 must be active to pause (current status: pending)"));
    assert!(matches!(server.0.ask(&Request::BatchStart { id: 1 }), Reply::Ok(_)));
    for _ in 0..3 {
        assert_eq!(server.config("RXP2", "NONE", "1000000000000011")["hostname"], "KXP2-SPAA-001");
    }
    assert_eq!(server.config("RXP2", "NONE", "1000000000000022")["hostname"], "KXP2-SPAA-002");
    let Reply::Ok(batches) = server.0.ask(&Request::Batches) else { panic!("the batches") };
    assert_eq!((&batches[0]["status"], &batches[0]["remaining_count"]), (&json!("completed"), &json!(0)));
    assert_eq!(server.0.ask(&Request::BatchStart { id: 1 }), refused("conflict", "Cannot start completed batch 1"));
    assert_eq!(server.0.ask(&Request::BatchStart { id: 9 }), refused("not-found", "Batch not found"));
}

#[test]
fn bad_input_is_told_what_is_wrong_with_it() {
    let server = Server::start();
    let said = |path: &str, body: &str| error(server.send("POST", path, body));
    for path in ["/api/config", "/api/status"] {
        let (code, sentence) = said(path, "{");
        assert_eq!(code, 400);
        assert!(sentence.starts_with("The body is not valid JSON: "), "{sentence}");
        assert_eq!(said(path, "[]"), (400, "The body must be a JSON object".into()));
        assert_eq!(said(path, "{\"mac_address\":\"x\"}"), (400, "Invalid mac_address: x".into()));
        assert_eq!(said(path, "{\"serial_number\":7}"), (400, "serial_number must be a string, got 7".into()));
    }
    let venue = "{\"product_type\":\"KXP2\",\"venue_code\":\"SP\",\"serial_number\":\"1\"}";
    assert_eq!(said("/api/config", venue), (400, "Invalid venue_code: SP. Must be four letters or digits".into()));
    let product = "{\"product_type\":\"ABC\",\"serial_number\":\"1\"}";
    assert_eq!(said("/api/config", product), (400, "Invalid product_type: ABC. Must be 'KXP2' or 'RXP2'".into()));
    assert_eq!(said("/api/config", "{\"product_type\":\"KXP2\"}"), (400, "serial_number is required".into()));
    assert_eq!(said("/api/config", "{\"serial_number\":\"12\"}"), (400, "product_type is required".into()));
    assert_eq!(said("/api/status", "{\"serial\":\"1\"}"), (400, "status is required".into()));
    assert_eq!(error(server.send("GET", "/api/nothing", "")), (404, "Not found".into()));
    assert_eq!(error(server.send("GET", "/api/config", "")), (405, "Method not allowed".into()));
}

#[test]
fn a_missing_image_leaks_no_name() {
    let server = Server::start();
    let ask = json!({ "product_type": "RXP2", "venue_code": "SPAA", "serial_number": "10000000abcdef12" });
    assert_eq!(error(server.post("/api/config", &ask)), (404, "No active image for RXP2".into()));
    fs::remove_file(server.image("kxp2_master.img")).expect("the image is gone");
    let ask = json!({ "product_type": "KXP2", "venue_code": "SPAA", "serial_number": "10000000abcdef34" });
    wait_for("the loss to be noticed", || server.post("/api/config", &ask).0 == 404);
    fs::write(server.image("kxp2_master.img"), IMAGE).expect("the image is back");
    wait_for("the image to be noticed", || server.post("/api/config", &ask).0 == 200);
    assert_eq!(server.config("KXP2", "SPAA", "10000000abcdef34")["hostname"], "KXP2-SPAA-001");
}

#[test]
fn status_is_received_and_moves_the_machine_on() {
    let server = Server::start();
    let serial = "10000000d9780558";
    let report = |status: &str, hostname: Value, message: Value| {
        let body = json!({ "status": status, "hostname": hostname, "serial": serial, "error_message": message });
        server.post("/api/status", &body)
    };
    let stage = || {
        let machine = server.0.explain(serial);
        (machine["stage"].clone(), machine["failure"].clone(), machine["order"].clone())
    };
    assert_eq!(report("starting", Value::Null, Value::Null), (200, "{\"hostname\":null,\"received\":true}\n".into()));
    assert_eq!(stage(), (json!("installer"), Value::Null, json!("install")));
    server.config("KXP2", "SPAA", serial);
    for (word, expected) in [("downloading", "writing"), ("verifying", "verifying"), ("customizing", "first-boot")] {
        report(word, json!("KXP2-SPAA-001"), Value::Null);
        assert_eq!(stage().0, expected);
    }
    report("failed", json!("KXP2-SPAA-001"), json!("the card is worn out"));
    assert_eq!(stage(), (json!("failed"), json!("the card is worn out"), json!("install")));
    report("starting", Value::Null, Value::Null);
    assert_eq!(
        report("success", json!("KXP2-SPAA-001"), Value::Null),
        (200, "{\"hostname\":\"KXP2-SPAA-001\",\"received\":true}\n".into())
    );
    assert_eq!(stage(), (json!("done"), Value::Null, json!("disk")));
    report("any word at all", json!("KXP2-SPAA-001"), Value::Null);
    assert_eq!(stage().0, "done");
    assert!(matches!(server.0.ask(&Request::Reinstall { machine: "KXP2-SPAA-001".into() }), Reply::Ok(_)));
    assert_eq!(stage(), (json!("waiting"), Value::Null, json!("reinstall")));
}

#[test]
fn the_server_says_that_it_is_well() {
    let server = Server::start();
    let (code, body) = server.send("GET", "/health", "");
    assert_eq!(code, 200);
    assert!(body.starts_with("{\"status\":\"healthy\",\"timestamp\":\"20"), "{body}");
    assert_eq!(server.send("GET", "/nginx-health", ""), (200, "healthy\n".into()));
    assert_eq!(error(server.send("GET", "/images/none.img", "")), (404, "Image not found".into()));
}

#[test]
fn an_image_that_is_still_being_imported_is_not_served() {
    let server = Server::start();
    fs::write(server.image("rxp2_master.img.part"), IMAGE).expect("half an image");
    for path in ["/images/rxp2_master.img.part", "//images/./rxp2_master.img.part", "/images/rxp2_master%2eimg%2Epart"]
    {
        assert_eq!(error(server.send("GET", path, "")), (404, "Image not found".into()), "{path}");
    }
    fs::rename(server.image("rxp2_master.img.part"), server.image("rxp2_master.img")).expect("a whole image");
    assert_eq!(server.send("GET", "/images/rxp2_master.img", "").0, 200);
}
