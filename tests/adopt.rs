//! `hatchery adopt`: the original's database, made here with its own schema, goes through the real binary into the journal
//! and comes out of the running server field by field. Needs no root: DHCP is off, HTTP is on loopback.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

const HATCHERY: &str = env!("CARGO_BIN_EXE_hatchery");

/// SHA-256 of "version two".
const V2_SHA256: &str = "a67d5f46542514f52d658493fc9405829d2922cf1647574c838b6b86f125477a";

const SCHEMA: &str = "
    CREATE TABLE venues (id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT UNIQUE NOT NULL, name TEXT NOT NULL,
        location TEXT, contact_email TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE hostname_pool (id INTEGER PRIMARY KEY AUTOINCREMENT, product_type TEXT NOT NULL,
        venue_code TEXT NOT NULL, identifier TEXT NOT NULL, status TEXT DEFAULT 'available', mac_address TEXT,
        serial_number TEXT, assigned_date TIMESTAMP, notes TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE deployment_history (id INTEGER PRIMARY KEY AUTOINCREMENT, hostname TEXT, mac_address TEXT,
        serial_number TEXT, ip_address TEXT, product_type TEXT, venue_code TEXT, image_version TEXT,
        deployment_status TEXT, started_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, completed_at TIMESTAMP,
        error_message TEXT);
    CREATE TABLE master_images (id INTEGER PRIMARY KEY AUTOINCREMENT, filename TEXT NOT NULL, product_type TEXT NOT NULL,
        version TEXT NOT NULL, size_bytes INTEGER, checksum TEXT, description TEXT, is_active BOOLEAN DEFAULT 0,
        uploaded_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE deployment_batches (id INTEGER PRIMARY KEY AUTOINCREMENT, venue_code TEXT NOT NULL,
        product_type TEXT NOT NULL, total_count INTEGER NOT NULL, remaining_count INTEGER NOT NULL, priority INTEGER
        DEFAULT 0, status TEXT DEFAULT 'pending', created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, started_at TIMESTAMP,
        completed_at TIMESTAMP);";

const ROWS: &str = "
    INSERT INTO venues VALUES
        (1, 'ARLT', 'Arlington', 'Arlington, Texas', 'arlington@example.com', '2025-03-01 08:00:00'),
        (2, 'SPAA', 'Spa', NULL, NULL, '2025-03-02 08:00:00');
    INSERT INTO hostname_pool VALUES
        (1, 'KXP2', 'ARLT', '001', 'assigned', 'dc:a6:32:00:00:01', '10000000aaaaaaa1', '2025-04-01 10:00:00', NULL,
            '2025-03-01 09:00:00'),
        (2, 'KXP2', 'ARLT', '002', 'assigned', 'DC:A6:32:00:00:02', '10000000aaaaaaa2', '2025-04-02 10:00:00', 'spare',
            '2025-03-01 09:00:00'),
        (3, 'KXP2', 'ARLT', '003', 'available', NULL, NULL, NULL, NULL, '2025-03-01 09:00:00'),
        (4, 'KXP2', 'ARLT', '004', 'retired', NULL, NULL, NULL, 'fell', '2025-03-01 09:00:00'),
        (5, 'RXP2', 'SPAA', 'D9780558', 'assigned', NULL, '10000000d9780558', '2025-04-03 10:00:00', NULL,
            '2025-04-03 10:00:00');
    INSERT INTO deployment_batches VALUES
        (1, 'ARLT', 'KXP2', 2, 0, 5, 'completed', '2025-04-01 09:00:00', '2025-04-01 09:30:00', '2025-04-02 10:00:00'),
        (3, 'SPAA', 'RXP2', 10, 9, -1, 'active', '2025-04-03 09:00:00', '2025-04-03 09:30:00', NULL);
    INSERT INTO deployment_history VALUES
        (1, 'KXP2-ARLT-001', 'dc:a6:32:00:00:01', '10000000aaaaaaa1', '192.168.151.100', 'KXP2', 'ARLT', '2.0', 'failed',
            '2025-04-01 10:00:00', '2025-04-01 10:05:00', 'the card is full'),
        (2, 'KXP2-ARLT-001', 'dc:a6:32:00:00:01', '10000000aaaaaaa1', '192.168.151.100', 'KXP2', 'ARLT', '2.0', 'success',
            '2025-04-01 11:00:00', '2025-04-01 11:20:00', NULL),
        (3, 'RXP2-SPAA-D9780558', NULL, '10000000d9780558', '127.0.0.1', 'RXP2', 'SPAA', NULL, 'success',
            '2025-04-03 10:00:00', '2025-04-03 10:20:00', NULL);";

/// The old system's directory and ours.
struct Place {
    directory: TempDir,
    port: u16,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().expect("a directory");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let config = format!(
            "[paths]\ndata = \"data\"\nsocket = \"socket\"\n[http]\nports = [{port}]\n[tftp]\nenabled = false\n[dhcp]\n\
             enabled = false\n[[network]]\ninterface = \"lo\"\naddress = \"127.0.0.1/24\"\n\
             pool = [\"127.0.0.100-127.0.0.110\"]\n"
        );
        fs::write(directory.path().join("hatchery.toml"), config).expect("a configuration");
        let place = Place { directory, port };
        place.old(SCHEMA);
        place.old(ROWS);
        fs::create_dir(place.path("old-images")).expect("a directory");
        fs::write(place.path("old-images/v2.img"), "version two").expect("an image");
        place.old(&format!(
            "INSERT INTO master_images VALUES
                 (1, 'v1.img', 'KXP2', '1.0', 11, NULL, 'gone', 0, '2025-03-01 07:00:00'),
                 (2, 'v2.img', 'KXP2', '2.0', 11, '{V2_SHA256}', 'current', 1, '2025-03-02 07:00:00')"
        ));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes to the old system's database.
    fn old(&self, sql: &str) {
        Connection::open(self.path("deployment.db")).expect("a database").execute_batch(sql).expect("valid SQL");
    }

    fn run(&self, args: &[&str]) -> Done {
        let mut command = Command::new(HATCHERY);
        command.args(args).current_dir(self.directory.path()).env("HATCHERY_SOCKET", "socket").stdin(Stdio::null());
        let output = command.output().expect("the binary starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Done { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    fn json(&self, args: &[&str]) -> Value {
        let done = self.run(&[args, &["--json"]].concat());
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {done:?}"))
    }

    fn adopt(&self, more: &[&str]) -> Value {
        let args = ["adopt", "original", "--db", "deployment.db", "--images", "old-images", "-c", "hatchery.toml"];
        self.json(&[&args[..], more].concat())
    }

    fn serve(&self) -> Server<'_> {
        let log = fs::File::create(self.path("log")).expect("a log");
        let mut command = Command::new(HATCHERY);
        command.args(["serve", "-c", "hatchery.toml"]).current_dir(self.directory.path());
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("it starts");
        let server = Server { place: self, process };
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.run(&["status"]).code != 0 {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "the server on port {} did not start: {}", self.port, log());
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }
}

/// A running server; stopped when dropped.
struct Server<'a> {
    place: &'a Place,
    process: Child,
}

impl Server<'_> {
    fn json(&self, args: &[&str]) -> Value {
        self.place.json(args)
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(i32::try_from(self.process.id()).expect("process ids fit")), Signal::SIGTERM);
        let _ = self.process.wait();
    }
}

#[test]
fn the_originals_data_comes_out_of_our_server_field_by_field() {
    let place = Place::new();
    let report = place.adopt(&[]);
    let counts = |taken: u64, refused: u64| json!({ "changed": 0, "known": 0, "refused": refused, "taken": taken });
    let tables = json!({
        "deployment_batches": counts(2, 0),
        "deployment_history": counts(3, 0),
        "hostname_pool": counts(5, 0),
        "master_images": counts(1, 1),
        "venues": counts(2, 0),
    });
    assert_eq!(report["tables"], tables, "{report}");
    let remark = json!({
        "field": "filename", "reason": "there is no file old-images/v1.img", "refused": true, "row": 1,
        "table": "master_images",
    });
    assert_eq!(report["remarks"], json!([remark]));

    let server = place.serve();
    let venues = server.json(&["venue", "list"]);
    for (index, code, name, location, email) in [
        (0, "ARLT", "Arlington", json!("Arlington, Texas"), json!("arlington@example.com")),
        (1, "SPAA", "Spa", Value::Null, Value::Null),
    ] {
        let venue = &venues[index];
        assert_eq!((&venue["code"], &venue["name"]), (&json!(code), &json!(name)));
        assert_eq!((&venue["location"], &venue["contact_email"]), (&location, &email));
    }
    let names = server.json(&["names", "list"]);
    let wanted = [
        ("KXP2-ARLT-001", "assigned", json!("dc:a6:32:00:00:01"), json!("10000000aaaaaaa1"), json!(1)),
        ("KXP2-ARLT-002", "assigned", json!("dc:a6:32:00:00:02"), json!("10000000aaaaaaa2"), json!(2)),
        ("KXP2-ARLT-003", "available", Value::Null, Value::Null, json!(3)),
        ("KXP2-ARLT-004", "retired", Value::Null, Value::Null, json!(4)),
        ("RXP2-SPAA-D9780558", "assigned", Value::Null, json!("10000000d9780558"), Value::Null),
    ];
    assert_eq!(names.as_array().map(Vec::len), Some(wanted.len()), "{names}");
    for (row, (hostname, status, mac, serial, number)) in names.as_array().into_iter().flatten().zip(wanted) {
        assert_eq!((&row["hostname"], &row["status"]), (&json!(hostname), &json!(status)));
        assert_eq!((&row["mac_address"], &row["serial_number"], &row["number"]), (&mac, &serial, &number));
        let (product, venue) = (&hostname[..4], &hostname[5..9]);
        assert_eq!((&row["product_type"], &row["venue_code"]), (&json!(product), &json!(venue)));
    }
    let kept = |row: usize| [&names[row]["created_at"], &names[row]["assigned_at"], &names[row]["notes"]];
    let (made, given) = (json!("2025-03-01T09:00:00Z"), json!("2025-04-02T10:00:00Z"));
    assert_eq!(kept(1), [&made, &given, &json!("spare")]);
    assert_eq!(kept(3), [&made, &Value::Null, &json!("fell")]);
    assert_eq!(server.json(&["venue", "list"])[0]["created_at"], "2025-03-01T08:00:00Z");
    let batches = json!([
        {
            "completed_at": "2025-04-02T10:00:00Z", "created_at": "2025-04-01T09:00:00Z", "done_count": 0,
            "failed_count": 0, "id": 1, "priority": 5, "product_type": "KXP2", "running_count": 0, "remaining_count": 0, "started_at": "2025-04-01T09:30:00Z", "status": "completed",
            "total_count": 2, "venue_code": "ARLT",
        },
        {
            "completed_at": null, "created_at": "2025-04-03T09:00:00Z", "done_count": 0, "failed_count": 0, "id": 3,
            "priority": -1, "product_type": "RXP2", "running_count": 0,
            "remaining_count": 9, "started_at": "2025-04-03T09:30:00Z", "status": "active", "total_count": 10,
            "venue_code": "SPAA",
        },
    ]);
    assert_eq!(server.json(&["batch", "list"]), batches);

    let machines = server.json(&["machines"]);
    assert_eq!(machines.as_array().map(Vec::len), Some(3), "{machines}");
    for machine in machines.as_array().into_iter().flatten() {
        assert_eq!((&machine["stage"], &machine["order"]), (&json!("done"), &json!("disk")), "{machine}");
    }
    let explained = server.json(&["explain", "--hostname", "RXP2-SPAA-D9780558"]);
    assert_eq!(explained["machine"]["stage_since"], "2025-04-03T10:20:00Z");
    assert_eq!(explained["machine"]["order"], "disk", "a finished unit is not imaged again: {explained}");
    let last = server.json(&["machine", "log", "KXP2-ARLT-001"])["deployment"].clone();
    let wanted = json!({
        "completed_at": "2025-04-01T11:20:00Z", "error_message": null, "id": 2, "image": "v2.img", "installer": null,
        "started_at": "2025-04-01T11:00:00Z", "status": "success",
    });
    assert_eq!(last, wanted);

    let images = server.json(&["image", "list"]);
    let image =
        images.as_array().into_iter().flatten().find(|row| row["file"] == "v2.img").expect("the image is there");
    assert_eq!(
        (&image["version"], &image["active"], &image["sha256"]),
        (&json!("2.0"), &json!(true), &json!(V2_SHA256))
    );
    assert_eq!((&image["added_at"], &image["since"]), (&json!("2025-03-02T07:00:00Z"), &json!("2025-03-02T07:00:00Z")));
    assert_eq!(fs::read(place.path("data/images/v2.img")).expect("it was copied"), b"version two");
    assert_eq!(fs::read(place.path("old-images/v2.img")).expect("it is still there"), b"version two");

    // The journal has one writer.
    let refused = place.run(&["adopt", "original", "--db", "deployment.db", "-c", "hatchery.toml"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("stop the server first"), "{refused:?}");
    drop(server);

    let journal = || {
        let db = Connection::open(place.path("data/hatchery.db")).expect("the journal");
        let history = "SELECT json_array(hostname, address, product, venue, image, status, started_at, completed_at,
                           error_message) FROM deployment ORDER BY id";
        let mut statement = db.prepare(history).expect("valid SQL");
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
        rows.map(|row| serde_json::from_str(&row.expect("a row")).expect("JSON")).collect::<Vec<Value>>()
    };
    let millis = |secs: i64| json!(secs * 1000);
    let failed = json!([
        "KXP2-ARLT-001",
        "192.168.151.100",
        "KXP2",
        "ARLT",
        "v2.img",
        "failed",
        millis(1_743_501_600),
        millis(1_743_501_900),
        "the card is full",
    ]);
    let before = journal();
    assert_eq!((before.len(), &before[0]), (3, &failed));
    let again = place.adopt(&[]);
    assert_eq!(again["nothing_new"], true, "{again}");
    assert_eq!(again["tables"]["deployment_history"], json!({ "changed": 0, "known": 3, "refused": 0, "taken": 0 }));
    assert_eq!(journal(), before);

    // What the old system did meanwhile is taken in a later run, and nothing else.
    place.old("UPDATE hostname_pool SET status = 'assigned', mac_address = 'dc:a6:32:00:00:03' WHERE id = 3");
    let later = place.adopt(&[]);
    let names = json!({ "changed": 0, "known": 4, "refused": 0, "taken": 1 });
    assert_eq!(later["tables"]["hostname_pool"], names, "{later}");
}

#[test]
fn a_dry_run_changes_nothing() {
    let place = Place::new();
    let old = fs::read(place.path("deployment.db")).expect("the database");
    let dry = place.adopt(&["--dry-run"]);
    assert!(!place.path("data").exists(), "not even the journal is made");
    let wet = place.adopt(&[]);
    assert_eq!((&dry["tables"], &dry["remarks"]), (&wet["tables"], &wet["remarks"]));
    assert_eq!((&dry["dry_run"], &wet["dry_run"]), (&json!(true), &json!(false)));
    assert_eq!(fs::read(place.path("deployment.db")).expect("the database"), old, "the old database is only read");
    place.old("UPDATE hostname_pool SET status = 'retired' WHERE id = 3");
    let text = place.run(&["adopt", "original", "--db", "deployment.db", "-c", "hatchery.toml", "--dry-run"]);
    assert_eq!(text.code, 0, "{text:?}");
    assert!(text.out.contains("hostname_pool: 1 taken (0 with changes), 4 here already, 0 refused\n"), "{text:?}");
    assert!(text.out.ends_with("dry run: nothing was written\n"), "{text:?}");
    let server = place.serve();
    assert_eq!(server.json(&["names", "list", "--state", "retired"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn hostile_rows_are_refused_one_by_one() {
    let place = Place::new();
    place.old(
        "INSERT INTO venues VALUES (9, 'SPA', 'Too short', NULL, NULL, NULL);
         INSERT INTO hostname_pool VALUES
             (11, 'KXP2', 'ARLT', '011', 'assigned', 'dc:a6:32:00:00:01', NULL, NULL, NULL, NULL),
             (12, 'ZZZ9', 'ARLT', '012', 'available', NULL, NULL, NULL, NULL, NULL),
             (13, 'KXP2', 'ARLT', '001', 'available', NULL, NULL, NULL, NULL, NULL),
             (14, 'KXP2', 'ARLT', '014', 'assigned', '$(reboot)', NULL, NULL, NULL, NULL),
             (15, 'KXP2', 'ARLT', '0; DROP TABLE name', 'available', NULL, NULL, NULL, NULL, NULL),
             (16, 'KXP2', 'ARLT', '016', 'available', NULL, NULL, 'soon', NULL, NULL);
         INSERT INTO master_images VALUES
             (3, '../hatchery.toml', 'KXP2', 'x', NULL, NULL, NULL, 0, NULL),
             (4, 'v4.img', 'KXP2', 'x', NULL, 'a67d5f46542514f52d658493fc9405829d2922cf1647574c838b6b86f1254770', NULL, 0,
                 NULL);",
    );
    fs::write(place.path("old-images/v4.img"), "version two").expect("an image");
    let report = place.adopt(&[]);
    let refused: Vec<String> = report["remarks"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|remark| {
            assert_eq!(remark["refused"], true, "{remark}");
            format!(
                "{} {} {}",
                remark["table"].as_str().unwrap_or("?"),
                remark["row"],
                remark["field"].as_str().unwrap_or("?")
            )
        })
        .collect();
    for wanted in [
        "venues 9 code",
        "hostname_pool 11 mac_address",
        "hostname_pool 12 product_type",
        "hostname_pool 13 identifier",
        "hostname_pool 14 mac_address",
        "hostname_pool 15 identifier",
        "hostname_pool 16 assigned_date",
        "master_images 1 filename",
        "master_images 3 filename",
        "master_images 4 checksum",
    ] {
        assert!(refused.iter().any(|line| line == wanted), "{wanted}: {refused:?}");
    }
    assert_eq!(refused.len(), 10, "{refused:?}");
    assert!(!place.path("data/images/v4.img").exists(), "an image with another content is not brought in");
    assert_eq!(report["tables"]["hostname_pool"], json!({ "changed": 0, "known": 0, "refused": 6, "taken": 5 }));
    let server = place.serve();
    assert_eq!(server.json(&["names", "list"]).as_array().map(Vec::len), Some(5));
}

#[test]
fn the_leases_of_dnsmasq_are_ours() {
    let place = Place::new();
    let file = "4102444800 dc:a6:32:00:00:01 127.0.0.100 pi 01:dc:a6:32:00:00:01\n\
                0 dc:a6:32:00:00:02 127.0.0.101 * *\n\
                4102444800 dc:a6:32:00:00:03 10.1.2.3 * *\n";
    fs::write(place.path("dnsmasq.leases"), file).expect("a lease file");
    let args = ["adopt", "leases", "dnsmasq.leases", "-c", "hatchery.toml"];
    place.adopt(&[]);
    let report = place.json(&args);
    assert_eq!(report["tables"]["leases"], json!({ "changed": 0, "known": 0, "refused": 1, "taken": 2 }));
    assert_eq!((&report["remarks"][0]["row"], &report["remarks"][0]["field"]), (&json!(3), &json!("address")));
    assert_eq!(place.json(&args)["nothing_new"], true);
    let server = place.serve();
    let leases = server.json(&["leases"]);
    let lease = json!({
        "address": "127.0.0.100", "client": "dc:a6:32:00:00:01", "expires": "2100-01-01T00:00:00Z",
        "machine": "KXP2-ARLT-001", "state": "bound",
    });
    assert_eq!(leases[0], lease, "{leases}");
    assert_eq!((&leases[1]["address"], &leases[1]["machine"]), (&json!("127.0.0.101"), &json!("KXP2-ARLT-002")));
}

#[test]
fn what_is_wrong_is_said_clearly() {
    let place = Place::new();
    let missing = place.run(&["adopt", "original", "--db", "nowhere.db", "-c", "hatchery.toml"]);
    assert_eq!(missing.code, 1);
    assert_eq!(missing.err, "hatchery: there is no file nowhere.db\n");
    let config = place.run(&["adopt", "leases", "nowhere", "-c", "nowhere.toml"]);
    assert!(config.code != 0 && config.err.contains("nowhere"), "{config:?}");
    for command in ["original", "leases"] {
        assert!(place.run(&["adopt", command, "--help"]).out.contains("Examples:"));
    }
}
