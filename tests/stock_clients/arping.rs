//! arping: who answers for an address on the link.

use hatchery::load::bench::SERVER;
use hatchery::serve::control::Request;

use crate::table::{Table, mac};
use crate::tools::{inside_with, program, run, text};

#[test]
fn our_own_address_is_answered_and_a_second_holder_of_it_is_seen_by_all() {
    if !inside_with(&["arping"], "arping::our_own_address_is_answered_and_a_second_holder_of_it_is_seen_by_all") {
        return;
    }
    let table = Table::serving("", "");
    let port = table.plug(mac(1));
    // From 0.0.0.0, as a machine probes that has no address yet (RFC 5227 §2.1.1); -d: fails if two answer.
    let arping = || {
        let words = ["-0", "-d", "-c", "3", "-w", "1", "-i", port.interface(), "192.168.151.1"];
        run(program(&table, "arping").args(words))
    };
    let alone = arping();
    assert!(alone.status.success() && text(&alone).contains("bytes from"), "{}", text(&alone));
    let duplicate = || {
        let findings = table.ask(&Request::Doctor);
        let findings = findings.as_array().expect("findings").clone();
        findings.into_iter().find(|each| each["check"] == "duplicate 192.168.151.1" && each["level"] == "red")
    };
    assert_eq!(duplicate(), None);

    let mut second = table.plug(mac(7));
    second.set_address(SERVER.0, SERVER.1).expect("our address");
    let both = arping();
    assert!(!both.status.success() && text(&both).contains(&mac(7).to_string()), "{}", text(&both));
    let told = table.wait_for("the operator is told", duplicate);
    assert!(told["what"].as_str().is_some_and(|what| what.contains(&mac(7).to_string())), "{told}");
}
