//! The system calls of a server that sends a file: sendfile for every byte of it, and nothing else.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use hatchery::serve::http::Limits;

use crate::world::{Client, World};

const CHILD: &str = "HATCHERY_TEST_HTTP_CHILD";
const MARK: &[u8] = b"-never-in-user-space-";
const LENGTH: usize = 32 << 20;

/// The server under strace; in a plain test run it does nothing.
#[test]
fn child_serves_until_its_input_ends() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let world = World::new(Limits::default());
    // The file is made by the parent: writing it here would show its content.
    let image = std::env::var("HATCHERY_TEST_HTTP_IMAGE").expect("the parent names the image");
    std::os::unix::fs::symlink(image, world.files.root.path().join("images/marked.img")).expect("a link");
    println!("\nport {}", world.address.port());
    std::io::stdin().read_to_end(&mut Vec::new()).expect("the end of the input");
}

#[test]
fn no_byte_of_a_file_enters_the_server() {
    let probe = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "strace is missing or may not trace, and CI has to have it");
        eprintln!("SKIPPED: strace is not installed or may not trace");
        return;
    }
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (image, trace) = (scratch.path().join("marked.img"), scratch.path().join("trace"));
    let content: Vec<u8> = MARK.iter().copied().cycle().take(LENGTH).collect();
    fs::write(&image, &content).expect("the image");

    let mut server = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=/sendfile,/read,/write,/send,mmap,splice,/copy", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "zero_copy::child_serves_until_its_input_ends", "--nocapture"])
        .env(CHILD, "1")
        .env("HATCHERY_TEST_HTTP_IMAGE", &image)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("strace runs");
    let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| line.strip_prefix("port ")?.parse().ok());
    let mut client = Client::connect(([127, 0, 0, 1], port.expect("the child names its port")).into());
    assert_eq!(client.ask("HEAD", "/images/marked.img", "").status, 200);
    assert!(client.get("/images/marked.img").body == content, "the content arrives unchanged");
    let range = format!("Range: bytes={}-\r\n", LENGTH - 1000);
    assert!(client.ask("GET", "/images/marked.img", &range).body == content[LENGTH - 1000..]);
    drop(client);
    drop(server.stdin.take());
    // The child's test harness must find someone who reads its last words.
    lines.for_each(drop);
    assert!(server.wait().expect("strace ends").success());

    let trace = String::from_utf8_lossy(&fs::read(&trace).expect("the trace")).into_owned();
    let (mut by_sendfile, mut by_others) = (0, 0);
    for line in trace.lines() {
        // "pid call(fd<path>, …) = result", or its second half "pid <... call resumed>…) = result".
        let Some((_, result)) = line.rsplit_once(" = ") else { continue };
        let result: usize = result.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start().trim_start_matches("<... "));
        if call.starts_with("sendfile") {
            by_sendfile += result;
        } else if call.starts_with("write") || call.starts_with("send") || call.starts_with("pwrite") {
            by_others += result;
        }
    }
    assert_eq!(by_sendfile, LENGTH + 1000, "every byte of the file went by sendfile");
    assert!(by_others > 0 && by_others < 4096, "heads and the test's own words only: {by_others} bytes");
    let joined = trace.lines().filter(|line| line.contains("sendto") && line.contains("MSG_MORE")).count();
    assert_eq!(joined, 2, "the heads of both bodies wait for their first bytes, the answer to HEAD does not");
    let mark = std::str::from_utf8(MARK).expect("text");
    for line in trace.lines() {
        assert!(!line.contains(mark), "content in a buffer of this process: {line}");
        let names_file = line.contains("marked.img>");
        assert!(!names_file || line.contains("sendfile"), "another call on the file: {line}");
    }
}
