//! The reporter against a server that is really there, goes away, refuses, and comes back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;
use crate::net::Mac;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that answers the statuses given, one a request, then 200; and what it was told.
fn server(statuses: &'static [u16]) -> (Server, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut statuses = statuses.iter();
        for stream in listener.incoming().map_while(Result::ok) {
            let status = *statuses.next().unwrap_or(&200);
            // Known here before the reporter is told that it was heard.
            if tell.send(read(&stream)).is_err() {
                return;
            }
            let reply = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
            (&stream).write_all(reply.as_bytes()).expect("a reply");
        }
    });
    (Server::new(&format!("http://{address}")), told)
}

/// Reads one request: its path and body.
fn read(stream: &TcpStream) -> (String, Value) {
    let mut reader = BufReader::new(stream);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line of the head");
        let line = line.trim_end();
        if let Some(rest) = line.strip_prefix("POST ") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        } else if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = text.parse().expect("a length");
        } else if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    (path, serde_json::from_slice(&body).expect("JSON"))
}

fn reporter() -> (Reporter, Arc<Board>) {
    let board = Arc::new(Board::default());
    board.change(|facts| {
        facts.serial = Some("10000000d9780558".into());
        facts.mac = Some(Mac([2, 0, 0, 0, 0, 1]));
    });
    (Reporter::start(Arc::clone(&board)), board)
}

#[test]
fn what_was_said_before_there_was_a_server_is_told_in_order() {
    let (reporter, _) = reporter();
    reporter.line(Level::Info, "driver virtio_net");
    reporter.line(Level::Warning, "no link yet");
    reporter.step("starting", None);
    reporter.step("failed", Some("There is no drive."));
    assert!(!reporter.heard(Duration::ZERO));
    let (server, told) = server(&[]);
    reporter.to(server);
    assert!(reporter.heard(PATIENCE));
    let all: Vec<(String, Value)> = told.try_iter().collect();
    let paths: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/api/log", "/api/status", "/api/status"]);
    assert_eq!(all[0].1["lines"].as_array().map(Vec::len), Some(2));
    assert_eq!(all[0].1["lines"][1]["level"], "warning");
    assert_eq!(
        all[1].1,
        json!({"status": "starting", "serial_number": "10000000d9780558", "mac_address": "02:00:00:00:00:01"})
    );
    assert_eq!(all[2].1["error_message"], "There is no drive.");
}

#[test]
fn a_step_is_told_until_it_is_heard_and_a_refusal_is_an_answer() {
    let (reporter, board) = reporter();
    board.change(|facts| facts.reinstalls = Some(2));
    let (server, told) = server(&[503, 500, 200, 400]);
    reporter.to(server);
    reporter.step("downloading", None);
    reporter.step("verifying", None);
    assert!(reporter.heard(PATIENCE));
    let all: Vec<Value> = told.try_iter().map(|(_, body)| body).collect();
    assert!(all.iter().all(|body| body["reinstalls"] == 2), "each says of which run it is: {all:?}");
    let words: Vec<&Value> = all.iter().map(|body| &body["status"]).collect();
    assert_eq!(words, ["downloading", "downloading", "downloading", "verifying"]);
    assert_eq!(board.facts().unheard, None);
}

#[test]
fn numbers_are_told_while_there_is_work() {
    let (reporter, board) = reporter();
    let (server, told) = server(&[]);
    board.stage("downloading", "Writing");
    board.progress(10, 100, Instant::now());
    reporter.to(server);
    let (path, body) = told.recv_timeout(PATIENCE).expect("numbers");
    assert_eq!(path, "/api/progress");
    assert_eq!((&body["stage"], &body["bytes"], &body["total"]), (&json!("downloading"), &json!(10), &json!(100)));
    assert_eq!(body["mac_address"], "02:00:00:00:00:01");
    board.change(|facts| facts.outcome = Some(crate::installer::board::Outcome::Done { next: String::new() }));
    assert!(numbers(&board.facts()).is_none());
}

#[test]
fn a_server_that_is_away_is_shown_and_old_lines_make_room_but_steps_do_not() {
    let (reporter, board) = reporter();
    reporter.step("starting", None);
    for n in 0..2 * ENTRIES_MAX {
        reporter.line(Level::Info, &format!("{n} {}", "\u{e9}".repeat(LINE_BYTES_MAX)));
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = listener.local_addr().expect("an address");
    drop(listener);
    reporter.to(Server::new(&format!("http://{nobody}")));
    assert!(!reporter.heard(Duration::from_millis(100)));
    let (server, told) = server(&[]);
    reporter.to(server);
    assert!(reporter.heard(PATIENCE));
    assert_eq!(board.facts().unheard, None);
    let all: Vec<(String, Value)> = told.try_iter().collect();
    assert_eq!(all[0].1["status"], "starting");
    let lines: usize = all.iter().filter_map(|(_, body)| body["lines"].as_array().map(Vec::len)).sum();
    assert_eq!(lines, ENTRIES_MAX - 1);
}
