//! Option 81 byte by byte.

use super::*;

#[test]
fn the_name_comes_in_the_clients_own_encoding() {
    type Case<'a> = (&'a [u8], Option<&'a str>, Option<&'a [u8]>);
    let table: [Case<'_>; 8] = [
        // ASCII, as old clients write it; S set: the client counted on an update.
        (b"\x01\0\0old", Some("kart-7.bench.example"), Some(b"\x0a\xff\xffkart-7.bench.example.")),
        (b"\x00\0\0old", Some("kart-7"), Some(b"\x08\xff\xffkart-7.")),
        (b"\x05\0\0\x03old", Some("kart-7.bench"), Some(b"\x0e\xff\xff\x06kart-7\x05bench\0")),
        // No name of ours: its own comes back.
        (b"\x04\0\0\x03old", None, Some(b"\x0c\xff\xff\x03old")),
        (b"\x00\0\0", None, Some(b"\x08\xff\xff")),
        // Too short to be one.
        (b"\x00\0", Some("kart-7"), None),
        (b"\x04\0\0\x09old", Some("kart-7"), None),
        (b"", None, None),
    ];
    for (asked, name, expected) in table {
        assert_eq!(answer(asked, name).as_deref(), expected, "{asked:?} {name:?}");
    }
}

#[test]
fn nobody_is_called_wpad() {
    for asked in [&b"\x00\0\0wpad"[..], b"\x01\0\0WPAD.example.com.", b"\x04\0\0\x04wPad\x07example\0"] {
        assert_eq!(answer(asked, None), None);
        assert!(answer(asked, Some("kart-7")).is_some());
    }
}
