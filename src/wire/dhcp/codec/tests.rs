//! Unit tests of the DHCP codec: what is refused and by which words, how options are joined, and the reply's envelope.

use std::net::Ipv4Addr;

use super::fixture::{PI4_DISCOVER, PI4_REQUEST, frame, hex, option, request};
use super::*;
use crate::net::Mac;

/// A DISCOVER's frame with one byte changed.
fn patched(offset: usize, byte: u8) -> Vec<u8> {
    let mut bytes = frame(&hex(PI4_DISCOVER));
    bytes[offset] = byte;
    bytes
}

fn reply() -> Reply {
    let request = request(PI4_DISCOVER);
    Reply {
        kind: Some(MessageType::Offer),
        xid: request.xid,
        flags: 0x8000,
        hops: 1,
        htype: request.htype,
        hlen: request.hlen,
        chaddr: request.chaddr,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::new(192, 168, 151, 64),
        siaddr: Ipv4Addr::new(192, 168, 151, 1),
        giaddr: Ipv4Addr::new(10, 0, 0, 1),
        sname: "hatchery".to_owned(),
        file: "start4.elf".to_owned(),
        options: vec![
            (code::SERVER_ID, vec![192, 168, 151, 1]),
            (code::LEASE_TIME, vec![0, 0, 2, 88]),
            (code::SUBNET_MASK, vec![255, 255, 255, 0]),
            (code::VENDOR_ENCAPSULATED, hex("060103 0a0400505845 ff")),
        ],
        relay_agent: None,
        max_size: 576,
    }
}

/// The codes of a reply's options in wire order.
fn codes(bytes: &[u8]) -> Vec<u8> {
    frame::check(bytes, Op::BootReply).expect("our own reply is well formed").order
}

#[test]
fn a_pi_4_discover_is_read_whole() {
    let request = request(PI4_DISCOVER);
    assert_eq!(request.kind, Some(MessageType::Discover));
    assert_eq!(request.xid, 0xd0e3_73b8);
    assert_eq!(request.mac(), Some(Mac([0xdc, 0xa6, 0x32, 0xec, 0xfc, 0x3c])));
    assert_eq!(request.options.keys().copied().collect::<Vec<_>>(), [53, 55, 60, 93, 94, 97]);
    assert_eq!(request.text_option(code::VENDOR_CLASS).as_deref(), Some("PXEClient:Arch:00000:UNDI:002001"));
    assert!(request.asks_for(code::VENDOR_ENCAPSULATED) && !request.asks_for(code::DNS_SERVERS));
    assert!(!request.broadcast());
    assert_eq!(frame(&hex(PI4_DISCOVER)).len(), 322, "the length seen on the wire");
}

#[test]
fn a_pi_4_request_is_read_whole() {
    let request = request(PI4_REQUEST);
    assert_eq!(request.kind, Some(MessageType::Request));
    assert_eq!(request.address_option(code::REQUESTED_ADDRESS), Some(Ipv4Addr::new(192, 168, 151, 64)));
    assert_eq!(request.address_option(code::SERVER_ID), Some(Ipv4Addr::new(192, 168, 151, 1)));
}

#[test]
fn frames_that_break_the_layout_are_refused_by_the_name_of_the_field() {
    let table: [(Vec<u8>, &str); 18] = [
        (vec![], "frame: 0 bytes"),
        (frame(&[])[..239].to_vec(), "frame: 239 bytes"),
        (patched(0, 3), "op: 3"),
        (patched(2, 17), "hlen: 17"),
        (patched(2, 255), "hlen: 255"),
        (patched(236, 98), "magic cookie: [62, 82, 53, 63]"),
        (frame(&[53, 1, 1, 12]), "option 12: runs past"),
        (frame(&[53, 1, 1, 12, 5, b'a', b'b']), "option 12: runs past the end of `options`"),
        (frame(&[53, 0, 255]), "option 53: 0 bytes"),
        (frame(&[53, 2, 1, 1, 255]), "option 53: 2 bytes"),
        (frame(&[53, 1, 1, 53, 1, 3, 255]), "option 53: 2 bytes"),
        (frame(&[53, 1, 0, 255]), "option 53: message type 0"),
        (frame(&[53, 1, 10, 255]), "option 53: message type 10"),
        (frame(&[53, 1, 3, 50, 3, 1, 2, 3, 255]), "option 50: 3 bytes, must be 4"),
        (frame(&[53, 1, 3, 54, 5, 1, 2, 3, 4, 5, 255]), "option 54: 5 bytes, must be 4"),
        (frame(&[53, 1, 1, 57, 1, 5, 255]), "option 57: 1 bytes, must be 2"),
        (frame(&[53, 1, 1, 52, 1, 4, 255]), "option 52: [4]"),
        (frame(&[53, 1, 1, 52, 2, 1, 1, 255]), "option 52: [1, 1]"),
    ];
    for (bytes, expected) in table {
        match decode(&bytes) {
            Err(Refusal::Unparsable(what)) => assert!(what.starts_with(expected), "{what:?} instead of {expected:?}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn messages_without_an_answer_from_us_are_not_ours() {
    let table = [
        (patched(0, 2), "op: a server's BOOTREPLY"),
        (frame(&[53, 1, 2, 255]), "option 53: a server's message type"),
        (frame(&[53, 1, 5, 255]), "option 53: a server's message type"),
        (frame(&[53, 1, 6, 255]), "option 53: a server's message type"),
    ];
    for (bytes, expected) in table {
        assert_eq!(decode(&bytes), Err(Refusal::NotOurs(expected)));
    }
    assert_eq!(decode_reply(&patched(0, 1)), Err(Refusal::NotOurs("op: a client's BOOTREQUEST")));
    assert_eq!(decode_reply(&patched(0, 2)), Err(Refusal::NotOurs("option 53: a client's message type")));
}

#[test]
fn tolerated_because_the_field_sends_it() {
    // No message type: BOOTP with options.
    assert_eq!(request("0c0161ff").kind, None);
    // No END, nothing after the cookie, bytes after END, PAD between options.
    assert_eq!(request("350101").kind, Some(MessageType::Discover));
    assert!(request("").options.is_empty());
    assert_eq!(request("350101ff0c").kind, Some(MessageType::Discover));
    assert_eq!(request("0000350101 00 0c0161 00 ff").option(code::HOST_NAME), Some(&b"a"[..]));
    // An architecture list of odd length, an empty option 97, a host name that is no text.
    let odd = request("350101 5d03000700 6100 0c02fffe ff");
    assert_eq!(odd.option(code::CLIENT_ARCH), Some(&[0, 7, 0][..]));
    assert_eq!(odd.option(code::CLIENT_UUID), Some(&[][..]));
    assert_eq!(odd.text_option(code::HOST_NAME).as_deref(), Some("??"));
    // InfiniBand: no hardware address in the header (RFC 4390 §2.1).
    let mut infiniband = frame(&hex("350101ff"));
    (infiniband[1], infiniband[2]) = (32, 0);
    let request = decode(&infiniband).expect("hlen 0 is legal");
    assert_eq!((request.mac(), request.chaddr), (None, [0; 16]));
}

#[test]
fn options_that_dhcproto_cannot_read_hide_no_others() {
    let hostile = request("3501010c02fffe 96080101010102020202 5101005e0401020304 3c0161 5d020007 ff");
    assert_eq!(hostile.options.keys().copied().collect::<Vec<_>>(), [12, 53, 60, 81, 93, 94, 150]);
}

#[test]
fn rfc_3396_repeated_options_are_joined_in_order() {
    let adjacent = request("350101 4d026950 4d025845 ff");
    let apart = request("4d026950 350101 4d00 3c0161 4d025845 ff");
    for request in [adjacent, apart] {
        assert_eq!(request.option(code::USER_CLASS), Some(&b"iPXE"[..]));
    }
}

#[test]
fn rfc_2132_9_3_overloaded_fields_are_read_file_first() {
    let fill = |overload: &[u8]| {
        let mut bytes = frame(&[&[53, 1, 1, 77, 1, b'a'], overload, &[255]].concat());
        bytes[44..48].copy_from_slice(&[77, 1, b'c', 255]);
        bytes[108..112].copy_from_slice(&[77, 1, b'b', 255]);
        decode(&bytes).expect("overload is legal")
    };
    let table: [(&[u8], &[u8], &[u8]); 4] = [
        (&[], b"a", &[77, 1, b'b', 255]),
        (&[52, 1, 1], b"ab", b""),
        (&[52, 1, 2], b"ac", &[77, 1, b'b', 255]),
        (&[52, 1, 3], b"abc", b""),
    ];
    for (overload, joined, file) in table {
        let request = fill(overload);
        assert_eq!(request.option(code::USER_CLASS), Some(joined), "{overload:?}");
        assert_eq!(request.file, file, "{overload:?}");
        assert_eq!(request.option(code::OVERLOAD), None);
    }
    let mut cut = frame(&[53, 1, 1, 52, 1, 2, 255]);
    cut[106..108].copy_from_slice(&[12, 9]);
    cut[44..106].fill(0);
    assert_eq!(decode(&cut), Err(Refusal::Unparsable("option 12: runs past the end of `sname`".to_owned())));
}

#[test]
fn the_file_field_ends_at_its_first_nul_or_at_its_end() {
    let mut bytes = frame(&hex("350101ff"));
    bytes[108..121].copy_from_slice(b"boot.scr\0junk");
    assert_eq!(decode(&bytes).expect("well formed").file, b"boot.scr");
    bytes[108..236].fill(b'x');
    assert_eq!(decode(&bytes).expect("well formed").file, [b'x'; 128]);
}

#[test]
fn a_reply_reads_back_as_it_was_written() {
    let kinds = [None, Some(MessageType::Offer), Some(MessageType::Ack), Some(MessageType::Nak)];
    for kind in kinds {
        let reply = Reply { kind, relay_agent: Some(hex("0104cafe0001 0104cafe0001")), ..reply() };
        assert_eq!(decode_reply(&encode(&reply)), Ok(reply));
    }
}

#[test]
fn every_hardware_type_and_option_code_survives() {
    for number in 1..=254 {
        let mut reply = Reply { htype: number, ..reply() };
        if !matches!(number, 1 | 43 | 50..=54 | 57 | 82) {
            reply.options.push((number, vec![number]));
        }
        assert_eq!(decode_reply(&encode(&reply)), Ok(reply));
    }
}

#[test]
fn options_stand_in_the_given_order_with_82_last() {
    let mut reply = Reply { relay_agent: Some(vec![1, 1, 7]), ..reply() };
    reply.options.reverse();
    let bytes = encode(&reply);
    assert_eq!(codes(&bytes), [53, 43, 1, 51, 54, 82]);
    assert_eq!(&bytes[236..243], &hex("63825363 350102")[..], "53 directly after the cookie");
}

#[test]
fn replies_are_padded_to_300_bytes_after_end_only() {
    let bytes = encode(&reply());
    assert_eq!(bytes.len(), 300);
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("not all zero");
    assert_eq!(bytes[end], END);
    assert_eq!(&bytes[44..53], b"hatchery\0");
    assert_eq!(&bytes[108..119], b"start4.elf\0");
    let long = Reply { options: vec![(code::MESSAGE, vec![b'm'; 100])], ..reply() };
    assert_eq!(encode(&long).len(), 240 + 3 + 102 + 1);
}

#[test]
fn rfc_3396_long_values_are_split() {
    let value: Vec<u8> = (0..=255).cycle().take(511).collect();
    let reply = Reply { options: vec![(code::VENDOR_ENCAPSULATED, value.clone())], max_size: 1472, ..reply() };
    let bytes = encode(&reply);
    assert_eq!(bytes[243..245], [43, 255]);
    assert_eq!(bytes[500..502], [43, 255]);
    assert_eq!(bytes[757..759], [43, 1]);
    assert_eq!(decode_reply(&bytes).expect("our own").option(43), Some(&value[..]));
}

#[test]
fn an_empty_value_stays() {
    let reply = Reply { options: vec![(code::USER_CLASS, vec![])], ..reply() };
    assert_eq!(decode_reply(&encode(&reply)).expect("our own").option(code::USER_CLASS), Some(&[][..]));
}

#[test]
fn option_57_bounds_the_ip_datagram_and_the_end_of_the_list_goes_first() {
    let blob = |code| (code, vec![0; 200]);
    let mut reply = reply();
    reply.options.splice(0..0, [blob(224)]);
    reply.options.extend([blob(225), blob(226), blob(227), blob(228), blob(229)]);
    // The essentials stay although they stand behind what goes.
    reply.options.push((code::SUBNET_MASK, vec![255; 4]));
    reply.options.remove(3);
    let table: [(u16, &[u8]); 6] = [
        // Below the minimum that every client takes, the minimum counts.
        (0, &[53, 224, 54, 51, 43, 1]),
        (576, &[53, 224, 54, 51, 43, 1]),
        (800, &[53, 224, 54, 51, 43, 225, 1]),
        (1000, &[53, 224, 54, 51, 43, 225, 226, 1]),
        // The largest that crosses Ethernet in one piece: OVMF says 65280.
        (1500, &[53, 224, 54, 51, 43, 225, 226, 227, 228, 1]),
        (65280, &[53, 224, 54, 51, 43, 225, 226, 227, 228, 1]),
    ];
    for (max_size, expected) in table {
        reply.max_size = max_size;
        let bytes = encode(&reply);
        assert_eq!(codes(&bytes), expected, "max_size {max_size}");
        assert!(bytes.len() + 28 <= usize::from(max_size.clamp(576, 1500)), "{} bytes", bytes.len());
    }
}

/// A ROM that reads on to a NUL finds one (dnsmasq-discuss 2006q1/000592: "pxelinux.0\xff").
#[test]
fn behind_a_boot_file_name_comes_a_nul() {
    let reply = Reply { options: vec![(code::BOOT_FILE, b"x.efi".to_vec())], ..reply() };
    let bytes = encode(&reply);
    let at = bytes.windows(5).position(|window| window == b"x.efi").expect("the name");
    assert_eq!(bytes[at + 5..at + 7], [0, 255]);
}

#[test]
fn option_82_stays_before_everything_but_the_essentials() {
    let mut reply = Reply { relay_agent: Some(vec![7; 250]), ..reply() };
    reply.options.push((code::BOOT_FILE, vec![b'f'; 100]));
    assert_eq!(codes(&encode(&reply)), [53, 54, 51, 1, 43, 82]);
    reply.relay_agent = Some(vec![7; 600]);
    assert_eq!(codes(&encode(&reply)), [53, 54, 51, 1]);
    // Found by fuzzing: no value is so wrong that a reply outgrows the client.
    reply.options = vec![(code::SERVER_ID, vec![1; 4]), (code::LEASE_TIME, vec![0; 600])];
    assert_eq!(codes(&encode(&reply)), [53, 54]);
}

#[test]
fn rfc_951_a_bootp_reply_has_300_bytes() {
    let reply = Reply { kind: None, options: vec![(1, vec![255; 4]), (12, vec![b'h'; 80])], ..reply() };
    let bytes = encode(&reply);
    assert_eq!((bytes.len(), codes(&bytes)), (300, vec![1]));
}

#[test]
fn names_fill_their_fields_up_to_the_nul_or_not_at_all() {
    let named = |sname: usize, file: usize| {
        let reply = Reply { sname: "s".repeat(sname), file: "f".repeat(file), ..reply() };
        let read = decode_reply(&encode(&reply)).expect("our own");
        (read.sname.len(), read.file.len())
    };
    assert_eq!(named(63, 127), (63, 127));
    assert_eq!(named(64, 128), (0, 0));
    assert_eq!(named(1000, 1000), (0, 0));
}

#[test]
fn no_frame_panics() {
    let mut rng = fastrand::Rng::with_seed(0x6861_7463_6865_7279);
    let options = [hex(PI4_DISCOVER), hex(PI4_REQUEST), hex(&option(code::RELAY_AGENT, &[1, 1, 7]))];
    let (mut requests, mut replies) = (0, 0);
    for _ in 0..100_000 {
        let mut bytes = frame(&options[rng.usize(..options.len())]);
        bytes[0] = rng.u8(1..=2);
        for _ in 0..rng.usize(..4) {
            let index = rng.usize(..bytes.len());
            bytes[index] = rng.u8(..);
        }
        if rng.u8(..8) == 0 {
            bytes.truncate(rng.usize(..=bytes.len()));
        }
        requests += u32::from(decode(&bytes).is_ok());
        if let Ok(reply) = decode_reply(&bytes) {
            encode(&reply);
            replies += 1;
        }
    }
    // Reach: the mutations must not all die at the first check.
    assert!(requests > 20_000 && replies > 5_000, "{requests} requests, {replies} replies");
}

#[test]
fn a_request_comes_back_as_it_was_written() {
    for options in [PI4_DISCOVER, PI4_REQUEST] {
        let request = request(options);
        let bytes = encode_request(&request);
        assert!(bytes.len() >= 300);
        assert_eq!(bytes[240..243], [53, 1, request.kind.expect("a DHCP message").code()]);
        assert_eq!(decode(&bytes).as_ref(), Ok(&request));
    }
}
