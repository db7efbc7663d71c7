//! What programs that listen are told: server-sent events, the WebSocket, coming back, and who may not.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/manage.rs"]
mod manage;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use manage::{PATIENCE, Server, token};
use serde_json::{Value, json};

/// A connection on which something is listened to.
struct Listening {
    head: String,
    stream: BufReader<TcpStream>,
}

/// Asks for a stream, and reads the head of what comes.
fn listen(server: &Server, path: &str, headers: &[(&str, &str)]) -> Listening {
    let mut stream = TcpStream::connect(("127.0.0.1", server.pages)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: hatchery.test\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    stream.write_all((request + "\r\n").as_bytes()).expect("a request sent");
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).expect("a head") > 0, "no whole head: {head}");
    }
    Listening { head, stream }
}

impl Listening {
    /// The next event of server-sent ones, and the type and id of its frame.
    fn event(&mut self) -> Option<Value> {
        let (mut kind, mut id) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            // A chunk of length 0 is the last one.
            if self.stream.read_line(&mut line).ok()? == 0 || line == "0\r\n" {
                return None;
            }
            if let Some(rest) = line.strip_prefix("event: ") {
                rest.trim().clone_into(&mut kind);
            } else if let Some(rest) = line.strip_prefix("id: ") {
                rest.trim().clone_into(&mut id);
            } else if let Some(rest) = line.strip_prefix("data: ") {
                let event: Value = serde_json::from_str(rest.trim()).expect("JSON");
                // The id comes before or after the data; both are in the data, too.
                assert!(kind.is_empty() || event["type"] == kind.as_str(), "{event} as {kind}");
                assert!(id.is_empty() || event["id"] == id.as_str(), "{event} with {id}");
                return Some(event);
            }
        }
    }

    /// The next text message of a WebSocket; pings are passed over.
    fn message(&mut self) -> Value {
        loop {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head).expect("a frame");
            let mut length = u64::from(head[1] & 0x7f);
            if length == 126 {
                let mut more = [0; 2];
                self.stream.read_exact(&mut more).expect("a length");
                length = u64::from(u16::from_be_bytes(more));
            }
            let mut payload = vec![0; usize::try_from(length).expect("a short message")];
            self.stream.read_exact(&mut payload).expect("a payload");
            if head[0] == 0x81 {
                return serde_json::from_slice(&payload).expect("JSON");
            }
        }
    }
}

fn add_venue(server: &Server, token: &str, code: &str) {
    let body = json!({ "code": code, "name": "Somewhere" }).to_string();
    let headers = [("Authorization", token), ("Content-Type", "application/json")];
    assert_eq!(server.send("POST", "/api/v1/venues", &headers, &body).code, 201);
}

fn order(server: &Server, token: &str) {
    let body = json!({ "venue_code": "ARLT", "product_type": "KXP2", "total_count": 2 }).to_string();
    let headers = [("Authorization", token), ("Content-Type", "application/json")];
    let answer = server.send("POST", "/api/v1/batches", &headers, &body);
    assert_eq!(answer.code, 201, "{answer:?}");
}

#[test]
fn what_happens_is_told_and_told_again_to_who_comes_back() {
    let server = Server::start();
    let token = token(&server, "operator", &[]);
    let asks = [("Authorization", token.as_str())];
    let mut all = listen(&server, "/api/v1/events", &asks);
    assert!(all.head.contains("200") && all.head.contains("text/event-stream"), "{}", all.head);
    let ready = all.event().expect("an event");
    assert_eq!(ready["type"], "ready");
    let mut batches = listen(&server, "/api/v1/events?types=batch", &asks);
    assert_eq!(batches.event().expect("an event")["type"], "ready");

    add_venue(&server, &token, "NEWV");
    order(&server, &token);
    let audit = all.event().expect("an event");
    assert_eq!((&audit["type"], &audit["data"]["subject"]), (&json!("audit"), &json!("venue NEWV")), "{audit}");
    let batch = batches.event().expect("an event");
    assert_eq!((&batch["type"], &batch["data"]["total_count"]), (&json!("batch"), &json!(2)), "{batch}");
    drop((all, batches));

    // Who comes back gets what they missed, in order and once.
    let id = ready["id"].as_str().expect("an id");
    let again = [("Authorization", token.as_str()), ("Last-Event-ID", id)];
    let mut back = listen(&server, "/api/v1/events?types=audit", &again);
    assert_eq!(back.event().expect("an event")["type"], "ready");
    let first = back.event().expect("an event");
    assert_eq!(first["id"], audit["id"]);
    assert!(back.event().expect("an event")["data"]["subject"].as_str().is_some_and(|it| it.starts_with("batch")));
    let other = [("Authorization", token.as_str()), ("Last-Event-ID", "1999-4")];
    assert_eq!(listen(&server, "/api/v1/events", &other).event().expect("an event")["type"], "reset");

    for wrong in ["types=wall", "machine=KXP2-ARLT-099", "machine=%00", "kinds=batch"] {
        let answer = server.send("GET", &format!("/api/v1/events?{wrong}"), &asks, "");
        assert!(matches!(answer.code, 400 | 404) && answer.body.contains("\"code\""), "{wrong}: {answer:?}");
    }
    assert_eq!(server.send("GET", "/api/v1/events", &[], "").code, 401);
}

#[test]
fn a_websocket_says_the_same_and_not_to_other_sites() {
    let server = Server::start();
    let cookie = server.set_up();
    let token = token(&server, "operator", &[]);
    let shake = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let with = |more: &[(&'static str, &str)]| -> Listening {
        let mut headers: Vec<(&str, &str)> = shake.to_vec();
        headers.extend(more.iter().map(|(name, value)| (*name, *value)));
        listen(&server, "/api/v1/ws?types=batch", &headers)
    };
    let mut socket = with(&[("Authorization", &token)]);
    assert!(socket.head.starts_with("HTTP/1.1 101"), "{}", socket.head);
    assert!(socket.head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "RFC 6455 §1.3: {}", socket.head);
    assert_eq!(socket.message()["type"], "ready");
    order(&server, &token);
    assert_eq!(socket.message()["data"]["product_type"], "KXP2");

    let browser = with(&[("Cookie", &cookie), ("Origin", "http://hatchery.test")]);
    assert!(browser.head.starts_with("HTTP/1.1 101"), "{}", browser.head);
    let foreign = with(&[("Cookie", &cookie), ("Origin", "http://evil.test")]);
    assert!(foreign.head.starts_with("HTTP/1.1 403"), "{}", foreign.head);
    let nobody = with(&[]);
    assert!(nobody.head.starts_with("HTTP/1.1 401"), "{}", nobody.head);
    assert_eq!(server.send("GET", "/api/v1/ws", &[("Authorization", &token)], "").code, 426);
}

#[test]
fn who_may_not_listen_any_longer_hears_no_more() {
    let server = Server::start();
    let cookie = server.set_up();
    let mut wall = listen(&server, "/api/v1/events", &[("Cookie", &cookie)]);
    assert_eq!(wall.event().expect("an event")["type"], "ready");
    let key = server.get("/", &cookie).form_key();
    assert_eq!(server.post("/logout", &cookie, &[("form_key", &key)]).code, 303);
    let since = Instant::now();
    while wall.event().is_some() {}
    assert!(since.elapsed() < Duration::from_secs(25), "it took {:?}", since.elapsed());
}
