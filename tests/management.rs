//! The management side as a browser and a stranger see it: first set-up, login, roles, forged and guessed requests, and
//! the wall as it changes. The real binary, on loopback.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Instant;

#[path = "common/manage.rs"]
mod manage;

use manage::{PASSWORD, PATIENCE, Server, send};

#[test]
fn the_link_of_the_log_makes_the_first_user_once() {
    let server = Server::start();
    assert!(server.link.starts_with("/setup?code="), "{}", server.link);
    assert_eq!(server.get("/setup?code=guessed", "").code, 410);
    let form = server.get(&server.link, "");
    assert!(form.code == 200 && form.body.contains("Make the first user"), "{form:?}");
    let code = server.link.split_once('=').expect("a code").1;
    let weak = [("code", code), ("name", "anna"), ("password", "short"), ("again", "short")];
    let refused = server.post("/setup", "", &weak);
    assert!(refused.code == 422 && refused.body.contains("at least 10 characters"), "{refused:?}");
    assert!(refused.body.contains("value=\"anna\""), "what was typed stays");

    let cookie = server.set_up();
    assert!(server.get("/", &cookie).body.contains("anna"));
    assert_eq!(server.get(&server.link, "").code, 410, "the link is void");
    let again = [("code", code), ("name", "eve"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(server.post("/setup", "", &again).code, 410);
    assert_eq!(server.log_in("eve", PASSWORD).code, 401);
    assert_eq!(server.log_in("anna", PASSWORD).code, 303);
}

#[test]
fn nobody_sees_or_does_anything_without_a_login() {
    let server = Server::start();
    server.set_up();
    for path in ["/", "/events"] {
        for cookie in ["", "hatchery_session=", "hatchery_session=0123456789abcdef", "other=1"] {
            let answer = server.get(path, cookie);
            assert_eq!(answer.code, 303, "{path} with {cookie:?}");
            assert!(answer.header("location").is_some_and(|place| place.starts_with("/login")), "{answer:?}");
        }
    }
    assert_eq!(server.post("/logout", "", &[]).code, 303);
    let page = server.get("/login", "");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    // Nothing of the pages answers on the deployment network.
    for path in ["/", "/login", "/setup", "/events", "/assets/hatchery.css"] {
        let answer = send(server.machines, "GET", path, &[], "");
        assert!(answer.code == 404 && !answer.body.contains("<html"), "{path}: {answer:?}");
    }
}

#[test]
fn a_cookie_says_nothing_can_read_it_and_ends_with_the_logout() {
    let server = Server::start();
    let cookie = server.set_up();
    let login = server.log_in("anna", PASSWORD);
    let set = login.header("set-cookie").expect("a cookie");
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Path=/"), "{set}");
    assert_ne!(login.cookie(), cookie, "each login has a session of its own");
    let key = server.get("/", &login.cookie()).form_key();
    let left = server.post("/logout", &login.cookie(), &[("form_key", &key)]);
    assert_eq!((left.code, left.header("location")), (303, Some("/login")));
    assert_eq!(server.get("/", &login.cookie()).code, 303, "the session has ended");
    assert_eq!(server.get("/", &cookie).code, 200, "the other one has not");
}

#[test]
fn a_session_that_somebody_else_has_chosen_is_worth_nothing() {
    let server = Server::start();
    server.set_up();
    let chosen = "hatchery_session=000000000000000000000000000000000000000000000000";
    let login = server.send(
        "POST",
        "/login",
        &[("Cookie", chosen), ("Content-Type", "application/x-www-form-urlencoded")],
        &format!("name=anna&password={}", PASSWORD.replace(' ', "+")),
    );
    assert_eq!(login.code, 303);
    assert_ne!(login.cookie(), chosen);
    assert_eq!(server.get("/", chosen).code, 303);
}

#[test]
fn another_site_cannot_send_forms_in_a_users_name() {
    let server = Server::start();
    let cookie = server.set_up();
    let key = server.get("/", &cookie).form_key();
    let form = format!("form_key={key}");
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let own = ("Cookie", cookie.as_str());
    type Forgery<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let refused: [Forgery<'_>; 6] = [
        ("no key", &[own, kind], ""),
        ("a wrong key", &[own, kind], "form_key=0000"),
        ("another kind of body", &[own, ("Content-Type", "text/plain")], &form),
        ("another origin", &[own, kind, ("Origin", "http://evil.test")], &form),
        ("a browser that says so", &[own, kind, ("Sec-Fetch-Site", "cross-site")], &form),
        ("a sandboxed frame", &[own, kind, ("Origin", "null")], &form),
    ];
    for (what, headers, body) in refused {
        let answer = server.send("POST", "/logout", headers, body);
        assert_eq!(answer.code, 403, "{what}: {answer:?}");
    }
    assert_eq!(server.get("/", &cookie).code, 200, "none of them logged out");
    let same = [own, kind, ("Origin", "http://hatchery.test"), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(server.send("POST", "/logout", &same, &form).code, 303);
}

#[test]
fn guessing_passwords_is_slowed_and_tells_nothing() {
    let server = Server::start();
    let cookie = server.set_up();
    let (wrong, nobody) = (server.log_in("anna", "wrong wrong wrong"), server.log_in("nobody", "wrong wrong wrong"));
    assert_eq!((wrong.code, nobody.code), (401, 401));
    assert_eq!(wrong.body.replace("anna", "X"), nobody.body.replace("nobody", "X"), "who exists is not said");
    let mut answer = server.log_in("anna", "wrong wrong wrong");
    let end = Instant::now() + PATIENCE;
    while answer.code == 401 && Instant::now() < end {
        answer = server.log_in("anna", "wrong wrong wrong");
    }
    assert_eq!(answer.code, 429, "{answer:?}");
    assert!(answer.header("retry-after").is_some() && answer.body.contains("Too many wrong attempts"), "{answer:?}");
    assert_eq!(server.log_in("anna", PASSWORD).code, 429, "not even the right one is looked at");
    // Who came in and who was kept out is in the audit.
    let audit: serde_json::Value = serde_json::from_str(&server.get("/audit.json", &cookie).body).expect("JSON");
    let of = |operation: &str| audit.as_array().expect("rows").iter().find(|row| row["operation"] == operation);
    let came = of("set up").unwrap_or_else(|| panic!("{audit}"));
    assert_eq!((&came["by"], &came["subject"]), (&"anna".into(), &"user anna".into()), "{came}");
    let kept_out = of("login locked").unwrap_or_else(|| panic!("{audit}"));
    assert!(kept_out["subject"] == "user anna" && kept_out["details"].to_string().contains("127.0.0.1"), "{kept_out}");
}

#[test]
fn after_the_login_one_comes_to_the_page_one_wanted_and_to_no_other_site() {
    let server = Server::start();
    server.set_up();
    let place = server.get("/events?since=3", "");
    let login = place.header("location").expect("the login page").to_owned();
    assert!(server.get(&login, "").body.contains("value=\"/events?since=3\""), "{login}");
    let page = server.get("/login?next=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "");
    assert!(page.code == 200 && !page.body.contains("<script>"), "what comes in a link is shown inert: {page:?}");
    for (next, goes_to) in
        [("/events", "/events"), ("//evil.test", "/"), ("https://evil.test", "/"), ("/\\evil.test", "/"), ("", "/")]
    {
        let form = [("name", "anna"), ("password", PASSWORD), ("next", next)];
        assert_eq!(server.post("/login", "", &form).header("location"), Some(goes_to), "{next:?}");
    }
}

#[test]
fn the_wall_changes_while_one_looks() {
    let server = Server::start();
    let cookie = server.set_up();
    assert!(server.get("/", &cookie).body.contains("No machine is being made"));
    let mut stream = TcpStream::connect(("127.0.0.1", server.pages)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let request = format!("GET /events?page=wall HTTP/1.1\r\nHost: hatchery.test\r\nCookie: {cookie}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request sent");
    let mut events = BufReader::new(stream);
    let mut until = |wanted: &str| {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(events.read_line(&mut line).expect("an event in time") > 0, "the stream ended before {wanted}");
            if line.contains(wanted) {
                return line;
            }
        }
    };
    until("event: page");
    until("No machine is being made");
    let report = r#"{"status":"failed","serial_number":"<b>10000000d9780558</b>","error_message":"no <i>card</i>"}"#;
    let status =
        |body: &str| send(server.machines, "POST", "/api/status", &[("Content-Type", "application/json")], body);
    status(r#"{"status":"downloading","serial_number":"10000000d9780558"}"#);
    until("Writing");
    status(&report.replace("<b>", "").replace("</b>", ""));
    let line = until("card");
    assert!(line.contains("&#60;i&#62;card") || line.contains("&lt;i&gt;card"), "what a machine says is inert: {line}");
}
