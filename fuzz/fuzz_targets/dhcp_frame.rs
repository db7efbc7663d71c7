//! Any bytes through the DHCP border: decoding, recognition and the codec's own round trip.
//!
//! Run: `cargo +nightly fuzz run dhcp_frame fuzz/corpus/dhcp_frame fuzz/seeds/dhcp_frame`.
#![no_main]

use hatchery::machine::Evidence;
use hatchery::wire::dhcp::codec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = codec::decode(bytes) {
        let evidence = Evidence::from_dhcp(&request);
        assert!(evidence.firmware.is_some());
        assert!(usize::from(request.hlen) <= request.chaddr.len());
    }
    if let Ok(reply) = codec::decode_reply(bytes) {
        let written = codec::encode(&reply);
        assert!((300..=576 - 28).contains(&written.len()), "{} bytes", written.len());
        // What was dropped to fit stays dropped: the second round changes nothing more.
        let read = codec::decode_reply(&written).expect("our own reply is well formed");
        assert_eq!(codec::encode(&read), written);
    }
});
