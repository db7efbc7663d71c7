//! The pages of the management side as people use them: every page for every role, finding and sorting, exports, forms
//! that are refused and that are taken, and what was typed shown as text. The real binary, on loopback.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use serde_json::{Value, json};

#[path = "common/manage.rs"]
mod manage;

use manage::{Answer, PASSWORD, Server, send};

const PAGES: [&str; 9] =
    ["/machines", "/deployments", "/batches", "/names", "/venues", "/images", "/leases", "/network", "/audit"];

/// A room with a machine that failed under KXP2-ARLT-001, an admin `anna` and a viewer `vic`.
struct Room {
    server: Server,
    anna: String,
    vic: String,
    key: String,
}

impl Room {
    fn open() -> Room {
        let server = Server::start();
        let anna = server.set_up();
        let key = server.get("/", &anna).form_key();
        let report = |body: Value| {
            let headers = [("Content-Type", "application/json")];
            send(server.machines, "POST", "/api/status", &headers, &body.to_string())
        };
        report(json!({ "status": "starting", "mac_address": "dc:a6:32:01:36:c2", "hostname": null }));
        report(json!({ "status": "failed", "mac_address": "dc:a6:32:01:36:c2", "error_message": "<b>no</b> card" }));
        let room = Room { server, anna, vic: String::new(), key };
        let user = [("name", "vic"), ("role", "viewer"), ("password", PASSWORD)];
        room.done("/users", &user, "/users");
        let vic = room.server.log_in("vic", PASSWORD).cookie();
        Room { vic, ..room }
    }

    fn get(&self, path: &str) -> Answer {
        self.server.get(path, &self.anna)
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let mut form: Vec<(&str, &str)> = form.to_vec();
        form.push(("form_key", &self.key));
        self.server.post(path, &self.anna, &form)
    }

    /// A form that is taken, and leads on.
    fn done(&self, path: &str, form: &[(&str, &str)], next: &str) {
        let answer = self.post(path, form);
        assert_eq!((answer.code, answer.header("location")), (303, Some(next)), "{path}: {answer:?}");
    }
}

#[test]
fn every_page_is_whole_for_every_role_and_loads_nothing_from_elsewhere() {
    let room = Room::open();
    let more = ["/", "/machines/1", "/venues/ARLT", "/names/KXP2-ARLT-002/retire", "/users", "/tokens"];
    for path in PAGES.iter().chain(&more) {
        let page = room.get(path);
        assert_eq!(page.code, 200, "{path}: {page:?}");
        assert!(page.body.len() < 100_000, "{path}: {} bytes", page.body.len());
        let lower = page.body.to_lowercase();
        for never in ["<script>", "style=", "onclick", "http://", "https://", "javascript:", "<b>no</b>"] {
            assert!(!lower.contains(never), "{path} has {never}");
        }
        assert!(
            lower.contains("<title>") && lower.contains("lang=\"en\"") && lower.trim_end().ends_with("</html>"),
            "{path}"
        );
    }
    for path in PAGES {
        let page = room.server.get(path, &room.vic);
        assert_eq!(page.code, 200, "{path}");
        let forms = page.body.matches("method=\"post\"").count();
        assert_eq!(forms, 1, "{path}: a viewer can log out and nothing else");
        assert!(!page.body.contains("href=\"/users\""), "{path}");
    }
    for path in ["/users", "/tokens", "/names/KXP2-ARLT-002/retire", "/users.csv", "/machines/1/file?name=x"] {
        assert_eq!(room.server.get(path, &room.vic).code, 403, "{path}");
    }
    let key = room.server.get("/", &room.vic).form_key();
    for path in ["/venues", "/names", "/batches", "/names/KXP2-ARLT-002/retire", "/machines/1/forget", "/users"] {
        let answer = room.server.post(path, &room.vic, &[("form_key", &key), ("code", "SPAA"), ("name", "Spa")]);
        assert_eq!(answer.code, 403, "{path}");
        assert_eq!(
            room.server.post(path, &room.anna, &[("code", "SPAA"), ("name", "Spa")]).code,
            403,
            "no key: {path}"
        );
        let stranger = room.server.post(path, "", &[]);
        assert!(
            stranger.code == 303 && stranger.header("location").is_some_and(|to| to.starts_with("/login")),
            "{path}"
        );
        assert_eq!(send(room.server.machines, "GET", path, &[], "").code, 404, "not where the machines are: {path}");
    }
}

#[test]
fn rows_are_found_filtered_sorted_and_taken_away() {
    let room = Room::open();
    room.done("/names/KXP2-ARLT-004/retire", &[], "/names");
    let names = |query: &str| {
        let page = room.get(&format!("/names{query}")).body;
        let rows = page.split("<tr>").skip(2).filter_map(|row| row.split_once("<td>"));
        rows.map(|(_, cell)| cell.split('<').next().unwrap_or_default().to_owned()).collect::<Vec<String>>()
    };
    assert_eq!(names("").len(), 6);
    assert_eq!(names("?state=retired"), ["KXP2-ARLT-004"]);
    assert_eq!(names("?q=-00&sort=-number&limit=2"), ["KXP2-ARLT-006", "KXP2-ARLT-005"]);
    assert!(room.get("/names?q=-00&limit=2").body.contains("1 to 2 of 6"));
    let second = room.get("/names?limit=2&offset=2&state=available").body;
    assert!(second.contains("3 to 4 of 5") && second.contains("/names?limit=2&#38;state=available\""), "{second}");
    for spelling in ["DC-A6-32-01-36-C2", "dca6.3201.36c2"] {
        let found = room.get(&format!("/machines?q={spelling}")).body;
        assert!(found.contains("dc:a6:32:01:36:c2"), "{spelling}: {found}");
    }
    let none = room.get("/names?state=nonsense").body;
    assert!(none.contains("No name fits") && none.contains("href=\"/names\""), "{none}");
    let bad = room.get("/names?page=2");
    assert!(bad.code == 400 && bad.body.contains("There is no parameter"), "{bad:?}");

    let csv = room.get("/names.csv?state=retired&limit=1&offset=9");
    let expected = "hostname,status,product_type,venue_code,number,mac_address,serial_number,batch\r\n\
                    KXP2-ARLT-004,retired,KXP2,ARLT,4,,,\r\n";
    assert_eq!((csv.header("content-type"), csv.body.as_str()), (Some("text/csv; charset=utf-8"), expected));
    assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"names.csv\""));
    let json: Value = serde_json::from_str(&room.get("/names.json?q=ARLT-00").body).expect("JSON");
    assert_eq!((json.as_array().map(Vec::len), &json[0]["hostname"]), (Some(6), &json!("KXP2-ARLT-001")));
    assert!(room.get("/audit.csv").body.contains("anna,names retire,KXP2-ARLT-004,available → retired"));
}

#[test]
fn what_is_typed_is_taken_or_comes_back_with_the_reason() {
    let room = Room::open();
    room.done("/venues", &[("code", "spaa"), ("name", "Spa <i>x</i>"), ("location", "=SUM(1)")], "/venues");
    let venues = room.get("/venues").body;
    assert!(venues.contains("Spa &#60;i&#62;x") && !venues.contains("<i>x"), "{venues}");
    assert!(
        room.get("/venues.csv").body.contains("SPAA,Spa <i>x</i>,'=SUM(1),"),
        "no spreadsheet takes it for a formula"
    );
    let refused = room.post("/venues", &[("code", "toolong"), ("name", "Typed <\"'>"), ("contact_email", "nobody")]);
    assert!(refused.code == 400 && refused.body.contains("Invalid venue code: toolong"), "{refused:?}");
    assert!(
        refused.body.contains("value=\"Typed &#60;&#34;&#39;&#62;\"") && refused.body.contains("value=\"toolong\"")
    );

    let imported = room.post("/names", &[("venue", "SPAA"), ("product", "KXP2"), ("numbers", "1-3, 2, 9")]);
    assert!(
        imported.body.contains("4 names added; 0 were there already; 1 were listed more than once"),
        "{imported:?}"
    );
    let refused = room.post("/names", &[("venue", "SPAA"), ("product", "KXP2"), ("numbers", "4\nfive")]);
    assert!(refused.code == 400 && refused.body.contains("line 2: &#39;five&#39; is no number"), "{refused:?}");
    assert!(refused.body.contains(">\n4\nfive</textarea>"), "{refused:?}");

    let order = [("venue", "SPAA"), ("product", "KXP2"), ("count", "99"), ("priority", "0")];
    let refused = room.post("/batches", &order);
    assert_eq!(refused.code, 409);
    assert!(
        refused.body.contains("Requested: 99, Available: 4") && refused.body.contains("value=\"99\""),
        "{refused:?}"
    );
    let order = [("venue", "SPAA"), ("product", "KXP2"), ("count", "2"), ("priority", "3"), ("start", "yes")];
    room.done("/batches", &order, "/batches");
    let batch = room.get("/batches/1").body;
    assert!(batch.contains("active") && batch.contains("0 of 2 named; next is KXP2-SPAA-001"), "{batch}");
    room.done("/batches/1/pause", &[], "/batches");
    room.done("/batches/1/priority", &[("priority", "-2")], "/batches");
    assert!(room.get("/batches").body.contains("paused"));
    room.done("/batches/1/cancel", &[], "/batches");
    let late = room.post("/batches/1/start", &[]);
    assert!(late.code == 409 && late.body.contains("Cannot start cancelled batch 1"), "{late:?}");

    let weak = room.post("/users", &[("name", "bo"), ("role", "admin"), ("password", "short")]);
    assert!(weak.code == 400 && weak.body.contains("at least 10") && !weak.body.contains("short"), "{weak:?}");
    let token = room.post("/tokens", &[("name", "desk"), ("role", "operator"), ("days", "3")]);
    let (_, rest) = token.body.split_once("id=\"token\" class=\"secret\">").expect("the token");
    let secret = rest.split('<').next().expect("its text");
    let bearer = format!("Bearer {secret}");
    assert_eq!(room.server.send("GET", "/api/v1/status", &[("Authorization", &bearer)], "").code, 200);
    assert!(!room.get("/tokens").body.contains(secret), "shown once");
    room.done("/tokens/1/remove", &[], "/tokens");
    room.done("/users/vic/change", &[("role", "operator"), ("password", "")], "/users");
    room.done("/users/vic/remove", &[], "/users");
    let last = room.post("/users/anna/remove", &[]);
    assert!(last.code == 409, "an admin must be left: {last:?}");
}

#[test]
fn a_machine_has_its_story_on_its_page() {
    let room = Room::open();
    for name in ["1", "dc:a6:32:01:36:c2"] {
        let page = room.get(&format!("/machines/{name}")).body;
        assert!(page.contains("✗</span> failed") && page.contains("&#60;b&#62;no&#60;/b&#62; card"), "{page}");
        assert!(page.contains("→</span> installer"), "{page}");
    }
    let history = room.get("/api/v1/machines/1/history");
    let history: Value = serde_json::from_str(&history.body).expect("JSON");
    let stages: Vec<&Value> = history["stages"].as_array().expect("stages").iter().map(|each| &each["stage"]).collect();
    assert_eq!(stages, ["installer", "failed"]);
    assert_eq!(history["deployments"][0]["error_message"], "<b>no</b> card");
    room.done("/machines/1/hold", &[], "/machines");
    assert!(room.get("/machines/1").body.contains("held"));
    room.done("/machines/1/reinstall", &[], "/machines");
    let asked = room.get("/machines/1/forget").body;
    assert!(asked.contains("Forget 1?") && asked.contains("name=\"release_name\""), "{asked}");
    room.done("/machines/1/forget", &[("release_name", "yes")], "/machines");
    assert_eq!(room.get("/machines/1").code, 404);
    assert!(room.get("/machines").body.contains("No machine was seen yet"));
}
