use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::ids::VenueCode;
use crate::machine::firmware::Firmware;
use crate::net::{Mac, Subnet};
use crate::site::Reservation;

const SAMPLE: &str = include_str!("../../packaging/hatchery.toml");
/// A network in two lines, so that what a test adds begins on line 3.
const ETH1: &str = "[[network]]\ninterface = \"eth1\"\n";

fn problems(text: &str) -> Vec<String> {
    match Config::parse(text, "f.toml") {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// The only problem of `ETH1` and `addition`, without the file's name.
#[track_caller]
fn check(addition: &str, expected: &str) {
    assert_eq!(problems(&format!("{ETH1}{addition}")), [format!("f.toml:{expected}")], "for {addition:?}");
}

fn config(addition: &str) -> Config {
    Config::parse(&format!("{ETH1}{addition}"), "f.toml").unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_smallest_file_serves_vlan_151_as_the_field_had_it() {
    let config = config("");
    let [link] = config.site.links.as_slice() else { panic!("one link: {:?}", config.site.links) };
    let server = Ipv4Addr::new(192, 168, 151, 1);
    assert_eq!((link.name.as_str(), link.interface.as_str()), ("eth1", "eth1"));
    assert_eq!(Some(link.subnet), Subnet::parse("192.168.151.0/24"));
    assert_eq!(link.address, server);
    assert_eq!(link.pools, [(Ipv4Addr::new(192, 168, 151, 100), Ipv4Addr::new(192, 168, 151, 250))]);
    assert_eq!(link.lease_time, Duration::from_secs(43_200));
    assert!(link.authoritative);
    assert_eq!(link.options, [(3, vec![192, 168, 151, 1]), (6, vec![8, 8, 8, 8, 8, 8, 4, 4])]);
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
    assert_eq!(config.http.management, ["0.0.0.0:5000".parse().expect("an address")]);
    assert_eq!((config.site.http_port, config.site.base_url(link)), (80, "http://192.168.151.1".to_owned()));
    assert_eq!((config.tftp.enabled, config.tftp.port, config.tftp.max_blksize), (true, 69, 1468));
    assert!(config.dhcp.enabled);
    assert_eq!(config.paths.journal(), PathBuf::from("/var/lib/hatchery/hatchery.db"));
    assert_eq!(config.paths.socket, PathBuf::from("/run/hatchery/hatchery.sock"));
}

#[test]
fn the_default_profiles_boot_every_firmware_we_know_a_loader_for() {
    let config = config("");
    let boots = |firmware: Firmware| {
        let profile = config.profiles.iter().find(|profile| profile.firmware.contains(&firmware))?;
        Some((profile.name.as_str(), profile.boot_file_for(firmware)))
    };
    assert_eq!(boots(Firmware::RaspberryPi4), Some(("raspberry-pi", None)));
    assert_eq!(boots(Firmware::RaspberryPi5), Some(("raspberry-pi", None)));
    assert_eq!(boots(Firmware::BiosPxe), Some(("pc", Some("ipxe/undionly.kpxe"))));
    assert_eq!(boots(Firmware::UefiX64), Some(("pc", Some("ipxe/x86_64/snponly.efi"))));
    assert_eq!(boots(Firmware::UefiHttpX64), Some(("pc", Some("ipxe/x86_64/snponly.efi"))));
    assert_eq!(boots(Firmware::UefiArm64), Some(("pc", Some("ipxe/arm64/snponly.efi"))));
    assert_eq!(boots(Firmware::UefiHttpArm64), Some(("pc", Some("ipxe/arm64/snponly.efi"))));
    assert_eq!(boots(Firmware::Ipxe), Some(("ipxe", Some("boot.ipxe"))));
    assert_eq!(boots(Firmware::Plain), None);
    assert!(config.profiles.iter().all(|profile| profile.product.is_none() && profile.venue.is_none()));
    let templates = config.profiles.iter().flat_map(|profile| profile.answers.values());
    assert!(templates.clone().all(|name| builtin::template(name).is_some()), "{:?}", templates.collect::<Vec<_>>());
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
        code.starts_with("[[network]]") || code.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    // Only the lines with code behind `# `, without those of the two-line example, which are indented.
    let uncommented: Vec<&str> = SAMPLE
        .lines()
        .map(|line| if is_code(&line) && !line.starts_with("#  ") { line.trim_start_matches("# ") } else { line })
        .collect();
    let text = uncommented.join("\n");
    let config = Config::parse(&text, "hatchery.toml").unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let [_, servers] = config.site.links.as_slice() else { panic!("two links") };
    assert_eq!((servers.name.as_str(), servers.address), ("servers", Ipv4Addr::new(192, 168, 100, 250)));
    let option = |number| config.site.links[0].options.iter().find(|(each, _)| *each == number).map(|(_, value)| value);
    assert_eq!(option(26), Some(&vec![5, 220]));
    assert_eq!(option(150), Some(&vec![192, 168, 151, 1]));
    assert_eq!(option(252), Some(&vec![10]));
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
management = []
[dhcp]
offer_hold = "1m 30s"
[limits]
silence = "2 days"
"#,
    );
    let link = &config.site.links[0];
    let first = (Ipv4Addr::new(10, 0, 1, 0), Ipv4Addr::new(10, 0, 1, 9));
    assert_eq!(link.pools, [first, (Ipv4Addr::new(10, 0, 2, 1), Ipv4Addr::new(10, 0, 2, 1))]);
    assert_eq!((link.lease_time, link.authoritative), (Duration::from_secs(3), false));
    assert_eq!(link.options, []);
    let reservation = Reservation {
        mac: Mac([0xdc, 0xa6, 0x32, 0x01, 0x36, 0xc2]),
        address: Some(Ipv4Addr::new(10, 0, 3, 3)),
        hostname: crate::ids::Hostname::parse("gold"),
        profile: Some("u".to_owned()),
    };
    assert_eq!(link.reservations, [reservation]);
    let abc = ProductName::parse("ABC").expect("a product name");
    assert_eq!(config.venues[0].pools, [(abc.clone(), vec![3, 4, 5, 9])]);
    assert_eq!(config.venues[0].venue.name, "ZAND");
    let profile = &config.profiles[0];
    assert_eq!((profile.product.as_ref(), profile.venue.as_ref()), (Some(&abc), VenueCode::parse("ZAND").as_ref()));
    assert_eq!(profile.boot_file_for(Firmware::UBoot), Some("boot.scr.uimg"));
    assert_eq!((config.site.http_port, config.http.management.len()), (8080, 0));
    assert_eq!(config.site.offer_hold, Duration::from_secs(90));
    assert_eq!(config.site.silence_limit, Duration::from_secs(2 * 86_400));
}

#[test]
fn relative_paths_start_at_the_directory_of_the_file() {
    let text = format!("{ETH1}[paths]\ndata = \"d\"\nimages = \"/srv/images\"\n");
    let paths = Config::parse(&text, "/etc/hatchery/f.toml").expect("no problem").paths;
    assert_eq!(paths.data, PathBuf::from("/etc/hatchery/d"));
    assert_eq!(paths.boot, PathBuf::from("/etc/hatchery/d/boot"));
    assert_eq!(paths.images, PathBuf::from("/srv/images"));
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
fn networks() {
    let two = |text: &str| format!("[[network]]\ninterface = \"eth2\"\n{text}");
    check(
        "[[network]]\nname = \"x\"\naddress = \"10.0.0.1/24\"\npool = []",
        "3:1: network.interface: the interface is missing; write interface = \"eth1\"",
    );
    check(
        "address = \"192.168.151.1\"",
        "3:11: network.address: \"192.168.151.1\" is not our address with the prefix length; write it like \"192.168.151.1/24\"",
    );
    check(
        "address = \"192.168.151.300/24\"",
        "3:11: network.address: \"192.168.151.300/24\" is not our address with the prefix length; write it like \"192.168.151.1/24\"",
    );
    check(
        "address = \"10.0.0.0/24\"\npool = []",
        "3:11: network.address: 10.0.0.0 is no host of 10.0.0.0/24; give an address between its first and last",
    );
    check(
        "address = \"10.0.0.1/24\"",
        "1:1: network.pool: the pool is missing; write pool = [\"10.0.0.100-10.0.0.250\"], or [] for reservations only",
    );
    check(
        &two(""),
        "3:1: network.address: the subnet 192.168.151.0/24 overlaps 192.168.151.0/24 of line 1; give our address on this network: address = \"192.168.100.250/24\"",
    );
    check(
        &two("address = \"192.168.0.1/16\"\npool = []"),
        "5:11: network.address: the subnet 192.168.0.0/16 overlaps 192.168.151.0/24 of line 1",
    );
    check(
        &two("name = \"eth1\"\naddress = \"10.0.0.1/24\"\npool = []"),
        "5:8: network.name: the name \"eth1\" stands already on line 2",
    );
    check("lease = \"12\"", "3:9: network.lease: \"12\" is not a duration; write it like \"12h\"");
    check("lease = \"0s\"", "3:9: network.lease: a duration of zero; one second is the least");
    check("lease = 43200", "3:9: network.lease: expected a string, found a whole number; put it in quotes");
    check(
        "dns = [\"8.8.8.8\", \"8.8.8\"]",
        "3:19: network.dns: \"8.8.8\" is not an IPv4 address; write it like \"192.168.151.1\"",
    );
    check(
        "domain = \"a..b\"",
        "3:10: network.domain: \"a..b\" is not a domain name; write it like \"bench.example.com\"",
    );
}

#[test]
fn pools() {
    let example = "write it like \"192.168.151.100-192.168.151.250\"";
    check("pool = [\"here\"]", &format!("3:9: network.pool: \"here\" is not a range of addresses; {example}"));
    check(
        "pool = [\"192.168.151.20-192.168.151.10\"]",
        "3:9: network.pool: the range 192.168.151.20-192.168.151.10 is reversed; write \"192.168.151.10-192.168.151.20\"",
    );
    check(
        "pool = [\"192.168.151.20-192.168.152.10\"]",
        "3:9: network.pool: 192.168.152.10 lies outside of 192.168.151.0/24",
    );
    check(
        "pool = [\"192.168.151.20-192.168.151.255\"]",
        "3:9: network.pool: 192.168.151.255 is the broadcast address of 192.168.151.0/24",
    );
    check(
        "pool = [\"192.168.151.20-192.168.151.29\",\n \"192.168.151.29\"]",
        "4:2: network.pool: the range 192.168.151.29-192.168.151.29 overlaps 192.168.151.20-192.168.151.29",
    );
    check(
        "address = \"10.0.0.1/8\"\npool = [\"10.0.0.2-10.200.0.0\"]",
        "4:9: network.pool: the range 10.0.0.2-10.200.0.0 has more than 65536 addresses",
    );
    // Our own address in a pool is simply not given.
    let own = config("pool = [\"192.168.151.1-192.168.151.9\"]");
    assert!(!own.site.links[0].gives(Ipv4Addr::new(192, 168, 151, 1)));
}

#[test]
fn reservations() {
    let head = "[[network.reservation]]\n";
    let one = |text: &str| format!("{head}mac = \"02:00:00:00:00:01\"\n{text}\n");
    let two = |first: &str, second: &str| format!("{}{head}mac = \"02:00:00:00:00:02\"\n{second}", one(first));
    check(head, "3:1: network.reservation.mac: the hardware address is missing; write mac = \"dc:a6:32:01:36:c2\"");
    check(
        &format!("{head}mac = \"02:00\""),
        "4:7: network.reservation.mac: \"02:00\" is not a hardware address; write it like \"dc:a6:32:01:36:c2\"",
    );
    check(
        &format!("{}{}", one(""), one("")),
        "7:7: network.reservation.mac: 02:00:00:00:00:01 is reserved for already on line 4",
    );
    check(&one("address = \"10.0.0.1\""), "5:11: network.reservation.address: 10.0.0.1 is no host of 192.168.151.0/24");
    check(&one("address = \"192.168.151.1\""), "5:11: network.reservation.address: 192.168.151.1 is our own address");
    let address = "address = \"192.168.151.9\"";
    check(&two(address, address), "8:11: network.reservation.address: 192.168.151.9 is reserved already on line 5");
    check(
        &two("hostname = \"gold\"", "hostname = \"GOLD\""),
        "8:12: network.reservation.hostname: the host name GOLD is given to 02:00:00:00:00:01 already on line 5",
    );
    check(
        &one("hostname = \"a_b\""),
        "5:12: network.reservation.hostname: \"a_b\" is not a host name (letters, digits, inner hyphens, at most 63); write it like \"bench-1\"",
    );
    check(
        &one("profile = \"raspbery-pi\""),
        "5:11: network.reservation.profile: unknown profile \"raspbery-pi\"; did you mean \"raspberry-pi\"?",
    );
}

#[test]
fn options() {
    let option = |text: &str| format!("[network.options]\n{text}");
    check(
        &option("0 = { type = \"u8\", value = 1 }"),
        "4:1: network.options.0: \"0\" is not an option number; options are numbered 1 to 254",
    );
    check(
        &option("mtu = { type = \"u8\", value = 1 }"),
        "4:1: network.options.mtu: \"mtu\" is not an option number; options are numbered 1 to 254",
    );
    check(
        &option("42 = { type = \"u8\", value = 1 }"),
        "4:1: network.options.42: option 42 has a key of its own; set it by network.ntp",
    )
}

#[test]
fn option_values() {
    let option = |text: &str| format!("[network.options]\n100 = {text}");
    let at = |column: usize, rest: &str| format!("4:{column}: network.options.100{rest}");
    check(&option("{ value = 1 }"), &at(1, ".type: the type is missing; one of address, text, u8, u16, u32, hex"));
    check(
        &option("{ type = \"u8\" }"),
        &at(1, ".value: the value is missing; write { type = \"text\", value = \"…\" }"),
    );
    check(
        &option("{ type = \"u61\", value = 1 }"),
        &at(16, ".type: unknown option type \"u61\"; did you mean \"u16\"?"),
    );
    check(&option("{ type = \"u8\", value = [1, 256] }"), &at(34, ".value: 256 is not within 0 to 255"));
    check(
        &option("{ type = \"hex\", value = \"0f 1\" }"),
        &at(31, ".value: \"0f 1\" is not bytes in hex; write it like \"01 ff a0\""),
    );
    check(
        &option("{ type = \"text\", value = \"\" }"),
        &at(32, ".value: the value has 0 bytes; an option holds 1 to 255"),
    );
    check(
        &option("{ type = \"text\", value = 3 }"),
        &at(32, ".value: expected a string, found a whole number; put it in quotes"),
    );
    check(
        &option("{ type = \"address\", value = \"x\" }"),
        &at(35, ".value: \"x\" is not an IPv4 address; write it like \"192.168.151.1\""),
    );
    check(
        "[network.options]\n61 = { type = \"u8\", value = 1 }",
        "4:1: network.options.61: option 61 is decided for every reply; leave it out",
    );
    check(
        "[network.options]\n100 = { type = \"u8\", value = 1 }\n0100 = { type = \"u8\", value = 1 }",
        "4:1: network.options.100: option 100 stands there twice",
    );
    let config = config("[network.options]\n100 = { type = \"u32\", value = [1, 0xffffffff] }");
    assert_eq!(config.site.links[0].options.last(), Some(&(100, vec![0, 0, 0, 1, 255, 255, 255, 255])));
}

#[test]
fn products_and_venues() {
    check("[[product]]", "3:1: product.name: the name is missing; write name = \"KXP2\"");
    check(
        "[[product]]\nname = \"K-1\"",
        "4:8: product.name: \"K-1\" is not a product name (1 to 16 letters and digits); write it like \"KXP2\"",
    );
    check(
        "[[product]]\nname = \"A\"\n[[product]]\nname = \"a\"",
        "6:8: product.name: the product A stands already on line 4",
    );
    check(
        "[[product]]\nname = \"A\"\nnaming = \"serail\"",
        "5:10: product.naming: unknown naming \"serail\"; did you mean \"serial\"?",
    );
    check(
        "[[product]]\nname = \"A\"\ndigits = 8",
        "5:10: product.digits: digits belong to naming = \"serial\"; pooled names have a width",
    );
    check(
        "[[product]]\nname = \"A\"\nnaming = \"serial\"\nwidth = 8",
        "6:9: product.width: a width belongs to naming = \"pooled\"; names by serial have digits",
    );
    check(
        "[[product]]\nname = \"A\"\nimage = \"../a.img\"",
        "5:9: product.image: \"../a.img\" is not a file below the image directory; write it like \"kxp2_master.img\"",
    );
    let venue = |text: &str| format!("[[venue]]\ncode = \"SPAA\"\n{text}\n");
    check("[[venue]]", "3:1: venue.code: the code is missing; write code = \"SPAA\"");
    check(
        "[[venue]]\ncode = \"SPA\"",
        "4:8: venue.code: \"SPA\" is not a venue code (four of A-Z and 0-9); write it like \"SPAA\"",
    );
    check(&format!("{}{}", venue(""), venue("")), "7:8: venue.code: the venue SPAA stands already on line 4");
    check(
        &venue("contact_email = \"crew\""),
        "5:17: venue.contact_email: \"crew\" is not an e-mail address; write it like \"crew@example.com\"",
    );
    check(&venue("name = \"a\\nb\""), "5:8: venue.name: a line break or control character is not allowed here");
    check(
        &venue("numbers = { KXP = [1] }"),
        "5:13: venue.numbers.KXP: unknown product \"KXP\"; did you mean \"KXP2\"?",
    );
    check(
        &venue("numbers = { RXP2 = [1] }"),
        "5:13: venue.numbers.RXP2: RXP2 is named by serial number; it needs no numbers",
    );
    check(
        &venue("numbers = { KXP2 = [\"1 to 4\"] }"),
        "5:21: venue.numbers.KXP2: \"1 to 4\" is not a number or a range of numbers; write it like \"1-40\"",
    );
    check(
        &venue("numbers = { KXP2 = [\"4-1\"] }"),
        "5:21: venue.numbers.KXP2: the range 4-1 is reversed; write \"1-4\"",
    );
    check(&venue("numbers = { KXP2 = [\"0-4\"] }"), "5:21: venue.numbers.KXP2: numbers begin at 1");
    check(&venue("numbers = { KXP2 = [\"1-4\", 3] }"), "5:28: venue.numbers.KXP2: the number 3 stands there twice");
    check(
        &venue("numbers = { KXP2 = [\"1-4000000000\"] }"),
        "5:21: venue.numbers.KXP2: the range 1-4000000000 has more than 10000 numbers",
    );
}

#[test]
fn profiles() {
    let profile = |text: &str| format!("[[profile]]\nname = \"p\"\n{text}\n");
    let pi = |text: &str| profile(&format!("firmware = [\"raspberry-pi-5\"]\n{text}"));
    check("[[profile]]\nfirmware = []", "3:1: profile.name: the name is missing; write name = \"raspberry-pi\"");
    check(
        &profile(""),
        "3:1: profile.firmware: the firmware is missing; write firmware = [\"raspberry-pi-5\"], or [] for reservations only",
    );
    check(
        &profile("firmware = [\"pi5\"]"),
        "5:13: profile.firmware: unknown firmware \"pi5\"; one of raspberry-pi-3, raspberry-pi-4, raspberry-pi-5, bios, uefi-x64, \
         uefi-arm64, uefi-http-x64, uefi-http-arm64, ipxe, u-boot, plain, unknown",
    );
    check(
        &profile("firmware = [\"uefi-x64\", \"ipxe\"]\nboot_files = { ipxe = \"a\" }"),
        "5:13: profile.firmware: uefi-x64 needs a boot file; add boot_file = \"…\", or boot_files for this firmware",
    );
    check(
        &profile("firmware = [\"plain\"]"),
        "5:13: profile.firmware: plain clients boot nothing; leave it out: they get an address in any case",
    );
    check(
        &profile("firmware = [\"raspberry-pi-5\", \"raspberry-pi-5\"]"),
        "5:31: profile.firmware: raspberry-pi-5 stands there twice",
    );
    check(&format!("{}{}", pi(""), pi("")), "8:8: profile.name: the profile \"p\" stands already on line 4");
    check(&pi("product = \"RXP\""), "6:11: profile.product: unknown product \"RXP\"; did you mean \"RXP2\"?");
    check(&pi("venue = \"SPAA\""), "6:9: profile.venue: unknown venue \"SPAA\"; nothing is known here");
    check(
        &pi("tree = \"/pi\""),
        "6:8: profile.tree: \"/pi\" is not a directory below the boot directory; write it like \"pi\"",
    );
    check(
        &pi("boot_files = { raspberry-pi-5 = \"a\" }"),
        "6:16: profile.boot_files.raspberry-pi-5: raspberry-pi-5 takes no boot file; it asks for its files by fixed names; set tree and answers",
    );
    check(
        &pi("[profile.answers]\n\"boot/a\" = \"t\""),
        "7:1: profile.answers.\"boot/a\": nobody asks for \"boot/a\"; names are those of TFTP; /boot/ comes in front of them in HTTP only",
    );
    check(
        &pi("[profile.answers]\na = \"../t\""),
        "7:1: profile.answers.a: \"../t\" is not a template's name; write it like \"pi/config.txt\"",
    );
}

#[test]
fn ports() {
    check("[http]\nports = [80, 0]", "4:14: http.ports: 0 is not within 1 to 65535");
    check("[http]\nports = [80, 80]", "4:14: http.ports: port 80 stands already on line 4");
    check("[http]\nports = []", "4:9: http.ports: no port is left; write ports = [80]");
    check(
        "[http]\nports = [5000]",
        "4:9: http.ports: port 5000 is that of the management API; leave it out, or set http.management",
    );
    check(
        "[http]\nmanagement = [\"0.0.0.0:80\"]",
        "4:15: http.management: port 80 serves deployments already; give one address instead of 0.0.0.0, or another port",
    );
    check(
        "[http]\nmanagement = [\"5000\"]",
        "4:15: http.management: \"5000\" is not an address with a port; write it like \"192.168.101.1:80\"",
    );
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
