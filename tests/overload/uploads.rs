//! Uploads by the thousand that are begun and not ended.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hatchery::load::bench::PRODUCT;
use hatchery::serve::control::Request;
use serde_json::json;

use crate::crowd::{Crowd, PAGES};
use crate::inside::inside;

/// Addresses that upload, and how many uploads each begins.
const SENDERS: (u8, usize) = (20, 50);

#[test]
fn twenty_machines_finish_beside_a_thousand_half_open_uploads() {
    if !inside("uploads::twenty_machines_finish_beside_a_thousand_half_open_uploads") {
        return;
    }
    let crowd = Crowd::new("");
    let request = Request::TokenAdd { name: "crowd".into(), role: "operator".into(), scopes: vec![], days: None };
    let token = crowd.table.ask(&request)["token"].as_str().expect("its secret").to_owned();
    let head = |method: &str, path: &str, length: usize, more: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {PAGES}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n{more}\r\n"
        )
    };
    let (mut begun, mut held): (usize, Vec<TcpStream>) = (0, Vec::new());
    for n in 1..=SENDERS.0 {
        for (index, mut stream) in crowd.connect_pages(n..=n, SENDERS.1).into_iter().enumerate() {
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
            let file = format!("half-{n}-{index}.img");
            let wish = json!({ "file": file, "product_type": PRODUCT, "size": 100_000 }).to_string();
            if stream.write_all((head("POST", "/api/v1/uploads", wish.len(), "") + &wish).as_bytes()).is_err() {
                continue;
            }
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).unwrap_or(0);
            let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let id = answer.split_once("\"id\":\"").and_then(|(_, rest)| rest.split('"').next());
            match id {
                Some(id) if answer.starts_with("HTTP/1.1 201") => {
                    begun += 1;
                    let path = format!("/api/v1/uploads/{id}");
                    let piece = head("PATCH", &path, 100_000, "Upload-Offset: 0\r\n") + "half of it";
                    stream.write_all(piece.as_bytes()).expect("half a piece");
                }
                _ => assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 503"), "{answer}"),
            }
            held.push(stream);
        }
    }
    assert_eq!(begun, 16, "so many at once");
    crowd.boot();
    let turned_away = crowd.counted("hatchery_shed_total{limit=\"uploads under way");
    println!("{turned_away} uploads turned away");
    assert!(turned_away > 0.0);
    crowd.is_well();
    drop(held);
}
