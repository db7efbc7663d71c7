use super::super::Level;
use super::*;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 151, 1);

fn link() -> Link {
    Link::new("eth1", Subnet::containing(ADDRESS, 24).expect("a subnet"), ADDRESS)
}

fn interface(name: &str, addresses: &[(Ipv4Addr, u8)]) -> Interface {
    Interface { name: name.into(), up: true, running: true, mac: None, addresses: addresses.to_vec() }
}

/// Levels of what is found, and the hint of the worst.
fn found(all: &[Interface]) -> (Vec<Level>, String) {
    let findings = look(&link(), all);
    let worst = findings.iter().max_by_key(|finding| finding.level).expect("something is always found");
    (findings.iter().map(|finding| finding.level).collect(), worst.hint.clone())
}

#[test]
fn every_state_of_an_interface_has_its_finding() {
    use Level::{Amber, Green, Red};
    let good = interface("eth1", &[(Ipv4Addr::new(10, 0, 0, 1), 8), (ADDRESS, 24)]);
    assert_eq!(found(std::slice::from_ref(&good)), (vec![Green, Green], String::new()));

    let down = Interface { up: false, running: false, ..good.clone() };
    assert_eq!(found(&[down]), (vec![Red, Green], "ip link set eth1 up".into()));
    let unplugged = Interface { running: false, ..good.clone() };
    assert_eq!(found(&[unplugged]).0, [Red, Green]);

    let bare = interface("eth1", &[]);
    let add = "ip address add 192.168.151.1/24 dev eth1".to_owned();
    assert_eq!(found(std::slice::from_ref(&bare)), (vec![Green, Red], add));
    let (levels, hint) = found(&[bare, interface("eth0", &[(ADDRESS, 24)])]);
    assert_eq!(levels, [Green, Red]);
    assert!(hint.contains("eth0"), "{hint}");

    assert_eq!(found(&[interface("eth1", &[(ADDRESS, 16)])]).0, [Green, Amber]);
    assert_eq!(found(&[interface("eth0", &[])]).0, [Red], "there is no eth1");
}

#[test]
fn the_system_has_a_loopback_interface() {
    let all = all().expect("interfaces");
    let loopback = all.iter().find(|each| each.name == "lo").expect("lo");
    assert!(loopback.addresses.is_empty() || loopback.addresses.contains(&(Ipv4Addr::LOCALHOST, 8)), "{loopback:?}");
}
