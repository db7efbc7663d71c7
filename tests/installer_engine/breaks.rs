//! Downloads that break in every way: what arrives is byte for byte the image, or nothing boots.

use std::fs;
use std::time::Duration;

use hatchery::disk::compression::Compression;
use hatchery::installer::job::{Failure, Installed};

use crate::bench::{Watcher, install, job};
use crate::images::{MIB, used_drive};
use crate::server::{Fault, Request, Server};
use crate::whole::{assert_dead, raw};

/// Installs over a server with these faults; what came of it, what was asked, what was said.
fn through(
    faults: impl FnMut(&Request) -> Fault + Send + 'static,
) -> (Result<Installed, Failure>, Vec<Request>, Watcher) {
    let directory = tempfile::tempdir().expect("a directory");
    let raw = raw();
    let server = Server::start(raw.clone(), faults);
    let target = used_drive(&directory.path().join("drive"), 48 * MIB);
    let watcher = Watcher::default();
    let done = install(&job(server.url(), &raw, Compression::None, raw.len()), &target, &watcher);
    match &done {
        Ok(_) => assert!(fs::read(&target).expect("the drive")[..raw.len()] == raw[..], "the image is on the drive"),
        Err(_) => assert_dead(&target),
    }
    (done, server.requests(), watcher)
}

#[test]
fn a_connection_that_is_cut_is_resumed_where_it_stopped() {
    // Odd places, among them none at all.
    let cuts = [0, 1, 4095, 5_000_001, 1 << 20, 0, 8_388_608];
    let (done, requests, watcher) =
        through(move |request| Fault { cut: cuts.get(request.number).copied(), ..Fault::default() });
    let done = done.expect("it goes on");
    assert_eq!(requests.len(), cuts.len() + 1);
    assert!(done.resumed >= 4, "{}", done.resumed);
    let mut at = 0;
    for (request, cut) in requests.iter().skip(1).zip(cuts) {
        at += cut as u64;
        assert_eq!(request.range.map_or(0, |range| range.0), at, "{request:?}");
        if at > 0 {
            assert_eq!(request.if_range.as_deref(), Some("\"v1\""), "{request:?}");
        }
    }
    assert!(watcher.said("broke off") && watcher.said("goes on at byte"));
}

#[test]
fn a_server_that_falls_silent_is_asked_again() {
    let (done, requests, _) = through(|request| match request.number {
        0 => Fault { stall: Some(3_000_000), ..Fault::default() },
        1 => Fault { stall: Some(0), ..Fault::default() },
        _ => Fault::default(),
    });
    assert_eq!(done.expect("it goes on").resumed, 1);
    assert_eq!(requests.len(), 3);
}

#[test]
fn a_server_that_restarts_is_waited_for() {
    let (done, _, _) = through(|request| match request.number {
        0 => Fault { cut: Some(2 << 20), ..Fault::default() },
        1..=3 => Fault { status: Some(503), ..Fault::default() },
        _ => Fault::default(),
    });
    done.expect("it goes on");
}

#[test]
fn a_server_without_ranges_is_read_past_what_is_there() {
    let (done, _, _) = through(|request| Fault {
        cut: (request.number < 3).then_some((request.number + 1) * 5_000_000),
        no_ranges: true,
        ..Fault::default()
    });
    assert_eq!(done.expect("it goes on").resumed, 3);
}

#[test]
fn a_part_from_another_place_is_not_taken() {
    let (done, _, watcher) = through(|request| match request.number {
        0 => Fault { cut: Some(1_000_000), ..Fault::default() },
        1 | 2 => Fault { shifted: 512, ..Fault::default() },
        _ => Fault::default(),
    });
    assert_eq!(done.expect("the right part came later").resumed, 1);
    assert!(watcher.said("broke off"));
}

#[test]
fn a_file_that_was_replaced_is_never_mixed_with_the_old_one() {
    let (done, requests, _) = through(|request| match request.number {
        0 => Fault { cut: Some(6_000_000), ..Fault::default() },
        _ => Fault { replaced: true, ..Fault::default() },
    });
    let failure = done.expect_err("another file");
    assert!(matches!(failure, Failure::Changed { .. }), "{failure}");
    assert!(failure.may_pass());
    assert_eq!(requests.len(), 2);
}

#[test]
fn a_server_that_never_comes_back_is_a_failure() {
    let (done, _, _) = through(|request| match request.number {
        0 => Fault { cut: Some(6_000_000), ..Fault::default() },
        _ => Fault { status: Some(500), ..Fault::default() },
    });
    let failure = done.expect_err("nobody answers");
    assert!(matches!(failure, Failure::Silent { seconds: 5.., .. }), "{failure}");
    assert!(failure.to_string().contains("the server answered 500"), "{failure}");
}

#[test]
fn an_image_that_is_not_there_is_a_failure_at_once() {
    let (done, requests, _) = through(|_| Fault { status: Some(404), ..Fault::default() });
    assert!(matches!(done, Err(Failure::Refused { status: 404, .. })), "{done:?}");
    assert_eq!(requests.len(), 1);
}

#[test]
fn a_slow_server_is_not_a_silent_one() {
    // Longer in all than the patience for a silence, never silent.
    let pause = Duration::from_millis(12);
    let (done, requests, _) = through(move |_| Fault { slow: Some(pause), ..Fault::default() });
    assert_eq!(done.expect("it arrives").resumed, 0);
    assert_eq!(requests.len(), 1);
}
