//! Any text, and tables of known keys, as the configuration: every problem has a place and a sentence, and what is
//! accepted can be shown.

use std::borrow::Cow;

use hatchery::config::Config;

use crate::script::Script;

/// A table's header, and its keys with values that fit.
type Sample = (&'static str, &'static [(&'static str, &'static [&'static str])]);

/// Tables in an order in which they may stand.
const TABLES: [Sample; 16] = [
    (
        "[[network]]\ninterface = \"eth1\"",
        &[
            ("pool", &["[\"192.168.151.10-192.168.151.20\"]", "[\"192.168.151.7\", \"192.168.151.9\"]", "[]"]),
            ("lease", &["\"12h\"", "\"1h 30m\"", "\"1s\"", "\"2 days\""]),
            ("routers", &["[]", "[\"192.168.151.1\"]"]),
            ("dns", &["[\"8.8.8.8\"]", "[]"]),
            ("domain", &["\"bench.example.com\""]),
            ("authoritative", &["true", "false"]),
            ("bootp", &["true"]),
            ("router_advertisement", &["false"]),
            ("next_server", &["\"192.168.151.2\""]),
        ],
    ),
    (
        "[network.options]",
        &[
            ("26", &["{ type = \"u16\", value = 1500 }", "{ type = \"u16\", value = [1, 2], always = true }"]),
            ("100", &["{ type = \"text\", value = \"CET-1CEST\" }", "{ type = \"hex\", value = \"00ff\" }"]),
            ("119", &["{ type = \"domains\", value = [\"a.example.com\", \"example.com\"] }"]),
            ("121", &["{ type = \"routes\", value = [\"10.0.0.0/8 via 192.168.151.254\"] }"]),
            ("43", &["{ type = \"encapsulated\", value = { 1 = { type = \"u8\", value = 7 } } }"]),
        ],
    ),
    (
        "[[network.reservation]]\nmac = \"dc:a6:32:01:36:c2\"",
        &[
            ("address", &["\"192.168.151.30\""]),
            ("hostname", &["\"golden-pi\""]),
            ("classes", &["[\"KNOWN\"]"]),
            ("options", &["{ 17 = { type = \"text\", value = \"/srv\" } }"]),
        ],
    ),
    (
        "[[network]]\nrelayed = true\nname = \"hall\"\nsubnet = \"10.2.0.0/24\"\npool = [\"10.2.0.10-10.2.0.250\"]",
        &[("relays", &["[\"172.16.0.9\"]"]), ("segment", &["\"hall\""]), ("routers", &["[\"10.2.0.1\"]"])],
    ),
    ("[options]", &[("42", &["{ type = \"address\", value = [\"192.168.151.1\"] }"])]),
    (
        "[[class]]\nname = \"kiosk\"",
        &[
            ("firmware", &["[\"uefi-x64\", \"ipxe\"]"]),
            ("arch", &["[7, 9]"]),
            ("vendor_class", &["\"PXEClient\""]),
            ("mac", &["\"dc:a6:32\""]),
            ("option", &["{ number = 17, value = \"/srv\" }"]),
        ],
    ),
    ("[[product]]\nname = \"KXP2\"", &[("naming", &["\"pooled\""]), ("width", &["3", "1"]), ("image", &["\"a.img\""])]),
    ("[[product]]\nname = \"RXP2\"\nnaming = \"serial\"", &[("digits", &["8", "4"])]),
    ("[[venue]]\ncode = \"SPAA\"", &[("name", &["\"Spa\""]), ("location", &["\"Stavelot\""])]),
    ("[vars]", &[("timezone", &["\"Europe/Brussels\"", "\"\""])]),
    (
        "[[profile]]\nname = \"pi\"\nfirmware = [\"raspberry-pi-4\"]",
        &[
            ("tree", &["\"pi\""]),
            ("kernel_args", &["\"quiet\""]),
            ("pi_menu", &["\"menu\"", "\"raw\""]),
            ("failed", &["\"disk\"", "\"hold\"", "\"install\""]),
            ("answers", &["{ \"config.txt\" = \"pi/config.txt\" }"]),
            ("vars", &["{ a = \"b\" }"]),
        ],
    ),
    (
        "[[profile]]\nname = \"pc\"\nfirmware = [\"bios\", \"uefi-x64\"]\nboot_file = \"a.efi\"",
        &[
            ("boot_files", &["{ bios = \"a.kpxe\" }"]),
            ("install", &["{ targets = [\"nvme\"], choose = \"first\", grow = false }", "{ after = \"wait\" }"]),
            ("first_boot", &["{}", "{ \"user-data\" = \"nocloud/user-data\" }"]),
        ],
    ),
    ("[http]", &[("ports", &["[80]", "[5001, 8888]"])]),
    (
        "[tftp]",
        &[
            ("enabled", &["true", "false"]),
            ("port", &["69", "6969"]),
            ("max_transfers", &["10"]),
            ("max_blksize", &["512", "65464"]),
            ("max_windowsize", &["1", "64"]),
            ("single_port", &["true"]),
        ],
    ),
    ("[dhcp]", &[("offer_hold", &["\"2m\""]), ("ignore_server_id", &["true"]), ("echo_client_id", &["false"])]),
    ("[limits]", &[("silence", &["\"45m\""]), ("max_connections", &["64"])]),
];

/// What fits nowhere, or hardly anywhere.
const ODD: [&str; 14] = [
    "true",
    "-1",
    "0",
    "65536",
    "1.5",
    "\"\"",
    "[]",
    "{}",
    "[[1]]",
    "1979-05-27",
    "\"\\u0000\"",
    "\"0.0.0.0\"",
    "99999999999999999999",
    "nonsense",
];

/// Whether the configuration was accepted.
pub fn run(bytes: &[u8]) -> bool {
    let text = match Script::of(bytes) {
        Some(mut script) => Cow::Owned(built(&mut script)),
        None => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => return false,
        },
    };
    match Config::parse(&text, "/etc/hatchery/hatchery.toml") {
        Ok(config) => {
            assert!(config.summary().lines().count() >= 4);
            assert!(!config.site.links.is_empty() && !config.http.ports.is_empty());
            true
        }
        Err(problems) => {
            assert!(problems.to_string().starts_with("/etc/hatchery/hatchery.toml"), "{problems}");
            false
        }
    }
}

/// Some of the tables with some of their keys; at times a value, a key or a table is wrong.
fn built(script: &mut Script<'_>) -> String {
    let mut text = String::new();
    for (index, (header, keys)) in TABLES.iter().enumerate() {
        let always = index == 0 && !script.rarely();
        // The network's own tables stand in no other.
        let fits = index > 3 || text.starts_with("[[network]]");
        let wanted = always || (fits && script.below(3) == 1) || script.rarely();
        if !wanted {
            continue;
        }
        text += &format!("{header}\n");
        for (key, values) in *keys {
            if script.below(3) != 1 {
                continue;
            }
            let key = if script.rarely() { script.choice(&["nokey", "interface", "name", "\"\"", "a b"]) } else { key };
            let value = if script.rarely() { script.choice(&ODD) } else { script.choice(values) };
            text += &format!("{key} = {value}\n");
        }
        if script.rarely() {
            text += &String::from_utf8_lossy(script.slice(40));
        }
    }
    text
}
