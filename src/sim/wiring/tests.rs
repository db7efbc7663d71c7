use super::*;

fn relay() -> Relay {
    let selects = Some(Ipv4Addr::new(10, 3, 0, 0));
    Relay { giaddr: Ipv4Addr::new(10, 9, 0, 1), selects, agents: 2, is_up: true }
}

fn message(options: &[u8]) -> Vec<u8> {
    [&[0; OPTIONS][..], options].concat()
}

#[test]
fn a_relay_adds_its_address_its_hops_and_its_option_behind_all_others() {
    let bytes = relay().forward(&message(&[53, 1, 1, END, 0, 0, 0]));
    assert_eq!((bytes[HOPS], &bytes[GIADDR..GIADDR + 4]), (2, &[10, 9, 0, 1][..]));
    assert_eq!(bytes[OPTIONS..], *b"\x35\x01\x01\x52\x0c\x01\x04eth0\x05\x04\x0a\x03\0\0\xff");
}

#[test]
fn a_relay_takes_its_option_out_again_and_insists_that_it_came_back_as_it_was() {
    let relay = relay();
    let sent = relay.forward(&message(&[53, 1, 2, END]));
    let back = relay.back(&sent).expect("it is the same option");
    assert_eq!(back[OPTIONS..], [53, 1, 2, END]);
    assert!(relay.back(&message(&[53, 1, 2, END])).is_err());
    let mut changed = sent;
    changed[OPTIONS + 6] ^= 1;
    assert!(relay.back(&changed).is_err());
}
