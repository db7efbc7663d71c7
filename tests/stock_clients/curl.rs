//! curl: downloads in its many ways, the deployment API, and boot files over both protocols.

use std::fs;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

use hatchery::lab::Port;
use hatchery::sim::client::Kind;
use serde_json::{Value, json};

use crate::table::{Table, client, mac};
use crate::tools::{inside_with, program, run, text};

const IMAGE: &str = "http://192.168.151.1/images/kxp2_master.img";

/// curl from that machine.
fn curl(table: &Table, port: &Port, words: &[&str]) -> Command {
    let mut command = program(table, "curl");
    command.args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*", "--interface"]);
    command.arg(format!("if!{}", port.interface())).args(words);
    command
}

/// What curl wrote; it must have succeeded.
fn said(table: &Table, port: &Port, words: &[&str]) -> Vec<u8> {
    let output = run(&mut curl(table, port, words));
    assert!(output.status.success(), "curl {words:?}: {}\n{}", text(&output), table.bench.log_tail(20));
    output.stdout
}

fn said_text(table: &Table, port: &Port, words: &[&str]) -> String {
    String::from_utf8(said(table, port, words)).expect("text")
}

fn field<'t>(head: &'t str, name: &str) -> &'t str {
    let line = head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    });
    line.unwrap_or_else(|| panic!("no {name} in {head}"))
}

#[test]
fn an_image_comes_whole_in_parts_and_resumed() {
    if !inside_with(&["curl"], "curl::an_image_comes_whole_in_parts_and_resumed") {
        return;
    }
    let table = Table::serving("", "");
    let port = table.plug_at(mac(1), 20);
    let image = fs::read(table.path("data/images/kxp2_master.img")).expect("the image");
    assert!(said(&table, &port, &[IMAGE]) == image, "the whole image");

    let head = said_text(&table, &port, &["--head", IMAGE]);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(field(&head, "content-length"), image.len().to_string());
    assert_eq!(field(&head, "accept-ranges"), "bytes");
    let etag = field(&head, "etag").to_owned();

    let status = ["--write-out", "%{stderr}%{http_code}"];
    let part = |range: &str, more: &[&str]| {
        let output = run(&mut curl(&table, &port, &[&status[..], &["--range", range], more, &[IMAGE]].concat()));
        (String::from_utf8_lossy(&output.stderr).into_owned(), output.stdout)
    };
    let size = image.len();
    for (range, expected) in [
        ("0-0", &image[..1]),
        ("1000-1999", &image[1000..2000]),
        ("-500", &image[size - 500..]),
        ("4000000-", &image[4_000_000..]),
    ] {
        let (code, bytes) = part(range, &[]);
        assert!(code == "206" && bytes == expected, "{range}: {code}, {} bytes", bytes.len());
    }
    let (code, _) = part(&format!("{size}-"), &[]);
    assert_eq!(code, "416", "past the end");
    let (code, bytes) = part("0-9", &["--header", &format!("If-Range: {etag}")]);
    assert!(code == "206" && bytes == image[..10], "{code}: unchanged, so the part is enough");
    let (code, bytes) = part("0-9", &["--header", "If-Range: \"another\""]);
    assert!(code == "200" && bytes == image, "{code}: changed, so the whole is sent");

    fs::write(table.path("resumed.img"), &image[..1_234_567]).expect("a part");
    said(&table, &port, &["--continue-at", "-", "--output", "resumed.img", IMAGE]);
    assert!(fs::read(table.path("resumed.img")).is_ok_and(|bytes| bytes == image), "resumed where it broke off");
}

#[test]
fn one_connection_serves_files_and_the_api_in_turn() {
    if !inside_with(&["curl"], "curl::one_connection_serves_files_and_the_api_in_turn") {
        return;
    }
    let table = Table::serving("", "");
    let port = table.plug_at(mac(1), 20);
    let base = "http://192.168.151.1";
    let [health, file] = ["health", "boot/pi/fixup4.dat"].map(|name| format!("{base}/{name}"));
    let urls = [&health, &file, IMAGE, &health, &format!("{base}/boot/nothing"), &file, &format!("{base}/nothing")];
    let mut words = vec!["--write-out", "%{num_connects} %{http_code} %{size_download}\n"];
    for url in urls {
        words.extend(["--output", "/dev/null", url]);
    }
    let told = said_text(&table, &port, &words);
    let lines: Vec<Vec<&str>> = told.lines().map(|line| line.split(' ').collect()).collect();
    let connects: Vec<&str> = lines.iter().map(|line| line[0]).collect();
    let codes: Vec<&str> = lines.iter().map(|line| line[1]).collect();
    assert_eq!(connects, ["1", "0", "0", "0", "0", "0", "0"], "{told}");
    assert_eq!(codes, ["200", "200", "200", "200", "404", "200", "404"], "{told}");
    assert_eq!(lines[2][2], (u64::from(crate::table::IMAGE_MIB) << 20).to_string());
}

#[test]
fn twenty_downloads_at_once_are_all_whole() {
    if !inside_with(&["curl"], "curl::twenty_downloads_at_once_are_all_whole") {
        return;
    }
    let table = Table::serving("", "");
    let ports: Vec<Port> = (0..20).map(|n| table.plug_at(mac(n), 20 + n)).collect();
    let image = fs::read(table.path("data/images/kxp2_master.img")).expect("the image");
    // Every second one stops in the middle: others must not notice.
    let start = |(n, port): (usize, &Port)| -> (usize, Child) {
        let name = format!("image-{n}");
        let range = if n % 2 == 0 { "0-" } else { "2097152-" };
        let mut command = curl(&table, port, &["--output", &name, "--range", range, IMAGE]);
        (n, command.stderr(Stdio::piped()).spawn().expect("curl"))
    };
    let running: Vec<_> = ports.iter().enumerate().map(start).collect();
    for (n, child) in running {
        let output = child.wait_with_output().expect("a child of ours");
        assert!(output.status.success(), "{n}: {}", text(&output));
        let from = if n % 2 == 0 { 0 } else { 2_097_152 };
        let path = table.path(&format!("image-{n}"));
        assert!(fs::read(&path).is_ok_and(|bytes| bytes == image[from..]), "download {n}");
        fs::remove_file(path).expect("room for others");
    }
}

#[test]
fn boot_files_and_answers_are_the_same_over_both_protocols() {
    if !inside_with(&["curl"], "curl::boot_files_and_answers_are_the_same_over_both_protocols") {
        return;
    }
    let table = Table::serving("", "");
    // curl's TFTP does not keep to an interface: there must be one only.
    let pi = client(Kind::Pi5, 1);
    let identity = pi.identity().clone();
    let port = table.plug_booting(pi);
    let both = |name: &str| {
        let http = said(&table, &port, &[&format!("http://192.168.151.1/boot/{name}")]);
        let output = run(program(&table, "curl").args([
            "--silent",
            "--max-time",
            "30",
            &format!("tftp://192.168.151.1/{name}"),
        ]));
        assert!(output.status.success(), "{name} over TFTP: {}", text(&output));
        assert!(http == output.stdout, "{name}: {} bytes over HTTP, {} over TFTP", http.len(), output.stdout.len());
        http
    };
    assert_eq!(both("pi/fixup4.dat"), fs::read(table.path("data/boot/pi/fixup4.dat")).expect("the file"));
    // In the tree of its profile, with and without its prefix.
    assert_eq!(both("kernel_2712.img").len(), 64 << 10);
    assert_eq!(both(&format!("{}/kernel_2712.img", &identity.serial[8..])).len(), 64 << 10);
    let config = String::from_utf8(both("config.txt")).expect("text");
    assert!(config.contains(&identity.mac.to_string()), "{config}");
    let cmdline = String::from_utf8(both("cmdline.txt")).expect("text");
    assert!(cmdline.contains("hatchery.server=http://192.168.151.1"), "{cmdline}");
}

#[test]
fn every_machine_gets_its_own_answer_and_name_on_every_port() {
    if !inside_with(&["curl"], "curl::every_machine_gets_its_own_answer_and_name_on_every_port") {
        return;
    }
    let table = Table::serving("", "");
    let pis = [client(Kind::Pi5, 1), client(Kind::Pi4, 2)];
    let identities = pis.each_ref().map(|pi| pi.identity().clone());
    let ports = pis.map(|pi| table.plug_booting(pi));
    let mut names = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let (own, other) = (&identities[index], &identities[1 - index]);
        let config = said_text(&table, port, &["http://192.168.151.1/boot/config.txt"]);
        assert!(config.contains(&own.mac.to_string()) && !config.contains(&other.mac.to_string()), "{config}");
        let cmdline = said_text(&table, port, &["http://192.168.151.1/boot/cmdline.txt"]);
        let serial = |identity: &hatchery::sim::client::Identity| identity.serial[8..].to_owned();
        assert!(cmdline.contains(&serial(own)) && !cmdline.contains(&serial(other)), "{cmdline}");

        // It says nothing about itself: only its address tells who asks.
        let question = json!({ "product_type": "KXP2" }).to_string();
        let mut told = Vec::new();
        for tcp in [80, 5001, 8888] {
            let url = format!("http://192.168.151.1:{tcp}/api/config");
            let words = ["--header", "Content-Type: application/json", "--data", &question, &url];
            let answer: Value = serde_json::from_slice(&said(&table, port, &words)).expect("JSON");
            told.push(answer["hostname"].as_str().expect("a name").to_owned());
        }
        told.dedup();
        let known = table.machine(own.mac);
        assert_eq!(Value::from(told.clone()), json!([known["hostname"]]), "one name on three ports");
        let (address, _) = port.address().expect("an address");
        assert_eq!(known["address"].as_str().and_then(|text| text.parse::<Ipv4Addr>().ok()), Some(address));
        names.extend(told);
    }
    assert_ne!(names[0], names[1]);
}
