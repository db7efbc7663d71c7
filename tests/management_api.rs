//! The management API as programs see it: every route of `/api/v1` and of the system that hatchery replaces, who may use
//! which, and how each kind of refusal looks. The real binary, on loopback.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

#[path = "common/manage.rs"]
mod manage;

use manage::{Answer, PASSWORD, Server, send};

/// A running server and a token for each role.
struct Room {
    server: Server,
    viewer: String,
    operator: String,
    admin: String,
}

impl Room {
    fn open() -> Room {
        let server = Server::start();
        let token = |role: &str| {
            let made = command(&server, "", &["token", "add", role, "--role", role, "--json"]);
            serde_json::from_str::<Value>(&made.out).expect("JSON")["token"].as_str().expect("a token").to_owned()
        };
        let (viewer, operator, admin) = (token("viewer"), token("operator"), token("admin"));
        Room { server, viewer, operator, admin }
    }

    fn ask(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("Content-Type", "application/json")];
        if !token.is_empty() {
            headers.push(("Authorization", bearer.as_str()));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.server.send(method, path, &headers, &body)
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.ask(&self.viewer, "GET", path, &Value::Null);
        assert_eq!(answer.code, 200, "{path}: {answer:?}");
        json_of(&answer)
    }

    /// Something done by an operator, with the status code that says so.
    fn act(&self, method: &str, path: &str, body: Value, code: u16) -> Value {
        let answer = self.ask(&self.operator, method, path, &body);
        assert_eq!(answer.code, code, "{method} {path}: {answer:?}");
        json_of(&answer)
    }

    /// An operator is refused: status code, word, sentence.
    fn refused(&self, method: &str, path: &str, body: Value) -> (u16, String, String) {
        let answer = self.ask(&self.operator, method, path, &body);
        let said = json_of(&answer);
        let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
        (answer.code, text("code"), text("error"))
    }

    /// A word of a machine's installer.
    fn report(&self, path: &str, body: &Value) -> Value {
        let headers = [("Content-Type", "application/json")];
        json_of(&send(self.server.machines, "POST", path, &headers, &body.to_string()))
    }

    /// A machine that failed under the first name of the pool, and is known by this serial.
    fn fail(&self, serial: &str) {
        self.report("/api/status", &json!({ "status": "starting", "serial_number": serial, "hostname": null }));
        let body = json!({ "status": "failed", "serial_number": serial, "error_message": "no card" });
        self.report("/api/status", &body);
    }
}

/// Compact JSON with sorted keys, and one newline at the end.
fn json_of(answer: &Answer) -> Value {
    let value: Value = serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    assert_eq!(answer.body, format!("{value}\n"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    value
}

struct Done {
    code: i32,
    out: String,
    err: String,
}

fn command(server: &Server, input: &str, args: &[&str]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
    command.args(args).current_dir(server.directory.path()).env("HATCHERY_SOCKET", "socket");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("the binary starts");
    // Most commands end without reading it.
    let _ = process.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = process.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Done { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// What viewers, operators and admins may do, as method and path.
const SEEN: [(&str, &str); 24] = [
    ("GET", "/api/v1/status"),
    ("GET", "/api/v1/machines"),
    ("GET", "/api/v1/machines/KXP2-ARLT-001"),
    ("GET", "/api/v1/machines/KXP2-ARLT-001/log"),
    ("GET", "/api/v1/machines/KXP2-ARLT-001/history"),
    ("GET", "/api/v1/leases"),
    ("GET", "/api/v1/doctor"),
    ("GET", "/api/v1/venues"),
    ("GET", "/api/v1/names"),
    ("GET", "/api/v1/images"),
    ("GET", "/api/v1/uploads"),
    ("GET", "/api/v1/batches"),
    ("GET", "/api/v1/batches/1"),
    ("GET", "/api/v1/deployments"),
    ("GET", "/api/v1/audit"),
    ("GET", "/api/stats"),
    ("GET", "/api/venues"),
    ("GET", "/api/venues/ARLT/stats"),
    ("GET", "/api/deployments"),
    ("GET", "/api/system/status"),
    ("GET", "/api/batches"),
    ("GET", "/api/batches/active"),
    ("GET", "/api/batches/1"),
    ("GET", "/api/deployments?limit=5"),
];
const DONE: [(&str, &str); 24] = [
    ("POST", "/api/v1/machines/KXP2-ARLT-001/reinstall"),
    ("POST", "/api/v1/machines/KXP2-ARLT-001/hold"),
    ("POST", "/api/v1/machines/KXP2-ARLT-001/forget"),
    ("POST", "/api/v1/venues"),
    ("POST", "/api/v1/names/import"),
    ("POST", "/api/v1/names/KXP2-ARLT-001/release"),
    ("POST", "/api/v1/names/KXP2-ARLT-001/retire"),
    ("POST", "/api/v1/names/KXP2-ARLT-001/reinstate"),
    ("POST", "/api/v1/images/activate"),
    ("POST", "/api/v1/images/KXP2/x.img/activate"),
    ("PATCH", "/api/v1/images/KXP2/x.img"),
    ("DELETE", "/api/v1/images/KXP2/x.img"),
    ("POST", "/api/v1/uploads"),
    ("POST", "/api/v1/batches"),
    ("POST", "/api/v1/batches/1/start"),
    ("POST", "/api/v1/batches/1/pause"),
    ("POST", "/api/v1/batches/1/cancel"),
    ("PUT", "/api/v1/batches/1/priority"),
    ("POST", "/api/v1/reload"),
    ("POST", "/api/venues"),
    ("POST", "/api/kart-numbers"),
    ("POST", "/api/batches"),
    ("POST", "/api/batches/1/start"),
    ("PUT", "/api/batches/1/priority"),
];
const ADMINISTERED: [(&str, &str); 7] = [
    ("GET", "/api/v1/users"),
    ("POST", "/api/v1/users"),
    ("PUT", "/api/v1/users/anna"),
    ("DELETE", "/api/v1/users/anna"),
    ("GET", "/api/v1/tokens"),
    ("POST", "/api/v1/tokens"),
    ("DELETE", "/api/v1/tokens/1"),
];

#[test]
fn nobody_does_what_their_role_does_not_allow() {
    let room = Room::open();
    for (method, path) in SEEN.iter().chain(&DONE).chain(&ADMINISTERED) {
        for token in ["", "0123456789abcdef0123456789abcdef0123456789abcdef"] {
            let answer = room.ask(token, method, path, &Value::Null);
            assert_eq!((answer.code, answer.header("www-authenticate")), (401, Some("Bearer")), "{method} {path}");
            assert_eq!(json_of(&answer), json!({ "code": "unauthorized", "error": "Log in, or send a bearer token" }));
        }
        // Nothing of it answers where the machines are.
        let there =
            send(room.server.machines, method, path, &[("Authorization", &format!("Bearer {}", room.admin))], "");
        assert!(there.code == 404 || there.code == 405, "{method} {path}: {there:?}");
    }
    for (method, path) in DONE.iter().chain(&ADMINISTERED) {
        let answer = room.ask(&room.viewer, method, path, &Value::Null);
        assert_eq!((answer.code, json_of(&answer)["code"].clone()), (403, json!("forbidden")), "{method} {path}");
    }
    for (method, path) in ADMINISTERED {
        let answer = room.ask(&room.operator, method, path, &Value::Null);
        let sentence = "This takes the role admin; token operator has the role operator";
        assert_eq!((answer.code, json_of(&answer)["error"].clone()), (403, json!(sentence)), "{method} {path}");
    }
    for (method, path) in SEEN {
        let code = room.ask(&room.viewer, method, path, &Value::Null).code;
        assert!(code == 200 || code == 404, "{method} {path}: {code}");
    }
    assert_eq!(room.get("/api/v1/names?state=retired")["total"], 0, "nothing was done");
}

#[test]
fn a_cookie_needs_the_form_key_and_a_token_does_not() {
    let room = Room::open();
    let cookie = room.server.set_up();
    let body = r#"{"code":"SPAA","name":"Spa"}"#;
    let json = ("Content-Type", "application/json");
    let forged = room.server.send("POST", "/api/v1/venues", &[("Cookie", &cookie), json], body);
    assert_eq!(forged.code, 403, "{forged:?}");
    let key = room.server.get("/", &cookie).form_key();
    let headers = [("Cookie", cookie.as_str()), json, ("X-Form-Key", key.as_str())];
    assert_eq!(room.server.send("POST", "/api/v1/venues", &headers, body).code, 201);
    let foreign = [headers.as_slice(), &[("Origin", "http://evil.test")]].concat();
    assert_eq!(room.server.send("POST", "/api/v1/venues", &foreign, body).code, 403);
}

#[test]
fn machines_are_listed_explained_and_decided_about() {
    let room = Room::open();
    let (one, other) = ("10000000d9780558", "10000000aaaaaaaa");
    room.fail(one);
    room.fail(other);
    let all = room.get("/api/v1/machines");
    assert_eq!((&all["total"], &all["limit"], &all["offset"]), (&json!(2), &json!(100), &json!(0)));
    let second = room.get("/api/v1/machines?stage=failed&limit=1&offset=1");
    assert_eq!((&second["total"], &second["items"][0]["serial"]), (&json!(2), &json!(other)));
    assert_eq!(room.get("/api/v1/machines?q=d978")["items"][0]["serial"], one);
    assert_eq!(room.get("/api/v1/status")["stages"], json!({ "failed": 2 }));
    let explained = room.get(&format!("/api/v1/machines/{one}"));
    assert_eq!(explained["machine"]["failure"], "no card", "{explained}");
    let log = room.get("/api/v1/machines/d9780558/log");
    assert_eq!(log["deployment"]["error_message"], "no card", "{log}");
    let history = room.get("/api/v1/deployments?status=failed&limit=1");
    assert_eq!((&history["total"], &history["items"][0]["serial_number"]), (&json!(2), &json!(other)));
    assert_eq!(room.get("/api/v1/leases"), json!({ "items": [], "limit": 100, "offset": 0, "total": 0 }));
    assert!(room.get("/api/v1/doctor")["total"].as_u64() > Some(0));

    let path = |what: &str| format!("/api/v1/machines/{one}/{what}");
    let held = room.act("POST", &path("hold"), Value::Null, 200);
    assert_eq!(held["message"], "serial 10000000d9780558 is held: it gets an address and nothing to boot");
    assert_eq!(room.get("/api/v1/machines?order=hold")["total"], 1);
    room.act("POST", &path("reinstall"), json!({}), 200);
    let told = room.act("POST", &path("forget"), json!({ "release_name": true, "force": true }), 200);
    assert!(told["message"].as_str().is_some_and(|text| text.contains("is forgotten")), "{told}");
    let (code, word, sentence) = room.refused("POST", &path("hold"), Value::Null);
    assert_eq!((code, word.as_str()), (404, "not-found"));
    assert!(sentence.starts_with("No machine is known by"), "{sentence}");
    let (code, word, _) = room.refused("GET", "/api/v1/machines/a..b%20c", Value::Null);
    assert!(matches!((code, word.as_str()), (400, "invalid") | (404, "not-found")), "{code} {word}");
}

#[test]
fn venues_and_names() {
    let room = Room::open();
    let spa = json!({ "code": "spaa", "name": "Spa", "contact_email": "crew@example.com" });
    let made = room.act("POST", "/api/v1/venues", spa, 201);
    let row = json!({ "code": "SPAA", "contact_email": "crew@example.com", "location": null, "name": "Spa" });
    assert_eq!(made, row);
    assert_eq!(room.get("/api/v1/venues?q=spa")["total"], 1);
    let import = |numbers: Value| json!({ "venue_code": "SPAA", "product_type": "KXP2", "numbers": numbers });
    let added = room.act("POST", "/api/v1/names/import", import(json!([1, 2, 77])), 200);
    assert_eq!(added, json!({ "added": 3, "already_there": 0 }));
    let names = room.get("/api/v1/names?venue=spaa&product=KXP2&state=available&offset=2");
    assert_eq!((&names["total"], &names["items"][0]["hostname"]), (&json!(3), &json!("KXP2-SPAA-077")));

    let retire = |name: &str| format!("/api/v1/names/{name}/retire");
    assert_eq!(room.act("POST", &retire("KXP2-SPAA-077"), Value::Null, 200)["status"], "retired");
    let release = "/api/v1/names/KXP2-SPAA-077/release";
    let (code, word, sentence) = room.refused("POST", release, Value::Null);
    assert_eq!((code, word.as_str()), (409, "conflict"));
    assert_eq!(sentence, "KXP2-SPAA-077 is retired: reinstate it to let it be given again");
    let reinstate = "/api/v1/names/KXP2-SPAA-077/reinstate";
    assert_eq!(room.act("POST", reinstate, Value::Null, 200)["status"], "available");
    assert_eq!(room.act("POST", release, json!({ "force": true }), 200)["status"], "available");
    let missing = room.refused("POST", &retire("KXP2-SPAA-099"), Value::Null);
    assert_eq!(missing, (404, "not-found".into(), "Name not found: KXP2-SPAA-099".into()));
    let (code, word, sentence) = room.refused("GET", "/api/v1/names?state=free", Value::Null);
    assert_eq!((code, word.as_str()), (400, "invalid"));
    assert!(sentence.contains("available, assigned, retired"), "{sentence}");
    assert_eq!(room.refused("POST", "/api/v1/names/import", import(json!([0]))).2, "Numbers begin at 1");
}

#[test]
fn batches_and_images() {
    let room = Room::open();
    let order = |count: i64| json!({ "venue_code": "ARLT", "product_type": "KXP2", "total_count": count });
    let made = room.act("POST", "/api/v1/batches", order(2), 201);
    assert_eq!((&made["id"], &made["status"], &made["remaining_count"]), (&json!(1), &json!("pending"), &json!(2)));
    let act = |what: &str| room.act("POST", &format!("/api/v1/batches/1/{what}"), Value::Null, 200);
    let (code, word, sentence) = room.refused("POST", "/api/v1/batches/1/pause", Value::Null);
    assert_eq!((code, word.as_str()), (409, "conflict"));
    assert_eq!(sentence, "Batch 1 must be active to pause (current status: pending)");
    assert_eq!(act("start")["status"], "active");
    assert_eq!(act("pause")["status"], "paused");
    let priority = room.act("PUT", "/api/v1/batches/1/priority", json!({ "priority": -4 }), 200);
    assert_eq!(priority["priority"], -4);
    assert_eq!(room.get("/api/v1/batches?status=paused&venue=arlt")["total"], 1);
    assert_eq!(room.get("/api/v1/batches/1"), priority);
    assert_eq!(act("cancel")["status"], "cancelled");
    let (code, word, sentence) = room.refused("POST", "/api/v1/batches", order(99));
    assert_eq!((code, word.as_str()), (409, "too-few-names"));
    assert_eq!(sentence, "Insufficient available hostnames. Requested: 99, Available: 6");
    assert_eq!(room.refused("POST", "/api/v1/batches", order(0)).0, 400);
    for id in ["9", "one"] {
        let missing = room.refused("POST", &format!("/api/v1/batches/{id}/start"), Value::Null);
        assert_eq!(missing, (404, "not-found".into(), "Batch not found".into()));
    }
    let images = room.get("/api/v1/images?product=kxp2");
    assert_eq!((&images["total"], &images["items"][0]["file"]), (&json!(1), &json!("kxp2_master.img")));
    let activate = json!({ "product_type": "KXP2", "image": "9.9" });
    assert_eq!(room.refused("POST", "/api/v1/images/activate", activate).0, 404);
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let room = Room::open();
    let venues = "/api/v1/venues";
    let (code, word, sentence) = room.refused("POST", venues, json!({ "code": "SPAA", "name": "Spa", "city": "Spa" }));
    assert_eq!((code, word.as_str()), (400, "invalid"));
    assert!(sentence.contains("unknown field `city`"), "{sentence}");
    assert!(room.refused("POST", venues, json!({ "code": "SPAA" })).2.contains("missing field `name`"));
    assert!(room.refused("POST", "/api/v1/batches/1/start", json!({ "now": 1 })).2.contains("`now`"));
    let (code, _, sentence) = room.refused("GET", "/api/v1/machines?page=2", Value::Null);
    assert_eq!(code, 400);
    assert_eq!(sentence, "There is no parameter 'page' here: limit, offset, q, sort, stage, order, firmware");
    assert_eq!(room.refused("GET", "/api/v1/venues?limit=5000", Value::Null).0, 400);
    assert_eq!(room.refused("DELETE", venues, Value::Null).1, "method-not-allowed");
    assert_eq!(room.refused("GET", "/api/v1/nonsense", Value::Null).1, "not-found");
    let bearer = format!("Bearer {}", room.operator);
    let form = [("Authorization", bearer.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
    let form = room.server.send("POST", venues, &form, "code=SPAA&name=Spa");
    assert_eq!((form.code, json_of(&form)["code"].clone()), (415, json!("no-json")));
    let long = json!({ "code": "SPAA", "name": "x".repeat(2 << 20) });
    assert_eq!(room.refused("POST", venues, long).1, "too-large");
    assert_eq!(room.get("/api/v1/venues")["total"], 1);
}

#[test]
fn a_reload_reports_every_problem() {
    let room = Room::open();
    assert_eq!(room.act("POST", "/api/v1/reload", Value::Null, 200)["message"], "the new configuration is in force");
    let file = room.server.directory.path().join("hatchery.toml");
    let wrong = std::fs::read_to_string(&file).expect("a configuration") + "[[venue]]\ncode = \"SPA\"\n[nonsense]\n";
    std::fs::write(&file, wrong).expect("a configuration");
    let refused = room.act("POST", "/api/v1/reload", Value::Null, 422);
    assert_eq!(refused["code"], "problems");
    assert_eq!(refused["problems"].as_array().map(Vec::len), Some(2), "{refused}");
}

#[test]
fn users_and_tokens_of_the_api() {
    let room = Room::open();
    let admin = |method: &str, path: &str, body: Value| room.ask(&room.admin, method, path, &body);
    let anna = json!({ "name": "Anna", "role": "admin", "password": PASSWORD });
    let made = admin("POST", "/api/v1/users", anna.clone());
    assert_eq!((made.code, json_of(&made)["name"].clone()), (201, json!("anna")), "{made:?}");
    assert!(!made.body.contains("argon2") && !made.body.contains(PASSWORD));
    assert_eq!(admin("POST", "/api/v1/users", anna).code, 409);
    for (body, part) in [
        (json!({ "name": "7", "role": "viewer", "password": PASSWORD }), "Invalid user name: 7"),
        (json!({ "name": "ben", "role": "king", "password": PASSWORD }), "'king' is no role"),
        (json!({ "name": "ben", "role": "viewer", "password": "short" }), "at least 10 characters"),
    ] {
        let refused = admin("POST", "/api/v1/users", body);
        assert!(refused.code == 400 && refused.body.contains(part), "{refused:?}");
    }
    for refused in [
        admin("DELETE", "/api/v1/users/anna", Value::Null),
        admin("PUT", "/api/v1/users/anna", json!({ "role": "operator" })),
    ] {
        assert_eq!(refused.code, 409, "{refused:?}");
        assert_eq!(json_of(&refused)["error"], "anna is the last admin: make another one first");
    }
    let ben = json!({ "name": "ben", "role": "operator", "password": PASSWORD });
    assert_eq!(admin("POST", "/api/v1/users", ben).code, 201);
    let login = room.server.log_in("ben", PASSWORD);
    assert_eq!(room.server.get("/api/v1/users", &login.cookie()).code, 403);
    assert_eq!(admin("PUT", "/api/v1/users/ben", json!({ "role": "admin", "password": "another umbrella" })).code, 200);
    assert_eq!(room.server.get("/api/v1/status", &login.cookie()).code, 401, "the session has ended");
    assert_eq!(room.server.log_in("ben", PASSWORD).code, 401);
    assert_eq!(room.server.log_in("ben", "another umbrella").code, 303);
    assert_eq!(admin("DELETE", "/api/v1/users/anna", Value::Null).code, 200, "there is another admin");
    assert_eq!(admin("DELETE", "/api/v1/users/anna", Value::Null).code, 404);
    let users = json_of(&admin("GET", "/api/v1/users", Value::Null));
    assert_eq!((&users["total"], &users["items"][0]["role"]), (&json!(1), &json!("admin")));

    let made = json_of(&admin("POST", "/api/v1/tokens", json!({ "name": "desk", "role": "viewer", "days": 1 })));
    let secret = made["token"].as_str().expect("shown once");
    assert_eq!((&made["created_by"], made["ends_at"].is_string()), (&json!("token admin"), true), "{made}");
    assert_eq!(room.ask(secret, "GET", "/api/v1/status", &Value::Null).code, 200);
    let tokens = admin("GET", "/api/v1/tokens", Value::Null);
    assert!(!tokens.body.contains(secret) && !tokens.body.contains("\"token\""), "{tokens:?}");
    assert_eq!(json_of(&tokens)["total"], 4);
    assert_eq!(admin("POST", "/api/v1/tokens", json!({ "name": "", "role": "viewer" })).code, 400);
    let path = format!("/api/v1/tokens/{}", made["id"]);
    assert_eq!(admin("DELETE", &path, Value::Null).code, 200);
    assert_eq!(admin("DELETE", &path, Value::Null).code, 404);
    assert_eq!(room.ask(secret, "GET", "/api/v1/status", &Value::Null).code, 401);
}

#[test]
fn users_and_tokens_from_the_shell() {
    let server = Server::start();
    let run = |input: &str, args: &[&str]| command(&server, input, args);
    let added = run(&format!("{PASSWORD}\n"), &["user", "add", "anna", "--role", "admin"]);
    assert_eq!(added.code, 0, "{}", added.err);
    assert_eq!(server.log_in("anna", PASSWORD).code, 303);
    assert_eq!(run("", &["user", "add", "ben"]).code, 2, "no password");
    let weak = run("short\n", &["user", "add", "ben", "--json"]);
    assert_eq!(weak.code, 1);
    let said: Value = serde_json::from_str(&weak.out).expect("JSON");
    assert_eq!(said, json!({ "code": "invalid", "error": "The password needs at least 10 characters" }));
    for args in [&["user", "remove", "anna"][..], &["user", "role", "anna", "viewer"]] {
        let refused = run("", args);
        assert_eq!(refused.code, 1);
        assert_eq!(refused.err, "hatchery: anna is the last admin: make another one first\n");
    }
    assert_eq!(run("another umbrella\n", &["user", "password", "anna"]).code, 0);
    assert_eq!(server.log_in("anna", "another umbrella").code, 303);
    assert!(run("", &["user", "list"]).out.contains("anna"));
    assert_eq!(run(PASSWORD, &["user", "add", "ben", "--role", "admin"]).code, 0);
    assert_eq!(run("", &["user", "remove", "anna"]).out, "anna is removed\n");
    let made = run("", &["token", "add", "dashboard", "--days", "30"]);
    let secret = made.out.lines().next().expect("a token");
    assert_eq!(secret.len(), 48, "{}", made.out);
    let listed = run("", &["token", "list"]).out;
    assert!(listed.contains("dashboard") && listed.contains("local uid 0") && !listed.contains(secret), "{listed}");
    assert_eq!(run("", &["token", "remove", "1"]).out, "token 1 is removed\n");
    assert_eq!(run("", &["token", "remove", "1"]).code, 1);
}

/// The body with a word in place of each time, of the tables (TIME) and ISO.
fn golden(answer: &Answer) -> String {
    const TIMES: [(&str, &str); 2] = [("\"0000-00-00 00:00:00\"", "TIME"), ("\"0000-00-00T00:00:00Z\"", "ISO")];
    let fits = |text: &str, pattern: &str| {
        let same = |(byte, wanted): (u8, u8)| if wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted };
        text.len() >= pattern.len() && text.bytes().zip(pattern.bytes()).all(same)
    };
    let (mut golden, mut rest) = (String::new(), answer.body.as_str());
    while let Some(first) = rest.chars().next() {
        let (word, length) = match TIMES.iter().find(|(pattern, _)| fits(rest, pattern)) {
            Some((pattern, word)) => ((*word).to_owned(), pattern.len()),
            None => (first.to_string(), first.len_utf8()),
        };
        golden += &word;
        rest = &rest[length..];
    }
    golden
}

#[test]
fn the_old_systems_routes_have_its_shapes() {
    let room = Room::open();
    let get = |path: &str| {
        let answer = room.ask(&room.viewer, "GET", path, &Value::Null);
        (answer.code, golden(&answer))
    };
    let act = |method: &str, path: &str, body: Value| {
        let answer = room.ask(&room.operator, method, path, &body);
        (answer.code, golden(&answer))
    };
    let ok = |body: &str| (200, format!("{body}\n"));
    let error = |code: u16, sentence: &str| (code, format!("{}\n", json!({ "error": sentence })));

    assert_eq!(get("/api/deployments"), ok("[]"));
    assert_eq!(get("/api/batches"), ok("[]"));
    assert_eq!(get("/api/batches/active"), (404, "{\"message\":\"No active batches\"}\n".to_owned()));
    assert_eq!(get("/api/batches/1"), error(404, "Batch not found"));
    assert_eq!(get("/api/batches/one"), error(404, "Batch not found"));
    assert_eq!(get("/api/venues/ZZZZ/stats"), error(404, "Venue not found"));

    let spa = json!({ "code": "spaa", "name": "Spa", "location": "Stavelot", "contact_email": "crew@example.com" });
    let made = r#"{"code":"SPAA","contact_email":"crew@example.com","location":"Stavelot","name":"Spa"}"#;
    assert_eq!(act("POST", "/api/venues", spa), (201, format!("{made}\n")));
    let numbers = json!({ "venue_code": "SPAA", "numbers": [7, 8] });
    let added = r#"{"added":2,"message":"Added 2 kart numbers","success":true}"#;
    assert_eq!(act("POST", "/api/kart-numbers", numbers), ok(added));

    let order = |venue: &str, product: &str, count: i64| {
        let body = json!({ "venue_code": venue, "product_type": product, "total_count": count });
        act("POST", "/api/batches", body)
    };
    let few = "Insufficient available hostnames. Requested: 99, Available: 6";
    assert_eq!(order("ARLT", "KXP2", 99), error(400, few));
    assert_eq!(order("ZZZZ", "KXP2", 1), error(400, "Venue not found: ZZZZ"));
    assert_eq!(order("ARLT", "ABC", 1), error(400, "Invalid product_type: ABC. Must be 'KXP2' or 'RXP2'"));
    assert_eq!(order("ARLT", "KXP2", 0), error(400, "total_count must be > 0, got 0"));
    let batch = |priority: i64, remaining: u64, times: [&str; 2], status: &str| {
        let [completed, started] = times;
        format!(
            r#"{{"completed_at":{completed},"created_at":TIME,"id":1,"priority":{priority},"product_type":"KXP2","remaining_count":{remaining},"started_at":{started},"status":"{status}","total_count":1,"venue_code":"ARLT"}}"#
        )
    };
    let pending = batch(0, 1, ["null", "null"], "pending");
    assert_eq!(order("ARLT", "KXP2", 1), (201, format!("{pending}\n")));
    let pause = "Batch 1 must be active to pause (current status: pending)";
    assert_eq!(act("POST", "/api/batches/1/pause", Value::Null), error(400, pause));
    let active = batch(0, 1, ["null", "TIME"], "active");
    assert_eq!(act("POST", "/api/batches/1/start", Value::Null), ok(&active));
    assert_eq!(get("/api/batches/active"), ok(&active));
    assert_eq!(get("/api/batches?venue=arlt&status=active"), ok(&format!("[{active}]")));
    assert_eq!(get("/api/batches?status=paused"), ok("[]"));
    let paused = batch(0, 1, ["null", "TIME"], "paused");
    assert_eq!(act("POST", "/api/batches/1/pause", Value::Null), ok(&paused));
    let urgent = batch(10, 1, ["null", "TIME"], "paused");
    assert_eq!(act("PUT", "/api/batches/1/priority", json!({ "priority": 10 })), ok(&urgent));
    assert_eq!(get("/api/batches/1"), ok(&urgent));

    room.fail("10000000d9780558");
    let deployment = r#"{"completed_at":TIME,"error_message":"no card","hostname":null,"id":1,"ip_address":"127.0.0.1","mac_address":null,"product_type":null,"serial_number":"10000000d9780558","started_at":TIME,"status":"failed","venue_code":null}"#;
    assert_eq!(get("/api/deployments?limit=1"), ok(&format!("[{deployment}]")));
    let arlt = r#"{"code":"ARLT","contact_email":null,"created_at":null,"kxp2_assigned":0,"kxp2_available":6,"location":null,"name":"Arlington","rxp2_assigned":0,"rxp2_available":0}"#;
    let spaa = r#"{"code":"SPAA","contact_email":"crew@example.com","created_at":null,"kxp2_assigned":0,"kxp2_available":2,"location":"Stavelot","name":"Spa","rxp2_assigned":0,"rxp2_available":0}"#;
    assert_eq!(get("/api/venues"), ok(&format!("[{arlt},{spaa}]")));
    let stats = r#"{"assigned_hostnames":0,"available_hostnames":6,"retired_hostnames":0,"total_hostnames":6,"venue_code":"ARLT"}"#;
    assert_eq!(get("/api/venues/arlt/stats"), ok(stats));
    let recent = r#"{"completed_at":TIME,"hostname":null,"started_at":TIME,"status":"failed"}"#;
    let stats = format!(
        r#"{{"assigned_hostnames":0,"assigned_kxp2":0,"assigned_rxp2":0,"available_hostnames":8,"available_kxp2":8,"available_rxp2":0,"recent_deployments":[{recent}],"recent_deployments_count":1,"successful_deployments":0,"timestamp":ISO,"total_hostnames":8,"total_venues":2}}"#
    );
    assert_eq!(get("/api/stats"), ok(&stats));
    let system = room.get("/api/system/status");
    let keys: Vec<&String> = system.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["disk", "network", "services", "timestamp"]);
    assert_eq!(system["network"]["lo"]["address"], "127.0.0.1", "{system}");
    assert!(system["disk"]["total"].as_u64() > Some(0), "{system}");
    assert!(system["services"].as_object().is_some_and(|services| !services.is_empty()), "{system}");
}

#[test]
fn who_changed_what_is_read_by_programs_and_on_the_command_line() {
    let room = Room::open();
    room.act("POST", "/api/v1/venues", json!({ "code": "SPAA", "name": "Spa" }), 201);
    room.act("POST", "/api/v1/names/KXP2-ARLT-002/retire", json!({}), 200);
    let body = json!({ "name": "bo", "role": "viewer", "password": PASSWORD });
    assert_eq!(room.ask(&room.admin, "POST", "/api/v1/users", &body).code, 201);
    let page = room.get("/api/v1/audit?by=token+operator");
    let row = |row: &Value| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        format!("{}, {}, {}", text("operation"), text("subject"), text("details"))
    };
    let rows: Vec<String> = page["items"].as_array().expect("rows").iter().map(row).collect();
    assert_eq!(rows, ["names retire, KXP2-ARLT-002, available → retired", "venue add, venue SPAA, added: Spa"]);
    assert_eq!((&page["total"], &page["limit"], &page["offset"]), (&json!(2), &json!(100), &json!(0)));
    let found = room.get("/api/v1/audit?q=USER+BO&operation=user+add");
    assert_eq!((&found["total"], &found["items"][0]["by"]), (&json!(1), &json!("token admin")), "{found}");
    let everything = room.get("/api/v1/audit?limit=1&offset=1");
    assert_eq!(everything["items"][0]["subject"], "KXP2-ARLT-002", "the latest first: {everything}");
    assert!(!room.get("/api/v1/audit?limit=1000").to_string().contains(PASSWORD));
    let shown = command(&room.server, "", &["audit", "--find", "spaa"]);
    assert!(
        shown.code == 0 && shown.out.contains("token operator") && shown.out.contains("added: Spa"),
        "{}",
        shown.out
    );
    let tokens = command(&room.server, "", &["audit", "--operation", "token add", "--json"]);
    let tokens: Value = serde_json::from_str(&tokens.out).expect("JSON");
    assert_eq!((&tokens["total"], &tokens["items"][0]["subject"]), (&json!(3), &json!("token 3 admin")), "{tokens}");
    assert!(tokens["items"][0]["by"].as_str().is_some_and(|by| by.starts_with("local uid ")), "{tokens}");
}
