//! What is a wired interface, and which one leads to a server.

use super::*;

#[test]
fn wired_hardware_is_told_from_the_rest() {
    let class = tempfile::tempdir().expect("a directory");
    for (name, expected) in [("eth0", true), ("wlan0", false), ("wlan1", false), ("dummy0", false)] {
        let directory = class.path().join(name);
        let parts: &[&str] = match name {
            "eth0" => &["device"],
            "wlan0" => &["device", "phy80211"],
            "wlan1" => &["device", "wireless"],
            _ => &[],
        };
        parts.iter().for_each(|part| std::fs::create_dir_all(directory.join(part)).expect("directories"));
        assert_eq!(is_wired(&directory), expected, "{name}");
    }
}

#[test]
fn loopback_is_no_ethernet() {
    assert!(list(Some("lo")).is_empty());
    assert_eq!(towards(Ipv4Addr::LOCALHOST), None);
}
