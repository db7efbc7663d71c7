//! Client messages for the tests of the rules: the bytes that real clients write, and a frame to put options into.
//!
//! Owns no expectations.

use super::decode;
use crate::wire::dhcp::Request;

/// A Pi 4's DISCOVER: DHCP options as on the wire, END included (seen on real hardware).
pub(crate) const PI4_DISCOVER: &str = "350101 370e01032b3c42438081828384858687
    3c20505845436c69656e743a417263683a30303030303a554e44493a303032303031
    5d020000 5e03010201 611100525069343031c00032ecfc3cda06ffe0 ff";

/// The same Pi's REQUEST: no options 55, 93 and 94.
pub(crate) const PI4_REQUEST: &str = "350103 3204c0a89740 3604c0a89701
    3c20505845436c69656e743a417263683a30303030303a554e44493a303032303031
    611100525069343031c00032ecfc3cda06ffe0 ff";

/// The bytes of hex digits; blanks between them do not count.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A BOOTREQUEST of the Pi with the MAC dc:a6:32:ec:fc:3c, with `options` after the magic cookie, nothing added.
pub(crate) fn frame(options: &[u8]) -> Vec<u8> {
    let mut bytes = hex("01010600 d0e373b8 00000000");
    bytes.resize(28, 0);
    bytes.extend(hex("dca632ecfc3c"));
    bytes.resize(236, 0);
    bytes.extend(hex("63825363"));
    bytes.extend(options);
    bytes
}

/// The request that a client with `options` (in hex) makes.
pub(crate) fn request(options: &str) -> Request {
    decode(&frame(&hex(options))).expect("the test's frame is well formed")
}

/// One option in hex.
pub(crate) fn option(code: u8, value: &[u8]) -> String {
    let length = u8::try_from(value.len()).expect("the test's option is short");
    [code, length].iter().chain(value).map(|byte| format!("{byte:02x}")).collect()
}
