use crate::class::Class;
use crate::config::tests::{check, config};
use crate::machine::firmware::Firmware;
use crate::site::DhcpOption;

#[test]
fn a_class_as_it_is_written() {
    let config = config(
        r#"
[[class]]
name = "kiosk"
firmware = ["uefi-x64"]
arch = [7, 9]
vendor_class = "PXEClient"
user_class = "0x6b"
uuid = "52506934-30"
mac = "dc:a6:32"
option = { number = 17, value = "/srv" }
options = { 3 = { type = "address", value = "192.168.151.9", always = true } }
"#,
    );
    let expected = Class {
        name: "kiosk".to_owned(),
        firmware: vec![Firmware::UefiX64],
        arch: vec![7, 9],
        vendor_class: b"PXEClient".to_vec(),
        user_class: b"k".to_vec(),
        uuid: b"RPi40".to_vec(),
        mac: vec![0xdc, 0xa6, 0x32],
        option: Some((17, b"/srv".to_vec())),
        options: vec![DhcpOption { always: true, ..DhcpOption::new(3, [192, 168, 151, 9]) }],
    };
    assert_eq!(config.classes, [expected]);
}

#[test]
fn classes() {
    let class = |text: &str| format!("[[class]]\n{text}");
    check(&class(""), "3:1: class.name: the name is missing; write name = \"kiosk\"");
    check(&class("name = \"KNOWN\""), "4:8: class.name: the class KNOWN is built in");
    check(
        &class("name = \"a\"\nmac = \"dc:a\""),
        "5:7: class.mac: \"dc:a\" is not the beginning in hex; write it like \"dc:a6:32\"",
    );
    check(
        &class("name = \"a\"\noption = { number = 1 }"),
        "5:10: class.option.option: number and value are needed; write option = { number = 17, value = \"/srv\" }",
    );
    check(
        "pool = [{ range = \"192.168.151.100\", classes = [\"kisok\"] }]\n[[class]]\nname = \"kiosk\"",
        "3:49: network.pool.classes: unknown class \"kisok\"; did you mean \"kiosk\"?",
    );
}
