use std::time::Duration;

use crate::config::tests::{check, config};

#[test]
fn without_an_address_there_are_no_pages() {
    for without in ["", "[management]\n", "[management]\nlisten = []\nsession = \"1h\"\n"] {
        assert!(config(without).management.listen.is_empty(), "{without:?}");
    }
    let some = config("[management]\nlisten = [\"192.168.101.2:80\", \"127.0.0.1:8080\"]\n").management;
    assert_eq!(some.listen.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.168.101.2:80", "127.0.0.1:8080"]);
    assert_eq!(some.session, Duration::from_secs(43_200));
}

#[test]
fn machines_that_are_being_made_cannot_reach_it() {
    check(
        "[management]\nlisten = [\"192.168.151.1:81\"]\n",
        "4:11: management.listen: machines on the network eth1 would reach it; name an address of another network of \
         this machine, or 127.0.0.1 with a port of its own",
    );
    check(
        "[management]\nlisten = [\"0.0.0.0:80\"]\n",
        "4:11: management.listen: every address means those of the provisioning networks, too; name an address of \
         another network of this machine, or 127.0.0.1 with a port of its own",
    );
    check(
        "[management]\nlisten = [\"192.168.101.2\"]\n",
        "4:11: management.listen: \"192.168.101.2\" is not an address with a port; write it like \"192.168.101.2:80\"",
    );
}
