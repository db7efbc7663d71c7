use super::*;

#[test]
fn the_question_is_a_discover_whose_answer_is_broadcast() {
    let mac = Mac([0x02, b'D', b'H', 4, 5, 6]);
    let request = codec::decode(&discover(mac)).expect("our own message");
    assert_eq!((request.kind, request.mac()), (Some(MessageType::Discover), Some(mac)));
    assert!(request.broadcast());
    assert_eq!(chaddr(&discover(mac)), Some(mac));
    assert_eq!(chaddr(&[0; 33]), None);
}
