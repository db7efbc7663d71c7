//! API and file requests on one connection: there is exactly one path by which files go out.

use hatchery::serve::http::Limits;
use hatchery::serve::image::sendfile_bytes;

use crate::world::World;

const IMAGE_LENGTH: usize = 300_000;

fn image() -> Vec<u8> {
    (0..IMAGE_LENGTH).map(|at| (at % 251) as u8).collect()
}

fn post(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_connection_comes_back_after_each_api_request_and_files_stay_sendfile() {
    let world = World::counting();
    world.files.put("images/pi.img", &image());
    let mut client = world.client();
    let before = sendfile_bytes();
    for round in 1..=3 {
        client.send(post("/api/config", "{\"a\":1}"));
        let response = client.response();
        assert_eq!((response.status, response.text()), (200, "got {\"a\":1}"));
        assert_eq!(response.field("connection"), None, "hyper announces no end");
        assert_eq!(client.get("/images/pi.img").body, image());
        assert_eq!(client.get("/api/none").status, 404, "the API answers what it does not know");
        assert_eq!(client.ask("GET", "/images/pi.img", "Range: bytes=-0\r\n").status, 416);
        assert_eq!(client.ask("HEAD", "/images/pi.img", "").status, 200);
        // The bytes can be here before the server has counted them; not so once it has answered the next request.
        assert_eq!(sendfile_bytes() - before, round * IMAGE_LENGTH as u64);
    }
    assert_eq!(client.ask("GET", "/images/pi.img", "Range: bytes=100-199\r\n").body, &image()[100..200]);
    assert_eq!(client.get("/api/peer").text(), client.local_addr().to_string());
    assert_eq!(sendfile_bytes() - before, 3 * IMAGE_LENGTH as u64 + 100);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let world = World::new(Limits::default());
    world.files.put("images/pi.img", &image());
    let mut client = world.client();
    let get = "GET /images/pi.img HTTP/1.1\r\nHost: a\r\n\r\n";
    let (first, second) = (post("/api/config", "one"), post("/api/config", "two"));
    client.send(format!("{get}{first}{get}{second}\r\n{}", get.replace("GET", "HEAD")));
    assert_eq!(client.response().body, image());
    assert_eq!(client.response().text(), "got one");
    assert_eq!(client.response().body, image());
    assert_eq!(client.response().text(), "got two");
    assert_eq!(client.head().field("content-length"), Some("300000"));
    assert_eq!(client.get("/images/pi.img").body, image());
}

#[test]
fn requests_that_come_byte_by_byte_are_understood() {
    let world = World::new(Limits::default());
    world.files.put("images/pi.img", b"pi");
    let mut client = world.client();
    for byte in post("/api/config", "one").bytes().chain(*b"GET /images/pi.img HTTP/1.1\r\nHost: a\r\n\r\n") {
        client.send([byte]);
    }
    assert_eq!(client.response().text(), "got one");
    assert_eq!(client.response().body, b"pi");
}

#[test]
fn a_chunked_request_is_the_last_on_its_connection() {
    let world = World::new(Limits::default());
    world.files.put("images/pi.img", b"pi");
    let mut client = world.client();
    client.send("POST /api/config HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n");
    client.send("0\r\n\r\nGET /images/pi.img HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.text()), (200, "got abcde"));
    assert_eq!(response.field("connection"), Some("close"));
    client.assert_ended();
    assert_eq!(world.files.events(), []);
}

#[test]
fn expect_continue_is_answered_and_the_connection_stays() {
    let world = World::new(Limits::default());
    world.files.put("images/pi.img", b"pi");
    let mut client = world.client();
    client.send("POST /api/config HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head().status, 100);
    client.send("abc");
    assert_eq!(client.response().text(), "got abc");
    assert_eq!(client.get("/images/pi.img").body, b"pi");
}

#[test]
fn a_body_the_api_leaves_unread_never_becomes_a_request() {
    let world = World::new(Limits::default());
    world.files.put("images/pi.img", b"pi");
    // Whole: it came with the head, and the connection goes on behind it.
    let mut client = world.client();
    client.send(post("/api/ignore", "GET /images/pi.img HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(client.response().text(), "ignored");
    assert_eq!(client.get("/api/peer").status, 200);
    // In part: what is still to come has no place.
    client.send("POST /api/ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nstart");
    let response = client.response();
    assert_eq!((response.text(), response.field("connection")), ("ignored", Some("close")));
    client.send("GET /images/pi.img HTTP/1.1\r\nHost: a\r\n\r\n");
    client.assert_ended();
    assert_eq!(world.files.events(), []);
}

#[test]
fn an_offer_to_upgrade_changes_nothing() {
    let world = World::new(Limits::default());
    world.files.put("images/pi.img", b"pi");
    let mut client = world.client();
    let offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    assert_eq!(client.ask("GET", "/api/peer", offer).status, 200);
    assert_eq!(client.ask("GET", "/images/pi.img", offer).body, b"pi");
    assert_eq!(client.get("/api/peer").status, 200);
}

#[test]
fn http_1_0_api_requests_close() {
    let world = World::new(Limits::default());
    let mut client = world.client();
    client.send("GET /api/peer HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let response = client.head();
    assert_eq!((response.status, response.field("connection")), (200, Some("close")));
    assert_eq!(client.rest(), client.local_addr().to_string().as_bytes());
}

#[test]
fn a_client_that_has_finished_sending_still_gets_its_answers() {
    let world = World::new(Limits::default());
    world.files.put("images/pi.img", b"pi");
    let mut client = world.client();
    client.send(post("/api/config", "one") + "GET /images/pi.img HTTP/1.1\r\nHost: a\r\n\r\n");
    client.finish_sending();
    assert_eq!(client.response().text(), "got one");
    assert_eq!(client.response().body, b"pi");
    client.assert_ended();
}

#[test]
fn a_panic_in_a_route_costs_one_connection() {
    let world = World::new(Limits::default());
    let mut client = world.client();
    client.send("GET /api/boom HTTP/1.1\r\nHost: a\r\n\r\n");
    client.assert_ended();
    assert_eq!(world.client().get("/api/peer").status, 200);
}
