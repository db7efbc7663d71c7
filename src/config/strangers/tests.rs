use std::time::Duration;

use super::*;
use crate::config::tests::{check, config};

#[test]
fn what_unknown_machines_may_take() {
    assert_eq!(config("").site.strangers, Strangers::default());
    assert_eq!(config("[dhcp]\nenabled = true").site.strangers, Strangers::default());
    let text =
        "[dhcp.unknown]\nreserve = 12\nper_minute = \"off\"\nper_link = 40\nper_circuit = \"off\"\noffer_hold = \"5s\"";
    let expected = Strangers {
        reserve: Share::Count(12),
        per_minute: None,
        per_link: Some(40),
        per_circuit: None,
        offer_hold: Duration::from_secs(5),
    };
    assert_eq!(config(text).site.strangers, expected);
    let shares = config("[dhcp.unknown]\nreserve = \"0%\"\nper_minute = \"50 %\"").site.strangers;
    assert_eq!((shares.reserve, shares.per_minute), (Share::Percent(0), Some(Share::Percent(50))));
}

#[test]
fn what_is_believed_of_addresses_that_are_taken() {
    let believed = config("[dhcp]\ndeclines_per_client = 2\ndeclines_of_pool = \"10%\"").site.disuse;
    assert_eq!(believed, Disuse { per_client: 2, of_pool: Share::Percent(10) });
    assert_eq!([151, 8].map(|size| believed.most(size)), [15, 4], "a share of a small pool is no sensible limit");
    assert_eq!(config("").site.disuse, Disuse::default());
}

#[test]
fn what_is_wrong() {
    let unknown = |text: &str| format!("[dhcp.unknown]\n{text}");
    check(
        &unknown("reserve = \"101%\""),
        "4:11: dhcp.unknown.reserve: \"101%\" is not a percentage or a number of addresses; write it like \"5%\"",
    );
    check(
        &unknown("reserve = \"many\""),
        "4:11: dhcp.unknown.reserve: \"many\" is not a percentage or a number of addresses; write it like \"5%\"",
    );
    check(
        &unknown("per_minute = \"0%\""),
        "4:14: dhcp.unknown.per_minute: \"0%\" is not a percentage or a number of addresses; write it like \"5%\"",
    );
    check(
        &unknown("per_circuit = \"none\""),
        "4:15: dhcp.unknown.per_circuit: expected a whole number, found a string; leave the quotes out",
    );
    check(&unknown("per_links = 3"), "4:1: dhcp.unknown.per_links: unknown key; did you mean \"per_link\"?");
    check("[dhcp]\ndeclines_per_client = 0", "4:23: dhcp.declines_per_client: 0 is not within 1 to 65536");
}
