//! The management side as an attacker finds it: every route that there is, taken from the OpenAPI document and from the
//! pages' own links, without a login, with too small a role, from another site, with hostile texts, and too slowly.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/manage.rs"]
mod manage;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use manage::{Answer, PASSWORD, Server, send, token};
use serde_json::{Value, json};

/// A route of the API.
struct Route {
    method: String,
    path: String,
    role: String,
    takes: Option<(String, Value)>,
}

/// Every route of the document, with the examples that it gives.
fn routes(server: &Server) -> Vec<Route> {
    let token = token(server, "viewer", &[]);
    let answer = server.send("GET", "/api/v1/openapi.json", &[("Authorization", &token)], "");
    let document: Value = serde_json::from_str(&answer.body).expect("JSON");
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let mut place = path.clone();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let example = &parameter["schema"]["examples"][0];
                let example = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
                place = place.replace(&format!("{{{}}}", parameter["name"].as_str().expect("a name")), &example);
            }
            let content = operation["requestBody"]["content"].as_object().and_then(|content| content.iter().next());
            all.push(Route {
                method: method.to_uppercase(),
                path: place,
                role: operation["x-role"].as_str().expect("a role").to_owned(),
                takes: content.map(|(media, content)| (media.clone(), content["example"].clone())),
            });
        }
    }
    assert!(all.len() > 50, "only {} routes: is this the document?", all.len());
    all
}

impl Route {
    fn ask(&self, server: &Server, headers: &[(&str, &str)]) -> Answer {
        let (media, body) = match &self.takes {
            Some((media, example)) => (media.as_str(), example.to_string()),
            None => ("application/json", String::new()),
        };
        let mut all = vec![("Content-Type", media)];
        all.extend(headers);
        server.send(&self.method, &self.path, &all, &body)
    }
}

/// Every place that the pages lead to and every form's, as an admin finds them from the wall on.
fn crawl(server: &Server, cookie: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut seen, mut forms, mut open) = (BTreeSet::new(), BTreeSet::new(), vec!["/".to_owned()]);
    while let Some(place) = open.pop() {
        if seen.len() >= 150 || seen.contains(&place) {
            continue;
        }
        let page = server.get(&place, cookie);
        assert!(page.code < 500, "{place}: {page:?}");
        if page.code == 404 {
            continue;
        }
        seen.insert(place);
        for (mark, found) in [("href=\"", true), ("action=\"", false)] {
            for (at, _) in page.body.match_indices(mark) {
                let rest = &page.body[at + mark.len()..];
                let target =
                    rest.split(['"', '#']).next().unwrap_or_default().replace("&#38;", "&").replace("&amp;", "&");
                if !target.starts_with('/') || target.starts_with("/assets/") {
                    continue;
                }
                if found {
                    open.push(target);
                } else {
                    forms.insert(target);
                }
            }
        }
    }
    (seen, forms)
}

fn assert_guarded(what: &str, answer: &Answer) {
    let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{what}: no policy: {answer:?}"));
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{what}: {policy}");
    assert!(!policy.contains("unsafe"), "{what}: {policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{what}: {name}");
    }
}

#[test]
fn without_a_login_there_is_nothing_and_on_the_machines_side_neither() {
    let server = Server::start();
    let cookie = server.set_up();
    for route in routes(&server) {
        let what = format!("{} {}", route.method, route.path);
        for headers in [&[][..], &[("Authorization", "Bearer 00")], &[("Cookie", "hatchery_session=00")]] {
            let answer = route.ask(&server, headers);
            assert_eq!(answer.code, 401, "{what}: {answer:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
            assert_guarded(&what, &answer);
        }
        let answer = send(server.machines, &route.method, &route.path, &[("Authorization", "Bearer 00")], "");
        assert!(matches!(answer.code, 404 | 405), "{what} answers on the machines' side: {answer:?}");
    }
    let (pages, forms) = crawl(&server, &cookie);
    assert!(pages.len() > 15 && forms.len() > 5, "{pages:?} {forms:?}");
    for place in pages.iter().filter(|place| !place.starts_with("/api/")) {
        let answer = server.get(place, "");
        assert_eq!(answer.code, 303, "{place}: {answer:?}");
        assert!(answer.header("location").is_some_and(|login| login.starts_with("/login")), "{place}: {answer:?}");
        assert_guarded(place, &answer);
        let answer = send(server.machines, "GET", place, &[("Cookie", &cookie)], "");
        assert!(answer.code == 404 && !answer.body.contains("<html"), "{place} answers on the machines' side");
    }
    for place in &forms {
        let answer = server.post(place, "", &[("name", "x")]);
        assert_eq!(answer.code, 303, "{place}: {answer:?}");
        assert!(answer.header("location").is_some_and(|login| login.starts_with("/login")), "{place}: {answer:?}");
    }
}

#[test]
fn a_role_does_not_do_what_a_greater_one_does() {
    let server = Server::start();
    let (viewer, operator) = (token(&server, "viewer", &[]), token(&server, "operator", &[]));
    for route in routes(&server) {
        let what = format!("{} {}", route.method, route.path);
        if route.role != "viewer" {
            assert_eq!(route.ask(&server, &[("Authorization", &viewer)]).code, 403, "{what} by a viewer");
        }
        if route.role == "admin" {
            assert_eq!(route.ask(&server, &[("Authorization", &operator)]).code, 403, "{what} by an operator");
        }
    }
}

#[test]
fn a_token_does_what_its_scopes_say_and_no_more() {
    let server = Server::start();
    let names = token(&server, "operator", &["--scope", "names"]);
    let read = token(&server, "admin", &["--scope", "read"]);
    let asks = |token: &str, method: &str, path: &str, body: &Value| {
        let headers = [("Authorization", token), ("Content-Type", "application/json")];
        server.send(method, path, &headers, &if body.is_null() { String::new() } else { body.to_string() })
    };
    let venue = json!({ "code": "SCOP", "name": "Scopes" });
    let batch = json!({ "venue_code": "ARLT", "product_type": "KXP2", "total_count": 1 });
    for (token, method, path, body, code) in [
        (&names, "POST", "/api/v1/venues", &venue, 201),
        (&names, "GET", "/api/v1/names", &Value::Null, 200),
        (&names, "GET", "/api/v1/machines", &Value::Null, 403),
        (&names, "POST", "/api/v1/batches", &batch, 403),
        (&names, "POST", "/api/batches", &batch, 403),
        (&names, "POST", "/api/v1/reload", &json!({}), 403),
        (&names, "GET", "/machines", &Value::Null, 403),
        (&read, "GET", "/api/v1/machines", &Value::Null, 200),
        (&read, "GET", "/api/v1/users", &Value::Null, 200),
        (&read, "GET", "/machines", &Value::Null, 200),
        (&read, "POST", "/api/v1/venues", &venue, 403),
        (&read, "POST", "/api/v1/tokens", &json!({ "name": "more", "role": "admin" }), 403),
    ] {
        let answer = asks(token, method, path, body);
        assert_eq!(answer.code, code, "{method} {path}: {answer:?}");
    }
    let output = Command::new(manage::HATCHERY)
        .args(["token", "add", "x", "--scope", "everything", "--socket", "socket"])
        .current_dir(server.directory.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("'everything' is no scope: read, machines"), "{said}");
}

#[test]
fn no_other_site_acts_in_a_users_name() {
    let server = Server::start();
    let cookie = server.set_up();
    let key = server.get("/", &cookie).form_key();
    let (_, forms) = crawl(&server, &cookie);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let right = format!("form_key={key}&name=x");
    for place in &forms {
        let sent = |headers: &[(&str, &str)], body: &str| {
            let mut all = vec![("Cookie", cookie.as_str()), form];
            all.extend(headers);
            server.send("POST", place, &all, body).code
        };
        assert_eq!(sent(&[], "name=x"), 403, "{place} without a key");
        assert_eq!(sent(&[], &format!("form_key={}&name=x", "0".repeat(48))), 403, "{place} with another key");
        assert_eq!(sent(&[], "form_key=&name=x"), 403, "{place} with an empty key");
        for foreign in [
            ("Origin", "http://evil.test"),
            ("Origin", "null"),
            ("Origin", "https://hatchery.test.evil.test"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            assert_eq!(sent(&[foreign], &right), 403, "{place} from {foreign:?}");
        }
    }
    for route in routes(&server).iter().filter(|route| route.method != "GET") {
        let what = format!("{} {}", route.method, route.path);
        assert_eq!(route.ask(&server, &[("Cookie", &cookie)]).code, 403, "{what} without a key");
        let foreign = [("Cookie", cookie.as_str()), ("X-Form-Key", &key), ("Origin", "http://evil.test")];
        assert_eq!(route.ask(&server, &foreign).code, 403, "{what} from another site");
    }
    assert_eq!(server.get("/", &cookie).code, 200, "none of it ended the session");
}

#[test]
fn a_login_leaves_no_session_behind_that_somebody_else_may_know() {
    let server = Server::start();
    let first = server.set_up();
    let headers = [("Cookie", first.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
    let body = format!("name=anna&password={}", PASSWORD.replace(' ', "+"));
    let second = server.send("POST", "/login", &headers, &body);
    assert_eq!(second.code, 303, "{second:?}");
    assert_ne!(second.cookie(), first);
    assert_eq!(server.get("/", &first).code, 303, "the earlier one has ended");
    assert_eq!(server.get("/", &second.cookie()).code, 200);
}

/// What a browser would run if it were not escaped.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}";

#[test]
fn hostile_texts_are_shown_and_never_run() {
    let server = Server::start();
    let cookie = server.set_up();
    let token = token(&server, "admin", &[]);
    let add = |path: &str, body: Value| {
        let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
        server.send("POST", path, &headers, &body.to_string())
    };
    let venue = json!({ "code": "EVIL", "name": HOSTILE, "location": HOSTILE, "contact_email": HOSTILE });
    let made = add("/api/v1/venues", venue);
    assert!(matches!(made.code, 201 | 400), "{made:?}");
    assert_eq!(add("/api/v1/tokens", json!({ "name": HOSTILE.replace('{', "("), "role": "viewer" })).code, 201);
    // Every form, with that in every field: what is refused comes back as it was typed.
    let key = server.get("/", &cookie).form_key();
    let (pages, forms) = crawl(&server, &cookie);
    let escaped: String = HOSTILE.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let fields = [
        "name",
        "code",
        "location",
        "contact_email",
        "venue",
        "venue_code",
        "product",
        "product_type",
        "numbers",
        "count",
        "total_count",
        "priority",
        "role",
        "scopes",
        "days",
        "password",
        "hostname",
        "version",
        "file",
        "q",
        "next",
        "note",
    ];
    let body: String = fields.iter().map(|field| format!("&{field}={escaped}")).collect();
    let headers = [("Cookie", cookie.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
    // The session has to last; to be asked again is no text field.
    for place in forms.iter().filter(|place| *place != "/logout") {
        let answer = server.send("POST", place, &headers, &format!("form_key={key}{body}"));
        assert!(answer.code < 500, "{place}: {answer:?}");
        assert_inert(place, &answer);
    }
    for place in pages.iter().filter(|place| !place.contains('?')) {
        for place in [place.clone(), format!("{place}?q={escaped}"), format!("{place}?sort={escaped}")] {
            let answer = server.get(&place, &cookie);
            assert!(answer.code < 500, "{place}: {answer:?}");
            assert_inert(&place, &answer);
        }
    }
    for place in [format!("/machines/{escaped}"), format!("/login?next={escaped}"), format!("/{escaped}")] {
        assert_inert(&place, &server.get(&place, &cookie));
        assert_inert(&place, &server.get(&place, ""));
    }
}

fn assert_inert(what: &str, answer: &Answer) {
    if answer.header("content-type").is_none_or(|kind| !kind.starts_with("text/html")) {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
        return;
    }
    for live in ["<script>alert", "<img src=x", "\"'><", ">49<"] {
        assert!(!answer.body.contains(live), "{what} holds {live}: {}", answer.body);
    }
}

#[test]
fn places_outside_and_addresses_of_others_lead_nowhere() {
    let server = Server::start();
    let cookie = server.set_up();
    let tricks =
        ["..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "..\\..\\etc", "%00", "a%0d%0aSet-Cookie:%20x=1"];
    for trick in tricks {
        for before in ["/assets/", "/machines/", "/images/", "/api/v1/machines/", "/batches/", "/names/", "/"] {
            let answer = server.get(&format!("{before}{trick}"), &cookie);
            assert!((300..500).contains(&answer.code), "{before}{trick}: {answer:?}");
            assert!(!answer.body.contains("root:"), "{before}{trick}: {answer:?}");
            assert_eq!(answer.header("set-cookie"), None, "{before}{trick}");
        }
    }
    // Nothing follows the Host header, whatever it says.
    for host in ["evil.test", "evil.test:80@hatchery.test", "127.0.0.1"] {
        for path in ["/", "/machines", "/login", "/api", "/nowhere"] {
            let answer = server.send("GET", path, &[("Host", host), ("X-Forwarded-Host", "evil.test")], "");
            assert!(!answer.head.contains("evil.test") && !answer.body.contains("evil.test"), "{path}: {answer:?}");
            assert!(answer.header("location").is_none_or(|place| place.starts_with('/')), "{path}: {answer:?}");
        }
    }
    for next in ["//evil.test", "https://evil.test", "/\\evil.test", "%2F%2Fevil.test"] {
        let body = format!("name=anna&password={}&next={next}", PASSWORD.replace(' ', "+"));
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        assert_eq!(server.send("POST", "/login", &headers, &body).header("location"), Some("/"), "{next}");
    }
}

#[test]
fn where_names_are_configured_no_other_is_answered() {
    let server = Server::start_with("names = [\"hatchery.test\"]");
    for (host, code) in [
        ("hatchery.test", 200),
        ("HATCHERY.test:8080", 200),
        ("127.0.0.1:80", 200),
        ("[::1]:80", 200),
        ("localhost", 200),
        ("evil.test", 421),
        ("hatchery.test.evil.test", 421),
    ] {
        let answer = server.send("GET", "/login", &[("Host", host)], "");
        assert_eq!(answer.code, code, "{host}: {answer:?}");
        assert_guarded(host, &answer);
    }
    let answer = server.send("GET", "/api/v1/machines", &[("Host", "evil.test")], "");
    assert!(answer.code == 421 && answer.body.contains("other-host"), "{answer:?}");
}

#[test]
fn huge_requests_are_refused_with_the_headers_of_all_answers() {
    let server = Server::start();
    let cookie = server.set_up();
    let token = token(&server, "admin", &[]);
    let long = format!("{{\"name\":\"{}\"}}", "a".repeat((1 << 20) + 2000));
    for route in routes(&server) {
        if route.takes.as_ref().is_none_or(|(media, _)| media != "application/json") {
            continue;
        }
        let what = format!("{} {}", route.method, route.path);
        let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
        let answer = server.send(&route.method, &route.path, &headers, &long);
        assert_eq!(answer.code, 413, "{what}: {answer:?}");
        assert_guarded(&what, &answer);
    }
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let login = server.send("POST", "/login", &form, &format!("name=anna&password={}", "a".repeat((2 << 20) + 2000)));
    assert_eq!(login.code, 413, "{login:?}");
    let sent = [("Cookie", cookie.as_str()), form[0]];
    assert_eq!(server.send("POST", "/venues", &sent, &format!("name={}", "a".repeat((1 << 20) + 2000))).code, 413);
    for (method, path, code) in [("GET", "/nowhere", 404), ("PATCH", "/login", 405), ("DELETE", "/api/v1/venues", 405)]
    {
        let answer = server.send(method, path, &[("Authorization", &token)], "");
        assert_eq!(answer.code, code, "{method} {path}");
        assert_guarded(path, &answer);
    }
    let many = "a".repeat(1 << 20);
    let mut stream = TcpStream::connect(("127.0.0.1", server.pages)).expect("a connection");
    let head = format!("GET / HTTP/1.1\r\nHost: hatchery.test\r\nX-Long: {many}\r\n\r\n");
    // It may be cut off while it is still sent.
    let _ = stream.write_all(head.as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

/// A connection that has sent this and says no more; how long it is left open.
fn idle(port: u16, sent: &str) -> Duration {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream.write_all(sent.as_bytes()).expect("it is sent");
    let since = Instant::now();
    let _ = stream.read_to_end(&mut Vec::new());
    since.elapsed()
}

#[test]
fn who_is_slow_is_not_waited_for_and_takes_nothing_from_others() {
    let server = Server::start();
    let token = token(&server, "operator", &[]);
    let half = "GET / HTTP/1.1\r\nHost: hatchery.test\r\nX-Slow:".to_owned();
    let body = format!(
        "POST /api/v1/venues HTTP/1.1\r\nHost: hatchery.test\r\nAuthorization: {token}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    let port = server.pages;
    let slow = [half, body].map(|sent| thread::spawn(move || idle(port, &sent)));

    // One address gets so many connections, and others are served all the same.
    let mut held: Vec<TcpStream> = Vec::new();
    let refused = (0..200).any(|_| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let ended = matches!(stream.read(&mut [0]), Ok(0));
        held.push(stream);
        ended
    });
    assert!(refused && held.len() > 100, "{} connections of one address are open", held.len());
    let elsewhere = Command::new("curl")
        .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", "--interface", "127.0.0.2"])
        .arg(format!("http://127.0.0.1:{port}/login"))
        .output()
        .expect("curl runs");
    assert_eq!(String::from_utf8_lossy(&elsewhere.stdout), "200", "{elsewhere:?}");
    drop(held);
    let since = Instant::now();
    let served = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let _ = stream.write_all(b"GET /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
    };
    while !served() {
        assert!(since.elapsed() < Duration::from_secs(10), "there is room again");
    }
    for slow in slow {
        let open = slow.join().expect("it ends");
        assert!((Duration::from_secs(10)..Duration::from_secs(45)).contains(&open), "it was left open for {open:?}");
    }
}

#[test]
fn what_is_sent_again_with_its_key_is_made_once_also_after_a_restart() {
    let mut server = Server::start();
    let (token, other) = (token(&server, "operator", &[]), token(&server, "operator", &[]));
    let ask = |server: &Server, token: &str, key: &str, count: u32| {
        let body = json!({ "venue_code": "ARLT", "product_type": "KXP2", "total_count": count }).to_string();
        let headers = [("Authorization", token), ("Content-Type", "application/json"), ("Idempotency-Key", key)];
        server.send("POST", "/api/v1/batches", &headers, &body)
    };
    let first = ask(&server, &token, "order-1", 1);
    assert_eq!((first.code, first.header("idempotency-replayed")), (201, None), "{first:?}");
    let again = ask(&server, &token, "order-1", 1);
    assert_eq!((again.code, again.header("idempotency-replayed")), (201, Some("true")), "{again:?}");
    assert_eq!(again.body, first.body);
    let changed = ask(&server, &token, "order-1", 2);
    assert!(changed.code == 409 && changed.body.contains("\"code\":\"key-used\""), "{changed:?}");
    assert_ne!(ask(&server, &other, "order-1", 1).body, first.body, "each caller has keys of their own");
    for wrong in ["", " ", "a b", &"k".repeat(256)] {
        assert_eq!(ask(&server, &token, wrong, 1).code, 400, "{wrong:?}");
    }
    // What is refused made nothing: its key may be used again.
    assert_eq!(ask(&server, &token, "order-2", 0).code, 400);
    assert_eq!(ask(&server, &token, "order-2", 1).code, 201);

    let all = thread::scope(|scope| {
        let sent = (0..8).map(|_| scope.spawn(|| ask(&server, &token, "order-3", 1))).collect::<Vec<_>>();
        sent.into_iter().map(|sent| sent.join().expect("an answer")).collect::<Vec<_>>()
    });
    let made: BTreeSet<&str> = all.iter().filter(|one| one.code == 201).map(|one| one.body.as_str()).collect();
    assert_eq!(made.len(), 1, "{all:?}");
    assert!(all.iter().all(|one| one.code == 201 || one.body.contains("under-way")), "{all:?}");

    server.restart();
    let late = ask(&server, &token, "order-1", 1);
    assert_eq!((late.code, late.body.as_str()), (201, first.body.as_str()), "{late:?}");
}
