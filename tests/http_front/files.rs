//! GET and HEAD of `/images/…` and `/boot/…`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;

use hatchery::serve::http::Limits;
use hatchery::transfer::Outcome;
use sha2::{Digest, Sha256};

use crate::world::{Client, Event, GRUB, World};

const PI: &[u8] = b"0123456789abcdefghij";

fn world() -> World {
    let world = World::new(Limits::default());
    world.files.put("images/pi.img", PI);
    world
}

#[test]
fn a_file_comes_whole_with_everything_a_client_wants_to_know() {
    let world = world();
    let mut client = world.client();
    let response = client.get("/images/pi.img");
    assert_eq!((response.status, &response.body[..]), (200, PI));
    assert_eq!(response.field("content-type"), Some("application/octet-stream"));
    assert_eq!(response.field("accept-ranges"), Some("bytes"));
    let etag = response.field("etag").expect("a tag");
    assert!(etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    assert!(response.field("last-modified").is_some_and(|date| date.ends_with(" GMT")));
    assert!(response.field("date").is_some_and(|date| date.ends_with(" GMT")));
    assert_eq!(response.field("connection"), None);

    let head = client.ask("HEAD", "/images/pi.img", "");
    assert_eq!(head.status, 200);
    for same in ["content-length", "etag", "last-modified", "accept-ranges", "content-type"] {
        assert_eq!(head.field(same), response.field(same), "{same}");
    }
    // UEFI clients join URLs carelessly and follow no redirect (tinkerbell/smee#229).
    assert_eq!(client.get("//images/pi.img").status, 200);
    assert_eq!(client.get("/images/p%69.img?x=y").status, 200);

    world.files.wait_finished(3);
    let started = Event::Started { transfer: 0, asker: [127, 0, 0, 1].into(), name: "images/pi.img".into(), size: 20 };
    let finished = Event::Finished { transfer: 0, sent: 20, outcome: Outcome::Complete };
    let events = world.files.events();
    assert_eq!(events[..2], [started, finished]);
    assert_eq!(events.len(), 6, "one start and one end for each GET, none for the HEAD: {events:?}");
}

#[test]
fn section_14_ranges_of_a_file() {
    let world = world();
    let mut client = world.client();
    let mut part = |range: &str| client.ask("GET", "/images/pi.img", &format!("Range: {range}\r\n"));
    for (range, body, said) in [
        ("bytes=0-3", &PI[..4], "bytes 0-3/20"),
        ("bytes=18-", &PI[18..], "bytes 18-19/20"),
        ("bytes=-5", &PI[15..], "bytes 15-19/20"),
        ("bytes=0-", PI, "bytes 0-19/20"),
        ("bytes=5-99", &PI[5..], "bytes 5-19/20"),
    ] {
        let response = part(range);
        assert_eq!((response.status, &response.body[..]), (206, body), "{range}");
        assert_eq!(response.field("content-range"), Some(said));
        assert!(response.field("etag").is_some(), "{range}");
    }
    for whole in ["bytes=0-1,4-5", "bytes=x", "bytes=5-2", "pages=1-2"] {
        let response = part(whole);
        assert_eq!((response.status, &response.body[..]), (200, PI), "{whole}");
    }
    let response = part("bytes=20-");
    assert_eq!(response.status, 416);
    assert_eq!(response.field("content-range"), Some("bytes */20"));
    assert!(response.text().starts_with("{\"error\":"), "{}", response.text());
    assert_eq!(part("bytes=0-0").status, 206, "the connection goes on after 416");
    let ends = world.files.wait_finished(10);
    assert!(ends.iter().all(|(_, outcome)| *outcome == Outcome::Complete));
    assert_eq!(ends[0].0, 4, "a range counts its own bytes");
}

#[test]
fn section_13_conditions() {
    let world = world();
    let mut client = world.client();
    let known = client.ask("HEAD", "/images/pi.img", "");
    let etag = known.field("etag").expect("a tag").to_owned();
    let date = known.field("last-modified").expect("a date").to_owned();
    let mut ask = |fields: &str| client.ask("GET", "/images/pi.img", fields);

    let unchanged = ask(&format!("If-None-Match: {etag}\r\n"));
    assert_eq!((unchanged.status, unchanged.field("etag")), (304, Some(etag.as_str())));
    assert_eq!(ask(&format!("If-Modified-Since: {date}\r\n")).status, 304);
    assert_eq!(ask("If-None-Match: \"other\"\r\n").status, 200);
    assert_eq!(ask(&format!("If-Range: {etag}\r\nRange: bytes=0-1\r\n")).status, 206);
    assert_eq!(ask(&format!("If-Range: {date}\r\nRange: bytes=0-1\r\n")).status, 206);
    let changed = ask("If-Range: \"other\"\r\nRange: bytes=0-1\r\n");
    assert_eq!((changed.status, &changed.body[..]), (200, PI));
    // A client that goes on with what it has of another version is told so.
    assert_eq!(ask(&format!("If-Match: {etag}\r\nRange: bytes=18-\r\n")).body, &PI[18..]);
    assert_eq!(ask(&format!("If-Unmodified-Since: {date}\r\nRange: bytes=18-\r\n")).body, &PI[18..]);
    let other = ask("If-Match: \"other\"\r\nRange: bytes=18-\r\n");
    assert_eq!((other.status, other.field("etag")), (412, Some(etag.as_str())));
    assert!(other.text().starts_with("{\"error\":"), "{}", other.text());
    assert_eq!(ask("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n").status, 412);
}

#[test]
fn a_rendered_answer_is_text_and_has_ranges() {
    let world = world();
    let mut client = world.client();
    let response = client.get("/boot/grub.cfg");
    assert_eq!((response.status, response.text()), (200, GRUB));
    assert_eq!(response.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(response.field("etag"), None);
    // GRUB reads its files with open ranges.
    let response = client.ask("GET", "/boot/grub.cfg", "Range: bytes=4-\r\n");
    assert_eq!((response.status, response.text()), (206, &GRUB[4..]));
    let ends = world.files.wait_finished(2);
    assert_eq!(ends[0], (GRUB.len() as u64, Outcome::Complete));
}

#[test]
fn what_is_not_there_is_404_and_nothing_is_listed() {
    let world = world();
    let mut client = world.client();
    for target in ["/images/none.img", "/images/", "/images/../Cargo.toml", "/images/%2e%2e/x", "//images//"] {
        let response = client.get(target);
        assert_eq!((response.status, response.text()), (404, "{\"error\":\"Image not found\"}\n"), "{target}");
        assert_eq!(response.field("content-type"), Some("application/json"));
    }
    assert_eq!(client.get("/boot/none").text(), "{\"error\":\"file not found: boot/none\"}\n");
    let head = client.ask("HEAD", "/boot/none", "");
    assert_eq!(head.status, 404);
    let busy = client.get("/boot/busy");
    assert_eq!((busy.status, busy.field("retry-after")), (503, Some("1")));
    assert_eq!(client.get("/images/pi.img").status, 200, "the connection goes on");
    assert_eq!(world.files.wait_finished(1).len(), 1, "refusals are no transfers");
}

#[test]
fn only_get_and_head_are_allowed_on_files() {
    let world = world();
    let mut client = world.client();
    let response = client.ask("DELETE", "/images/pi.img", "");
    assert_eq!((response.status, response.field("allow")), (405, Some("GET, HEAD")));
    assert!(response.text().starts_with("{\"error\":"));
    assert_eq!(client.get("/images/pi.img").status, 200);
    // The body would be taken for a request.
    client.send("PUT /images/pi.img HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\nGET /images/pi.img HTTP/1.1\r\nHost:a\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.field("connection")), (405, Some("close")));
    client.assert_ended();
}

#[test]
fn section_9_3_connections_of_http_1_0() {
    let world = world();
    let mut client = world.client();
    client.send("GET /images/pi.img HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.response().field("connection"), Some("keep-alive"));
    client.send("GET /images/pi.img HTTP/1.0\r\n\r\n");
    let response = client.response();
    assert_eq!((response.field("connection"), &response.body[..]), (Some("close"), PI));
    client.assert_ended();

    let mut client = world.client();
    assert_eq!(client.ask("GET", "/images/pi.img", "Connection: close\r\n").field("connection"), Some("close"));
    client.assert_ended();
}

#[test]
fn a_file_that_became_shorter_ends_the_connection() {
    let world = world();
    world.files.put("images/shrinks.img", PI);
    let mut client = world.client();
    client.send("GET /images/shrinks.img HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().field("content-length"), Some("1020"));
    assert_eq!(client.rest(), PI);
    let (sent, outcome) = world.files.wait_finished(1).remove(0);
    assert!(matches!(&outcome, Outcome::Broken(why) if why.contains("shorter")), "{outcome:?}");
    assert_eq!(sent, 20);
}

#[test]
fn a_file_of_30_gb_is_served_past_every_32_bit_border() {
    const SIZE: u64 = 30_000_000_000;
    let world = world();
    let image = File::create(world.files.root.path().join("images/huge.img")).expect("a file");
    // Sparse: only these marks take room.
    image.set_len(SIZE).expect("a file system with sparse files");
    let marks =
        [(u64::from(u32::MAX) - 3, b"around 4 GiB"), (17_179_869_180, b"round 16 GiB"), (SIZE - 12, b"and the end.")];
    for (at, mark) in marks {
        image.write_all_at(mark, at).expect("room for a mark");
    }
    let mut client = world.client();
    assert_eq!(client.ask("HEAD", "/images/huge.img", "").field("content-length"), Some("30000000000"));
    for (at, mark) in marks {
        let range = format!("Range: bytes={at}-{}\r\n", at + 11);
        let response = client.ask("GET", "/images/huge.img", &range);
        assert_eq!((response.status, &response.body[..]), (206, &mark[..]), "{at}");
        assert_eq!(response.field("content-range"), Some(&*format!("bytes {at}-{}/{SIZE}", at + 11)));
    }
    assert_eq!(client.ask("GET", "/images/huge.img", "Range: bytes=-4\r\n").body, b"end.");
    let response = client.ask("GET", "/images/huge.img", &format!("Range: bytes={SIZE}-\r\n"));
    assert_eq!((response.status, response.field("content-range")), (416, Some("bytes */30000000000")));
    // A piece as a client fetches it that has four connections: 64 MiB across the border, by many sendfile calls.
    let (start, length) = (u64::from(u32::MAX) - (32 << 20), 64 << 20);
    let range = format!("Range: bytes={start}-{}\r\n", start + length - 1);
    let piece = client.ask("GET", "/images/huge.img", &range).body;
    assert_eq!(piece.len() as u64, length);
    let mark = ((32 << 20) - 3) as usize;
    assert_eq!(&piece[mark..mark + 12], b"around 4 GiB");
    assert!(piece[..mark].iter().chain(&piece[mark + 12..]).all(|byte| *byte == 0));
    let ends = world.files.wait_finished(5);
    assert!(ends.iter().all(|(_, outcome)| *outcome == Outcome::Complete), "{ends:?}");
}

#[test]
fn twenty_machines_at_once_get_the_same_64_mib() {
    let world = World::new(Limits::default());
    let mut random = fastrand::Rng::with_seed(64);
    let mut image = vec![0; 64 << 20];
    random.fill(&mut image);
    world.files.put("images/big.img", &image);
    let digest = Sha256::digest(&image);
    let address = world.address;
    std::thread::scope(|machines| {
        for _ in 0..20 {
            machines.spawn(|| {
                let mut client = Client::connect(address);
                client.send("GET /images/big.img HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                assert_eq!(client.head().field("content-length"), Some("67108864"));
                let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
                loop {
                    match client.read(&mut buffer) {
                        0 => break,
                        read => hash.update(&buffer[..read]),
                    }
                }
                assert_eq!(hash.finalize(), digest);
            });
        }
    });
    assert_eq!(world.files.wait_finished(20), vec![(64 << 20, Outcome::Complete); 20]);
}

#[test]
fn curl_agrees() {
    if Command::new("curl").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "curl is missing, and CI has to have it");
        eprintln!("SKIPPED: curl is not installed");
        return;
    }
    let world = world();
    let curl = |arguments: &[&str], target: &str| {
        let url = format!("http://{}{target}", world.address);
        let output = Command::new("curl").args(["-sS", "--max-time", "30"]).args(arguments).arg(url).output();
        let output = output.expect("curl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    assert_eq!(curl(&[], "/images/pi.img"), PI);
    assert_eq!(curl(&["--http1.0"], "/images/pi.img"), PI);
    assert_eq!(curl(&["-r", "5-9"], "/images/pi.img"), &PI[5..10]);
    assert_eq!(curl(&["-C", "15"], "/images/pi.img"), &PI[15..]);
    assert!(String::from_utf8_lossy(&curl(&["-I"], "/images/pi.img")).contains("Content-Length: 20"));
    // Larger than 1 MiB would be refused; past 1024 bytes curl asks with Expect.
    let body = "x".repeat(900_000);
    let upload = world.files.root.path().join("body");
    std::fs::write(&upload, &body).expect("a file");
    let data = format!("@{}", upload.display());
    assert_eq!(
        curl(&["--data-binary", &data, "-H", "Expect: 100-continue"], "/api/config"),
        format!("got {body}").as_bytes()
    );
    // --http2 asks to upgrade; we answer in HTTP/1.1 as if it had not.
    assert_eq!(curl(&["--http2"], "/images/pi.img"), PI);
    let url = format!("http://{}/images/pi.img", world.address);
    assert_eq!(curl(&["--http2", &url], "/images/pi.img"), [PI, PI].concat());
}
