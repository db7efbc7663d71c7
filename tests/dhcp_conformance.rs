//! What a DHCPv4 server is held to: the behaviours that conformance suites of the field check, one test for each, by
//! the names that `dhcp_conformance/lines.txt` lists. Bytes in, bytes out: the fleet of a checked configuration.
//!
//! Notation of the assertions: `offers` is D→O, `acks` R→K, `naks` →N, `silent` →∅.

#[path = "dhcp_conformance/authoritative.rs"]
mod authoritative;
#[path = "dhcp_conformance/bench.rs"]
mod bench;
#[path = "dhcp_conformance/bootp.rs"]
mod bootp;
#[path = "dhcp_conformance/decline.rs"]
mod decline;
#[path = "dhcp_conformance/facts.rs"]
mod facts;
#[path = "dhcp_conformance/fields.rs"]
mod fields;
#[path = "dhcp_conformance/hr_address.rs"]
mod hr_address;
#[path = "dhcp_conformance/hr_hostname.rs"]
mod hr_hostname;
#[path = "dhcp_conformance/options_inform.rs"]
mod options_inform;
#[path = "dhcp_conformance/rai_options.rs"]
mod rai_options;
#[path = "dhcp_conformance/relay.rs"]
mod relay;
#[path = "dhcp_conformance/release.rs"]
mod release;
#[path = "dhcp_conformance/request.rs"]
mod request;
#[path = "dhcp_conformance/server_conf.rs"]
mod server_conf;
#[path = "dhcp_conformance/whole.rs"]
mod whole;
#[path = "dhcp_conformance/wire_facts.rs"]
mod wire_facts;

use std::collections::BTreeSet;

/// The names of the list: a line is a name, or a name and a remark behind `: `; `#` begins a comment.
fn lines() -> BTreeSet<&'static str> {
    let lines = include_str!("dhcp_conformance/lines.txt").lines().map(str::trim);
    let names = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    names.map(|line| line.split_once(": ").map_or(line, |(name, _)| name)).collect()
}

/// The tests of this program, as it lists them itself.
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test asks its own program")]
fn tests() -> BTreeSet<String> {
    let program = std::env::current_exe().expect("this program's path");
    let listed = std::process::Command::new(program).args(["--list", "--format", "terse"]).output();
    let listed = String::from_utf8(listed.expect("it runs").stdout).expect("names of tests");
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

#[test]
fn every_line_has_a_test_and_every_test_a_line() {
    let tests = tests();
    let tests: BTreeSet<&str> = tests.iter().map(String::as_str).filter(|name| name.contains("::")).collect();
    let lines = lines();
    let missing: Vec<&&str> = lines.difference(&tests).collect();
    assert!(missing.is_empty(), "lines of lines.txt without a test: {missing:#?}");
    let unlisted: Vec<&&str> = tests.difference(&lines).collect();
    assert!(unlisted.is_empty(), "tests that lines.txt does not name: {unlisted:#?}");
}
