//! The pages of the management side as people use them: every page for every role, finding and sorting, exports, forms
//! that are refused and that are taken, and what was typed shown as text. The real binary, on loopback.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::time::{Duration, Instant};

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
        let room = Room { server, anna, vic: String::new(), key };
        room.report(&json!({ "status": "starting", "mac_address": "dc:a6:32:01:36:c2", "hostname": null }));
        let failed =
            json!({ "status": "failed", "mac_address": "dc:a6:32:01:36:c2", "error_message": "<b>no</b> card" });
        room.report(&failed);
        let user = [("name", "vic"), ("role", "viewer"), ("password", PASSWORD)];
        room.done("/users", &user, "/users");
        let vic = room.server.log_in("vic", PASSWORD).cookie();
        Room { vic, ..room }
    }

    /// A word of a machine's installer.
    fn report(&self, body: &Value) {
        let headers = [("Content-Type", "application/json")];
        send(self.server.machines, "POST", "/api/status", &headers, &body.to_string());
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
    let more =
        ["/", "/machines/1", "/venues/ARLT", "/deployments/1", "/names/KXP2-ARLT-002/retire", "/users", "/tokens"];
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
    for path in ["/venues", "/names", "/batches", "/names/KXP2-ARLT-002/retire", "/machines/1/forget", "/users"]
        .iter()
        .chain(&["/names/several", "/machines/several", "/names/assign", "/venues/ARLT/remove", "/machines/1/note"])
    {
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
    let expected = "hostname,status,product_type,venue_code,number,mac_address,serial_number,batch,notes\r\n\
                    KXP2-ARLT-004,retired,KXP2,ARLT,4,,,,\r\n";
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

    let import = [("venue", "SPAA"), ("product", "KXP2"), ("numbers", "1-3, 2, 9")];
    room.done("/names", &import, "/names?venue=SPAA&product=KXP2");
    let imported = room.get("/names?venue=SPAA&product=KXP2").body;
    assert!(imported.contains("4 names added; 0 were there already; 1 were listed more than once"), "{imported}");
    assert!(!room.get("/names").body.contains("names added"), "said once");
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
    assert!(
        batch.contains("active") && batch.contains("0 done, 2 left; next: KXP2-SPAA-001, KXP2-SPAA-002"),
        "{batch}"
    );
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
    assert!(asked.contains("Forget machine 1?") && asked.contains("name=\"release_name\""), "{asked}");
    room.done("/machines/1/forget", &[("release_name", "yes")], "/machines");
    assert_eq!(room.get("/machines/1").code, 404);
    assert!(room.get("/machines").body.contains("No machine was seen yet"));
}

#[test]
fn several_rows_are_named_before_anything_is_done_to_them() {
    let room = Room::open();
    let marked = |act: &str, more: &[(&str, &str)]| {
        let rows = [("row", "KXP2-ARLT-002"), ("row", "KXP2-ARLT-003"), ("act", act), ("back", "q%3DARLT-00")];
        room.post("/names/several", &[&rows, more].concat())
    };
    let retired = || {
        let found: Value = serde_json::from_str(&room.get("/names.json?state=retired").body).expect("JSON");
        found.as_array().map(Vec::len).unwrap_or_default()
    };
    let none = room.post("/names/several", &[("act", "retire"), ("back", "")]);
    assert!(none.code == 422 && none.body.contains("Mark names first"), "{none:?}");
    let asked = marked("retire", &[]);
    assert!(asked.code == 200 && asked.body.contains("Retire 2 names?"), "{asked:?}");
    assert!(asked.body.contains("<li>KXP2-ARLT-002</li>") && asked.body.contains("<li>KXP2-ARLT-003</li>"));
    assert_eq!(retired(), 0, "asking does nothing");
    let senseless = marked("reinstate", &[]);
    assert!(senseless.code == 422 && senseless.body.contains("makes no sense for any of the 2"), "{senseless:?}");
    let done = marked("retire", &[("agreed", "2")]);
    assert_eq!((done.code, done.header("location")), (303, Some("/names?q=ARLT-00")), "{done:?}");
    let page = room.get("/names?q=ARLT-00").body;
    assert!(page.contains("2 names retired") && page.contains("6 names"), "{page}");
    assert!(room.get("/names?state=retired").body.contains("2 of 6 names"));

    // All that fit, whatever part of the list is on the page.
    let all = [("act", "retire"), ("every", "yes"), ("back", "state%3Davailable%26limit%3D1")];
    let asked = room.post("/names/several", &all);
    assert!(asked.body.contains("Retire 4 names?") && asked.body.contains("<li>KXP2-ARLT-006</li>"), "{asked:?}");
    let changed = room.post("/names/several", &[&all[..], &[("agreed", "5")]].concat());
    assert!(changed.code == 200 && changed.body.contains("The list has changed since"), "{changed:?}");
    assert_eq!(retired(), 2);
    assert_eq!(room.post("/names/several", &[&all[..], &[("agreed", "4")]].concat()).code, 303);
    assert_eq!(retired(), 6);

    // Names are changed together: one that is refused keeps all back.
    room.done("/names/KXP2-ARLT-001/reinstate", &[], "/names");
    room.done("/names/KXP2-ARLT-002/reinstate", &[], "/names");
    let order = [("venue", "ARLT"), ("product", "KXP2"), ("count", "1"), ("priority", "0"), ("start", "yes")];
    room.done("/batches", &order, "/batches");
    let two = [("act", "retire"), ("row", "KXP2-ARLT-001"), ("row", "KXP2-ARLT-002"), ("agreed", "2"), ("back", "")];
    let refused = room.post("/names/several", &two);
    assert!(refused.code == 409 && refused.body.contains("0 names retired, 2 not:"), "{refused:?}");
    assert_eq!(retired(), 4);
    let audit: Value = serde_json::from_str(&room.get("/audit.json?operation=names+retire").body).expect("JSON");
    assert_eq!(
        audit.as_array().map(Vec::len),
        Some(2),
        "what was done together is one entry, what was refused none: {audit}"
    );
    room.done("/batches/1/cancel", &[], "/batches");

    // What is refused is said for each, and stays.
    for mac in ["dc:a6:32:00:00:01", "dc:a6:32:00:00:02"] {
        room.report(&json!({ "status": "downloading", "mac_address": mac, "hostname": null }));
    }
    let forget = [("act", "forget"), ("row", "1"), ("row", "2"), ("row", "3"), ("agreed", "3"), ("back", "")];
    let refused = room.post("/machines/several", &forget);
    assert!(refused.code == 409 && refused.body.contains("1 machine forgotten, 2 not:"), "{refused:?}");
    assert!(refused.body.contains("<p>2: ") && refused.body.contains("<p>3: "), "{refused:?}");
    let forget = [("act", "forget"), ("row", "2"), ("row", "3"), ("agreed", "2"), ("force", "yes"), ("back", "")];
    assert_eq!(room.post("/machines/several", &forget).code, 303);
    assert!(room.get("/machines").body.contains("No machine was seen yet"));
}

#[test]
fn what_is_noted_is_read_again_and_a_name_is_given_before_it_is_asked_for() {
    let room = Room::open();
    room.done("/machines/1/note", &[("text", "left <bracket> is loose")], "/machines");
    assert!(room.get("/machines/1").body.contains("left &#60;bracket&#62; is loose"));
    let form = room.get("/machines/1/note").body;
    assert!(form.contains("value=\"left &#60;bracket&#62; is loose\""), "{form}");
    room.done("/names/KXP2-ARLT-004/note", &[("text", "waits for parts")], "/names");
    assert!(room.get("/names?q=parts").body.contains("KXP2-ARLT-004"));
    assert!(room.get("/names/KXP2-ARLT-004/note").body.contains("value=\"waits for parts\""));
    room.done("/names/KXP2-ARLT-004/note", &[("text", "")], "/names");
    assert!(!room.get("/names").body.contains("waits for parts"));

    let assign = [("venue", "ARLT"), ("product", "KXP2"), ("mac", "dc:a6:32:00:00:09"), ("serial", "")];
    let given = room.post("/names/assign", &assign);
    assert_eq!((given.code, given.header("location")), (303, Some("/names?q=KXP2-ARLT-001")), "{given:?}");
    assert!(room.get("/names?q=dc:a6:32:00:00:09").body.contains("KXP2-ARLT-001"));
    let refused = room.post("/names/assign", &[("venue", "ARLT"), ("product", "KXP2"), ("mac", "dc:a6")]);
    assert!(refused.code == 400 && refused.body.contains("value=\"dc:a6\""), "{refused:?}");

    room.done("/venues", &[("code", "SPAA"), ("name", "Spa")], "/venues");
    room.done("/venues/SPAA/remove", &[], "/venues");
    assert_eq!(room.get("/venues/SPAA").code, 404);
    let stays = room.post("/venues/ARLT/remove", &[]);
    assert!(stays.code == 409 && stays.body.contains("ARLT stays: 6 names"), "{stays:?}");
}

#[test]
fn a_deployment_has_its_stages_and_its_log_on_its_page() {
    let room = Room::open();
    for mac in ["DC-A6-32-01-36-C2", "dca6.3201", "36:c2", "%3Cb%3Eno", "failed"] {
        let found = room.get(&format!("/deployments?q={mac}")).body;
        assert!(found.contains("1 deployment ") && found.contains("href=\"/deployments/1\""), "{mac}: {found}");
    }
    assert!(room.get("/deployments?q=nothing-like-it").body.contains("No deployment fits"));
    let page = room.get("/deployments/1").body;
    assert!(page.contains("✗</span> failed") && page.contains("&#60;b&#62;no&#60;/b&#62; card"), "{page}");
    assert!(page.contains("→ installer") && page.contains("Its installer wrote nothing down"), "{page}");
    let lines =
        json!({ "mac_address": "dc:a6:32:01:36:c2", "lines": [{ "level": "error", "text": "<i>dd</i> ended" }] });
    room.report(&json!({ "status": "starting", "mac_address": "dc:a6:32:01:36:c2", "hostname": null }));
    let headers = [("Content-Type", "application/json")];
    let logged = send(room.server.machines, "POST", "/api/log", &headers, &lines.to_string());
    assert_eq!(logged.code, 200, "{logged:?}");
    let page = room.get("/deployments/2").body;
    assert!(page.contains("&#60;i&#62;dd&#60;/i&#62; ended"), "{page}");
    let other = room.get("/deployments/1").body;
    assert!(!other.contains("ended</td>"), "the log of another run: {other}");
    let api: Value = serde_json::from_str(&room.get("/api/v1/deployments/2").body).expect("JSON");
    assert_eq!((&api["machine"], &api["lines"][0]["level"]), (&json!(1), &json!("error")));
    room.done("/machines/1/forget", &[("force", "yes")], "/machines");
    assert!(room.get("/deployments/2").body.contains("Its machine was forgotten since"));
    for id in ["9", "none"] {
        assert_eq!(room.get(&format!("/deployments/{id}")).code, 404);
        assert_eq!(room.get(&format!("/api/v1/deployments/{id}")).code, 404);
    }
}

#[test]
fn ten_thousand_rows_stay_quick_and_small() {
    let room = Room::open();
    room.done("/venues", &[("code", "SPAA"), ("name", "Spa")], "/venues");
    let import = [("venue", "SPAA"), ("product", "KXP2"), ("numbers", "1-9999")];
    room.done("/names", &import, "/names?venue=SPAA&product=KXP2");
    let began = Instant::now();
    let page = room.get("/names?q=spaa-77&sort=-number").body;
    let took = began.elapsed();
    assert!(page.contains("110 of 10,005 names, 1 to 50 here"), "{page}");
    assert!(page.find("SPAA-7799") < page.find("SPAA-7798"), "the last one first");
    assert!(page.len() < 100_000, "{} bytes", page.len());
    // Not a measure: what looked at every row for every row would take minutes.
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(room.get("/names.csv?venue=SPAA").body.lines().count(), 10_000);
    let most = room.get("/names?limit=200").body;
    assert!(most.contains("1 to 200 of 10005"), "{}", most.len());
    assert_eq!(room.get("/names?limit=201").code, 400);
}

#[test]
fn what_somebody_typed_runs_nowhere() {
    let room = Room::open();
    let script = "<script>alert(1)</script>";
    let image = "\"><img src=x onerror=alert(1)>";
    let escapes = [(' ', "%20"), ('<', "%3C"), ('>', "%3E"), ('"', "%22"), ('=', "%3D")];
    let typed = |text: &str| escapes.iter().fold(text.to_owned(), |text, (from, to)| text.replace(*from, to));
    let (script_typed, image_typed) = (typed(script), typed(image));
    let venue = [("code", "EVIL"), ("name", script_typed.as_str()), ("location", image_typed.as_str())];
    room.done("/venues", &venue, "/venues");
    room.post("/tokens", &[("name", &image_typed), ("role", "viewer")]);
    room.report(&json!({ "status": script, "mac_address": "dc:a6:32:00:00:09", "hostname": null, "message": image }));
    room.report(&json!({ "status": "failed", "mac_address": "dc:a6:32:00:00:09", "error_message": image }));
    let pages = ["/venues", "/venues/EVIL", "/tokens", "/audit", "/machines", "/machines/2", "/deployments", "/"];
    let queries = [format!("/names?q={image_typed}"), format!("/audit?by={script_typed}"), "/deployments/2".to_owned()];
    for path in pages.iter().map(|path| (*path).to_owned()).chain(queries) {
        let page = room.get(&path);
        assert_eq!(page.code, 200, "{path}");
        assert!(!page.body.contains("<script>") && !page.body.contains("<img src=x"), "{path}: {}", page.body);
    }
    for path in
        [format!("/names?{script_typed}=1"), format!("/names?sort={image_typed}"), format!("/venues/{script_typed}")]
    {
        let page = room.get(&path).body;
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{path}: {page}");
    }
}
