//! Any text, and texts of known pieces, as what an operator brings from elsewhere: numbers of names, and leases of
//! dnsmasq.
//!
//! Numbers come out in order, each once, and are the same when they are read again. What leases become breaks no
//! invariant of the fleet, every line has one fate, and the same file a second time brings nothing.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hatchery::catalog::Catalog;
use hatchery::config::Config;
use hatchery::fleet::Fleet;
use hatchery::fleet::adopt::Adoption;
use hatchery::fleet::tables::Tables;
use hatchery::ids::{ProductName, VenueCode};
use hatchery::naming::numbers::{self, MOST};
use hatchery::time::Now;

use crate::script::Script;

const PLACE: &str = r#"
[[network]]
interface = "eth1"
pool = ["192.168.151.100-192.168.151.103"]
[[network.reservation]]
mac = "dc:a6:32:00:00:01"
address = "192.168.151.20"
[[network.reservation]]
client_id = "00:62:6f:61:72:64"
address = "192.168.151.21"
[[network]]
relayed = true
name = "hall"
subnet = "10.2.0.0/24"
pool = ["10.2.0.10-10.2.0.11"]
"#;

const PIECES: [&str; 24] = [
    "1",
    "40",
    "1-40",
    "7-3",
    "0",
    "77",
    "9999",
    "1-10000",
    "4294967295",
    "99999999999",
    "KXP2-SPAA-012",
    "kxp2-spaa-3-5",
    "RXP1-SPAA-1",
    "number",
    "Kart Number",
    "name",
    "\"12\"",
    "-",
    "+4",
    "1 - 3",
    "é",
    "\u{feff}",
    "",
    "x",
];
const SEPARATORS: [&str; 10] = [",", ", ", ";", "\t", " ", "\n", "\r\n", "\n\n", "\r", ",,"];

const EXPIRIES: [&str; 8] = ["4000000000", "4000000000", "0", "0", "1", "-5", "9223372036854775807", "soon"];
const MACS: [&str; 8] = [
    "dc:a6:32:00:00:01",
    "dc:a6:32:00:00:02",
    "dc:a6:32:00:00:03",
    "52:54:00:00:00:01",
    "dc:a6:32:00:00:02",
    "52-54-00-00-00-02",
    "06-dc:a6:32:00:00:02",
    "dc:a6:32",
];
const ADDRESSES: [&str; 11] = [
    "192.168.151.100",
    "192.168.151.101",
    "192.168.151.102",
    "192.168.151.103",
    "192.168.151.20",
    "192.168.151.21",
    "10.2.0.10",
    "192.168.151.1",
    "192.168.151.255",
    "10.9.9.9",
    "fe80::1",
];
const CLIENTS: [&str; 8] = ["*", "*", "01:dc:a6:32:00:00:02", "00:62:6f:61:72:64", "ff:01:02:03", "01", "1:2", "zz:01"];

/// Whether a number was listed, or a lease taken.
pub fn run(bytes: &[u8]) -> bool {
    let text = match Script::of(bytes) {
        Some(mut script) => Cow::Owned(built(&mut script)),
        None => String::from_utf8_lossy(bytes),
    };
    let listed = lists_numbers(&text);
    brings_leases(&text) || listed
}

fn built(script: &mut Script<'_>) -> String {
    let mut text = String::new();
    if script.below(2) == 0 {
        for _ in 0..=script.below(12) {
            text += script.choice(&PIECES);
            text += script.choice(&SEPARATORS);
        }
        return text;
    }
    for _ in 0..=script.below(8) {
        if script.rarely() {
            text += script.choice(&["duid 00:01:00:01", "\n", "# none", "1 2 3"]);
        } else {
            let (expiry, mac) = (script.choice(&EXPIRIES), script.choice(&MACS));
            let (address, client) = (script.choice(&ADDRESSES), script.choice(&CLIENTS));
            text += &format!("{expiry} {mac} {address} * {client}");
        }
        text += script.choice(&["\n", "\n", "\r\n", " more\n"]);
    }
    text
}

fn lists_numbers(text: &str) -> bool {
    let (product, venue) = (ProductName::parse("KXP2"), VenueCode::parse("SPAA"));
    let (product, venue) = (product.expect("a product"), venue.expect("a venue"));
    let mut listed = false;
    for (table, place) in [(false, None), (false, Some((&product, &venue))), (true, Some((&product, &venue)))] {
        let found = numbers::read(text, table, place);
        assert!(found.numbers.len() <= MOST && found.numbers.is_sorted_by(|one, next| one < next));
        assert!(found.numbers.iter().all(|number| *number > 0));
        assert!(found.repeated.iter().all(|number| found.numbers.binary_search(number).is_ok()));
        assert!(found.repeated.len() <= found.duplicates);
        let lines = text.lines().count();
        assert!(found.invalid.iter().all(|invalid| (1..=lines).contains(&invalid.line)));
        let again: Vec<String> = found.numbers.iter().map(u32::to_string).collect();
        let again = numbers::read(&again.join(","), false, None);
        assert_eq!((&again.numbers, again.duplicates, again.invalid.len()), (&found.numbers, 0, 0));
        listed |= !found.numbers.is_empty();
    }
    listed
}

fn brings_leases(text: &str) -> bool {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    let config =
        CONFIG.get_or_init(|| Config::parse(PLACE, "hatchery.toml").unwrap_or_else(|problems| panic!("{problems}")));
    let now = Now::default().after(Duration::from_secs(1_000_000));
    let mut tables = Tables::new(&config.site, &[]);
    let mut adoption = Adoption::new(&config.site, tables.clone(), now.timestamp);
    adoption.leases(text);
    let (changes, report) = adoption.finish();
    let fates: u64 = report.counts.values().map(|counts| counts.taken + counts.known + counts.refused).sum();
    assert_eq!(fates, text.lines().filter(|line| !line.trim().is_empty()).count() as u64);
    for change in &changes {
        tables.apply(&config.site, change);
    }
    let catalog = Catalog::new(Vec::new());
    let fleet = Fleet::load(Arc::new(config.site.clone()), catalog, Vec::new(), changes, now);
    fleet.check().expect("the invariants hold");
    let mut adoption = Adoption::new(&config.site, tables, now.timestamp);
    adoption.leases(text);
    let (changes, report_again) = adoption.finish();
    assert!(changes.is_empty() && report_again.is_nothing_new(), "{report_again:?}");
    !report.is_nothing_new()
}
