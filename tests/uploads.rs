//! Images sent to the management side: the real binary, and what a browser, a program and a bad network do to it.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/manage.rs"]
mod manage;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hatchery::ids::hex;
use manage::{Answer, HATCHERY, PASSWORD, PATIENCE, Server};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const MIB: usize = 1 << 20;
const SERVE: [&str; 4] = [HATCHERY, "serve", "-c", "hatchery.toml"];

/// A server, and an operator's session there.
struct Room {
    server: Server,
    cookie: String,
    key: String,
}

impl Room {
    fn open() -> Room {
        let server = Server::start();
        let cookie = server.set_up();
        let key = server.get("/", &cookie).form_key();
        Room { server, cookie, key }
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut all = vec![("Cookie", self.cookie.as_str()), ("X-Form-Key", self.key.as_str())];
        all.extend(headers);
        request(self.server.pages, method, path, &all, body)
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.request(method, path, &[("Content-Type", "application/json")], body.to_string().as_bytes());
        (answer.code, serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("no JSON: {answer:?}")))
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.request("GET", path, &[], b"");
        serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("no JSON: {answer:?}"))
    }

    fn begin(&self, file: &str, size: usize) -> String {
        let (code, begun) = self.json("POST", "/api/v1/uploads", &wish(file, size));
        assert_eq!((code, &begun["offset"], &begun["state"]), (201, &json!(0), &json!("receiving")), "{begun}");
        begun["id"].as_str().expect("an id").to_owned()
    }

    fn piece(&self, id: &str, offset: usize, bytes: &[u8]) -> (u16, Value) {
        let offset = offset.to_string();
        let answer = self.request("PATCH", &format!("/api/v1/uploads/{id}"), &[("Upload-Offset", &offset)], bytes);
        (answer.code, serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("no JSON: {answer:?}")))
    }

    /// Sends so much of a piece that was announced as longer, and hangs up once the server has it.
    fn broken_piece(&self, id: &str, offset: usize, announced: usize, bytes: &[u8]) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.server.pages)).expect("a connection");
        let head = format!(
            "PATCH /api/v1/uploads/{id} HTTP/1.1\r\nHost: h\r\nCookie: {}\r\nX-Form-Key: {}\r\nUpload-Offset: {offset}\r\n\
             Content-Length: {announced}\r\n\r\n",
            self.cookie, self.key
        );
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(bytes).expect("sent");
        stream.shutdown(Shutdown::Write).expect("hung up");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }

    fn state(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/uploads/{id}"))
    }

    fn images(&self) -> PathBuf {
        self.server.directory.path().join("data/images")
    }

    /// What is in the image directory, what is hidden there, too.
    fn files(&self) -> Vec<String> {
        let list = |path: PathBuf| {
            let entries = fs::read_dir(path).into_iter().flatten();
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect::<Vec<_>>()
        };
        let mut all = list(self.images());
        all.retain(|name| name != ".uploads");
        all.extend(list(self.images().join(".uploads")).into_iter().map(|name| format!(".uploads/{name}")));
        all.sort();
        all
    }

    /// What a machine gets under that name.
    fn served(&self, name: &str) -> Answer {
        request(self.server.machines, "GET", &format!("/images/{name}"), &[], b"")
    }

    fn image(&self, file: &str) -> Option<Value> {
        let rows = self.get("/api/v1/images?limit=1000");
        rows["items"].as_array().expect("rows").iter().find(|row| row["file"] == file).cloned()
    }

    fn memory_and_descriptors(&self) -> (u64, usize) {
        let proc = PathBuf::from(format!("/proc/{}", self.server.pid()));
        let status = fs::read_to_string(proc.join("status")).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let kib = line.trim().trim_end_matches(" kB").parse().expect("a number");
        (kib, fs::read_dir(proc.join("fd")).expect("its descriptors").count())
    }
}

fn request(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes()).expect("a head sent");
    // One that was refused early is not read to its end.
    let _ = stream.write_all(body);
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    let reply = String::from_utf8_lossy(&reply).into_owned();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {method} {path}: {reply}"));
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code");
    Answer { code, head: head.to_owned(), body: body.to_owned() }
}

fn wish(file: &str, size: usize) -> Value {
    json!({ "file": file, "product_type": "KXP2", "size": size, "version": "4.2", "description": "from a test" })
}

/// Bytes that look like nothing, another sequence for each seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..length.div_ceil(8)).flat_map(|_| word().to_le_bytes()).take(length).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_upload_in_pieces_becomes_an_image_and_is_never_seen_half() {
    let room = Room::open();
    let bytes = noise(5 * MIB + 17, 1);
    let mut wished = wish("kxp2-4.2.img", bytes.len());
    wished["sha256"] = json!(sha256(&bytes));
    wished["activate"] = json!(true);
    let (code, begun) = room.json("POST", "/api/v1/uploads", &wished);
    assert_eq!(code, 201, "{begun}");
    let id = begun["id"].as_str().expect("an id");
    let half = 3 * MIB;
    let (code, state) = room.piece(id, 0, &bytes[..half]);
    assert_eq!((code, &state["offset"], &state["state"]), (200, &json!(half), &json!("receiving")));
    // Half of it is nobody's image: no list has it, and nobody gets it, whatever he calls it.
    assert_eq!(room.image("kxp2-4.2.img"), None);
    for name in ["kxp2-4.2.img", &format!(".uploads/{id}.part"), &format!(".uploads/{id}.json"), ".uploads/"] {
        assert_eq!(room.served(name).code, 404, "{name}");
    }
    assert_eq!(room.get("/api/v1/uploads")["items"][0]["offset"], half);
    let (code, state) = room.piece(id, half, &bytes[half..]);
    assert_eq!((code, &state["state"]), (200, &json!("done")), "{state}");
    let image = room.image("kxp2-4.2.img").expect("it is listed");
    assert_eq!((&image["sha256"], &image["size"]), (&json!(sha256(&bytes)), &json!(bytes.len())));
    assert_eq!((&image["version"], &image["description"]), (&json!("4.2"), &json!("from a test")));
    assert_eq!((&image["active"], &image["compression"]), (&json!(true), &json!("none")));
    assert_eq!(state["image"]["kind"], "unknown", "what was recognised is said");
    assert_eq!(room.served("kxp2-4.2.img").code, 200);
    assert_eq!(fs::read(room.images().join("kxp2-4.2.img")).expect("there"), bytes);
    assert_eq!(room.files(), ["kxp2-4.2.img"], "nothing else is left");
    assert_eq!(room.state(id)["state"], "done", "remembered for who asks late");
    let audit = room.get("/api/v1/audit");
    assert!(
        audit["items"]
            .as_array()
            .expect("rows")
            .iter()
            .any(|row| row["operation"] == "image add" && row["by"] == "anna"),
        "{audit}"
    );
}

#[test]
fn what_broke_off_goes_on_where_it_ended_also_after_kill_9() {
    let mut room = Room::open();
    // Compressed, so that what was there before the kill must be read anew to make sense of the rest.
    let raw = noise(6 * MIB, 2);
    let mut child = std::process::Command::new("gzip")
        .args(["-1", "-c"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("gzip: apt-get install gzip");
    let mut input = child.stdin.take().expect("piped");
    let unpacked = raw.clone();
    let feeder = std::thread::spawn(move || input.write_all(&unpacked).expect("it reads"));
    let bytes = child.wait_with_output().expect("it ends").stdout;
    feeder.join().expect("it was fed");
    let id = room.begin("a.img.gz", bytes.len());
    room.broken_piece(&id, 0, bytes.len(), &bytes[..2 * MIB]);
    let offset = wait_for("what came before the cut", || {
        room.state(&id)["offset"].as_u64().map(|offset| offset as usize).filter(|offset| *offset == 2 * MIB)
    });
    let (code, refused) = room.piece(&id, 0, &bytes);
    assert_eq!((code, &refused["code"]), (409, &json!("conflict")), "{refused}");
    assert!(refused["error"].as_str().is_some_and(|text| text.contains("go on from there")), "{refused}");
    let (code, _) = room.piece(&id, offset, &bytes[offset..3 * MIB]);
    assert_eq!(code, 200);
    room.server.start_again(&SERVE);
    // What was acknowledged is there.
    let offset = room.state(&id)["offset"].as_u64().expect("it is known") as usize;
    assert_eq!(offset, 3 * MIB);
    assert_eq!(room.served("a.img.gz").code, 404);
    let (code, state) = room.piece(&id, offset, &bytes[offset..]);
    assert_eq!((code, &state["state"]), (200, &json!("done")), "{state}");
    let image = room.image("a.img.gz").expect("it is listed");
    assert_eq!((&image["sha256"], &image["raw_sha256"]), (&json!(sha256(&bytes)), &json!(sha256(&raw))));
    assert_eq!((&image["compression"], &image["raw_size"]), (&json!("gzip"), &json!(raw.len())));
    assert_eq!(room.files(), ["a.img.gz"]);
}

#[test]
fn a_server_killed_while_it_receives_goes_on_with_what_is_certainly_on_disk() {
    let mut room = Room::open();
    let bytes = noise(4 * MIB, 3);
    let id = room.begin("a.img", bytes.len());
    room.piece(&id, 0, &bytes[..MIB]);
    // A request under way when the server dies.
    let mut stream = TcpStream::connect(("127.0.0.1", room.server.pages)).expect("a connection");
    let head = format!(
        "PATCH /api/v1/uploads/{id} HTTP/1.1\r\nHost: h\r\nCookie: {}\r\nX-Form-Key: {}\r\nUpload-Offset: {MIB}\r\n\
         Content-Length: {}\r\n\r\n",
        room.cookie,
        room.key,
        bytes.len() - MIB
    );
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(&bytes[MIB..3 * MIB]).expect("sent");
    wait_for("bytes under way", || (room.state(&id)["offset"].as_u64() > Some(MIB as u64)).then_some(()));
    room.server.start_again(&SERVE);
    let offset = room.state(&id)["offset"].as_u64().expect("it is known") as usize;
    assert_eq!(offset, MIB, "what was not acknowledged is not counted on");
    // Nor does anything else of the kind stay: a stray file goes, an old one too.
    let hidden = room.images().join(".uploads");
    fs::write(hidden.join("stray.part"), "x").expect("written");
    let old = hidden.join(format!("{id}.json"));
    room.server.kill();
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(25 * 3600);
    fs::File::open(&old).and_then(|file| file.set_modified(long_ago)).expect("a time");
    room.server.start_again(&SERVE);
    wait_for("what nobody went on with for a day to go", || room.files().is_empty().then_some(()));
    assert_eq!(room.request("GET", &format!("/api/v1/uploads/{id}"), &[], b"").code, 404);
}

#[test]
fn killed_between_the_last_byte_and_the_word_that_it_was_the_last_it_becomes_an_image() {
    let mut room = Room::open();
    let bytes = noise(2 * MIB, 11);
    let id = room.begin("a.img", bytes.len());
    room.piece(&id, 0, &bytes[..MIB]);
    room.server.kill();
    // What such a server leaves: all bytes on disk for certain, and a note that does not call them whole.
    let hidden = room.images().join(".uploads");
    fs::write(hidden.join(format!("{id}.part")), &bytes).expect("written");
    let path = hidden.join(format!("{id}.json"));
    let mut note: Value = serde_json::from_slice(&fs::read(&path).expect("a note")).expect("JSON");
    assert_eq!((&note["synced"], &note["whole"]), (&json!(MIB), &json!(false)), "{note}");
    note["synced"] = json!(bytes.len());
    fs::write(&path, note.to_string()).expect("written");
    room.server.start_again(&SERVE);
    // Who sent it may ask whether all of it is there, and begins nothing twice.
    let empty = room.piece(&id, bytes.len(), b"");
    assert!(matches!(empty.0, 200 | 404), "{empty:?}");
    let image = wait_for("the image", || room.image("a.img"));
    assert_eq!(image["sha256"], sha256(&bytes));
    assert_eq!(room.files(), ["a.img"]);
}

/// A file and its row in the list are both there or both gone, whenever the server dies.
#[test]
fn killed_while_an_image_comes_or_goes_there_is_all_of_it_or_nothing() {
    let mut room = Room::open();
    let bytes = noise(MIB, 9);
    for round in 0..16 {
        let file = format!("{round}.img");
        let id = room.begin(&file, bytes.len());
        let send = {
            let (port, cookie, key) = (room.server.pages, room.cookie.clone(), room.key.clone());
            let (path, bytes) = (format!("/api/v1/uploads/{id}"), bytes.clone());
            std::thread::spawn(move || {
                let headers = [("Cookie", cookie.as_str()), ("X-Form-Key", key.as_str()), ("Upload-Offset", "0")];
                // Nobody answers once the server is dead.
                std::panic::catch_unwind(|| request(port, "PATCH", &path, &headers, &bytes)).ok();
            })
        };
        std::thread::sleep(Duration::from_millis(round * 4));
        room.server.start_again(&SERVE);
        send.join().expect("it ended");
        let image = wait_for("the image", || {
            let answer = room.request("GET", &format!("/api/v1/uploads/{id}"), &[], b"");
            if answer.code == 200 {
                let state: Value = serde_json::from_str(&answer.body).expect("JSON");
                let offset = state["offset"].as_u64().expect("a number") as usize;
                if state["state"] == "receiving" {
                    room.piece(&id, offset, &bytes[offset..]);
                    return None;
                }
            }
            room.image(&file).filter(|image| !image["sha256"].is_null())
        });
        assert_eq!(image["sha256"], sha256(&bytes), "round {round}");
        wait_for("nothing but the image", || (room.files() == [file.as_str()]).then_some(()));

        let go = {
            let (port, cookie, key) = (room.server.pages, room.cookie.clone(), room.key.clone());
            let path = format!("/api/v1/images/KXP2/{file}");
            std::thread::spawn(move || {
                let headers = [("Cookie", cookie.as_str()), ("X-Form-Key", key.as_str())];
                std::panic::catch_unwind(|| request(port, "DELETE", &path, &headers, b"")).ok();
            })
        };
        std::thread::sleep(Duration::from_millis(round));
        room.server.start_again(&SERVE);
        go.join().expect("it ended");
        wait_for("all of it or nothing", || (room.image(&file).is_some() != room.files().is_empty()).then_some(()));
        if room.image(&file).is_some() {
            assert_eq!(room.json("DELETE", &format!("/api/v1/images/KXP2/{file}"), &json!({})).0, 200);
        }
        assert_eq!(room.files(), Vec::<String>::new(), "round {round}");
    }
}

#[test]
fn wrong_bytes_are_refused_and_gone() {
    let room = Room::open();
    let bytes = noise(2 * MIB, 4);
    let mut wished = wish("a.img", bytes.len());
    wished["sha256"] = json!(sha256(b"something else"));
    let (_, begun) = room.json("POST", "/api/v1/uploads", &wished);
    let id = begun["id"].as_str().expect("an id");
    let (code, refused) = room.piece(id, 0, &bytes);
    assert_eq!(code, 400, "{refused}");
    let said = refused["error"].as_str().expect("a sentence");
    assert!(said.contains(&sha256(&bytes)) && said.contains("nothing was kept"), "{said}");
    assert_eq!(room.state(id)["state"], "failed");
    assert_eq!(room.files(), Vec::<String>::new());
    // What is no image is refused long before its end.
    let id = room.begin("b.img", 64 * MIB);
    let zip = [b"PK\x03\x04".as_slice(), &bytes].concat();
    let (mut code, mut refused) = room.piece(&id, 0, &zip);
    if code == 200 {
        // The reader looked a moment later.
        (code, refused) = room.piece(&id, zip.len(), &bytes);
    }
    assert_eq!(code, 400, "{refused}");
    assert!(refused["error"].as_str().is_some_and(|text| text.contains("unpack it")), "{refused}");
    // More than was announced.
    let id = room.begin("c.img", MIB);
    assert_eq!(room.piece(&id, 0, &bytes).0, 400);
    assert_eq!((room.files(), room.image("a.img"), room.image("c.img")), (Vec::new(), None, None));
}

#[test]
fn an_upload_is_ended_and_one_name_has_one_upload() {
    let room = Room::open();
    let bytes = noise(MIB, 5);
    let id = room.begin("a.img", 4 * MIB);
    room.piece(&id, 0, &bytes);
    let (code, refused) = room.json("POST", "/api/v1/uploads", &wish("a.img", MIB));
    assert_eq!(code, 409, "{refused}");
    assert!(refused["error"].as_str().is_some_and(|text| text.contains(&id)), "it says which: {refused}");
    let (code, said) = room.json("DELETE", &format!("/api/v1/uploads/{id}"), &json!({}));
    assert_eq!((code, said["message"].as_str()), (200, Some("The upload of a.img is ended")));
    assert_eq!(room.files(), Vec::<String>::new());
    assert_eq!(room.piece(&id, MIB, &bytes).0, 404);
    // A name that a file has is never overwritten.
    fs::write(room.images().join("a.img"), "of somebody").expect("written");
    let (code, refused) = room.json("POST", "/api/v1/uploads", &wish("a.img", MIB));
    assert_eq!(code, 409, "{refused}");
    // Also if it got there meanwhile.
    let id = room.begin("b.img", bytes.len());
    fs::write(room.images().join("b.img"), "of somebody").expect("written");
    let (code, refused) = room.piece(&id, 0, &bytes);
    assert_eq!(code, 409, "{refused}");
    assert_eq!(fs::read(room.images().join("b.img")).expect("there"), b"of somebody");
    assert_eq!(room.files(), ["a.img", "b.img"]);
}

#[test]
fn names_that_are_paths_or_hidden_are_refused() {
    let room = Room::open();
    for name in [
        "",
        ".",
        "..",
        "../a.img",
        "/etc/passwd",
        "a/b.img",
        "a\\b.img",
        ".hidden.img",
        ".uploads",
        "-rf.img",
        "a.img.part",
        "a b.img",
        "a\u{0}.img",
        "ä.img",
        "<b>.img",
        "a.img\n",
        &"a".repeat(121),
    ] {
        let (code, refused) = room.json("POST", "/api/v1/uploads", &wish(name, 10));
        assert_eq!((code, &refused["code"]), (400, &json!("invalid")), "{name:?}: {refused}");
    }
    let mut wished = wish("a.img", 10);
    wished["product_type"] = json!("NONE");
    assert_eq!(room.json("POST", "/api/v1/uploads", &wished).0, 400);
    assert_eq!(room.json("POST", "/api/v1/uploads", &wish("a.img", 0)).0, 400);
    let answer = room.request("GET", "/api/v1/uploads/..%2f..%2fetc", &[], b"");
    assert_eq!(answer.code, 404, "{answer:?}");
    assert_eq!(room.files(), Vec::<String>::new());
    assert!(!room.server.directory.path().join("data/a.img").exists());
}

#[test]
fn a_viewer_looks_and_sends_nothing() {
    let room = Room::open();
    let user = json!({ "name": "vera", "role": "viewer", "password": PASSWORD });
    assert_eq!(room.json("POST", "/api/v1/users", &user).0, 201);
    let id = room.begin("a.img", MIB);
    let cookie = room.server.log_in("vera", PASSWORD).cookie();
    let key = room.server.get("/", &cookie).form_key();
    let viewer = Room { server: room.server, cookie, key };
    assert_eq!(viewer.state(&id)["state"], "receiving");
    assert_eq!(viewer.json("POST", "/api/v1/uploads", &wish("b.img", MIB)).0, 403);
    assert_eq!(viewer.piece(&id, 0, b"x").0, 403);
    assert_eq!(viewer.json("DELETE", &format!("/api/v1/uploads/{id}"), &json!({})).0, 403);
    assert_eq!(viewer.state(&id)["offset"], 0);
    // Without a login there is nothing at all, and another site's script has no form key.
    let port = viewer.server.pages;
    assert_eq!(request(port, "GET", &format!("/api/v1/uploads/{id}"), &[], b"").code, 401);
    let cookie = [("Cookie", viewer.cookie.as_str()), ("Upload-Offset", "0")];
    assert_eq!(request(port, "PATCH", &format!("/api/v1/uploads/{id}"), &cookie, b"x").code, 403);
}

#[test]
fn a_thousand_that_begin_and_never_go_on_cost_little() {
    let room = Room::open();
    let before = room.memory_and_descriptors();
    let mut codes = std::collections::BTreeMap::<u16, usize>::new();
    for n in 0..1000 {
        *codes.entry(room.json("POST", "/api/v1/uploads", &wish(&format!("{n}.img"), 10 * MIB)).0).or_default() += 1;
    }
    let after = room.memory_and_descriptors();
    assert_eq!((codes[&201], codes[&503]), (16, 984), "{codes:?}");
    assert!(after.0 < before.0 + 16 * 1024, "memory in KiB: {before:?}, {after:?}");
    assert!(after.1 <= before.1 + 20, "descriptors: {before:?}, {after:?}");
    let first = room.get("/api/v1/uploads")["items"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(room.json("DELETE", &format!("/api/v1/uploads/{first}"), &json!({})).0, 200);
    assert_eq!(room.json("POST", "/api/v1/uploads", &wish("next.img", MIB)).0, 201, "a place is free again");
}

#[test]
fn memory_does_not_grow_with_the_image() {
    let room = Room::open();
    let piece = noise(16 * MIB, 6);
    let (pieces, id) = (16, room.begin("large.img", 16 * 16 * MIB));
    room.piece(&id, 0, &piece);
    let before = room.memory_and_descriptors();
    for n in 1..pieces {
        let (code, state) = room.piece(&id, n * piece.len(), &piece);
        assert!(code == 200 || code == 202, "{state}");
    }
    let after = room.memory_and_descriptors();
    assert!(after.0 < before.0 + 16 * 1024, "memory in KiB: {before:?}, {after:?}");
    wait_for("the image", || room.image("large.img"));
}

fn multipart(fields: &[(&str, &str)], file: &str, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--xyz\r\nContent-Disposition: form-data; name=\"image\"; filename=\"{file}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--xyz--\r\n");
    body
}

#[test]
fn a_form_is_one_way_in_for_old_programs_and_for_browsers_without_scripts() {
    let room = Room::open();
    let bytes = noise(3 * MIB, 7);
    let content = ("Content-Type", "multipart/form-data; boundary=xyz");
    let fields = [("product_type", "KXP2"), ("version", "5.0")];
    let answer = room.request("POST", "/api/images/upload", &[content], &multipart(&fields, "old.img", &bytes));
    assert_eq!(answer.code, 200, "{answer:?}");
    let said: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!((&said["success"], &said["checksum"]), (&json!(true), &json!(sha256(&bytes))));
    assert_eq!((&said["filename"], &said["version"]), (&json!("old.img"), &json!("5.0")));
    let refused = |fields: &[(&str, &str)], file: &str, bytes: &[u8]| {
        let answer = room.request("POST", "/api/images/upload", &[content], &multipart(fields, file, bytes));
        let said: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(said["success"], false);
        (answer.code, said["message"].as_str().unwrap_or_default().to_owned())
    };
    let (code, said) = refused(&[("product_type", "ABC")], "x.img", &bytes);
    assert_eq!(code, 400);
    assert!(said.contains("Invalid product_type: ABC. Must be 'KXP2' or 'RXP2'"), "{said}");
    assert_eq!(refused(&fields, "../x.img", &bytes).0, 400);
    assert_eq!(refused(&fields, "old.img", &bytes).0, 400, "it is there already");
    // Broken off: what came of it is gone at once.
    let form = multipart(&fields, "cut.img", &bytes);
    let head = format!(
        "POST /api/images/upload HTTP/1.1\r\nHost: h\r\nCookie: {}\r\nX-Form-Key: {}\r\n{}: {}\r\n\
         Content-Length: {}\r\n\r\n",
        room.cookie,
        room.key,
        content.0,
        content.1,
        form.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", room.server.pages)).expect("a connection");
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(&form[..2 * MIB]).expect("sent");
    wait_for("the upload", || room.get("/api/v1/uploads")["items"][0]["id"].as_str().map(str::to_owned));
    drop(stream);
    wait_for("the end of it", || (room.files() == ["old.img"]).then_some(()));

    // The page's own form: its key comes in its first field.
    let page = |form_key: &str, file: &str| {
        let fields = [("form_key", form_key), ("product_type", "RXP2"), ("version", ""), ("activate", "yes")];
        let headers = [("Cookie", room.cookie.as_str()), content];
        request(room.server.pages, "POST", "/images", &headers, &multipart(&fields, file, &bytes))
    };
    assert_eq!(page("wrong", "page.img").code, 403);
    let answer = page(&room.key, "page.img");
    assert_eq!((answer.code, answer.header("location")), (303, Some("/images")), "{answer:?}");
    assert_eq!(room.image("page.img").expect("it is listed")["active"], true);
    let answer = page(&room.key, "page.img");
    assert_eq!(answer.code, 409, "{answer:?}");
    assert!(answer.body.contains("page.img is there already"), "the page says why");
    assert_eq!(room.files(), ["old.img", "page.img"]);
}

#[test]
fn a_full_disk_ends_the_upload_and_leaves_nothing() {
    let mut room = Room::open();
    // The image directory on a small disk of its own, in a mount namespace that ends with the server.
    let script = "mount -t tmpfs -o size=24m none data/images && exec \"$@\"";
    let tool = ["unshare", "-rm", "sh", "-c", script, "sh"];
    let probe = std::process::Command::new("unshare").args(["-rm", "true"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must be able to make namespaces");
        eprintln!("SKIPPED: this system bars mount namespaces to this user");
        return;
    }
    room.server.start_again(&[&tool[..], &SERVE].concat());
    let images = PathBuf::from(format!("/proc/{}/root", room.server.pid()))
        .join(room.images().strip_prefix("/").expect("an absolute path"));
    let (code, refused) = room.json("POST", "/api/v1/uploads", &wish("large.img", 30 * MIB));
    assert_eq!((code, &refused["code"]), (507, &json!("no-room")), "{refused}");
    assert!(refused["error"].as_str().is_some_and(|text| text.contains("it has 30 MiB, and 2")), "{refused}");
    // There is room when it begins, and none in the middle.
    let id = room.begin("a.img", 16 * MIB);
    let (code, refused) = room.json("POST", "/api/v1/uploads", &wish("b.img", 12 * MIB));
    assert_eq!(code, 507, "what was promised to one is not promised to another: {refused}");
    let bytes = noise(16 * MIB, 8);
    assert_eq!(room.piece(&id, 0, &bytes[..4 * MIB]).0, 200);
    let filler = images.join("filler");
    fs::write(&filler, vec![0xaa; 14 * MIB]).expect("it fits");
    let (code, refused) = room.piece(&id, 4 * MIB, &bytes[4 * MIB..]);
    assert_eq!((code, &refused["code"]), (507, &json!("no-room")), "{refused}");
    assert!(refused["error"].as_str().is_some_and(|text| text.contains("the disk is full")), "{refused}");
    let left: Vec<_> = fs::read_dir(images.join(".uploads")).expect("there").collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(fs::metadata(&filler).expect("there").len(), 14 * MIB as u64);
    assert_eq!(room.image("a.img"), None);
    fs::remove_file(&filler).expect("room again");
    // Who measured the upload while it came lets go of its file in a moment of its own.
    let id = wait_for("the room that it took", || {
        let (code, begun) = room.json("POST", "/api/v1/uploads", &wish("a.img", bytes.len()));
        (code == 201).then(|| begun["id"].as_str().expect("an id").to_owned())
    });
    let (code, state) = room.piece(&id, 0, &bytes);
    assert_eq!((code, &state["state"]), (200, &json!("done")), "{state}");
}

#[test]
fn an_image_is_described_deprecated_and_removed_and_no_kill_leaves_half_of_it() {
    let mut room = Room::open();
    let send = |room: &Room, file: &str, activate: bool| {
        let bytes = noise(MIB, file.len() as u64);
        let mut wished = wish(file, bytes.len());
        wished["activate"] = json!(activate);
        let (_, begun) = room.json("POST", "/api/v1/uploads", &wished);
        let (code, state) = room.piece(begun["id"].as_str().expect("an id"), 0, &bytes);
        assert_eq!((code, &state["state"]), (200, &json!("done")), "{state}");
    };
    send(&room, "one.img", true);
    send(&room, "two.img.x", false);
    let change = json!({ "description": "<b>for tests</b>", "deprecated": true });
    let (code, image) = room.json("PATCH", "/api/v1/images/KXP2/two.img.x", &change);
    assert_eq!((code, &image["description"]), (200, &json!("<b>for tests</b>")), "{image}");
    assert!(image["deprecated_since"].is_string());
    let page = room.request("GET", "/images", &[], b"").body;
    assert!(page.contains("deprecated") && !page.contains("<b>for tests") && page.contains("id=\"upload\""), "{page}");
    let (code, refused) = room.json("POST", "/api/v1/images/KXP2/two.img.x/activate", &json!({}));
    assert_eq!((code, &refused["code"]), (409, &json!("conflict")), "{refused}");
    let (code, refused) = room.json("DELETE", "/api/v1/images/KXP2/one.img", &json!({}));
    assert_eq!((code, &refused["error"]), (409, &json!("KXP2 gets one.img: activate another image first")));
    let (code, said) = room.json("DELETE", "/api/v1/images/KXP2/two.img.x", &json!({}));
    assert_eq!((code, &said["message"]), (200, &json!("KXP2 two.img.x is removed")), "{said}");
    assert_eq!((room.files(), room.image("two.img.x")), (vec!["one.img".to_owned()], None));
    assert_eq!(room.request("GET", "/api/v1/images/KXP2/two.img.x", &[], b"").code, 404);

    // A file that cannot be taken away yet: the journal's word stands, and the next start goes on from there, as after a
    // kill in between.
    send(&room, "three.img", false);
    let path = room.images().join("three.img");
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("something that is no file");
    let (code, said) = room.json("DELETE", "/api/v1/images/KXP2/three.img", &json!({}));
    assert_eq!((code, &said["code"]), (500, &json!("internal")), "{said}");
    assert_eq!(room.image("three.img"), None, "no image any more");
    assert_eq!(room.served("three.img").code, 404);
    fs::remove_dir(&path).expect("removed");
    fs::write(&path, "left over").expect("written");
    room.server.start_again(&SERVE);
    wait_for("the rest of it to go", || (!path.exists()).then_some(()));
    assert_eq!(room.image("three.img"), None);
    wait_for("the name to be free", || {
        let (code, begun) = room.json("POST", "/api/v1/uploads", &wish("three.img", MIB));
        (code == 201).then(|| begun["id"].as_str().expect("an id").to_owned())
    });
    assert!(fs::metadata(room.images().join("one.img")).is_ok_and(|metadata| metadata.size() == MIB as u64));
}
