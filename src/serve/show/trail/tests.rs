use std::net::Ipv4Addr;
use std::sync::Arc;

use super::*;
use crate::ids::TransferId;
use crate::transfer::Via;

#[test]
fn each_kind_of_step_has_its_words() {
    let dhcp = |address| What::Dhcp { asked: "DISCOVER", answered: "OFFER", address, firmware: "bios" };
    let file = |outcome| {
        let (transfer, name) = (TransferId(1), Arc::from("config.txt"));
        What::File { transfer, name, via: Via::Tftp, sent: 5, size: 9, outcome }
    };
    let said = [
        words(&dhcp(Ipv4Addr::new(10, 0, 0, 7))),
        words(&dhcp(Ipv4Addr::UNSPECIFIED)),
        words(&file(None)),
        words(&file(Some(Outcome::Broken("silent".into())))),
        words(&What::Stage(Stage::Failed("no card".into()))),
        words(&What::Reported { word: "config".into(), detail: "told: KXP2-ARLT-001".into() }),
    ];
    let said: Vec<String> = said.iter().map(|(kind, what, detail)| format!("{kind} | {what} | {detail}")).collect();
    assert_eq!(
        said,
        [
            "dhcp | DISCOVER answered with OFFER | 10.0.0.7, asks as bios",
            "dhcp | DISCOVER answered with OFFER | asks as bios",
            "file | config.txt | TFTP, under way",
            "file | config.txt | TFTP, broken: silent",
            "stage | failed | no card",
            "report | asks who it is | told: KXP2-ARLT-001",
        ]
    );
    let step =
        Step { at: Timestamp::from_millis(1000), until: Timestamp::from_millis(3500), times: 3, what: file(None) };
    let shown = show(&step, Some(20));
    assert_eq!((&shown["lasted_ms"], &shown["after_ms"], &shown["times"]), (&json!(2500), &json!(20), &json!(3)));
    assert_eq!((&shown["sent"], &shown["size"]), (&json!(5), &json!(9)));
}
