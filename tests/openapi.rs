//! The OpenAPI document: it is valid, it is about the routes that there are, and a live server does what it says.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/manage.rs"]
mod manage;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use manage::{Server, send, token};
use serde_json::{Value, json};

/// The versions that were tried; later ones may find more, and fail a build that changed nothing.
const TOOLS: [&str; 2] = ["openapi-spec-validator==0.9.0", "schemathesis==4.32.5"];

/// What is held against each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

fn document(server: &Server) -> Value {
    let token = token(server, "viewer", &[]);
    let answer = server.send("GET", "/api/v1/openapi.json", &[("Authorization", &token)], "");
    assert_eq!((answer.code, answer.header("content-type")), (200, Some("application/json")));
    serde_json::from_str(&answer.body).expect("JSON")
}

/// A full disk is the machine's matter, and 507 the answer to it: with the others, an answer that need not be a fault of ours.
const SETTINGS: &str = "[checks.not_a_server_error]\nexpected-statuses = [\"2xx\", \"3xx\", \"4xx\", \"507\"]\n";

/// A virtual environment with the tools, made once; `None` where Python or its packages cannot be had.
fn tools() -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi-tools");
    let (python, done) = (place.join("bin/python"), place.join(TOOLS.join(",")));
    if done.exists() {
        return Some(place);
    }
    let run = |program: &Path, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let made = run(Path::new("python3"), &["-m", "venv", &place.to_string_lossy()]);
    let installed = made && run(&python, &["-m", "pip", "install", "-q", "--retries", "1", TOOLS[0], TOOLS[1]]);
    if !installed {
        eprintln!("SKIPPED: {} cannot be installed here (python3 -m venv, pip)", TOOLS.join(", "));
        return None;
    }
    fs::write(&done, "").expect("a mark");
    Some(place)
}

#[test]
fn every_reference_has_something_to_refer_to() {
    let document = document(&Server::start());
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100, "only {} references", references.len());
    for reference in references {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some(), "{reference} refers to nothing: declare it with Described::shape");
    }
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() > 40, "only {} paths", paths.len());
    let mut ids: Vec<&str> = paths
        .values()
        .flat_map(|path| path.as_object().into_iter().flat_map(|methods| methods.values()))
        .map(|operation| operation["operationId"].as_str().expect("an id"))
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "each operation has an id of its own");
}

fn collect<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            into.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|field| collect(field, into));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        _ => {}
    }
}

#[test]
fn people_read_it_on_a_page() {
    let server = Server::start();
    let cookie = server.set_up();
    let page = server.get("/api", &cookie);
    assert_eq!(page.code, 200);
    for text in ["/api/v1/machines/{machine}", "Idempotency-Key", "curl -H", "For operators and admins", "Schemas"] {
        assert!(page.body.contains(text), "no {text} on the page");
    }
    assert!(!page.body.contains("http://") && !page.body.contains("style="), "something from elsewhere, or inline");
}

#[test]
fn the_document_is_valid() {
    let Some(tools) = tools() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("openapi.json");
    fs::write(&file, document(&Server::start()).to_string()).expect("a file");
    let program = tools.join("bin/openapi-spec-validator");
    let output = Command::new(program).arg(&file).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Requests made up from the document, good ones and bad ones, get no 500 and no answer that is not in it. An admin asks,
/// so that nothing is closed to it. Streams have no end, and are left to tests/management_events.rs; a run that could remove
/// the token it shows would be told 401 from then on.
#[test]
fn a_live_server_does_what_the_document_says() {
    let Some(tools) = tools() else { return };
    let server = Server::start();
    let token = token(&server, "admin", &[]);
    // Lists have rows, so that rows are held against their schemas, too.
    for status in ["starting", "failed"] {
        let body = json!({ "status": status, "serial_number": "10000000d9780558", "error_message": "no card" });
        let json = [("Content-Type", "application/json")];
        assert_eq!(send(server.machines, "POST", "/api/status", &json, &body.to_string()).code, 200);
    }
    let place = format!("http://127.0.0.1:{}", server.pages);
    let settings = server.directory.path().join("schemathesis.toml");
    fs::write(&settings, SETTINGS).expect("a file");
    let output = Command::new("timeout")
        .arg("170")
        .arg(tools.join("bin/schemathesis"))
        .arg("--config-file")
        .arg(&settings)
        .args(["run", &format!("{place}/api/v1/openapi.json")])
        .args(["--header", &format!("Authorization: {token}")])
        .args(["--checks", CHECKS])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "6", "--seed", "1"])
        .args(["--exclude-path", "/api/v1/events", "--exclude-path", "/api/v1/ws"])
        .args(["--exclude-operation-id", "delete_tokens_id"])
        .args(["--request-timeout", "20", "--max-failures", "20", "--no-color"])
        .current_dir(server.directory.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    eprintln!("{said}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("Authentication failed"), "nothing was tested but the login");
}
