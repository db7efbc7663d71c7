//! Images as an operator adds them: the real binary, the real compressors and partitioners, the server on loopback.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/loopback.rs"]
#[allow(dead_code, reason = "shared with other tests of the deployment API")]
mod loopback;

use std::fs::{self, File};
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hatchery::catalog::Profile;
use hatchery::ids::{ProductName, hex};
use hatchery::machine::firmware::Firmware;
use hatchery::naming::{Product, Scheme};
use hatchery::net::Subnet;
use hatchery::serve::Settings;
use hatchery::site::Link;
use loopback::wait_for;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const MIB: u64 = 1 << 20;

struct Server(loopback::Server);

impl Server {
    fn start() -> Server {
        let mut server = Server(loopback::Server::new());
        server.run();
        server
    }

    fn run(&mut self) {
        let subnet = Subnet::parse("127.0.0.0/8").expect("a subnet");
        let link = Link { name: "loopback".into(), ..Link::new("lo", subnet, Ipv4Addr::LOCALHOST) };
        self.0.run(link, arrange);
    }

    fn hatchery(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
        command.args(args).env("HATCHERY_SOCKET", self.0.path("socket"));
        command.stdin(Stdio::null()).output().expect("the binary starts")
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.hatchery(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn config(&self, serial: &str) -> Value {
        let ask = json!({ "product_type": "KXP2", "serial_number": serial, "installer": { "version": "0" } });
        let answer = self.0.send(Ipv4Addr::LOCALHOST, "POST", "/api/config", &ask.to_string());
        assert_eq!(answer.code, 200, "{answer:?}");
        serde_json::from_str(&answer.body).expect("JSON")
    }
}

/// KXP2 is a Raspberry Pi, RXP2 is not.
fn arrange(settings: Settings) -> Settings {
    let name = |text: &str| ProductName::parse(text).expect("a product name");
    let product = |text: &str| Product { name: name(text), scheme: Scheme::Serial { digits: 8 }, image: None };
    let profile = |text: &str, firmware| Profile {
        name: text.to_owned(),
        firmware: vec![firmware],
        product: Some(name(text)),
        boot_file: Some("x".into()),
        ..Profile::default()
    };
    Settings {
        products: vec![product("KXP2"), product("RXP2")],
        profiles: vec![profile("KXP2", Firmware::RaspberryPi5), profile("RXP2", Firmware::UefiX64)],
        ..settings
    }
}

/// Runs a tool of the host.
fn run(tool: &str, args: &[&str], input: &str) {
    let mut command = Command::new(tool);
    let command = command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let packages = "apt-get install fdisk dosfstools mtools gzip xz-utils zstd";
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{tool}: {error}; {packages}"));
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("the tool reads");
    assert!(child.wait().expect("the tool ends").success(), "{tool} {args:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A Raspberry Pi image of 80 MiB with noise in its root partition.
fn pi_image(path: &Path) {
    let image = File::create(path).expect("an image");
    image.set_len(80 * MIB).expect("a sparse file");
    run("sfdisk", &["--quiet", text(path)], "label: dos\n4MiB,40MiB,c\n44MiB,36MiB,83\n");
    let at = format!("{}@@4M", path.display());
    run("mformat", &["-i", &at, "-F", "-T", "81920", "-h", "64", "-s", "32", "::"], "");
    let file = path.with_extension("file");
    fs::write(&file, "x").expect("a file");
    for name in ["::config.txt", "::kernel8.img"] {
        run("mcopy", &["-i", &at, text(&file), name], "");
    }
    let noise: Vec<u8> = (0..MIB as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    image.write_all_at(&noise, 50 * MIB).expect("written");
}

fn sha256(path: &Path) -> String {
    hex(&Sha256::digest(fs::read(path).expect("readable")))
}

#[test]
fn an_image_of_every_format_is_added_and_served() {
    let mut server = Server::start();
    let scratch = tempfile::tempdir().expect("a directory");
    let raw = scratch.path().join("pi.img");
    pi_image(&raw);
    let raw_sha256 = sha256(&raw);
    for (tool, end, word) in [("", "img", "none"), ("gzip", "gz", "gzip"), ("xz", "xz", "xz"), ("zstd", "zst", "zstd")]
    {
        let path = if tool.is_empty() { raw.clone() } else { scratch.path().join(format!("pi.img.{end}")) };
        if !tool.is_empty() {
            run(tool, &["-k", "-q", "-1", text(&raw)], "");
        }
        let added = server.json(&["image", "add", text(&path), "--product", "KXP2", "--activate"]);
        assert_eq!(added["compression"], word);
        assert_eq!((&added["sha256"], &added["raw_sha256"]), (&json!(sha256(&path)), &json!(raw_sha256)));
        assert_eq!((&added["raw_size"], &added["kind"]), (&json!(80 * MIB), &json!("disk")));
        assert_eq!(added["warnings"], json!([]), "{added}");
        assert!(added["zero_bytes"].as_u64().expect("a number") > 60 * MIB, "{added}");
        let config = server.config("10000000d9780558");
        let size = fs::metadata(&path).expect("there").len();
        assert_eq!((&config["image_size"], &config["image_checksum"]), (&json!(size), &json!(raw_sha256)));
        assert_eq!(config["install"]["compression"], word);
        assert_eq!(config["install"]["raw_size"], 80 * MIB);
    }
    // What is known is remembered: nothing is measured again.
    let before = server.json(&["image", "list"]);
    server.0.stop();
    server.run();
    assert_eq!(server.json(&["image", "list"]), before);
    let config =
        || server.0.send(Ipv4Addr::LOCALHOST, "POST", "/api/config", r#"{"serial_number":"10000000d9780558"}"#);
    wait_for("the image in use", || config().code == 200);
    let list = String::from_utf8(server.hatchery(&["image", "list"]).stdout).expect("UTF-8");
    assert!(list.lines().any(|line| line.contains("pi.img.xz") && line.contains(" xz ")), "{list}");
    assert!(list.lines().any(|line| line.contains("pi.img ") && line.contains(" raw ")), "{list}");
}

#[test]
fn what_is_cut_off_or_no_image_is_refused_and_leaves_nothing() {
    let server = Server::start();
    let scratch = tempfile::tempdir().expect("a directory");
    let raw = scratch.path().join("x.img");
    let noise: Vec<u8> = (0..2 * MIB as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
    fs::write(&raw, noise).expect("written");
    let refused = |path: &Path, reason: &str| {
        for extra in [&[][..], &["--link"]] {
            let output = server.hatchery(&[&["image", "add", text(path), "--product", "KXP2"], extra].concat());
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && said.contains(reason), "{path:?}: {said}");
        }
    };
    for (tool, end) in [("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")] {
        run(tool, &["-k", "-q", "-1", text(&raw)], "");
        let path = scratch.path().join(format!("x.img.{end}"));
        let whole = fs::read(&path).expect("readable");
        fs::write(&path, &whole[..whole.len() / 2]).expect("written");
        refused(&path, "cut off");
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 0xff;
        fs::write(&path, damaged).expect("written");
        refused(&path, "data");
    }
    fs::write(scratch.path().join("x.zip"), b"PK\x03\x04rest").expect("written");
    refused(&scratch.path().join("x.zip"), "unpack it");
    assert_eq!(fs::read_dir(server.0.path("images")).expect("a directory").count(), 0);
}

#[test]
fn an_image_that_does_not_boot_its_machines_is_warned_of() {
    let server = Server::start();
    let scratch = tempfile::tempdir().expect("a directory");
    let path = scratch.path().join("pc.img");
    File::create(&path).expect("an image").set_len(64 * MIB).expect("a sparse file");
    run("sfdisk", &["--quiet", text(&path)], "label: gpt\n1MiB,30MiB,U\n31MiB,20MiB,L\n");
    let added = |product: &str| server.json(&["image", "add", text(&path), "--product", product, "--link"]);
    assert_eq!(added("RXP2")["warnings"], json!([]));
    assert!(added("KXP2")["warnings"][0].as_str().is_some_and(|text| text.contains("config.txt")));
    let output = server.hatchery(&["image", "list"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("warning: pc.img: it has no FAT partition with config.txt"), "{said}");
    // A raw image that was cut off shows in its table.
    let cut = scratch.path().join("cut.img");
    fs::copy(&path, &cut).expect("a copy");
    File::options().write(true).open(&cut).expect("there").set_len(40 * MIB).expect("shorter");
    let added = server.json(&["image", "add", text(&cut), "--product", "RXP2"]);
    assert!(added["warnings"][0].as_str().is_some_and(|text| text.contains("cut off")), "{added}");
}

#[test]
fn a_damaged_file_that_lies_there_is_measured_once_and_not_served() {
    let server = Server::start();
    fs::write(server.0.path("images/kxp2_master.img"), b"\x1f\x8b\x08 and no more").expect("rubbish");
    let config =
        || server.0.send(Ipv4Addr::LOCALHOST, "POST", "/api/config", r#"{"product_type":"KXP2","serial_number":"1"}"#);
    assert_eq!(config().code, 404);
    fs::write(server.0.path("images/kxp2_master.img"), b"an image").expect("an image");
    wait_for("the mended image", || config().code == 200);
}
