//! What the front does not let happen: floods, silence, nonsense, and an end without an end.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use hatchery::serve::http::{Limits, bind};
use hatchery::transfer::Outcome;

use crate::world::{Client, SMALL_WINDOW, World, until};

const BIG: usize = 64 << 20;
/// More than a small window takes, and less than a send queue: the kernel takes all of it at once.
const TAIL: usize = 6 * SMALL_WINDOW;
const GET_TAIL: &str = "GET /images/tail.img HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn nonsense_is_400_with_a_reason() {
    let world = World::new(Limits::default());
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01"[..],
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = world.client();
        client.send(nonsense);
        let response = client.response();
        assert_eq!((response.status, response.field("connection")), (400, Some("close")));
        assert!(response.text().starts_with("{\"error\":\"not a valid message: "), "{}", response.text());
        client.assert_ended();
    }
}

#[test]
fn a_head_past_its_limit_is_431() {
    let world = World::new(Limits::default());
    let mut client = world.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(20_000)));
    let response = client.response();
    assert_eq!(response.status, 431);
    assert!(response.text().starts_with("{\"error\":"));
    client.assert_ended();
}

#[test]
fn bytes_that_trickle_in_do_not_keep_a_head_open() {
    let world = World::new(Limits { head_timeout: Duration::from_millis(100), ..Limits::default() });
    let mut client = world.client();
    client.send("GET /images/pi.img HTTP/1.1\r\nX: ");
    // As long as the server reads, whatever comes; the deadline stands since the first byte.
    until("the head is given up", || (!client.try_send("x")).then_some(()));
}

#[test]
fn a_target_past_its_limit_is_414() {
    let world = World::new(Limits::default());
    let mut client = world.client();
    client.send(format!("GET /{}", "x".repeat(9000)));
    let response = client.response();
    assert_eq!((response.status, response.field("connection")), (414, Some("close")));
    assert!(response.text().starts_with("{\"error\":"));
    client.assert_ended();
}

#[test]
fn a_post_without_a_length_is_411_and_its_body_no_request() {
    let world = World::new(Limits::default());
    for request in [
        "POST /api/config HTTP/1.1\r\nHost: a\r\n\r\nGET /api/peer HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /api/config HTTP/1.0\r\n\r\n",
        "PUT /images/pi.img HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = world.client();
        client.send(request);
        let response = client.response();
        assert_eq!((response.status, response.field("connection")), (411, Some("close")), "{request}");
        client.assert_ended();
    }
    assert_eq!(world.client().ask("POST", "/api/config", "Content-Length: 0\r\n").status, 200);
}

#[test]
fn absurd_requests_get_an_answer_and_harm_nobody() {
    let world = World::new(Limits::default());
    world.files.put("images/pi.img", b"pi");
    for (request, status) in [
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("TRACE /images/pi.img HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("BREW /images/pi.img HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET ftp://a/images/pi.img HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://elsewhere/images/pi.img HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET /images/pi.img HTTP/1.1\r\nHost:\r\n\r\n", 200),
        ("GET /images/pi.img HTTP/1.1\r\nHost: a\r\nExpect: the-unexpected\r\n\r\n", 200),
        ("GET /images/pi.img HTTP/1.1\r\nHost: a\r\nRange: bytes=\r\n\r\n", 200),
        ("GET /images/pi.img#part HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("\r\n\r\nGET /images/pi.img HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET /images/pi.img HTTP/1.1\nHost: a\n\n", 200),
    ] {
        let mut client = world.client();
        client.send(request);
        assert_eq!(client.response().status, status, "{request:?}");
    }
    // A body where none belongs, announced and awaited: the answer comes without it, and ends the connection.
    let mut client = world.client();
    client.send("GET /images/pi.img HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.field("connection")), (200, Some("close")));
    client.assert_ended();
}

#[test]
fn a_body_past_its_limit_is_413() {
    let world = World::new(Limits::default());
    let mut client = world.client();
    let body = "x".repeat(1024 * 1024);
    client.send(format!("POST /api/config HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(client.response().status, 200, "exactly the limit is taken");
    client.send(format!("POST /api/config HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len() + 1));
    let response = client.response();
    assert_eq!((response.status, response.field("connection")), (413, Some("close")));
    assert!(response.text().starts_with("{\"error\":"));
    client.assert_ended();

    // A client that sends everything before it reads gets its answer too, not a reset.
    let mut client = world.client();
    client.send("POST /api/config HTTP/1.1\r\nHost: a\r\nContent-Length: 16777216\r\n\r\n");
    client.send(body.repeat(16));
    assert_eq!(client.response().status, 413);

    let mut client = world.client();
    client.send("POST /api/config HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("{:x}\r\n{body}\r\n1\r\nx\r\n0\r\n\r\n", body.len()));
    assert_eq!(client.head().status, 413);
}

#[test]
fn a_head_that_does_not_end_in_time_ends_the_connection() {
    let world = World::new(Limits { head_timeout: Duration::from_millis(100), ..Limits::default() });
    let mut client = world.client();
    client.send("GET /images/pi.img HTTP/1.1\r\nHos");
    let response = client.response();
    assert_eq!((response.status, response.field("connection")), (408, Some("close")));
    assert!(response.text().starts_with("{\"error\":"), "{}", response.text());
    client.assert_ended();
    // Nobody waits for an answer where nothing was asked.
    world.client().assert_ended();
}

#[test]
fn silence_ends_kept_connections_and_half_sent_bodies() {
    let short = Duration::from_millis(100);
    let world = World::new(Limits { idle_timeout: short, body_timeout: short, ..Limits::default() });
    let mut idle = world.client();
    assert_eq!(idle.get("/api/peer").status, 200);
    idle.assert_ended();
    let mut half = world.client();
    half.send("POST /api/config HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    let rest = half.rest();
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
}

#[test]
fn a_client_that_takes_nothing_is_dropped_and_the_transfer_is_broken() {
    let world = World::new(Limits { stall_timeout: Duration::from_millis(200), ..Limits::default() });
    world.files.put("images/big.img", &vec![7; BIG]);
    let mut client = world.client();
    client.send("GET /images/big.img HTTP/1.1\r\nHost: a\r\n\r\n");
    let (sent, outcome) = world.files.wait_finished(1).remove(0);
    assert!(matches!(&outcome, Outcome::Broken(why) if why.contains("took no byte")), "{outcome:?}");
    assert!(sent < BIG as u64);
}

#[test]
fn a_client_that_leaves_has_abandoned_its_transfer_and_frees_its_place() {
    let world = World::new(Limits { max_connections: 1, ..Limits::default() });
    world.files.put("images/big.img", &vec![7; BIG]);
    let mut client = world.client();
    client.send("GET /images/big.img HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().status, 200);
    assert!(client.read(&mut vec![0; 1 << 20]) > 0);

    let mut second = world.client();
    let response = second.response();
    assert_eq!((response.status, response.field("connection")), (503, Some("close")));
    assert!(response.field("retry-after").is_some());
    second.assert_ended();

    drop(client);
    let (sent, outcome) = world.files.wait_finished(1).remove(0);
    assert!(matches!(outcome, Outcome::Abandoned(_)), "{outcome:?}");
    assert!(sent < BIG as u64);
    until("the place becomes free", || {
        let mut next = world.client();
        (next.get("/api/peer").status == 200).then_some(())
    });
    assert_eq!(world.files.events().len(), 2, "one start, one end");
}

#[test]
fn one_client_cannot_take_every_place() {
    let world = World::new(Limits { max_connections_per_client: 2, ..Limits::default() });
    let mut held = [world.client(), world.client()];
    for client in &mut held {
        assert_eq!(client.get("/api/peer").status, 200);
    }
    let response = world.client().response();
    assert_eq!((response.status, response.field("connection")), (503, Some("close")));
    assert!(response.text().contains("from your address"), "{}", response.text());
    // Another address of the loopback is another client.
    let mut other = Client::connect_from([127, 0, 0, 2].into(), world.address);
    assert_eq!(other.get("/api/peer").text(), other.local_addr().to_string());
    drop(held);
    until("the places become free", || (world.client().response_to("/api/peer")? == 200).then_some(()));
}

#[test]
fn a_slow_reader_that_reads_is_never_dropped() {
    let stall = Duration::from_millis(1500);
    let world = World::new(Limits { stall_timeout: stall, ..Limits::default() });
    world.files.put("images/big.img", &vec![7; BIG]);
    let mut client = world.client();
    client.send("GET /images/big.img HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().status, 200);
    // Each step is far less than the stall limit and what the buffers hold; all steps together are three times it.
    let (begin, mut buffer, mut taken) = (Instant::now(), vec![0; 128 << 10], 0);
    while begin.elapsed() < 3 * stall {
        std::thread::sleep(stall / 8);
        taken += client.read(&mut buffer);
    }
    taken += client.read_exactly(BIG - taken);
    assert_eq!(taken, BIG);
    assert_eq!(world.files.wait_finished(1), [(BIG as u64, Outcome::Complete)]);
}

/// A world with a file, and a client that has seen the head of it and then pauses: the rest waits in the send queue.
fn paused_in_the_tail(limits: Limits) -> (World, Client) {
    let world = World::new(limits);
    world.files.put("images/tail.img", &vec![7; TAIL]);
    let client = paused(&world, GET_TAIL);
    (world, client)
}

fn paused(world: &World, request: &str) -> Client {
    let mut client = Client::with_small_window(world.address);
    client.send(request);
    assert_eq!(client.head().status, 200);
    until("bytes wait for the client", || client.queued_at_the_front().filter(|queued| *queued > 0));
    client
}

#[test]
fn an_answer_is_held_until_its_last_byte_is_taken() {
    let (world, kept) = paused_in_the_tail(Limits { idle_timeout: Duration::from_millis(100), ..Limits::default() });
    let closing = GET_TAIL.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let config = format!("POST /api/config HTTP/1.1\r\nHost: a\r\nContent-Length: {TAIL}\r\n\r\n{}", "x".repeat(TAIL));
    let mut paused = [(kept, TAIL), (paused(&world, &closing), TAIL), (paused(&world, &config), TAIL + "got ".len())];
    // The pause of a machine that writes to its card; longer than the idle limit, and than a connection lingers.
    std::thread::sleep(Duration::from_secs(3));
    for (client, _) in &paused {
        assert!(client.queued_at_the_front().is_some_and(|queued| queued > 0), "held, and not left to the kernel");
    }
    assert_eq!(world.files.events().len(), 2, "two starts, no end");
    for (client, length) in &mut paused {
        assert_eq!(client.rest().len(), *length);
    }
    assert_eq!(world.files.wait_finished(2), [(TAIL as u64, Outcome::Complete), (TAIL as u64, Outcome::Complete)]);
}

#[test]
fn a_tail_that_nobody_takes_is_broken_by_the_stall_limit() {
    let (world, _client) = paused_in_the_tail(Limits { stall_timeout: Duration::from_secs(1), ..Limits::default() });
    let (sent, outcome) = world.files.wait_finished(1).remove(0);
    assert!(matches!(&outcome, Outcome::Broken(why) if why.contains("took no byte")), "{outcome:?}");
    assert_eq!(sent, TAIL as u64, "the kernel had it all");
}

#[test]
fn a_client_that_leaves_the_tail_has_abandoned_its_transfer() {
    let (world, client) = paused_in_the_tail(Limits::default());
    drop(client);
    let (_, outcome) = world.files.wait_finished(1).remove(0);
    assert!(matches!(outcome, Outcome::Abandoned(_)), "{outcome:?}");
}

#[test]
fn the_grace_period_ends_in_the_tail_too() {
    let (mut world, client) = paused_in_the_tail(Limits { grace: Duration::from_millis(100), ..Limits::default() });
    world.stop.send(true).expect("the front runs");
    world.wait_served();
    let (_, outcome) = world.files.wait_finished(1).remove(0);
    assert!(matches!(&outcome, Outcome::Broken(why) if why.contains("server stopped")), "{outcome:?}");
    assert_eq!(client.queued_at_the_front(), None, "the socket is given up");
}

#[test]
fn a_machine_that_writes_to_a_slow_card_is_waited_for() {
    let limits = Limits::default();
    assert_eq!((limits.stall_timeout, limits.head_timeout), (Duration::from_secs(600), Duration::from_secs(30)));
    assert_eq!((limits.idle_timeout, limits.body_timeout), (Duration::from_secs(75), Duration::from_secs(30)));
    assert_eq!((limits.grace, limits.max_body), (Duration::from_secs(30), 1 << 20));
    assert_eq!((limits.max_connections, limits.max_connections_per_client), (1024, 64));
}

#[test]
fn a_stop_lets_transfers_finish_and_takes_nothing_new() {
    let mut world = World::new(Limits::default());
    world.files.put("images/big.img", &vec![7; BIG]);
    let mut idle = world.client();
    assert_eq!(idle.get("/api/peer").status, 200);
    let mut client = world.client();
    client.send("GET /images/big.img HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().status, 200);
    world.stop.send(true).expect("the front runs");
    idle.assert_ended();
    until("the port is closed", || TcpStream::connect(world.address).is_err().then_some(()));
    assert_eq!(client.rest().len(), BIG, "the transfer under way is finished, then its connection closed");
    world.wait_served();
    assert_eq!(world.files.wait_finished(1), [(BIG as u64, Outcome::Complete)]);
}

#[test]
fn the_grace_period_ends() {
    let mut world = World::new(Limits { grace: Duration::from_millis(100), ..Limits::default() });
    world.files.put("images/big.img", &vec![7; BIG]);
    let mut client = world.client();
    client.send("GET /images/big.img HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().status, 200);
    world.stop.send(true).expect("the front runs");
    world.wait_served();
    let (sent, outcome) = world.files.wait_finished(1).remove(0);
    assert!(matches!(&outcome, Outcome::Broken(why) if why.contains("server stopped")), "{outcome:?}");
    assert!(sent < BIG as u64);
}

#[test]
fn a_port_that_cannot_be_had_is_named_with_advice() {
    let taken = bind(&["127.0.0.1:0".parse().expect("an address")]).expect("a free port");
    let address = taken[0].local_addr().expect("bound");
    let error = bind(&[address]).expect_err("the port is taken").to_string();
    assert!(error.contains(&address.to_string()) && error.contains("ss -ltnp"), "{error}");
    let error = bind(&["192.0.2.1:0".parse().expect("an address")]).expect_err("not our address").to_string();
    assert!(error.contains("192.0.2.1") && error.contains("no interface"), "{error}");
}
