//! A machine's whole life at the table: installed, finished, and installed again.

use hatchery::serve::control::Request;
use hatchery::sim::client::Kind;

use crate::table::{Station, Table, boots_a_pi, client, name_of};
use crate::tools::{inside_with, program, run};

#[test]
fn a_finished_machine_boots_its_disk_until_it_is_to_be_installed_again() {
    if !inside_with(&["busybox"], "lifecycle::a_finished_machine_boots_its_disk_until_it_is_to_be_installed_again") {
        return;
    }
    let table = Table::serving("", "");
    let pi = || client(Kind::Pi5, 1);
    let mac = pi().identity().mac;
    let records = table.boot(vec![pi()], || ());
    let name = name_of(&records[0]).to_owned();
    let known = table.machine(mac);
    assert_eq!((&known["stage"], &known["hostname"]), (&"done".into(), &name.as_str().into()));

    let interface = format!("m{}", mac.to_string().replace(':', ""));
    let power_cycled = Station::at(&interface).offer(pi()).expect("an OFFER");
    assert!(!boots_a_pi(&power_cycled) && power_cycled.siaddr.is_unspecified(), "{power_cycled:?}");
    assert_eq!(power_cycled.yiaddr, records[0].addresses[0], "and it keeps its address");

    table.ask(&Request::Reinstall { machine: name.clone() });
    let again = Station::at(&interface).offer(pi()).expect("an OFFER");
    assert!(boots_a_pi(&again), "{again:?}");

    // Out of its port and in again, with a new disk.
    run(program(&table, "busybox").args(["ip", "link", "del", &interface]));
    let records = table.boot(vec![pi()], || ());
    assert_eq!(name_of(&records[0]), name, "a name is for life");
    assert_eq!(table.machine(mac)["stage"], "done");
}
