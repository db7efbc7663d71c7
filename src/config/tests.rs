use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::ids::VenueCode;
use crate::machine::firmware::Firmware;
use crate::net::{Mac, Subnet};
use crate::site::{DhcpOption, Identifier, Pool, Reservation};

const SAMPLE: &str = include_str!("../../packaging/hatchery.toml");
/// A network in two lines, so that what a test adds begins on line 3.
pub(super) const ETH1: &str = "[[network]]\ninterface = \"eth1\"\n";

fn problems(text: &str) -> Vec<String> {
    match Config::parse(text, "f.toml") {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// The only problem of `ETH1` and `addition`, without the file's name.
#[track_caller]
pub(super) fn check(addition: &str, expected: &str) {
    assert_eq!(problems(&format!("{ETH1}{addition}")), [format!("f.toml:{expected}")], "for {addition:?}");
}

pub(super) fn config(addition: &str) -> Config {
    Config::parse(&format!("{ETH1}{addition}"), "f.toml").unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_smallest_file_serves_vlan_151_as_the_field_had_it() {
    let config = config("");
    let [link] = config.site.links.as_slice() else { panic!("one link: {:?}", config.site.links) };
    let server = Ipv4Addr::new(192, 168, 151, 1);
    assert_eq!((link.name.as_str(), link.interface.as_deref()), ("eth1", Some("eth1")));
    assert_eq!(Some(link.subnet), Subnet::parse("192.168.151.0/24"));
    assert_eq!(link.address, server);
    assert_eq!(link.pools, [Pool::new(Ipv4Addr::new(192, 168, 151, 100), Ipv4Addr::new(192, 168, 151, 250))]);
    assert_eq!(link.lease_time, Duration::from_secs(43_200));
    assert!(link.authoritative);
    let routers = DhcpOption::new(3, [192, 168, 151, 1]);
    assert_eq!(link.options, [routers, DhcpOption::new(6, [8, 8, 8, 8, 8, 8, 4, 4])]);
    assert_eq!(link.reservations, []);

    let products: Vec<_> =
        config.products.iter().map(|each| (each.name.as_str(), each.scheme, each.image_file())).collect();
    let expected = [
        ("KXP2", Scheme::Pooled { width: 3 }, "kxp2_master.img".to_owned()),
        ("RXP2", Scheme::Serial { digits: 8 }, "rxp2_master.img".to_owned()),
    ];
    assert_eq!(products, expected);
    assert_eq!(config.venues, []);

    assert_eq!(config.http.ports, [80, 5001, 8888]);
    assert_eq!((config.site.http_port, config.site.base_url(link)), (80, "http://192.168.151.1".to_owned()));
    assert_eq!((config.tftp.enabled, config.tftp.port, config.tftp.max_blksize), (true, 69, 1468));
    assert!(config.dhcp.enabled);
    assert_eq!(config.paths.journal(), PathBuf::from("/var/lib/hatchery/hatchery.db"));
    assert_eq!(config.paths.socket, PathBuf::from("/run/hatchery/hatchery.sock"));
}

#[test]
fn the_sample_has_no_problem_and_says_what_the_defaults_are() {
    let sample = Config::parse(SAMPLE, "hatchery.toml").unwrap_or_else(|problems| panic!("{problems}"));
    let default = config("name = \"deployment\"");
    assert_eq!(sample.http, default.http);
    assert_eq!(sample.tftp, default.tftp);
    assert_eq!(sample.dhcp, default.dhcp);
    assert_eq!(sample.limits, default.limits);
    assert_eq!(sample.paths, default.paths);
    let named = |config: &Config| -> Vec<_> {
        config.products.iter().map(|product| (product.name.clone(), product.scheme, product.image_file())).collect()
    };
    assert_eq!(named(&sample), named(&default));
    for (sample, default) in sample.profiles.iter().zip(&default.profiles) {
        assert_eq!((&sample.name, &sample.firmware), (&default.name, &default.firmware));
        assert_eq!((&sample.tree, &sample.answers), (&default.tree, &default.answers));
        for firmware in &sample.firmware {
            assert_eq!(sample.boot_file_for(*firmware), default.boot_file_for(*firmware), "for {firmware}");
        }
    }
    let (sample, default) = (&sample.site.links[0], &default.site.links[0]);
    assert_eq!(sample.pools, default.pools);
    assert_eq!((&sample.name, sample.address, sample.lease_time), (&default.name, default.address, default.lease_time));
}

#[test]
fn everything_commented_out_in_the_sample_is_right_too() {
    let is_code = |line: &&str| {
        let code = line.trim_start_matches("# ");
        let header = code.starts_with('[') && code.ends_with(']') && !code.contains(' ');
        header || code.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    // Only the lines with code behind `# `, without those of the two-line example, which are indented.
    let uncommented: Vec<&str> = SAMPLE
        .lines()
        .map(|line| if is_code(&line) && !line.starts_with("#  ") { line.trim_start_matches("# ") } else { line })
        .collect();
    let text = uncommented.join("\n");
    let config = Config::parse(&text, "hatchery.toml").unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let [_, servers, hall] = config.site.links.as_slice() else { panic!("three links") };
    assert_eq!((servers.name.as_str(), servers.address), ("servers", Ipv4Addr::new(192, 168, 100, 250)));
    assert_eq!((hall.interface.as_ref(), hall.address), (None, Ipv4Addr::new(192, 168, 151, 1)));
    assert_eq!((hall.relays.len(), hall.segment.as_str()), (1, "relayed hall-2"));
    let global: Vec<&DhcpOption> = config.site.options.iter().collect();
    let vendor = vec![0, 0, 13, 233, 5, 11, 3, b'a', b'c', b's'];
    assert_eq!(global[1].value, [1, 4, 192, 168, 151, 3]);
    assert_eq!(global[2], &DhcpOption { number: 125, value: vendor, always: true });
    assert_eq!(config.classes.len(), 1);
    let option =
        |number| config.site.links[0].options.iter().find(|each| each.number == number).map(|each| &each.value);
    assert_eq!(option(26), Some(&vec![5, 220]));
    assert_eq!(option(150), Some(&vec![192, 168, 151, 1]));
    assert_eq!(option(15), Some(&b"bench.example.com".to_vec()));
    assert_eq!(option(42), Some(&vec![192, 168, 151, 1]));
}

#[test]
fn what_is_written_arrives_in_the_types_of_the_rules() {
    let config = config(
        r#"
name = "bench"
address = "10.0.0.9/16"
pool = ["10.0.1.0-10.0.1.9", "10.0.2.1"]
lease = "3s"
routers = []
dns = []
authoritative = false
[[network.reservation]]
mac = "DC-A6-32-01-36-C2"
address = "10.0.3.3"
hostname = "gold"
profile = "u"
[[product]]
name = "abc"
width = 4
[[venue]]
code = "zand"
numbers = { abc = [9, "3-5"] }
[[profile]]
name = "u"
firmware = ["u-boot"]
boot_files = { u-boot = "boot.scr.uimg" }
product = "ABC"
venue = "ZAND"
[http]
ports = [8080, 8081]
[dhcp]
offer_hold = "1m 30s"
[limits]
silence = "2 days"
"#,
    );
    let link = &config.site.links[0];
    let first = Pool::new(Ipv4Addr::new(10, 0, 1, 0), Ipv4Addr::new(10, 0, 1, 9));
    assert_eq!(link.pools, [first, Pool::new(Ipv4Addr::new(10, 0, 2, 1), Ipv4Addr::new(10, 0, 2, 1))]);
    assert_eq!((link.lease_time, link.authoritative), (Duration::from_secs(3), false));
    assert_eq!(link.options, []);
    let reservation = Reservation {
        address: Some(Ipv4Addr::new(10, 0, 3, 3)),
        hostname: crate::ids::Hostname::parse("gold"),
        profile: Some("u".to_owned()),
        ..Reservation::new(Identifier::Mac(Mac([0xdc, 0xa6, 0x32, 0x01, 0x36, 0xc2])))
    };
    assert_eq!(link.reservations, [reservation]);
    let abc = ProductName::parse("ABC").expect("a product name");
    assert_eq!(config.venues[0].pools, [(abc.clone(), vec![3, 4, 5, 9])]);
    assert_eq!(config.venues[0].venue.name, "ZAND");
    let profile = &config.profiles[0];
    assert_eq!((profile.product.as_ref(), profile.venue.as_ref()), (Some(&abc), VenueCode::parse("ZAND").as_ref()));
    assert_eq!(profile.boot_file_for(Firmware::UBoot), Some("boot.scr.uimg"));
    assert_eq!(config.site.http_port, 8080);
    assert_eq!(config.site.offer_hold, Duration::from_secs(90));
    assert_eq!(config.site.silence_limit, Duration::from_secs(2 * 86_400));
}

#[test]
fn the_file_as_a_whole() {
    let no_network = "f.toml:1:1: network: no network is configured; \
        name the interface to serve: [[network]] interface = \"eth1\"";
    assert_eq!(problems(""), [no_network]);
    assert_eq!(
        problems("\n[network]\n")[0],
        "f.toml:2:1: network: expected a list of tables, found a table; write [[network]]"
    );
    check("pool = [", "3:9: not valid TOML: unclosed array, expected `]`");
    check("name = 1\nname = 2", "4:1: not valid TOML: duplicate key");
    let missing = Config::load(Path::new("/nowhere/f.toml")).expect_err("there is no such file").to_string();
    assert_eq!(missing, "/nowhere/f.toml: cannot be read: No such file or directory (os error 2)");
}

#[test]
fn keys_and_types() {
    check("adress = \"10.0.0.1/24\"", "3:1: network.adress: unknown key; did you mean \"address\"?");
    check("[tftpd]", "3:2: tftpd: unknown key; did you mean \"tftp\"?");
    check("[paths]\nqqq = 1", "4:1: paths.qqq: unknown key; known here: boot, data, images, socket, templates");
    check(
        "[paths]\n\"a b\" = 1\n",
        "4:1: paths.\"a b\": unknown key; known here: boot, data, images, socket, templates",
    );
    check("name = 7", "3:8: network.name: expected a string, found a whole number; put it in quotes");
    check("dns = \"8.8.8.8\"", "3:7: network.dns: expected a list, found a string; put it in brackets: [ … ]");
    check("authoritative = \"yes\"", "3:17: network.authoritative: expected true or false, found a string");
    check("[tftp]\nport = \"69\"", "4:8: tftp.port: expected a whole number, found a string; leave the quotes out");
    check("[tftp]\nport = 0", "4:8: tftp.port: 0 is not within 1 to 65535");
    check("[tftp]\nport = -1", "4:8: tftp.port: -1 is not within 1 to 65535");
    check(
        "[tftp]\nmax_blksize = 99999999999999999999",
        "4:15: tftp.max_blksize: 99999999999999999999 is not within 512 to 65464",
    );
    check("[paths]\nboot = \"\"", "4:8: paths.boot: the path is empty");
    check("options = 3", "3:11: network.options: expected a table, found a whole number");
}

#[test]
fn every_problem_is_named_at_once_in_the_order_of_the_file() {
    let text = r#"[paths]
dta = "/srv"
[[network]]
interface = "eth1"
address = "10.0.0.1/24"
pool = ["10.0.0.9-10.0.0.2", "10.1.0.1"]
lease = 12
[[network.reservation]]
mac = "nothing"
[[product]]
name = "KXP2"
[[venue]]
code = "É"
[[profile]]
name = "é"
firmware = ["efi"]
[http]
ports = [80, 80]
[tftp]
port = 70000
"#;
    let places: Vec<String> =
        problems(text).iter().map(|line| line.splitn(5, ':').take(4).collect::<Vec<_>>().join(":")).collect();
    let expected = [
        "f.toml:2:1: paths.dta",
        "f.toml:6:9: network.pool",
        "f.toml:6:30: network.pool",
        "f.toml:7:9: network.lease",
        "f.toml:9:7: network.reservation.mac",
        "f.toml:13:8: venue.code",
        "f.toml:15:8: profile.name",
        "f.toml:16:13: profile.firmware",
        "f.toml:18:14: http.ports",
        "f.toml:20:8: tftp.port",
    ];
    assert_eq!(places, expected);
}

#[test]
fn columns_count_characters() {
    // The é before the number is two bytes and one column.
    let found = problems(&format!("{ETH1}dns = [\"é\", 1]"));
    assert!(found[0].starts_with("f.toml:3:8: ") && found[1].starts_with("f.toml:3:13: "), "{found:?}");
}

#[test]
fn the_summary_names_what_is_served() {
    let text = Config::parse(SAMPLE, "f").expect("no problem").summary();
    let lines: Vec<&str> = text.lines().collect();
    let network = "network deployment: 192.168.151.1 on eth1, 192.168.151.0/24; 151 pool addresses, 1 reservation, leases of 12 h";
    assert_eq!(lines[0], network);
    assert!(lines.contains(&"venue SPAA (Spa-Francorchamps): 41 KXP2"), "{text}");
    assert!(lines.contains(&"profile raspberry-pi: raspberry-pi-4, raspberry-pi-5; becomes KXP2"), "{text}");
    assert!(lines.contains(&"HTTP: 80, 5001, 8888"), "{text}");
}

/// Whatever an operator's slip or a broken disk makes of the file, reading it ends with a configuration or with problems
/// that stand inside of the text.
#[test]
fn mutations_of_the_sample_never_panic() {
    let code: Vec<&str> = SAMPLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let sample = code.join("\n");
    let scraps =
        ["\"", "[", "]", "[[", "=", "\n", "{", "}", "-", ".", "0", "999999999999", "é", "\u{0}", "true", "'''", "#"];
    let mut luck = fastrand::Rng::with_seed(0x6861_7463);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut text = sample.clone();
        for _ in 0..luck.usize(1..4) {
            let at = text.floor_char_boundary(luck.usize(0..text.len()));
            match luck.u8(0..4) {
                0 => text.insert_str(at, scraps[luck.usize(0..scraps.len())]),
                1 => drop(text.remove(at)),
                2 => {
                    let line = code[luck.usize(0..code.len())];
                    text.insert_str(at, &format!("\n{line}\n"));
                }
                _ => {
                    let end = text.floor_char_boundary((at + luck.usize(1..20)).min(text.len()));
                    text.replace_range(at..end.max(at), "");
                }
            }
        }
        match Config::parse(&text, "f.toml") {
            Ok(config) => {
                accepted += 1;
                assert!(!config.site.links.is_empty() && !config.summary().is_empty());
            }
            Err(problems) => {
                refused += 1;
                let lines = text.lines().count() + 1;
                assert!(
                    problems.iter().all(|problem| problem.place.is_some_and(|place| place.line <= lines)),
                    "{problems}"
                );
            }
        }
    }
    assert!(
        accepted > 500 && refused > 5000,
        "{accepted} accepted, {refused} refused: the mutations reach one side only"
    );
}
