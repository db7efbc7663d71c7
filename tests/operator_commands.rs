//! The operator's commands as the shell sees them: the real binary on both sides of the control socket, exit codes, the
//! shapes of `--json`, and another configuration while the server runs. Needs no root: DHCP is off, HTTP is on loopback.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

const HATCHERY: &str = env!("CARGO_BIN_EXE_hatchery");
const IMAGE_SIZE: usize = 48 << 20;

/// A profile for what asks as no firmware does, with a template of the operator's.
const KIOSK: &str =
    "[[profile]]\nname = \"kiosk\"\nfirmware = [\"plain\"]\n[profile.answers]\n\"hello.txt\" = \"hello.txt\"\n";

/// A server process with its files in a directory of its own; killed when dropped.
struct Server {
    directory: TempDir,
    port: u16,
    process: Child,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Done {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn run(directory: &TempDir, input: &str, args: &[&str]) -> Done {
    let mut command = Command::new(HATCHERY);
    command.args(args).current_dir(directory.path()).env("HATCHERY_SOCKET", "socket");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("the binary starts");
    let mut stdin = process.stdin.take().expect("a pipe");
    // Most commands end without reading it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = process.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Done { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

fn config(port: u16, rest: &str) -> String {
    format!(
        r#"
[paths]
data = "data"
socket = "socket"
[http]
ports = [{port}]
[tftp]
enabled = false
[dhcp]
enabled = false
[[network]]
interface = "lo"
address = "127.0.0.1/24"
pool = ["127.0.0.100-127.0.0.110"]
[[venue]]
code = "ARLT"
name = "Arlington"
numbers = {{ KXP2 = ["1-6"] }}
{rest}"#
    )
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Server {
    fn start() -> Server {
        let directory = tempfile::tempdir().expect("a directory");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        fs::create_dir_all(directory.path().join("data/images")).expect("a directory");
        let image = fs::File::create(directory.path().join("data/images/kxp2_master.img")).expect("an image");
        image.set_len(IMAGE_SIZE as u64).expect("an image");
        fs::write(directory.path().join("hatchery.toml"), config(port, "")).expect("a configuration");
        let log = fs::File::create(directory.path().join("log")).expect("a log");
        let mut command = Command::new(HATCHERY);
        command.args(["serve", "-c", "hatchery.toml"]).current_dir(directory.path());
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("it starts");
        let server = Server { directory, port, process };
        wait_for("the server", || server.run(&["status"]).code == 0);
        wait_for("the image's digest", || server.log().contains("image: ready"));
        server
    }

    fn run(&self, args: &[&str]) -> Done {
        run(&self.directory, "", args)
    }

    fn json(&self, args: &[&str]) -> Value {
        let done = self.run(&[args, &["--json"]].concat());
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        done.json()
    }

    /// The command is refused: the sentence, with exit code 1.
    fn refused(&self, args: &[&str]) -> String {
        let done = self.run(&[args, &["--json"]].concat());
        assert_eq!(done.code, 1, "{args:?}: {done:?}");
        let sentence = done.json()["error"].as_str().expect("a sentence").to_owned();
        assert_eq!(done.err, format!("hatchery: {sentence}\n"));
        sentence
    }

    fn configure(&self, rest: &str) {
        fs::write(self.directory.path().join("hatchery.toml"), config(self.port, rest)).expect("a configuration");
    }

    fn template(&self, name: &str, text: &str) {
        let directory = self.directory.path().join("data/templates");
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join(name), text).expect("a template");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).expect("a log")
    }

    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("a request sent");
        stream
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let length = body.len();
        let mut stream = self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ));
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("a reply");
        let (_, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
        serde_json::from_str(body).expect("JSON")
    }

    /// The name that a board with this serial gets.
    fn named(&self, serial: &str) -> String {
        let ask = json!({ "product_type": "KXP2", "venue_code": "ARLT", "serial_number": serial });
        self.post("/api/config", &ask)["hostname"].as_str().expect("a name").to_owned()
    }

    fn report(&self, serial: &str, status: &str) {
        self.post("/api/status", &json!({ "status": status, "serial_number": serial, "hostname": null }));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn venues_and_names_from_the_shell() {
    let server = Server::start();
    let add = ["venue", "add", "spaa", "--name", "Spa", "--contact", "crew@example.com"];
    let made = server.json(&add);
    let spa = json!({
        "code": "SPAA", "contact_email": "crew@example.com", "created_at": made["created_at"], "location": null,
        "name": "Spa",
    });
    assert_eq!(made, spa);
    assert!(server.refused(&["venue", "add", "SPA", "--name", "Spa"]).starts_with("Invalid venue code: SPA."));
    let import = ["names", "import", "--venue", "SPAA", "--product", "KXP2"];
    let added = server.json(&[&import[..], &["1-3,77", "77"]].concat());
    let wanted = json!({ "added": 4, "already": [], "already_there": 0, "duplicates": 1, "repeated": [77] });
    assert_eq!(added, wanted);
    let piped = run(&server.directory, "number;kart\n3;red\n4;blue\n", &[&import[..], &["--file", "-"]].concat());
    assert_eq!(
        (piped.code, piped.out.as_str()),
        (0, "1 names added; 1 were there already, 0 came twice in the list\n")
    );
    fs::write(server.directory.path().join("karts.csv"), "7,2024\n8,2024\nnine,2024\n").expect("a list");
    let wrong = server.run(&[&import[..], &["--file", "karts.csv"]].concat());
    assert_eq!(wrong.code, 2);
    assert_eq!(wrong.err, "hatchery: karts.csv:3: 'nine' is no number and no range such as 1-40\n");
    let venues = server.json(&["venue", "list"]);
    assert_eq!(venues[1]["names"], json!({ "KXP2": { "assigned": 0, "available": 5, "retired": 0 } }), "{venues}");
    let text = server.run(&["venue", "list"]).out;
    assert!(text.contains("KXP2 5 of 5 free"), "{text}");

    assert_eq!(server.named("10000000d9780558"), "KXP2-ARLT-001");
    let sentence = server.refused(&["names", "release", "KXP2-ARLT-001"]);
    assert!(sentence.contains("is being installed"), "{sentence}");
    server.report("10000000d9780558", "success");
    let history = server.json(&["machine", "history", "KXP2-ARLT-001"]);
    assert_eq!(history["deployments"][0]["status"], "success", "{history}");
    let told = server.run(&["machine", "history", "KXP2-ARLT-001"]).out;
    assert!(told.starts_with("KXP2-ARLT-001\n") && told.contains("  installer") && told.contains("  done"), "{told}");
    let listed = server.json(&["deployment", "list", "--status", "success", "--find", "ARLT-001"]);
    assert_eq!((&listed["total"], &listed["items"][0]["hostname"]), (&json!(1), &json!("KXP2-ARLT-001")), "{listed}");
    let id = listed["items"][0]["id"].to_string();
    let shown = server.run(&["deployment", "show", &id]).out;
    assert!(shown.starts_with(&format!("deployment {id}: success\n")) && shown.contains("10000000d9780558"), "{shown}");
    assert_eq!(server.refused(&["deployment", "show", "99"]), "There is no deployment 99");
    let assigned = server.json(&["names", "list", "--venue", "arlt", "--state", "assigned"]);
    let (given, made) = (&assigned[0]["assigned_at"], &assigned[0]["created_at"]);
    assert!(given.is_string() && made.is_string(), "{assigned}");
    let row = json!({
        "assigned_at": given, "created_at": made, "notes": null, "batch": null, "hostname": "KXP2-ARLT-001", "mac_address": null, "number": 1, "product_type": "KXP2",
        "serial_number": "10000000d9780558", "status": "assigned", "venue_code": "ARLT",
    });
    assert_eq!(assigned, json!([row]));
    assert_eq!(server.json(&["names", "release", "KXP2-ARLT-001"])["status"], "available");
    assert_eq!(server.json(&["names", "retire", "KXP2-ARLT-001"])["status"], "retired");
    assert_eq!(server.named("10000000aaaaaaaa"), "KXP2-ARLT-002");
    assert_eq!(server.json(&["names", "reinstate", "KXP2-ARLT-001"])["status"], "available");
    assert_eq!(server.refused(&["names", "retire", "KXP2-ARLT-099"]), "Name not found: KXP2-ARLT-099");
    assert!(server.refused(&["names", "list", "--state", "free"]).contains("available, assigned, retired"));

    let pasted = server.json(&["names", "add", "--venue", "SPAA", "--product", "KXP2", "KXP2-SPAA-077", "78"]);
    assert_eq!((&pasted["added"], &pasted["already"]), (&json!(1), &json!(["KXP2-SPAA-077"])));
    let both = ["names", "retire", "KXP2-SPAA-077", "KXP2-SPAA-078"];
    assert_eq!(server.json(&both)[1]["status"], "retired");
    assert!(server.refused(&["names", "reinstate", "KXP2-SPAA-077", "KXP2-ARLT-002"]).contains("not retired"));
    assert_eq!(server.json(&["names", "list", "--state", "retired"]).as_array().map(Vec::len), Some(2));
    let whose = ["names", "assign", "--venue", "SPAA", "--product", "KXP2", "--mac", "dc:a6:32:00:00:07"];
    assert_eq!(server.json(&whose)["hostname"], "KXP2-SPAA-001");
    assert_eq!(server.json(&whose)["hostname"], "KXP2-SPAA-001", "once and for all");
    assert_eq!(server.json(&["names", "note", "KXP2-SPAA-002", "spare"])["notes"], "spare");
    let told = server.json(&["machine", "note", "KXP2-SPAA-001", "loose bracket"]);
    assert_eq!(told, "KXP2-SPAA-001 has this note now");
    assert!(server.refused(&["venue", "remove", "SPAA"]).starts_with("SPAA stays: 6 names"));
    server.json(&["venue", "add", "GONE", "--name", "Gone"]);
    assert_eq!(server.json(&["venue", "remove", "gone"]), "venue GONE is removed");
    let products = server.run(&["products"]).out;
    assert!(products.contains("KXP2-SPAA-007") && products.contains("ready"), "{products}");
}

#[test]
fn machines_are_forgotten_and_batches_cancelled() {
    let server = Server::start();
    let create = ["batch", "create", "--venue", "ARLT", "--product", "KXP2", "--count", "2"];
    assert_eq!(server.json(&create)["id"], 1);
    assert_eq!(server.json(&["batch", "start", "1"])["status"], "active");
    assert_eq!(server.json(&["batch", "priority", "1", "-4"])["priority"], -4);
    assert_eq!(server.named("10000000d9780558"), "KXP2-ARLT-001");
    server.report("10000000d9780558", "success");
    let told = server.json(&["machine", "forget", "--release-name", "10000000d9780558"]);
    assert_eq!(told, "serial 10000000d9780558 is forgotten; KXP2-ARLT-001 can be given again");
    assert_eq!(server.json(&["machines"]), json!([]));
    assert_eq!(server.json(&["batch", "list"])[0]["remaining_count"], 2);
    assert_eq!(server.json(&["batch", "show", "1"])["names"], json!([]));
    assert_eq!(server.json(&["batch", "cancel", "1"])["status"], "cancelled");
    assert_eq!(server.refused(&["batch", "start", "1"]), "Cannot start cancelled batch 1");
    assert!(server.refused(&["machine", "forget", "10000000d9780558"]).starts_with("No machine is known"));
}

#[test]
fn exit_codes_are_as_documented() {
    let directory = tempfile::tempdir().expect("a directory");
    let nobody = run(&directory, "", &["machines", "--json"]);
    assert_eq!(nobody.code, 3, "{nobody:?}");
    assert!(nobody.json()["error"].as_str().is_some_and(|text| text.contains("no server answers on socket")));
    assert_eq!(run(&directory, "", &["names", "import", "--venue", "ARLT", "--product", "KXP2"]).code, 2);
    assert_eq!(run(&directory, "", &["batch", "priority", "one", "2"]).code, 2);
    let help = run(&directory, "", &["--help"]);
    assert_eq!(help.code, 0);
    for line in ["3    no server answers", "130  interrupted"] {
        assert!(help.out.contains(line), "{}", help.out);
    }
}

#[test]
fn every_command_shows_how_it_is_used() {
    /// Counts the commands below; those without an example are named.
    fn look(command: &clap::Command, path: &str, without: &mut Vec<String>) -> usize {
        let path = format!("{path} {}", command.get_name());
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        if !help.contains("Example") || !help.contains("hatchery ") {
            without.push(path.clone());
        }
        command.get_subcommands().map(|each| look(each, &path, without)).sum::<usize>() + 1
    }
    let command = <hatchery::cli::Cli as clap::CommandFactory>::command();
    let mut without = Vec::new();
    assert!(look(&command, "", &mut without) > 40);
    assert!(without.is_empty(), "no example in the help of: {without:?}");
}

#[test]
fn a_reload_takes_over_and_drops_no_transfer() {
    let server = Server::start();
    assert_eq!(server.named("10000000d9780558"), "KXP2-ARLT-001");
    let mut download = server.send("GET /images/kxp2_master.img HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut piece = vec![0; 1 << 20];
    download.read_exact(&mut piece).expect("the beginning");
    fs::write(server.directory.path().join("data/images/other.img"), b"another image").expect("an image");
    let product = "[[product]]\nname = \"KXP2\"\nimage = \"other.img\"\n";
    server.configure(&format!("[[venue]]\ncode = \"SPAA\"\nnumbers = {{ KXP2 = [7] }}\n{product}"));
    assert_eq!(server.json(&["reload"]), "the new configuration is in force");
    let names = server.json(&["names", "list", "--venue", "SPAA"]);
    assert_eq!(names[0]["hostname"], "KXP2-SPAA-007", "{names}");
    assert_eq!(server.named("10000000d9780558"), "KXP2-ARLT-001", "names stay");
    let ask = json!({ "product_type": "KXP2", "serial_number": "10000000d9780558" });
    wait_for("the other image", || server.post("/api/config", &ask)["image_size"] == 13);
    let mut rest = Vec::new();
    download.read_to_end(&mut rest).expect("the rest");
    let whole = [piece, rest].concat();
    let head = whole.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    assert_eq!(whole.len() - head, IMAGE_SIZE, "the download under way is whole");
}

#[test]
fn a_bad_configuration_is_refused_and_the_old_one_serves_on() {
    let server = Server::start();
    server.configure("[[venue]]\ncode = \"SPA\"\n[nonsense]\n");
    let refused = server.run(&["reload", "--json"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    let problems = refused.json()["problems"].as_array().expect("a list").clone();
    assert_eq!(problems.len(), 2, "every problem at once: {problems:?}");
    assert!(refused.err.contains("nonsense"), "{refused:?}");
    assert_eq!(server.named("10000000d9780558"), "KXP2-ARLT-001");

    let lines = || server.log().matches("the old one stays in force").count();
    let before = lines();
    let id = i32::try_from(server.process.id()).expect("process ids fit");
    kill(Pid::from_raw(id), Signal::SIGHUP).expect("the server is there");
    wait_for("the line in the log", || lines() > before);
    assert_eq!(server.named("10000000aaaaaaaa"), "KXP2-ARLT-002");

    // What sockets and directories depend on is not changed in passing.
    fs::write(server.directory.path().join("hatchery.toml"), config(1, "")).expect("a configuration");
    let refused = server.run(&["reload"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("http.ports cannot change while the server runs: restart it"), "{refused:?}");

    server.configure("[[venue]]\ncode = \"SPAA\"\nnumbers = { KXP2 = [7] }\n");
    kill(Pid::from_raw(id), Signal::SIGHUP).expect("the server is there");
    wait_for("the new venue", || server.json(&["venue", "list"]).as_array().is_some_and(|all| all.len() == 2));
}

#[test]
fn what_a_machine_gets_is_explained_and_rendered() {
    let server = Server::start();
    let serial = "10000000d9780558";
    assert_eq!(server.named(serial), "KXP2-ARLT-001");
    server.template("hello.txt", "hello {{ hostname }}, from {{ server }}\n");
    server.configure(KIOSK);
    server.json(&["reload"]);

    let text = "hello KXP2-ARLT-001, from 127.0.0.1\n";
    let rendered = server.run(&["render", "hello.txt", "--serial", serial]);
    assert_eq!((rendered.code, rendered.out.as_str()), (0, text), "the text and nothing else: {rendered:?}");
    assert_eq!(server.json(&["render", "hello.txt", "--hostname", "KXP2-ARLT-001"]), text);
    assert_eq!(server.refused(&["render", "nothing.txt", "--serial", serial]), "file not found: nothing.txt");
    assert!(server.refused(&["render", "hello.txt", "--serial", "1"]).starts_with("No machine is known by serial 1"));

    let explained = server.json(&["explain", "--serial", serial]);
    let machine = &explained["machine"];
    assert_eq!((&machine["serial"], &machine["hostname"]), (&json!(serial), &json!("KXP2-ARLT-001")), "{explained}");
    let reasons: Vec<&str> = explained["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(!reasons.is_empty(), "{explained}");
    let shown = server.run(&["explain", "--hostname", "KXP2-ARLT-001"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(reasons.iter().all(|reason| shown.out.contains(&format!("\n  - {reason}\n"))), "{shown:?}");
    assert!(server.refused(&["explain", "--mac", "52:54:00:00:00:01"]).starts_with("No machine is known"));
}

#[test]
fn an_answer_is_rendered_for_an_invented_machine_without_a_server() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir_all(directory.path().join("data/templates")).expect("a directory");
    let template = directory.path().join("data/templates/hello.txt");
    fs::write(&template, "hello {{ hostname }}\n").expect("a template");
    fs::write(directory.path().join("hatchery.toml"), config(80, KIOSK)).expect("a configuration");
    let fixture =
        |more: &[&str]| run(&directory, "", &[&["render", "--fixture", "-c", "hatchery.toml"], more].concat());
    let text = fixture(&["hello.txt"]);
    assert!(text.code == 0 && text.out.starts_with("hello ") && text.out.lines().count() == 1, "{text:?}");
    assert_eq!(fixture(&["hello.txt", "--json"]).json(), text.out);
    let unknown = fixture(&["nothing"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (2, ""));
    assert!(unknown.err.contains("no profile has an answer or template named \"nothing\""), "{unknown:?}");
    fs::write(&template, "one\n{{ hostnam }}\n").expect("a template");
    let broken = fixture(&["hello.txt"]);
    assert!(broken.code == 2 && broken.err.contains("hello.txt:2: "), "file and line: {broken:?}");
    assert_eq!(run(&directory, "", &["render", "hello.txt"]).code, 2, "for which machine?");
}

#[test]
fn the_doctor_looks_at_the_configuration_that_is_in_force() {
    let server = Server::start();
    let diagnosis = || {
        let done = server.run(&["doctor", "-c", "hatchery.toml", "--json"]);
        let findings = done.json();
        let templates = findings.as_array().into_iter().flatten().find(|each| each["check"] == "templates").cloned();
        (done.code, templates.expect("templates are looked at"))
    };
    let (code, finding) = diagnosis();
    assert_eq!((code, &finding["level"], &finding["hint"]), (0, &json!("green"), &json!("")), "{finding}");

    // It compiles; that the name does not exist shows when it is rendered.
    server.template("hello.txt", "{{ hostnam }}\n");
    server.configure(KIOSK);
    server.json(&["reload"]);
    let (code, finding) = diagnosis();
    assert_eq!((code, &finding["level"]), (1, &json!("red")), "{finding}");
    assert!(finding["what"].as_str().is_some_and(|what| what.contains("hello.txt:1")), "{finding}");
    assert!(finding["hint"].as_str().is_some_and(|hint| hint.contains("hatchery reload")), "{finding}");

    // What the hint says helps.
    server.template("hello.txt", "{{ hostname }}\n");
    server.json(&["reload"]);
    let (code, finding) = diagnosis();
    assert_eq!((code, &finding["level"]), (0, &json!("green")), "{finding}");
}

#[test]
fn a_port_of_somebody_else_is_red_before_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir_all(directory.path().join("data")).expect("a directory");
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("an address").port();
    fs::write(directory.path().join("hatchery.toml"), config(port, "")).expect("a configuration");
    let diagnosis = || {
        let done = run(&directory, "", &["doctor", "-c", "hatchery.toml", "--json"]);
        let findings = done.json();
        let check = format!("port of HTTP 127.0.0.1:{port}");
        let level = |check: &str| {
            let found = findings.as_array().into_iter().flatten().find(|each| each["check"] == check);
            found.map(|each| each["level"].clone()).unwrap_or_else(|| panic!("no {check}: {findings:#}"))
        };
        (done.code, level(&check), level("server"))
    };
    assert_eq!(diagnosis(), (1, json!("red"), json!("amber")));
    drop(other);
    assert_eq!(diagnosis(), (0, json!("green"), json!("amber")));
}

#[test]
fn a_simulated_world_is_told_by_its_seed() {
    let directory = tempfile::tempdir().expect("a directory");
    let sim = |more: &[&str]| {
        let done = run(&directory, "", &[&["sim", "--clients", "3", "--seed", "7"], more].concat());
        assert_eq!(done.code, 0, "{done:?}");
        done
    };
    let report = sim(&["--json"]).json();
    assert_eq!((&report["clients"], &report["seed"], &report["story"]), (&json!(3), &json!(7), &Value::Null));
    let faulted = report["faulted"].as_array().map_or(0, Vec::len) as u64;
    assert_eq!(report["done"].as_u64().map(|done| done + faulted), Some(3), "{report}");
    let hash = report["hash"].as_str().expect("a hash");
    let text = sim(&[]).out;
    assert!(text.ends_with(&format!("seed 7, hash {hash}\n")), "the same film again: {text}");
    let story = sim(&["--story", "--pcap", "sim.pcap"]).out;
    assert!(story.contains("DHCP DISCOVER") && story.ends_with(&format!("hash {hash}\n")), "{story}");
    let capture = fs::read(directory.path().join("sim.pcap")).expect("a capture");
    assert!(capture.len() > 24 && capture[..4] == 0xa1b2_c3d4_u32.to_ne_bytes(), "{:?}", &capture[..4]);
    assert_eq!(run(&directory, "", &["sim", "--clients", "0"]).code, 2);
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let directory = tempfile::tempdir().expect("a directory");
    let help = run(&directory, "", &["--help"]).out;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = listed
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(names.len() > 15, "{help}");
    for shell in ["bash", "zsh", "fish"] {
        let done = run(&directory, "", &["completions", shell]);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{shell}");
        for name in &names {
            assert!(done.out.contains(name), "{shell} completes no {name}");
        }
    }
    assert_eq!(run(&directory, "", &["completions", "none"]).code, 2);
    let done = run(&directory, "", &["man", "pages/man1"]);
    assert_eq!(done.code, 0, "{done:?}");
    let page = |name: &str| fs::read_to_string(directory.path().join("pages/man1").join(name)).unwrap_or_default();
    assert!(page("hatchery.1").contains(".TH hatchery 1"));
    for name in names {
        assert!(page(&format!("hatchery-{name}.1")).contains(".SH SYNOPSIS"), "no page of {name}");
    }
}

#[test]
fn an_image_is_added_and_activated_from_the_shell() {
    let server = Server::start();
    fs::write(server.directory.path().join("v2.img"), b"version two").expect("an image");
    let listed = server.json(&["image", "list"]);
    assert_eq!((&listed[0]["file"], &listed[0]["active"]), (&json!("kxp2_master.img"), &json!(true)), "{listed}");
    assert_eq!(listed[0]["size"], IMAGE_SIZE);
    let added = server.json(&["image", "add", "v2.img", "--product", "KXP2", "--version", "2.0", "--activate"]);
    assert_eq!(added["sha256"], "a67d5f46542514f52d658493fc9405829d2922cf1647574c838b6b86f125477a");
    assert_eq!((&added["version"], &added["active"]), (&json!("2.0"), &json!(true)), "{added}");
    let ask = json!({ "product_type": "KXP2", "serial_number": "10000000d9780558" });
    let reply = server.post("/api/config", &ask);
    assert!(reply["image_url"].as_str().is_some_and(|url| url.ends_with("/images/v2.img")), "{reply}");
    assert_eq!(reply["image_checksum"], added["sha256"]);

    // What is there is not overwritten, and what is not there is not activated.
    let again = server.run(&["image", "add", "v2.img", "--product", "KXP2"]);
    assert!(again.code == 1 && again.err.contains("is there already"), "{again:?}");
    let images = server.directory.path().join("data/images");
    fs::write(server.directory.path().join("v3.img"), b"version three").expect("an image");
    server.json(&["image", "add", "v3.img", "--product", "KXP2", "--link"]);
    wait_for("the digest", || server.json(&["image", "list"])[2]["sha256"].is_string());
    fs::remove_file(images.join("v3.img")).expect("it was there");
    let gone = server.refused(&["image", "activate", "--product", "KXP2", "v3.img"]);
    assert!(gone.starts_with("There is no file v3.img in /"), "{gone}");
    assert!(server.refused(&["image", "activate", "--product", "KXP2", "9.9"]).contains("add it first"));
    assert_eq!(server.json(&["image", "list"])[1]["active"], true, "v2 is still what machines get");
}

#[test]
fn an_interrupted_import_leaves_nothing() {
    let server = Server::start();
    let big = fs::File::create(server.directory.path().join("big.img")).expect("an image");
    big.set_len(16 << 30).expect("a sparse file");
    let mut command = Command::new(HATCHERY);
    command.args(["image", "add", "big.img", "--product", "KXP2"]);
    command.current_dir(server.directory.path()).env("HATCHERY_SOCKET", "socket").stderr(Stdio::piped());
    let import = command.spawn().expect("the binary starts");
    let part = server.directory.path().join("data/images/big.img.part");
    wait_for("the part", || part.exists());
    kill(Pid::from_raw(i32::try_from(import.id()).expect("process ids fit")), Signal::SIGINT).expect("it runs");
    let output = import.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!part.exists());
    assert!(!server.directory.path().join("data/images/big.img").exists());
    assert_eq!(server.json(&["image", "list"]).as_array().map(Vec::len), Some(2), "nothing was added");
}
