//! Pages that change while one looks: server-sent events within a second, the truth after a reconnect, failures in
//! words, a machine's trail from its first packet, and what others wrote shown as text. The real binary, on loopback and in
//! a lab.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hatchery::serve::control::Request;
use hatchery::sim::client::Kind;
use serde_json::{Value, json};

#[allow(dead_code, reason = "shared with others")]
#[path = "common/inside.rs"]
mod inside;
#[path = "common/manage.rs"]
mod manage;
#[allow(dead_code)]
#[path = "common/table.rs"]
mod table;

use inside::inside;
use manage::{PATIENCE, Server, send};
use table::{Table, client};

/// Beyond this somebody waits for somebody else. Not a measure: a machine may build and test besides.
const HELD_UP: Duration = Duration::from_secs(10);

/// A stream of events, as a browser reads it.
struct Stream(BufReader<TcpStream>);

impl Stream {
    fn open(server: &Server, cookie: &str, page: &str) -> Stream {
        let mut stream = TcpStream::connect(("127.0.0.1", server.pages)).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!("GET /events?page={page} HTTP/1.1\r\nHost: hatchery.test\r\nCookie: {cookie}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request sent");
        Stream(BufReader::new(stream))
    }

    /// The page of the next event.
    fn next(&mut self) -> String {
        let mut html = String::new();
        let mut is_page = false;
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).expect("an event in time") > 0, "the stream ended");
            if line.starts_with("event: ") {
                is_page = line.trim_end() == "event: page";
            } else if let Some(data) = line.strip_prefix("data: ").filter(|_| is_page) {
                html += data;
            } else if line.trim().is_empty() && !html.is_empty() {
                return html;
            }
        }
    }

    /// Reads pages until one holds `text`.
    fn until(&mut self, text: &str) -> String {
        loop {
            let html = self.next();
            if html.contains(text) {
                return html;
            }
        }
    }
}

fn report(server: &Server, body: Value) {
    let headers = [("Content-Type", "application/json")];
    let answer = send(server.machines, "POST", "/api/status", &headers, &body.to_string());
    assert_eq!(answer.code, 200, "{answer:?}");
}

fn says(server: &Server, serial: &str, status: &str) {
    report(server, json!({ "status": status, "serial_number": serial, "hostname": null }));
}

#[test]
fn a_change_is_seen_while_one_looks_and_a_failure_says_what_to_do() {
    let server = Server::start();
    let cookie = server.set_up();
    let mut wall = Stream::open(&server, &cookie, "wall");
    assert!(wall.next().contains("No machine is being made"), "the first event is the truth");
    let mut slowest = Duration::ZERO;
    for (status, word) in [("starting", "Installer"), ("downloading", "Writing"), ("verifying", "Verifying")] {
        let begun = Instant::now();
        says(&server, "10000000d9780558", status);
        wall.until(&format!("</span> {word}"));
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < HELD_UP, "{slowest:?}");
    let failed = json!({ "status": "failed", "serial_number": "10000000d9780558", "hostname": null,
        "error_message": "no <i onclick=x>card</i> in slot 1" });
    report(&server, failed);
    let html = wall.until("Failed");
    assert!(html.contains("card") && !html.contains("<i"), "what a machine says is inert: {html}");
    assert!(html.contains("See what happened") && html.contains("href=\"/machines/1\""), "{html}");
    assert!(html.contains("✗ 1</b> failed today"), "{html}");
}

#[test]
fn a_machine_without_an_image_says_so_and_leads_to_it() {
    let server = Server::start();
    let cookie = server.set_up();
    // It gets a name of KXP2, of which there is no image.
    let config = json!({ "product_type": "KXP2", "venue_code": "ARLT", "serial_number": "10000000d9780558" });
    let headers = [("Content-Type", "application/json")];
    let refused = send(server.machines, "POST", "/api/config", &headers, &config.to_string());
    assert_eq!(refused.code, 404, "{refused:?}");
    let page = server.get("/machines/1", &cookie).body;
    assert!(page.contains("asks who it is") && page.contains("refused: No active image for KXP2"), "{page}");
}

#[test]
fn who_comes_back_sees_the_truth_and_a_forgotten_machine_is_said_to_be() {
    let server = Server::start();
    let cookie = server.set_up();
    says(&server, "10000000d9780558", "starting");
    let mut machine = Stream::open(&server, &cookie, "machine-1");
    assert!(machine.next().contains("reports starting"));
    drop(machine);
    says(&server, "10000000d9780558", "downloading");
    says(&server, "10000000d9780558", "verifying");
    let mut again = Stream::open(&server, &cookie, "machine-1");
    let html = again.next();
    assert!(html.contains("reports downloading") && html.contains("reports verifying"), "{html}");
    let key = server.get("/", &cookie).form_key();
    let answer = server.post("/machines/1/forget", &cookie, &[("force", "yes"), ("form_key", &key)]);
    assert_eq!(answer.code, 303, "{answer:?}");
    again.until("This machine was forgotten");
    let answer = server.get("/events?page=walls", &cookie);
    assert_eq!(answer.code, 404, "{answer:?}");
    assert_eq!(server.get("/events?page=wall", "").code, 303, "a stream is for those who are let in");
}

#[test]
fn every_live_page_is_whole_and_inert() {
    let server = Server::start();
    let cookie = server.set_up();
    let nasty = "<script>alert(1)</script>";
    report(
        &server,
        json!({ "status": nasty, "serial_number": "10000000d9780558", "message": nasty, "hostname": null }),
    );
    for path in
        ["/", "/?screen", "/dashboard", "/network", "/findings", "/system", "/system?level=debug", "/machines/1"]
    {
        let page = server.get(path, &cookie);
        assert_eq!(page.code, 200, "{path}: {page:?}");
        assert!(page.body.trim_end().ends_with("</html>") && page.body.len() < 100_000, "{path}");
        let lower = page.body.to_lowercase();
        for never in ["<script>", " style=", "onclick=", "javascript:"] {
            assert!(!lower.contains(never), "{path} has {never}");
        }
    }
    let system = server.get("/system", &cookie).body;
    for word in [env!("CARGO_PKG_VERSION"), "Running for", &format!("127.0.0.1:{}", server.pages), "free of", "ready"] {
        assert!(system.contains(word), "the system page lacks {word}: {system}");
    }
    let network = server.get("/network", &cookie).body;
    assert!(network.contains("127.0.0.100 to 127.0.0.110") && network.contains("0 of 11 in use"), "{network}");
    let dashboard = server.get("/dashboard", &cookie).body;
    assert!(dashboard.contains("KXP2") && dashboard.contains("in UTC"), "{dashboard}");
}

#[test]
fn an_operator_reads_the_configuration_again_and_a_viewer_cannot() {
    let server = Server::start();
    let cookie = server.set_up();
    let key = server.get("/", &cookie).form_key();
    let user = [("name", "vic"), ("role", "viewer"), ("password", manage::PASSWORD), ("form_key", &key)];
    assert_eq!(server.post("/users", &cookie, &user).code, 303);
    let answer = server.post("/system/reload", &cookie, &[("form_key", &key)]);
    assert_eq!((answer.code, answer.header("location")), (303, Some("/system?reloaded")), "{answer:?}");
    let config = server.directory.path().join("hatchery.toml");
    let text = std::fs::read_to_string(&config).expect("a file");
    std::fs::write(&config, text + "\nno such = [").expect("a file");
    let answer = server.post("/system/reload", &cookie, &[("form_key", &key)]);
    assert_eq!(answer.code, 422, "{answer:?}");
    assert!(answer.body.contains("was not taken over"), "{answer:?}");
    let vic = server.log_in("vic", manage::PASSWORD).cookie();
    let key = server.get("/", &vic).form_key();
    assert_eq!(server.post("/system/reload", &vic, &[("form_key", &key)]).code, 403);
    let page = server.get("/system", &vic);
    assert!(page.code == 200 && !page.body.contains("action=\"/system/reload\""), "{page:?}");
}

#[test]
fn fifty_viewers_do_not_hold_up_what_machines_say() {
    let server = Server::start();
    let cookie = server.set_up();
    let mut streams: Vec<Stream> = (0..50).map(|_| Stream::open(&server, &cookie, "wall")).collect();
    for stream in &mut streams {
        stream.next();
    }
    let mut slowest = Duration::ZERO;
    for n in 0..100 {
        let begun = Instant::now();
        says(&server, &format!("10000000d97805{:02x}", n % 20), ["starting", "downloading"][n / 20 % 2]);
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < HELD_UP, "a report took {slowest:?} with fifty viewers");
    let last = "10000000d9780513";
    report(&server, json!({ "status": "failed", "serial_number": last, "message": "the very last", "hostname": null }));
    for stream in &mut streams {
        stream.until("the very last");
    }
}

#[test]
fn a_booted_machine_has_a_trail_from_its_first_packet_to_done() {
    if !inside("a_booted_machine_has_a_trail_from_its_first_packet_to_done") {
        return;
    }
    let table = Table::serving("", "");
    let pi = client(Kind::Pi5, 1);
    let mac = pi.identity().mac.to_string();
    table.boot(vec![pi], || {});
    let trail = table.ask(&Request::Trail { machine: mac });
    let steps = trail["steps"].as_array().expect("steps");
    let all: Vec<String> =
        steps.iter().map(|step| format!("{} {}", step["kind"], step["what"]).replace('"', "")).collect();
    let mut rest = all.iter();
    for milestone in [
        "dhcp DISCOVER answered with OFFER",
        "dhcp REQUEST answered with ACK",
        "file ",
        "stage loader",
        "report asks who it is",
        "stage writing",
        "report reports success",
        "stage done",
    ] {
        assert!(rest.any(|step| step.starts_with(milestone)), "{milestone} is not in its place: {all:#?}");
    }
    let image = steps.iter().find(|step| step["what"].as_str().is_some_and(|what| what.contains("images/")));
    let image = image.expect("it fetched its image");
    assert_eq!(image["sent"].as_u64(), Some(u64::from(table::IMAGE_MIB) << 20), "{image}");
    assert!(steps[0]["after_ms"].is_null() && steps[1]["after_ms"].is_u64(), "{trail}");
}
