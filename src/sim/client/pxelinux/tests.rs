use super::*;
use crate::net::Mac;
use crate::sim::client::{Identity, Kind, Options};

#[test]
fn the_menu_is_looked_for_under_the_captured_names() {
    let identity = Identity { mac: Mac([0x52, 0x54, 0, 0xfb, 0, 0x2f]), serial: "PC".into(), uuid: None };
    let mut hw = Hardware::new(Kind::UBoot, identity, 1, Options::default());
    hw.set_address(Ipv4Addr::new(192, 168, 151, 230), 24);
    let expected = "01-52-54-00-fb-00-2f C0A897E6 C0A897E C0A897 C0A89 C0A8 C0A C0 C default-arm default";
    let expected: Vec<String> = expected.split(' ').map(|name| format!("pxelinux.cfg/{name}")).collect();
    assert_eq!(menu_names(&hw, "-arm"), expected);
    assert_eq!(menu_names(&hw, "").len(), 10);
}

#[test]
fn the_default_entry_is_taken_and_no_other() {
    let menu = "# remark\nDEFAULT b\nPROMPT 0\nLABEL a\n  KERNEL no\nlabel b\n  MENU LABEL B\n  kernel /k\n  initrd /i\n  \
                append x y\nLABEL c\n  LOCALBOOT 0\n";
    let expected = Entry { kernel: "/k".into(), initrd: Some("/i".into()), append: "x y".into() };
    assert_eq!(default_entry(menu), Some(expected));
    for without in ["", "LABEL a\nKERNEL k\n", "DEFAULT b\nLABEL a\nKERNEL k\n"] {
        assert_eq!(default_entry(without), None, "{without}");
    }
}
