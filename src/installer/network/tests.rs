//! Which interfaces are asked, and what is said while nobody answers.

use super::*;

fn interface(name: &str, last: u8, link: bool) -> Interface {
    Interface { name: name.to_owned(), mac: Mac([2, 0, 0, 0, 0, last]), link }
}

#[test]
fn the_interface_that_booted_is_asked_first_and_the_others_later() {
    let found = [interface("eth0", 1, true), interface("eth1", 2, true)];
    let wanted = |mac| Wanted { boot_mac: Some(Mac([2, 0, 0, 0, 0, mac])), interface: None };
    assert_eq!(choose(&found, &wanted(2), Duration::ZERO), found[1..]);
    assert_eq!(choose(&found, &wanted(2), BOOT_INTERFACE_FIRST), found);
    assert_eq!(choose(&found, &wanted(9), Duration::ZERO), found, "it is not there, or its driver is missing");
    assert_eq!(choose(&found, &Wanted::default(), Duration::ZERO), found);
}

#[test]
fn what_is_waited_for_is_said() {
    let any = Wanted::default();
    let named = Wanted { interface: Some("eth7".to_owned()), boot_mac: None };
    for (chosen, wanted, words) in [
        (vec![], &any, "a driver may be missing"),
        (vec![], &named, "eth7, which does not exist"),
        (vec![interface("eth0", 1, false), interface("eth1", 2, false)], &any, "cable plugged in? (eth0, eth1)"),
        (vec![interface("eth0", 1, false), interface("eth1", 2, true)], &any, "Asking for an address on eth1"),
    ] {
        let sentence = waiting(&chosen, wanted);
        assert!(sentence.contains(words), "{sentence}");
    }
}
