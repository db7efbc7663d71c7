use bytes::Bytes;

use super::*;
use crate::net::LinkId;

fn message(client: u32) -> Event {
    let mut bytes = vec![0; 240];
    bytes[28..32].copy_from_slice(&client.to_be_bytes());
    Event::Dhcp { link: LinkId(0), port: 68, bytes: Bytes::from(bytes) }
}

#[test]
fn who_shouts_has_no_more_waiting_than_others_may() {
    let gate = Gate::new();
    let admitted = (0..1000).filter(|_| gate.admits(&message(1), false)).count();
    assert_eq!(admitted, usize::from(WAITING_OF_ONE));
    assert!(gate.admits(&message(2), false), "others are heard");
    gate.left(&message(1));
    assert!(gate.admits(&message(1), false));
    assert_eq!(gate.shed(), [1000 - u64::from(WAITING_OF_ONE), 0]);
}

#[test]
fn under_pressure_strangers_have_to_ask_again_and_acquaintances_do_not() {
    let gate = Gate::new();
    assert!(gate.admits(&message(1), false));
    gate.left(&message(1));
    assert!(gate.admits(&message(1), true), "it was heard before");
    assert!(!gate.admits(&message(2), true));
    for invented in 100..100_000 {
        gate.admits(&message(invented), true);
    }
    assert!(gate.admits(&message(2), true), "it asks again");
    assert_eq!(gate.shed()[1], 1 + 99_900);
}

#[test]
fn what_is_no_dhcp_message_passes() {
    let gate = Gate::new();
    assert!((0..100).all(|_| gate.admits(&Event::Deadline, true)));
    let short = Event::Dhcp { link: LinkId(0), port: 68, bytes: Bytes::from_static(&[1, 1]) };
    assert!((0..100).all(|_| gate.admits(&short, true)), "the core counts it as what it is");
}
